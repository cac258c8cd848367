# What a person types. `make run` needs Python 3.11 or newer with venv, and nothing else; the other targets install
# the developers' tools as well. Knobs: PORT, DATA_DIR, PYTHON, VENV, WORKERS, PROFILE, PART.

PYTHON ?= python3
VENV ?= .venv
PROFILE ?= ci
PART ?=
# Two at least, so that tests always meet each other; sixteen at most, one Valkey database each.
WORKERS ?= $(shell n=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2); [ $$n -lt 2 ] && n=2; [ $$n -gt 16 ] && n=16; echo $$n)
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PROFILE
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run test check e2e faults bench lock format venv-run venv-dev

help:  ## this list
	@sed -n 's/^\([a-z0-9]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST)

run: venv-run  ## the whole desk: servers, web, worker, sweeper, demo; Ctrl-C stops it
	@$(BIN)/python -m webapp.run

# The isolation matrix runs by itself, without the tracing of coverage: a few long walks, dealt out as workers get free.
test: venv-dev  ## all tests but browser and faults, with branch coverage; ISOLATION=all walks the matrix in all modes
	@rm -f .coverage .coverage.*
	@$(PYTEST) -n $(WORKERS) -m "not e2e and not faults" --ignore tests/isolation --cov --cov-report=
	@$(BIN)/coverage report --fail-under=85
	@echo "Rules:"
	@$(BIN)/coverage report --include='webapp/*/rules.py' --fail-under=100
	@$(PYTEST) tests/isolation -n $(WORKERS) --dist worksteal

check: venv-dev  ## format, lint, types, import law, templates, unsafe patterns, known vulnerabilities
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy --strict webapp tests $(wildcard worker.py)
	@$(BIN)/lint-imports --no-cache
	@[ ! -d templates ] || $(BIN)/djlint --lint --quiet templates
	@$(BIN)/python scripts/lint_house.py
	@$(BIN)/python scripts/audit_code.py
	@$(BIN)/python scripts/audit_packages.py

e2e: venv-dev  ## the whole job in a headless browser
	@$(PYTEST) tests/e2e -m e2e

faults: venv-dev  ## concurrency and kill tests; PROFILE=ci or full
	@$(call some_tests,tests/faults -m faults --durable)

bench: venv-dev  ## benchmarks; PART=engine runs one
	@if [ -f tests/bench/__main__.py ]; then $(BIN)/python -m tests.bench $(PART); else echo "no tests"; fi

format: venv-dev  ## format and sort imports
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix --select I .

# Extras stay in the pins: an older pip takes `coverage[toml]` for another package than a pinned `coverage`.
LOCK := uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
  --no-strip-extras --upgrade
lock:  ## pin anew what pyproject.toml allows; needs uv
	@$(LOCK) --extra desk -o requirements.txt pyproject.toml
	@$(LOCK) --all-extras -c requirements.txt -o requirements-dev.txt pyproject.toml

# A suite that has no tests yet is no failure.
define some_tests
if [ -d $(firstword $(1)) ]; then $(PYTEST) $(1) || { code=$$?; [ $$code -eq 5 ] && echo "no tests" || exit $$code; }; \
else echo "no tests"; fi
endef

# The virtual environment remembers what was installed by a copy of the pinned list: an unchanged one costs nothing.
define install
if ! cmp -s $(1) $(VENV)/installed-$(1); then \
  $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
    || { echo "Python 3.11 or newer is needed; choose one with PYTHON=/path/to/python3." >&2; exit 2; }; \
  if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
    $(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
      || { echo "Python's venv module is missing; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 2; }; \
    echo "Making the virtual environment $(VENV) …"; \
    $(PYTHON) -m venv --clear $(VENV) || exit 2; \
  fi; \
  echo "Installing $(1) …"; \
  $(BIN)/python -m pip install --quiet --require-hashes -r $(1) \
    || { echo "The packages could not be installed; they need a network, and glibc 2.28 or macOS 11 at least." >&2; exit 2; }; \
  $(foreach list,$(2),cp $(list) $(VENV)/installed-$(list);) \
fi
endef

venv-run:
	@$(call install,requirements.txt,requirements.txt)

venv-dev:
	@$(call install,requirements-dev.txt,requirements-dev.txt requirements.txt)
