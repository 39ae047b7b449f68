# Posthouse: `make` alone lists what there is.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= /usr/bin/python3
# The order of the tests: as written, so that a run can be repeated; another with ORDER=--randomly-seed=7.
ORDER ?= -p no:randomly
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export PIP_ROOT_USER_ACTION = ignore

.DEFAULT_GOAL := help
.PHONY: help install dev engines run test lint format docs bench bench-imap bench-users bench-filters bench-greylist bench-refuse bench-outbound bench-spam build clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: $(VENV)/.installed  ## make .venv with everything that running needs; .venv/bin/posthouse is the command

$(VENV)/bin/python:
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { apt-get update -qq && apt-get install -y -qq python3-venv; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python requirements/run.txt pyproject.toml
	$(BIN)/pip install -q --require-hashes -r requirements/run.txt
	$(BIN)/pip install -q --no-deps -e .
	$(BIN)/python -m compileall -q src
	@touch $@

dev: $(VENV)/.dev
$(VENV)/.dev: $(VENV)/.installed requirements/dev.txt
	$(BIN)/pip install -q --require-hashes -r requirements/dev.txt
	@touch $@

engines: $(VENV)/.engines
$(VENV)/.engines: tests/engines.txt $(VENV)/bin/python
	@missing=$$(grep -vE '^(#|$$)' tests/engines.txt | while read p; do dpkg -s $$p >/dev/null 2>&1 || echo $$p; done); \
	if [ -n "$$missing" ]; then apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$missing >/dev/null; fi
	@mkdir -p $(VENV)/unpacked && cd $(VENV)/unpacked && apt-get download -qq exim4-daemon-light opensmtpd libengine-pkcs11-openssl 2>/dev/null \
	&& for package in *.deb; do dpkg -x $$package . && rm $$package; done
	@touch $@

run: install  ## start the all-in-one with demo users on loopback ports and sample mail going through
	$(BIN)/posthouse demo demo

test: dev engines  ## set everything up and pass every test
	@rm -f .pytest_cache/v/cache/lastfailed
	$(BIN)/pytest -q -n 2 --dist loadfile $(ORDER) || { [ $$? = 1 ] && $(BIN)/python tests/again.py; }

lint: dev  ## ruff, mypy --strict, import contracts
	$(BIN)/ruff check src tests bench
	$(BIN)/ruff format --check src tests
	$(BIN)/mypy
	$(BIN)/lint-imports

format: dev  ## let ruff put the code in order
	$(BIN)/ruff check --fix src tests
	$(BIN)/ruff format src tests

docs: install  ## write docs/reference from the code
	$(BIN)/posthouse docs docs/reference

bench: dev bench-engines  ## SMTP to mailbox beside Postfix + Dovecot (root)
	$(BIN)/python bench/smtp.py

bench-imap: dev bench-engines  ## IMAP beside Dovecot (root)
	$(BIN)/python bench/imap.py

bench-users: dev  ## 200 users deliver, read and search at once; fails when p99 is above 250 ms
	$(BIN)/python bench/users.py

bench-outbound: dev bench-engines  ## the outbound queue beside Postfix, and with a million messages to a dead host (root)
	$(BIN)/python bench/outbound.py --peer --backlog 1000000

bench-filters: dev  ## words and expressions on a 100 KiB body
	$(BIN)/python bench/filters.py

bench-greylist: dev bench-engines  ## greylist decisions beside Postfix + postgrey (root)
	$(BIN)/python bench/greylist.py

bench-refuse: dev  ## what a connection costs that denial-of-service prevention refuses
	$(BIN)/python bench/refuse.py

bench-spam: dev bench-spam-engines  ## the embedded spam scorer on real mail, beside SpamAssassin and bogofilter
	$(BIN)/python bench/spam.py

.PHONY: bench-spam-engines
bench-spam-engines:
	@missing=$$(for p in spamassassin spamd bogofilter; do dpkg -s $$p >/dev/null 2>&1 || echo $$p; done); \
	if [ -n "$$missing" ]; then apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$missing >/dev/null; fi

.PHONY: bench-engines
bench-engines:
	@missing=$$(for p in postfix postgrey dovecot-imapd dovecot-lmtpd strace; do dpkg -s $$p >/dev/null 2>&1 || echo $$p; done); \
	if [ -n "$$missing" ]; then apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$missing >/dev/null; fi

build: dev  ## a wheel and a source archive in dist/
	$(BIN)/python -m build --no-isolation --outdir dist .

clean:  ## remove what the targets made
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
