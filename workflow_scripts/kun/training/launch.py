"""How a training starts: one process, several on this node, or several on each node of a Slurm job."""

import subprocess
import sys
from collections.abc import Mapping


def command(processes: int, nodes: int, environment: Mapping[str, str]) -> list[str]:
    """What stands before the program and its arguments. processes: on each node. Raises RuntimeError where several nodes are asked for
    outside a Slurm job."""
    run = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={processes}"]
    if nodes == 1:
        return [*run, "--standalone"] if processes > 1 else [sys.executable]
    job = environment.get("SLURM_JOB_ID")
    if not job:
        raise RuntimeError(
            f"resources.nodes_training is {nodes}, and this is no Slurm job; several nodes need snakemake --profile slurm"
        )
    first = subprocess.run(
        ["scontrol", "show", "hostnames", environment["SLURM_JOB_NODELIST"]], capture_output=True, text=True, check=True
    ).stdout.split()[0]
    # Jobs that share a node must not share a port.
    meeting = [f"--rdzv-endpoint={first}:{20000 + int(job) % 20000}", "--rdzv-backend=c10d", f"--rdzv-id={job}"]
    return [
        "srun",
        f"--nodes={nodes}",
        f"--ntasks={nodes}",
        "--ntasks-per-node=1",
        "--overlap",
        *run,
        f"--nnodes={nodes}",
        *meeting,
    ]
