"""Where the rounds of curation are: the first one's folders stand in the results' folder itself, a later one's in rounds/{number}/ under it.
What no round changes (documents to labels) is there once. Knows nothing of what a round is for.
"""

from collections.abc import Iterator
from pathlib import Path

SHARED = ("documents", "signals", "causal", "primary", "labelled")  # stages that come before the rounds


def folder_of_round(number: int) -> str:
    """What stands before the names of a round's folders: "" or "rounds/2/"."""
    return f"rounds/{number}/" if number > 1 else ""


def round_of_folder(folder: str) -> int:
    """The number of the round whose folders have this before their names."""
    return int(folder.strip("/").rpartition("/")[2]) if folder else 1


def folder_of_stage(results: Path, stage: str, number: int) -> Path:
    """Where a stage's tables are in a round."""
    return results / stage if stage in SHARED else results / folder_of_round(number) / stage


def rounds_there(results: Path) -> Iterator[int]:
    """The numbers of the rounds that have a folder."""
    yield 1
    yield from sorted(int(folder.name) for folder in (results / "rounds").glob("*") if folder.name.isdigit())
