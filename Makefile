# One command a task; `make help` lists them. Needs Python 3.11 or 3.12, make and a C library.
SHELL := /bin/sh
PYTHON ?= $(shell command -v python3.12 >/dev/null 2>&1 && python3.12 -c '' 2>/dev/null && echo python3.12 || (command -v python3.11 >/dev/null 2>&1 && python3.11 -c '' 2>/dev/null && echo python3.11) || echo python3)
CONFIG ?= zenml_config.yaml
HOST ?= 127.0.0.1
PORT ?= 3000
MLFLOW_PORT ?= 5000
ZENML_PORT ?= 8237
LOCK ?= requirements-jax
# Two test files at a time: half of the tests wait for services and processes.
TWO := --numprocesses 2 --dist loadfile
BIN := .venv/bin
READY := .venv/.ready
.DEFAULT_GOAL := help

help:  ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

setup: $(READY)  ## make the environment (.venv) from requirements.lock

$(READY): requirements.lock pyproject.toml infra/environment.py infra/setup.sh
	@sh infra/setup.sh "$(PYTHON)" && touch $(READY)

train: $(READY)  ## images -> champion: the training pipeline, then what it made
	@$(BIN)/zenml pipeline run training -c $(CONFIG)
	@$(BIN)/sightline status --config $(CONFIG)

serve: $(READY)  ## the champion behind http://127.0.0.1:3000
	@$(BIN)/python -m serving --host $(HOST) --port $(PORT)

ui: $(READY)  ## MLflow and the ZenML dashboard, on loopback
	@HOST=$(HOST) MLFLOW_PORT=$(MLFLOW_PORT) ZENML_PORT=$(ZENML_PORT) sh infra/ui.sh

schedule: $(READY)  ## train and monitor by the cron lines of the YAML until stopped
	@$(BIN)/sightline schedule --config $(CONFIG)

test: $(READY)  ## the tests that need minutes at most, and no data but our own
	@$(BIN)/python -m pytest $(TWO)

test-slow: $(READY)  ## the tests on real data, and whole runs
	@$(BIN)/python -m pytest -m slow --timeout 3600

check: $(READY)  ## what a commit must pass: ruff, mypy, import-linter, pytest
	@$(BIN)/ruff format --check . && $(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest $(TWO)

audit: $(READY)  ## bill of materials, licences and known vulnerabilities of what is locked
	@$(BIN)/python -m infra.audit

bench: $(READY)  ## measure again what BENCHMARKS.md says
	@$(BIN)/python -m benchmarks

bench-serve: $(READY)  ## measure the service: speed, cache, other servers, overload, killed workers
	@$(BIN)/python -m benchmarks.serving

serve-go: $(READY)  ## the Go back end of an export: MODELS=FOLDER (needs Go 1.26)
	@sh serving/go/build.sh
	@TF_CPP_MIN_LOG_LEVEL=3 serving/go/.lib/sightline-go --models "$(MODELS)" --host $(HOST) --port $(PORT)

test-go: $(READY)  ## vet the Go back end and run its tests (needs Go 1.26)
	@sh serving/go/build.sh vet
	@sh serving/go/build.sh test

docs: $(READY)  ## docs/ as a site: workspace/site/index.html
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet -f infra/site/mkdocs.yml
	@echo "workspace/site/index.html; with its search: $(BIN)/python -m http.server -b 127.0.0.1 -d workspace/site"

jax: $(READY)  ## make .venv-jax: training on JAX, without TensorFlow (LOCK=requirements-jax-cuda: with CUDA)
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python .venv-jax
	@VIRTUAL_ENV=.venv-jax $(BIN)/uv pip sync --quiet --require-hashes infra/jax/$(LOCK).lock

servers: $(READY)  ## make .venv-servers: the servers that bench-serve compares ours with (Linux)
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python .venv-servers
	@VIRTUAL_ENV=.venv-servers $(BIN)/uv pip sync --quiet --require-hashes infra/bench/requirements-servers.lock

COMPILE := $(BIN)/uv pip compile --universal --generate-hashes --no-emit-index-url --quiet

lock: $(READY)  ## compile requirements.lock anew from pyproject.toml, and those of infra/jax after it
	@$(COMPILE) pyproject.toml -o requirements.lock
	@$(COMPILE) -c requirements.lock infra/docker/serving-requirements.in -o infra/docker/serving-requirements.lock
	@$(COMPILE) -c requirements.lock infra/jax/requirements.in -o infra/jax/requirements-jax.lock
	@$(subst --universal ,,$(COMPILE)) -c requirements.lock infra/bench/requirements-servers.in -o infra/bench/requirements-servers.lock
	@$(COMPILE) -c requirements.lock infra/jax/requirements-cuda.in -o infra/jax/requirements-jax-cuda.lock

.PHONY: help setup train serve ui schedule test test-slow check audit bench bench-serve serve-go test-go docs servers jax lock
