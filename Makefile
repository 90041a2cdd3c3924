# make demo    set up, train MAStAC on warehouse-9, show a figure and a table
# make test    set up with the development tools, lint, type-check, build the documentation, test
# make lint    the first part of `make test`
# make docs    the second: the documentation site in build/site, its links checked
# make faults  kill, fill, delete and interrupt runs at work, each by name (about half an hour)
# make bench   the measurements of benchmarks/
# make fuzz    thousands of damaged files for every reader, and a thousand command lines
# make pictures  draw the graphs and the page of docs/ again; make animations its films and its
#              report, after some trainings; pages need Chromium
# make clean   remove what make and the tools created (not runs/)

PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$python; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test lint docs format faults bench fuzz pictures animations clean
.DELETE_ON_ERROR:

demo: $(VENV)/.installed
	$(BIN)/mastac train warehouse-9 --epochs 600 --seeds 0-4

# Side by side, for each is at work on one core.
test: $(VENV)/.installed-dev
	$(MAKE) --jobs 2 lint docs
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/python tools/check_sizes.py
	$(BIN)/pyright

# Warnings are errors. From scratch, so that no page that is gone hides a link that leads nowhere.
docs: $(VENV)/.installed-dev
	rm -rf build/site
	JAX_PLATFORMS=cpu $(BIN)/sphinx-build --quiet --fail-on-warning --keep-going docs build/site
	$(BIN)/python tools/check_site.py build/site

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

faults: $(VENV)/.installed-dev
	MASTAC_FAULTS=100 $(BIN)/python -m pytest --numprocesses 0 --verbose -rA -m faults tests/faults

bench: $(VENV)/.installed
	@for script in benchmarks/update.py benchmarks/scaling.py benchmarks/structure.py benchmarks/environments.py benchmarks/discovery.py; do echo "$$script"; $(BIN)/python "$$script" || exit 1; done

# Other files and lines every time; what fails is printed as it was drawn.
FUZZ ?= 10000
LINES ?= 1000
fuzz: $(VENV)/.installed-dev
	MASTAC_FUZZ=$(FUZZ) MASTAC_FUZZ_LINES=$(LINES) $(BIN)/python -m pytest --numprocesses 2 tests/fuzz
	PYTHONPATH=tests $(BIN)/python tests/fuzz/coverage_guided.py $(FUZZ)

pictures: $(VENV)/.installed
	$(BIN)/python docs/pictures.py
	$(BIN)/python docs/explorer_picture.py

animations: $(VENV)/.installed
	$(BIN)/python docs/animations.py
	$(BIN)/python docs/report_picture.py

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
	@$(PIP) --editable '.[dev,outside]' || { $(PIP) --editable '.[dev]' && \
		echo "not all simulators of other packages could be installed; their tests are skipped" >&2; }
	@touch $(VENV)/.installed $@
