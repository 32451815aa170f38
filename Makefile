# make demo   set up what is missing, then build and publish the demo company
# make test   set up what is missing, then run all tests
# make test-faults    the same faults as in make test, and many more of them: one or two hours
# make lint   set up what is missing, then check the style of Python and SQL and the types of the Python code
# make audit  compare the hashes of the lock files with the index's, and look their packages up among the known vulnerabilities
# make bench  time a refresh side by side with what people use instead (SIZE=small, medium or large; FORMAT=csv or parquet)
# make connect        add what `churn pull` and `churn refresh --publish-to` need to .venv (130 MB)
# make test-connect   the same, then test both; `make test` skips those tests without it
# make superset       serve the dashboard of WAREHOUSE in Apache Superset on 127.0.0.1:PORT (its own environment, 850 MB);
#                     with DATABASE=postgresql://… its charts read the marts there
# make test-superset  set that environment up and test it; `make test` leaves it alone
# make spark          start a small Spark cluster on 127.0.0.1, refresh the demo company on it, stop it (its own environment, 1.9 GB)
# make test-spark     set that environment up and compare Spark with DuckDB, cell by cell; `make test` leaves it alone
# Needs Python 3.11, 3.12 or 3.13, make and git; everything else goes into .venv from the hashed lock files.

BIN := .venv/bin
UV := $(BIN)/uv
COMPILE := $(UV) pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11
WAREHOUSE = demo/warehouse
PORT = 8088
DATABASE =
SIZE = medium
FORMAT = csv

.PHONY: install demo test test-faults lint audit bench connect test-connect superset test-superset spark test-spark lock
install: .venv/.installed

demo: install
	@$(BIN)/churn demo

test: install
	$(BIN)/pytest -n auto --dist loadfile $(TESTS)

# FUZZ_FIRST=n goes on with other seeds.
test-faults: install
	FAULTS=all FUZZ_INPUTS=$${FUZZ_INPUTS:-20000} $(BIN)/pytest -n auto --dist worksteal tests/faults

# Python warns of semaphores that the workers of sqlfluff leave behind.
lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONWARNINGS=ignore:resource_tracker:UserWarning $(BIN)/sqlfluff lint --disable-progress-bar models analyses tests/dbt

audit: .venv-audit/.installed
	@$(BIN)/python .ci/audit.py

bench: install .venv-bench/.installed
	@$(BIN)/python -m benchmarks.run $(SIZE) $(FORMAT)

connect: .venv/.connect-installed

# Postgres, where its server is installed, is started by the tests that need it.
test-connect: connect
	$(BIN)/pytest -n auto --dist loadfile tests/connect

superset: install
	@if [ ! -f "$(WAREHOUSE)/churn.duckdb" ]; then \
	    echo "make: $(WAREHOUSE) has no churn.duckdb yet; run \`make demo\` first, or name a published warehouse: make superset WAREHOUSE=DIR" >&2; exit 1; \
	fi
	@$(MAKE) --no-print-directory .venv-superset/.installed
	@exec .venv-superset/bin/python superset/serve.py "$(WAREHOUSE)" $(PORT) $(if $(DATABASE),"$(DATABASE)")

test-superset: .venv-superset/.installed
	$(BIN)/pytest superset/tests

spark: .venv-spark/.installed
	@PYTHONPATH=. .venv-spark/bin/python -m spark.demo demo/spark

test-spark: .venv-spark/.installed
	PYTHONPATH=. .venv-spark/bin/pytest spark/tests

# The only step that may change the versions. Lock files name packages and hashes, never an index.
lock: install
	$(COMPILE) --upgrade requirements.in -o requirements.lock
	$(COMPILE) --upgrade requirements-uv.in -o requirements-uv.lock
	$(COMPILE) --upgrade requirements-audit.in -o requirements-audit.lock
	$(COMPILE) --upgrade requirements-connect.in -o requirements-connect.lock
	$(COMPILE) --upgrade requirements-superset.in -o requirements-superset.lock
	$(COMPILE) --upgrade requirements-spark.in -o requirements-spark.lock
	$(COMPILE) --upgrade requirements-bench.in -o requirements-bench.lock

# The stamp is written last: an interrupted set-up starts again. Bytecode, the dbt manifest and the report's script are prepared
# here because they would cost the first refresh half a minute.
.venv/.installed: pyproject.toml requirements.lock requirements-uv.lock
	@python=$$(for p in python3 python3.13 python3.12 python3.11 python; do \
	    $$p -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null \
	    && command -v $$p && break; done); \
	if [ -z "$$python" ]; then \
	    echo "make: no Python 3.11, 3.12 or 3.13 (with venv and ensurepip) on the PATH; install one and run make again." >&2; exit 1; \
	fi; \
	$$python -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --require-hashes --only-binary :all: -r requirements-uv.lock
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes --compile-bytecode -r requirements.lock
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --editable .
	@$(BIN)/python -m orchestration.transform.project
	@$(BIN)/python -m orchestration.readers.report.vega
	@touch $@

# In the same environment: the lock holds all that requirements.lock does, in the same versions. `make install` made anew takes it away.
.venv/.connect-installed: requirements-connect.lock .venv/.installed
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes --compile-bytecode -r requirements-connect.lock
	@touch $@

# Superset's pandas has no wheels for Python 3.13. Two of its packages come as source: the lock holds what builds them to hashes too.
.venv-superset/.installed: requirements-superset.lock | .venv/.installed
	@$(UV) venv --quiet --clear --no-python-downloads --python '>=3.11,<3.13' .venv-superset || { \
	    echo "make: Superset wants Python 3.11 or 3.12 on the PATH; install one and run make again." >&2; exit 1; }
	$(UV) pip install --quiet --python .venv-superset/bin/python --require-hashes --compile-bytecode \
	    --build-constraints requirements-superset.lock -r requirements-superset.lock
	@touch $@

# All that a refresh needs, in the same versions, with dbt's adapter for Spark and Spark itself.
.venv-spark/.installed: pyproject.toml requirements-spark.lock | .venv/.installed
	@$(UV) venv --quiet --clear --no-python-downloads --python $(BIN)/python .venv-spark
	$(UV) pip install --quiet --python .venv-spark/bin/python --require-hashes --compile-bytecode \
	    --build-constraints requirements-spark.lock -r requirements-spark.lock
	@$(UV) pip install --quiet --python .venv-spark/bin/python --no-deps --editable .
	@.venv-spark/bin/python -m orchestration.transform.project spark
	@touch $@

# polars, next to the versions of pandas and DuckDB that a refresh has.
.venv-bench/.installed: requirements-bench.lock | .venv/.installed
	@$(UV) venv --quiet --clear --no-python-downloads --python $(BIN)/python .venv-bench
	$(UV) pip install --quiet --python .venv-bench/bin/python --require-hashes --compile-bytecode -r requirements-bench.lock
	@touch $@

# Not a dependency of the product: what audits it must not have to agree with it on versions.
.venv-audit/.installed: requirements-audit.lock | .venv/.installed
	@$(UV) venv --quiet --clear --no-python-downloads --python $(BIN)/python .venv-audit
	$(UV) pip install --quiet --python .venv-audit/bin/python --require-hashes -r requirements-audit.lock
	@touch $@
