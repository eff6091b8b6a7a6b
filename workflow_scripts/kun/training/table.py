"""Examples on the disk: written once as they come, then mapped into memory by every process, so that a million pairs cost none."""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import pyarrow as pa

from kun.training.examples import Example

SCHEMA = pa.schema([("id", pa.string()), ("input_ids", pa.list_(pa.int32())), ("labels", pa.list_(pa.int32()))])
ROWS = 1000  # written together


def write_examples(path: Path, examples: Iterable[tuple[str, Example]]) -> int:
    """(id, example) to an Arrow stream; returns how many. The file appears when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part, count, examples = path.with_name(path.name + ".part"), 0, iter(examples)
    with pa.OSFile(str(part), "wb") as stream, pa.ipc.new_stream(stream, SCHEMA) as table:
        while some := [{"id": id_, **example} for id_, example in islice(examples, ROWS)]:
            table.write_batch(pa.RecordBatch.from_pylist(some, schema=SCHEMA))
            count += len(some)
    part.replace(path)
    return count
