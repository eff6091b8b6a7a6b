"""Start train_model.py in as many processes as there are GPUs for it: all arguments but --processes and --nodes are train_model.py's."""

import argparse
import os
from pathlib import Path

from kun.training.launch import command


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--processes", type=int, default=1, help="on each node, one for each of its GPUs")
    parser.add_argument("--nodes", type=int, default=1, help="of this Slurm job")
    arguments, others = parser.parse_known_args()
    try:
        start = command(max(1, arguments.processes), arguments.nodes, os.environ)
    except RuntimeError as fault:
        raise SystemExit(str(fault)) from None
    program = str(Path(__file__).with_name("train_model.py"))
    os.execvp(start[0], [*start, program, *others])  # signals reach what runs, and nothing stands between


if __name__ == "__main__":
    main()
