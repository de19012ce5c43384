# Everything happens in this checkout's own virtual environment, .venv; nothing has to be activated.
#
#   PYTHON=python3.12 make demo     with another Python (3.11 or newer)
#   JOBS=4 make test                with more test processes than 2

PYTHON ?= python3
JOBS ?= 2
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
SOURCES := pyproject.toml setup.py

.DEFAULT_GOAL := help
.PHONY: help venv demo test lint types tests test-clients fuzz format benchmark clean

help: ## what there is to make
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

# Two stamps, so that a user who only wants the demo does not install what only the tests need.
$(VENV)/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo "popscan needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1)." \
	        "Name another with: make PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null \
	    || NEED=required .ci/need python3-venv-is-missing=python3-venv
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/installed: $(VENV)/made $(SOURCES)
	@echo "installing popscan and what its networks need into $(VENV) ..."
	@$(PIP) install --editable '.[cpu]' \
	    || { echo 'TensorFlow cannot be installed here: going on without networks'; $(PIP) install --editable .; }
	@touch $@

$(VENV)/installed-test: $(VENV)/installed
	@echo "installing what the tests need into $(VENV) ..."
	@$(PIP) install --editable '.[test]'
	@touch $@

venv: $(VENV)/installed-test ## set up .venv for developing

demo: $(VENV)/installed ## scan the bundled real sample; page, session and tracks land in demo/
	$(BIN)/popscan demo --out demo
	@printf '\npage     %s\nsession  %s\ntracks   %s\n' \
	    '$(CURDIR)/demo/index.html  (any web browser, no network needed)' \
	    '$(CURDIR)/demo/igv_session.xml  (IGV desktop: File > Open Session)' '$(CURDIR)/demo/tracks/'

test: lint types tests ## lint, types and tests: what every change has to pass

lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed-test
	$(BIN)/mypy

tests: $(VENV)/installed-test
	@.ci/need vcftools=vcftools bcftools=bcftools tabix=tabix bgzip=tabix
	$(BIN)/pytest -n $(JOBS) -m 'not clients' --doctest-modules scanner tests

test-clients: $(VENV)/installed-test ## open the tracks in real genome browsers (installs IGV, R and more of Debian)
	@NEED=required .ci/need igv=igv xvfb-run=xvfb xauth=xauth Rscript=r-bioc-rtracklayer npm=npm \
	    chromium=chromium chromedriver=chromium-driver \
	    sbatch=slurm-client slurmctld=slurmctld slurmd=slurmd munged=munge
	$(BIN)/pytest -m clients tests

fuzz: $(VENV)/installed-test ## scan 2,000 harmed and odd files (minutes): CASES=5000 SEED=7 for more and others
	POPSCAN_FUZZ_CASES=$(or $(CASES),2000) POPSCAN_FUZZ_SEED=$(or $(SEED),1) $(BIN)/pytest -n $(JOBS) tests/test_fuzz*.py

format: $(VENV)/installed-test ## write the code as the linter wants it
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

benchmark: $(VENV)/installed-test ## measure speed and memory (minutes)
	@set -e; for script in tests/benchmarks/bench_*.py; do \
	    test -e "$$script" || { echo "no benchmark: tests/benchmarks/bench_*.py"; exit 1; }; \
	    echo "== $$script"; $(BIN)/python "$$script"; \
	done

clean: ## remove what make has made, .venv too
	rm -rf $(VENV) build dist demo popscan.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
	find scanner tests -name __pycache__ -type d -exec rm -rf {} +
