# One command a habit, the same for you and for CI. Needs Python 3.11 to 3.13, with venv, and make.
#
#   make reproduce      the article's three experiments; ARGS="…" replaces the arguments
#   make test           the whole suite on every backend; BACKENDS="tensorflow jax" leaves one out
#   make help           the rest
#
# Everything is installed into .venv here; nothing outside this folder is written to but pip's cache.

PYTHON   ?= python3
VENV     ?= .venv
ARGS     ?= --preset auto --output results --resume
BACKENDS ?= tensorflow jax torch
PYTEST   ?= -n auto --maxprocesses 4 --dist worksteal

# Only the suite asks for this exact release, so that it tests what it says it tests; the package itself
# pins nothing. Where pip would fetch a CUDA build that you do not want, install a CPU one of the same
# version into .venv first (pip then keeps it), or leave torch out of BACKENDS.
TORCH    ?= torch==2.13.0
# The oldest Keras that pyproject.toml promises.
OLDEST   ?= keras==3.12.*

# Without this, TensorFlow tells of every core and GPU at each start.
export TF_CPP_MIN_LOG_LEVEL ?= 3

SHELL := /bin/sh
BIN   := $(VENV)/bin
BENCHES := $(filter-out benchmarks/decay_shootout.py benchmarks/robustness.py benchmarks/averaging.py benchmarks/_%,$(wildcard benchmarks/*.py))

# A stamp is a file that says "installed"; it is older than pyproject.toml when that has changed.
BASE     := $(VENV)/.stamp-base
EXAMPLES := $(VENV)/.stamp-examples
DEV      := $(VENV)/.stamp-dev
TORCHED  := $(VENV)/.stamp-torch
OLD      := .venv-oldest
WHEEL    := .venv-wheel

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help reproduce test test-tensorflow test-jax test-torch test-oldest test-wheel check format \
        bench docs clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## ?(.*)/  make \1|\2/' | \
	  awk -F'|' '{ printf "%-24s %s\n", $$1, $$2 }'

reproduce: $(EXAMPLES) ## train the three experiments, leave table, JSON and picture in results/
	$(BIN)/python examples/cifar10_alexnet.py $(ARGS)

test: $(addprefix test-,$(BACKENDS)) ## the whole suite, on every backend in BACKENDS

# The TensorFlow run is the whole suite, with what compares against torch's own schedulers; the other two
# repeat the tests marked `any_backend`. GRAPPLER=off has TensorFlow run its graphs as they were traced,
# a third faster in short trainings; test-oldest runs them rewritten, as users do.
test-tensorflow: $(DEV) $(if $(filter torch,$(BACKENDS)),$(TORCHED)) ## the whole suite on TensorFlow
	KERAS_BACKEND=tensorflow GRAPPLER=$${GRAPPLER:-off} $(BIN)/python -m pytest $(PYTEST)

test-jax: $(DEV) ## the tests that depend on the backend, on JAX
	KERAS_BACKEND=jax $(BIN)/python -m pytest $(PYTEST) -m any_backend tests

test-torch: $(TORCHED) ## the same on torch
	KERAS_BACKEND=torch $(BIN)/python -m pytest $(PYTEST) -m any_backend tests

test-oldest: $(OLD)/.stamp ## the suite on TensorFlow with the oldest supported Keras
	KERAS_BACKEND=tensorflow $(OLD)/bin/python -m pytest $(PYTEST) tests

test-wheel: $(DEV) ## build the wheel, install it in an empty environment, run the README's first snippet
	rm -rf $(WHEEL) dist
	$(BIN)/python -m build --no-isolation --outdir dist .
	$(PYTHON) -m venv $(WHEEL)
	$(WHEEL)/bin/python -m pip install --quiet --upgrade pip
	$(WHEEL)/bin/python -m pip install --quiet "$$(echo dist/*.whl)[tensorflow,plot]"
	awk '/^```python/ { inside = 1; next } /^```/ { if (inside) exit } inside' README.md | \
	  KERAS_BACKEND=tensorflow $(WHEEL)/bin/python -I -

check: $(DEV) ## format, lint and types, without changing a file
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(DEV) ## let ruff put format and lint right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(DEV) $(if $(filter torch,$(BACKENDS)),$(TORCHED)) ## every benchmark but decay_shootout.py, robustness.py and averaging.py (hours: run them by hand)
	@set -e; for file in $(BENCHES); do echo "== $$file"; $(BIN)/python "$$file"; done

docs: $(DEV) ## build the documentation into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean: ## remove environments, caches and builds; results/ stays
	rm -rf .venv .venv-* dist build site .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ------------------------------------------------------------------------------ environments
supported = $(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 11) <= v <= (3, 13) or sys.exit( \
  f"kerasdecay needs Python 3.11 to 3.13, and $(PYTHON) is {v[0]}.{v[1]}: say make PYTHON=python3.12 …")'

$(BASE):
	@$(supported)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	@touch $@

$(EXAMPLES): $(BASE) pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[examples]'
	@touch $@

$(DEV): $(BASE) pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@ $(EXAMPLES)

$(TORCHED): $(DEV)
	$(BIN)/python -m pip install --quiet '$(TORCH)'
	@touch $@

$(OLD)/.stamp: pyproject.toml
	@$(supported)
	$(PYTHON) -m venv $(OLD)
	$(OLD)/bin/python -m pip install --quiet --upgrade pip
	$(OLD)/bin/python -m pip install --quiet --editable '.[dev]' '$(OLDEST)'
	@touch $@
