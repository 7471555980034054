# `make` lists what there is. Each target sets up what it needs in .venv; the second time is quick.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/.run-requirements
DEV := $(VENV)/.dev-requirements
MARIADB := $(VENV)/.mariadb-requirements
MANAGE := $(VENV)/bin/python manage.py
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check -qq

.DEFAULT_GOAL := help
.PHONY: help demo serve shell test test-sqlite test-postgresql test-mariadb coverage matrix mutants screenshots bench bench-more bench-admin proof docs lint format messages clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(RUN) ## Run the two jobs over a year of a marketplace's data
	@$(MANAGE) demo

serve: $(RUN) ## Serve the admin at http://127.0.0.1:8000/
	@$(MANAGE) runserver

shell: $(RUN) ## Open a Python shell with the project loaded
	@$(MANAGE) shell

test: $(DEV) ## Run the tests on SQLite and on PostgreSQL, both at once
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target test-sqlite test-postgresql

test-sqlite: $(DEV) ## Run the tests on SQLite (ARGS="-k spend" for some)
	@$(VENV)/bin/python -m pytest -q --engine=sqlite $(ARGS)

test-postgresql: $(DEV) ## Run the tests on a PostgreSQL of their own
	@$(VENV)/bin/python -m pytest -q --engine=postgresql $(ARGS)

test-mariadb: $(MARIADB) ## Run the tests on a MariaDB of their own (needs mariadb-server, libmariadb-dev)
	@$(VENV)/bin/python -m pytest -q --engine=mariadb $(ARGS)

coverage: $(DEV) ## List what the tests miss on both engines; of ledger/ and engine/ that must be nothing
	@$(VENV)/bin/coverage erase
	@for engine in sqlite postgresql; do \
		COVERAGE_FILE=.coverage.$$engine $(VENV)/bin/python -m pytest -q --engine=$$engine \
			--cov --cov-report= $(ARGS) || exit 1; \
	done
	@$(VENV)/bin/coverage combine --quiet >/dev/null
	@$(VENV)/bin/coverage report
	@$(VENV)/bin/coverage report --include='credits/ledger/*,credits/engine/*' --fail-under=100 \
		>/dev/null || { echo "Branches of ledger/ or engine/ are not covered: see above."; exit 1; }

matrix: $(DEV) ## Run the tests on every Python, Django and engine there is (long; ARGS="-t extremes" for some)
	@$(VENV)/bin/nox $(ARGS)

mutants: $(DEV) ## Break ledger/, engine/ and jobs/ in small ways and see which no test notices (long)
	@$(VENV)/bin/python -m tests.mutating $(ARGS)

screenshots: $(DEV) ## Take the README's pictures anew, in a browser (needs chromium)
	@$(VENV)/bin/python -m pytest -q --engine=sqlite tests/browser -k TestAnOperator
	@mkdir -p docs/pictures
	@cp build/screenshots/dashboard.png build/screenshots/dashboard-arabic-dark.png \
		build/screenshots/professional.png build/screenshots/transactions.png docs/pictures/

bench: $(DEV) ## Time every work against single SQL statements, write docs/performance.md, judge (40 minutes)
	@$(VENV)/bin/python -m benchmarks $(ARGS)

bench-more: $(DEV) ## Time what several workers bring, and the sending of notices
	@$(VENV)/bin/python -m benchmarks.celery
	@$(VENV)/bin/python -m benchmarks.sending

bench-admin: $(DEV) ## Time each page of the admin with 20,000 professionals (ARGS=1000000 for more)
	@mkdir -p build && rm -f build/marketplace.sqlite3*
	@$(VENV)/bin/python -m benchmarks.fill --verify --professionals $(or $(ARGS),20000) \
		--database-url sqlite:///build/marketplace.sqlite3
	@$(VENV)/bin/python -m benchmarks.admin --export --database-url sqlite:///build/marketplace.sqlite3

proof: $(DEV) ## Kill, cut off, crash and fill up everything, on both engines (45 minutes on two processors)
	@$(VENV)/bin/python -m proof $(ARGS)

docs: $(DEV) ## Build the documentation into build/docs
	@$(VENV)/bin/python -m sphinx -q -W --keep-going -b html -c docs -d build/doctrees . build/docs
	@echo "Open build/docs/index.html"

lint: $(DEV) ## Check style, templates, types, imports and migrations
	@$(VENV)/bin/ruff check --quiet
	@$(VENV)/bin/ruff format --check --quiet || { echo "Unformatted: make format"; exit 1; }
	@$(VENV)/bin/djlint --quiet --lint credits/templates
	@$(VENV)/bin/mypy --no-error-summary
	@report=$$($(VENV)/bin/lint-imports --no-logo 2>&1) || { echo "$$report"; exit 1; }
	@DATABASE_URL=sqlite:///$(VENV)/lint.sqlite3 $(MANAGE) makemigrations --check --dry-run -v 0 \
		--settings settings.testing || { echo "Models without a migration."; exit 1; }

format: $(DEV) ## Format the code and mend what can be mended
	@$(VENV)/bin/ruff check --quiet --fix-only
	@$(VENV)/bin/ruff format --quiet

messages: $(RUN) ## Collect and compile the translations (needs gettext)
	@cd credits && ../$(VENV)/bin/django-admin makemessages -l ar -v 0 --no-obsolete --no-wrap \
		--add-location=never
	@cd credits && ../$(VENV)/bin/django-admin compilemessages -l ar -v 0

clean: ## Remove .venv, caches, logs and the development database
	@rm -rf $(VENV) .coverage* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache \
		build dist htmlcov mutants .nox logs staticfiles credits.sqlite3*
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Python 3.11 or newer is needed; say which with make PYTHON=/path/to/python3."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(RUN): requirements.txt | $(VENV)/bin/python
	@echo "Installing what running needs into $(VENV) ..."
	@$(PIP) install -r requirements.txt
	@touch $@

$(DEV): requirements.txt requirements-dev.txt | $(VENV)/bin/python
	@echo "Installing what tests and checks need into $(VENV) ..."
	@$(PIP) install -r requirements-dev.txt
	@touch $(RUN) $@

$(MARIADB): requirements-mariadb.txt $(DEV)
	@echo "Installing what MariaDB needs into $(VENV) ..."
	@$(PIP) install -r requirements-mariadb.txt || { \
		echo "mysqlclient is built here: apt-get install gcc pkg-config libmariadb-dev python3-dev."; \
		exit 1; }
	@touch $@
