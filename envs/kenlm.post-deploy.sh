#!/usr/bin/env bash
# Made by envs/lock.sh; do not edit. Snakemake runs it in the new conda environment. It names the lock's digest, so that another lock
# makes another environment: what Snakemake knows an environment by is its YAML and this file.
set -euo pipefail
lock=$KUN_SCRIPTS/../envs/kenlm.lock
echo "96ee357deaf9b98981c70b0ab332bac273dfc00d60e7c0ef95918b8f1103d3cb  $lock" | sha256sum --check --quiet
"$CONDA_PREFIX/bin/python" -m pip install --disable-pip-version-check --require-hashes --no-deps -r "$lock"
