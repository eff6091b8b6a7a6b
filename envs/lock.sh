#!/usr/bin/env bash
# requirements.in -> requirements.lock: exact versions with hashes, for Python 3.11 and 3.12.
# torch and what only its CUDA build needs are left out: `pip install torch==…` brings the build that fits the machine, and
# pip's hash mode would otherwise ask for gigabytes that the CPU build does not use.
set -euo pipefail
cd "$(dirname "$0")"
python=${PYTHON:-../.venv/bin/python}
"$python" -m pip install --quiet uv
"$python" -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
    --no-emit-package torch --no-emit-package triton --no-annotate requirements.in --output-file requirements.all
"$python" - <<'PY'
import re
import pathlib

entries = re.split(r"\n(?=\S)", pathlib.Path("requirements.all").read_text().strip())
kept = [entry for entry in entries if not re.match(r"#|torch==|triton==|nvidia-|cuda-", entry)]
header = "# Made by envs/lock.sh from requirements.in; do not edit. Install with: pip install --require-hashes --no-deps -r\n"
pathlib.Path("requirements.lock").write_text(header + "\n".join(kept) + "\n")
pathlib.Path("requirements.all").unlink()
print(f"{len(kept)} packages locked")
PY
