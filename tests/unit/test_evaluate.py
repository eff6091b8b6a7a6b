"""Multiple-choice questions out of hostile files, how they are asked and answered, intervals, and the comparison on a page."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kun.books.ledger import Ledger
from kun.books.stage import Stage
from kun.books.tables import read_rows
from kun.completions.requests import Completion, completion_of_choice
from kun.evaluation.comparison import compared
from kun.evaluation.exam import ANSWERS, Shots, answered, prompt, request
from kun.evaluation.intervals import CONFIDENCE, difference_of_ratios, interval, mean, ratio
from kun.evaluation.questions import LETTERS, BadFile, BadQuestion, read_records, subject_of, to_question
from kun.report.evaluation_picture import picture
from kun.selection.questions import BadQuestions, question_files

# ------------------------------------------------------------------------------------------------------------- questions

HEADER = ",Question,A,B,C,D,Answer\n"


def rows_of(path: Path, content: str | bytes) -> tuple[list[dict], list[str]]:
    """(questions, reasons of the others) of a file."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    kept, reasons = [], []
    for locator, record in read_records(path):
        try:
            kept.append(to_question(locator, record, subject_of(path)))
        except BadQuestion as bad:
            reasons.append(str(bad))
    return kept, reasons


def test_a_file_of_cmmlu_is_read_as_it_is_written(tmp_path: Path):
    content = HEADER + '0,"壁胸膜的分部，不包括",肋胸膜,肺胸膜,"膈""胸""膜",胸膜顶,B\n1,舌下神經核位於🧠,間腦,延髓,中脑,脑挢,B\n'
    [first, second], reasons = rows_of(tmp_path / "anatomy.csv", content)
    assert reasons == []
    assert first["question"] == "壁胸膜的分部，不包括" and first["C"] == '膈"胸"膜' and first["answer"] == "B"
    assert (second["question"], second["A"]) == ("舌下神經核位於🧠", "間腦")
    assert {row["subject"] for row in (first, second)} == {"anatomy"}
    assert [row["locator"].rpartition(":")[2] for row in (first, second)] == ["2", "3"]


@pytest.mark.parametrize(
    "written, answer",
    [("Ａ", "A"), ("ｄ", "D"), (" b ", "B"), ("c", "C"), ("", "no_answer"), ("　", "no_answer")]
    + [(bad, "bad_answer") for bad in ("AB", "E", "甲", "1", "A.", "(A)", "对")],
)
def test_an_answer_is_one_of_the_letters_however_it_is_written(tmp_path: Path, written: str, answer: str):
    kept, reasons = rows_of(tmp_path / "x.csv", f"{HEADER}0,问,一,二,三,四,{written}\n")
    assert [row["answer"] for row in kept] + reasons == [answer]


def test_a_byte_order_mark_and_other_line_ends_and_columns_are_no_obstacle(tmp_path: Path):
    text = "id,question,a,b,c,d,ANSWER,explanation\r\n0,问,一,二,三,四,A,因为\r\n\r\n1,又问,一,二,三,四,B,所以"
    kept, reasons = rows_of(tmp_path / "x_val.csv", b"\xef\xbb\xbf" + text.encode())
    assert [(row["question"], row["answer"], row["subject"]) for row in kept] == [("问", "A", "x"), ("又问", "B", "x")]
    assert reasons == []
    [only], _ = rows_of(tmp_path / "y.csv", b"\xef\xbb\xbfQuestion,A,B,C,D,Answer\n\xe9\x97\xae,1,2,3,4,D\n")
    assert (only["question"], only["A"]) == ("问", "1")


def test_each_unusable_record_has_a_reason_and_none_is_lost(tmp_path: Path):
    lines = [
        "0,好,一,二,三,四,A",
        "1,逗号,太多,一,二,三,四,A",
        "2,太少,一,二",
        "3,,一,二,三,四,A",
        "4,没有选项,一,,三,四,A",
        "5,没有答案,一,二,三,四,",
        "6,两个答案,一,二,三,四,AB",
        '7,一行,"行\n行",二,三,四,C',
        "8,分隔\u2028符\x85号,一,二,三,四,D",
    ]
    kept, reasons = rows_of(tmp_path / "x.csv", HEADER + "\n".join(lines) + "\n")
    assert [row["question"] for row in kept] == ["好", "一行", "分隔\u2028符\x85号"]
    assert reasons == ["damaged", "damaged", "empty", "empty", "no_answer", "bad_answer"]
    assert [row["locator"].rpartition(":")[2] for row in kept] == ["2", "9", "11"]


def test_a_quote_that_is_never_closed_costs_what_it_swallows_and_is_counted(tmp_path: Path):
    kept, reasons = rows_of(tmp_path / "x.csv", HEADER + '0,好,一,二,三,四,A\n1,"坏,一,二,三,四,A\n2,问,一,二,三,四,B\n')
    assert len(kept) == 1 and reasons == ["damaged"]


def test_json_lines_hold_letters_or_a_list_of_choices_and_their_own_subject(tmp_path: Path):
    records = [
        {"Question": "问", "A": "一", "B": "二", "C": "三", "D": 4, "Answer": "ｂ"},
        {"subject": "anatomy", "question": "问", "choices": ["一", "二", "三", "四"], "answer": "C"},
        {"question": "问", "choices": ["一", "二", "三"], "answer": "C"},
        {"question": "问", "choices": ["一", "二", "三", ["四"]], "answer": "C"},
        {"question": "问", "choices": ["一", "二", "三", None], "answer": "C"},
        {"question": "问", "A": "一", "B": "二", "C": "三", "D": "四", "answer": None},
        {"question": "问", "A": True, "B": "二", "C": "三", "D": "四", "answer": "A"},
        ["问"],
    ]
    lines = [json.dumps(record, ensure_ascii=False) for record in records] + ["{torn", ""]
    kept, reasons = rows_of(tmp_path / "杂.jsonl", "\n".join(lines))
    assert [(row["subject"], row["D"], row["answer"]) for row in kept] == [("杂", "4", "B"), ("anatomy", "四", "C")]
    assert reasons == ["missing_field"] * 5 + ["damaged"] * 2


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("x.csv", "问,一,二,三,四,A\n".encode(), "x.csv: its first line must name the columns"),
        ("x.csv", b"", "first line must name"),
        ("x.csv", b"Question,A,B,C,D\n", "see answer"),
        ("x.csv", b"Question,A,A,B,C,D,Answer\n", "see A"),
        ("x.csv", (HEADER + "0,问,一,二,三,四,A\n").encode("gb18030"), "not UTF-8 at byte .*iconv"),
        ("x.xlsx", b"PK", r"x\.xlsx: questions are read from \.csv and \.jsonl"),
    ],
)
def test_a_file_of_another_form_is_named(tmp_path: Path, name: str, content: bytes, message: str):
    with pytest.raises(BadFile, match=message):
        rows_of(tmp_path / name, content)
    with pytest.raises(BadFile, match="cannot read"):
        list(read_records(tmp_path / "没有.csv"))


def test_a_folder_stands_for_its_files_by_name(tmp_path: Path):
    for name in ("b.csv", "a.JSONL", "notes.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in question_files(str(tmp_path))] == ["a.JSONL", "b.csv"]
    assert question_files("elsewhere/x.csv") == [Path("elsewhere/x.csv")]
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadQuestions, match="there is no file of questions"):
        question_files(str(tmp_path / "empty"))


def test_the_program_counts_what_it_reads_and_keeps_what_it_cannot_use(root: Path, tmp_path: Path):
    (tmp_path / "x.csv").write_text(HEADER + "0,问,一,二,三,四,A\n1,问,一,二,三,四,A\n2,坏,一,二,三,四,\n", encoding="utf-8")
    command = [
        sys.executable,
        "workflow_scripts/read_questions.py",
        "--files",
        tmp_path / "x.csv",
        "--output",
        tmp_path / "q.parquet",
    ]
    subprocess.run(list(map(str, command)), cwd=root, check=True, timeout=60)
    ledger = Ledger.read(tmp_path / "q.ledger.json")
    assert (ledger.came_in, ledger.kept, ledger.dropped, ledger.failed) == (3, 1, {"duplicate": 1}, {"no_answer": 1})
    [dropped, failed] = read_rows(tmp_path / "q.dropped.parquet")
    assert "x.csv:2" in dropped["detail"] and "x.csv:4" in failed["detail"] and "坏" in failed["record"]


# ------------------------------------------------------------------------------------------------------------------ exam


def question(name: str, answer: str = "A", subject: str = "anatomy") -> dict:
    record = {"question": name, "A": "一", "B": "二", "C": "三", "D": "四", "answer": answer}
    return to_question("file:1", record, subject)


def test_the_prompt_is_cmmlus():
    shots = [question("甲", "B"), question("乙", "C")]
    assert prompt(question("丙"), shots) == (
        "以下是关于解剖学的单项选择题，请直接给出正确答案的选项。\n\n"
        "题目：甲\nA. 一\nB. 二\nC. 三\nD. 四\n答案是：B\n\n"
        "题目：乙\nA. 一\nB. 二\nC. 三\nD. 四\n答案是：C\n\n"
        "题目：丙\nA. 一\nB. 二\nC. 三\nD. 四\n答案是："
    )
    assert prompt(question("丙", subject="茶道"), []).startswith("以下是关于茶道的单项选择题")


def test_shots_are_the_first_of_the_subject_and_never_the_question_itself():
    rows = [question(f"例{number}") for number in range(7)] + [question("别科", subject="arts")]
    shots = Shots(rows, 5)
    assert [row["question"] for row in shots.before(question("新"))] == [f"例{number}" for number in range(5)]
    assert [row["question"] for row in shots.before(rows[2])] == ["例0", "例1", "例3", "例4", "例5"]
    assert [row["question"] for row in shots.before(question("新", subject="arts"))] == ["别科"]
    assert shots.before(question("新", subject="virology")) == []
    assert Shots(rows, 0).before(question("新")) == []


@pytest.fixture(scope="module")
def engine(base_model: Path, root: Path):
    """The real small model, prompted in plain text."""
    from kun.completions.transformers_engine import TransformersEngine
    from kun.settings.completions import Engine

    template = str(root / "workflow_scripts/kun/evaluation/plain.jinja")
    return TransformersEngine(str(base_model), Engine(threads=1, dtype="float32", device="cpu"), template)


def asked(engine, *requests) -> list[Completion]:
    engine.submit([(f"{place:032x}", asked) for place, asked in enumerate(requests)])
    return list(engine.finished().values())


def test_the_letters_log_probabilities_are_those_after_the_plain_prompt(engine):
    import torch

    shots = [question("甲", "B"), question("乙", "C")]
    wanted = request(question("丙"), shots)
    [found] = asked(engine, wanted)
    ids = engine.tokenizer.encode(prompt(question("丙"), shots), add_special_tokens=False)
    with torch.no_grad():
        logprobs = engine.model(input_ids=torch.tensor([ids])).logits[0, -1].log_softmax(-1)
    assert found.prompt_tokens == len(ids)
    assert found.logprobs == pytest.approx([float(logprobs[engine.tokenizer.encode(letter)[-1]]) for letter in LETTERS], abs=1e-4)


@pytest.mark.parametrize("begins", [False, True])
def test_a_plain_prompt_is_to_the_token_what_the_tokenizer_makes_of_the_text(base_model: Path, tmp_path: Path, begins: bool):
    """Also for tokenizers that put BOS before every text, as Llama's and Gemma's do; without it such models are lost."""
    from tokenizers.processors import TemplateProcessing
    from transformers import AutoTokenizer

    from answer_questions import read_as_text
    from kun.completions.chat import encode_chat

    tokenizer = AutoTokenizer.from_pretrained(base_model)
    if begins:
        start = (tokenizer.bos_token, tokenizer.bos_token_id)
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single=f"{start[0]} $A", special_tokens=[start])
    tokenizer.save_pretrained(tmp_path)
    model = read_as_text({"path": str(tmp_path), "fingerprint": "0", "system": "你是助手", "chat_template": None}, False)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    expected = tokenizer(prompt(question("丙"), [])).input_ids
    assert (expected[0] == tokenizer.bos_token_id) == begins
    tokenizer.chat_template = Path(model["chat_template"]).read_text(encoding="utf-8")
    assert encode_chat(tokenizer, request(question("丙"), []).messages) == expected
    assert model["fingerprint"] != "0" and "system" not in model


def test_a_question_without_room_for_all_shots_is_asked_with_as_many_as_there_is_room_for(engine, monkeypatch):
    shots = [question(f"例{number}" * 9, "B") for number in range(5)]
    new = question("丙")
    tokens = [len(engine.tokenizer.encode(prompt(new, shots[:count]), add_special_tokens=False)) for count in range(6)]
    for fitting in range(6):
        monkeypatch.setattr(engine, "context", tokens[fitting] + 3)
        [found] = asked(engine, request(new, shots))
        row = answered(new, 5, found)
        assert (row["shots"], row["lacking"], found.prompt_tokens) == (fitting, 5 - fitting, tokens[fitting])
        [fewer] = asked(engine, request(new, shots[:fitting]))
        assert found.logprobs == fewer.logprobs
    monkeypatch.setattr(engine, "context", tokens[0] - 1)
    [found] = asked(engine, request(new, shots))
    assert found.finish == "failed" and "does not fit" in found.text


def test_the_answer_is_the_likeliest_letter_and_a_tie_is_said():
    choose = request(question("丙"), []).decoding
    row = answered(question("丙", "C"), 0, completion_of_choice(choose, [-3.0, -2.0, -1.0, -4.0], 9))
    assert (row["chosen"], row["right"], row["tied"], row["shots"]) == ("C", True, False, 0)
    row = answered(question("丙", "C"), 2, completion_of_choice(choose, [-3.0, -1.0, -1.0, -4.0], 9))
    assert (row["chosen"], row["right"], row["tied"], row["shots"]) == ("B", False, True, 2)


# ------------------------------------------------------------------------------------------------------------- intervals


@pytest.mark.parametrize("right, of", [(30, 100), (1, 40), (450, 500)])
def test_an_accuracys_interval_is_that_of_the_binomial_it_resamples(right: int, of: int):
    """Closed form: the mean of a resample of n answers, k of them right, is Binomial(n, k/n)/n."""
    from scipy.stats import binom

    found = interval(mean, [1] * right + [0] * (of - right))
    tail = (1 - CONFIDENCE) / 2
    step = 1.5 / of + 0.15 * np.sqrt(right / of * (1 - right / of) / of)  # its values are 1/n apart; 2,000 draws leave some noise
    assert found == pytest.approx([binom.ppf(share, of, right / of) / of for share in (tail, 1 - tail)], abs=step)


def test_a_means_interval_is_the_normal_one_where_there_are_many():
    values = np.random.default_rng(1).normal(2.0, 3.0, 4000)
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert interval(mean, values) == pytest.approx([values.mean() - half, values.mean() + half], abs=0.1 * half)


def test_a_loss_is_resampled_with_its_tokens():
    draw = np.random.default_rng(2)
    tokens = draw.integers(1, 400, 300)
    low, high = interval(ratio, 2.5 * tokens, tokens)
    assert (low, high) == pytest.approx((2.5, 2.5)), "every pair has the same loss a token"


def test_a_difference_leaves_out_what_is_common_to_both():
    draw = np.random.default_rng(3)
    tokens = draw.integers(50, 400, 200)
    base = tokens * draw.normal(3.0, 1.0, 200)
    better = base - 0.1 * tokens
    assert interval(difference_of_ratios, better, tokens, base, tokens) == pytest.approx((-0.1, -0.1))
    low, high = interval(ratio, base, tokens)
    assert high - low > 0.2


def test_intervals_are_always_the_same_and_there_is_none_of_one_record():
    values = [0, 1, 1, 0, 1]
    assert interval(mean, values) == interval(mean, values)
    assert interval(mean, [1]) is None and interval(mean, []) is None
    assert interval(mean, [1, 1, 1]) == (1.0, 1.0)


# ------------------------------------------------------------------------------------------------------------ comparison


def answers(path: Path, right: list[bool | None]) -> Path:
    """A table of answers to as many questions; None was too long to be asked."""
    with Stage("answer_questions", path, ANSWERS) as stage:
        for number, is_right in enumerate(right):
            row = question(f"第{number}题", "A", "arts" if number % 2 else "茶<b>道</b>")
            stage.take()
            if is_right is None:
                stage.fail(row, "too_long")
            else:
                stage.keep(
                    answered(
                        row, 1, Completion("", "choice", 9, 1, (-1.0, -2.0, -3.0, -4.0) if is_right else (-2.0, -1.0, -3.0, -4.0))
                    )
                )
    return path


def losses(path: Path, values: list[tuple[float, int]]) -> Path:
    from measure_held_out import LOSSES

    with Stage("measure_held_out", path, LOSSES) as stage:
        for number, (nats, tokens) in enumerate(values):
            stage.take()
            stage.keep({"id": str(number), "nats": nats, "tokens": tokens})
    return path


def test_models_are_compared_on_what_both_answered(tmp_path: Path):
    base = answers(tmp_path / "base.parquet", [True, False, False, False, None, True])
    chat = answers(tmp_path / "chat.parquet", [True, True, False, True, True, None])
    held = {
        "base": losses(tmp_path / "base_loss.parquet", [(8.0, 2), (9.0, 3)]),
        "chat": losses(tmp_path / "chat_loss.parquet", [(6.0, 2), (4.0, 3)]),
    }
    found = compared(held, {"base": base, "chat": chat})
    of_base = found["models"]["base"]["questions"]
    assert (of_base["right"], of_base["questions"], of_base["accuracy"]) == (2, 5, 0.4)
    assert of_base["not_answered"] == {"too_long": 1}
    assert of_base["subjects"]["arts"]["questions"] == 3
    assert of_base["mean_of_subjects"] == pytest.approx((1 / 2 + 1 / 3) / 2)
    assert found["models"]["base"]["held_out"]["nll"] == pytest.approx(17 / 5)
    [difference] = found["differences"]
    assert (difference["from"], difference["to"]) == ("base", "chat")
    assert difference["questions"]["records"] == 4 and difference["questions"]["difference"] == 0.5
    assert difference["held_out"]["difference"] == pytest.approx(-7 / 5)


def test_a_clear_difference_is_told_from_chance(tmp_path: Path):
    one = answers(tmp_path / "one.parquet", [number % 2 == 0 for number in range(80)])
    two = answers(tmp_path / "two.parquet", [number % 4 != 3 for number in range(80)])
    three = answers(tmp_path / "three.parquet", [number % 2 == 1 for number in range(80)])
    found = compared({}, {"one": one, "two": two, "three": three})
    clear = {(row["from"], row["to"]): row["questions"]["is_clear"] for row in found["differences"]}
    assert clear[("one", "two")] and not clear[("one", "three")]
    assert found["models"]["one"]["held_out"] is None


def test_the_page_shows_figures_escapes_names_and_warns_of_questions_that_the_dataset_may_hold(root: Path, tmp_path: Path):
    base = answers(tmp_path / "base.parquet", [True, False, False, False, None, True])
    (tmp_path / "题.csv").write_text(HEADER + "0,问,一,二,三,四,A\n", encoding="utf-8")
    command = [
        *(sys.executable, "workflow_scripts/compare_models.py", "--answers", f"base={base}", "--questions", base),
        *("--files", tmp_path / "题.csv", tmp_path / "avoided.csv", "--benchmarks", tmp_path / "avoided.csv"),
        *("--settings", "{}", "--name", "<i>名</i>", "--comparison", tmp_path / "c.json", "--page", tmp_path / "index.html"),
    ]
    done = subprocess.run(list(map(str, command)), cwd=root, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "base: 2 of 5 questions right (40.0 %)" in done.stderr
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "40.0" in page and "&lt;i&gt;名" in page and "茶&lt;b&gt;道" in page and "<b>道" not in page
    warning = page[page.index("was not cleaned of") :][:400]
    assert "题.csv" in warning and "avoided.csv" not in warning
    assert json.loads((tmp_path / "c.json").read_text())["not_in_decontamination"] == [str(tmp_path / "题.csv")]


def test_a_picture_of_one_record_or_of_nothing_is_drawn_without_intervals(tmp_path: Path):
    alone = compared({"base": losses(tmp_path / "l.parquet", [(4.0, 2)])}, {"base": answers(tmp_path / "a.parquet", [None])})
    rest = {"questions": None, "not_in_decontamination": [], "shots": 0, "prompts": "plain"}
    drawn = picture(alone | rest)
    [row] = drawn["held_out"]["rows"]
    assert row["words"] == "2.000 (no interval)" and 0 <= row["place"] <= 100
    assert drawn["questions"] is None
    empty = picture(compared({"base": losses(tmp_path / "n.parquet", [])}, {}) | rest)
    assert empty["held_out"] is None


# ------------------------------------------------------------------------------------------------- nothing is selected by it


def test_no_rule_of_another_chapter_names_what_evaluation_writes(root: Path):
    """The end-to-end test asks Snakemake; this one names the line."""
    for file in sorted((root / "rules").glob("*.smk")):
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
            if file.name != "evaluate.smk" and "evaluation/" in line:
                assert file.name == "common.smk" and line.lstrip().startswith(("HELD_OUT =", "ANSWERED =", "tables =")), (
                    f"{file}:{number}: {line}"
                )
