"""`snakemake --profile slurm`, as typed, on a real Slurm of one node with two pretended GPUs: no program finds CUDA, so models run on the
CPU, but jobs ask for a GPU each and are given it. One cluster and few runs: each start of Snakemake costs the plugin's first 40 seconds."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from e2e.conftest import CONFIG, Project, finished
from slurm.cluster import Cluster, Step, running_cluster, why_not

__all__ = ["finished"]
pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "")

SITE = {
    "account": None,
    "gpu_model": "h100",
    "scratch": None,
    "partitions": {"cpu": {"max_runtime": "2d", "max_mem_mb": 64000}, "gpu": {"max_gpu": 2}},
    "options": {"slurm-init-seconds-before-status-checks": 2, "seconds-between-status-checks": 2, "latency-wait": 5},
}
# Of one shard: the rules that one Slurm job runs.
CHAINS = {
    "front": ["ingest", "measure"],
    "label": ["select_primary", "label", "score"],
    "answer": ["select_instructions", "polish", "check_answers"],
}
