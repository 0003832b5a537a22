# The two commands a fresh machine needs are `make install` and `make demo`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# make install CONSTRAINTS=constraints.txt installs the exact versions the tests last passed with
PINS := $(if $(CONSTRAINTS),--constraint $(CONSTRAINTS))
GRAPHS := iml_gcn:graph=identity,iml_gcn:graph=adaptive,iml_gcn:residual=true,iml_gcn:embedding=image,iml_gcn:embedding=onehot,iml_gcn:embedding=words,linear:pooling=max,ml_gcn:pooling=avg
ON_VECTORS := linear,kernel,mlp,ml_gcn,iml_gcn,cnn_rnn,$(GRAPHS)
ON_MAPS := linear,kernel,mlp,iml_gcn,csra,srn,c_tran,ml_decoder,ssgrl,kggr,query2label
ON_EMOJI := linear,kernel,iml_gcn,iml_gcn:graph=identity,iml_gcn:embedding=words
SOURCES := src tests benchmarks docs recipes examples tools
# the lowest versions are tested with the lowest Python: make test-oldest OLDEST_PYTHON=...
OLDEST := .venv-oldest
OLDEST_PYTHON ?= python3.11
AUDIT := .venv-audit

# on every core; a worker that has nothing left takes tests from another
PYTEST := -m pytest --numprocesses auto --dist worksteal --durations 25

.PHONY: help install dev demo test test-slow test-thorough test-scale coverage test-oldest test-browser check format bench docs dist lock sbom audit measure-install clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

install: $(VENV)/.installed  ## make .venv and install imlgcn with word vectors, export and page
demo: install  ## train, evaluate and try a tagger on the embedded clip art
	$(BIN)/imlgcn demo

dev: $(VENV)/.installed-dev
test: dev  ## the test suite (under five minutes on two cores)
	$(BIN)/python $(PYTEST)
test-slow: dev  ## the tests marked slow
	$(BIN)/python $(PYTEST) -m slow
test-thorough: dev  ## the same over every head, recipe and page of the documentation
	$(BIN)/python $(PYTEST) -m thorough
test-scale: dev  ## the tests with several processes or a local cluster
	$(BIN)/python -m pytest -m scale --durations 25
coverage: dev  ## the test suite, and which lines and branches it does not reach
	$(BIN)/python $(PYTEST) -m 'not slow and not scale' --cov --cov-report term:skip-covered
test-oldest: $(OLDEST)/.installed  ## the test suite with every dependency at its lowest version, in .venv-oldest
	$(OLDEST)/bin/python $(PYTEST) -m 'not slow and not scale'
test-browser: dev  ## the page in a real Chromium, and its screenshots in docs/images
	$(PIP) install --quiet $(PINS) --editable '.[dev,browser]'
	@command -v chromium >/dev/null || test -n "$$CHROMIUM" || \
	  { test "$$(id -u)" = 0 && apt-get install --yes --quiet chromium; } || \
	  { echo "the browser tests need Chromium: apt install chromium, or set CHROMIUM to its path"; exit 1; }
	@command -v npm >/dev/null || { echo "the browser tests need axe-core from npm: apt install npm"; exit 1; }
	npm install --silent --no-save --prefix $(VENV)/axe axe-core@4
	IMLGCN_BROWSER_TESTS=1 AXE=$(VENV)/axe/node_modules/axe-core/axe.min.js $(BIN)/python -m pytest tests/browser
check: dev  ## format, lint, types
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
format: dev  ## rewrite the files as `check` wants them
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)
bench: demo dev  ## the tables in benchmarks/results (some hours)
	$(BIN)/imlgcn compare openclipart --heads $(ON_VECTORS) --out benchmarks/results/compare-vectors
	$(BIN)/python -c "from imlgcn import compare; compare('openclipart', '$(ON_MAPS)', 'benchmarks/results/compare', trials=5)"
	$(BIN)/python -m benchmarks.emoji --out runs/emoji
	$(BIN)/imlgcn compare runs/emoji/labels.csv --heads $(ON_EMOJI) --out benchmarks/results/compare-emoji
	$(BIN)/python -m benchmarks.graph --out benchmarks/results/graph.md
	$(BIN)/python -m benchmarks.scenes --out benchmarks/results/scenes.md
	$(BIN)/python -m benchmarks.runs --out benchmarks/results/runs.md
	$(BIN)/python -m benchmarks.engines --out benchmarks/results/engines.md
	$(BIN)/python -m benchmarks.predict --out benchmarks/results/predict.md
	$(BIN)/python -m benchmarks.int8_folder runs/demo --out benchmarks/results/int8.md
	$(BIN)/python -m benchmarks.training --out benchmarks/results/training.md
	$(BIN)/python -m benchmarks.distributed --out benchmarks/results/distributed.md
	$(BIN)/python -m benchmarks.report --out benchmarks/results/report.md
	$(BIN)/imlgcn train openclipart --no-refit --out runs/no-refit
	$(BIN)/python -m benchmarks.corrections runs/no-refit --out benchmarks/results/corrections.md
	$(BIN)/python -m benchmarks.audit --out benchmarks/results/audit.md
	$(BIN)/python -m benchmarks.missing_labels --out benchmarks/results/missing-labels.md
	$(BIN)/python -m benchmarks.serve runs/demo --out benchmarks/results/serve.md
measure-install: dev  ## what an installation without PyTorch costs: MB of each library, start time
	$(BIN)/python tools/measure_install.py
docs: dev  ## the documentation in build/site/index.html (no network)
	$(BIN)/python docs/generator/build.py build/site
dist:  ## the source archive and the wheel in dist/, checked as the index checks them
	$(PYTHON) tools/distributions.py dist
lock: dev  ## requirements.lock: the files of constraints.txt with their hashes
	$(BIN)/python tools/lock.py
sbom: dev $(AUDIT)/.installed  ## a bill of materials of .venv (CycloneDX) in build/sbom.json
	mkdir -p build
	$(AUDIT)/bin/cyclonedx-py environment $(BIN)/python --output-format JSON --output-file build/sbom.json
audit: $(AUDIT)/.installed  ## look the locked packages up in the database of vulnerabilities
	$(AUDIT)/bin/python tools/audit.py
clean:  ## remove the environment, dist and the caches of the tools
	rm -rf dist $(VENV) $(OLDEST) $(AUDIT) .coverage* .pytest_cache .mypy_cache .ruff_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "imlgcn needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1). Try: make install PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
$(VENV)/.installed: $(BIN)/python pyproject.toml
	@echo 'Installing imlgcn and PyTorch into $(VENV): several GB, a few minutes.'
	$(PIP) install --quiet $(PINS) --editable '.[train,words,onnx,serve]'
	@touch $@
$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) install --quiet $(PINS) --editable '.[dev]'
	@touch $@
$(AUDIT)/.installed:
	$(PYTHON) -m venv $(AUDIT)
	$(AUDIT)/bin/python -m pip --disable-pip-version-check install --quiet 'pip-audit>=2.9' 'cyclonedx-bom>=7.0'
	@touch $@
constraints-oldest.txt: pyproject.toml tools/oldest.py
	$(OLDEST_PYTHON) tools/oldest.py
$(OLDEST)/.installed: constraints-oldest.txt
	@echo 'Installing the lowest versions into $(OLDEST): several GB, a few minutes.'
	$(OLDEST_PYTHON) -m venv --clear $(OLDEST)
	$(OLDEST)/bin/python -m pip --disable-pip-version-check install --quiet --constraint $< --editable '.[dev]'
	@touch $@
