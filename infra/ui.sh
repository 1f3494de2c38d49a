#!/bin/sh
# MLflow and the ZenML dashboard, on loopback unless HOST says otherwise; both end with this script.
set -eu
home=${SIGHTLINE_HOME:-$PWD/workspace}
logs=$home/logs
mkdir -p "$logs"

.venv/bin/mlflow server --host "$HOST" --port "$MLFLOW_PORT" --workers 1 \
    --backend-store-uri "${MLFLOW_TRACKING_URI:-sqlite:///$home/mlflow.db}" \
    --default-artifact-root "$home/mlflow_artifacts" >"$logs/mlflow.log" 2>&1 &
mlflow=$!
# A local dashboard need not ask for a name, an address and leave to send news.
.venv/bin/python -c "
from zenml.client import Client
Client().update_user('default', updated_email_opt_in=False, updated_metadata={'finished_onboarding_survey': True})" \
    >"$logs/zenml.log" 2>&1 || true
.venv/bin/zenml login --local --blocking --ip-address "$HOST" --port "$ZENML_PORT" >>"$logs/zenml.log" 2>&1 &
zenml=$!
trap 'kill $mlflow $zenml 2>/dev/null; wait; exit 0' INT TERM

echo "MLflow (runs, models)       http://$HOST:$MLFLOW_PORT"
echo "ZenML (pipelines, reports)  http://$HOST:$ZENML_PORT  user \"default\", no password"
echo "ready in about 15 s; logs in $logs; Ctrl-C ends both"
# Where one of them cannot start (a port in use, say), its log says why and the other goes on.
wait $mlflow || { echo "MLflow ended:" >&2; tail -n 3 "$logs/mlflow.log" >&2; }
wait $zenml || { echo "ZenML ended:" >&2; tail -n 3 "$logs/zenml.log" >&2; }
