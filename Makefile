# make serve: set up, train and promote what is missing, serve.   make test: set up, pass the tests.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
SCAN := var/scan
HOST ?= 127.0.0.1
PORT ?= 3000
LOCK := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet
# Nothing outside this folder is touched: models, aliases and downloads are kept here.
export BENTOML_HOME ?= $(CURDIR)/var/bentoml
export BENTOML_DO_NOT_TRACK ?= True
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: serve test lint check faults e2e criteria soak train build load peers bench scan push kubeconfig clean lock help

help:  ## What there is to make
	@grep -E '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

$(VENV)/run: requirements.lock requirements-build.lock
	$(if $(shell command -v $(PYTHON)),$(PYTHON),python3) -m venv $(VENV)
	$(BIN)/pip install --quiet --require-hashes --requirement requirements.lock --requirement requirements-build.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --no-index --editable .
	touch $@

$(VENV)/dev: $(VENV)/run requirements-dev.lock
	$(BIN)/pip install --quiet --require-hashes --requirement requirements-dev.lock
	touch $@

serve: $(VENV)/run  ## Set up, train and promote whatever is missing, serve on 127.0.0.1:3000
	$(BIN)/python -m ekiben train --missing --promote
	$(BIN)/bentoml serve service:Ekiben --host $(HOST) --port $(PORT)

test: lint  ## All tests but the slow tiers, on two cores
	$(BIN)/python -m pytest tests --numprocesses 2 --dist loadfile

lint: $(VENV)/dev  ## Format, lint, types, direction of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint  ## Before each commit: lint and the fast tests
	$(BIN)/python -m pytest tests/unit -q

faults: $(VENV)/dev  ## The fault tests with their full numbers: some minutes
	$(BIN)/python -m pytest tests -m slow

e2e: $(VENV)/dev  ## Build the image and run it hardened, with docker or podman: some minutes
	$(BIN)/python -m pytest tests/e2e -m e2e

criteria: $(VENV)/dev  ## Write docs/faults.md from what the test runs measured
	$(BIN)/python -m tests.criteria

soak: $(VENV)/dev  ## Mixed traffic and swaps for MINUTES=30; plot and JSON in var/soak
	$(BIN)/python -m benchmarks.soak --minutes $(or $(MINUTES),30)

train: $(VENV)/run  ## Train every use case and register the versions
	$(BIN)/python train.py

build: $(VENV)/run  ## A Bento pinned to the production versions
	$(BIN)/python -m ekiben build

load: $(VENV)/dev  ## Load a running server; report in var/load.html
	mkdir -p var
	$(BIN)/locust --headless --host http://$(HOST):$(PORT) --html var/load.html

var/peers/%/installed: benchmarks/peers/%.lock
	@echo "installing $* to race against"
	$(if $(shell command -v $(PYTHON)),$(PYTHON),python3) -m venv var/peers/$*
	var/peers/$*/bin/pip install --quiet --require-hashes --requirement benchmarks/peers/$*.lock
	touch $@

# One that cannot be installed is named in the table.
peers:  ## The servers to race against, each in an environment of its own in var/peers
	-$(MAKE) --keep-going $(foreach one,litserve mlserver ray,var/peers/$(one)/installed)

bench: $(VENV)/dev peers  ## Race against baselines, peers and limits; table, JSON in var/bench.json
	mkdir -p var
	$(BIN)/python -m benchmarks

$(SCAN)/installed: requirements-scan.lock
	$(if $(shell command -v $(PYTHON)),$(PYTHON),python3) -m venv $(SCAN)
	$(SCAN)/bin/pip install --quiet --require-hashes --requirement requirements-scan.lock
	touch $@

scan: $(SCAN)/installed  ## Ask the Python index for known vulnerabilities of what a server needs
	$(SCAN)/bin/pip-audit --strict --disable-pip --require-hashes --requirement requirements-serving.lock

push:  ## Push IMAGE=REGISTRY/NAME:TAG; NAME@DIGEST, as `ekiben deploy --kubernetes` takes it, into var/image
	deploy/ci/push.sh $(IMAGE) var/image

kubeconfig:  ## Write KUBECONFIG_CONTENT, as a CI keeps it, into var/kubeconfig
	@mkdir -p var && umask 077 && printf '%s\n' "$${KUBECONFIG_CONTENT:?is not set}" > var/kubeconfig

lock:  ## Make the lock files anew (needs uv)
	uv pip compile pyproject.toml --all-extras $(LOCK) --output-file requirements.lock
	uv pip compile pyproject.toml $(LOCK) --constraint requirements.lock --output-file requirements-serving.lock
	uv pip compile --group image $(LOCK) --constraint requirements.lock --output-file requirements-image.lock
	uv pip compile --group scan $(LOCK) --output-file requirements-scan.lock
	uv pip compile --group build $(LOCK) --constraint requirements.lock --output-file requirements-build.lock
	for one in litserve mlserver ray; do uv pip compile benchmarks/peers/$$one.in $(LOCK) --no-annotate --output-file benchmarks/peers/$$one.lock || exit 1; done
	uv pip compile pyproject.toml --all-extras --group build --group dev $(LOCK) --constraint requirements.lock --output-file requirements-dev.lock

clean:  ## Remove what was installed and cached here; the model store in var stays
	rm -rf $(VENV) var/load.html var/bench.json .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
