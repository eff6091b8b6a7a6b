"""Raw bytes to documents: every record is read in exactly one shard, and what is damaged is counted, never a crash, never silence."""

import gzip
import io
import json
import os
import subprocess
import sys
import tarfile
import unicodedata
from dataclasses import asdict
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kun.books.ledger import Ledger
from kun.books.stage import dropped_path, ledger_path
from kun.books.tables import read_rows
from kun.corpus.documents import FIELDS, Unusable, document_id, to_document
from kun.corpus.normalise import bare, readable
from kun.corpus.plan import ENDINGS, NoFiles, Shard, natural, plan_shards, shard_name
from kun.corpus.raw import Raw, read_raw
from kun.settings.corpus import Source

# ------------------------------------------------------------------------------------------------------------------ plan


def files(folder: Path, *names: str, size: int = 1) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x" * size)
    return folder


def plan(folder: Path, kind: str = "skypile", range_bytes: int = 100) -> list[Shard]:
    return plan_shards([Source(name="s", format=kind, path=str(folder))], range_bytes)


def test_part_2_comes_before_part_10(tmp_path):
    found = plan(files(tmp_path, "part-10.jsonl", "part-2.jsonl", "b/part-1.jsonl", "part-١.jsonl"))
    assert [shard.relative for shard in found] == ["b/part-1.jsonl", "part-2.jsonl", "part-10.jsonl", "part-١.jsonl"]
    assert natural("a" + "9" * 3000) > natural("a" + "8" * 3000)


def test_the_plan_does_not_depend_on_the_directorys_order(tmp_path, monkeypatch):
    files(tmp_path, "part-1.jsonl", "part-01.jsonl", "part-001.jsonl", "z/1.jsonl", "z/01.jsonl", "甲.jsonl", "乙.jsonl")
    listed, plans = sorted(tmp_path.rglob("*")), set()
    for order in (listed, listed[::-1], listed[3:] + listed[:3]):
        monkeypatch.setattr(Path, "rglob", lambda *_, order=order: iter(order))
        plans.add(tuple(plan(tmp_path)))
    assert len(plans) == 1


def test_sources_stay_in_the_order_of_the_configuration(tmp_path):
    files(tmp_path, "a/1.jsonl", "b/1.jsonl")
    sources = [Source(name=name, format="jsonl", path=str(tmp_path / name)) for name in ("b", "a")]
    assert [shard.id() for shard in plan_shards(sources, 100)] == ["b/1", "a/1"]


def test_shard_names_are_unique_and_harmless(tmp_path):
    paths = ["a/b.jsonl", "a_b.jsonl", "a b.jsonl", "a.b.jsonl", "c.jsonl", "c.jsonl.gz", "d.00000.jsonl", "d.jsonl", "甲/乙.jsonl"]
    names = [shard.name for shard in plan(files(tmp_path, *paths, size=150))]
    assert len(set(names)) == len(names) == 9 + 8  # all but the compressed one are cut in two
    assert not any(set(name) & set("/ \t\n'\"$*{}") for name in names)


def test_a_file_and_its_compressed_twin_are_two_shards(tmp_path):
    assert len({shard.id() for shard in plan(files(tmp_path, "c.jsonl", "c.jsonl.gz"))}) == 2


@pytest.mark.parametrize("stem", ["长" * 82, "长" * 40 + "/" + "名" * 60, "l" * 240])
def test_a_long_file_name_still_makes_file_names_that_a_disk_takes(stem):
    made = shard_name(stem + ".jsonl", ENDINGS["jsonl"]) + ".00000.dropped.parquet.partial"
    assert len(made.encode()) <= 255


def test_names_stay_when_files_are_added_or_removed(tmp_path):
    before = plan(files(tmp_path, "part-3.jsonl", "x/part-1.jsonl"))
    after = plan(files(tmp_path, "part-1.jsonl", "a/part-1.jsonl", "part-3.jsonl.gz", "y/x_part-1.jsonl"))
    assert set(before) <= set(after)


@pytest.mark.parametrize(("size", "count"), [(0, 1), (100, 1), (101, 2), (200, 2), (201, 3)])
def test_ranges_cover_a_plain_file_without_gap_or_overlap(tmp_path, size, count):
    found = plan(files(tmp_path, "big.jsonl", size=size))
    assert len(found) == count
    covered = [place for shard in found for place in range(shard.start, size if shard.end is None else shard.end)]
    assert covered == list(range(size))


@pytest.mark.parametrize(("kind", "name"), [("wudao", "a.json"), ("wanjuan", "a.jsonl.tar.gz"), ("skypile", "a.jsonl.gz")])
def test_arrays_and_compressed_files_are_taken_whole(tmp_path, kind, name):
    assert [shard.end for shard in plan(files(tmp_path, name, size=1000), kind)] == [None]


def test_other_files_are_left_alone_and_a_folder_without_any_is_an_error(tmp_path):
    files(tmp_path, "README.md", "a.json", "a.jsonl.part")
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(NoFiles, match=r"source 's': no file ending in \.jsonl or \.jsonl\.gz below"):
        plan(tmp_path)


def test_a_source_may_be_one_file(tmp_path):
    found = plan(files(tmp_path, "one.jsonl", "two.jsonl") / "one.jsonl")
    assert [(shard.name, shard.relative) for shard in found] == [("one", "one.jsonl")]


# ----------------------------------------------------------------------------------------------------------------- lines


def shard_of(path: Path, content: bytes, kind: str = "jsonl", start: int = 0, end: int | None = None) -> Shard:
    path.write_bytes(content)
    return Shard("s", "n", kind, str(path), path.name, start, end)


def read(tmp_path: Path, content: bytes, kind: str = "jsonl", name: str = "f.jsonl") -> list[Raw]:
    return list(read_raw(shard_of(tmp_path / name, content, kind)))


def values(records: list[Raw]) -> list:
    return [record.value for record in records]


def reasons(records: list[Raw]) -> list[str]:
    return [record.reason for record in records]


def line(text: str) -> bytes:
    return json.dumps({"text": text}, ensure_ascii=False).encode() + b"\n"


TRICKY = (
    b"\xef\xbb\xbf"
    + line("甲")
    + b"\n\r\n  \n"
    + line("行\u2028段\u0085　👩‍🚀繁體").replace(b"\n", b"\r\n")
    + b"{damaged\n"
    + line("Ａ１")[:-1]
)


def in_ranges(tmp_path: Path, content: bytes, size: int) -> list[Raw]:
    starts = range(0, max(len(content), 1), size)
    path = tmp_path / "f.jsonl"
    return [
        record for start in starts for record in read_raw(shard_of(path, content, "jsonl", start, min(start + size, len(content))))
    ]


def test_each_line_is_read_in_exactly_one_range_whatever_their_size(tmp_path):
    whole = read(tmp_path, TRICKY)
    assert [bool(value) for value in values(whole)] == [True, True, False, True]
    for size in range(1, len(TRICKY) + 2):
        assert in_ranges(tmp_path, TRICKY, size) == whole, f"ranges of {size} bytes"


BYTES = st.lists(
    st.sampled_from([b"\n", b"\r\n", b" ", b'{"text":"\xe7\x94\xb2"}', b"{}", b"x\xff", b"\r", b"\xe2\x80\xa8"]), max_size=12
)


@settings(max_examples=60, deadline=None, database=None)
@given(parts=BYTES, size=st.integers(1, 40))
def test_any_lines_are_read_once_in_any_ranges(tmp_path_factory, parts, size):
    content = b"".join(parts)
    folder = tmp_path_factory.getbasetemp()
    assert in_ranges(folder, content, size) == read(folder, content)


def test_a_locator_leads_back_to_the_bytes(tmp_path):
    for record in in_ranges(tmp_path, TRICKY, 13):
        name, _, place = record.locator.rpartition("@")
        offset, length = map(int, place.split("+"))
        found = (tmp_path / name).read_bytes()[offset : offset + length]
        if record.value is None:
            assert found == b"{damaged\n"
        else:
            assert orjson.loads(found.removeprefix(b"\xef\xbb\xbf")) == record.value


@pytest.mark.parametrize("content", [b"", b"\n", b"\r\n \n\n"])
def test_a_file_without_lines_has_no_records(tmp_path, content):
    assert read(tmp_path, content) == []


DAMAGED = {
    "cut off": b'{"text": "abc',
    "no object": b'["text"]',
    "bare number": b"5",
    "null": b"null",
    "not UTF-8": '{"text": "中文"}'.encode("gbk"),
    "UTF-16": '{"text": "a"}'.encode("utf-16-le"),
    "lone surrogate": rb'{"text": "\ud800"}',
    "surrogates the wrong way round": rb'{"text": "\ude00\ud83d"}',
    "surrogate as bytes": b'{"text": "\xed\xa0\x80"}',
    "raw control character": b'{"text": "a\x01b"}',
    "raw NUL": b'{"text": "a\x00b"}',
    "NUL bytes only": b"\x00" * 300,
    "infinite number": b'{"text": "a", "n": 1e999}',
    "NaN": b'{"text": "a", "n": NaN}',
    "two objects": b'{"text": "a"} {"text": "b"}',
    "bottomless": b"[" * 100_000,
}


@pytest.mark.parametrize("damage", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_line_is_one_record_with_a_reason_and_the_next_line_is_read(tmp_path, damage):
    before, bad, after = read(tmp_path, line("前") + damage + b"\n" + line("后"))
    assert (before.value, after.value) == ({"text": "前"}, {"text": "后"})
    assert (bad.value, bad.reason) == (None, "damaged")
    assert bad.detail and len(bad.start) <= 200
    assert orjson.dumps([bad.detail, bad.start])  # can be kept


@pytest.mark.parametrize("number", [b"123456789012345678901234567890", b"-1e-400", b"9" * 300])
def test_a_huge_number_does_not_cost_the_text(tmp_path, number):
    [record] = read(tmp_path, b'{"text": "a", "n": ' + number + b"}")
    assert record.value["text"] == "a"


def test_escapes_are_read_as_characters(tmp_path):
    assert values(read(tmp_path, rb'{"text": "\ud83d\ude00\u0000\u4e2d\n"}')) == [{"text": "😀\x00中\n"}]


# ------------------------------------------------------------------------------------------------------------ compressed


def packed(members: dict[str, bytes], **options) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", **options) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), mtime=0)


NOISE = b"".join(line(os.urandom(20).hex()) for _ in range(20))


def test_a_gz_is_read_with_offsets_of_the_unpacked_bytes(tmp_path):
    [one, two] = read(tmp_path, gzip.compress(line("甲")) + gzip.compress(line("乙")), name="f.jsonl.gz")  # two gzip streams
    assert (one.value, two.value) == ({"text": "甲"}, {"text": "乙"})
    assert two.locator == f"f.jsonl.gz@{len(line('甲'))}+{len(line('乙'))}"


def test_all_members_of_a_tar_gz_are_read_with_their_names(tmp_path):
    found = read(tmp_path, packed({"d/甲.jsonl": line("甲"), "乙.jsonl": line("乙")[:-1], "空": b""}), "wanjuan", "f.jsonl.tar.gz")
    assert values(found) == [{"text": "甲"}, {"text": "乙"}]
    assert found[0].locator == f"f.jsonl.tar.gz!d/甲.jsonl@0+{len(line('甲'))}"


def test_a_members_name_in_gbk_does_not_stop_the_job(tmp_path):
    archive = packed({"中文.jsonl": line("甲")}, encoding="gbk", format=tarfile.GNU_FORMAT)
    [record] = read(tmp_path, archive, "wanjuan", "f.jsonl.tar.gz")
    assert record.value and orjson.dumps(record.locator)


def test_links_in_an_archive_are_passed_over(tmp_path):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE):
            info = tarfile.TarInfo(f"odd{kind.decode()}")
            info.type, info.linkname = kind, "nowhere"
            archive.addfile(info)
        info = tarfile.TarInfo("f.jsonl")
        info.size = len(line("甲"))
        archive.addfile(info, io.BytesIO(line("甲")))
    assert values(read(tmp_path, buffer.getvalue(), "wanjuan", "f.jsonl.tar.gz")) == [{"text": "甲"}]


@pytest.mark.parametrize(
    ("name", "whole"), [("f.jsonl.gz", gzip.compress(NOISE)), ("f.jsonl.tar.gz", packed({"a": NOISE, "b": line("末")}))]
)
def test_a_compressed_file_cut_anywhere_says_that_its_rest_is_missing(tmp_path, name, whole):
    full = values(read(tmp_path, whole, "wanjuan", name))
    for length in [*range(1, 40), *range(40, len(whole) - 20, 97), *range(len(whole) - 20, len(whole))]:
        found = read(tmp_path, whole[:length], "wanjuan", name)
        assert reasons(found)[-1:] == ["unreadable_rest"], f"cut at {length}"
        assert values(found)[:-1] == full[: len(found) - 1], f"cut at {length}"


@pytest.mark.parametrize("name", ["f.jsonl.gz", "f.jsonl.tar.gz"])
def test_a_wrong_checksum_is_noticed(tmp_path, name):
    whole = gzip.compress(NOISE) if name == "f.jsonl.gz" else packed({"a": NOISE})
    assert reasons(read(tmp_path, whole[:-8] + b"\0" * 4 + whole[-4:], "wanjuan", name))[-1] == "unreadable_rest"


@pytest.mark.parametrize("content", [b"plain text", b"\x1f\x8b", gzip.compress(b"no archive" * 100)])
def test_what_is_no_archive_is_one_unreadable_record(tmp_path, content):
    assert reasons(read(tmp_path, content, "wanjuan", "f.jsonl.tar.gz")) == ["unreadable_rest"]


def test_a_disks_error_is_not_taken_for_damaged_data(tmp_path, monkeypatch):
    def broken(*_, **__):
        raise OSError(5, "Input/output error")

    shard = shard_of(tmp_path / "f.jsonl.gz", gzip.compress(NOISE))
    monkeypatch.setattr(gzip._GzipReader, "read", broken)
    with pytest.raises(OSError, match="Input/output error"):
        list(read_raw(shard))


# ---------------------------------------------------------------------------------------------------------------- arrays


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf", b"\xef\xbb\xbf \r\n"])
@pytest.mark.parametrize("wrap", [b"%s", b'{"RECORDS": %s}', b'{"n": 1, "RECORDS":%s, "end": [{"content": "no"}]}'])
def test_an_array_is_read_bare_or_under_records(tmp_path, mark, wrap):
    array = '[{"content": "甲\u2028"},\n {"content": "\\ud83d\\ude00\\u0000"}]'.encode()
    found = read(tmp_path, mark + wrap % array, "wudao", "p.json")
    assert values(found) == [{"content": "甲\u2028"}, {"content": "😀\x00"}]
    assert [record.locator for record in found] == ["p.json[0]", "p.json[1]"]


@pytest.mark.parametrize("content", [b"[]", b" [ ] \n", b'{"RECORDS": []}'])
def test_an_empty_array_has_no_records(tmp_path, content):
    assert read(tmp_path, content, "wudao", "p.json") == []


@pytest.mark.parametrize(
    "content", [b"{}", b"5", b'"x"', b'{"data": [{"content": "x"}]}', b'{"RECORDS": null}', b'{"RECORDS": {"a": []}}']
)
def test_a_file_that_holds_no_array_is_counted_not_passed_over(tmp_path, content):
    [record] = read(tmp_path, content, "wudao", "p.json")
    assert (record.reason, record.locator) == ("damaged", "p.json[0]")


@pytest.mark.parametrize(
    "rest",
    [
        b"",
        b', {"content": "b',
        b', {"content": "\xff"}]',
        b', {"content": "\xed\xa0\x80"}]',
        b', {"content": "a\x01"}]',
        b"] x",
        b', {"n": 123456789012345678901234567890}]',
        b', {"n": 1e999}]',
        b', {"n": NaN}]',
    ],
)
def test_a_damaged_array_keeps_what_came_before_and_counts_its_rest(tmp_path, rest):
    found = read(tmp_path, b'[{"content": "a"}' + rest, "wudao", "p.json")
    assert (found[0].value, reasons(found)) == ({"content": "a"}, ["", "unreadable_rest"])
    assert found[1].locator == "p.json[1]"


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b" \n", b'{"a": 1}\n{"a": 2}\n'])
def test_a_file_that_is_no_json_is_one_unreadable_record(tmp_path, content):
    assert reasons(read(tmp_path, content, "wudao", "p.json")) == ["unreadable_rest"]


def test_elements_that_are_no_objects_are_counted_one_by_one(tmp_path):
    deep = b"[" * 3000 + b"]" * 3000
    found = read(tmp_path, b'[1, "text", null, ' + deep + b', {"content": "a"}]', "wudao", "p.json")
    assert reasons(found) == ["damaged"] * 4 + [""]
    assert found[4].locator == "p.json[4]"


# ------------------------------------------------------------------------------------------------------------- normalise


def test_what_nobody_sees_is_taken_away_and_what_people_see_stays():
    assert (
        readable("\ufeffＡ１ｚ，：；！？\u200b中\x00\x1b文\u202e \u3000\r\n\n\n\n\u3000\u3000第二段\x85末\u2029")
        == "A1z，：；！？中文\n\n第二段\n末"
    )


@pytest.mark.parametrize("text", ["繁體「鬱」", "👩‍🚀👍🏽", "a\tb c", "𠮷野家", "㎡①Ⅳ", "<s></s><unk>", "一"])
def test_signs_that_mean_something_are_kept(text):
    assert readable(text) == text


@pytest.mark.parametrize("text", ["", " ", "\u3000", "\x00\x01", "\ud800", "\ufeff\u200b", "\n\u2028\u0085\r", "\ue000"])
def test_a_text_of_nothing_visible_is_empty(text):
    assert readable(text) == ""


AWKWARD = st.text(
    st.one_of(st.characters(), st.sampled_from("\r\n\u0085\u2028\u3000 \t\u200b\u200d\ud800Ａ\u0301e각\x00")), max_size=30
)


@settings(max_examples=150, deadline=None, database=None)
@given(AWKWARD)
def test_normalising_twice_changes_nothing_and_the_result_can_be_stored(text):
    once = readable(text)
    assert readable(once) == once == once.strip()
    assert once.encode() and orjson.dumps(once) if once else True
    assert "\n\n\n" not in once


def test_texts_that_differ_in_space_width_case_or_punctuation_are_equal_when_bare():
    forms = ["你好，World１２！", "你 好, ｗｏｒｌｄ 12!", "「你好」\u3000WORLD\n１2", "你好world\u200b12"]
    assert {bare(form) for form in forms} == {"你好world12"}
    assert bare("繁體") != bare("繁体")
    assert bare("！？…\u3000👍") == ""


@settings(max_examples=100, deadline=None, database=None)
@given(AWKWARD)
def test_the_readable_form_has_the_same_bare_form_for_equal_ideographs(text):
    kept = "".join(character for character in text if unicodedata.category(character) == "Lo")
    assert bare(readable(kept)) == bare(kept)


# ------------------------------------------------------------------------------------------------------------- documents


def test_a_wudao_record_becomes_a_document_with_its_title_in_front():
    value = {"id": 1, "title": "标题　", "content": "\u3000正文。\r\n", "dataType": "新闻"}
    assert to_document("wudao", FIELDS["wudao"], value, "p.json[0]") == {
        "id": document_id("wudao", "标题\n正文。"),
        "text": "标题\n正文。",
        "title": "标题",
        "category": "新闻",
        "locator": "p.json[0]",
    }


def test_a_title_that_the_text_begins_with_is_not_repeated():
    assert to_document("w", FIELDS["wudao"], {"title": "标题", "content": "标题\n正文"}, "")["text"] == "标题\n正文"


@pytest.mark.parametrize("title", [None, 5, "", "\u3000", ["x"]])
def test_a_title_or_category_that_is_no_text_is_none(title):
    row = to_document("w", FIELDS["wudao"], {"title": title, "content": "正文", "dataType": None}, "")
    assert (row["text"], row["title"], row["category"]) == ("正文", "", "")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({}, "missing_text"),
        ({"Content": "x", "q_main": "题"}, "missing_text"),
        ({"content": None}, "not_text"),
        ({"content": 5}, "not_text"),
        ({"content": ["x"]}, "not_text"),
        ({"content": ""}, "empty"),
        ({"content": "\u200b\x00\u3000\n", "title": "标题"}, "empty"),
    ],
)
def test_what_cannot_become_a_document_has_a_reason(value, reason):
    with pytest.raises(Unusable) as caught:
        to_document("wudao", FIELDS["wudao"], value, "")
    assert caught.value.reason == reason


def test_an_id_depends_on_source_and_text_only():
    first = to_document("a", FIELDS["skypile"], {"text": "文１"}, "x@0+9")
    assert to_document("a", FIELDS["skypile"], {"text": " 文1\r\n", "n": 1}, "y@5+9")["id"] == first["id"]
    assert to_document("b", FIELDS["skypile"], {"text": "文1"}, "x@0+9")["id"] != first["id"]
    assert len(first["id"]) == 32


# ---------------------------------------------------------------------------------------------------------------- ingest


def ingest(root: Path, shard: Shard, output: Path) -> Ledger:
    command = [sys.executable, "workflow_scripts/ingest.py", "--shard", json.dumps(asdict(shard)), "--output", str(output)]
    done = subprocess.run(
        [*command, "--fields", '{"text": "text"}' if shard.format == "jsonl" else "null"], cwd=root, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()
    return Ledger.read(ledger_path(output))


def test_every_kind_of_damage_goes_through_ingest_and_is_counted(tmp_path, root):
    usable = {"中": "中", "\\ud83d\\ude00\\u0000": "😀", "</s>\u2028": "</s>"}
    lines = [f'{{"text": "{text}"}}'.encode() for text in usable] + list(DAMAGED.values())
    lines += [b'{"text": null}', b'{"text": "\\u200b"}', b'{"other": "\\u0000"}']
    shard, output = shard_of(tmp_path / "f.jsonl", b"\n".join(lines)), tmp_path / "out/f.parquet"
    ledger = ingest(root, shard, output)
    assert ledger.failed == {"damaged": len(DAMAGED), "not_text": 1, "empty": 1, "missing_text": 1}
    assert [row["text"] for row in read_rows(output)] == list(usable.values())
    assert all("f.jsonl@" in orjson.loads(row["record"])["locator"] for row in read_rows(dropped_path(output)))


@pytest.mark.parametrize(
    ("escape", "kept", "failed"),
    [(rb"\ud800", 2, {}), (rb"\ud800\u0041", 2, {}), (rb"\udfff", 0, {"unreadable_rest": 1}), (rb"\ud83d\ude00", 2, {})],
)
def test_a_lone_surrogate_in_an_array_is_clean_text_or_counted(tmp_path, root, escape, kept, failed):
    """The parser puts a sign in a lone high surrogate's place and ends at a lone low one."""
    record = b'{"title": "a%s", "content": "\xe4\xb8\xad%s x", "dataType": "%s"}' % (escape, escape, escape)
    output = tmp_path / "p.parquet"
    ledger = ingest(root, shard_of(tmp_path / "p.json", b'[%s, {"content": "d"}]' % record, "wudao"), output)
    assert (ledger.kept, ledger.failed) == (kept, failed)
    assert all("".join(map(str, row.values())).encode() for row in read_rows(output))
