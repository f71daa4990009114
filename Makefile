# Every target sets up what it needs by itself: .venv, and on Debian and Ubuntu the system libraries.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test check dev bench fuzz

PYTHON := .venv/bin/python
JOBS ?= 2
FUZZ_S ?= 60
ROOMS := app assets atlas shaders streamer tools

help: ## print the targets
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## bake the scenes in assets/ and draw them, without a display
	@tools/setup.sh demo
	@.venv/bin/voxtide demo

test: ## run every test (JOBS=2 at a time)
	@tools/setup.sh dev
	@$(PYTHON) -m pytest -n $(JOBS)

check: dev ## lint, types and the fast tests, in under 90 s
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy
	@$(PYTHON) -m pytest -q -n $(JOBS) -m "not slow"

dev: ## the editable install, and the links through which type checkers see the rooms
	@tools/setup.sh dev
	@mkdir -p build/dev/voxtide
	@for room in $(ROOMS); do ln -sfn "../../../$$room" "build/dev/voxtide/$$room"; done

bench: ## run tests/bench and write the figures to docs/benchmarks/
	@tools/setup.sh demo
	@$(PYTHON) tests/bench/run.py

fuzz: ## mutate real files for every parser, FUZZ_S=60 seconds each, JOBS=2 at a time
	@tools/setup.sh dev
	@$(PYTHON) tests/fuzz/run.py --seconds $(FUZZ_S) --jobs $(JOBS)
