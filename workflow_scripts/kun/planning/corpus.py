"""Primary data that a source will give, found on a sample of it: the records go through reading, measuring, thresholds, the search for copies
and that for benchmarks' questions, by the code of the run itself. Knows where a cut lies (or what share it keeps), not how it was found.
"""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kun.books.tables import TableWriter
from kun.corpus.documents import FIELDS, SCHEMA, Unusable, to_document
from kun.planning.estimates import Estimate, exactly, extrapolated, share
from kun.planning.sampling import Sample
from kun.selection.contamination import Index
from kun.selection.cut import Band
from kun.selection.duplicates import find_duplicates
from kun.selection.primary import COLUMNS, with_reasons
from kun.settings.corpus import Source, Text
from kun.settings.selection import Duplicates, Primary
from kun.signals.measure import SCHEMA as SIGNALS
from kun.signals.measure import Measurer

FEW_SHARDS = 5  # pieces of fewer shards than this are lumpy
AT_ONCE = 1024  # texts that are measured together
CAUSAL = ("causal_perplexity", "causal_tokens")


@dataclass
class Sampled:
    """A source's sample as documents and signals, on the disk, and what became of its records."""

    source: str
    sample: Sample
    documents: Path
    signals: Path
    chunk_of: list[int] = field(default_factory=list)  # of each document
    failed: list[int] = field(default_factory=list)  # of each chunk
    reasons: Counter[str] = field(default_factory=Counter)
    shards_of_failed: Counter[str] = field(default_factory=Counter)

    def records(self) -> int:
        return sum(len(chunk.records) for chunk in self.sample.chunks)

    def share_read(self) -> float:
        return 1 - self.sample.unread / self.sample.bytes if self.sample.bytes else 1.0

    def extrapolated(self, counts: Iterable[float]) -> Estimate:
        """A total over the source from a count in each chunk; per shard where the sample is of many."""
        by_shard, sizes = Counter(), Counter()
        few = len(self.sample.shards()) < FEW_SHARDS
        for place, (count, chunk) in enumerate(zip(counts, self.sample.chunks, strict=True)):
            group = place if few else chunk.shard
            by_shard[group] += count
            sizes[group] += chunk.size
        return extrapolated(list(by_shard.values()), list(sizes.values()), self.sample.unread, few)


def measured(source: Source, sample: Sample, how: Text, measurer: Measurer, folder: Path) -> Sampled:
    """The sample's documents and signals, written into the folder."""
    found = Sampled(source.name, sample, folder / f"{source.name}.documents.parquet", folder / f"{source.name}.signals.parquet")
    own = {"text": source.text, "title": source.title, "category": source.category}
    fields = FIELDS.get(source.format, own)
    documents, signals = TableWriter(found.documents, SCHEMA), TableWriter(found.signals, SIGNALS)
    waiting: list[dict[str, Any]] = []

    def measure() -> None:
        if waiting:
            signals.add_columns(measurer.columns([row["id"] for row in waiting], [row["text"] for row in waiting]))
            waiting.clear()

    for place, chunk in enumerate(sample.chunks):
        found.failed.append(0)
        for raw in chunk.records:
            try:
                if raw.value is None:
                    raise Unusable(raw.reason)
                row = to_document(source.name, fields, raw.value, raw.locator, how)
            except Unusable as unusable:
                found.failed[-1] += 1
                found.reasons[unusable.reason] += 1
                found.shards_of_failed[chunk.shard] += unusable.reason != "empty_file"
            else:
                documents.add(row)
                waiting.append(row)
                found.chunk_of.append(place)
        if len(waiting) >= AT_ONCE:
            measure()
    measure()
    documents.close()
    signals.close()
    return found


@dataclass(frozen=True)
class Expected:
    """What a source is expected to give, and what that rests on."""

    raw: Estimate
    documents: Estimate
    primary: Estimate
    tokens: float  # of a primary document, in the mean
    tokens_of_all: float  # of any document
    document_bytes: float  # of a document in its table
    signal_bytes: float
    gone: dict[str, int]  # reasons for which documents of the sample were dropped
    copies: Estimate  # share of the documents that pass otherwise
    chosen: list[int]  # rows of the sample that would be primary data
    notes: list[str]


@dataclass(frozen=True)
class Share:
    """What a cut keeps of all documents where the values are not known; `certain`: by its definition, so that only how it overlaps with
    other reasons is open."""

    kept: Estimate
    certain: bool


def expected(
    samples: list[Sampled],
    primary: Primary,
    duplicates: Duplicates,
    copies_elsewhere: Estimate,
    index: Index | None,
    bands: dict[str, dict[str, Band]],
    unknown: dict[str, Share],
) -> dict[str, Expected]:
    """By source. `bands`: by source and column, where values are known; `unknown`: by column, the cuts whose values are not.
    `copies_elsewhere`: the share of copies to assume where the sample is too small a part to show any."""
    import polars as pl

    reasons: dict[str, list[str | None]] = {}
    for found in samples:
        signals = pl.read_parquet(found.signals, columns=list(COLUMNS))
        signals = signals.with_columns(pl.lit(None, dtype=pl.Float32).alias(name) for name in CAUSAL)
        reasons[found.source] = with_reasons(signals, primary, bands.get(found.source, {}))["reason"].to_list()
    tables = [(f"{found.source}/sample", found.signals, found.documents) for found in samples]

    def eligible(shard: str):
        return pl.Series([reason is None for reason in reasons[shard.removesuffix("/sample")]], dtype=pl.Boolean).to_numpy()

    copies = {shard.removesuffix("/sample"): table for shard, table in find_duplicates(tables, duplicates, eligible)}
    homes = _homes(samples)
    return {
        found.source: _of_source(found, reasons[found.source], copies[found.source].to_pylist(), homes, samples, copies_elsewhere, index, unknown)
        for found in samples
    }  # fmt: skip


def _homes(samples: list[Sampled]) -> dict[str, str]:
    """The shard of each document, by the name that its copies know it by."""
    import polars as pl

    return {
        f"{found.source}:{locator}": found.sample.chunks[place].shard
        for found in samples
        for locator, place in zip(pl.read_parquet(found.documents, columns=["locator"])["locator"], found.chunk_of, strict=True)
    }


def _of_source(found: Sampled, reasons, copies, homes, samples, copies_elsewhere, index, unknown) -> Expected:
    import polars as pl

    passing = [row for row, reason in enumerate(reasons) if reason is None]
    own = Counter(reason for reason in reasons if reason)
    notes: list[str] = []

    across = sum(homes[copy["owner"]] != found.sample.chunks[found.chunk_of[copy["row"]]].shard for copy in copies)
    read = min((other.share_read() for other in samples), default=1.0)
    of_copies = share_of_copies(len(copies) - across, across, len(passing), read, copies_elsewhere)
    if read < 1:
        notes.append(
            f"duplicates: {len(copies)} of {len(passing)} in the sample ({across} of them of another shard), which is {read:.2%} of the "
            "bytes; copies in what was not read are extrapolated where ten were found, else assumed"
        )

    copied = {copy["row"] for copy in copies}
    single = [row for row in passing if row not in copied]
    texts = pl.read_parquet(found.documents, columns=["text"])["text"]
    hits = index.find([texts[row] for row in single]) if index and single else []
    contaminated = {row for row, hit in zip(single, hits, strict=False) if hit}
    chosen = [row for row in single if row not in contaminated]
    clean = (
        share(len(chosen), len(single), 1.0) if found.sample.unread and contaminated else exactly(len(chosen) / max(1, len(single)))
    )

    documents = found.extrapolated(_counted(found, range(len(reasons))))
    parts = [of_copies.rest(), clean]
    for column, cut in unknown.items():
        parts.append(overlap(cut, len(passing), len(reasons), several=len(samples) > 1))
        notes.append(
            f"{column.replace('_', ' ')}: not measured yet; the cut's share is {'its definition' if cut.certain else 'assumed'}"
        )
    tokens = pl.read_parquet(found.signals, columns=["tokens"])["tokens"]
    return Expected(
        raw=found.extrapolated(len(chunk.records) for chunk in found.sample.chunks),
        documents=documents,
        primary=found.extrapolated(_counted(found, passing)).times(*parts),
        tokens=float(tokens.gather(chosen).mean() or 0) if chosen else 0.0,
        tokens_of_all=float(tokens.mean() or 0),
        document_bytes=_bytes_a_row(found.documents, len(reasons)),
        signal_bytes=_bytes_a_row(found.signals, len(reasons)),
        gone={**own, **({"duplicate": len(copies)} if copies else {}), **({"contaminated": len(contaminated)} if contaminated else {})},
        copies=of_copies,
        chosen=chosen,
        notes=notes,
    )  # fmt: skip


def _counted(found: Sampled, rows: Iterable[int]) -> list[float]:
    """How many of some documents are in each chunk."""
    counts = Counter(found.chunk_of[row] for row in rows)
    return [counts[place] for place in range(len(found.sample.chunks))]


def _bytes_a_row(table: Path, rows: int) -> float:
    return table.stat().st_size / rows if rows else 0.0


ENOUGH = 10  # copies of other shards' documents from which on their number is extrapolated


def share_of_copies(inside: int, across: int, of: int, read: float, elsewhere: Estimate) -> Estimate:
    """The share of copies in a corpus of which a share of `read` was seen.

    A copy of a document in its own part of a file is seen whenever it is; one of a document elsewhere only when that is in the sample as
    well: of pairs spread by chance, `read` are seen. But copies come in crowds, and near each other, of which more are seen. So what is in
    the sample is the least there can be, pairs would be the most, and the figure between the two is taken in the middle of their orders.
    """
    if not of:
        return elsewhere if read < 1 else exactly(0.0)
    seen = (inside + across) / of
    if read >= 1:
        return exactly(seen)
    pairs = min((inside + across / read) / of, 0.9)
    likely = math.sqrt(seen * pairs) if across >= ENOUGH else max(seen, elsewhere.likely)
    return Estimate(seen, likely, max(min(0.95, 1.5 * pairs), elsewhere.high, seen))


def overlap(cut: Share, passing: int, documents: int, several: bool) -> Estimate:
    """What a cut keeps of the documents that pass otherwise. Those it takes may be among the others as far as there are any; as likely as
    not they are spread evenly. Where a common cut is for several sources, one may lose more than another."""
    if not passing:
        return cut.kept
    gone, others = cut.kept.rest(), documents - passing
    least = max(0.0, gone.low * documents - others) / passing
    most = min(1.0, gone.high * documents / passing)
    wide = 1.25 if several else 1.0
    return Estimate((1 - most) / wide, cut.kept.likely, min(1.0, (1 - least) * wide))
