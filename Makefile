# Thin targets; the work is in Python. Needs Python 3.11+, git and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Test files run side by side; most of them wait for processes.
JOBS ?= 3

.PHONY: demo test crash year check lint types imports bench lock clean

demo: $(STAMP) ## Release sample projects on a station of their own; QUICK=1: the first release only
	$(BIN)/gare demo $(if $(QUICK),--quick) $(DEMO)

test: $(STAMP) ## Run the tests
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(TESTS)

crash: $(STAMP) ## Kill everything at every boundary, on SQLite and PostgreSQL; a part of it: CRASH="--sample 40 --seed 7"
	$(BIN)/python tests/crash --database sqlite,postgresql $(CRASH)

year: $(STAMP) ## Live through a simulated year of releases; YEAR="--seed 7 --days 90"
	$(BIN)/python tests/year $(YEAR)

check: lint types imports ## Lint, types, directions of imports

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

imports: $(STAMP)
	$(BIN)/lint-imports

bench: $(STAMP) ## Measure speed and memory side by side with yardsticks
	$(BIN)/python -m bench

# pip compiles bytecode on install: without it every start costs two to three times more. The lock is also given as
# constraints: pip 23 (of Python 3.11) does not hold `sqlalchemy[asyncio]` to the pin of `sqlalchemy` otherwise.
$(STAMP): pyproject.toml requirements.lock tests/without-dependencies.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Gare needs Python 3.11 or newer; set PYTHON=python3.x")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock -c requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r tests/without-dependencies.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	$(BIN)/python -m compileall -q gare flows tasks deployments
	$(BIN)/python -m deployments.seed
	touch $(STAMP)

lock: ## Renew requirements.lock (no registry address is written into it)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-annotate --no-header --extra dev pyproject.toml -o requirements.lock

clean:
	rm -rf $(VENV) demo build dist
