#!/usr/bin/env bash
# Made by envs/lock.sh; do not edit. Snakemake runs it in the new conda environment. It names the lock's digest, so that another lock
# makes another environment: what Snakemake knows an environment by is its YAML and this file.
set -euo pipefail
lock=$KUN_SCRIPTS/../envs/corpus.lock
echo "505baf464618e782c757437860632c55c787a6119654651aab5e1171ff155900  $lock" | sha256sum --check --quiet
"$CONDA_PREFIX/bin/python" -m pip install --disable-pip-version-check --require-hashes --no-deps -r "$lock"
