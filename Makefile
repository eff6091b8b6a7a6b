# What a person types. `make help` lists it.

SHELL := /bin/bash
CORES ?= $(shell nproc)
KUN := .venv/bin/python

.PHONY: help demo status test install install-vllm config lint lock clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 21

install: .venv/installed  ## install what is needed into .venv (done by demo and test as well)

.venv/installed: envs/install.sh envs/requirements.lock envs/requirements.in envs/system-packages.txt workflow_scripts/build_kenlm.py
	@bash envs/install.sh
	@touch $@

install-vllm: .venv/installed  ## install vLLM as well, for engine.name: vllm (test does so on machines without a GPU)
	@bash envs/install-vllm.sh

demo: .venv/installed  ## make a small dataset from real Chinese text, on the CPU, in ten to fifteen minutes
	@$(KUN) workflow_scripts/make_demo_material.py --into data/demo
	@.venv/bin/snakemake --cores $(CORES) --configfile config/demo.yaml --quiet reason host
	@$(KUN) workflow_scripts/show_dataset.py results

test: .venv/installed  ## all tests: formatting and lint, units, rules, whole runs
	@bash envs/install-vllm.sh --if-cpu
	@$(KUN) -m pytest

lint: .venv/installed  ## formatting and lint alone
	@$(KUN) -m pytest -q tests/unit/test_style.py

config: .venv/installed  ## write config/config.yaml and config/schema.json from the settings' models
	@$(KUN) workflow_scripts/write_config.py config

lock: .venv/installed  ## make envs/*.lock from envs/*.in
	@PYTHON=../$(KUN) envs/lock.sh

status:  ## how far the run in RESULTS (default: results) is; also while it runs, from another shell
	@$(KUN) workflow_scripts/status.py $(or $(RESULTS),results)

clean:  ## remove the demo's results (not its material, not .venv)
	@rm -rf results
