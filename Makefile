# Each target sets up .venv first (Python 3.11, its headers and venv, g++ and
# make are all it takes) and does not install again until the requirements
# change.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# the interpreter that .venv is made with; empty: the first that serves
PYTHON ?=
# test processes at a time
JOBS ?= 2
# what to test, e.g. make test TESTS=tests/core
TESTS ?=
SOURCES := mmregioncl tests tools configs demo setup.py

# mmcv's operators for a GPU are another set-up: that of a CPU is not ready
READY := .venv/.ready$(if $(filter 1,$(MMREGIONCL_CUDA_OPS)),-cuda)
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export VIRTUAL_ENV := $(CURDIR)/.venv
# the user's own Python settings stay out
unexport PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE

.NOTPARALLEL:
.PHONY: help setup demo test lint types docs pytest format

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

setup: $(READY) ## make .venv with the pinned, verified set

$(READY): $(wildcard requirements/*.txt) setup.py pyproject.toml \
		tools/setup_env.sh
	@PYTHON='$(PYTHON)' tools/setup_env.sh

demo: $(READY) ## pretrain on drawn scenes on a CPU, end with a picture
	@bash demo/run.sh

test: lint types docs pytest ## lint, check types, build the pages, run the tests

lint: $(READY) ## flake8
	flake8 $(wildcard $(SOURCES))

types: $(READY) ## mypy on mmregioncl/
	mypy

docs: $(READY) ## build the pages into docs/_build, a warning is an error
	PYTHONWARNINGS=ignore sphinx-build -W --keep-going -q -b html docs docs/_build

# one thread per process: with more, the processes fight for the cores
pytest: $(READY) ## the tests alone
	OMP_NUM_THREADS=1 pytest -n $(JOBS) $(TESTS)

format: $(READY) ## isort and yapf, in place
	isort $(wildcard $(SOURCES))
	yapf --in-place --recursive --parallel $(wildcard $(SOURCES))
