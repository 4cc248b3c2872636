# A release pins the base by its digest (python:3.13-slim@sha256:…), so that a tag that moves
# changes nothing.
FROM python:3.13-slim AS build

# A place of its own: nothing depends on where the base keeps its Python. No pip stays in it.
RUN python3 -m venv --without-pip /opt/opsera-step
COPY requirements.txt /build/
# Only what the lock file names, checked by hash, and no code of a package runs on the way.
RUN python3 -m pip --python /opt/opsera-step/bin/python3 install \
    --disable-pip-version-check --no-cache-dir --no-compile --no-deps --no-input --quiet \
    --only-binary :all: --require-hashes --requirement /build/requirements.txt
COPY LICENSE entrypoint.py docker/cleanup /opt/opsera-step/
COPY opsera_step /opt/opsera-step/opsera_step
# Bytecode that is not compared with its source at every start.
RUN /opt/opsera-step/bin/python3 -m compileall -q --invalidation-mode unchecked-hash \
    /opt/opsera-step/lib /opt/opsera-step/opsera_step

FROM python:3.13-slim

LABEL org.opencontainers.image.title="opsera-step" \
      org.opencontainers.image.description="Run an Opsera pipeline from a CI job and follow it" \
      org.opencontainers.image.source="https://github.com/opsera-step/opsera-step" \
      org.opencontainers.image.licenses="Apache-2.0"

COPY --from=build /opt/opsera-step /opt/opsera-step
# For jobs that have a shell between them and us, as GitLab's do.
COPY docker/opsera-step docker/opsera-step-job /usr/local/bin/

# No USER and no WORKDIR: GitHub mounts the files for outputs for root, and sets the folder.
# Isolated (-I), for the job runs in a checkout whose files must not shadow ours, and by absolute
# paths, for its PATH may be anything; unbuffered (-u), for a log is watched while it grows.
ENTRYPOINT ["/opt/opsera-step/bin/python3", "-Iu", "/opt/opsera-step/entrypoint.py"]
