# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
JOBS ?= 2

.PHONY: demo test test-engines check bench clean

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "nightfly needs Python 3.11 or newer; set PYTHON=..."; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

# A real miniature night with the mocked Claude. A second call begins a new run beside the first.
demo: $(STAMP)
	@$(BIN)/nightfly run campaigns/quickstart.yaml --dry-run --new

test: check
	$(BIN)/python -m pytest -n $(JOBS)

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The contract of the engines against a Slurm, an SSH server and a Ray of its own; what cannot be had is skipped.
test-engines: $(STAMP)
	PYTHON=$(BIN)/python bash tests/trainer/engines/with_services.sh $(BIN)/python -m pytest -n 0 tests/trainer/engines tests/agent/night/test_cluster_night.py

bench: $(STAMP)
	$(BIN)/python -m benchmarks.trainer --json

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
