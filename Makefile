# make demo    set up, train MAStAC on warehouse-9, show a figure and a table
# make test    set up with the development tools, lint, type-check, test
# make lint    the first half of `make test`
# make bench   the measurements of benchmarks/
# make pictures  draw the pictures of docs/ again
# make clean   remove what make and the tools created (not runs/)

PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$python; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test lint format bench pictures clean
.DELETE_ON_ERROR:

demo: $(VENV)/.installed
	$(BIN)/mastac train warehouse-9 --epochs 600 --seeds 0-4

test: lint
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/python tools/check_sizes.py
	$(BIN)/pyright

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/.installed
	@for script in benchmarks/update.py benchmarks/scaling.py benchmarks/structure.py benchmarks/environments.py benchmarks/discovery.py; do echo "$$script"; $(BIN)/python "$$script" || exit 1; done

pictures: $(VENV)/.installed
	$(BIN)/python docs/pictures.py

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis dist build
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# The package is installed in place, so only a change of its declared dependencies calls for a new installation.
$(VENV)/.installed: pyproject.toml
	@test -n "$(PYTHON)" || { echo "mastac needs Python 3.11 or newer; name one with 'make PYTHON=/path/to/python …'" >&2; exit 1; }
	@echo "Setting up $(VENV) (once; a few minutes) …"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --editable .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml
	@test -n "$(PYTHON)" || { echo "mastac needs Python 3.11 or newer; name one with 'make PYTHON=/path/to/python …'" >&2; exit 1; }
	@echo "Setting up $(VENV) with the development tools (once; a few minutes) …"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --editable '.[dev]'
	@touch $(VENV)/.installed $@
