"""Which small files go into one pack. Knows names and sizes, no folders and no formats.

A file begins a pack when the hash of its name says so, with a chance of its size in packs; nothing else is looked at. So a file
that comes, goes or grows changes the pack it falls in, splits it there, or joins it to the one before, and no other pack notices.

The exception: a stretch of files that goes on for more than LARGEST packs without such a file (about one in fifty) is cut at the
files that were nearest to beginning one. There, and only within that stretch, a newcomer that was nearer still may move a cut. No
rule can promise both a largest size and that cuts never move: every set of files over the limit would need a cut of its own.
"""

from itertools import accumulate

from kun.books.digests import digest

LARGEST = 4  # packs: what a pack may grow to
MOST_FILES = 256  # in the largest pack; so a file counts as LARGEST / MOST_FILES of a pack at least, for the work of opening it


def packed(sizes: dict[str, int], pack_bytes: int) -> list[tuple[str | None, list[str]]]:
    """(the file that begins the pack, its files) in the order of `sizes`; None for the files before the first that begins one."""
    cost = {name: max(size, pack_bytes * LARGEST / MOST_FILES) / pack_bytes for name, size in sizes.items()}
    # Below 1 for a file that begins a pack; the smaller, the nearer to beginning one.
    rank = {name: int(digest(name, size=8), 16) / 2**64 / cost[name] for name in sizes}
    stretches: list[tuple[str | None, list[str]]] = []
    for name in sizes:
        if rank[name] < 1:
            stretches.append((name, []))
        elif not stretches:
            stretches.append((None, []))
        stretches[-1][1].append(name)
    return [pack for first, names in stretches for pack in _within_the_limit(first, names, cost, rank)]


def _within_the_limit(
    first: str | None, names: list[str], cost: dict[str, float], rank: dict[str, float]
) -> list[tuple[str | None, list[str]]]:
    *_, whole = accumulate(cost[name] for name in names)
    if whole <= LARGEST or len(names) == 1:
        return [(first, names)]
    cut = min(range(1, len(names)), key=lambda place: (rank[names[place]], place))
    return [*_within_the_limit(first, names[:cut], cost, rank), *_within_the_limit(names[cut], names[cut:], cost, rank)]
