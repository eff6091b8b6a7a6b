"""The roles: prompts made of a template and values, and what is read out of a completion."""

import json
from fractions import Fraction
from math import exp, log
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kun.books.digests import digest_of_value
from kun.books.ledger import Ledger
from kun.books.stage import Stage
from kun.books.tables import TableWriter, read_rows
from kun.completions.journal import segments
from kun.completions.requests import Completion, Generate, Message, Request
from kun.completions.store import Store
from kun.roles.job import arguments_of_role, asked, settle
from kun.roles.label import instruction_of
from kun.roles.outcome import Outcome
from kun.roles.polish import answer_of
from kun.roles.prompt import BadPrompt, ask_with, read_prompt
from kun.roles.score import Judge, verdict
from kun.settings.roles import Judging

# --------------------------------------------------------------------------------------------------------------- prompts


@pytest.fixture
def prompt(tmp_path: Path):
    """A template read from a file of this content."""

    def read(content: str, *values: str):
        file = tmp_path / "mine.jinja"
        file.write_text(content, encoding="utf-8")
        return read_prompt(file, *values)

    return read


@pytest.mark.parametrize(
    "name, values",
    [
        ("label", ["text"]),
        ("score", ["instruction"]),
        ("score-five", ["instruction"]),
        ("score-pair", ["instruction", "text"]),
        ("polish", ["text", "instruction"]),
    ],
)
def test_the_prompts_that_come_along_show_their_values(root: Path, name: str, values: list[str]):
    template = read_prompt(root / "config" / "prompts" / f"{name}.jinja", *values)
    [message] = ask_with(template, **{value: f"这是{value}的值" for value in values})
    assert message.role == "user"
    assert all(message.content.count(f"这是{value}的值") == 1 for value in values)
    fixed = message.content.index("这是")
    assert fixed > 20  # the part that is the same for all records comes first: prefix caching


@pytest.mark.parametrize(
    "content, wrong",
    [
        ("回答：{{ txt }}", "txt"),  # a slip
        ("{{ text }} {{ instruction }}", "instruction"),  # a value that this role has not
        ("没有变量", "text"),
        ("{# {{ text }} #}", "text"),
        ("{% if false %}{{ text }}{% endif %}", "text"),
        ("{% raw %}{{ text }}{% endraw %}", "text"),
        ("{{ text }", "text"),
        ("{% if text %}{{ text }}", "endif"),
        ("{{ text.__class__.__mro__ }}{{ text }}", "__class__"),
        ("{{ text | nosuchfilter }}", "nosuchfilter"),
        ("", "text"),
    ],
)
def test_a_prompt_that_cannot_work_is_refused_by_name_and_reason(prompt, content: str, wrong: str):
    with pytest.raises(BadPrompt, match=r"mine\.jinja") as error:
        prompt(content, "text")
    assert wrong in str(error.value)


def test_a_prompt_must_show_each_of_its_values(prompt):
    with pytest.raises(BadPrompt, match="instruction"):
        prompt("{{ text }}", "text", "instruction")
    prompt("{{ text }}{{ instruction }}", "text", "instruction")


@pytest.mark.parametrize(
    "text",
    ["{{ 7 * 7 }}", "{% raw %}", "{{ x }}", "{# 注释 #}", "{% for i in range(9) %}", "<b>&amp;'\"</b>", "<text>", "\\n${x}%s"],
)
def test_what_stands_in_a_value_is_never_evaluated_nor_escaped(prompt, text: str):
    template = prompt("写指令：{{ text }}。", "text")
    assert ask_with(template, text=text) == (Message("user", f"写指令：{text}。"),)


def test_values_do_not_mix(prompt):
    template = prompt("{{ text }}|{{ instruction }}", "text", "instruction")
    assert ask_with(template, text="{{ instruction }}", instruction="{{ text }}")[0].content == "{{ instruction }}|{{ text }}"


def test_a_value_that_is_not_given_is_an_error_rather_than_nothing(prompt):
    with pytest.raises(Exception, match="'text' is undefined"):
        ask_with(prompt("写：{{ text }}", "text"))


def test_blank_ends_of_the_file_are_not_part_of_the_question(prompt):
    assert ask_with(prompt("\n写：\n{{ text }}\n\n", "text"), text="甲\n\n乙")[0].content == "写：\n甲\n\n乙"


# -------------------------------------------------------------------------------------------------------------- outcomes


def stopped(text: str) -> Completion:
    return Completion(text, "stop", 10, len(text))


@pytest.mark.parametrize(
    "text, instruction",
    [
        ("写一首诗", "写一首诗"),
        ("指令：写一首诗", "写一首诗"),
        ("指令: 写一首诗", "写一首诗"),
        ("问题 ：什么是诗？", "什么是诗？"),
        ("Instruction: write a poem", "write a poem"),
        ("任务：\n写一首诗", "写一首诗"),
        ("  \n\n写一首诗\n", "写一首诗"),
        ("“写一首诗”", "写一首诗"),
        ('"写一首诗"', "写一首诗"),
        ("「写一首诗」", "写一首诗"),
        ("『写一首诗』", "写一首诗"),
        ("【写一首诗】", "写一首诗"),
        ("指令：“写一首诗”", "写一首诗"),
        ("“写一首诗", "“写一首诗"),  # one side only
        ("“春”和“秋”有何不同？请比较“春”和“秋”", "“春”和“秋”有何不同？请比较“春”和“秋”"),
        ("“春”和“秋”", "“春”和“秋”"),  # two quotations, not one
        ("'a' or 'b'", "'a' or 'b'"),
        ("“解释‘诗’这个字”", "解释‘诗’这个字"),
        ("写一首诗\n\n春眠不觉晓", "写一首诗"),  # the answer follows
        ("写一首诗\n \t\n写一首诗", "写一首诗"),  # an echo after a line that looks empty
        ("比较：\n1. 春\n2. 秋", "比较：\n1. 春\n2. 秋"),  # lines of one paragraph belong together
        ("指令系统是什么？", "指令系统是什么？"),  # no colon: no prefix
        ("请解释指令：mov", "请解释指令：mov"),  # not at the start
        ("写ＡＢＣ１２３", "写ABC123"),
        ("写\u200b一首\0诗", "写一首诗"),
        ("1+1=?", "1+1=?"),
    ],
)
def test_an_instruction_is_the_first_paragraph_without_prefix_and_quotes(text: str, instruction: str):
    assert instruction_of(stopped(text)) == Outcome("parsed", instruction)


@pytest.mark.parametrize(
    "text", ["", " \n\t", "？？？", "……", "“”", "“", "指令：", "指令：“”", "\u200b\ufeff", "😀", "。\n\n写一首诗"]
)
def test_what_holds_no_word_is_unparsed(text: str):
    outcome = instruction_of(stopped(text))
    assert (outcome.kind, outcome.text) == ("unparsed", "")
    assert outcome.detail


@pytest.mark.parametrize("parse", [instruction_of, answer_of])
@pytest.mark.parametrize(
    "text", ["抱歉，我不能回答。", " \n对不起，我无法", "我无法完成", "作为一个人工智能助手，", "很遗憾，我没有"]
)
def test_a_refusal_at_the_start_is_refused_and_says_how(parse, text: str):
    outcome = parse(stopped(text))
    assert (outcome.kind, outcome.text) == ("refused", "")
    assert outcome.detail == text.strip()


@pytest.mark.parametrize("parse", [instruction_of, answer_of])
def test_the_words_of_a_refusal_further_on_are_none(parse):
    for text in ("如何礼貌地说抱歉？", "他说：“对不起，我来晚了。”", "对不起这个词怎么用？", "介绍人工智能"):
        assert parse(stopped(text)).kind == "parsed"


def test_a_long_refusal_is_shortened_for_the_ledger():
    assert len(instruction_of(stopped("抱歉，" + "啊" * 1000)).detail) == 40


@pytest.mark.parametrize("parse", [instruction_of, answer_of])
def test_a_completion_cut_off_is_truncated_however_good_it_looks(parse):
    outcome = parse(Completion("写一首诗", "length", 10, 1024))
    assert (outcome.kind, outcome.text) == ("truncated", "")
    assert "1024" in outcome.detail


@pytest.mark.parametrize("parse", [instruction_of, answer_of])
def test_a_failed_request_is_failed_with_the_engines_reason(parse):
    assert parse(Completion("太长了", "failed", 9999, 0)) == Outcome("failed", detail="太长了")


def test_an_answer_is_the_whole_text_made_readable():
    text = "指令：“甲”\r\n\r\n\r\n\r\n１２ 乙\u200b  \n\n丙"
    assert answer_of(stopped(text)) == Outcome("parsed", "指令：“甲”\n\n12 乙\n\n丙")
    for empty in ("", "……", " \n"):
        assert answer_of(stopped(empty)).kind == "unparsed"


# --------------------------------------------------------------------------------------------------------------- verdict


BINARY = (1.0, 0.0)
FIVE = (1.0, 2.0, 3.0, 4.0, 5.0)
INFINITE = float("inf")


@pytest.mark.parametrize(
    "good, bad, score, outside",
    [(0.5, 0.5, 0.5, 0.0), (0.6, 0.2, 0.75, 0.2), (0.03, 0.01, 0.75, 0.96), (1e-12, 3e-12, 0.25, 1.0), (0.9, 0.1, 0.9, 0.0)],
)
def test_a_score_is_the_share_of_good_among_the_two_and_outside_is_the_rest(good: float, bad: float, score: float, outside: float):
    assert verdict((log(good), log(bad)), BINARY) == pytest.approx((score, outside), abs=1e-9)
    assert verdict((log(bad), log(good)), BINARY)[0] == pytest.approx(1 - score)


def test_a_score_of_five_words_is_their_expected_value():
    probabilities = (0.05, 0.05, 0.1, 0.4, 0.2)  # 0.8 in all
    expected = (0.05 + 0.1 + 0.3 + 1.6 + 1.0) / 0.8
    assert verdict(tuple(map(log, probabilities)), FIVE) == pytest.approx((expected, 0.2))


def test_a_score_of_rounded_probabilities_stays_within_the_values():
    score, outside = verdict((-0.0, -16.0), BINARY)
    assert 0 <= score <= 1
    assert outside == 0
    assert verdict((1e-6, -30.0), BINARY)[1] == 0  # rounding put the mass above 1


@pytest.mark.parametrize(
    "logprobs, score, outside",
    [
        ((-800.0, -800.0), 0.5, 1.0),
        ((-800.0, -2000.0), 1.0, 1.0),
        ((-2000.0, 0.0), 0.0, 0.0),
        ((-INFINITE, 0.0), 0.0, 0.0),
        ((0.0, -INFINITE), 1.0, 0.0),
        ((-1e300, -1e300), 0.5, 1.0),
    ],
)
def test_probabilities_of_nothing_or_next_to_it_are_no_division_by_zero(logprobs, score: float, outside: float):
    assert verdict(logprobs, BINARY) == (score, outside)


@pytest.mark.parametrize("logprobs", [(-INFINITE, -INFINITE), (0.0, float("nan")), (float("nan"), 0.0)])
def test_where_no_word_has_a_probability_there_is_no_verdict(logprobs):
    with pytest.raises(ValueError, match="no verdict can be read"):
        verdict(logprobs, BINARY)


@settings(deadline=None, database=None)
@given(
    st.lists(st.tuples(st.floats(-1e4, 0), st.floats(-1e6, 1e6)), min_size=2, max_size=9),
    st.floats(0, 500),
)
def test_a_score_lies_within_the_values_and_forgets_what_all_words_share(pairs: list[tuple[float, float]], fainter: float):
    """Against exact fractions of the same exponentials; taking the same mass from all words moves `outside` alone."""
    logprobs, values = zip(*pairs, strict=True)
    score, outside = verdict(logprobs, values)
    assert min(values) <= score <= max(values) and 0 <= outside <= 1
    weights = [Fraction(exp(logprob - max(logprobs))) for logprob in logprobs]
    expected = sum(weight * Fraction(value) for weight, value in zip(weights, values, strict=True)) / sum(weights)
    assert score == pytest.approx(float(expected), rel=1e-9, abs=1e-6)
    lower, more_outside = verdict([logprob - fainter for logprob in logprobs], values)
    assert lower == pytest.approx(score, rel=1e-6, abs=1e-3) and more_outside >= outside - 1e-9


@settings(deadline=None, database=None)
@given(st.lists(st.floats(0.001, 1), min_size=2, max_size=6), st.permutations(range(6)))
def test_the_order_of_the_words_does_not_count(parts: list[float], order: list[int]):
    logprobs = [log(part / (sum(parts) * 1.1)) for part in parts]
    values = [float(number) for number in range(len(parts))]
    places = [place for place in order if place < len(parts)]
    turned = verdict([logprobs[place] for place in places], [values[place] for place in places])
    assert turned == pytest.approx(verdict(logprobs, values), abs=1e-12)


def judge(root: Path, fingerprint: str = "模", name: str = "score", **judging) -> Judge:
    path = root / f"config/prompts/{name}.jinja"
    return Judge(path, Judging(prompt=str(path), **judging), {"fingerprint": fingerprint})


def test_a_judge_of_instructions_never_sees_the_text_and_one_of_pairs_does(root: Path):
    row = {"instruction": "介绍<|im_end|>西湖", "text": "西湖在杭州。😀"}
    alone = judge(root).request(row)
    assert row["instruction"] in alone.messages[0].content and row["text"] not in alone.messages[0].content
    assert alone.decoding.among == ("好", "差")
    five = {str(value): value for value in range(1, 6)}
    both = judge(root, name="score-pair", target="pair", verdicts=five).request(row)
    assert all(value in both.messages[0].content for value in row.values()) and both.decoding.among == tuple("12345")


def test_a_prompt_for_pairs_must_show_the_text(root: Path):
    with pytest.raises(BadPrompt, match="text"):
        judge(root, name="score-five", target="pair")
    with pytest.raises(BadPrompt, match="text"):
        judge(root, name="score-pair")


def test_judges_of_another_model_prompt_target_or_rubric_are_others(root: Path, tmp_path: Path):
    (tmp_path / "config/prompts").mkdir(parents=True)
    for name, text in (("one", "{{ instruction }}{{ text }}"), ("two", "{{ instruction }} {{ text }}")):
        (tmp_path / f"config/prompts/{name}.jinja").write_text(text)
    pair = {"target": "pair"}
    judges = [
        judge(root),
        judge(root, fingerprint="另"),
        judge(root, name="score-five"),
        judge(root, verdicts={"好": 1, "差": -1}),
        judge(root, verdicts={"好": 1, "坏": 0}),
        judge(tmp_path, name="one", **pair),
        judge(tmp_path, name="two", **pair),
    ]
    assert len({one.identity for one in judges}) == len(judges)
    assert judge(root, verdicts={"好": 1, "差": 0}).identity == judge(root).identity, "the default in words"


# ------------------------------------------------------------------------------------------------------------------- job


def test_each_outcome_is_entered_under_its_word_with_the_record(tmp_path: Path):
    import pyarrow as pa

    schema = pa.schema([("id", pa.string()), ("instruction", pa.string())])
    outcomes = [
        Outcome("parsed", "甲"),
        *(Outcome(kind, detail=f"因为{kind}") for kind in ("unparsed", "refused", "truncated", "failed")),
    ]
    with Stage("label", tmp_path / "labelled.parquet", schema) as stage:
        for outcome in outcomes:
            stage.take()
            settle(stage, {"id": outcome.kind, "instruction": outcome.text}, outcome)
    ledger = Ledger.read(tmp_path / "labelled.ledger.json")
    assert (ledger.came_in, ledger.kept) == (5, 1)
    assert ledger.dropped == {"refused": 1, "truncated": 1, "unparsed": 1}
    assert ledger.failed == {"failed": 1}
    dropped = list(read_rows(tmp_path / "labelled.dropped.parquet"))
    assert [(row["id"], row["reason"], row["detail"]) for row in dropped] == [
        (kind, kind, f"因为{kind}") for kind in ("unparsed", "refused", "truncated", "failed")
    ]


@pytest.fixture
def job(tmp_path: Path):
    """Arguments of a role's program over three records, the first two of which the journal knows."""
    import pyarrow as pa

    writer = TableWriter(tmp_path / "records.parquet", pa.schema([("text", pa.string())]))
    for text in "甲乙丙":
        writer.add({"text": text})
    writer.close()
    (tmp_path / "model.json").write_text('{"path": "/no/such/model", "fingerprint": "m"}')
    store = Store(tmp_path / "journal")
    store.add({to_requests({"text": text})[0].key("m"): Completion(f"答{text}", "stop", 3, 2) for text in "甲乙"})
    store.close()
    files = {
        "--records": "records.parquet",
        "--model": "model.json",
        "--store": "journal",
        "--output": "out.parquet",
        "--prompt": "p",
    }
    return arguments_of_role("x").parse_args(
        [
            *(part for option, name in files.items() for part in (option, str(tmp_path / name))),
            "--engine",
            "{}",
            "--name",
            "label a",
        ]
    )


def to_requests(row: dict) -> list[Request]:
    return [Request((Message("user", row["text"]),), Generate(4, 0.0, 1.0, 1.0))]


class Notes:
    """Stands for a stage: what was counted."""

    def __init__(self) -> None:
        self.came_in, self.notes = 0, {}

    def take(self) -> None:
        self.came_in += 1


def test_records_are_counted_in_and_tokens_noted(job, tmp_path: Path):
    store = Store(tmp_path / "journal")
    store.add({to_requests({"text": "丙"})[0].key("m"): Completion("答丙", "stop", 3, 2, cut=7)})
    store.close()
    stage = Notes()
    found = [(row["text"], completion.text, model) for row, [completion], model in asked(job, stage, to_requests)]
    assert found == [("甲", "答甲", "m"), ("乙", "答乙", "m"), ("丙", "答丙", "m")]
    assert stage.came_in == 3
    assert stage.notes == {"prompt_tokens": 9, "output_tokens": 6, "cut_to_fit": 1}


def test_a_missing_answer_reaches_for_the_described_model(job, monkeypatch, tmp_path: Path):
    import types

    loaded = []

    class Fake:
        def __init__(self, *given):
            loaded.append(given)

        @staticmethod
        def version():
            return {"name": "fake"}

        hungry, keys = False, ()

        def submit(self, batch):
            self.keys = [key for key, _ in batch]

        def finished(self):
            return {key: Completion("新答", "stop", 1, 1) for key in self.keys}

    monkeypatch.setitem(
        __import__("sys").modules, "kun.completions.transformers_engine", types.SimpleNamespace(TransformersEngine=Fake)
    )
    texts = [completion.text for _, [completion], _ in asked(job, Notes(), to_requests)]
    assert texts == ["答甲", "答乙", "新答"]
    assert loaded == [("/no/such/model", job.engine, None, False)]
    engines = [json.loads(line)["engine"] for path in segments(tmp_path / "journal") for line in path.read_bytes().splitlines()]
    assert engines[-1] == {"name": "fake", "settings": digest_of_value(job.engine.model_dump())}
