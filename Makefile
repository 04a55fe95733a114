# make run and make test do all their own set-up. `make help` lists the targets.
PYTHON  ?= python3
VENV    := .venv
BIN     := $(VENV)/bin
STAMP   := $(VENV)/.installed
CONFIG  ?= config/demo.yaml
RUN_DIR ?= run
PIP     := $(BIN)/python -m pip --disable-pip-version-check --no-input

.DEFAULT_GOAL := help
.PHONY: help setup run test test-long fmt lint types bench up down status clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Build .venv/ from requirements.lock (pinned, with hashes)

# The checkout itself is installed editable, without building anything that is not pinned above.
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "crossdesk needs Python 3.11 or newer; name one with make PYTHON=..." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --require-hashes --requirement requirements.lock
	$(PIP) install --quiet --no-index --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

run: $(STAMP) ## Start the demo desk and watch it; Ctrl-C stops everything
	@$(BIN)/crossdesk run --config $(CONFIG) --run-dir $(RUN_DIR)

test: $(STAMP) lint types ## Lint, type check, tests (under 10 minutes on 2 cores)
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not long"

test-long: $(STAMP) ## Parts S H K W F L in hours, and a table of the promises (ARGS="S K --resume")
	$(BIN)/python -m tests.long $(ARGS)

fmt: $(STAMP) ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(STAMP) ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP) ## mypy, strict on common and services
	$(BIN)/mypy

bench: $(STAMP) ## Print the first figures (about two minutes)
	$(BIN)/python -m tests.bench

up: $(STAMP) ## Start the desk in the background
	@$(BIN)/crossdesk up --config $(CONFIG) --run-dir $(RUN_DIR)

down: $(STAMP) ## Stop it
	@$(BIN)/crossdesk down --run-dir $(RUN_DIR)

status: $(STAMP) ## Show its processes
	@$(BIN)/crossdesk status --run-dir $(RUN_DIR)

clean: ## Stop the desk, remove what was built and the run directory
	@if [ -x $(BIN)/crossdesk ]; then $(BIN)/crossdesk down --run-dir $(RUN_DIR) || exit 1; fi
	rm -rf $(VENV) $(RUN_DIR) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
