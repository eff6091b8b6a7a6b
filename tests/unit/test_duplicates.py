"""Who is a duplicate of whom: fingerprints, signatures, bands and the walk, each against a slow and simple oracle."""

import hashlib
import json
import os
import random
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasketch import MinHash, MinHashLSH
from hypothesis import given, settings
from hypothesis import strategies as st

import find_duplicates as program
from kun.corpus.plan import Shard, plan_as_json
from kun.selection import duplicates
from kun.selection.duplicates import SCHEMA, find_duplicates
from kun.selection.lsh import bands, groups
from kun.selection.similarity import jaccard, shingle_sets
from kun.settings.selection import Duplicates, Primary
from kun.signals.fingerprints import GRAM, PLACES, SIGNATURE, fingerprint_columns, shingles
from kun.signals.forms import bare, codes_of, compatible

# ---------------------------------------------------------------------------------------------------------------- a sample

SOME_WORDS = (
    "今天 天气 很好 我们 一起 去 公园 散步 看见 许多 老人 下棋 孩子 放风筝 湖面 平静 如镜 远处 山峰 云雾 缭绕 城市 交通"
    " 建设 加快 推进 居民 生活 水平 逐步 提高 企业 发布 年度 报告 收入 增长 百分之 十二 研究 人员 发现 新型 材料 具有 良好 性能"
    " 医生 建议 饮食 清淡 保持 充足 睡眠 学校 举办 运动会 同学 积极 参加 比赛 结果 令人 满意"
    " 历史 悠久 文化 遗产 需要 保护 旅游 路线 适合 家庭 出行"
)
WORDS = SOME_WORDS.split()


def sentence(chance: random.Random, words: int) -> str:
    return "".join(chance.choices(WORDS, k=words)) + "。"


def edited(text: str, chance: random.Random, much: float) -> str:
    """A share of the text's characters replaced in one stretch: Jaccard falls about twice as fast."""
    size = round(len(text) * much)
    start = chance.randrange(len(text) - size + 1)
    return text[:start] + sentence(chance, size)[:size] + text[start + size :]


@pytest.fixture(scope="module")
def sample() -> list[str]:
    """450 texts of 40 to 300 characters, then 300 copies with nothing to a fifth of their characters changed."""
    chance = random.Random(7)
    texts = ["".join(sentence(chance, chance.randrange(5, 15)) for _ in range(chance.randrange(2, 10))) for _ in range(450)]
    return texts + [edited(chance.choice(texts), chance, chance.uniform(0, 0.2)) for _ in range(300)]


def grams(text: str) -> frozenset[str]:
    """What the shingles stand for, from the texts' characters, with no array in sight."""
    text = bare(compatible([text])).texts()[0]
    return frozenset(text[at : at + GRAM] for at in range(max(1, len(text) - GRAM + 1))) if text else frozenset()


def alike(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other) if one | other else 0.0


def signatures_of(texts: list[str]) -> np.ndarray:
    return np.frombuffer(b"".join(fingerprint_columns(bare(compatible(texts)))[1]), dtype=SIGNATURE).reshape(-1, PLACES)


# ------------------------------------------------------------------------------------------- fingerprints and signatures

TEXTS = st.lists(st.text(alphabet="一二三四五六七八九十𠀀a1", max_size=30), max_size=12)


@given(TEXTS)
def test_shingles_are_the_five_grams_of_each_text_and_of_no_two(texts):
    hashed = shingles(codes_of(texts))
    known: dict[int, str] = {}
    for number, text in enumerate(texts):
        expected = [text[at : at + 5] for at in range(max(1, len(text) - 4))] if text else []
        found = hashed.codes[hashed.offsets[number] : hashed.offsets[number + 1]].tolist()
        assert len(found) == len(expected)
        for value, gram in zip(found, expected, strict=True):
            assert known.setdefault(value, gram) == gram
    assert len(set(known.values())) == len(known)  # equal grams, equal hashes


@given(TEXTS)
def test_a_text_has_the_same_columns_alone_and_in_any_company(texts):
    together = fingerprint_columns(codes_of(texts))
    alone = [fingerprint_columns(codes_of([text])) for text in texts]
    assert together == ([columns[0][0] for columns in alone], [columns[1][0] for columns in alone])


def test_more_texts_than_one_piece_keep_their_order(sample):
    together = fingerprint_columns(bare(compatible(sample)))
    for number in (0, 127, 128, 129, 500, 749):
        assert [column[number] for column in together] == [
            column[0] for column in fingerprint_columns(bare(compatible([sample[number]])))
        ]


def test_the_fingerprint_is_a_digest_of_the_bare_text():
    (first, second), _ = fingerprint_columns(codes_of(["今天天气很好", ""]))
    assert first == hashlib.blake2b("今天天气很好".encode("utf-32-le"), digest_size=16).digest()
    assert second == hashlib.blake2b(b"", digest_size=16).digest()


def test_a_signature_forgets_order_and_number_of_shingles():
    first, second, third = signatures_of(["一二三四五六七" * 3, "一二三四五六七" * 9, "四五六七一二三" * 5])
    assert (first == second).all() and (first == third).all()


def test_an_empty_text_is_like_nothing(sample):
    signatures = signatures_of(["", "。！", *sample[:200]])
    assert (signatures[:2] == 0xFFFF).all()
    assert not (signatures[2:] == 0xFFFF).all(axis=1).any()


def test_signatures_are_these_on_every_machine_and_with_every_release():
    """Stored signatures meet later ones. If this fails, rensa or the shingles changed: all shards must be measured anew."""
    found = hashlib.sha256(signatures_of(["今天天气很好", "短", "", "一二三四五六七八九十" * 50]).tobytes()).hexdigest()
    assert found == "af7f663d1211c8960d2d234b944e70f624cd7473b42df47bb7aa98bf9b5ee520"


@pytest.mark.parametrize("threads", ["1", "4"])
def test_the_number_of_threads_changes_nothing(threads, sample):
    program = (
        "import sys, hashlib; from kun.signals.fingerprints import fingerprint_columns; from kun.signals.forms import codes_of;"
        "columns = fingerprint_columns(codes_of(sys.stdin.read().split('|')));"
        "print(hashlib.sha256(b''.join(columns[0] + columns[1])).hexdigest())"
    )
    texts = ["".join(sample[:300]), *sample]  # one long enough for rensa to call its threads
    run = subprocess.run(
        [sys.executable, "-c", program],
        input="|".join(texts),
        env=os.environ | {"RAYON_NUM_THREADS": threads, "PYTHONPATH": "workflow_scripts", "PYTHONIOENCODING": "utf-8"},
        cwd=Path(__file__).parent.parent.parent,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    here = fingerprint_columns(codes_of(texts))
    assert run.stdout.strip() == hashlib.sha256(b"".join(here[0] + here[1])).hexdigest()


@pytest.fixture(scope="module")
def pairs(sample) -> dict[tuple[int, int], float]:
    """Every pair of the sample with a Jaccard similarity of at least 0.5."""
    sets = [grams(text) for text in sample]
    every = {pair: alike(sets[pair[0]], sets[pair[1]]) for pair in combinations(range(len(sets)), 2)}
    return {pair: value for pair, value in every.items() if value >= 0.5}


@pytest.fixture(scope="module")
def peers(sample) -> list[MinHash]:
    """datasketch's signatures of the same texts."""
    made = []
    for text in sample:
        made.append(MinHash(num_perm=PLACES, seed=1))
        made[-1].update_batch([gram.encode() for gram in grams(text)])
    return made


def test_the_sample_has_pairs_of_every_similarity(pairs):
    counts, _ = np.histogram(list(pairs.values()), bins=[0.5, 0.6, 0.7, 0.8, 0.9, 1.01])
    assert (counts >= 20).all()


def test_signatures_estimate_as_well_as_datasketch(sample, pairs, peers):
    ours, values = signatures_of(sample), np.array(list(pairs.values()))
    estimates = np.array([(ours[one] == ours[other]).mean() for one, other in pairs])
    theirs = np.array([peers[one].jaccard(peers[other]) for one, other in pairs])
    ours_off, theirs_off = (float(np.sqrt(((side - values) ** 2).mean())) for side in (estimates, theirs))
    assert ours_off < 1.15 * theirs_off
    assert ours_off < 0.045
    assert abs((estimates - values).mean()) < 0.005


# ------------------------------------------------------------------------------------------------------------------ bands


def met(signatures: np.ndarray, documents: np.ndarray, similarity: float) -> set[tuple[int, int]]:
    found = groups(signatures, documents, similarity)
    members: dict[int, list[int]] = {}
    for number, start, end in zip(found.documents.tolist(), found.offsets, found.offsets[1:], strict=False):
        for group in found.of[start:end].tolist():
            members.setdefault(group, []).append(number)
    assert [len(members[group]) for group in range(len(found.sizes))] == found.sizes.tolist()
    return {pair for group in members.values() for pair in combinations(group, 2)}


@pytest.mark.parametrize("similarity", [0.5, 0.55, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.99, 0.9999, 1])
def test_bands_find_what_is_just_similar_enough_and_few_strangers(similarity):
    chosen = bands(similarity, PLACES)
    count, rows = chosen.shape
    assert all(len(set(band)) == rows and set(band) <= set(range(PLACES)) for band in chosen.tolist())
    assert 1 - (1 - similarity**rows) ** count >= 0.95
    assert count * 0.02**rows < 1e-6  # strangers, at ten million documents
    # As bands have places in common, they do not fail independently: tried on signatures that agree by this chance.
    trials = np.random.default_rng(3).random((4000, PLACES)) < similarity
    assert trials[:, chosen].all(axis=2).any(axis=1).mean() >= 0.95


@given(st.lists(st.lists(st.integers(0, 1), min_size=4, max_size=4), max_size=30), st.data())
def test_groups_are_the_documents_with_an_equal_band(rows, data):
    signatures = np.repeat(np.array(rows, dtype=SIGNATURE).reshape(-1, 4), PLACES // 4, axis=1)
    documents = np.array(sorted(data.draw(st.sets(st.sampled_from(range(len(rows)))))) if rows else [], dtype=np.int64)
    expected = {
        (one, other)
        for one, other in combinations(documents.tolist(), 2)
        if any((signatures[one, band] == signatures[other, band]).all() for band in bands(0.8, PLACES))
    }
    assert met(signatures, documents, 0.8) == expected


def test_bands_find_what_datasketch_finds(sample, pairs, peers):
    rows, count = bands(0.8, PLACES).shape[1], PLACES // bands(0.8, PLACES).shape[1]
    index = MinHashLSH(num_perm=PLACES, params=(count, rows))
    theirs = set()
    for number, peer in enumerate(peers):
        theirs |= {(other, number) for other in index.query(peer)}
        index.insert(number, peer)
    true = {pair for pair, value in pairs.items() if value >= 0.8}
    ours = met(signatures_of(sample), np.arange(len(sample)), 0.8)
    assert len(true & ours) >= len(true & theirs) - 0.01 * len(true)
    assert len(true & ours) >= 0.97 * len(true)
    assert len(ours) < 2 * len(theirs)  # 20 bands for 16, so a few more strangers


def test_shingle_sets_are_compared_as_sets(sample):
    texts = [*sample[:40], *sample[450:490], "", "短", "一二三四五" * 9]
    sets, slow = shingle_sets(texts), [grams(text) for text in texts]
    for one, other in combinations(range(len(texts)), 2):
        assert jaccard(sets[one], sets[other]) == alike(slow[one], slow[other])
    assert shingle_sets([]) == []


# --------------------------------------------------------------------------------------------------------------- the walk


class Shards:
    """Shards as the search takes them."""

    def __init__(self, folder: Path):
        self.folder = folder

    def make(self, near: bool = True, **texts: list[str] | str) -> list[tuple[str, Path, Path]]:
        made = []
        for shard, here in texts.items():
            signals, documents = self.folder / f"{shard}.signals", self.folder / f"{shard}.documents"
            fingerprints, minhashes = fingerprint_columns(bare(compatible(list(here))))
            columns = {"fingerprint": pa.array(fingerprints, pa.binary(16))}
            if near:
                columns["minhash"] = pa.array(minhashes, pa.binary(256))
            pq.write_table(pa.table(columns), signals, row_group_size=3)
            locators = [f"{shard}.jsonl@{number}+1" for number in range(len(here))]
            schema = pa.schema([("text", pa.string()), ("locator", pa.string())])
            pq.write_table(pa.table({"text": list(here), "locator": locators}, schema=schema), documents, row_group_size=3)
            made.append((f"src/{shard}", signals, documents))
        return made

    def found(self, similarity: float = 0.8, near: bool = True, eligible=None, **texts: list[str] | str) -> list[tuple]:
        """(shard, row, owner, kind, similarity) of every duplicate."""
        rows = []
        made = self.make(near, **texts)
        for (shard, _, _), (name, table) in zip(
            made, find_duplicates(made, Duplicates(near=near, similarity=similarity), eligible), strict=True
        ):
            assert name == shard and table.schema == SCHEMA
            rows += [(shard.removeprefix("src/"), *row.values()) for row in table.to_pylist()]
        return rows

    def copies(self, **texts: list[str] | str) -> list[tuple[str, int, str]]:
        return [row[:3] for row in self.found(**texts)]


@pytest.fixture
def shards(tmp_path) -> Shards:
    return Shards(tmp_path)


def test_the_first_in_plan_order_owns_a_text(shards):
    assert shards.copies(a="xy", b="zx", c="xz") == [
        ("b", 1, "src:a.jsonl@0+1"),
        ("c", 0, "src:a.jsonl@0+1"),
        ("c", 1, "src:b.jsonl@0+1"),
    ]


def test_plan_order_counts_not_the_names_order(shards):
    assert shards.copies(z="wx", a="x") == [("a", 0, "src:z.jsonl@1+1")]


def test_copies_inside_a_shard_are_found(shards):
    assert shards.copies(a="xxyx") == [("a", 1, "src:a.jsonl@0+1"), ("a", 3, "src:a.jsonl@0+1")]


@pytest.mark.parametrize("texts", [{}, {"a": ""}, {"a": "", "b": ""}, {"a": "xyz"}, {"a": "x", "b": "", "c": "y"}])
def test_no_copies_is_an_empty_table(shards, texts):
    assert shards.copies(**texts) == []
    assert shards.found(near=False, **texts) == []


def test_empty_shards_do_not_shift_the_others(shards):
    assert shards.copies(a="", b="x", c="", d="x") == [("d", 0, "src:b.jsonl@0+1")]


def test_many_shards_have_each_text_owned_once_by_its_first(shards):
    letters = {f"s{number:02d}": "".join(chr(0x4E00 + (number * place) % 37) for place in range(50)) for number in range(12)}
    first: dict[str, str] = {}
    expected = []
    for shard, texts in letters.items():
        for number, text in enumerate(texts):
            owner = first.setdefault(text, f"src:{shard}.jsonl@{number}+1")
            if owner != f"src:{shard}.jsonl@{number}+1":
                expected.append((shard, number, owner))
    assert shards.copies(**letters) == expected


BASE = (
    "清晨的阳光洒在湖面上，几只白鹭从芦苇丛中飞起，远处传来渔夫的歌声。"
    "村里的孩子背着书包走过石桥，准备去镇上的学校上课，老人们坐在树下喝茶聊天。"
)
NEAR = BASE.replace("几只白鹭", "两只白鹭")
FAR = BASE.replace("几只白鹭从芦苇丛中飞起，远处", "几只野鸭在水草之间嬉戏，对岸")


def test_the_kinds_of_duplicates(shards):
    found = shards.found(a=[BASE, "别的文章，说的是另一件事情。"], b=[BASE.replace("，", ", "), NEAR])
    value = np.float32(alike(grams(BASE), grams(NEAR)))
    assert 0.8 < value < 1
    assert found == [("b", 0, "src:a.jsonl@0+1", "exact", 1.0), ("b", 1, "src:a.jsonl@0+1", "near", value)]


def test_without_near_only_copies_are_found_and_signatures_are_not_needed(shards):
    assert shards.found(near=False, a=[BASE], b=[NEAR, BASE]) == [("b", 1, "src:a.jsonl@0+1", "exact", 1.0)]


def test_a_copy_of_a_near_duplicate_names_what_is_kept(shards):
    found = shards.found(a=[BASE], b=[NEAR], c=[NEAR])
    assert [row[:4] for row in found] == [("b", 0, "src:a.jsonl@0+1", "near"), ("c", 0, "src:a.jsonl@0+1", "near")]
    assert found[0][4] == found[1][4] < 1


def test_there_are_no_chains(shards):
    """The second is like the first, the third like the second and not like the first: it stays."""
    third = NEAR.replace("走过石桥", "走过木桥")
    threshold = (alike(grams(BASE), grams(third)) + min(alike(grams(BASE), grams(NEAR)), alike(grams(NEAR), grams(third)))) / 2
    assert [row[:3] for row in shards.found(similarity=threshold, a=[BASE], b=[NEAR], c=[third])] == [("b", 0, "src:a.jsonl@0+1")]
    # Were the second not there to be dropped, the third would be compared with it.
    assert [row[:3] for row in shards.found(similarity=threshold, b=[NEAR], c=[third])] == [("c", 0, "src:b.jsonl@0+1")]


def test_the_threshold_itself_is_near(shards):
    value = alike(grams(BASE), grams(NEAR))
    assert len(shards.found(similarity=value, a=[BASE, NEAR])) == 1
    assert shards.found(similarity=float(np.nextafter(value, 1)), a=[BASE, NEAR]) == []


def test_at_similarity_one_only_equal_sets_are_near(shards):
    found = shards.found(similarity=1, a=["一二三四五六七" * 3, BASE, "一二三四五六七" * 4, NEAR])
    assert found == [("a", 2, "src:a.jsonl@0+1", "near", 1.0)]


def test_the_first_of_several_similar_owners_is_named(shards):
    one, other = BASE.replace("老人们坐在树下喝茶", "老人们"), BASE.replace("清晨的阳光洒在湖面上，", "")
    threshold = 0.75
    assert alike(grams(one), grams(other)) < threshold < min(alike(grams(BASE), grams(one)), alike(grams(BASE), grams(other)))
    assert [row[:3] for row in shards.found(similarity=threshold, a=[one, other, BASE])] == [("a", 2, "src:a.jsonl@0+1")]
    assert [row[:3] for row in shards.found(similarity=threshold, a=[other, one, BASE])] == [("a", 2, "src:a.jsonl@0+1")]


def test_texts_without_letters_are_copies_of_each_other_and_of_nothing_else(shards):
    assert shards.found(similarity=0.5, a=["。。", "短", "！", "短文", "短"]) == [
        ("a", 2, "src:a.jsonl@0+1", "exact", 1.0),
        ("a", 4, "src:a.jsonl@1+1", "exact", 1.0),
    ]


def test_who_does_not_pass_is_neither_owner_nor_duplicate(shards):
    texts = {"a": [BASE, FAR], "b": [BASE, NEAR], "c": [NEAR, BASE, FAR, FAR]}
    passing = {"src/a": [False, True], "src/b": [True, False], "src/c": [True, True, False, True]}
    found = shards.found(eligible=lambda shard: np.array(passing[shard]), **texts)
    assert [row[:4] for row in found] == [
        ("c", 0, "src:b.jsonl@0+1", "near"),
        ("c", 1, "src:b.jsonl@0+1", "exact"),
        ("c", 3, "src:a.jsonl@1+1", "exact"),
    ]


def slow_walk(texts: list[str], similarity: np.ndarray, threshold: float) -> list[int]:
    """The owner of each text, itself where it is kept: every text against every owner."""
    forms = [bare(compatible([text])).texts()[0] for text in texts]
    owners, first = [], {}
    for number, form in enumerate(forms):
        similar = [other for other in range(number) if owners[other] == other and similarity[number, other] >= threshold]
        copy = first.setdefault(form, number)
        owners.append(min([*similar, number if copy == number else owners[copy]]))
    return owners


@pytest.mark.parametrize("threshold", [0.5, 0.6, 0.8, 0.9])
def test_the_walk_agrees_with_one_that_compares_everything(shards, sample, pairs, threshold):
    places = random.Random(5).sample(range(len(sample)), len(sample))
    order, similarity = [sample[place] for place in places], np.zeros((len(sample), len(sample)))
    for (one, other), value in pairs.items():
        similarity[one, other] = similarity[other, one] = value
    expected = slow_walk(order, similarity[np.ix_(places, places)], threshold)
    owners = list(range(len(order)))
    size = 70
    for shard, row, owner, kind, value in shards.found(
        similarity=threshold, **{f"s{start // size}": order[start : start + size] for start in range(0, len(order), size)}
    ):
        number = int(shard[1:]) * size + row
        name, _, place = owner.removeprefix("src:s").partition(".jsonl@")
        owners[number] = int(name) * size + int(place.removesuffix("+1"))
        exact = alike(grams(order[number]), grams(order[owners[number]]))
        assert value == np.float32(exact) and exact >= threshold and (kind == "near" or exact == 1)
    found, true = ({number for number, owner in enumerate(side) if owner != number} for side in (owners, expected))
    assert len(found & true) >= 0.98 * len(true) and len(found & true) >= 0.98 * len(found)
    assert np.mean([a == b for a, b in zip(owners, expected, strict=True)]) >= 0.98
    assert all(owners[owners[number]] == owners[number] for number in found)  # what owns is kept


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10**6), sizes=st.lists(st.integers(0, 8), min_size=2, max_size=6), cut=st.integers(1, 5))
def test_a_later_shard_changes_nothing_in_earlier_ones(tmp_path_factory, seed, sizes, cut):
    chance = random.Random(seed)
    bases = ["".join(sentence(chance, 6) for _ in range(3)) for _ in range(3)]
    texts = {
        f"s{number}": [edited(chance.choice(bases), chance, chance.choice([0, 0.05, 0.1, 0.15])) for _ in range(size)]
        for number, size in enumerate(sizes)
    }
    shards = Shards(tmp_path_factory.mktemp("shards"))
    every, early = shards.found(**texts), dict(list(texts.items())[:cut])
    assert shards.found(**early) == [row for row in every if row[0] in early]
    dropped = {(shard, row) for shard, row, *_ in every}
    for shard, row, owner, _, similarity in every:
        name, _, place = owner.removeprefix("src:").partition(".jsonl@")
        kept = (name, int(place.removesuffix("+1")))
        assert kept < (shard, row) and kept not in dropped
        assert similarity == np.float32(alike(grams(texts[shard][row]), grams(texts[kept[0]][kept[1]]))) and similarity >= 0.8


def test_a_crowd_of_unlike_owners_costs_a_bounded_number_of_comparisons(shards, monkeypatch):
    """200 texts of one template, none near another: each is compared with a few, and one like the last is still found."""
    chance = random.Random(2)
    template = "".join(sentence(chance, 8) for _ in range(4))
    signs = [chr(code) for code in range(0x4E00, 0x5E00)]
    texts = [template + "".join(chance.choices(signs, k=len(template) // 5)) for _ in range(200)]
    compared = []
    monkeypatch.setattr(duplicates, "jaccard", lambda one, other: compared.append(1) or jaccard(one, other))
    assert shards.found(a=texts) == []
    unbounded = len(compared)
    compared.clear()
    monkeypatch.setattr(duplicates, "CROWD", 4)
    assert shards.found(a=texts) == []
    assert unbounded > 5000
    assert len(compared) <= 4 * len(texts)
    last = texts[-1][:-2]
    assert [row[:2] for row in shards.found(a=[*texts, last])] == [("a", 200)]


def test_documents_of_shards_without_near_duplicates_are_not_opened(shards):
    made = shards.make(a=[BASE], b=["完全不同的一篇文章，讲述高原上的铁路怎样建成。"], c=[NEAR])
    made[1][2].unlink()
    assert [len(table) for _, table in find_duplicates(made, Duplicates())] == [0, 0, 1]


def test_a_piece_of_a_column_is_read_from_its_own_beginning():
    column = pa.array([bytes([number]) * 16 for number in range(5)], pa.binary(16))
    read = duplicates._fixed(column.slice(2, 2), np.dtype("<u8"))
    assert [row.tobytes() for row in read] == [bytes([2]) * 16, bytes([3]) * 16]


def test_the_result_reads_as_a_table(shards, tmp_path):
    (_, table), *_ = find_duplicates(shards.make(a=["x", "x"]), Duplicates())
    assert pl.from_arrow(table).columns == ["row", "owner", "kind", "similarity"]


# ------------------------------------------------------------------------------------------------------------ the program

FINE = {"characters": 100, "tokens": 60, "han_share": 0.9, "language": "zh", "perplexity": 50.0, "perplexity_tokens": 100}
FINE |= {"repeated_grams": 0.0, "repeated_lines": 0.0, "markup_share": 0.0}


def test_the_program_leaves_a_text_to_its_first_copy_that_passes(tmp_path, monkeypatch):
    """The first copy is too long, the second of too high a perplexity: the third owns the fourth, and they own nothing."""
    plan = [Shard("源", name, "jsonl", "utf-8", ()) for name in ("a", "b")]
    (tmp_path / "plan.json").write_text(plan_as_json(plan), encoding="utf-8")
    cuts = {"column": "perplexity", "identity": "字", "cuts": {"*": {"low": None, "high": 80.0}}}
    (tmp_path / "perplexity.json").write_text(json.dumps(cuts), encoding="utf-8")
    signals = {"a": [FINE | {"tokens": 513}, FINE | {"perplexity": 81.0}], "b": [FINE, FINE]}
    for (name, rows), texts in zip(signals.items(), ([BASE, BASE], [BASE, NEAR]), strict=True):
        for folder in ("signals", "documents"):
            (tmp_path / folder / "源").mkdir(parents=True, exist_ok=True)
        fingerprints, minhashes = fingerprint_columns(bare(compatible(texts)))
        table = pa.Table.from_pylist(rows)
        table = table.append_column("fingerprint", pa.array(fingerprints, pa.binary(16)))
        table = table.append_column("minhash", pa.array(minhashes, pa.binary(256)))
        pq.write_table(table.replace_schema_metadata({"perplexity": "字"}), tmp_path / f"signals/源/{name}.parquet")
        locators = [f"{name}.jsonl@{number}" for number in range(len(texts))]
        pq.write_table(pa.table({"text": texts, "locator": locators}), tmp_path / f"documents/源/{name}.parquet")
    options = {"plan": tmp_path / "plan.json", "calibration": tmp_path / "perplexity.json", "results": tmp_path}
    options |= {"settings": Duplicates().model_dump_json(), "primary": Primary().model_dump_json()}
    options |= {"copies": tmp_path / "copies", "summary": tmp_path / "summary.json"}
    monkeypatch.setattr(sys, "argv", ["find_duplicates", *(str(part) for name in options for part in (f"--{name}", options[name]))])
    program.main()
    assert pq.read_table(tmp_path / "copies/源/a.parquet").num_rows == 0
    (row,) = pq.read_table(tmp_path / "copies/源/b.parquet").to_pylist()
    assert (row["row"], row["owner"], row["kind"]) == (1, "源:b.jsonl@0", "near")
    assert json.loads((tmp_path / "summary.json").read_text()) == {"near": 1}
    assert len({(tmp_path / f"copies/源/{name}.digest").read_text() for name in "ab"}) == 2
