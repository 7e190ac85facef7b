# `make` says what there is.
#   PYTHON       a Python of version 3.11 or later (default: python3)
#   TORCH_INDEX  an index with other builds of torch, for example https://download.pytorch.org/whl/cpu
#   JOBS         processes that run the tests (default: 2)
#   EXTRAS       more extras to install, for example lightning,transformers; their tests are skipped without

PYTHON ?= python3
TORCH_INDEX ?=
JOBS ?= 2
EXTRAS ?=

empty :=
space := $(empty) $(empty)
comma := ,

BIN := .venv/bin
STAMP := .venv/.installed
NATIVE := $(wildcard src/rote/_native/*.cpp src/rote/_native/*.hpp) src/rote/_native/CMakeLists.txt
INDEX := $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))

.DEFAULT_GOAL := help
.PHONY: help install demo test lint docs bench clean

help:  ## say what there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-8s %s\n", $$1, $$2}'

install: $(STAMP)  ## create .venv and install rote there, for development

$(STAMP): pyproject.toml constraints.txt $(NATIVE)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "rote needs Python 3.11 or later; $(PYTHON) is $$($(PYTHON) --version 2>&1)." \
	       "Name another one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) cannot create a virtual environment; on Debian: apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip --disable-pip-version-check install --quiet $(INDEX) -c constraints.txt -e '.[$(subst $(space),$(comma),$(strip test check $(subst $(comma),$(space),$(EXTRAS))))]'
	@$(BIN)/rote doctor
	@touch $(STAMP)

demo: $(STAMP)  ## audit the bundled digits with 20 % planted label noise, and say where the page lies
	$(BIN)/rote audit digits --label-noise uniform:0.2 --epochs 20 --try early-stop,drop-suspects --out rote-runs/demo

test: lint  ## everything that must be green: lint, types, tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --quiet --numprocesses $(JOBS)

lint: $(STAMP)  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(STAMP)  ## write docs/cli.md, docs/ledger.md and docs/lecture.md anew
	$(BIN)/python -m rote.cli._reference > docs/cli.md
	$(BIN)/python -m rote.cli._ledger docs/results > docs/ledger.md
	$(BIN)/python -m rote.cli._lecture docs/results > docs/lecture.md

bench: $(STAMP)  ## measure what a watched training step costs, roughly (in full, and others: benchmarks/)
	$(BIN)/python -m benchmarks.gradients --quick --methods plain rote "rote, bitwise"

clean:  ## remove what can be made again (.venv too)
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	-git clean -fdXq src/rote/_native
	find src tests -name __pycache__ -prune -exec rm -rf {} +
