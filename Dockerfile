# A release is built on the digest that this tag has at that moment, and says so in its label and
# its provenance; see .github/workflows/release.yml.
FROM python:3.13-slim AS base

FROM base AS build

# A place of its own: nothing depends on where the base keeps its Python. No pip stays in it.
RUN python3 -m venv --without-pip /opt/opsera-step
COPY requirements.txt /build/
# Only what the lock file names, checked by hash, and no code of a package runs on the way. Tests
# that a package brings along stay behind.
RUN python3 -m pip --python /opt/opsera-step/bin/python3 install \
    --disable-pip-version-check --no-cache-dir --no-compile --no-deps --no-input --quiet \
    --only-binary :all: --require-hashes --requirement /build/requirements.txt \
    && find /opt/opsera-step -type d -name tests -prune -exec rm -r {} +
COPY LICENSE entrypoint.py docker/cleanup /opt/opsera-step/
COPY opsera_step /opt/opsera-step/opsera_step
# For jobs that have a shell between them and us, as GitLab's do.
COPY docker/opsera-step docker/opsera-step-job /build/bin/
# Bytecode that is not compared with its source at every start, and the same rights for everybody,
# whatever the umask of the checkout was: the container may run as any user.
RUN /opt/opsera-step/bin/python3 -m compileall -q --invalidation-mode unchecked-hash \
        /opt/opsera-step/lib /opt/opsera-step/opsera_step \
    && chmod -R u=rwX,go=rX /opt/opsera-step /build/bin

FROM base

COPY --from=build /opt/opsera-step /opt/opsera-step
COPY --from=build /build/bin/ /usr/local/bin/

# Last, for they change with every commit. What they are is told by the build.
ARG VERSION=unreleased
ARG REVISION=unknown
ARG SOURCE=https://github.com/opsera-step/opsera-step
ARG BASE_DIGEST=
LABEL org.opencontainers.image.title="opsera-step" \
      org.opencontainers.image.description="Run an Opsera pipeline from a CI job and follow it" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.documentation="${SOURCE}#readme" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="docker.io/library/python:3.13-slim" \
      org.opencontainers.image.base.digest="${BASE_DIGEST}"

# No USER and no WORKDIR: GitHub mounts the files for outputs for root, and sets the folder.
# Isolated (-I), for the job runs in a checkout whose files must not shadow ours, and by absolute
# paths, for its PATH may be anything; unbuffered (-u), for a log is watched while it grows.
ENTRYPOINT ["/opt/opsera-step/bin/python3", "-Iu", "/opt/opsera-step/entrypoint.py"]
