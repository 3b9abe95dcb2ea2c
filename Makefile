# What people type. Everything installs what it needs first; only a python3 (3.9 or newer) has to be there.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
ARGS ?=

UV := .bootstrap/uv/bin/uv
PYTHON := .venv/bin/python
export UV
# The machine's own variables for other projects have no say here.
unexport VIRTUAL_ENV PYTHONPATH DJANGO_SETTINGS_MODULE PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo run test test-all fuzz lint format bench faults requirements contract noble clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

$(UV): .ci/uv.txt
	@command -v python3 >/dev/null || { echo "LuxeWin needs a python3 (3.9 or newer) to begin with."; exit 1; }
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' || { echo "LuxeWin needs python3 3.9 or newer to begin with."; exit 1; }
	@rm -rf .bootstrap/uv
	@python3 -m venv .bootstrap/uv || { echo "python3 has no venv module (on Debian: apt-get install python3-venv)."; exit 1; }
	@.bootstrap/uv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .ci/uv.txt

.venv/.synced: uv.lock .python-version | $(UV)
	@echo "Installing Python and the packages into .venv, once; the first time takes a minute or two."
	@$(UV) sync --quiet --frozen
	@touch $@

setup: .venv/.synced ## install what is missing

demo: setup ## a raffle sold, paid, drawn and verified; ARGS="--once --report DIR" ends after the table
	@exec $(PYTHON) manage.py demo $(ARGS)

run: setup ## everything up for daily work; ARGS="--port 8123" picks the port
	@exec $(PYTHON) manage.py run $(ARGS)

test: setup ## what you need between two edits: all but the slow tests, on the embedded services
	@$(PYTHON) -m pytest -n 4 --dist worksteal -m "not (stack or chain or fuzz or slow)" $(ARGS)
	@echo "Servers, faults, pages in a browser, the chain, made-up requests and other slow tests: make test-all"

test-all: setup ## every test
	@.ci/browser
	@.ci/pgbouncer
	@exec $(PYTHON) -m pytest -n 4 --dist worksteal $(ARGS)

bench: setup ## figures beside their yardsticks; ARGS="--only NAME,… --json FILE --full"
	@exec $(PYTHON) -m dev.bench $(ARGS)

faults: setup ## kills and outages while people buy, then the books; ARGS="--times N --only NAME,… --report FILE"
	@exec $(PYTHON) -m dev.faults $(ARGS)

fuzz: setup ## more and other requests made up from the API's description; FUZZ_EXAMPLES=N, FUZZ_SEED=N
	@export FUZZ_SEED=$${FUZZ_SEED:-$$RANDOM}; echo "fuzz: FUZZ_SEED=$$FUZZ_SEED"; \
		FUZZ_EXAMPLES=$${FUZZ_EXAMPLES:-40000} exec $(PYTHON) -m pytest luxewin/tests/contract -n 4 --dist worksteal $(ARGS)

lint: setup ## everything that can be found without running it
	@.ci/lint

format: setup ## put the code into its form
	@$(PYTHON) -m ruff format .
	@$(PYTHON) -m ruff check --fix .

requirements: $(UV) ## lock what pyproject.toml asks for, and export requirements.txt; ARGS=--upgrade takes newer versions
	@$(UV) lock $(ARGS)
	@.ci/export >requirements.txt
	@.ci/compile semgrep .ci/semgrep/requirements.txt $(ARGS)
	@.ci/compile deploy .ci/deploy/requirements.txt $(ARGS)

contract: setup ## write docs/openapi.yaml and docs/errors.md from the code
	@env -i PATH="$$PATH" HOME="$$HOME" $$(grep -v '^\#' .ci/production.env) $(PYTHON) manage.py contract

noble: setup ## bundle the browser's library anew from verification/browser/package-lock.json
	@$(PYTHON) -m verification.browser.build

clean: ## remove environments and the data of embedded services, root's in /var/tmp too
	@if [ -x $(PYTHON) ]; then $(PYTHON) -c 'from pathlib import Path; from dev import services; [services.erase(state) for state in Path(".luxewin").glob("*") if (state / "supervisor.lock").exists()]; from dev.services.postgres import erase_orphans; [print(f"removed {each}, whose folder is gone") for each in erase_orphans()]'; fi
	@rm -rf .luxewin .venv .bootstrap dev/bench/.venv
