"""On PYTHONPATH of a test's Snakemake: the Slurm plugin waits 40 seconds before it first asks for the jobs' states, up to three minutes
between questions, and five seconds before each submission. On a cluster that is right; the jobs here take seconds. Nothing else changes,
and nothing at all in the programs that jobs run."""

import sys

if "--profile" in sys.orig_argv:
    import asyncio
    import time

    asleep, sleep = asyncio.sleep, time.sleep

    async def asleep_briefly(seconds: float, *rest: object) -> object:
        return await asleep(min(seconds, 1), *rest)

    asyncio.sleep = asleep_briefly
    time.sleep = lambda seconds: sleep(min(seconds, 1))
