# Everything but the service: training, the schedule, MLflow's and ZenML's servers, the `sightline` command.
#   docker build -f infra/docker/training.Dockerfile -t sightline:0.1.0 .
# With a digest: --build-arg PYTHON_IMAGE=python:3.11.14-slim-bookworm@sha256:...
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
WORKDIR /opt/sightline
# First what the environment is made of: it is made anew only where one of these changed.
COPY pyproject.toml requirements.lock README.md ./
COPY infra/__init__.py infra/environment.py infra/setup.sh infra/
# `zenml init` makes .zen, into which ZenML writes at every start; the image names the source root instead.
RUN SIGHTLINE_HOME=/tmp/workspace sh infra/setup.sh python && rm -rf .zen
COPY . .
RUN python -m compileall -q -x '[.]venv' .

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="sightline" org.opencontainers.image.version="0.1.0"
# The other settings of every Python here are those of infra/environment.py.
ENV PATH=/opt/sightline/.venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    SIGHTLINE_HOME=/workspace \
    ZENML_CUSTOM_SOURCE_ROOT=/opt/sightline
RUN install -d -o 1000 -g 1000 /workspace /zenml
COPY --from=build /opt/sightline /opt/sightline
WORKDIR /opt/sightline
USER 1000:1000
VOLUME ["/workspace"]
STOPSIGNAL SIGTERM
# A run ends by itself; what serves has a healthcheck of its own in compose.yaml.
HEALTHCHECK NONE
ENTRYPOINT ["/bin/sh", "/opt/sightline/infra/docker/entrypoint.sh"]
CMD ["zenml", "pipeline", "run", "training", "-c", "zenml_config.yaml"]
