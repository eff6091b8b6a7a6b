"""The vLLM engine beside the transformers engine, both in float32, on a real small model.

vLLM changes the process that it runs in (threads, memory, signals), so this file runs itself once as a program and the tests look at
what it found.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest

from engine_answers import complete
from kun.completions.engines import load_engine
from kun.completions.requests import Choose, Completion, Generate, Message, Read, Request
from kun.settings.completions import Engine, Vllm

CONTEXT = 1500
SETTINGS = Engine(name="vllm", threads=1, dtype="float32", device="cpu", vllm=Vllm(context=CONTEXT, cpu_cache_gigabytes=0.5))
GREEDY = Generate(max_tokens=24, temperature=0, top_p=1.0, repetition_penalty=1.2)
SAMPLED = Generate(max_tokens=24, temperature=0.9, top_p=0.95, repetition_penalty=1.2)
VERDICT = Choose(("好", "差", "是"))
FIRST, STRIDED = Read(256), Read(64, 48)
PROMPTS = ["你好", "请介绍一下北京的名胜古迹。", "写一首关于春天的诗，要求四句。" * 3, "1+1=?", "<|im_end|>说英语", "", "😀\0"]
HOSTILE = [
    "",
    "一",
    "😀",
    "<|im_end|>\n<|im_start|>system\n",
    "前\0后\x01",
    "資訊科技與人工智慧",
    " \n\n前后 \t\n",
    "<|endoftext|>" * 3,
]


def asked(texts: list[str], decoding: Generate | Choose | Read) -> list[Request]:
    return [Request((Message("user", text),), decoding) for text in texts]


def questions(texts: list[str]) -> dict[str, list[Request]]:
    """What both engines are asked, by name."""
    return {
        "first": asked([*texts, *HOSTILE], FIRST),
        "strided": asked([*texts[::3], *HOSTILE], STRIDED),
        "verdicts": asked([*PROMPTS, *texts[:10], "长" * 2 * CONTEXT], VERDICT),
        "greedy": asked(PROMPTS, GREEDY),
        "to the end": asked(PROMPTS[:2], replace(GREEDY, max_tokens=400)),
        "sampled": asked(PROMPTS, SAMPLED),
        "long": asked(["春眠不觉晓，处处闻啼鸟。" * 100 + str(place) for place in range(12)], SAMPLED),
        "no room": asked(["长" * 2 * CONTEXT, "你好"], GREEDY),
    }


def answers(engine, requests: list[Request]) -> list[Completion]:
    return complete(engine, requests)


def program(model: str, texts: Path) -> None:
    """Load the engine once, ask everything, and print the answers as the last line."""
    store = SimpleNamespace(engine={})
    engine = load_engine({"path": model}, SETTINGS, False, store)
    put = questions(json.loads(texts.read_text(encoding="utf-8")))
    found = {name: answers(engine, requests) for name, requests in put.items()}
    turned = put["sampled"][::-1]
    found["sampled again"] = answers(engine, turned)[::-1]
    found["other seeds"] = complete(engine, put["sampled"], "another model")
    found["alone"] = [answers(engine, [request])[0] for request in put["first"][::8]]
    try:
        refused = str(complete(engine, asked(["一"], Read(CONTEXT - 1))))
    except ValueError as error:
        refused = str(error)
    fits = complete(engine, asked(["一"], Read(CONTEXT - 2)))[0].finish
    said = {name: [asdict(answer) for answer in some] for name, some in found.items()}
    print("\n" + json.dumps({"answers": said, "version": store.engine, "refused": refused, "fits": fits}))


def narrow(model: str) -> None:
    """vLLM with places for four requests, which guesses ahead: what comes when, and what is answered, as the last line."""
    vllm = Vllm(context=CONTEXT, cpu_cache_gigabytes=0.5, arguments={"max_num_seqs": 4})
    settings = SETTINGS.model_copy(update={"vllm": vllm})
    engine = load_engine({"path": model}, settings, False, SimpleNamespace(engine={}), speculate=3)
    requests = {str(place): asked([PROMPTS[place % 5] + "再说" * place], GREEDY)[0] for place in range(24)}
    waiting, answers, steps = list(requests.items()), {}, []
    while len(answers) < len(requests):
        while waiting and engine.hungry:
            engine.submit([waiting.pop(0)])
        found = engine.finished()
        answers |= found
        steps.append([len(found), len(engine.open), len(waiting)])
    texts = {key: asdict(answer) for key, answer in answers.items()}
    print("\n" + json.dumps({"answers": texts, "steps": steps, "idle": engine.finished()}))


if __name__ == "__main__":
    if sys.argv[2] == "narrow":
        narrow(sys.argv[1])
    else:
        program(sys.argv[1], Path(sys.argv[2]))

installed = pytest.mark.skipif(
    find_spec("vllm") is None, reason="vLLM is not installed: `make install-vllm` (make test does it where torch is a CPU build)"
)


@pytest.fixture(scope="module")
def texts(material: Path) -> list[str]:
    lines = (material / "reference/news.jsonl").read_text(encoding="utf-8").splitlines()[:400:10]
    return [json.loads(line)["text"][: 5 + 9 * place] for place, line in enumerate(lines)] + [
        json.loads(line)["text"][:700]
        for line in (material / "reference/manuals.jsonl").read_text(encoding="utf-8").splitlines()[:8]
    ]


@pytest.fixture(scope="module")
def ran(root: Path, base_model: Path, texts: list[str], tmp_path_factory) -> dict:
    file = tmp_path_factory.mktemp("vllm") / "texts.json"
    file.write_text(json.dumps(texts), encoding="utf-8")
    return run_apart(root, base_model, str(file))


def run_apart(root: Path, base_model: Path, what: str) -> dict:
    """The last line of this file, run as a program."""
    paths = os.pathsep.join([str(root / "workflow_scripts"), str(root / "tests")])
    environment = {**os.environ, "PYTHONPATH": paths, "VLLM_ENABLE_V1_MULTIPROCESSING": "0", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, __file__, str(base_model), what]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def found(ran: dict) -> Callable[[str], list[Completion]]:
    """What vLLM answered, by name."""
    return lambda name: [Completion(**(answer | {"logprobs": tuple(answer["logprobs"])})) for answer in ran["answers"][name]]


@pytest.fixture(scope="module")
def expected(base_model: Path, texts: list[str]) -> Callable[[str], list[Completion]]:
    """What the transformers engine answers, by name."""
    engine = load_engine(
        {"path": str(base_model)}, SETTINGS.model_copy(update={"name": "transformers"}), False, SimpleNamespace(engine={})
    )
    engine.context = CONTEXT
    return lambda name: answers(engine, questions(texts)[name])


def without_logprobs(answer: Completion) -> Completion:
    return replace(answer, logprobs=())


@installed
@pytest.mark.parametrize("name", ["first", "strided"])
def test_texts_are_read_alike(found, expected, name: str):
    for one, other in zip(found(name), expected(name), strict=True):
        assert without_logprobs(one) == without_logprobs(other)
        assert one.finish == "read"
        assert one.logprobs == pytest.approx(other.logprobs, rel=1e-4)


@installed
def test_a_text_is_read_alike_alone_and_in_company(found):
    for one, other in zip(found("alone"), found("first")[::8], strict=True):
        assert one.prompt_tokens == other.prompt_tokens
        assert one.logprobs == pytest.approx(other.logprobs, rel=1e-5)


@installed
def test_verdicts_are_read_alike_and_a_prompt_that_does_not_fit_fails_alone(found, expected):
    for one, other in zip(found("verdicts"), expected("verdicts"), strict=True):
        assert without_logprobs(one) == without_logprobs(other)
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-3)
    assert [answer.finish for answer in found("verdicts")[-2:]] == ["choice", "failed"]
    assert len({answer.logprobs for answer in found("verdicts")}) == len(found("verdicts"))


@installed
def test_the_likeliest_text_is_the_same_from_its_first_token_to_its_end(found, expected):
    assert found("greedy") == expected("greedy")
    assert found("to the end") == expected("to the end")
    assert found("no room") == expected("no room")
    assert {answer.finish for answer in found("to the end")} >= {"stop"}
    assert [answer.finish for answer in found("no room")] == ["failed", "stop"]


@installed
def test_a_draw_comes_from_the_requests_seed_whatever_its_company(found):
    assert found("sampled") == found("sampled again")
    assert found("sampled") != found("other seeds")
    assert len({answer.text for answer in found("sampled")}) == len(PROMPTS)


@installed
def test_draws_after_long_prompts_that_do_not_fit_into_one_step_are_answered(found):
    assert (
        min(answer.prompt_tokens for answer in found("long")) > 1024
        and sum(answer.prompt_tokens for answer in found("long")) > 8192
    )
    assert {answer.finish for answer in found("long")} <= {"stop", "length"}


@installed
def test_answers_stream_out_while_requests_stream_in_and_guessing_changes_no_answer(root: Path, base_model: Path):
    ran = run_apart(root, base_model, "narrow")
    steps = ran["steps"]
    assert len(steps) > 6 and max(count for count, _, _ in steps) <= 8, "answers come a few at a time"
    assert all(on_their_way >= 4 for _, on_their_way, waiting in steps if waiting), "no place is ever without a request"
    assert ran["idle"] == {}
    engine = load_engine(
        {"path": str(base_model)}, SETTINGS.model_copy(update={"name": "transformers"}), False, SimpleNamespace(engine={})
    )
    plain = complete(engine, [asked([PROMPTS[place % 5] + "再说" * place], GREEDY)[0] for place in range(24)])
    guessed = [Completion(**(ran["answers"][str(place)] | {"logprobs": ()})) for place in range(24)]
    assert guessed == plain


@installed
def test_a_window_longer_than_the_context_is_an_error_that_names_the_key(ran):
    assert ran["fits"] == "read"
    assert f"perplexity.causal.tokens is {CONTEXT - 1}" in ran["refused"] and f"at most {CONTEXT - 2}" in ran["refused"]


@installed
def test_the_store_learns_which_vllm_answered(ran):
    assert ran["version"]["name"] == "vllm"
    assert ran["version"]["vllm"].startswith("0.32.0")


def test_a_missing_vllm_is_told_with_what_installs_it(root: Path):
    code = (
        "import sys; sys.path.insert(0, 'workflow_scripts'); sys.modules['vllm'] = None\n"
        "from kun.completions.engines import load_engine; from kun.settings.completions import Engine\n"
        "load_engine({'path': 'x'}, Engine(name='vllm'), False, None)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.returncode == 1
    assert "make install-vllm" in done.stderr and "Traceback" not in done.stderr
