#!/usr/bin/env bash
# Made by envs/lock.sh; do not edit. Snakemake runs it in the new conda environment. It names the lock's digest, so that another lock
# makes another environment: what Snakemake knows an environment by is its YAML and this file.
set -euo pipefail
lock=$KUN_SCRIPTS/../envs/llm.lock
echo "c36294fdd4eb5277ff6913f8eac5890256a6162d4528a44401e5ce60c64d5f10  $lock" | sha256sum --check --quiet
"$CONDA_PREFIX/bin/python" -m pip install --disable-pip-version-check --require-hashes --no-deps -r "$lock"
