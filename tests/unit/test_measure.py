"""The program measure: its table, and that its memory does not grow with the shard."""

import random
import subprocess
import sys
from pathlib import Path

from kun.books.tables import TableWriter, metadata_of, read_rows
from kun.corpus.documents import SCHEMA as DOCUMENTS
from kun.signals.language import language_model
from kun.signals.measure import SCHEMA, Measurer
from measure import measure, token_counter

HAN = "".join(map(chr, range(0x4E00, 0x5E00)))


def documents(path: Path, texts: list[str]) -> None:
    writer = TableWriter(path, DOCUMENTS)
    for number, text in enumerate(texts):
        writer.add({"id": f"{number:032x}", "text": text, "title": "", "category": "", "locator": f"f@{number}+1"})
    writer.close()


def test_one_row_a_document_in_order_over_the_borders_of_batches(base_model, tmp_path):
    texts = ["字" * (number % 7 + 1) + str(number) for number in range(2100)]
    documents(tmp_path / "d.parquet", texts)
    measurer = Measurer(token_counter(base_model, False), language_model(), None)
    measure(tmp_path / "d.parquet", measurer, {"perplexity": "form:model"}, "s/n", tmp_path / "s.parquet")
    rows = list(read_rows(tmp_path / "s.parquet"))
    assert [row["id"] for row in rows] == [f"{number:032x}" for number in range(2100)]
    assert [row["characters"] for row in rows] == list(map(len, texts))
    assert set(rows[0]) == set(SCHEMA.names)
    assert metadata_of(tmp_path / "s.parquet") == {"perplexity": "form:model"}


def test_a_shard_without_documents_has_a_table_without_rows(base_model, tmp_path):
    documents(tmp_path / "d.parquet", [])
    measurer = Measurer(token_counter(base_model, False), language_model(), None)
    measure(tmp_path / "d.parquet", measurer, {}, "s/n", tmp_path / "s.parquet")
    assert list(read_rows(tmp_path / "s.parquet")) == []


# The kernel's figure for a child begins with the memory of the process that started it; this one begins with the program.
PEAK = """
import sys
from pathlib import Path
sys.path.insert(0, "workflow_scripts")
from kun.signals.language import language_model
from measure import Measurer, measure, token_counter
measurer = Measurer(token_counter(Path(sys.argv[1]), False), language_model(), None)
measure(Path(sys.argv[2]), measurer, {}, "s/n", Path(sys.argv[2] + ".signals"))
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def peak_megabytes(root: Path, model: Path, path: Path) -> float:
    command = [sys.executable, "-c", PEAK, str(model), str(path)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-2]) / 1024


def test_memory_does_not_grow_with_the_shard(root, base_model, tmp_path):
    """Of random characters, so that nearly every piece of a text is new to the counter of tokens."""
    chance = random.Random(1)
    texts = ["".join(chance.choices(HAN, k=chance.randrange(50, 600))) for _ in range(15_000)]
    documents(tmp_path / "small", texts[:1500])
    documents(tmp_path / "large", texts)
    small, large = (peak_megabytes(root, base_model, tmp_path / name) for name in ("small", "large"))
    assert large < 400
    assert large <= 1.15 * small


def test_one_enormous_text_among_many_stays_within_bounds(root, base_model, tmp_path):
    chance = random.Random(2)
    texts = ["".join(chance.choices(HAN, k=300)) for _ in range(1000)]
    texts.insert(500, "".join(chance.choices(HAN, k=660_000)))  # 2 MB: as large as a record may be
    documents(tmp_path / "d", texts)
    assert peak_megabytes(root, base_model, tmp_path / "d") < 400
