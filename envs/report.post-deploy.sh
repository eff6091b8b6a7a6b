#!/usr/bin/env bash
# Made by envs/lock.sh; do not edit. Snakemake runs it in the new conda environment. It names the lock's digest, so that another lock
# makes another environment: what Snakemake knows an environment by is its YAML and this file.
set -euo pipefail
lock=$KUN_SCRIPTS/../envs/report.lock
echo "481287768e3284cbd31d93a3a238fa0bd0b0460bd02ee27ed0d269156d260f63  $lock" | sha256sum --check --quiet
"$CONDA_PREFIX/bin/python" -m pip install --disable-pip-version-check --require-hashes --no-deps -r "$lock"
