"""What is cut where a prompt does not fit: the text, at a sentence end, and never the instruction."""

import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from kun.completions.fitting import ENDS, fitted, room_for_completion
from kun.completions.requests import Choose, Generate, Message, Request, Shown

DECODING = Generate(16, 0, 1.0, 1.0)
INSTRUCTION = "指令：概括这段话。"
TEXTS = st.text(st.sampled_from("春眠不觉晓。！？，\n …”a.é\u0301👩\u200d🚀🇨🇳👍🏽１"), max_size=80)


def encode(messages: tuple[Message, ...]) -> list[int]:
    """A tokenizer with two tokens for what lies outside the basic plane, one for every other character."""
    return [ord(character) for message in messages for character in message.content for _ in range(1 + (ord(character) > 0xFFFF))]


def asked(text: str) -> Request:
    def messages(shown: str) -> tuple[Message, ...]:
        return (Message("user", f"已知：{shown}\n{INSTRUCTION}"),)

    return Request(messages(text), DECODING, 0, Shown(text, messages))


FIXED = len(encode(asked("").messages))


def prompt_of(text: str) -> str:
    return asked(text).messages[0].content


@given(TEXTS, st.integers(FIXED, FIXED + 60))
@settings(max_examples=500)
def test_a_prompt_fits_with_a_beginning_of_the_text_and_the_whole_instruction(text: str, room: int):
    fit = fitted(asked(text), room, encode)
    if len(fit.prompt) > room:  # not even the text's first character fits
        first = regex.match(r"\X", text)
        assert fit.cut is None and len(encode(asked(first[0]).messages)) > room
        return
    shown = text if fit.cut is None else text[: fit.cut]
    assert fit.prompt == encode(asked(shown).messages)
    assert (fit.cut is None) == (len(encode(asked(text).messages)) <= room)
    if fit.cut is not None:
        assert 0 < fit.cut < len(text)
        assert fit.cut in {found.end() for found in regex.finditer(r"\X", text)}, "a character of several is taken apart"


@given(TEXTS, st.integers(FIXED + 1, FIXED + 60))
@settings(max_examples=500)
def test_the_cut_is_the_last_sentence_end_that_fits_where_there_is_one(text: str, room: int):
    fit = fitted(asked(text), room, encode)
    whole = {found.end() for found in regex.finditer(r"\X", text)}
    ends = [found.end() for found in ENDS[0].finditer(text) if found.end() < len(text) and found.end() in whole]
    possible = [end for end in ends if len(encode(asked(text[:end]).messages)) <= room]
    if fit.cut is not None and possible:
        assert fit.cut == max(possible)


def test_a_hundred_thousand_characters_without_an_end_are_cut_somewhere_in_few_tries():
    tries = 0

    def counted(messages: tuple[Message, ...]) -> list[int]:
        nonlocal tries
        tries += 1
        return encode(messages)

    fit = fitted(asked("字" * 100_000), 500, counted)
    assert len(fit.prompt) == 500 and fit.cut == 500 - FIXED
    assert tries < 60


def test_an_instruction_that_does_not_fit_is_left_whole_and_too_long():
    fit = fitted(asked("春眠不觉晓。"), FIXED - 1, encode)
    assert len(fit.prompt) > FIXED - 1 and fit.cut is None


def test_a_prompt_that_shows_no_text_is_never_cut():
    request = Request((Message("user", "长" * 100),), DECODING)
    assert len(fitted(request, 50, encode).prompt) == 100


def test_a_completion_gets_what_it_may_use_or_half_of_the_context():
    assert room_for_completion(4096, Generate(1024, 0, 1, 1)) == 1024
    assert room_for_completion(1024, Generate(1024, 0, 1, 1)) == 512
    assert room_for_completion(1024, Choose(("好", "差"))) == 1
