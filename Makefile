# Needs only Python 3.11+, make and a package index. `make demo` is the place to start.
PYTHON ?= python3
PORT ?= 8000
SECONDS ?= 60
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: setup demo screenshots serve test test-long soak bench bench-history lint

setup: $(STAMP)

$(STAMP): requirements/dev.txt
	$(PYTHON) -c 'import sys; sys.exit("Callboard needs Python 3.11 or newer: make PYTHON=/path/to/python3.11" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	touch $(STAMP)

# The demo has a database of its own: its people and their published password never meet a real one.
demo: $(STAMP)
	env -u DATABASE_URL -u REDIS_URL CALLBOARD_DATA_DIR=$${CALLBOARD_DEMO_DIR:-var/demo} $(BIN)/python manage.py demo --port $(PORT)

screenshots: $(STAMP)
	$(BIN)/python docs/screenshots.py

serve: $(STAMP)
	$(BIN)/python manage.py migrate --verbosity 0
	$(BIN)/python manage.py serve --port $(PORT)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/mypy

test: $(STAMP)
	$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder -m "not long"

test-long: $(STAMP)
	CALLBOARD_LONG=1 $(BIN)/python -m pytest

# Real processes under load and faults; every screen must be right whenever it is calm. History in var/soak/.
soak: $(STAMP)
	$(BIN)/python -m tests.soak --seconds $(SECONDS)

# On a quiet machine: it shares its cores with the server, the simulator and two screens. JSON in var/bench/.
bench: $(STAMP)
	$(BIN)/python -m bench.takeover

# A day of 50,000 calls on SQLite and PostgreSQL: a tick, every page. GROW=30: how the databases grow in 30 days.
bench-history: $(STAMP)
	$(BIN)/python -m bench.history --grow $(or $(GROW),0)
