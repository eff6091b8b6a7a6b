# The code that a run executes is the code that it was planned with. Its programs are copied to .snakemake/kun/<digest> before anything is
# planned, and jobs run the copy, so a program edited while a run is in progress is for the next run: what is recorded of a job is what was
# executed. Jobs that start a Snakemake of their own read the Snakefile, rules/ and settings again; where those are other ones by then, they stop.
# Nothing of kun is imported here: which copy of it is imported is what this file decides.

import hashlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

from snakemake.exceptions import WorkflowError

CLONE = Path(workflow.basedir)
KEPT = Path(".snakemake/kun").absolute()


def files_of_code(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".pyc", ".part"))


def digest_of_files(files):
    """Of their names and bytes."""
    state = hashlib.sha256()
    for file in files:
        state.update(f"{file.relative_to(CLONE)}\0{file.stat().st_size}\0".encode())
        state.update(file.read_bytes())
    return state.hexdigest()[:16]


def kept_programs():
    """A copy of workflow_scripts/ as it is now. Its name is its digest, so one copy serves all runs of the same code."""
    clone = CLONE / "workflow_scripts"
    files = files_of_code(clone)
    copy = KEPT / digest_of_files(files)
    if not copy.is_dir():
        KEPT.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(dir=KEPT, prefix="part-"))
        part.chmod(0o755)
        for file in files:
            place = part / file.relative_to(clone)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, place)
        try:
            part.rename(copy)
        except OSError:  # another run was quicker
            shutil.rmtree(part)
    return copy


def read_again():
    """What jobs with a Snakemake of their own read once more: the workflow, and the settings that come of all files and options."""
    rules = digest_of_files([CLONE / "Snakefile", *files_of_code(CLONE / "rules")])
    return hashlib.sha256(f"{rules} {sorted(config.items())}".encode()).hexdigest()[:16]


if workflow.is_main_process:
    SCRIPTS = kept_programs()
    os.environ.update(KUN_SCRIPTS=str(SCRIPTS), KUN_READ=read_again())
else:
    SCRIPTS = Path(os.getenv("KUN_SCRIPTS", ""))
    if read_again() != os.getenv("KUN_READ"):
        raise WorkflowError(
            "the Snakefile, rules/ or the configuration changed while a run is in progress, so this job would not do what the run planned."
            " Undo the change, or end the run and start it again: what is finished stays finished"
        )
sys.path.insert(0, str(SCRIPTS))
# Commands find the Python that runs Snakemake; a conda environment, where one is used, still comes first.
os.environ.update(PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.getenv('PATH', '')}")
