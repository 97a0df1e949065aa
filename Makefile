# Every target makes its own virtual environment when there is none. PYTHON=python3.12 make demo picks another Python.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
SOURCES := core features models predict
.DEFAULT_GOAL := help
.PHONY: help demo test nightly coverage check format lint docs types layers ici choices evidence readme lock wheel bench clean

help: ## Say what there is
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/.core: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "theracast needs Python 3.11 or newer; set PYTHON=python3.12")'
	@echo "installing theracast into $(VENV) (a few minutes the first time)"
	$(PYTHON) -m venv $(VENV)
	$(PIP) --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.core
	$(PIP) --editable '.[dev]'
	@touch $@

demo: $(VENV)/.core ## Train on real cohorts, register, score an unseen one, write the report
	$(BIN)/theracast demo

# a file stays with one process: its fixtures are made once
test: $(VENV)/.dev ## Unit, contract, fault and doc tests
	$(BIN)/python -m pytest -m 'not nightly' --numprocesses auto --dist loadfile

nightly: $(VENV)/.dev ## All tests, the slow ones too
	$(BIN)/python -m pytest

# the JIT is off: a compiled line is not seen
coverage: $(VENV)/.dev ## Run the tests of the kernels as plain Python; 95% of their lines must run
	NUMBA_DISABLE_JIT=1 $(BIN)/python -m pytest tests/kernels -m 'not nightly' -q -p no:cacheprovider \
		--numprocesses auto --dist loadfile --cov=theracast.kernels --cov-report=term-missing --cov-fail-under=95

check: format lint docs types layers test coverage ## Everything the gate asks

format: $(VENV)/.dev
	$(BIN)/ruff format --check --quiet .

lint: $(VENV)/.dev
	$(BIN)/ruff check --quiet .

docs: $(VENV)/.dev
	$(BIN)/numpydoc lint $$(git ls-files $(SOURCES:%='%/*.py'))

# mypy and import-linter do not follow editable installs: both look at a throw-away copy as a user would have it
.lint: $(VENV)/.dev $(shell find $(SOURCES) -name '*.py') pyproject.toml
	rm -rf .lint build
	$(PIP) --no-deps --no-build-isolation --target .lint .
	@touch .lint

types: .lint
	MYPYPATH=.lint $(BIN)/mypy --config-file pyproject.toml --package theracast

layers: .lint
	cd .lint && PYTHONPATH=. ../$(BIN)/lint-imports --config ../pyproject.toml --no-cache

# folds are kept in experiments/.runs: a second run takes seconds, and goes on where the first was stopped
ici: $(VENV)/.dev ## Judge the immunotherapy models on every public cohort (about 25 minutes; needs ../shared/data)
	$(BIN)/python experiments/prognosis.py
	$(BIN)/python experiments/peers.py $${THERACAST_DATA:-../shared/data}/ici
	$(BIN)/python experiments/ici.py

choices: $(VENV)/.dev ## Judge the choices between therapies (about 30 minutes; needs ../shared/data)
	$(BIN)/python experiments/ra_biologic.py
	$(BIN)/python experiments/crohns_ustekinumab.py
	$(BIN)/python experiments/therapies_simulated.py
	$(BIN)/python experiments/drug_ranking.py

# what is kept stays as it is; what came out otherwise lies in experiments/.runs/differs
evidence: $(VENV)/.dev ## Run the claims of experiments/ again and compare with what is kept (MINUTES=5 for the short ones)
	$(BIN)/theracast experiment run --compare --minutes $${MINUTES:-1000}

# the multi-omics data are public but too large to ship: without them their tables stay as they last were
readme: $(VENV)/.dev ## Write the generated parts of README and experiments/
	-$(BIN)/python experiments/multiomics.py
	$(BIN)/python experiments/write_checks.py
	$(BIN)/python experiments/write_readme.py

# newest anndata holds pandas below 3 on Python 3.11: an older one serves, and we are tested on pandas 3
lock: $(VENV)/.dev ## Resolve constraints.txt anew (needs uv)
	$(PIP) uv
	echo 'pandas>=3.1' | $(BIN)/uv pip compile --universal --quiet --upgrade --all-extras --no-header \
		--no-annotate --constraint /dev/stdin pyproject.toml -o constraints.txt

wheel: $(VENV)/.dev ## Build the wheel
	rm -rf build dist
	$(BIN)/python -m build --wheel --no-isolation

# an environment of its own: some peers hold pandas below 3
$(VENV)-bench/.done: pyproject.toml experiments/benchmarks/requirements.txt
	$(PYTHON) -m venv $(VENV)-bench
	$(VENV)-bench/bin/python -m pip install --quiet --disable-pip-version-check \
		--requirement experiments/benchmarks/requirements.txt --editable .
	@touch $@

bench: $(VENV)-bench/.done ## Time the kernels beside their peers (JOB=resample for one family or job)
	$(VENV)-bench/bin/python experiments/benchmarks/run.py $(JOB)

clean: ## Remove what was built, trained and written; the environment stays
	rm -rf .lint build dist *.egg-info theracast-demo mlruns mlflow.db .pytest_cache .mypy_cache .ruff_cache .coverage
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
