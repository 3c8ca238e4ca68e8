# Each target sets up .venv by itself, and only when pyproject.toml or constraints.txt changed.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	command -v $$python >/dev/null 2>&1 && $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
VENV := .venv
RUN := $(VENV)/bin/python

.PHONY: chat test check bench clean
.DEFAULT_GOAL := chat

chat: $(VENV)/.ready ## talk to the three servers; without an API key the simulator answers
	@$(VENV)/bin/orchestrator chat $(ARGS)

test: $(VENV)/.ready-dev ## every test; `make test ARGS="tests/servers -k read"` for some
	@$(RUN) -m pytest $(ARGS)

check: $(VENV)/.ready-dev ## lint, format and types
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m pyright --warnings

bench: $(VENV)/.ready-dev ## every figure in the README
	@for name in servers toolbox turns store simulator crash; do echo "== $$name"; $(RUN) -m benchmarks.$$name || exit 1; done

$(VENV)/.ready $(VENV)/.ready-dev: pyproject.toml constraints.txt
	@sh deploy/setup.sh "$(PYTHON)" $(VENV) $(if $(findstring dev,$@),'.[dev]',.) >&2
	@touch $@

clean:
	rm -rf $(VENV) .cache
