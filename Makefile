# make demo   set up what is missing, then build and publish the demo company
# make test   set up what is missing, then run all tests
# make bench  time refreshes of several sizes
# Needs Python 3.11, 3.12 or 3.13, make and git; everything else goes into .venv from the hashed lock files.

BIN := .venv/bin
UV := $(BIN)/uv
COMPILE := $(UV) pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11

.PHONY: install demo test bench lock
install: .venv/.installed

demo: install
	@$(BIN)/churn demo

test: install
	$(BIN)/pytest -n auto --dist loadfile $(TESTS)

bench: install
	@$(BIN)/python -m benchmarks.refresh $(SIZES)

# The only step that may change the versions. Lock files name packages and hashes, never an index.
lock: install
	$(COMPILE) --upgrade requirements.in -o requirements.lock
	$(COMPILE) --upgrade requirements-uv.in -o requirements-uv.lock

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
	@$(BIN)/python -m orchestration.dbt_project
	@$(BIN)/python -m orchestration.report.vega
	@touch $@
