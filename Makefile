# Each target sets up what it needs, once, in $(VENV). `make clean` takes the set-up away again, not your runs.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# One more than processors: many tests wait for servers and for processes that they started.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(min(4, (os.cpu_count() or 1) + 1))')

.PHONY: help demo test test-fast test-chips lint bench clean

help: ## Say what there is
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

demo: $(READY) ## Poison a small real dataset, find the poison, publish the rest
	$(BIN)/telltale demo

test: $(READY) ## Run the whole test suite, the import-layer check included
	OMP_NUM_THREADS=1 $(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --durations=10

test-fast: $(READY) ## Run what trains nothing and needs no server and no Prefect
	CHIPS_FAST=1 OMP_NUM_THREADS=1 $(BIN)/pytest -m "not trains and not server and not slow" -n $(WORKERS)

# Every combination runs, whatever the others did; one that fails fails the target.
test-chips: $(READY) ## Run every test that trains in float32 and bfloat16 with three seeds each
	@failed=; for precision in float32 bfloat16; do for seed in 0 1 2; do echo "== $$precision, seed $$seed"; \
	  CHIPS_PRECISION=$$precision CHIPS_SEED=$$seed OMP_NUM_THREADS=1 $(BIN)/pytest -q -m trains -n $(WORKERS) \
	    --dist loadfile --no-loadscope-reorder || failed="$$failed $$precision/$$seed"; done; done; \
	test -z "$$failed" || { echo "failed:$$failed" >&2; exit 1; }

lint: $(READY) ## Run ruff, its formatter's check and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY) ## Measure detection on the digits, and what the loss log costs (about 20 minutes)
	$(BIN)/telltale bench --suite digits
	$(BIN)/python -m telltale_core.bench.logging_cost

clean: ## Remove the environment and the caches; runs/ stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is younger than what it was made from, or the environment is brought up to date. uv does in a minute what
# pip does in several: it is used where it stands, else installed into the environment; where neither works, pip does it.
# Compiled once: a process of a run starts in 3 s instead of 20 where Python may not keep its bytecode.
$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Telltale needs Python 3.11 or newer; $(PYTHON) is older. Try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	compile=--compile-bytecode; \
	if command -v uv >/dev/null; then install="uv pip install --python $(BIN)/python"; \
	else $(BIN)/python -m pip install --quiet uv && install="$(BIN)/uv pip install --python $(BIN)/python" \
	  || { install="$(BIN)/python -m pip install"; compile=; }; fi; \
	$$install $$compile --requirement requirements.txt; $$install --no-deps --editable .
	touch $@
