# The project's commands; `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all check bench chaos
PYTHON ?= python3
BIN := .venv/bin
UV_VERSION := 0.13.9
READY := .venv/.ready

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

setup: $(READY) ## make .venv with the locked dependencies and the command .venv/bin/ttn

demo: $(READY) ## watch it work: Kafka, workers, travelers, phones and inboxes on a page (Ctrl-C ends it)
	@$(BIN)/ttn demo $(ARGS)

test: $(READY) ## run the tests: under 25 minutes on two cores
	@$(BIN)/pytest $(ARGS)

test-all: $(READY) ## run the tests with every case of every matrix
	@TTN_TEST_FULL=1 $(BIN)/pytest $(ARGS)

check: $(READY) ## lint, formatting, types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: $(READY) ## measure throughput and delay on this machine
	@$(BIN)/python -m tests.bench $(ARGS)

chaos: $(READY) ## kill processes at every point, over and over, and compare with the oracle
	@TTN_TEST_FULL=1 $(BIN)/pytest tests/kafka $(ARGS)

$(READY): deploy/requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null || \
		{ echo "Python 3.11 to 3.14 is needed, and $(PYTHON) is not; say make setup PYTHON=/path/to/python."; exit 1; }
	@test -x $(BIN)/python || { echo "Making .venv."; $(PYTHON) -m venv .venv; } || \
		{ echo "$(PYTHON) cannot make a virtual environment; on Debian, apt-get install python3-venv."; exit 1; }
	@test -x $(BIN)/uv || { echo "Installing uv."; $(BIN)/python -m pip install --quiet uv==$(UV_VERSION); }
	@echo "Installing the locked dependencies."
	@# Compiled here, as a worker starts four processes, and where Python may not write bytecode each would compile all.
	@$(BIN)/uv pip install --python $(BIN)/python --compile-bytecode --require-hashes -r deploy/requirements.txt
	@$(BIN)/uv pip install --python $(BIN)/python --quiet --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q schemas services streams
	@touch $(READY)
