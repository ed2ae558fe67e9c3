# `make demo` trains and asks a classifier; `make test` installs what tests need and runs them all.
# Both work in a virtual environment of their own, .venv. Without make: see "Without make" in README.md.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PLUGINS := $(wildcard plugins/*)
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: demo test torture lint types check docs clean

demo: $(VENV)/.installed
	$(BIN)/pegboard train
	$(BIN)/pegboard predict runs/moods-word-rnn "my hands won't stop shaking before the exam"

test: $(VENV)/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto

torture: $(VENV)/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto -m torture --durations=0

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy

check: lint types test

docs: $(VENV)/.installed-dev
	$(BIN)/python docs/generate.py

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml constraints.txt $(PLUGINS:%=%/pyproject.toml)
	$(INSTALL) -e . $(PLUGINS:%=-e %)
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(INSTALL) -e ".[dev]" $(PLUGINS:%=-e %)
	touch $@

clean:
	rm -rf $(VENV) runs build dist .pytest_cache .mypy_cache .ruff_cache
