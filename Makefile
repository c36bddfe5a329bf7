# From a fresh clone: `make quick` for a table, `make test` for the whole test suite.
PYTHON ?= python3
VENV := .venv
EXTRAS := train,report,workflow,dev
WORKERS ?= 2
# `make env` leaves bytecode to first use. Where it is never written, each of a workflow's many processes compiles
# torch and Snakemake anew, which doubles its time.
export PYTHONDONTWRITEBYTECODE :=
IN_VENV := PATH="$(CURDIR)/$(VENV)/bin:$(PATH)"

.PHONY: help env quick smoke test slurm-smoke slurm-test gpu-check torture lint lock clean-env
help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

env: $(VENV)/.installed  ## create .venv with the pinned dependencies

# $(error) stops with one line, before anything ran.
need = $(if $(shell $(1) >/dev/null 2>&1 && echo yes),,$(error $(2)))
$(VENV)/.installed: pyproject.toml constraints.txt
	$(call need,git --version,git is missing: apt-get install git)
	$(call need,$(PYTHON) --version,$(PYTHON) is missing: apt-get install python3)
	$(call need,$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3$(comma) 11))',$(PYTHON) is \
	$(shell $(PYTHON) --version 2>&1) but 3.11 or later is needed: make env PYTHON=python3.11)
	$(call need,$(PYTHON) -c 'import ensurepip$(comma) venv',the venv module is missing: apt-get install python3-venv)
	@echo "installing the pinned dependencies into $(VENV), which takes a minute or more ..."
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python -m pip install --no-compile -qq -e '.[$(EXTRAS)]' -c constraints.txt
	@touch $@
comma := ,

quick: env  ## run the quick experiment and print its table
	@$(IN_VENV) snakemake --cores all --quiet host -- quick
	@echo; cat results/quick/table.md

smoke: env  ## run the whole chain with tiny budgets; its numbers mean nothing
	@$(IN_VENV) snakemake --cores all --quiet host -- smoke
	@echo; cat results/smoke/table.md

test: env  ## run the whole test suite
	@$(IN_VENV) pytest -n $(WORKERS) --dist loadgroup --durations 15

GPU_PYTHON ?= $(VENV)/bin/python
gpu-check:  ## tests, parity, smoke, training at the paper's size and speed on a GPU
	@$(GPU_PYTHON) tests/gpu/check.py $(GPU_CHECK)

torture: env  ## faults of every kind, hundreds of kills; outcomes go to results/torture
	@$(IN_VENV) python -m tests.faults

# Snakemake loads every plugin it finds at each start, so this one is not in EXTRAS: it takes over a second.
$(VENV)/.slurm: $(VENV)/.installed
	@$(VENV)/bin/python -m pip install --no-compile -qq -e '.[slurm]' -c constraints.txt
	@touch $@

slurm-smoke: $(VENV)/.slurm  ## run the chain on a real Slurm on this machine (needs root; MAC_SKIP_SLURM=1 leaves it out)
	@$(IN_VENV) python -m tests.slurm smoke $(SLURM)

slurm-test: $(VENV)/.slurm  ## the same, and what goes wrong on clusters (ten minutes)
	@$(IN_VENV) python -m tests.slurm all --out results/slurm/scenarios.md

lint: env  ## check the style of the code
	@$(IN_VENV) ruff check .
	@$(IN_VENV) ruff format --check .

lock: env  ## renew constraints.txt from pyproject.toml (installs uv)
	@$(VENV)/bin/python -m pip install -qq uv
	@$(VENV)/bin/uv pip compile pyproject.toml --all-extras --universal --no-annotate --no-header \
	  --upgrade --quiet --output-file constraints.txt

clean-env:  ## remove .venv
	@rm -rf $(VENV)
