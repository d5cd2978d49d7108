# Two commands do everything on a fresh machine: `make demo` and `make test`.
# TORCH=cpu installs torch's build for CPUs alone; it comes from an index of its own (TORCH_INDEX), and where that cannot be reached the usual build is taken.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DOCS := $(VENV)/.docs
JOBS ?= 2
TORCH ?= default
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --progress-bar off -q

.PHONY: demo test test-engines check bench docs clean

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "nightfly needs Python 3.11 or newer; set PYTHON=..."; exit 2; }
	@test "$(TORCH)" = default -o "$(TORCH)" = cpu || { echo "TORCH=$(TORCH): give cpu, or leave it out"; exit 2; }
	@echo "[1/3] a virtual environment in $(VENV)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
ifeq ($(TORCH),cpu)
	@echo "[2/3] torch for CPUs, from $(TORCH_INDEX)"
	@$(INSTALL) -c constraints.txt --extra-index-url $(TORCH_INDEX) torch
	@$(BIN)/python -c 'import torch; torch.version.cuda is None or print("      it had none that fits, so the usual build was taken")'
else
	@echo "[2/3] torch comes with the rest; TORCH=cpu would take the smaller build for CPUs"
endif
	@echo "[3/3] nightfly and what it needs: about 2 minutes on two cores, most of it torch; pip is silent meanwhile"
	@began=$$(date +%s); $(INSTALL) -c constraints.txt -e '.[dev]' && echo "installed in $$(( $$(date +%s) - began )) s"
	@touch $@

# A real miniature night with the mocked Claude. A second call begins a new run beside the first.
demo: $(STAMP)
	@echo "a night in miniature: sixteen trainings, about 4 minutes on two quiet cores"
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

# The guides as a site in site/. Once the extra is installed, nothing is asked of the network.
docs: $(DOCS)
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict -q
	@echo "site/index.html is written; with search: $(BIN)/python -m http.server -d site"

$(DOCS): $(STAMP)
	@echo "installing mkdocs-material"
	@$(INSTALL) -e '.[docs]'
	@touch $@

clean:
	rm -rf site $(VENV) .mypy_cache .ruff_cache .pytest_cache
