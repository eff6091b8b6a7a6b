"""status: how far a run is: shards and records of each stage, tokens a second, failures by reason, time left. Reads files only, so it may be
called from anywhere that sees the results folder, at any time, as often as one likes.
"""

import argparse
import sys
import time
from pathlib import Path

from kun.report.standing import AT_WORK, Run, Standing, standing

SHOWN = 8  # jobs of a kind that are listed


def as_text(run: Run) -> str:
    lines = [f"{'stage':<12}{'shards':>14}{'records in':>14}{'kept':>12}{'records/s':>12}{'tokens/s':>12}{'left':>12}"]
    lines += [_line(stage) for stage in run.stages]
    jobs = [(stage, job) for stage in run.stages for job in stage.doing]
    at_work = [(stage.stage, job) for stage, job in jobs if job.at_work()]
    stopped = [(stage.stage, job) for stage, job in jobs if not job.at_work()]
    lines += _listed("At work", [f"{name} {job.shard}: {job.says or _answers(job.answers)}" for name, job in at_work])
    lines += _listed(
        f"Begun and not finished, silent for more than {AT_WORK // 60} minutes",
        [f"{name} {job.shard}: {duration(job.quiet)}; its log ends: {job.says or 'with nothing'}" for name, job in stopped],
    )
    lines += _listed("Jobs of no shard", [f"{rule}: {says or 'begun'} ({duration(quiet)} ago)" for rule, quiet, says in run.alone])
    failed = [f"{stage.stage}: {_reasons(stage.failed)}" for stage in run.stages if stage.failed]
    dropped = [f"{stage.stage}: {_reasons(stage.dropped)}" for stage in run.stages if stage.dropped]
    lines += _listed("Failed, by reason", failed or ["none"], most=99) + _listed("Dropped, by reason", dropped or ["none"], most=99)
    lines.append("")
    if run.pairs is not None:
        lines.append(f"The dataset is finished: {run.pairs:,} pairs.")
    elif run.quiet is None:
        lines.append("Nothing is finished yet.")
    elif run.quiet > AT_WORK:
        lines.append(f"Nothing was written for {duration(run.quiet)}: no job seems to be at work.")
    else:
        lines.append(f"Last written to {duration(run.quiet)} ago.")
    return "\n".join(lines)


def _line(stage: Standing) -> str:
    rate, tokens, left = stage.rate(), stage.tokens_rate(), stage.left()
    answers = sum(job.answers for job in stage.doing)
    came_in = f"{stage.came_in:,}" + (f"+{answers:,.0f}" if answers else "")
    cells = (
        f"{stage.done:,}/{stage.shards:,}",
        came_in,
        f"{stage.kept:,}",
        f"{rate:,.1f}" if rate else "",
        f"{tokens:,.0f}" if tokens else "",
        "" if left is None or stage.done == stage.shards else ("" if stage.certain else "~") + duration(left),
    )
    return f"{stage.stage:<12}" + "".join(f"{cell:>{width}}" for cell, width in zip(cells, (14, 14, 12, 12, 12, 12), strict=True))


def _answers(answers: float) -> str:
    return f"{answers:,.0f} answers" if answers else "begun"


def _reasons(reasons) -> str:
    return ", ".join(f"{reason} {count:,}" for reason, count in sorted(reasons.items(), key=lambda item: (-item[1], item[0])))


def _listed(title: str, entries: list[str], most: int = SHOWN) -> list[str]:
    if not entries:
        return []
    more = [f"  and {len(entries) - most:,} more"] if len(entries) > most else []
    return ["", title, *(f"  {entry}" for entry in entries[:most]), *more]


def duration(seconds: float) -> str:
    seconds = max(0, round(seconds))
    if seconds < 100:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, nargs="?", default=Path("results"), help="the run's folder")
    parser.add_argument(
        "--watch", type=float, metavar="SECONDS", help="look again every so many seconds, until it is ended with Ctrl-C"
    )
    arguments = parser.parse_args()
    while True:
        run = standing(arguments.results)
        if run is None and not arguments.watch:
            sys.exit(
                f"status: {arguments.results} holds no shard plan (plan.json): no run has begun there, or the folder is another"
            )
        shown = as_text(run) if run else f"{arguments.results}: no run has begun yet"
        clear = "\x1b[2J\x1b[H" if arguments.watch and sys.stdout.isatty() else ""
        print(f"{clear}{shown}", flush=True)
        if not arguments.watch:
            return
        try:
            time.sleep(arguments.watch)
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
