# Every target makes the environment it needs: Python 3.11, pip and make are enough.
PYTHON ?= python3
ARGS ?=
# Tests run in that many processes, a file in one of them.
JOBS ?= auto
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready

.DEFAULT_GOAL := help
.PHONY: help check verify test lint format docs bench mutants lockstep prove spin memcached clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Made anew only when pyproject.toml changes; a second run needs no network.
$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(v < (3, 11) and "Python 3.11 or newer is needed, this is %d.%d: make PYTHON=python3.11 ..." % v)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "making $(VENV) (once, some 30 seconds)"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --editable '.[test,lint,docs]'
	@touch $@

check: $(READY) ## judge the bundled server (ARGS='text.get*' narrows it)
	$(BIN)/mcspec check $(ARGS)

verify: $(READY) ## explore the models and prove their laws (ARGS=--mutants plants every bug)
	$(BIN)/mcspec verify $(ARGS)

test: $(READY) memcached ## run every test; judges the real memcached too where it can be had
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

# Without it the tests that need it are skipped, visibly; CI sets MCSPEC_REQUIRE_MEMCACHED=1 and fails.
memcached:
	@tests/install-memcached

lint: $(READY) ## ruff, mypy --strict, the laws of the house, and the documentation
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict
	$(BIN)/lint-imports
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs build/docs

format: $(READY) ## let ruff format and fix what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(READY) ## build the documentation into build/docs
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs build/docs
	@echo "build/docs/index.html"

bench: $(READY) memcached ## measure the server beside memcached, and the explorer beside a bare counter
	$(BIN)/python tests/bench/bench.py $(ARGS)
	$(BIN)/python -m tests.bench.explorer

mutants: $(READY) ## plant bugs in the server and print which clause catches each
	$(BIN)/python -m tests.mutants.run $(ARGS)

lockstep: $(READY) ## random streams through specification and server (ARGS='--streams 1000000')
	$(BIN)/python -m tests.lockstep.campaign $(ARGS)

prove: $(READY) ## let CrossHair go through every path of the integer and token rules
	$(BIN)/python -m tests.spec.prove $(ARGS)

spin: $(READY) ## the dispatch model in Spin beside the explorer (needs spin and a C compiler)
	$(BIN)/python -m tests.spin.twin $(ARGS)

clean: ## remove everything that was made
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .mcspec .import_linter_cache .coverage .coverage.*
	find . -name '*.egg-info' -prune -exec rm -rf {} +
	find spec impl conformance tests docs -name __pycache__ -prune -exec rm -rf {} +
