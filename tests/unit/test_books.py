"""Tables, ledgers, stages, digests, progress: nothing is lost, nothing half-written is left, equal content has an equal digest."""

import os
from itertools import pairwise, permutations
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kun.books import digests, progress, tables
from kun.books.ledger import CHAIN, Ledger, Unbalanced, check_chain, total
from kun.books.stage import Stage, dropped_path, ledger_path
from kun.books.tables import TableWriter, count_rows, metadata_of, read_rows

SCHEMA = pa.schema([("id", pa.string()), ("text", pa.string()), ("n", pa.int64())])
ODD = "中文，繁體「鬱」，ＡＢ１２ 👩‍🚀\x00\x1b\ufeff\u2028\u0085末"


def row(number: int = 0, text: str = ODD) -> dict:
    return {"id": str(number), "text": text, "n": number}


# --------------------------------------------------------------------------------------------------------------- digests


def test_the_bounds_between_parts_count():
    assert digests.digest("ab", "c") != digests.digest("a", "bc") != digests.digest("abc")


def test_a_lone_surrogate_has_a_digest_of_its_own():
    assert len({digests.digest(text) for text in ("\ud800", "\udfff", "?", "")}) == 4


def test_the_order_of_keys_does_not_count_but_that_of_a_list_does():
    assert digests.digest_of_value({"a": 1, "b": [1, 2]}) == digests.digest_of_value({"b": [1, 2], "a": 1})
    assert digests.digest_of_value([1, 2]) != digests.digest_of_value([2, 1])


def test_the_state_of_files_is_their_name_size_and_time(tmp_path):
    file = tmp_path / "原文 １.jsonl"
    file.write_text("甲", encoding="utf-8")
    before = digests.digest_of_states([file])
    os.utime(file, ns=(1, file.stat().st_mtime_ns))  # somebody read it
    assert digests.digest_of_states([str(file)]) == before
    os.utime(file, ns=(1, 1))
    touched = digests.digest_of_states([file])
    with file.open("a", encoding="utf-8") as stream:
        stream.write("乙")
    os.utime(file, ns=(1, 1))
    assert len({before, touched, digests.digest_of_states([file])}) == 3
    with pytest.raises(FileNotFoundError):
        digests.digest_of_states([tmp_path / "没有"])


def test_a_files_digest_is_of_its_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"")
    assert digests.digest_of_file(tmp_path / "a") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_a_seed_fits_63_bits_and_follows_the_key():
    seeds = {digests.seed_from(f"记录{number}") for number in range(200)}
    assert len(seeds) == 200
    assert all(0 <= seed < 2**63 for seed in seeds)


PROGRAM = "from kun.deep.part import f\n\n\ndef g(x):\n    return f(x) + 1\n"


@pytest.fixture
def code_digest(tmp_path, monkeypatch):
    """The digest of program.py whose files were changed as told, each time in a new folder (files are parsed once)."""

    def of(**changed: str) -> str:
        here = tmp_path / str(len(list(tmp_path.iterdir())))
        (here / "kun/deep").mkdir(parents=True)
        files = {"program.py": PROGRAM, "kun/__init__.py": "", "kun/deep/__init__.py": ""}
        files |= {"kun/deep/part.py": "def f(x):\n    return x\n", "kun/other.py": "A = 1\n"}
        for name, text in (files | {f"{key}.py".replace("__", "/"): text for key, text in changed.items()}).items():
            (here / name).write_text(text, encoding="utf-8")
        monkeypatch.setattr(digests, "HERE", here)
        return digests.code_digest("program.py")

    return of


def test_code_that_is_executed_changes_the_digest(code_digest):
    assert code_digest(program=PROGRAM.replace("+ 1", "+ 2")) != code_digest()


def test_code_that_is_imported_through_packages_changes_the_digest(code_digest):
    assert code_digest(kun__deep__part="def f(x):\n    return -x\n") != code_digest()


def test_code_that_is_not_imported_does_not_change_the_digest(code_digest):
    assert code_digest(kun__other="A = 2\n") == code_digest()


def test_an_import_inside_a_function_is_followed(code_digest):
    late = "def g():\n    import kun.other\n"
    assert code_digest(program=late, kun__other="A = 2\n") != code_digest(program=late)


@pytest.mark.parametrize(
    "around",
    [
        "try:\n    pass\nexcept OSError:\n    {}\n",
        "try:\n    pass\nfinally:\n    {}\n",
        "match 1:\n    case 1:\n        {}\n",
        "for a in ():\n    pass\nelse:\n    {}\n",
        "class C:\n    async def f(self):\n        with self:\n            {}\n",
    ],
)
def test_an_import_is_followed_wherever_a_statement_may_stand(code_digest, around):
    program = around.format("from kun import other")
    assert code_digest(program=program, kun__other="A = 2\n") != code_digest(program=program)


def test_comments_and_layout_do_not_change_the_digest(code_digest):
    assert code_digest(program="# 注释\n" + PROGRAM.replace("f(x) + 1", "(f( x )\n        +  1)  # why")) == code_digest()


@pytest.mark.parametrize("docstring", ['"""Doc."""', '"""另一个。"""'])
def test_a_docstring_that_comes_or_changes_does_not_change_the_digest(code_digest, docstring):
    documented = docstring + "\n" + PROGRAM.replace("    return", f"    {docstring}\n    return")
    assert code_digest(program=documented) == code_digest()


def test_a_string_that_is_used_changes_the_digest(code_digest):
    assert code_digest(program=PROGRAM + "S = '甲'\n") != code_digest(program=PROGRAM + "S = '乙'\n")


# ---------------------------------------------------------------------------------------------------------------- tables


def write(path: Path, rows: list[dict], metadata: dict[str, str] | None = None) -> str:
    writer = TableWriter(path, SCHEMA, metadata)
    for each in rows:
        writer.add(each)
    writer.close()
    return writer.digest


@pytest.mark.parametrize("count", [0, 1, 4, 5, 11])
def test_rows_come_back_as_they_were_over_batch_borders(tmp_path, monkeypatch, count):
    monkeypatch.setattr(tables, "BATCH", 5)
    rows = [row(number) for number in range(count)]
    write(tmp_path / "new/t.parquet", rows)
    assert list(read_rows(tmp_path / "new/t.parquet")) == rows
    assert count_rows(tmp_path / "new/t.parquet") == count
    assert pq.ParquetFile(tmp_path / "new/t.parquet").num_row_groups == -(-count // 5)  # no more than a batch was in memory


def test_a_batch_of_long_texts_ends_early(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "LARGEST", 100)
    writer = TableWriter(tmp_path / "t", pa.schema([("text", pa.string())]))
    texts = ["长" * size for size in (99, 1, 5, 300, 7, 0)]
    for text in texts:
        writer.add({"text": text})
    writer.close()
    assert [len(batch["text"]) for batch in tables.read_columns(tmp_path / "t", ["text"])] == [2, 2, 2]
    assert [row["text"] for row in read_rows(tmp_path / "t")] == texts


def test_the_digest_does_not_depend_on_the_batch_size(tmp_path, monkeypatch):
    found = set()
    for size in (1, 3, 1024):
        monkeypatch.setattr(tables, "BATCH", size)
        found.add(write(tmp_path / f"{size}.parquet", [row(number) for number in range(7)]))
    assert len(found) == 1


def test_the_digest_depends_on_content_and_order_but_not_on_key_order_or_extra_keys(tmp_path):
    first = write(tmp_path / "a", [row(1), row(2)])
    assert write(tmp_path / "b", [row(2), row(1)]) != first
    assert write(tmp_path / "c", [dict(reversed(row(1).items())), row(2) | {"extra": 1}]) == first


COLUMNS = pa.schema([("id", pa.string()), ("tokens", pa.int32()), ("share", pa.float32()), ("mark", pa.binary(2))])


def test_rows_and_columns_with_equal_content_have_equal_tables_and_digests(tmp_path):
    rows = [
        {"id": "词" * n, "tokens": None if n % 3 else n, "share": n / 3 if n % 2 else None, "mark": bytes([n, 7])} for n in range(9)
    ]
    digests_found = set()
    for name, cuts in {"a": [9], "b": [4, 9], "c": [1, 2, 9]}.items():
        writer = TableWriter(tmp_path / name, COLUMNS)
        for start, end in pairwise([0, *cuts]):
            writer.add_columns({column: [each[column] for each in rows[start:end]] for column in COLUMNS.names})
        writer.close()
        digests_found.add(writer.digest)
    writer = TableWriter(tmp_path / "d", COLUMNS)
    for each in rows[:5]:
        writer.add(each)
    writer.add_columns({column: [each[column] for each in rows[5:]] for column in COLUMNS.names})
    writer.close()
    assert digests_found == {writer.digest}
    assert len({repr(list(read_rows(tmp_path / name))) for name in "abcd"}) == 1
    assert writer.count == 9


LISTS = pa.schema([("texts", pa.list_(pa.string())), ("scores", pa.list_(pa.float64()))])


def digest_of_lists(folder: Path, rows: list[dict], cuts: list[int], by_column: bool) -> str:
    writer = TableWriter(folder / "lists", LISTS)
    for start, end in pairwise([0, *cuts]):
        if by_column:
            writer.add_columns({name: [each[name] for each in rows[start:end]] for name in LISTS.names})
        else:
            for each in rows[start:end]:
                writer.add(each)
    digest = writer.digest
    writer.close()
    assert list(read_rows(folder / "lists")) == rows
    return digest


LIST_ROWS = [
    {"texts": ["甲", "乙丙", ODD], "scores": [0.5, None, 1.0]},
    {"texts": [], "scores": []},
    {"texts": None, "scores": None},
    {"texts": ["", None, "丁"], "scores": [None]},
    {"texts": ["戊"], "scores": [0.25]},
]


def test_columns_of_lists_have_one_digest_however_they_are_cut_into_batches(tmp_path):
    ways = [([5], False), ([5], True), ([1, 2, 3, 4, 5], True), ([0, 2, 2, 5], True), ([3, 5], True)]
    assert len({digest_of_lists(tmp_path, LIST_ROWS, cuts, by_column) for cuts, by_column in ways}) == 1
    assert digest_of_lists(tmp_path, [], [], False) == digest_of_lists(tmp_path, [], [0, 0], True)


@pytest.mark.parametrize(
    "rows",
    [
        [*LIST_ROWS[:4], {"texts": ["己"], "scores": [0.25]}],
        [*LIST_ROWS[:4], {"texts": ["戊"], "scores": [None]}],
        [*LIST_ROWS[:1], {"texts": None, "scores": []}, *LIST_ROWS[2:]],  # a null list is not an empty one
        [{"texts": ["甲", "乙丙"], "scores": [0.5, None, 1.0]}, {"texts": [ODD], "scores": []}, *LIST_ROWS[2:]],  # moved
        [{"texts": ["甲乙", "丙", ODD], "scores": [0.5, None, 1.0]}, *LIST_ROWS[1:]],
        LIST_ROWS[::-1],
    ],
)
def test_whatever_changes_in_a_list_changes_the_digest(tmp_path, rows):
    assert digest_of_lists(tmp_path, rows, [5], True) != digest_of_lists(tmp_path, LIST_ROWS, [5], True)


def test_a_batch_of_long_lists_ends_early(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "LARGEST", 100)
    writer = TableWriter(tmp_path / "t", pa.schema([("texts", pa.list_(pa.string()))]))
    for size in (60, 60, 1, 0):
        writer.add({"texts": ["长" * size, None] if size else None})
    writer.close()
    assert [len(batch["texts"]) for batch in tables.read_columns(tmp_path / "t", ["texts"])] == [2, 2]


@pytest.mark.parametrize(
    "change",
    [{"id": "词词" + "x"}, {"tokens": 0}, {"tokens": None}, {"share": None}, {"share": 0.25}, {"mark": b"zz"}],
)
def test_any_changed_cell_changes_the_digest(tmp_path, change):
    base = {"id": "词", "tokens": 1, "share": 0.5, "mark": b"ab"}
    found = []
    for name, last in {"a": base, "b": base | change}.items():
        writer = TableWriter(tmp_path / name, COLUMNS)
        writer.add(base)
        writer.add(last)
        found.append(writer.digest)
    assert found[0] != found[1]


def test_text_that_moves_from_one_row_to_the_next_changes_the_digest(tmp_path):
    found = set()
    for texts in (["甲乙", "丙"], ["甲", "乙丙"], ["", "甲乙丙"]):
        writer = TableWriter(tmp_path / "t", pa.schema([("text", pa.string())]))
        writer.add_columns({"text": texts})
        found.add(writer.digest)
    assert len(found) == 3


def test_columns_of_unequal_length_are_an_error(tmp_path):
    with pytest.raises(ValueError, match="same length"):
        TableWriter(tmp_path / "t", COLUMNS).add_columns({"id": ["甲", "乙"], "tokens": [1], "share": [1, 1], "mark": [b"ab"] * 2})


def test_a_missing_column_is_an_error(tmp_path):
    with pytest.raises(KeyError):
        TableWriter(tmp_path / "t", SCHEMA).add({"id": "1"})


def test_a_table_has_its_name_only_when_it_is_complete(tmp_path):
    writer = TableWriter(tmp_path / "t.parquet", SCHEMA)
    writer.add(row())
    assert not (tmp_path / "t.parquet").exists()
    writer.close()
    assert [path.name for path in tmp_path.iterdir()] == ["t.parquet"]


def test_the_tables_own_notes_come_back_without_arrows(tmp_path):
    write(tmp_path / "t", [row()], {"perplexity": "形式:1"})
    assert metadata_of(tmp_path / "t") == {"perplexity": "形式:1"}
    write(tmp_path / "u", [])
    assert metadata_of(tmp_path / "u") == {}


# ---------------------------------------------------------------------------------------------------------------- ledger


@pytest.mark.parametrize(("kept", "dropped", "failed"), [(3, {}, {}), (1, {"too_long": 2}, {}), (0, {"a": 1}, {"b": 1, "c": 1})])
def test_balanced_books_pass(kept, dropped, failed):
    Ledger(stage="s", came_in=3, kept=kept, dropped=dropped, failed=failed).check("here")


@pytest.mark.parametrize("came_in", [2, 4])
def test_unbalanced_books_are_an_error_that_says_where(came_in):
    with pytest.raises(Unbalanced, match="some/shard"):
        Ledger(stage="s", came_in=came_in, kept=2, dropped={"x": 1}).check("some/shard")


def test_a_ledger_comes_back_as_it_was_and_equal_counts_are_equal_bytes(tmp_path):
    ledger = Ledger(stage="s", came_in=3, kept=1, dropped={"b": 1, "a": 1}, digest="d", notes={"词": 1})
    (tmp_path / "l").write_bytes(ledger.to_json())
    assert Ledger.read(tmp_path / "l") == ledger
    assert orjson.loads(ledger.to_json())["in"] == 3
    assert ledger.model_copy(update={"dropped": {"a": 1, "b": 1}}).to_json() == ledger.to_json()


@pytest.mark.parametrize("wrong", [b'{"stage":"s","in":2,"kept":1}', b'{"stage":"s","lost":1}', b'{"stage":"s"', b""])
def test_a_ledger_that_was_spoiled_on_the_disk_is_not_believed(tmp_path, wrong):
    (tmp_path / "l").write_bytes(wrong)
    with pytest.raises((Unbalanced, ValueError)):
        Ledger.read(tmp_path / "l")


def test_the_total_adds_reason_by_reason():
    one = Ledger(stage="s", came_in=3, kept=1, dropped={"a": 1}, failed={"f": 1})
    two = Ledger(stage="s", came_in=4, kept=1, dropped={"a": 2, "b": 1})
    assert total([one, two]) == Ledger(stage="s", came_in=7, kept=2, dropped={"a": 3, "b": 1}, failed={"f": 1})
    assert total([]).came_in == 0


def test_a_chain_must_pass_on_what_it_kept():
    ledgers = {stage: Ledger(stage=stage, came_in=2, kept=2) for stage in CHAIN}
    check_chain("wudao/a", ledgers)
    for before, after in pairwise(CHAIN):
        broken = ledgers | {after: Ledger(stage=after, came_in=3, kept=2, dropped={"x": 1})}
        with pytest.raises(Unbalanced, match=f"wudao/a: {before} kept 2 records, but {after} took in 3"):
            check_chain("wudao/a", broken)


# ----------------------------------------------------------------------------------------------------------------- stage


def test_kept_dropped_and_ledger_appear_together(tmp_path):
    kept = tmp_path / "part.1.parquet"
    with Stage("judge", kept, SCHEMA, {"who": "me"}) as stage:
        for _ in range(3):
            stage.take()
        stage.keep(row(0))
        stage.drop(row(1), "too_long", "513 tokens")
        stage.fail({"start": ODD}, "damaged")
        stage.notes = {"seen": 1}
        assert not kept.exists() and not ledger_path(kept).exists() and not dropped_path(kept).exists()
    names = ["part.1.dropped.parquet", "part.1.ledger.json", "part.1.parquet"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    ledger = Ledger.read(ledger_path(kept))
    assert (ledger.came_in, ledger.kept, ledger.dropped, ledger.failed) == (3, 1, {"too_long": 1}, {"damaged": 1})
    assert ledger.notes == {"seen": 1} and ledger.digest == stage.keeps.digest
    aside = list(read_rows(dropped_path(kept)))
    assert [(each["id"], each["outcome"], each["reason"], each["detail"]) for each in aside] == [
        ("1", "dropped", "too_long", "513 tokens"),
        ("", "failed", "damaged", ""),
    ]
    assert [orjson.loads(each["record"]) for each in aside] == [row(1), {"start": ODD}]


@pytest.mark.parametrize("takes", [0, 2])
def test_books_that_do_not_balance_leave_no_file(tmp_path, takes):
    with pytest.raises(Unbalanced), Stage("judge", tmp_path / "p.parquet", SCHEMA) as stage:
        for _ in range(takes):
            stage.take()
        stage.keep(row())
    assert list(tmp_path.iterdir()) == []


def test_an_error_on_the_way_leaves_no_file_and_is_passed_on(tmp_path):
    with pytest.raises(ZeroDivisionError), Stage("judge", tmp_path / "p.parquet", SCHEMA) as stage:
        stage.take()
        stage.keep(row())
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_a_value_of_the_wrong_type_leaves_no_file(tmp_path):
    with pytest.raises(pa.ArrowException), Stage("judge", tmp_path / "p.parquet", SCHEMA) as stage:
        stage.take()
        stage.keep(row() | {"n": "many"})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("culprit", ["drops", "ledger"])
def test_a_disk_that_fills_up_at_the_end_leaves_no_file(tmp_path, monkeypatch, culprit):
    def full(*_):
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"), Stage("judge", tmp_path / "p.parquet", SCHEMA) as stage:
        stage.take()
        stage.keep(row())
        if culprit == "drops":
            monkeypatch.setattr(stage.drops, "close", full)
        else:
            monkeypatch.setattr(Path, "write_bytes", full)
    assert list(tmp_path.iterdir()) == []


def test_equal_work_gives_an_equal_ledger_whatever_the_order_of_the_reasons(tmp_path):
    found = set()
    for number, reasons in enumerate(permutations(["a", "b", "c"])):
        with Stage("judge", tmp_path / f"{number}.parquet", SCHEMA) as stage:
            for reason in reasons:
                stage.take()
                stage.drop(row(), reason)
        found.add(ledger_path(stage.kept).read_bytes())
    assert len(found) == 1


# -------------------------------------------------------------------------------------------------------------- progress


def test_followed_items_are_the_items_and_a_quick_job_says_nothing(capsys):
    assert list(progress.followed(iter("甲乙丙"), "job")) == ["甲", "乙", "丙"]
    assert list(progress.followed([], "job", total=0)) == []
    assert capsys.readouterr() == ("", "")


def test_a_log_gets_whole_lines_with_rate_and_time_left(capsys, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0)
    list(progress.followed(range(3), "测量 wudao/a", total=3))
    shown = capsys.readouterr().err
    assert "\r" not in shown and shown.endswith("\n")
    assert "测量 wudao/a: 3 of 3 records" in shown and "left" in shown
