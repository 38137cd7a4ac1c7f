# Everything one does with this repository. Needs Python 3.11 or newer with venv and pip; nothing else is installed
# outside .venv. A stamp in .venv per lock file: nothing is installed again while the lock is unchanged.
PYTHON ?= python3
V := .venv
PY := $(V)/bin/python
PIP := $(PY) -m pip install --quiet --disable-pip-version-check --no-input --require-hashes
OLDEST := $(V)/stripe-oldest
TEMPLATES = $$(find financial/templates studio/templates -name '*.html')
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate
PORT ?= 8000
DEMO_PORT ?= 8000
# Tests of one group stay together: those with a browser share one demo.
SPREAD := -n auto --maxprocesses 4 --dist loadgroup
POSTGRES_URL ?= postgres://postgres@127.0.0.1:5432/postgres
ARGS ?=
SEED ?= 1
PROFILE ?= swarm
STEPS ?= 1500
SWEEP_STEPS ?= 40
MINUTES ?= 60
BUG ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo run test test-postgres test-browser test-queue test-oldest-stripe simulate simulate-ci simulate-long simulate-sweep simulate-bugs lint format bench build check lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(V)/.run ## the studio with a made-up Stripe account, on this machine only (DEMO_PORT=8000)
	@$(PY) -m studio demo --port $(DEMO_PORT)

run: $(V)/.run ## the studio for real use: migrate, then serve on 127.0.0.1 (PORT=8000); data in var/
	@$(PY) -m studio migrate --verbosity 0
	@echo "The studio answers on http://127.0.0.1:$(PORT)/ (first user: $(PY) -m studio createsuperuser). Ctrl-C stops."
	@exec $(PY) -m gunicorn studio.wsgi:application --bind 127.0.0.1:$(PORT) --worker-class gthread --workers 1 \
		--threads 8 --no-control-socket --access-logfile -

test: $(V)/.dev ## every test but those that need PostgreSQL or an older SDK (ARGS="-k money")
	$(PY) -m pytest $(SPREAD) $(ARGS)

test-postgres: $(V)/.dev ## the same tests on PostgreSQL (POSTGRES_URL=…)
	DATABASE_URL="$(POSTGRES_URL)" $(PY) -m pytest $(SPREAD) -m "not browser" $(ARGS)

test-browser: $(V)/.dev ## only the tests that drive headless Chromium
	$(PY) -m pytest -m browser $(ARGS)

test-queue: $(V)/.dev ## only the tests that start workers on Redis and RabbitMQ (REDIS_URL=… RABBITMQ_URL=…)
	FINANCIAL_CI_REQUIRES=queue $(PY) -m pytest -m queue $(ARGS)

test-oldest-stripe: $(V)/.oldest ## the service tests against the oldest Stripe SDK we support
	PYTHONPATH=$(OLDEST) $(PY) -m pytest -m oldest_sdk $(ARGS)

simulate: $(V)/.dev ## one simulated run, as a failure printed it (SEED=1 PROFILE=swarm STEPS=1500)
	$(PY) -m tests.simulation one $(SEED) --profile $(PROFILE) --steps $(STEPS) --bug "$(BUG)" $(ARGS)

simulate-ci: $(V)/.dev ## regressions, fixed seeds, then fresh ones until four minutes are over
	$(PY) -m tests.simulation many --runs 20 --steps $(STEPS) --minutes 4 $(ARGS)

simulate-long: $(V)/.dev ## the same for as long as one likes (MINUTES=60)
	$(PY) -m tests.simulation many --runs 0 --steps $(STEPS) --minutes $(MINUTES) $(ARGS)

simulate-sweep: $(V)/.dev ## one run again and again, with a crash at each hook in turn (SEED=1 SWEEP_STEPS=40)
	$(PY) -m tests.simulation sweep $(SEED) --steps $(SWEEP_STEPS) $(ARGS)

simulate-bugs: $(V)/.dev ## find every planted bug
	$(PY) -m tests.simulation bugs --within 300 $(ARGS)

lint: $(V)/.dev ## style, import contracts, types, missing migrations, templates
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(V)/bin/lint-imports
	$(PY) -m mypy
	DJANGO_SETTINGS_MODULE=tests.settings $(PY) -m django makemigrations --check --dry-run
	$(V)/bin/djade --target-version 5.2 --check $(TEMPLATES)

format: $(V)/.dev ## put code and templates into shape
	$(PY) -m ruff check --fix-only .
	$(PY) -m ruff format .
	-$(V)/bin/djade --target-version 5.2 $(TEMPLATES)

bench: $(V)/.dev ## measure, as ratios in one run (docs/benchmarks.md)
	@for file in bench/bench_*.py; do echo "== $$file"; $(PY) -m bench.$$(basename $$file .py) || exit 1; done

build: $(V)/.dev ## the wheel, installed in a clean environment and checked from outside the checkout
	rm -rf dist build/wheel
	$(PY) -m build --no-isolation --wheel --outdir dist . >/dev/null
	$(PYTHON) -m venv build/wheel
	build/wheel/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	build/wheel/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-index dist/*.whl
	$(PY) .ci/check_wheel.py build/wheel

check: lint test build ## lint, test and build

lock: ## for maintainers: make the hashed locks anew (needs uv)
	$(LOCK) --extra postgres --group sandbox pyproject.toml -o requirements/run.txt
	$(LOCK) --extra postgres --extra celery --group dev -c requirements/run.txt pyproject.toml -o requirements/dev.txt
	$(LOCK) --no-deps requirements/stripe-oldest.in -o requirements/stripe-oldest.txt

clean: ## remove .venv and whatever was built; var/ with its data stays
	rm -rf $(V) .venv-newest build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# The environments.

$(V)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.12 …" >&2; exit 1; }
	@echo "Making the environment $(V) …"
	@$(PYTHON) -m venv $(V) \
		|| { rm -rf $(V); echo "python3 -m venv failed. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }

$(V)/.run: requirements/run.txt | $(V)/bin/python
	@echo "Installing what the studio runs on (about a minute the first time) …"
	@$(PIP) -r requirements/run.txt
	@touch $@

$(V)/.dev: requirements/dev.txt $(V)/.run
	@echo "Installing what the tests need …"
	@$(PIP) -r requirements/dev.txt
	@touch $@

$(V)/.oldest: requirements/stripe-oldest.txt $(V)/.dev
	@echo "Installing the oldest Stripe SDK beside the others …"
	@rm -rf $(OLDEST)
	@$(PIP) --no-deps --target $(OLDEST) -r requirements/stripe-oldest.txt
	@touch $@
