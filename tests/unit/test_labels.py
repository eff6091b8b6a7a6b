"""What people said: the set that comes along is balanced and has no two alike, and a damaged file names its line."""

import json
import re
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest

from kun.corpus.normalise import bare
from kun.roles.labels import BadLabels, read_labels

BAD = ("disordered", "impractical", "other_modes", "private", "vague", "wrong")  # Kun's kinds
GOOD = {"instruction": "写一首诗", "good": True, "kind": "plain"}
POOR = {"instruction": "说说这个", "good": False}


@pytest.fixture(scope="module")
def shipped(root: Path) -> list[dict]:
    return list(read_labels([root / "config/judge/instructions.jsonl"], "instruction"))


def written(path: Path, *records) -> Path:
    lines = [record if isinstance(record, str) else json.dumps(record, ensure_ascii=False) for record in records]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


# --------------------------------------------------------------------------------------------------- the set that comes along


def test_half_of_it_is_good_and_each_kind_of_bad_one_has_ten(shipped):
    assert Counter(row["good"] for row in shipped) == {True: 60, False: 60}
    assert Counter(row["kind"] for row in shipped if not row["good"]) == dict.fromkeys(BAD, 10)
    assert all(row["kind"] for row in shipped) and len({row["kind"] for row in shipped if row["good"]}) > 3


def grams(text: str) -> set[str]:
    text = bare(text)
    return {text[place : place + 3] for place in range(len(text) - 2)} or {text}


def test_no_two_are_alike_and_none_is_a_seed_instruction(shipped, root):
    """Jaccard similarity of character trigrams. The judge may be trained on the seed pairs, so what it saw must not be in the set."""
    sets = [grams(row["instruction"]) for row in shipped]
    for one, other in combinations(range(len(sets)), 2):
        alike = len(sets[one] & sets[other]) / len(sets[one] | sets[other])
        assert alike < 0.4, (shipped[one]["instruction"], shipped[other]["instruction"])
    seed = [json.loads(line)["instruction"] for line in (root / "config/demo/seed.jsonl").read_text(encoding="utf-8").splitlines()]
    for row, own in zip(shipped, sets, strict=True):
        near = [text for text in seed if len(own & grams(text)) / len(own | grams(text)) >= 0.6]
        assert not near, (row["instruction"], near)


def test_good_ones_are_hard_in_several_ways(root):
    lines = [json.loads(line) for line in (root / "config/judge/instructions.jsonl").read_text(encoding="utf-8").splitlines()]
    good = [line["instruction"] for line in lines if line["good"]]
    assert sum(len(text) < 18 for text in good) >= 8
    assert sum(bool(re.search("根据|新闻|材料|网站|简历|文章|摘要|提取", text)) for text in good) >= 8
    assert sum(bool(re.search("[0-9０-９]", text)) for text in good) >= 8
    assert sum(bool(re.search("[\uff21-\uff5a]", text)) for text in good) >= 3
    assert sum(bool(re.search("[說應擔請車體國]", text)) for text in good) >= 4
    assert len({len(text) // 10 for text in good}) >= 4


def test_nobodys_number_or_address_is_in_it(shipped):
    for row in shipped:
        assert not re.search(r"\d{6,}|@|\d号楼", row["instruction"])


# ------------------------------------------------------------------------------------------------------------------ reading


def test_texts_are_made_readable_as_a_models_are(tmp_path):
    file = written(tmp_path / "a.jsonl", {"instruction": "写ＡＢＣ\u200b１２３", "good": True}, "", POOR)
    rows = list(read_labels([file], "instruction"))
    assert [(row["instruction"], row["good"], row["kind"], row["text"]) for row in rows] == [
        ("写ABC123", True, None, None),
        ("说说这个", False, None, None),
    ]
    assert [row["locator"] for row in rows] == [f"{file}:1", f"{file}:3"]


def test_a_byte_order_mark_and_lines_of_windows_are_no_damage(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(map(json.dumps, (GOOD, POOR))).encode())
    assert len(list(read_labels([file], "instruction"))) == 2


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"instruction": "写', "not readable as JSON"),
        ("[1]", "expected a JSON object"),
        ('{"good": true}', "there is no field 'instruction'; the fields are 'good'"),
        ('{"instruction": "写诗"}', "the field 'good' must be true or false (the fields are 'instruction')"),
        ('{"instruction": "写诗", "good": "好"}', "the field 'good' must be true or false ('好')"),
        ('{"instruction": "写诗", "good": 1}', "the field 'good' must be true or false (1)"),
        ('{"instruction": 5, "good": true}', "the field 'instruction' must hold a text (5)"),
        ('{"instruction": " \\u200b", "good": true}', "the field 'instruction' must hold a text"),
        ('{"instruction": "写诗", "good": true, "kind": 3}', "the field 'kind' must be a word (3)"),
        ('{"instruction": "说说，这个！", "good": true}', "the same as "),
    ],
)
def test_damage_names_file_and_line(tmp_path, line, said):
    file = written(tmp_path / "标注.jsonl", POOR, "", line, GOOD)
    with pytest.raises(BadLabels) as caught:
        list(read_labels([file], "instruction"))
    assert str(caught.value).startswith(f"{file}:3: ") and said in str(caught.value)


def test_pairs_need_their_answers(tmp_path):
    file = written(tmp_path / "a.jsonl", GOOD | {"output": "春眠不觉晓"}, POOR | {"text": "这个很好"})
    assert [row["text"] for row in read_labels([file], "pair")] == ["春眠不觉晓", "这个很好"]
    file = written(tmp_path / "b.jsonl", GOOD | {"output": "春眠不觉晓"}, POOR)
    with pytest.raises(BadLabels, match=r"b\.jsonl:2: no field 'output'.*`target: instruction`"):
        list(read_labels([file], "pair"))


def test_one_instruction_with_two_answers_is_two_pairs(tmp_path):
    file = written(tmp_path / "a.jsonl", GOOD | {"output": "春眠不觉晓"}, GOOD | {"output": "好的", "good": False})
    assert len({row["id"] for row in read_labels([file], "pair")}) == 2


@pytest.mark.parametrize(("records", "said"), [([], "holds nothing"), ([GOOD], "good ones only"), ([POOR], "bad ones only")])
def test_a_set_of_one_label_measures_nothing(tmp_path, records, said):
    with pytest.raises(BadLabels, match=said):
        list(read_labels([written(tmp_path / "a.jsonl", *records)], "instruction"))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BadLabels, match=r"score\.labelled: cannot read .*no\.jsonl"):
        list(read_labels([tmp_path / "no.jsonl"], "instruction"))
