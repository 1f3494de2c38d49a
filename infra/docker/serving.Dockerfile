# The service, without TensorFlow: it follows the champion of the workspace that is mounted at /workspace.
#   docker build -f infra/docker/serving.Dockerfile -t sightline-serving:0.1.0 .
# With a digest: --build-arg PYTHON_IMAGE=python:3.11.14-slim-bookworm@sha256:...
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
WORKDIR /build
COPY requirements.lock infra/docker/serving-requirements.lock ./
# uv, of which requirements.lock has the hash: pip refuses backports-strenum (of ai-edge-litert), which says that it
# is for older Pythons. No compiler is here, and none is needed: every package has a wheel.
RUN sed -n '/^uv==/,/^[^ ]/{/^uv==/p;/^ /p}' requirements.lock > uv.lock \
    && pip install --no-cache-dir --disable-pip-version-check --require-hashes -r uv.lock \
    && uv venv --quiet --python "$(command -v python)" /opt/sightline/.venv \
    && VIRTUAL_ENV=/opt/sightline/.venv uv pip sync --no-cache --require-hashes --no-build --compile-bytecode \
        serving-requirements.lock
COPY registry/ registry/
COPY serving/ serving/
COPY vision/ vision/
COPY infra/docker/entrypoint.sh /opt/sightline/entrypoint.sh
# The files that a Bento carries, and no others.
RUN /opt/sightline/.venv/bin/python -c \
        "from pathlib import Path; from serving.bento.packing import copy_code; copy_code(Path('/opt/sightline'))" \
    && python -m compileall -q -x '[.]venv' /opt/sightline

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="sightline-serving" org.opencontainers.image.version="0.1.0"
ENV PATH=/opt/sightline/.venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    SIGHTLINE_HOME=/workspace \
    SIGHTLINE_HOST=0.0.0.0 \
    SIGHTLINE_PORT=3000 \
    BENTOML_HOME=/tmp/bentoml \
    BENTOML_DO_NOT_TRACK=True
# A volume that is mounted here for the first time takes over the owner.
RUN install -d -o 1000 -g 1000 /workspace
# Root's: the service cannot change its own code.
COPY --from=build /opt/sightline /opt/sightline
WORKDIR /opt/sightline
USER 1000:1000
EXPOSE 3000
VOLUME ["/workspace"]
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f\"http://127.0.0.1:{os.environ['SIGHTLINE_PORT']}/readyz\", timeout=4)"]
ENTRYPOINT ["/bin/sh", "/opt/sightline/entrypoint.sh"]
CMD ["python", "-m", "serving"]
