# Quaero: `make run` for a running page, `make test` for a green suite. Needs Python >= 3.11 with venv, and make.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11,$(if $(shell $(name) -c \
	'import sys; sys.version_info >= (3, 11) and print(1)' 2>/dev/null),$(name))))
ARGS ?=
CODE := $(wildcard src tests bench docs)
TESTS := tests/unit tests/contract tests/integration tests/browser  # browser last: see its conftest.py

# uv when the venv has it (ten times faster), else the pip that comes with every venv, from version 23 on.
# The venv leads the PATH because the build backend looks for its program there.
install = echo "installing $(1) ..."; export PATH="$(CURDIR)/$(BIN):$$PATH"; \
	if [ -x $(BIN)/uv ]; then export VIRTUAL_ENV="$(CURDIR)/$(VENV)"; get="$(BIN)/uv pip install --quiet"; \
	else get="$(BIN)/python -m pip install --quiet --disable-pip-version-check"; fi; \
	$$get --require-hashes -r $(1); $$get --no-deps --no-build-isolation -e .

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: $(VENV)/.run ## Install what is missing, then start everything with the demo (ARGS="--port 8081")
	@$(BIN)/quaero up --demo $(ARGS)

.PHONY: test
test: $(VENV)/.dev browser clients ## Install what is missing, then run every test but chaos (ARGS="-k crawler")
	@$(BIN)/python -m pytest --numprocesses 4 $(TESTS) $(ARGS)

.PHONY: check
check: $(VENV)/.dev ## Format, lint, types, import contracts, dead code
	@$(BIN)/ruff format --check $(CODE)
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/mypy src
	@$(BIN)/lint-imports
	@$(BIN)/vulture src bench

.PHONY: bench
bench: $(VENV)/.bench redis ## Print the measured figures beside peers (ARGS="--quick --only drain")
	@$(BIN)/python -m bench $(ARGS)

.PHONY: bench-ui
bench-ui: $(VENV)/.bench browser ## Print the page's figures in a real browser (ARGS="--quick")
	@$(BIN)/python -m bench --only page $(ARGS)

.PHONY: chaos
chaos: $(VENV)/.dev hosts ## Kill, hang and stop it on purpose; as root, most of an hour (CHAOS_SEED=7 repeats a storm)
	@$(BIN)/python -m pytest tests/chaos --timeout=1800 --durations=20 $(ARGS)

.PHONY: mutations
mutations: $(VENV)/.dev ## Break one rule at a time in a copy and show which test notices
	@$(BIN)/python -m tests.mutations $(ARGS)

.PHONY: format
format: $(VENV)/.dev ## Format the code and mend what the linter can
	@$(BIN)/ruff format $(CODE)
	@$(BIN)/ruff check --fix $(CODE)

.PHONY: docs
docs: $(VENV)/.dev ## Write the tables of the reference pages from the code
	@$(BIN)/python docs/reference/generate.py

.PHONY: lock
lock: $(VENV)/.dev ## Choose new versions of everything and write requirements/*.txt
	@lock() { $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url --no-emit-find-links pyproject.toml requirements/run.in "$$@"; }; \
	lock -o requirements/run.txt; \
	lock --extra postgresql -c requirements/run.txt -o requirements/postgresql.txt; \
	lock --group dev -c requirements/run.txt -o requirements/dev.txt; \
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url --no-emit-find-links -c requirements/dev.txt requirements/bench.in -o requirements/bench.txt

.PHONY: clean
clean: ## Remove what was installed and made here; never ./data
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist tests/clients/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- what the targets stand on; the stamps are files, so a second `make` installs nothing

$(VENV)/bin/python:
	@if [ -z "$(PYTHON)" ]; then \
		echo "Quaero needs Python 3.11 or newer and found none. Install one (Debian, Ubuntu: apt install python3 python3-venv)," >&2; \
		echo "or name it: make run PYTHON=/path/to/python3.12" >&2; exit 1; fi
	@if ! $(PYTHON) -c 'import venv, ensurepip' 2>/dev/null; then \
		echo "$(PYTHON) has no venv module. Install it (Debian, Ubuntu: apt install python3-venv) and run make again." >&2; exit 1; fi
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements/run.txt pyproject.toml | $(VENV)/bin/python
	@$(call install,requirements/run.txt)
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(VENV)/bin/python
	@$(call install,requirements/dev.txt)
	@touch $@ $(VENV)/.run

$(VENV)/.bench: requirements/bench.txt $(VENV)/.dev
	@$(call install,requirements/bench.txt)
	@touch $@

# $(call from_system,PROGRAMS,PACKAGE,WHO): unless one of the programs is there, root installs the package (never as a
# service that is used). Anyone else is told that WHO need it; with no WHO it can be done without.
from_system = if ! PATH="$$PATH:/usr/sbin:/sbin" command -v $(1) >/dev/null; then \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "installing $(2) ..."; apt-get update -qq; \
		DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $(2) >/dev/null; \
	else $(if $(3),echo "$(3) need $(firstword $(1)) (Debian: apt install $(2))." >&2; exit 1,true); fi; fi

# Celery is measured with Redis; without it its lines say "not measured".
.PHONY: redis
redis:
	@$(call from_system,redis-server,redis-server)

# Chaos runs once through PgBouncer, and between hosts that are network namespaces, which only root makes with `ip`.
.PHONY: hosts
hosts:
	@$(call from_system,pgbouncer,pgbouncer,The chaos tests)
	@$(call from_system,ip,iproute2,The chaos tests)

# Public clients read our streams in tests: curl, and libraries that npm fetches by the lock in tests/clients.
.PHONY: clients
clients:
	@$(call from_system,npm,npm,The tests of public clients)
	@$(call from_system,curl,curl,The tests of public clients)

# Browser tests drive the system's Chromium.
.PHONY: browser
browser:
	@$(call from_system,chromium chromium-browser google-chrome,chromium,The browser tests)
