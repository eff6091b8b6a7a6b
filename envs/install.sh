#!/usr/bin/env bash
# Install what the pipeline needs into .venv; done once, and again only when a file named here changes.
#   system packages  envs/system-packages.txt, by apt where it is permitted
#   Python packages  torch by version, everything else from the hash-checked lock
#   lmplz, build_binary, query   from KenLM's PyPI source archive (the same file, by hash, that the lock names)
# Settings: PYTHON (python3.11 or 3.12), TORCH_ARGS (extra arguments for torch's `pip install`, such as another index).
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }

PYTHON=${PYTHON:-$(command -v python3.11 || command -v python3.12 || command -v python3 || true)}
case $("${PYTHON:-false}" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) in
    3.11 | 3.12) ;;
    *) say "Python 3.11 or 3.12 is needed; say where it is: make install PYTHON=/path/to/python3.11"; exit 1 ;;
esac

# --- system packages ---------------------------------------------------------------------------------------------------
if command -v dpkg-query >/dev/null; then
    missing=()
    while read -r package; do
        case $package in
            '' | '#'*) continue ;;
            # A Python that is not the system's (pyenv, conda, deadsnakes) brings its own venv and headers.
            python3-dev | python3-venv)
                "$PYTHON" -c 'import ensurepip, sysconfig, os; assert os.path.exists(sysconfig.get_path("include") + "/Python.h")' 2>/dev/null && continue ;;
        esac
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done <envs/system-packages.txt
    if ((${#missing[@]})); then
        if [[ $(id -u) == 0 ]]; then sudo=; elif sudo -n true 2>/dev/null; then sudo=sudo
        else
            say "These system packages are missing. Ask for them to be installed, or type:"
            say "    sudo apt-get install ${missing[*]}"
            exit 1
        fi
        say "Installing system packages: ${missing[*]}"
        $sudo apt-get update -qq
        DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    fi
else
    say "Not a Debian or Ubuntu machine: make sure the equivalents of envs/system-packages.txt are there."
fi

# --- Python packages ---------------------------------------------------------------------------------------------------
[[ -x .venv/bin/python ]] || "$PYTHON" -m venv .venv
torch=$(grep -oE '^torch==[^ ]+' envs/requirements.in)
say "Installing $torch (once, up to a few minutes)"
# shellcheck disable=SC2086
.venv/bin/pip install --quiet --disable-pip-version-check "$torch" ${TORCH_ARGS:-}
say "Installing $(grep -cE '^[a-z]' envs/requirements.lock) locked packages"
.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r envs/requirements.lock

# --- KenLM's programs --------------------------------------------------------------------------------------------------
if [[ ! -x .venv/bin/lmplz ]]; then
    say "Building lmplz (about a minute)"
    .venv/bin/python workflow_scripts/build_kenlm.py --lock envs/requirements.lock --into .venv/bin
fi
say "Installed into .venv"
