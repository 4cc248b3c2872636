# A release pins the digest that this tag has at build time, and records it in a label and in its
# provenance; see .github/workflows/release.yml.
FROM python:3.13-slim AS base

FROM base AS build

# A separate prefix, independent of where the base image has Python, and without pip.
RUN python3 -m venv --without-pip /opt/opsera-step
COPY requirements.txt /build/
# Only packages from the lock file, checked by hash, without running code of a package. Tests that
# are part of a package are removed.
RUN python3 -m pip --python /opt/opsera-step/bin/python3 install \
    --disable-pip-version-check --no-cache-dir --no-compile --no-deps --no-input --quiet \
    --only-binary :all: --require-hashes --requirement /build/requirements.txt \
    && find /opt/opsera-step -type d -name tests -prune -exec rm -r {} +
COPY LICENSE entrypoint.py docker/cleanup /opt/opsera-step/
COPY opsera_step /opt/opsera-step/opsera_step
# For platforms that run a shell script in the container, such as GitLab.
COPY docker/opsera-step docker/opsera-step-job /build/bin/
# Bytecode that is not compared with its source at every start, and the same permissions for all
# users, independent of the umask of the checkout: the container may run as any user.
RUN /opt/opsera-step/bin/python3 -m compileall -q --invalidation-mode unchecked-hash \
        /opt/opsera-step/lib /opt/opsera-step/opsera_step \
    && chmod -R u=rwX,go=rX /opt/opsera-step /build/bin

FROM base

COPY --from=build /opt/opsera-step /opt/opsera-step
COPY --from=build /build/bin/ /usr/local/bin/

# Last, because they change with every commit. The build sets the values.
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

# No USER and no WORKDIR: GitHub mounts the output files for root, and sets the directory.
# Isolated (-I), so that files in the checkout can't shadow our modules; absolute paths, because
# PATH is not trusted; unbuffered (-u), because the log is watched live.
ENTRYPOINT ["/opt/opsera-step/bin/python3", "-Iu", "/opt/opsera-step/entrypoint.py"]
