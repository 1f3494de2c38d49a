#!/bin/sh
# MLflow and the ZenML dashboard on loopback; both end with this script.
set -eu
home=${SIGHTLINE_HOME:-workspace}
mkdir -p "$home"
echo "MLflow:  http://$HOST:$MLFLOW_PORT"
echo "ZenML:   http://$HOST:$ZENML_PORT"
.venv/bin/mlflow server --host "$HOST" --port "$MLFLOW_PORT" \
    --backend-store-uri "sqlite:///$home/mlflow.db" --default-artifact-root "$home/mlflow_artifacts" &
mlflow=$!
trap 'kill $mlflow 2>/dev/null; .venv/bin/zenml logout --local >/dev/null 2>&1 || true' EXIT INT TERM
.venv/bin/zenml login --local --blocking --ip-address "$HOST" --port "$ZENML_PORT"
