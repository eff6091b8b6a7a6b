"""The shard plan: every byte is in exactly one shard, and what comes or goes leaves the other shards as they are."""

import os
import time
from dataclasses import asdict, replace
from itertools import chain
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kun.corpus.packs import LARGEST, MOST_FILES, packed
from kun.corpus.plan import ENDINGS, NoFiles, NoPlan, Shard, natural, plan_as_json, plan_shards, read_plan, shard_from, shard_name
from kun.settings.corpus import Source


def files(folder: Path, *names: str, size: int = 1) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x" * size)
    return folder


def plan(folder: Path, kind: str = "skypile", range_bytes: int = 100, pack_bytes: int = 0) -> list[Shard]:
    return plan_shards([Source(name="s", format=kind, path=str(folder))], range_bytes, pack_bytes)


def names_in(shards: list[Shard]) -> list[str]:
    return [piece.relative for shard in shards for piece in shard.pieces]


# ----------------------------------------------------------------------------------------------------------------- files


def test_part_2_comes_before_part_10(tmp_path):
    found = plan(files(tmp_path, "part-10.jsonl", "part-2.jsonl", "b/part-1.jsonl", "part-١.jsonl"))
    assert names_in(found) == ["b/part-1.jsonl", "part-2.jsonl", "part-10.jsonl", "part-١.jsonl"]
    assert natural("a" + "9" * 3000) > natural("a" + "8" * 3000)


@pytest.mark.parametrize("pack_bytes", [0, 3])
def test_the_plan_does_not_depend_on_the_directorys_order(tmp_path, monkeypatch, pack_bytes):
    files(tmp_path, "part-1.jsonl", "part-01.jsonl", "part-001.jsonl", "z/1.jsonl", "z/01.jsonl", "甲.jsonl", "乙.jsonl")
    files(tmp_path, "big-1.jsonl", "big-01.jsonl", size=250)
    listed, plans = sorted(tmp_path.rglob("*")), set()
    for order in (listed, listed[::-1], listed[3:] + listed[:3]):
        monkeypatch.setattr("kun.corpus.plan._below", lambda _, order=order: filter(Path.is_file, order))
        plans.add(tuple(plan(tmp_path, pack_bytes=pack_bytes)))
    assert len(plans) == 1


def test_sources_stay_in_the_order_of_the_configuration(tmp_path):
    files(tmp_path, "a/1.jsonl", "b/1.jsonl")
    sources = [Source(name=name, format="jsonl", path=str(tmp_path / name)) for name in ("b", "a")]
    assert [shard.id() for shard in plan_shards(sources, 100, 0)] == ["b/1", "a/1"]


def test_shard_names_are_unique_and_harmless(tmp_path):
    paths = ["a/b.jsonl", "a_b.jsonl", "a b.jsonl", "a.b.jsonl", "c.jsonl", "c.jsonl.gz", "d.00000.jsonl", "d.jsonl", "甲/乙.jsonl"]
    names = [shard.name for shard in plan(files(tmp_path, *paths, size=150))]
    assert len(set(names)) == len(names) == 9 + 8  # all but the compressed one are cut in two
    assert not any(set(name) & set("/ \t\n'\"$*{}") for name in names)


def test_a_file_and_its_compressed_twins_are_shards_of_their_own(tmp_path):
    assert len({shard.id() for shard in plan(files(tmp_path, *(f"c{ending}" for ending in ENDINGS["jsonl"])))}) == 5


@pytest.mark.parametrize("stem", ["长" * 82, "长" * 40 + "/" + "名" * 60, "l" * 240])
def test_a_long_file_name_still_makes_file_names_that_a_disk_takes(stem):
    made = "pack-" + shard_name(stem + ".jsonl", ENDINGS["jsonl"]) + ".00000.dropped.parquet.partial"
    assert len(made.encode()) <= 255


def test_names_stay_when_files_are_added_or_removed(tmp_path):
    before = plan(files(tmp_path, "part-3.jsonl", "x/part-1.jsonl"))
    after = plan(files(tmp_path, "part-1.jsonl", "a/part-1.jsonl", "part-3.jsonl.gz", "y/x_part-1.jsonl"))
    assert set(before) <= set(after)


@pytest.mark.parametrize(("size", "count"), [(0, 1), (100, 1), (101, 2), (200, 2), (201, 3)])
def test_ranges_cover_a_plain_file_without_gap_or_overlap(tmp_path, size, count):
    found = [shard.pieces[0] for shard in plan(files(tmp_path, "big.jsonl", size=size))]
    assert len(found) == count
    covered = [place for piece in found for place in range(piece.start, size if piece.end is None else piece.end)]
    assert covered == list(range(size))


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("wudao", "a.json"),
        ("wudao", "a.json.zst"),
        ("wanjuan", "a.jsonl.tar.gz"),
        ("skypile", "a.jsonl.gz"),
        ("parquet", "a.parquet"),
    ],
)
def test_arrays_tables_and_compressed_files_are_taken_whole(tmp_path, kind, name):
    assert [shard.pieces[0].end for shard in plan(files(tmp_path, name, size=1000), kind)] == [None]


@pytest.mark.parametrize("kind", ENDINGS)
def test_each_format_takes_its_endings_and_no_others(tmp_path, kind):
    every = {ending for endings in ENDINGS.values() for ending in endings}
    files(tmp_path, "README.md", "a.jsonl.part", "b.tar", *(f"甲{ending}" for ending in every))
    assert set(names_in(plan(tmp_path, kind))) == {f"甲{ending}" for ending in ENDINGS[kind]}


def test_a_folder_without_any_file_of_the_format_is_an_error(tmp_path):
    files(tmp_path, "README.md", "a.json")
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(NoFiles, match=r"source 's': no file ending in \.jsonl or \.jsonl\.gz or .* below"):
        plan(tmp_path)


def test_a_source_may_be_one_file(tmp_path):
    found = plan(files(tmp_path, "one.jsonl", "two.jsonl") / "one.jsonl")
    assert [(shard.name, shard.pieces[0].relative) for shard in found] == [("one", "one.jsonl")]


def test_a_link_to_nothing_and_a_name_in_gbk_are_told_of(tmp_path):
    (files(tmp_path / "a", "1.jsonl") / "2.jsonl").symlink_to("/nowhere/2.jsonl")
    with pytest.raises(NoPlan, match=r"2\.jsonl is a link to a file that is not there"):
        plan(tmp_path / "a")
    files(tmp_path / "b", b"\xd6\xd0.jsonl".decode("utf-8", "surrogateescape"))
    with pytest.raises(NoPlan, match=r"is not UTF-8.*rename it"):
        plan(tmp_path / "b")


# ----------------------------------------------------------------------------------------------------------------- packs


NAMES = st.lists(st.text("甲乙丙０a1-/", min_size=1, max_size=6), unique=True, min_size=1, max_size=60)
SIZED = NAMES.flatmap(
    lambda names: st.tuples(st.just(names), st.lists(st.integers(0, 99), min_size=len(names), max_size=len(names)))
)


def packs(sized: dict[str, int]) -> dict[str | None, list[str]]:
    found = packed(dict(sorted(sized.items())), 100)
    assert len({first for first, _ in found}) == len(found)
    return dict(found)


def cost(sized: dict[str, int], names: list[str]) -> float:
    return sum(max(sized[name], 100 * LARGEST / MOST_FILES) for name in names)


@settings(max_examples=200, deadline=None, database=None)
@given(SIZED)
def test_each_small_file_is_in_one_pack_in_order_and_no_pack_is_over_the_limit(sized):
    sized = dict(zip(*sized, strict=True))
    found = packs(sized)
    assert [name for names in found.values() for name in names] == sorted(sized)
    assert all(names[0] == first for first, names in found.items() if first is not None)
    assert list(found).index(None) == 0 if None in found else True
    for names in found.values():
        assert len(names) == 1 or (cost(sized, names) <= 100 * LARGEST and len(names) <= MOST_FILES)


@settings(max_examples=300, deadline=None, database=None)
@given(SIZED, st.text("甲乙丙０a1-/", min_size=1, max_size=6), st.integers(0, 99))
def test_a_file_that_comes_changes_the_one_pack_it_falls_in_or_splits_it(sized, new, size):
    after = dict(zip(*sized, strict=True)) | {new: size}
    before = {name: size for name, size in after.items() if name != new}
    if not before:
        return
    then, now = packs(before), packs(after)
    if any(cost(after, names) > 100 * LARGEST for names in natural_stretches(after)):
        return  # see the next test
    gone = {first: names for first, names in then.items() if now.get(first) != names}
    come = {first: names for first, names in now.items() if then.get(first) != names}
    assert len(gone) <= 1 and len(come) <= 2, "it changes one pack at most"
    # All of the first pack may come to stand behind a file that begins one.
    assert gone.keys() - come.keys() <= {None}, "it renames none"
    assert sorted([*chain(*gone.values()), new]) == [*chain(*come.values())]


def natural_stretches(sized: dict[str, int]) -> list[list[str]]:
    """What lies between two files that begin a pack whatever stands around them: alone, such a file begins one."""
    stretches: list[list[str]] = [[]]
    for name in sorted(sized):
        if packed({name: sized[name]}, 100)[0][0] is not None:
            stretches.append([])
        stretches[-1].append(name)
    return [names for names in stretches if names]


@settings(max_examples=60, deadline=None, database=None)
@given(st.integers(0, 10**9), st.integers(300, 900), st.integers(0, 3))
def test_where_a_stretch_had_to_be_cut_only_that_stretch_may_change(seed, count, size):
    every = {f"{seed}-{number:04d}": size for number in range(count)}
    new = f"{seed}-{count // 2:04d}"
    before = {name: size for name, size in every.items() if name != new}
    then, now = packs(before), packs(every)
    touched = next(names for names in reversed(natural_stretches(before)) if names[0] < new)
    for first, names in then.items():
        assert now.get(first) == names or set(names) <= set(touched)


def test_files_that_come_rarely_change_more_than_their_pack_even_in_stretches_that_had_to_be_cut():
    every = [f"part-{number:05d}" for number in range(3000)]
    whole = packs(dict.fromkeys(every, 1))
    assert max(map(len, whole.values())) > 130, "some are cut by force here"
    changed = [
        sum(whole.get(first) != names for first, names in packs(dict.fromkeys(set(every) - {name}, 1)).items())
        for name in every[::37]
    ]
    assert sum(count > 2 for count in changed) <= len(changed) // 20


def test_packs_are_of_about_the_size_asked_for(tmp_path):
    for size, files_of_a_pack in ((1, 64), (10, 10), (50, 2)):
        found = packs({f"{number}": size for number in range(5000)})
        assert files_of_a_pack * 0.7 < 5000 / len(found) < files_of_a_pack * 1.4


def test_small_files_are_packed_among_themselves_and_large_ones_keep_their_names(tmp_path):
    files(tmp_path, *(f"s{number}.jsonl" for number in range(40)), size=10)
    files(tmp_path, "s5-large.jsonl.gz", "pack-s1.jsonl", "pack-first.jsonl", size=200)
    files(tmp_path, "s7-huge.jsonl", size=1001)
    found = plan(tmp_path, range_bytes=1000, pack_bytes=100)
    assert sorted(names_in(found)) == sorted([*(path.name for path in tmp_path.iterdir()), "s7-huge.jsonl"])  # in two ranges
    packs_made = ("pack-s", "pack-after-")
    alone = {shard.name for shard in found if not shard.name.startswith(packs_made) and shard.name != "pack-first"}
    unpacked = {shard.name for shard in plan(tmp_path, range_bytes=1000)}
    assert alone <= unpacked and {"s7-huge.00000", "s7-huge.00001"} < alone
    assert all(len(shard.pieces) == 1 for shard in found if shard.name in alone)
    firsts = [natural(shard.pieces[0].relative) for shard in found]
    assert firsts == sorted(firsts) and len({shard.id() for shard in found}) == len(found) < 30


def test_a_large_file_is_a_border_between_packs_so_the_plan_keeps_the_files_order(tmp_path):
    files(tmp_path, "a.jsonl", "c.jsonl", "d.jsonl", "f.jsonl", size=1)
    files(tmp_path, "b.jsonl", "e.jsonl", size=300)
    unpacked = names_in(plan(tmp_path, range_bytes=1000, pack_bytes=0))
    assert names_in(plan(tmp_path, range_bytes=1000, pack_bytes=200)) == unpacked == [f"{name}.jsonl" for name in "abcdef"]


def test_a_later_file_never_moves_an_earlier_one_behind_another(tmp_path):
    files(tmp_path, "a.jsonl", "d.jsonl")
    files(tmp_path, "b.jsonl", size=300)
    before = plan(tmp_path, range_bytes=1000, pack_bytes=200)
    for number in range(40):
        files(tmp_path, f"c{number}.jsonl")
        after = plan(tmp_path, range_bytes=1000, pack_bytes=200)
        order = names_in(after)
        assert order.index("a.jsonl") < order.index("b.jsonl") < order.index("d.jsonl")
        assert {shard.name for shard in before if shard.pieces[0].relative in ("a.jsonl", "b.jsonl")} <= {
            shard.name for shard in after
        }


def test_folders_behind_links_are_read_and_a_link_back_ends(tmp_path):
    files(tmp_path / "elsewhere", "c.jsonl")
    files(tmp_path / "raw", "a.jsonl")
    (tmp_path / "raw/part").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "raw/again").symlink_to(tmp_path / "raw")
    assert names_in(plan(tmp_path / "raw")) == ["a.jsonl", "part/c.jsonl"]


def test_of_two_ways_to_a_folder_the_first_by_name_is_taken_whatever_the_directorys_order(tmp_path, monkeypatch):
    files(tmp_path / "elsewhere", "c.jsonl")
    (tmp_path / "raw").mkdir()
    for name in ("z", "b", "m"):
        (tmp_path / "raw" / name).symlink_to(tmp_path / "elsewhere")
    scan = os.scandir
    for turned in (False, True):
        monkeypatch.setattr(
            os, "scandir", lambda path, turned=turned: Listed(sorted(scan(path), key=lambda e: e.name, reverse=turned))
        )
        assert names_in(plan(tmp_path / "raw")) == ["b/c.jsonl"]


class Listed(list):
    """A directory's entries in an order of our choice, one after another as os.walk asks os.scandir for them."""

    def __next__(self):
        if not self:
            raise StopIteration
        return self.pop(0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


def test_a_folder_that_may_not_be_read_is_told_of(tmp_path, monkeypatch):
    files(tmp_path, "a.jsonl", "closed/b.jsonl")

    def scan(path, really=os.scandir):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return really(path)

    monkeypatch.setattr(os, "scandir", scan)
    with pytest.raises(NoPlan, match="closed cannot be read"):
        plan(tmp_path)


def test_a_file_whose_name_is_first_does_not_take_the_first_packs_name(tmp_path):
    files(tmp_path, "first.jsonl", *(f"f{number}.jsonl" for number in range(9)), size=99)  # nearly each begins a pack
    names = [shard.name for shard in plan(tmp_path, pack_bytes=100)]
    assert len(set(names)) == len(names) and any(name.startswith("pack-first-") for name in names)


def test_two_thousand_files_are_planned_at_once(tmp_path):
    files(tmp_path, *(f"d{number % 7}/part-{number}.jsonl" for number in range(2000)))
    begun = time.perf_counter()
    found = plan(tmp_path, pack_bytes=100)
    assert time.perf_counter() - begun < 5  # it takes a tenth of a second; the bound is for crowded machines
    assert len(names_in(found)) == 2000


# ------------------------------------------------------------------------------------------------------------------ file


def test_the_plan_is_written_and_read_back(tmp_path):
    files(tmp_path / "raw", "甲 乙.jsonl", "b.jsonl", "c@0+1!.jsonl.tar.gz", size=150)
    shards = [replace(shard, encoding="gb18030") for shard in plan(tmp_path / "raw", pack_bytes=10)] + plan(
        tmp_path / "raw", pack_bytes=200
    )
    (tmp_path / "plan.json").write_text(plan_as_json(shards), encoding="utf-8")
    assert read_plan(tmp_path / "plan.json") == shards
    assert [shard_from(asdict(shard)) for shard in shards] == shards
    assert orjson.loads(plan_as_json([])) == []


@pytest.mark.parametrize("content", [b"", b'["wudao/part-1"]', b'[{"source": "s"}]', b"{", b'[{"pieces": [{"x": 1}]}]', b"5"])
def test_what_is_no_plan_is_told_of(tmp_path, content):
    (tmp_path / "plan.json").write_bytes(content)
    with pytest.raises(NoPlan, match=r"plan\.json is no shard plan .*remove it and run `snakemake` again"):
        read_plan(tmp_path / "plan.json")
