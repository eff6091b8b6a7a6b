"""Raw bytes to records: each is read once, what is damaged is counted with its reason and place, and a locator leads back to it."""

import gzip
import io
import json
import os
import tarfile
from pathlib import Path

import ijson
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from kun.corpus import containers
from kun.corpus.arrays import read_array
from kun.corpus.locators import NotThere, raw_bytes, read_record
from kun.corpus.parse import Damage, Raw, parse
from kun.corpus.plan import Piece, Shard
from kun.corpus.raw import FileChanged, read_raw
from kun.corpus.structure import Structure

LIMIT = 8_000_000
COLUMNS = ["text", "title"]


def shard_of(path: Path, kind: str = "jsonl", encoding: str = "utf-8", start: int = 0, end: int | None = None) -> Shard:
    return Shard("s", "n", kind, encoding, (Piece(str(path), path.name, start, end),))


def read(
    tmp_path: Path, content: bytes, kind: str = "jsonl", name: str = "f.jsonl", encoding: str = "utf-8", limit: int = LIMIT
) -> list[Raw]:
    (tmp_path / name).write_bytes(content)
    return list(read_raw(shard_of(tmp_path / name, kind, encoding), limit, COLUMNS))


def values(records: list[Raw]) -> list:
    return [record.value for record in records]


def reasons(records: list[Raw]) -> list[str]:
    return [record.reason for record in records]


def line(text: str, encoding: str = "utf-8") -> bytes:
    return json.dumps({"text": text}, ensure_ascii=False).encode(encoding) + b"\n"


# ----------------------------------------------------------------------------------------------------------------- lines

TRICKY = (
    b"\xef\xbb\xbf"
    + line("甲")
    + b"\n\r\n  \n"
    + line("行\u2028段\u0085　👩‍🚀繁體").replace(b"\n", b"\r\n")
    + b"{damaged}\n"
    + b"\xef\xbb\xbf\n"
    + line("Ａ１")[:-1]
)


def in_ranges(tmp_path: Path, content: bytes, size: int, limit: int = LIMIT) -> list[Raw]:
    path = tmp_path / "f.jsonl"
    path.write_bytes(content)
    ranges = ((start, min(start + size, len(content))) for start in range(0, max(len(content), 1), size))
    return [record for start, end in ranges for record in read_raw(shard_of(path, "jsonl", "utf-8", start, end), limit, COLUMNS)]


@pytest.mark.parametrize("limit", [LIMIT, 18])
def test_each_line_is_read_in_exactly_one_range_whatever_their_size(tmp_path, limit):
    whole = read(tmp_path, TRICKY, limit=limit)
    assert [bool(value) for value in values(whole)] == [limit == LIMIT, limit == LIMIT, False, True]
    for size in range(1, len(TRICKY) + 2):
        assert in_ranges(tmp_path, TRICKY, size, limit) == whole, f"ranges of {size} bytes"


BYTES = st.lists(
    st.sampled_from([b"\n", b"\r\n", b" ", b'{"text":"\xe7\x94\xb2"}', b"{}", b"x\xff", b"\r", b"\xe2\x80\xa8", b"\0"]), max_size=12
)


@settings(max_examples=60, deadline=None, database=None)
@given(parts=BYTES, size=st.integers(1, 40), limit=st.integers(1, 30))
def test_any_lines_are_read_once_in_any_ranges(tmp_path_factory, parts, size, limit):
    content = b"\n\n" + b"".join(parts)  # line feeds first, for UTF-16 is told by the file's first two bytes
    folder = tmp_path_factory.getbasetemp()
    whole = [record for record in read(folder, content, limit=limit) if record.reason != "empty_file"]
    assert in_ranges(folder, content, size, limit) == whole


DAMAGED = {
    "an end that is missing": (b'{"text": "abc', "damaged"),
    "two objects": (b'{"text": "a"} {"text": "b"}', "damaged"),
    "bottomless": (b"[" * 100_000, "damaged"),
    "a quote too many": ('{"text": "他说"好"。"}'.encode(), "damaged"),
    "no object": (b'["text"]', "not_object"),
    "a bare number": (b"5", "not_object"),
    "null": (b"null", "not_object"),
    "GBK": ('{"text": "中文"}'.encode("gbk"), "wrong_encoding"),
    "a character cut in half": (b'{"text": "\xe4\xb8"}', "wrong_encoding"),
    "raw NUL": (b'{"text": "a\x00b"}', "nul"),
    "NUL bytes only": (b"\x00" * 300, "nul"),
    "UTF-16 among other lines": ('{"text": "a"}'.encode("utf-16-le"), "nul"),
}


@pytest.mark.parametrize(("damage", "reason"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_line_is_one_record_with_a_reason_and_the_next_line_is_read(tmp_path, damage, reason):
    before, bad, after = read(tmp_path, line("前") + damage + b"\n" + line("后"))
    assert (before.value, after.value) == ({"text": "前"}, {"text": "后"})
    assert (bad.value, bad.reason) == (None, reason)
    assert bad.detail and len(bad.start) <= 200
    assert orjson.dumps([bad.detail, bad.start])  # can be kept
    assert raw_bytes(tmp_path, bad.locator) == damage + b"\n"


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (b'{"text": "a\x01\tb\x1b\xe4\xb8\xad"}', "a\x01\tb\x1b中"),  # as in WanJuan's exam questions
        (b'{"text": "a", "n": NaN, "m": -Infinity, "o": 1e999}', "a"),  # as Python and pandas write them
        (b'{"text": "a", "n": ' + b"9" * 300 + b"}", "a"),
        (b'{"text": "a", "n": -1e-400}', "a"),
        (rb'{"text": "a", "url": "\ud800"}', "a"),
        (rb'{"text": "\ud800\u0041"}', "\ud800A"),  # documents.py tells of it
        (b'{"text": "\xed\xa0\x80"}', "\ud800"),
        (rb'{"text": "\ud83d\ude00\u0000\u4e2d\n"}', "😀\x00中\n"),
    ],
)
def test_what_only_a_strict_parser_refuses_does_not_cost_the_text(tmp_path, record, text):
    [found] = read(tmp_path, record)
    assert found.value["text"] == text
    [found] = read(tmp_path, b"[" + record + b"]", "wudao", "f.json")
    assert found.value["text"] == text


def test_a_number_of_5000_digits_is_damage_and_no_crash(tmp_path):
    assert reasons(read(tmp_path, b'{"text": "a\x01", "n": ' + b"9" * 5000 + b"}")) == ["damaged"]


@pytest.mark.parametrize("end", [b'{"te', b'{"text": "\xe5\x90', b'{"text": "a", ', b"{"])
def test_a_last_line_that_the_files_end_cuts_off_is_told_from_damage(tmp_path, end):
    found = read(tmp_path, line("前") + end)
    assert reasons(found) == ["", "cut_off"] and raw_bytes(tmp_path, found[1].locator) == end
    assert reasons(read(tmp_path, line("前") + end + b"\n"))[1] in ("damaged", "wrong_encoding")


@pytest.mark.parametrize("content", [b"", b"\n", b"\r\n \n\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\r\n"])
@pytest.mark.parametrize("name", ["f.jsonl", "f.jsonl.gz", "f.jsonl.zst"])
def test_a_file_without_lines_is_told_of(tmp_path, content, name):
    [found] = read(tmp_path, squeezed(content, name), name=name)
    assert (found.reason, found.locator) == ("empty_file", f"{name}@0+0")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-16-le", "utf-32"])
@pytest.mark.parametrize(("kind", "name"), [("jsonl", "f.jsonl"), ("jsonl", "f.jsonl.gz"), ("wudao", "f.json")])
def test_a_file_in_utf_16_is_counted_not_a_crash(tmp_path, encoding, kind, name):
    content = '[{"content": "上下"}]'.encode(encoding) if kind == "wudao" else (line("上下").decode() * 3).encode(encoding)
    [found] = read(tmp_path, squeezed(content, name), kind, name)
    assert found.reason == "wrong_encoding" and "UTF-16" in found.detail and raw_bytes(tmp_path, found.locator) == content


def test_a_line_over_the_limit_is_passed_over_without_being_held(tmp_path, monkeypatch):
    monkeypatch.setattr("kun.corpus.lines.PIECE", 7)
    for tail in (b"\n", b""):
        found = read(tmp_path, line("前") + line("长" * 500)[:-1] + tail + (line("后") if tail else b""), limit=100)
        assert reasons(found) == ["", "too_large", ""][: 2 + bool(tail)]
        assert raw_bytes(tmp_path, found[1].locator) == line("长" * 500)[:-1] + tail
    exactly = line("x" * 50)
    assert reasons(read(tmp_path, exactly * 2, limit=len(exactly))) == ["", ""]
    assert reasons(read(tmp_path, exactly * 2, limit=len(exactly) - 1)) == ["too_large"] * 2


# Characters whose second byte in GB18030 is that of [ \ ] { | }, a character of four bytes, one outside the basic plane
DOUBLE = "乗俓乚俒俔聽穃亄劆猏乷€㐀𠮷😀" + bytes.fromhex("b07db17bb25bb35db45cb57c").decode("gb18030")


def test_the_gb18030_characters_are_awkward_ones():
    assert {second for character in DOUBLE for second in character.encode("gb18030")[1:2]} >= set(b"\\{}[]")


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_gb18030_is_read_with_offsets_of_its_own_bytes(tmp_path, mark):
    texts = [DOUBLE, "他說：「繁體」", "ａ\\n", *DOUBLE]
    content = (mark + "".join(line(text).decode() for text in texts)).encode("gb18030")
    found = read(tmp_path, content, encoding="gb18030")
    assert values(found) == [{"text": text} for text in texts]
    assert [read_record(tmp_path, record.locator, "jsonl", "gb18030") for record in found] == values(found)
    array = (mark + json.dumps([{"content": text, text: 1} for text in texts], ensure_ascii=False)).encode("gb18030")
    for chunk in (1, 2, 3, 64, 10_000):
        found = list(read_array(io.BufferedReader(io.BytesIO(array)), "f", LIMIT, "gb18030", chunk))
        assert values(found) == [{"content": text, text: 1} for text in texts]


@pytest.mark.parametrize(
    "content", [line("中文" * 8), line("这是一段用错编码的中文"), b"\xef\xbb\xbf" + line("短"), b'{"text": "\xff\xff"}\n']
)
def test_what_is_not_gb18030_is_told_of(tmp_path, content):
    assert orjson.loads(line("中文" * 8).decode("gb18030"))  # it would pass, as other characters
    assert reasons(read(tmp_path, content, encoding="gb18030")) == ["wrong_encoding"]


def test_short_gb18030_that_could_be_utf_8_is_still_read(tmp_path):
    assert values(read(tmp_path, line("联通", "gb18030"), encoding="gb18030")) == [{"text": "联通"}]


# ------------------------------------------------------------------------------------------------------------ compressed


def packed(members: dict[str, bytes], **options) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", **options) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def squeezed(content: bytes, name: str) -> bytes:
    """`content` as a file of this name would hold it."""
    if ".tar" in name:
        content = packed({"甲!@0+9.jsonl": content})
    return gzip.compress(content, mtime=0) if name.endswith("gz") else zstd.compress(content) if name.endswith("zst") else content


NOISE = b"".join(line(os.urandom(20).hex()) for _ in range(20))
COMPRESSED = ["f.jsonl.gz", "f.jsonl.zst", "f.jsonl.tar.gz", "f.jsonl.tar.zst"]
SQUEEZE = {"gz": lambda data: gzip.compress(data, mtime=0), "zst": zstd.compress}


@pytest.mark.parametrize(("name", "squeeze"), [("f.jsonl.gz", gzip.compress), ("f.jsonl.zst", zstd.compress)])
def test_offsets_are_of_the_unpacked_bytes_and_streams_may_follow_one_another(tmp_path, name, squeeze):
    [one, two] = read(tmp_path, squeeze(line("甲")) + squeeze(line("乙")), name=name)
    assert (one.value, two.value) == ({"text": "甲"}, {"text": "乙"})
    assert two.locator == f"{name}@{len(line('甲'))}+{len(line('乙'))}"


@pytest.mark.parametrize("squeeze", SQUEEZE)
def test_all_members_of_an_archive_are_read_with_their_names(tmp_path, squeeze):
    members = {"d/甲.jsonl": b"\xef\xbb\xbf" + line("甲"), "乙.jsonl": line("乙")[:-1], "空": b"", "丙": line("丙") * 2}
    name = f"f.jsonl.tar.{squeeze}"
    found = read(tmp_path, SQUEEZE[squeeze](packed(members)), "wanjuan", name)
    assert values(found) == [{"text": text} for text in "甲乙丙丙"]
    assert found[0].locator == f"{name}!d/甲.jsonl@0+{len(members['d/甲.jsonl'])}"


def test_a_name_that_an_archive_holds_twice_is_two_members(tmp_path):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for text in "甲乙":
            info = tarfile.TarInfo("a.jsonl")
            info.size = len(line(text))
            archive.addfile(info, io.BytesIO(line(text)))
    found = read(tmp_path, gzip.compress(buffer.getvalue()), "wanjuan", "f.jsonl.tar.gz")
    assert [read_record(tmp_path, record.locator, "wanjuan") for record in found] == [{"text": "甲"}, {"text": "乙"}]


def test_a_members_name_in_gbk_does_not_stop_the_job(tmp_path):
    archive = gzip.compress(packed({"中文.jsonl": line("甲")}, encoding="gbk", format=tarfile.GNU_FORMAT))
    [record] = read(tmp_path, archive, "wanjuan", "f.jsonl.tar.gz")
    assert record.value and orjson.dumps(record.locator)
    assert read_record(tmp_path, record.locator, "wanjuan") == record.value


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


@pytest.mark.parametrize("name", COMPRESSED)
def test_a_compressed_file_cut_anywhere_says_that_its_rest_is_missing(tmp_path, name):
    whole = squeezed(NOISE, name)
    full = values(read(tmp_path, whole, "wanjuan", name))
    assert len(full) == 20
    for length in [*range(1, 40), *range(40, len(whole) - 20, 97), *range(len(whole) - 20, len(whole))]:
        found = read(tmp_path, whole[:length], "wanjuan", name)
        assert reasons(found)[-1:] == ["unreadable_rest"], f"cut at {length}"
        assert values(found)[:-1] == full[: len(found) - 1], f"cut at {length}"
        assert raw_bytes_or_none(tmp_path, found[-1].locator) in (b"", None)


def raw_bytes_or_none(folder: Path, locator: str) -> bytes | None:
    try:
        return raw_bytes(folder, locator)
    except (*containers.CORRUPT, NotThere):
        return None


@pytest.mark.parametrize("name", ["a.json.gz", "a.json.zst"])
def test_a_compressed_array_keeps_what_came_before_the_cut(tmp_path, name):
    elements = [{"content": os.urandom(3000).hex()} for _ in range(60)]
    whole = squeezed(json.dumps(elements).encode(), name)
    found = read(tmp_path, whole[: len(whole) * 3 // 4], "wudao", name)
    assert reasons(found)[-1] == "unreadable_rest" and values(found)[:-1] == elements[: len(found) - 1]
    assert len(found) > (35 if name.endswith("gz") else 10)  # zstd's blocks are of 128 kB


@pytest.mark.parametrize("name", COMPRESSED)
def test_a_wrong_checksum_is_noticed(tmp_path, name):
    options = {zstd.CompressionParameter.checksum_flag: 1}
    inside = packed({"a": NOISE}) if ".tar" in name else NOISE
    whole = gzip.compress(inside) if name.endswith("gz") else zstd.compress(inside, options=options)
    place = -8 if name.endswith("gz") else -4
    broken = bytearray(whole)
    broken[place] ^= 1
    assert reasons(read(tmp_path, whole, "wanjuan", name))[-1] == ""
    assert reasons(read(tmp_path, bytes(broken), "wanjuan", name))[-1] == "unreadable_rest"


@pytest.mark.parametrize("name", ["f.jsonl.tar.gz", "f.jsonl.tar.zst"])
@pytest.mark.parametrize(
    "content", [b"plain text", b"\x1f\x8b", gzip.compress(b"no archive" * 100), zstd.compress(b"no archive" * 100)]
)
def test_what_is_no_archive_is_one_unreadable_record(tmp_path, content, name):
    assert reasons(read(tmp_path, content, "wanjuan", name)) == ["unreadable_rest"]


@pytest.mark.parametrize("damage", ["second header", "no end mark", "cut in a header", "more after the end"])
def test_a_damaged_archive_in_an_intact_wrapper_does_not_end_in_silence(tmp_path, damage):
    """tarfile takes such an archive for one that ends there."""
    whole = packed({"a.jsonl": line("甲"), "b.jsonl": line("乙")})
    bad = {
        "second header": whole[:1024] + b"\xff" * 512 + whole[1536:],
        "no end mark": whole[:2048],
        "cut in a header": whole[:1200],
        "more after the end": whole + whole,
    }[damage]
    found = read(tmp_path, zstd.compress(bad), "wanjuan", "f.jsonl.tar.zst")
    assert found[0].value == {"text": "甲"} and reasons(found)[-1] == "unreadable_rest"


@pytest.mark.parametrize("members", [{}, {"a.jsonl": b""}, {"a.jsonl": b"\n"}])
def test_an_archive_without_records_is_told_of(tmp_path, members):
    found = read(tmp_path, gzip.compress(packed(members)), "wanjuan", "f.jsonl.tar.gz")
    assert [(record.reason, record.locator) for record in found] == [("empty_file", "f.jsonl.tar.gz@0+0")]


def test_a_disks_error_is_not_taken_for_damaged_data(tmp_path, monkeypatch):
    def broken(*_, **__):
        raise OSError(5, "Input/output error")

    (tmp_path / "f.jsonl.gz").write_bytes(gzip.compress(NOISE))
    monkeypatch.setattr(gzip._GzipReader, "read", broken)
    with pytest.raises(OSError, match="Input/output error"):
        list(read_raw(shard_of(tmp_path / "f.jsonl.gz"), LIMIT, COLUMNS))


def test_a_file_that_has_gone_or_shrunk_since_the_plan_is_told_of(tmp_path):
    with pytest.raises(FileChanged, match=r"gone\.jsonl was there when the shards were planned .*snakemake"):
        list(read_raw(shard_of(tmp_path / "gone.jsonl"), LIMIT, COLUMNS))
    (tmp_path / "f.jsonl").write_bytes(line("甲"))
    with pytest.raises(FileChanged, match=r"fewer than when the shards were planned \(500\)"):
        list(read_raw(shard_of(tmp_path / "f.jsonl", start=400, end=500), LIMIT, COLUMNS))


def test_a_pack_is_read_file_by_file(tmp_path):
    for name, content in (("a.jsonl", line("甲")), ("b.jsonl", b""), ("c.jsonl.zst", zstd.compress(line("丙")))):
        (tmp_path / name).write_bytes(content)
    pieces = tuple(Piece(str(tmp_path / name), name) for name in ("a.jsonl", "b.jsonl", "c.jsonl.zst"))
    found = list(read_raw(Shard("s", "n", "skypile", "utf-8", pieces), LIMIT, COLUMNS))
    assert [(record.locator.partition("@")[0], record.reason) for record in found] == [
        ("a.jsonl", ""),
        ("b.jsonl", "empty_file"),
        ("c.jsonl.zst", ""),
    ]


# ---------------------------------------------------------------------------------------------------------------- arrays


def array(content: bytes, limit: int = LIMIT, chunk: int = 1 << 20, encoding: str = "utf-8") -> list[Raw]:
    return list(read_array(io.BufferedReader(io.BytesIO(content)), "p.json", limit, encoding, chunk))


def places(content: bytes, records: list[Raw]) -> list[bytes]:
    ends = (map(int, record.locator.removeprefix("p.json@").split("+")) for record in records)
    return [content[offset : offset + length] for offset, length in ends]


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**60), 2**60),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.one_of(st.sampled_from('"\\{}[],: \n乗俓聽穃😀繁\x01'), st.characters(codec="utf-8")), max_size=12),
    st.sampled_from(['},{"a":1', "},{", '"},{"', "}]", "]"]),
)
KEYS = st.one_of(st.text('a"\\{}[],:键穃', max_size=5), st.sampled_from(["},{", "RECORDS", ":"]))
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12)
ELEMENTS = st.lists(st.one_of(st.dictionaries(KEYS, JSON, max_size=4), JSON), max_size=6)
WRAPS = ["%s", "\ufeff %s\n", '{"RECORDS": %s}', '{"n": [{"RECORDS": []}, {"a": 1}], "RECORDS" :%s, "end": [{"a": 1},{"b": "x"}]} ']


@settings(max_examples=250, deadline=None, database=None)
@given(ELEMENTS, st.integers(1, 700), st.sampled_from(WRAPS), st.sampled_from(["utf-8", "gb18030"]), st.booleans(), st.booleans())
def test_any_array_is_split_as_other_parsers_split_it(elements, chunk, wrap, encoding, ascii_only, pretty):
    text = wrap % json.dumps(elements, ensure_ascii=ascii_only, indent=2 if pretty else None)
    content = text.encode(encoding)
    found = array(content, chunk=chunk, encoding=encoding)
    assert [json.loads(place.decode(encoding)) for place in places(content, found)] == elements
    for element, record in zip(elements, found, strict=True):
        if isinstance(element, dict):
            assert record.value == element
        else:
            assert record.reason == "not_object"
    path = "RECORDS.item" if "RECORDS" in wrap else "item"
    assert list(ijson.items(io.BytesIO(text.removeprefix("\ufeff").encode()), path, use_float=True)) == elements


@pytest.mark.parametrize(
    "content", [b"[]", b" [ ] \n", b'{"RECORDS": []}', b'{"a": 1, "RECORDS": [], "b": {}}', b"", b"\xef\xbb\xbf \n"]
)
def test_a_file_without_elements_is_told_of(tmp_path, content):
    found = read(tmp_path, content, "wudao", "p.json")
    assert [(record.reason, record.locator) for record in found] == [("empty_file", "p.json@0+0")]


@pytest.mark.parametrize(
    "content",
    [
        b"{}",
        b"5",
        b'"x"',
        b'{"data": [{"content": "x"}]}',
        b'{"RECORDS": null}',
        b'{"RECORDS": {"a": []}}',
        b'{"a": 1}\n{"a": 2}\n',
    ],
)
def test_a_file_that_holds_no_array_is_one_unreadable_record(content):
    found = array(content)
    assert reasons(found) == ["unreadable_rest"] and places(content, found) == [content]


def elements(count: int) -> list[bytes]:
    return [json.dumps({"id": n, "title": f"题{n}", "content": "正文，" * 20}, ensure_ascii=False).encode() for n in range(count)]


def as_array(parts: list[bytes]) -> bytes:
    return b"[" + b",\n".join(parts) + b"]"


HARM = {
    "a quote too many": (lambda part: part.replace("正文".encode(), b'"', 1), "damaged"),
    "a quote too few": (lambda part: part.replace(b'", "content', b", content", 1), "damaged"),
    "a bracket in the text that damage lays open": (lambda part: part.replace("正文".encode(), b'"x }, y', 1), "damaged"),
    "no end": (lambda part: part[:-1], "damaged"),
    "its second half": (lambda part: part[part.index("，".encode()) :], "damaged"),
    "its first half": (lambda part: part[: part.index("，".encode())], "damaged"),
    "a list that is not closed": (lambda part: part[:-1] + b', "l": [1, 2}', "damaged"),
    "a quote too few in a list": (lambda part: part[:-1] + b', "l": ["x, "y"]}', "damaged"),
    "a raw byte": (lambda part: part.replace("正文".encode(), b"\xff", 1), "wrong_encoding"),
    "a hole": (lambda part: part[:40] + b"\0" * 30 + part[70:], "nul"),
    "a colon too few": (lambda part: part.replace(b'"id":', b'"id"'), "damaged"),
}


@pytest.mark.parametrize(("harm", "reason"), HARM.values(), ids=HARM)
@pytest.mark.parametrize("place", [0, 3, 7])
@pytest.mark.parametrize("wrap", [b"%s", b'{"RECORDS": %s}'])
def test_damage_in_an_array_costs_its_own_element(harm, reason, place, wrap):
    parts = elements(8)
    bad = harm(parts[place])
    content = wrap % as_array([*parts[:place], bad, *parts[place + 1 :]])
    for chunk in (1, 600, 1 << 20):
        found = array(content, chunk=chunk)
        good = [record for record in found if record.value is not None]
        assert [record.value["id"] for record in good] == [n for n in range(8) if n != place]
        [told] = [record for record in found if record.value is None]
        if place < 7:
            assert told.reason == reason and told.detail
            assert bad.endswith(places(content, [told])[0]) or places(content, [told])[0] == bad
        assert all(place in parts for place in places(content, good))


@pytest.mark.parametrize("stray", [b"and then\n", b"}", b'"x', b"]\n[", b"]", b"\0\0"])
def test_what_stands_between_two_elements_costs_neither(stray):
    parts = elements(8)
    content = as_array([*parts[:3], parts[3] + stray, *parts[4:]])
    for chunk in (1, 600, 1 << 20):
        found = array(content, chunk=chunk)
        if stray.startswith(b"]"):
            assert reasons(found) == [""] * 4 + ["unreadable_rest"]  # what follows an array's end is no part of it
        else:
            assert reasons(found) == [""] * 4 + ["damaged"] + [""] * 4
            assert places(content, found)[4] == stray.strip()


def test_many_damaged_elements_are_each_told_of():
    parts = elements(400)
    for n in range(0, 400, 5):
        parts[n] = list(HARM.values())[n // 5 % len(HARM)][0](parts[n])
    found = array(as_array(parts), chunk=5000)
    assert [record.value["id"] for record in found if record.value] == [n for n in range(400) if n % 5]
    assert len([record for record in found if not record.value]) == 80


@pytest.mark.parametrize("size", [1, 50, 300])
@pytest.mark.parametrize("place", range(1, 900, 61))
def test_bytes_cut_out_of_an_array_cost_what_they_touch_and_no_more(place, size):
    content = as_array(parts := elements(12))
    found = array(content[:place] + content[place + size :])
    touched = {
        n for n, part in enumerate(parts) if content.index(part) - 3 < place + size and place < content.index(part) + len(part) + 2
    }
    whole = [record.value.get("id") for record in found if record.value]
    assert {n for n in range(12) if n not in touched} <= set(whole)


@pytest.mark.parametrize(
    ("rest", "told", "value"),
    [
        (b"", ["cut_off"], b""),
        (b', {"content": "b', ["cut_off"], b'{"content": "b'),
        (b', {"content": "b"', ["cut_off"], b'{"content": "b"'),
        (b', {"content": "b"}', ["", "cut_off"], b""),
        (b', {"content": [1, ["a"]', ["cut_off"], b'{"content": [1, ["a"]'),
        (b', {"content": "\xff"}]', ["wrong_encoding"], b'{"content": "\xff"}'),
        (b', {"content": "b}]', ["damaged"], b'{"content": "b}'),
        (b"] x", ["unreadable_rest"], b"x"),
        (b'][{"content": "b"}]', ["unreadable_rest"], b'[{"content": "b"}]'),
        (b" oh 5, 6 ]", ["unreadable_rest"], b"oh 5, 6 ]"),
        (b",]", [], b""),
        (b' {"content": "b"}]', [""], b'{"content": "b"}'),  # nothing is lost with the comma
    ],
)
def test_what_is_wrong_at_an_arrays_end_is_told(rest, told, value):
    content = b'[{"content": "a"}' + rest
    for chunk in (1, 1 << 20):
        found = array(content, chunk=chunk)
        assert found[0].value == {"content": "a"} and reasons(found)[1:] == told
        assert places(content, found)[1:][-1:] in ([value], [])


def test_an_object_that_ends_before_its_records_do_is_told_of():
    assert reasons(array(b'{"RECORDS": [{"a": 1}], "b": {')) == ["", "cut_off"]
    assert reasons(array(b'{"RECORDS": [{"a": 1}]} {"RECORDS": [{"a": 1}]}')) == ["", "unreadable_rest"]


def test_elements_that_are_no_objects_are_counted_one_by_one():
    deep = b"[" * 3000 + b"]" * 3000
    found = array(b'[1, "text", null, [{"a": 1}, {"a": 2}], ' + deep + b', {"content": "a"}]')
    assert reasons(found) == ["not_object"] * 4 + ["damaged", ""]  # the deep one is nested too deeply to be parsed


@pytest.mark.parametrize("large", [{"content": "长" * 500}, {"l": [{"a": 1}, {"a": 2}] * 60}, {"content": "}, {" * 300}])
def test_an_element_over_the_limit_is_passed_over_and_the_next_is_read(large):
    content = as_array([b'{"n": 1}', part := json.dumps(large, ensure_ascii=False).encode(), b'{"n": 2}'])
    for chunk in (1, 100, 5000):
        found = array(content, limit=400, chunk=chunk)
        assert (values(found), reasons(found)) == ([{"n": 1}, None, {"n": 2}], ["", "too_large", ""])
        assert places(content, found)[1] == part and found[1].start == part[:200].decode("utf-8", "replace")


def test_a_window_holds_no_more_than_an_element_and_some_chunks(monkeypatch):
    seen, more = [], Structure._more
    monkeypatch.setattr(Structure, "_more", lambda self, keep: (more(self, keep), seen.append(len(self.held)))[0])
    content = as_array([*elements(300), b'{"content": "' + b"x" * 200_000 + b'"}', *elements(300)])
    assert len(array(content, limit=5000, chunk=2000)) == 601
    assert max(seen) < 3 * (5000 + 2000)


# --------------------------------------------------------------------------------------------------------------- parquet


def table(path: Path, rows: list[dict], **options) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path, **options)
    return path


def rows_of(path: Path, limit: int = LIMIT) -> list[Raw]:
    return list(read_raw(shard_of(path, "parquet"), limit, COLUMNS))


ROWS = [{"text": f"文{n}繁體👩‍🚀", "title": None if n % 3 else f"题{n}", "n": n} for n in range(300)]


def test_the_mapped_columns_of_a_parquet_file_are_read_row_by_row(tmp_path):
    found = rows_of(table(tmp_path / "甲[1].parquet", ROWS, row_group_size=70))
    assert values(found) == [{"text": row["text"], "title": row["title"]} for row in ROWS]
    assert found[299].locator == "甲[1].parquet[299]"
    assert [read_record(tmp_path, record.locator, "parquet") for record in found[::43]] == ROWS[::43]


def test_a_file_without_the_texts_column_gives_rows_without_it(tmp_path):
    found = rows_of(table(tmp_path / "f.parquet", [{"title": "题", "body": "文"}] * 3))
    assert values(found) == [{"title": None, "body": None}] * 3  # the names, for the message


def test_a_parquet_file_without_rows_is_told_of(tmp_path):
    path = tmp_path / "f.parquet"
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), path)
    assert [(record.reason, record.locator) for record in rows_of(path)] == [("empty_file", "f.parquet@0+0")]
    path.write_bytes(b"")
    assert reasons(rows_of(path)) == ["empty_file"]


@pytest.mark.parametrize("content", [b"PAR1", b"no table", b"PAR1" * 5, b"\0" * 100])
def test_what_is_no_parquet_file_is_one_unreadable_record(tmp_path, content):
    [found] = read(tmp_path, content, "parquet", "f.parquet")
    assert (found.reason, raw_bytes(tmp_path, found.locator)) == ("unreadable_rest", content)


def test_a_cut_parquet_file_is_one_unreadable_record(tmp_path):
    path = table(tmp_path / "f.parquet", ROWS)
    path.write_bytes(path.read_bytes()[:-100])
    assert reasons(rows_of(path)) == ["unreadable_rest"]


def test_a_corrupt_row_group_costs_itself(tmp_path):
    path = table(
        tmp_path / "f.parquet", ROWS, row_group_size=100, compression="zstd", use_dictionary=False, write_page_checksum=True
    )
    content = bytearray(path.read_bytes())
    column = pq.read_metadata(path).row_group(1).column(0)
    place = column.data_page_offset + column.total_compressed_size // 2
    content[place : place + 20] = os.urandom(20)
    path.write_bytes(content)
    found = rows_of(path)
    assert reasons(found) == [""] * 100 + ["unreadable_rest"] + [""] * 100
    assert found[100].locator == "f.parquet[100]" and "rows 100 to 199" in found[100].detail
    assert found[101].value["text"] == ROWS[200]["text"] and found[101].locator == "f.parquet[200]"


def test_a_value_that_is_no_utf_8_or_too_large_costs_its_own_row(tmp_path):
    raw = [b"a", b"\xff\xfe", ("中" * 200).encode(), b"b"]
    texts = pa.Array.from_buffers(pa.string(), 4, pa.array(raw, pa.binary()).buffers())
    pq.write_table(pa.table({"text": texts}), tmp_path / "f.parquet")
    assert reasons(rows_of(tmp_path / "f.parquet", limit=500)) == ["", "wrong_encoding", "too_large", ""]
    assert reasons(rows_of(tmp_path / "f.parquet", limit=600)) == ["", "wrong_encoding", "", ""]


def test_a_disks_error_under_a_table_ends_the_job(tmp_path, monkeypatch):
    class Broken(io.FileIO):
        def read(self, *_):
            raise OSError(5, "Input/output error")

    path = table(tmp_path / "f.parquet", ROWS)
    monkeypatch.setattr(Path, "open", lambda self, mode="rb": Broken(str(self)))
    with pytest.raises(OSError, match="Input/output error"):
        rows_of(path)


# -------------------------------------------------------------------------------------------------------------- locators

AWKWARD_NAME = "d/甲@1+2![3] b!c+"


def content_of(kind: str, encoding: str) -> bytes:
    texts = ["甲", "行\u2028段\u0085　👩‍🚀繁體", DOUBLE, "Ａ１"]
    if kind == "wudao":
        parts = [json.dumps({"content": text}, ensure_ascii=False).encode(encoding) for text in texts]
        return as_array([*parts[:2], parts[2][:-3], *parts[3:], parts[0]])
    return (
        b"".join(line(text, encoding) for text in texts[:2]) + b"{damaged}\n" + b"".join(line(text, encoding) for text in texts[2:])
    )


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
@pytest.mark.parametrize(
    ("kind", "ending"),
    [("wudao", ending) for ending in ("", ".gz", ".zst")]
    + [(kind, e) for kind in ("wanjuan", "skypile", "jsonl") for e in ("", ".gz", ".zst", ".tar.gz", ".tar.zst")],
)
def test_every_locator_leads_back_to_its_record(tmp_path, kind, ending, encoding):
    name = f"{AWKWARD_NAME}{'.json' if kind == 'wudao' else '.jsonl'}{ending}"
    path = tmp_path / name
    path.parent.mkdir()
    content = content_of(kind, encoding)
    path.write_bytes(squeezed(content, name))
    shard = Shard("s", "n", kind, encoding, (Piece(str(path), name),))
    found = list(read_raw(shard, LIMIT, COLUMNS))
    assert len(found) == 5 and reasons(found).count("") == 4
    for record in found:
        if record.value is not None:
            assert read_record(tmp_path, record.locator, kind, encoding) == record.value
        else:
            assert raw_bytes(tmp_path, record.locator) in content
            with pytest.raises(Damage):
                read_record(tmp_path, record.locator, kind, encoding)


def test_a_locator_is_found_below_a_source_that_is_one_file(tmp_path):
    [record] = read(tmp_path, line("甲"))
    assert read_record(tmp_path / "f.jsonl", record.locator, "jsonl") == {"text": "甲"}


@pytest.mark.parametrize(
    ("locator", "message"),
    [
        ("f.jsonl", "no locator"),
        ("g.jsonl@0+5", "no file"),
        ("f.jsonl@0+5000", "has it changed"),
        ("f.jsonl!m@0+5", "no file"),
        ("f.jsonl.tar.gz!m@0+5", "no member 'm'"),
        ("f.jsonl[0]", "no locator"),
    ],
)
def test_a_locator_of_nothing_is_told_of(tmp_path, locator, message):
    (tmp_path / "f.jsonl").write_bytes(line("甲"))
    (tmp_path / "f.jsonl.tar.gz").write_bytes(squeezed(line("甲"), "f.jsonl.tar.gz"))
    with pytest.raises(NotThere, match=message):
        read_record(tmp_path, locator, "jsonl")
    table(tmp_path / "f.parquet", ROWS)
    with pytest.raises(NotThere, match="no row 300"):
        read_record(tmp_path, "f.parquet[300]", "parquet")


# ----------------------------------------------------------------------------------------------------------------- parse


@settings(max_examples=200, deadline=None, database=None)
@given(st.one_of(st.binary(max_size=60), JSON.map(lambda value: json.dumps(value).encode())), st.sampled_from(["utf-8", "gb18030"]))
def test_any_bytes_are_an_object_or_damage(data, encoding):
    try:
        assert isinstance(parse(data, encoding), dict)
    except Damage as damage:
        assert damage.reason in ("damaged", "not_object", "nul", "wrong_encoding") and damage.detail


@settings(max_examples=200, deadline=None, database=None)
@given(st.binary(max_size=300), st.integers(1, 100), st.integers(1, 50), st.sampled_from(["utf-8", "gb18030"]))
def test_any_bytes_are_an_array_with_damage_whose_entries_do_not_overlap(data, chunk, limit, encoding):
    text = b"[" + data.translate(bytes.maketrans(bytes(range(12)), b'{}[],:"\\\xe4a1 '))
    found = array(text, limit, chunk, encoding)
    assert [record[:4] for record in found] == [record[:4] for record in array(text, limit, 5000, encoding)]
    end = 0
    for record in found:
        offset, length = map(int, record.locator.removeprefix("p.json@").split("+"))
        assert offset >= end and offset + length <= len(text)
        end = offset + length


def test_a_nul_before_a_sound_file_costs_one_record(tmp_path):
    lines = b"".join(b'{"text": "' + str(number).encode() + b'"}\n' for number in range(50))
    for name, content, format in (
        ("f.jsonl", b"\0" + lines, "skypile"),
        ("f.json", b'[\0{"title": "a", "text": "b"}, {"title": "c", "text": "d"}]', "wudao"),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        found = list(read_raw(Shard("s", "n", format, "utf-8", (Piece(str(path), name),)), 1_000_000, ["text"]))
        assert [raw.reason for raw in found if raw.reason] == [next(raw.reason for raw in found if raw.reason)]
        assert sum(raw.value is not None for raw in found) >= (49 if format == "skypile" else 1)
        assert not any(raw.reason == "wrong_encoding" for raw in found)


def test_a_member_of_impossible_size_ends_the_archive_and_not_the_patience(tmp_path):
    header = bytearray(tarfile.TarInfo("x.jsonl").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\x80" + b"\xff" * 11
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    path = tmp_path / "f.jsonl.tar.gz"
    path.write_bytes(gzip.compress(bytes(header) + b"{}\n"))
    found = list(read_raw(Shard("s", "n", "skypile", "utf-8", (Piece(str(path), path.name),)), 1_000_000, ["text"]))
    assert [raw.reason for raw in found] == ["unreadable_rest"]


def test_a_date_beyond_pythons_calendar_costs_its_row_alone(tmp_path):
    path = tmp_path / "f.parquet"
    days = pa.array([1, 2**30, 2], type=pa.int32()).cast(pa.date32())
    pq.write_table(pa.table({"text": ["甲", "乙", "丙"], "day": days}), path)
    found = list(read_raw(Shard("s", "n", "parquet", "utf-8", (Piece(str(path), path.name),)), 1_000_000, ["text", "day"]))
    assert [raw.reason for raw in found] == ["", "damaged", ""]
