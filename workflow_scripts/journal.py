"""journal: look after the journals of what language models answered: `show` what is in them, `compact` them, `forget` answers so that the
next run asks for them again. Not to be used while a run is at work on the same results.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

from kun.books.ledger import CHAIN
from kun.books.rounds import folder_of_round, folder_of_stage, rounds_there
from kun.completions.upkeep import Contents, compact, count_finished, forget, journals, rests

# The folder of results that a stage's answers are read into; what follows it in the chain is made again.
FOLDERS = {"label": "labelled", "score": "scored", "polish": "polished", "causal": "causal"}


def chosen(arguments: argparse.Namespace) -> Iterator[tuple[str, str, Path]]:
    """(stage, source/shard, journal) of the journals that the arguments name."""
    store = arguments.results / "completions"
    for journal in journals(store):
        stage, *shard = journal.relative_to(store).parts
        if arguments.stage in (None, stage) and (arguments.source is None or shard[:1] == [arguments.source]):
            yield stage, "/".join(shard), journal


def show(arguments: argparse.Namespace) -> None:
    stages: dict[str, Contents] = {}
    for stage, _, journal in chosen(arguments):
        stages.setdefault(stage, Contents()).add(journal)
    for stage, found in stages.items():
        print(f"{stage}: {found.answers} answers in {found.segments} segments of {found.journals} journals, {found.size} bytes")
        print("  finished   " + ", ".join(f"{name} {count}" for name, count in sorted(found.finish.items())))
        for engine, count in sorted(found.engines.items()):
            print(f"  answered by {engine}: {count}")
        if found.unreadable:
            print(f"  torn or damaged lines: {found.unreadable}")
    if not stages:
        print("no journals")


def compact_all(arguments: argparse.Namespace) -> None:
    for stage, shard, journal in chosen(arguments):
        if not _may_change(arguments, journal):
            continue
        repeated, unreadable = compact(journal)
        print(f"{stage} {shard}: compacted; {repeated} repeated answers and {unreadable} unreadable lines are gone")


def forget_all(arguments: argparse.Namespace) -> None:
    for stage, shard, journal in chosen(arguments):
        if not _may_change(arguments, journal):
            continue
        if count := count_finished(journal, arguments.finish):
            ledgers = stale_files(arguments.results, stage, shard)
            for ledger in ledgers:  # first: a kill in between must not leave a shard that looks done
                ledger.unlink()
            forget(journal, arguments.finish)
            print(f"{stage} {shard}: {count} answers forgotten, {len(ledgers)} files removed; the next run asks again")


def stale_files(results: Path, stage: str, shard: str) -> list[Path]:
    """What tells Snakemake that a shard is done from a stage on, in every round. It looks for a missing file only where something after
    it is missing as well, so the end of the chain is named too."""
    rounds = list(rounds_there(results))
    if stage == "judge":
        judges = [results / folder_of_round(number) / "judge" for number in rounds]
        return [judge / name for judge in judges for name in ("scores.ledger.json", "judge.json") if (judge / name).is_file()]
    folder = FOLDERS.get(stage, stage)
    after = (
        CHAIN[CHAIN.index(folder) :]
        if folder in CHAIN
        else [folder, *CHAIN[CHAIN.index("primary") :]]
        if stage == "causal"
        else [folder]
    )
    files = dict.fromkeys(
        path
        for number in rounds
        for path in (
            *(folder_of_stage(results, name, number) / f"{shard}.ledger.json" for name in after),
            folder_of_stage(results, "dataset", number) / "README.md",
        )
    )
    return [path for path in files if path.is_file()]


def _may_change(arguments: argparse.Namespace, journal: Path) -> bool:
    if arguments.force or rests(journal, arguments.seconds):
        return True
    print(f"{journal}: written to in the last {arguments.seconds:g} seconds, left alone (--force does it nevertheless)")
    return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("do", choices=["show", "compact", "forget"])
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--stage", help="label, score, polish, causal or judge; all of them where not given")
    parser.add_argument("--source", help="a source's name; all of them where not given")
    parser.add_argument("--finish", choices=["failed", "length", "stop", "choice", "read"], help="forget: answers that finished so")
    parser.add_argument("--seconds", type=float, default=600, help="leave journals alone that were written to so recently")
    parser.add_argument("--force", action="store_true", help="no matter how recently a journal was written to")
    arguments = parser.parse_args()
    if arguments.do == "forget" and not arguments.finish:
        parser.error("forget needs --finish")
    {"show": show, "compact": compact_all, "forget": forget_all}[arguments.do](arguments)


if __name__ == "__main__":
    main()
