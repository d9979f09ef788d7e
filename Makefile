# One way to do each thing: `make help`. A fresh machine needs Python 3.11 or newer and make, nothing else.
#
# All paths are relative, so that a folder with spaces in its name works. Nothing here asks git, writes to $HOME
# or needs a terminal. PYTHON=/path/to/python picks an interpreter; ARGS="-k words" goes to pytest.

.DEFAULT_GOAL := help
.SUFFIXES:
.PHONY: help install test demo chaos simulate converge docs check format-check lint types contracts format clean moved

ifeq ($(wildcard setup.cfg),)
$(error run it in the project's folder, or as: make -C FOLDER)
endif

# What the caller has on these would be imported in place of what is installed here.
unexport PYTHONPATH PYTHONHOME
export PYTHONNOUSERSITE := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

PY := .venv/bin/python
STAMP := .venv/.installed

# Its source package ships GitHub's specification of Markdown, which no wheel does; only tests read it.
SPEC := marko==2.2.4

# The stamp holds the folder it was made in: a copied or moved .venv, or one whose Python is gone, is made anew;
# one without a stamp is somebody's own, or half filled, and is only added to.
STALE := $(shell test "$$(cat $(STAMP) 2>/dev/null)" = "$$(pwd -P)" && $(PY) -c '' 2>/dev/null || echo moved)

help: ## Show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

install: $(STAMP) ## Make .venv with everything that tests and checks need

$(STAMP): setup.cfg pyproject.toml $(STALE)
	@python=; \
	for one in $${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 python}; do \
	    if "$$one" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then python=$$one; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	    echo "Python 3.11 or newer is needed; found none as $${PYTHON:-python3 or python3.11 ... python3.14}." >&2; \
	    echo "Install it, or name one: make PYTHON=/path/to/python3.11" >&2; \
	    exit 1; \
	fi; \
	if test -f $(STAMP) && test "$$(cat $(STAMP))" != "$$(pwd -P)" || ! $(PY) -m pip --version >/dev/null 2>&1; then \
	    echo "Making .venv with $$("$$python" --version)"; \
	    if "$$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then "$$python" -m venv --clear .venv; \
	    elif "$$python" -m virtualenv --version >/dev/null 2>&1; then "$$python" -m virtualenv --quiet --clear .venv; \
	    elif command -v virtualenv >/dev/null 2>&1; then virtualenv --quiet --clear --python "$$python" .venv; \
	    else \
	        echo "$$python cannot make virtual environments: its module venv or ensurepip is missing." >&2; \
	        echo "On Debian and Ubuntu: apt install python3-venv. Elsewhere: install virtualenv." >&2; \
	        exit 1; \
	    fi || exit 1; \
	fi
	@echo "Installing into .venv (once; again when setup.cfg changes)"
	@$(PY) -m pip install --editable '.[dev]'
	@$(PY) -m pip download --quiet --no-deps --no-binary :all: --dest .venv/spec $(SPEC) >/dev/null 2>&1 || \
	    echo "$(SPEC) could not be fetched: what its specification of Markdown tests is skipped" >&2
	@pwd -P > $(STAMP)

test: $(STAMP) ## Run the tests (ARGS="-k words" picks some)
	@CONNECTOR_MARKDOWN_SPEC="$${CONNECTOR_MARKDOWN_SPEC:-$$(ls .venv/spec/marko-*.tar.gz 2>/dev/null)}" $(PY) -m pytest $(ARGS)

demo: $(STAMP) ## Run everything here against sandboxes of the vendors (ONCE=1: one round, then stop)
	@.venv/bin/connector demo $(if $(filter-out 0 no false,$(ONCE)),--once)

chaos: $(STAMP) ## Let a storm of faults rage over real processes, then judge (MINUTES=5 SEED=1 HOURS=0)
	@$(PY) -m tests.chaos.storm --minutes $(or $(MINUTES),5) --seed $(or $(SEED),1) --hours $(or $(HOURS),0)

simulate: $(STAMP) ## Play whole histories of the engine in simulated time (N=1000 SEED=1); a seed plays the same again
	@$(PY) -m tests.simulator.history --number $(or $(N),1000) --seed $(or $(SEED),1)

converge: $(STAMP) ## Let people edit both sides of a two-way connector while everything goes wrong (N=20000 SEED=1)
	@TWO_WAY_HISTORIES=$(or $(N),20000) $(PY) -m pytest -q -p no:cacheprovider --timeout 0 $(if $(SEED),--hypothesis-seed=$(SEED)) tests/workers/test_two_way_histories.py

docs: $(STAMP) ## Build the documentation into site/; a broken link is an error
	@NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict --quiet

check: $(STAMP) ## Do all that CI does: format, lint, types, import contracts, documentation, tests
	@$(MAKE) --no-print-directory format-check
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory types
	@$(MAKE) --no-print-directory contracts
	@$(MAKE) --no-print-directory docs
	@$(MAKE) --no-print-directory test

format-check: $(STAMP) ## Say which files are not formatted
	@$(PY) -m ruff format --check .

lint: $(STAMP) ## Look for mistakes
	@$(PY) -m ruff check .

types: $(STAMP) ## Check the types
	@$(PY) -m mypy connector workers tests

contracts: $(STAMP) ## Check who imports whom
	@.venv/bin/lint-imports --no-logo

format: $(STAMP) ## Format, and mend what can be mended
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --fix .

clean: ## Remove caches and builds; .venv and what connectors stored stay
	@rm -rf build dist site *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find connector workers tests -type d -name __pycache__ -prune -exec rm -rf {} +
