#!/usr/bin/env bash
# Install vLLM into .venv, beside what envs/install.sh installed and without changing it: the build that fits torch's, from its lock.
# With --if-cpu only where torch is a CPU build: that is for the tests, and a CUDA build is gigabytes.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }

build=$(.venv/bin/python -c 'import torch; print("cuda" if torch.version.cuda else "cpu")')
lock=envs/vllm-$build.lock
if [[ $build == cuda && ${1:-} == --if-cpu && ! -e .venv/installed-vllm ]]; then
    say "torch is a CUDA build here: vLLM's tests are skipped unless \`make install-vllm\` has installed it"
    exit 0
fi
[[ .venv/installed-vllm -nt $lock ]] && exit 0
say "Installing vLLM for $build: $(grep -cE '^[a-z]' "$lock") locked packages (up to a few minutes)"
.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r "$lock"
touch .venv/installed-vllm
