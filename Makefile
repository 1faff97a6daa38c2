# Everything a machine needs is installed here: `make demo` and `make test` work on a fresh checkout.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
STAMP = $(VENV)/.installed
PYTEST_FLAGS ?= -n 2 --dist loadfile

.PHONY: setup demo test check lint types bench clean

setup: $(STAMP)

$(STAMP): setup.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip wheel "setuptools<81"
	$(BIN)/python -m pip install --quiet -e ".[dev]"
	touch $@

demo: $(STAMP)
	$(BIN)/python -m retarget demo

test: $(STAMP) check

check: lint types
	$(BIN)/python -m pytest $(PYTEST_FLAGS)

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(STAMP)
	$(BIN)/mypy

bench: $(STAMP)
	$(BIN)/python -m kernels.bench

clean:
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
