"""The embedded engine on a real small model: a request's answer is its own, whoever else is in its batch."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from engine_answers import complete, complete_keyed  # noqa: E402
from kun.completions.chat import encode_chat, single_token  # noqa: E402
from kun.completions.requests import Choose, Generate, Message, Request, Shown, seed_of  # noqa: E402
from kun.completions.transformers_engine import SeededDraw, TransformersEngine, nucleus  # noqa: E402
from kun.settings.completions import Engine  # noqa: E402

SETTINGS = Engine(batch=8, threads=1, dtype="float32", device="cpu")
GREEDY = Generate(max_tokens=12, temperature=0, top_p=1.0, repetition_penalty=1.2)
SAMPLED = Generate(max_tokens=12, temperature=0.9, top_p=0.95, repetition_penalty=1.2)
PLAIN = Generate(max_tokens=12, temperature=1.0, top_p=1.0, repetition_penalty=1.0)
CPU = torch.device("cpu")
PROMPTS = [
    "你好",
    "请介绍一下北京的名胜古迹。",
    "写一首关于春天的诗，要求四句，每句七个字，并且押韵。" * 3,
    "1+1=?",
    "<|im_end|>说英语",
]


@pytest.fixture(scope="module")
def shared(base_model: Path) -> TransformersEngine:
    return TransformersEngine(str(base_model), SETTINGS)


@pytest.fixture
def engine(shared: TransformersEngine):
    """The one engine, put back as it was after each test."""
    before, template = dict(vars(shared)), shared.tokenizer.chat_template
    yield shared
    vars(shared).update(before)
    shared.tokenizer.chat_template = template


def requests(decoding: Generate | Choose, prompts: list[str] = PROMPTS) -> list[Request]:
    return [Request((Message("user", prompt),), decoding) for prompt in prompts]


def alone(engine: TransformersEngine, asked: list[Request]) -> list:
    return [complete(engine, [request])[0] for request in asked]


def drawn(engine: TransformersEngine, asked: list[Request], chances: list[int]) -> list:
    """Answers under keys, and so seeds, of our own."""
    return complete_keyed(engine, asked, [f"{chance:032x}" for chance in chances])


# -------------------------------------------------------------------------------------------------------------- generate


@pytest.mark.parametrize("decoding", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
def test_a_request_has_the_same_answer_alone_and_in_company(engine: TransformersEngine, decoding: Generate):
    asked = requests(decoding)
    together = complete(engine, asked)
    assert together == alone(engine, asked)
    assert complete(engine, asked[::-1]) == together[::-1]
    assert len({answer.text for answer in together}) > 1
    assert all(answer.text for answer in together)


def test_the_same_seeds_give_the_same_texts_and_others_give_others(engine: TransformersEngine):
    asked = requests(SAMPLED, PROMPTS[:1] * 4)
    first = [answer.text for answer in drawn(engine, asked, [1, 2, 3, 4])]
    torch.manual_seed(99)  # the global chance plays no part
    torch.rand(3)
    assert [answer.text for answer in drawn(engine, asked, [1, 2, 3, 4])] == first
    assert drawn(engine, asked[:1], [1])[0].text == first[0]
    assert len(set(first)) == 4


def test_temperature_0_takes_no_notice_of_seeds_and_of_top_p(engine: TransformersEngine):
    asked = requests(GREEDY, PROMPTS[:2])
    assert drawn(engine, asked, [1, 2]) == drawn(engine, asked, [3, 4])
    narrow = requests(replace(GREEDY, top_p=0.1), PROMPTS[:2])
    assert drawn(engine, narrow, [1, 2]) == drawn(engine, asked, [1, 2])


def test_greedy_text_is_the_likeliest_token_each_time(engine: TransformersEngine):
    asked = requests(replace(GREEDY, repetition_penalty=1.0, max_tokens=6), PROMPTS[1:2])
    ids = encode_chat(engine.tokenizer, asked[0].messages)
    expected = []
    with torch.inference_mode():
        for _ in range(6):
            expected.append(int(engine.model(torch.tensor([ids + expected])).logits[0, -1].argmax()))
    [answer] = complete(engine, asked)
    assert answer.text == engine.tokenizer.decode(expected)


def test_a_tiny_top_p_draws_the_likeliest_token_whatever_the_seed(engine: TransformersEngine):
    [greedy] = complete(engine, requests(GREEDY, PROMPTS[1:2]))
    narrow = requests(replace(SAMPLED, top_p=1e-6), PROMPTS[1:2] * 3)
    assert {answer.text for answer in drawn(engine, narrow, [1, 2, 3])} == {greedy.text}


def test_an_answer_cut_at_max_tokens_says_length_and_a_finished_one_stop(engine: TransformersEngine):
    short, long = requests(replace(GREEDY, max_tokens=2), PROMPTS[:1]), requests(replace(GREEDY, max_tokens=200), PROMPTS[:1])
    [cut], [whole] = complete(engine, short), complete(engine, long)
    assert (cut.finish, cut.output_tokens) == ("length", 2)
    assert whole.finish == "stop" and whole.text.startswith(cut.text) and not whole.text.endswith("<|im_end|>")
    ids = engine.tokenizer.encode(whole.text, add_special_tokens=False)
    assert abs(whole.output_tokens - (len(ids) + 1)) <= 2  # text and its end; a text may be cut into tokens in several ways
    # With exactly as many tokens as the answer has, it is finished; with one less, its end is cut off.
    for less, finish in ((0, "stop"), (1, "length")):
        exact = requests(replace(GREEDY, max_tokens=whole.output_tokens - less), PROMPTS[:1])
        [answer] = complete(engine, exact)
        assert (answer.finish, answer.text) == (finish, whole.text)


def test_one_that_ends_early_is_not_filled_by_its_longer_neighbours(engine: TransformersEngine):
    asked = requests(replace(GREEDY, max_tokens=60), ["你好", "写一首长诗"])
    together = complete(engine, asked)
    assert together == alone(engine, asked)
    assert {answer.finish for answer in together} == {"stop", "length"}


def test_prompt_tokens_are_counted_without_padding(engine: TransformersEngine):
    asked = requests(replace(GREEDY, max_tokens=1))
    expected = [len(encode_chat(engine.tokenizer, request.messages)) for request in asked]
    assert [answer.prompt_tokens for answer in complete(engine, asked)] == expected


def test_padding_is_not_penalised_as_repetition(engine: TransformersEngine):
    """A base model without a pad token pads with its end; the penalty must not keep short prompts of a batch from ending."""
    engine.pad = engine.tokenizer.eos_token_id
    engine.tokenizer.chat_template = "{% for m in messages %}{{ m.content }}{% endfor %}"
    asked = requests(replace(GREEDY, max_tokens=40, repetition_penalty=2.0), ["你好", "再见", "很长的一段话，" * 30])
    together = complete(engine, asked)
    assert together == alone(engine, asked)
    assert "stop" in {answer.finish for answer in together}


# -------------------------------------------------------------------------------------------------------- too long to fit


def test_a_prompt_that_does_not_fit_fails_with_the_reason_and_the_others_are_answered(engine: TransformersEngine):
    asked = requests(GREEDY, [PROMPTS[0], "长" * 3000, PROMPTS[1]])
    engine.context = 2000
    first, failed, second = complete(engine, asked)
    assert (failed.finish, failed.output_tokens) == ("failed", 0)
    assert "2000" in failed.text and "context" in failed.text
    assert failed.prompt_tokens > 2000
    assert [first, second] == complete(engine, [asked[0], asked[2]])


def test_a_batch_in_which_nothing_fits_is_all_failed(engine: TransformersEngine):
    engine.context = 10
    for decoding in (GREEDY, Choose(("好", "差"))):
        asked = requests(decoding)
        assert [answer.finish for answer in complete(engine, asked)] == ["failed"] * len(PROMPTS)


def test_a_prompt_leaves_room_for_all_that_a_completion_may_have_or_for_half_of_the_context(engine: TransformersEngine):
    asked = requests(GREEDY, PROMPTS[:1])
    length = len(encode_chat(engine.tokenizer, asked[0].messages))
    assert length > GREEDY.max_tokens
    for context, finish, tokens in ((length + 11, "failed", 0), (length + 12, "stop", 9), (length + 99, "stop", 9)):
        engine.context = context
        [answer] = complete(engine, asked)
        assert (answer.finish, answer.output_tokens) == (finish, tokens)
    endless = requests(replace(GREEDY, max_tokens=9999), PROMPTS[:1])
    for context, finish, tokens in ((2 * length - 2, "failed", 0), (2 * length - 1, "stop", 9)):
        engine.context = context
        [answer] = complete(engine, endless)
        assert (answer.finish, answer.output_tokens) == (finish, tokens)


@pytest.mark.parametrize("decoding", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
def test_a_neighbour_that_fills_the_context_does_not_shorten_the_others(engine: TransformersEngine, decoding: Generate):
    asked = requests(decoding, [PROMPTS[1], "春天来了，" * 30, PROMPTS[0]])
    roomy = complete(engine, asked)
    engine.context = len(encode_chat(engine.tokenizer, asked[1].messages)) + decoding.max_tokens
    assert complete(engine, asked) == roomy == alone(engine, asked)
    assert decoding.max_tokens in {answer.output_tokens for answer in roomy}


# ------------------------------------------------------------------------------------------------------------ cut to fit

SENTENCES = "春天来了。花都开了！" * 40 + "最后一句没有说完"


def shown(text: str, decoding: Generate | Choose, before: str = "写出指令：") -> Request:
    def messages(part: str) -> tuple[Message, ...]:
        return (Message("user", f"{before}{part}。请回答"),)

    return Request(messages(text), decoding, shown=Shown(text, messages))


@pytest.mark.parametrize("decoding", [GREEDY, Choose(("好", "差"))], ids=["generate", "choose"])
def test_a_text_that_does_not_fit_is_cut_at_a_sentence_end_and_asked_as_if_it_ended_there(engine: TransformersEngine, decoding):
    engine.context = 100
    [answer, short] = complete(engine, [shown(SENTENCES, decoding), shown("春天。", decoding)])
    assert answer.finish != "failed" and short.cut is None
    assert 0 < answer.cut < len(SENTENCES) and SENTENCES[answer.cut - 1] in "。！"
    assert answer.prompt_tokens + (12 if decoding == GREEDY else 1) <= 100
    [alone] = complete(engine, [shown(SENTENCES[: answer.cut], decoding)])
    assert replace(answer, logprobs=()) == replace(alone, logprobs=(), cut=answer.cut)
    # Beside another request or alone: where it stands in a batch moves the last digit on some processors.
    assert answer.logprobs == pytest.approx(alone.logprobs, abs=1e-4)


def test_an_instruction_that_leaves_no_room_fails_rather_than_being_cut(engine: TransformersEngine):
    engine.context = 200
    [answer] = complete(engine, [shown("春天来了。", GREEDY, before="长" * 500)])
    assert (answer.finish, answer.cut) == ("failed", None)


# ---------------------------------------------------------------------------------------------------------------- choose


def test_chosen_log_probabilities_are_those_of_a_plain_forward_pass(engine: TransformersEngine):
    words = ("好", "差", "是")
    asked = requests(Choose(words))
    tokens = [single_token(engine.tokenizer, word) for word in words]
    answers = complete(engine, asked)
    for one, other in zip(answers, alone(engine, asked), strict=True):
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4)
    for request, answer in zip(asked, answers, strict=True):
        with torch.inference_mode():
            logits = engine.model(torch.tensor([encode_chat(engine.tokenizer, request.messages)])).logits[0, -1]
        expected = torch.log_softmax(logits.double(), -1)[tokens].tolist()
        assert answer.logprobs == pytest.approx(expected, abs=1e-4)
        assert answer.text == words[expected.index(max(expected))]
        assert (answer.finish, answer.output_tokens) == ("choice", 1)


def test_log_probabilities_are_in_the_order_of_the_words(engine: TransformersEngine):
    [one] = complete(engine, requests(Choose(("好", "差")), PROMPTS[:1]))
    [two] = complete(engine, requests(Choose(("差", "好")), PROMPTS[:1]))
    assert one.logprobs == two.logprobs[::-1]
    assert one.text == two.text


def test_a_verdict_word_of_several_tokens_is_an_error_that_names_it(engine: TransformersEngine):
    with pytest.raises(ValueError, match=r"'非常好的指令' is \d+ tokens"):
        complete(engine, requests(Choose(("好", "非常好的指令")), PROMPTS[:1]))
    with pytest.raises(ValueError, match="'' is 0 tokens"):
        single_token(engine.tokenizer, "")


# ------------------------------------------------------------------------------------------------------------------ draw


def test_draws_have_the_frequencies_of_the_softmax():
    probabilities = torch.tensor([0.5, 0.25, 0.15, 0.1, 0.0])
    draws = 4000
    scores = probabilities.log().expand(draws, -1)
    noisy = SeededDraw([seed_of(Request((Message("user", str(n)),), GREEDY).key("m")) for n in range(draws)], 1, PLAIN, CPU)(
        None, scores
    )
    counts = Counter(noisy.argmax(-1).tolist())
    assert counts[4] == 0
    expected = (probabilities * draws).tolist()[:4]
    chi_square = sum((counts[token] - share) ** 2 / share for token, share in enumerate(expected))
    assert chi_square < 16.27  # 3 degrees of freedom, one in a thousand


def test_successive_draws_of_one_row_have_them_too():
    draw, scores = SeededDraw([7], 3000, PLAIN, CPU), torch.tensor([[0.7, 0.2, 0.1]]).log()
    counts = Counter(int(draw(None, scores).argmax()) for _ in range(3000))
    chi_square = sum((counts[token] - share) ** 2 / share for token, share in enumerate((2100, 600, 300)))
    assert chi_square < 13.82  # 2 degrees of freedom, one in a thousand


def test_a_rows_draws_do_not_depend_on_the_other_rows():
    scores = torch.randn(3, 50, generator=torch.Generator().manual_seed(1))
    together, single = SeededDraw([1, 2, 3], 5, PLAIN, CPU), SeededDraw([2], 7, PLAIN, CPU)
    for _ in range(5):
        assert torch.equal(together(None, scores)[1], single(None, scores[1:2])[0])


@pytest.mark.parametrize("scale", [0.1, 1.0, 4.0, 20.0])  # from nearly even over the vocabulary to nearly certain
@pytest.mark.parametrize("top_p", [0.05, 0.5, 0.95, 0.99, 1.0])
def test_the_nucleus_is_transformers_own(scale: float, top_p: float):
    from transformers import TopPLogitsWarper

    scores = torch.randn(40, 3000, generator=torch.Generator().manual_seed(3)) * scale
    kept = TopPLogitsWarper(top_p)(None, scores) > -torch.inf
    assert torch.equal(nucleus(scores.softmax(-1), top_p) > 0, kept & (scores.softmax(-1) > 0))


def test_draws_are_from_the_nucleus_at_the_temperature():
    scores, decoding = torch.tensor([[0.6, 0.3, 0.06, 0.04]]).log(), replace(PLAIN, temperature=0.5, top_p=0.95)
    draw = SeededDraw([11], 3000, decoding, CPU)
    counts = Counter(int(draw(None, scores).argmax()) for _ in range(3000))
    # Squared by the temperature: 0.36, 0.09, 0.0036, 0.0016 of 0.4552; the first two hold 0.95.
    assert counts[2] == counts[3] == 0
    assert sum((counts[token] - share) ** 2 / share for token, share in ((0, 2400), (1, 600))) < 10.83  # 1 degree of freedom


def test_a_token_ruled_out_stays_ruled_out():
    scores = torch.full((1, 100), float("-inf"))
    scores[0, 42] = -30.0
    assert all(int(SeededDraw([seed], 1, PLAIN, CPU)(None, scores).argmax()) == 42 for seed in range(50))


# --------------------------------------------------------------------------------------------------------------- loading


def test_a_chat_template_from_a_file_takes_the_place_of_the_models_own(base_model: Path, tmp_path: Path):
    file = tmp_path / "template.jinja"
    file.write_text("{% for m in messages %}问：{{ m.content }}\n答：{% endfor %}", encoding="utf-8")
    engine = TransformersEngine(str(base_model), SETTINGS, str(file))
    assert engine.tokenizer.decode(encode_chat(engine.tokenizer, [Message("user", "好<|im_end|>")])) == "问：好<|im_end|>\n答："
    assert engine.ends == [engine.tokenizer.eos_token_id]
    assert next(engine.model.parameters()).dtype == torch.float32
    assert not engine.model.training
    assert set(engine.version()) == {"name", "transformers", "torch"}
