"""The program ingest: what it keeps and puts aside, when it stops the run, and that its memory does not grow with the shard."""

import gzip
import io
import json
import random
import subprocess
import sys
import tarfile
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from backports import zstd

from kun.books.ledger import Ledger
from kun.books.stage import dropped_path, ledger_path
from kun.books.tables import read_rows
from kun.corpus.locators import raw_bytes, read_record
from kun.corpus.plan import Piece, Shard, plan_as_json

PLAIN = '{"html": false, "mojibake": false, "boilerplate": false, "simplify": false}'
FIELDS = {"jsonl": '{"text": "text"}', "parquet": '{"text": "text", "title": null, "category": "kind"}'}


def command(folder: Path, shard: Shard, *options: str) -> list[str]:
    (folder / "plan.json").write_text(plan_as_json([shard]), encoding="utf-8")
    program = [sys.executable, "workflow_scripts/ingest.py", "--plan", str(folder / "plan.json"), "--shard", shard.id()]
    fields = ["--fields", FIELDS.get(shard.format, "null")]
    return [*program, *fields, "--text", PLAIN, "--output", str(folder / "out/f.parquet"), *options]


def shard_of(path: Path, content: bytes, kind: str = "jsonl") -> Shard:
    path.write_bytes(content)
    return Shard("s", "n", kind, "utf-8", (Piece(str(path), path.name),))


def ingested(root: Path, folder: Path, shard: Shard, *options: str) -> Ledger:
    done = subprocess.run(command(folder, shard, *options), cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return Ledger.read(ledger_path(folder / "out/f.parquet"))


def refused(root: Path, folder: Path, shard: Shard, *options: str) -> str:
    """What the program says when it ends with an error; it leaves no output."""
    done = subprocess.run(command(folder, shard, *options), cwd=root, capture_output=True, text=True)
    assert done.returncode == 1
    assert not list((folder / "out").glob("*")) and "Traceback" not in done.stderr
    return done.stderr


def test_what_was_read_and_what_was_not_is_in_the_books(tmp_path, root):
    good = {"中": "中", "\\ud83d\\ude00\\u0000": "😀", "</s>\u2028末": "</s>\n末"}
    bad = {
        b'{"text": null}': "not_text",
        b'{"text": "\\u200b"}': "empty",
        b'{"other\\ud800": "\\u0000"}': "missing_text",
        b'{"text": "a\\ud800"}': "lone_surrogate",
        b"{x": "damaged",
        b"[]": "not_object",
        b'{"text": "\xff"}': "wrong_encoding",
        b'{"text": "\x00"}': "nul",
        b'{"text": "' + b"x" * 1_000_000 + b'"}': "too_large",
        b'{"text": "a': "cut_off",
    }
    lines = [f'{{"text": "{text}"}}'.encode() for text in good] + list(bad)
    shard = shard_of(tmp_path / "f.jsonl", b"\n".join(lines))
    ledger = ingested(root, tmp_path, shard, "--max-rejected", "1", "--max-record-megabytes", "1")
    assert ledger.failed == dict.fromkeys(sorted(bad.values()), 1)
    assert [row["text"] for row in read_rows(tmp_path / "out/f.parquet")] == list(good.values())
    for row in read_rows(tmp_path / "out/f.parquet"):
        assert read_record(tmp_path, row["locator"], "jsonl")["text"]
    rows = list(read_rows(dropped_path(tmp_path / "out/f.parquet")))
    assert [row["reason"] for row in rows] == list(bad.values())
    for row, raw in zip(rows, bad, strict=True):
        assert raw_bytes(tmp_path, orjson.loads(row["record"])["locator"]).rstrip(b"\n") == raw


@pytest.mark.parametrize("escape", [rb"\ud800", rb"\ud800\u0041", rb"\udfff"])
def test_a_lone_surrogate_in_an_array_costs_its_own_record(tmp_path, root, escape):
    array = b'[{"content": "a"}, {"title": "a%s", "content": "\xe4\xb8\xad"}, {"content": "d"}]' % escape
    ledger = ingested(root, tmp_path, shard_of(tmp_path / "p.json", array, "wudao"), "--max-rejected", "0.4")
    assert (ledger.kept, ledger.failed) == (2, {"lone_surrogate": 1})


def test_a_tables_mapped_columns_become_documents(tmp_path, root):
    path = tmp_path / "f.parquet"
    pq.write_table(pa.table({"kind": ["百科", None], "text": ["文", None], "other": [1, 2]}), path)
    ledger = ingested(root, tmp_path, Shard("s", "n", "parquet", "utf-8", (Piece(str(path), path.name),)), "--max-rejected", "0.5")
    [row] = read_rows(tmp_path / "out/f.parquet")
    assert (row["text"], row["category"], row["locator"], ledger.failed) == ("文", "百科", "f.parquet[0]", {"not_text": 1})


def test_too_many_rejected_records_stop_the_run_and_say_which(tmp_path, root):
    lines = [b'{"text": "\xe6\x96\x87"}\n'] * 88 + [b"{x\n"] * 11 + [b'{"text": 5}\n']
    shard = shard_of(tmp_path / "f.jsonl", b"".join(lines))
    said = refused(root, tmp_path, shard, "--max-rejected", "0.119")
    assert "s/n" in said and "12 of 100 records" in said and "(12.0%; corpus.max_rejected allows 11.9%)" in said
    assert said.count("f.jsonl@") == 10 and ": damaged" in said and "raise corpus.max_rejected" in said
    assert ingested(root, tmp_path, shard, "--max-rejected", "0.12").failed == {"damaged": 11, "not_text": 1}


def test_an_empty_file_is_told_of_but_is_no_rejected_record(tmp_path, root):
    ledger = ingested(root, tmp_path, shard_of(tmp_path / "f.jsonl", b""), "--max-rejected", "0")
    assert (ledger.came_in, ledger.failed) == (1, {"empty_file": 1})
    bad = shard_of(tmp_path / "b.jsonl", b'{"text": "a"}\n{x\n').pieces
    pack = Shard("s", "pack", "jsonl", "utf-8", (Piece(str(tmp_path / "f.jsonl"), "f.jsonl"), *bad))
    assert "1 of 2 records" in refused(root, tmp_path, pack, "--max-rejected", "0.4")


def test_a_shard_that_is_not_in_the_plan_and_a_file_that_has_gone_are_told_of(tmp_path, root):
    shard = shard_of(tmp_path / "f.jsonl", b"")
    asked = [*command(tmp_path, shard)]
    asked[asked.index("s/n")] = "s/other"
    done = subprocess.run(asked, cwd=root, capture_output=True, text=True)
    assert done.returncode == 1 and "has no such shard" in done.stderr and "Traceback" not in done.stderr
    (tmp_path / "f.jsonl").unlink()
    assert "was there when the shards were planned" in refused(root, tmp_path, shard)


# ---------------------------------------------------------------------------------------------------------------- memory

MEGABYTE = 1_000_000
HAN = "".join(map(chr, range(0x4E00, 0x5E00)))


def records(size: int) -> list[dict]:
    chance = random.Random(1)
    texts = ["".join(chance.choices(HAN, k=250)) for _ in range(size // 800)]
    return [
        {"id": number, "text": text, "content": text} if number % 2 else {"text": text, "content": text}
        for number, text in enumerate(texts)
    ]


def in_tar(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for number in range(3):
            info = tarfile.TarInfo(f"{number}.jsonl")
            info.size = len(content) // 3
            archive.addfile(info, io.BytesIO(content[number * info.size :]))
    return buffer.getvalue()


def write(path: Path, size: int) -> None:
    found = records(size // 2)
    lines = b"".join(orjson.dumps(record) + b"\n" for record in found)
    if path.name.endswith(".parquet"):
        pq.write_table(pa.Table.from_pylist(found).select(["text"]), path, row_group_size=len(found))
    elif path.name.endswith(".json"):
        path.write_bytes(orjson.dumps(found))
    elif ".tar" in path.name:
        path.write_bytes(gzip.compress(in_tar(lines), 1))
    else:
        path.write_bytes(
            gzip.compress(lines, 1) if path.suffix == ".gz" else zstd.compress(lines) if path.suffix == ".zst" else lines
        )


# The kernel's figure for a child begins with the memory of the process that started it; this one begins with the program.
MEASURED = """
import runpy, sys
del sys.argv[0]
sys.path.insert(0, "workflow_scripts")
runpy.run_path(sys.argv[0], run_name="__main__")
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def peak_megabytes(asked: list[str], root: Path) -> float:
    done = subprocess.run([asked[0], "-c", MEASURED, *asked[1:]], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-2]) / 1024


KINDS = {
    "f.jsonl": "skypile",
    "f.json": "wudao",
    "f.jsonl.gz": "wanjuan",
    "f.jsonl.zst": "jsonl",
    "f.jsonl.tar.gz": "wanjuan",
    "f.parquet": "parquet",
}


@pytest.mark.parametrize("name", KINDS)
def test_memory_does_not_grow_with_the_shard(tmp_path, root, name):
    peaks = []
    for size in (3 * MEGABYTE, 30 * MEGABYTE):
        write(tmp_path / name, size)
        shard = Shard("s", "n", KINDS[name], "utf-8", (Piece(str(tmp_path / name), name),))
        peaks.append(peak_megabytes(command(tmp_path, shard, "--max-rejected", "0.01"), root))
    print(f"{name}: {peaks[0]:.0f} and {peaks[1]:.0f} MB")
    assert peaks[1] <= 1.15 * peaks[0] and peaks[1] < 400


def test_a_line_and_an_element_of_60_megabytes_are_never_held(tmp_path, root):
    for kind, name, pattern in (
        ("skypile", "f.jsonl", b'{"text": "a"}\n{"text": "%s"}\n'),
        ("wudao", "f.json", b'[{"content": "a"}, {"content": "%s"}]'),
    ):
        peaks = []
        for size in (1, 60 * MEGABYTE):
            shard = shard_of(tmp_path / name, pattern % (b"x" * size), kind)
            peaks.append(peak_megabytes(command(tmp_path, shard, "--max-rejected", "1", "--max-record-megabytes", "1"), root))
        assert peaks[1] - peaks[0] < 20, f"{name}: {peaks}"
        assert json.loads(ledger_path(tmp_path / "out/f.parquet").read_bytes())["failed"] == {"too_large": 1}
