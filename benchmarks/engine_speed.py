"""Speed of asking a language model our way beside what one would write by hand with the same library, the same model and the same prompts.

    python benchmarks/engine_speed.py vllm-label|vllm-score|transformers-label|speculate [--requests N] [--rounds 5] [--threads 2]

vllm-label: label requests through `ask`, a store on disk and our engine, beside `LLM.generate` on ready token ids.
vllm-score: a verdict read from two probabilities, beside the published way: draw up to 64 tokens and look for one in the text.
transformers-label: label requests through `ask`, a store and our engine, beside `model.generate` on ready batches sorted by length.
speculate: greedy polish requests with and without vLLM's n-gram speculation.

The model is loaded once, each way is tried once before it is timed, and then they take turns. Ours includes the requests' keys, encoding,
planning, the journal with its fsync, and decoding; prompts are rendered beforehand for both. Prints a Markdown table, then the figures as
one line of JSON.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from heapq import nsmallest
from itertools import count
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "workflow_scripts"))

import orjson
from corpus_text import texts_of

from kun.books.digests import digest
from kun.completions.ask import ask
from kun.completions.requests import Choose, Completion, Generate, Request, seed_of
from kun.completions.store import Store
from kun.roles.prompt import read_prompt, request_with
from kun.roles.score import verdict
from kun.settings.completions import Engine, Vllm

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "data/demo"
SEED = ROOT / "config/demo/seed.jsonl"
FINGERPRINT = "the same model for all"
DRAWN = Generate(max_tokens=64, temperature=0.5, top_p=0.95, repetition_penalty=1.2)  # as published, but shorter
GREEDY = Generate(max_tokens=256, temperature=0.0, top_p=1.0, repetition_penalty=1.0)
GOOD, BAD = "好", "差"
NEVER = 2**31 - 1  # in place of the end token: the two ways of transformers-label draw other texts, and so do the same work
REQUESTS = {"vllm-label": 512, "vllm-score": 300, "transformers-label": 256, "speculate": 64}
LONGEST = 512  # characters of a text; Kun discards those of more than 512 tokens
GUESSED = 5  # tokens at a step, with speculation


@dataclass
class Way:
    """A way to do the work. It returns how much it did (tokens, instructions), and its answers as texts, in the requests' order."""

    name: str
    work: Callable[[], tuple[int, list[str]]]
    rates: list[float] = field(default_factory=list)  # a second
    answers: list[list[str]] = field(default_factory=list)


def taking_turns(ways: Sequence[Way], rounds: int, before: Callable[[], Any] = lambda: None) -> None:
    """Try each way once, then time all of them `rounds` times in turns. `before` puts the engine back, outside the time."""
    for turn in range(rounds + 1):
        for way in ways:
            before()
            start = time.perf_counter()
            amount, answers = way.work()
            seconds = time.perf_counter() - start
            if turn:
                way.rates.append(amount / seconds)
                way.answers.append(answers)
            print(f"{'round ' + str(turn) if turn else 'warm-up'}: {way.name}: {amount} in {seconds:.2f} s", file=sys.stderr)


# ------------------------------------------------------------------------------------------------------------------- requests


def label_requests(text: list[Path], number: int) -> list[Request]:
    """Of the texts with the smallest digests: all corpora mixed, each once, without those that primary data would not have."""
    prompt = read_prompt(ROOT / "config/prompts/label.jinja", "text")
    fitting = {chosen for chosen in texts_of(text) if len(chosen) <= LONGEST}
    return [request_with(prompt, DRAWN, text=chosen) for chosen in nsmallest(number, fitting, key=digest)]


def pairs(number: int) -> list[dict[str, str]]:
    """The demo's seed pairs, from the first on."""
    return [orjson.loads(line) for line in SEED.read_bytes().splitlines()[:number]]


def score_requests(number: int, decoding: Generate | Choose) -> list[Request]:
    prompt = read_prompt(ROOT / "config/prompts/score.jinja", "instruction")
    return [request_with(prompt, decoding, instruction=pair["instruction"]) for pair in pairs(number)]


def polish_requests(number: int) -> list[Request]:
    prompt = read_prompt(ROOT / "config/prompts/polish.jinja", "text", "instruction")
    return [request_with(prompt, GREEDY, text=pair["output"], instruction=pair["instruction"]) for pair in pairs(number)]


def through_ask(engine: Any, batch: int, requests: Sequence[Request]) -> list[Completion]:
    """Completions through a store that knows nothing, on this machine's disk."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "journal", engine.version())
        records = ((number, [request]) for number, request in enumerate(requests))
        found = [
            completion for _, [completion] in ask(records, FINGERPRINT, store, lambda: engine, batch, "benchmark", len(requests))
        ]
        store.close()
    failed = [completion.text for completion in found if completion.finish == "failed"]
    if failed:
        sys.exit(f"{len(failed)} requests failed: {failed[0]}")
    return found


def tokens_through_ask(engine: Any, batch: int, requests: Sequence[Request]) -> tuple[int, list[str]]:
    found = through_ask(engine, batch, requests)
    return sum(completion.output_tokens for completion in found), [completion.text for completion in found]


# ----------------------------------------------------------------------------------------------------------------------- vLLM


def vllm_engine(arguments: argparse.Namespace, speculate: int = 0) -> Any:
    from kun.completions.vllm_engine import VllmEngine

    return VllmEngine(str(arguments.model), settings_of(arguments, "vllm"), speculate=speculate)


def settings_of(arguments: argparse.Namespace, name: str) -> Engine:
    vllm = Vllm(context=arguments.context, cpu_cache_gigabytes=1, arguments=arguments.vllm_arguments)
    return Engine(name=name, batch=arguments.batch, threads=arguments.threads, dtype=arguments.dtype, vllm=vllm)


def prompts_of(engine: Any, context: int, requests: Iterable[Request]) -> list[list[int]]:
    """The token ids that our engine makes of them."""
    from kun.completions.chat import encode_chat
    from kun.completions.fitting import fitted, room_for_completion

    room = context - room_for_completion(context, DRAWN)
    return [fitted(request, room, lambda messages: encode_chat(engine.tokenizer, messages)).prompt for request in requests]


def generated_by_hand(engine: Any, prompts: list[list[int]], seeds: Iterable[int | None]) -> list[list[int]]:
    """New tokens of each prompt, by vLLM alone."""
    from vllm import SamplingParams

    common = asdict(DRAWN) | {"stop_token_ids": engine.ends, "detokenize": False}
    wanted = [SamplingParams(seed=seed, **common) for _, seed in zip(prompts, seeds, strict=True)]
    outputs = engine.llm.generate([{"prompt_token_ids": prompt} for prompt in prompts], wanted, use_tqdm=False)
    return [list(output.outputs[0].token_ids) for output in outputs]


def vllm_label(arguments: argparse.Namespace) -> dict:
    engine = vllm_engine(arguments)
    requests = label_requests(arguments.text, arguments.requests)
    prompts = prompts_of(engine, engine.context, requests)
    seeds = [seed_of(request.key(FINGERPRINT)) for request in requests]

    def by_hand() -> tuple[int, list[str]]:
        found = generated_by_hand(engine, prompts, seeds)
        return sum(map(len, found)), [str(tokens) for tokens in found]

    ours = Way("ours: ask, store, VllmEngine", lambda: tokens_through_ask(engine, arguments.batch, requests))
    bare = Way("vLLM: LLM.generate on ready token ids", by_hand)
    taking_turns([ours, bare], arguments.rounds, engine.llm.reset_prefix_cache)
    decoded = [engine.tokenizer.decode(json.loads(answer), skip_special_tokens=True) for answer in bare.answers[0]]
    notes = {"answers equal": share(same for same in map(str.__eq__, ours.answers[0], decoded))}
    return result(arguments, [ours, bare], "output tokens/s", 0.95, notes | lengths(prompts))


def vllm_score(arguments: argparse.Namespace) -> dict:
    engine = vllm_engine(arguments)
    requests = score_requests(arguments.requests, Choose((GOOD, BAD)))
    prompts = prompts_of(engine, engine.context, requests)

    def read() -> tuple[int, list[str]]:
        found = through_ask(engine, arguments.batch, requests)
        return len(found), [
            GOOD if verdict(completion.logprobs, (1.0, 0.0))[0] >= 0.5 else BAD
            for completion in found
            if completion.finish == "choice"
        ]

    def drawn() -> tuple[int, list[str]]:
        texts = engine.tokenizer.batch_decode(generated_by_hand(engine, prompts, [None] * len(prompts)), skip_special_tokens=True)
        return len(texts), [verdict for verdict in map(published_verdict, texts) if verdict]

    ways = [Way("ours: two probabilities", read), Way("published: draw and look", drawn)]
    taking_turns(ways, arguments.rounds, engine.llm.reset_prefix_cache)
    shares = {f"verdicts, {way.name}": statistics.median(len(found) / len(requests) for found in way.answers) for way in ways}
    return result(arguments, ways, "instructions/s", 3.0, shares | lengths(prompts))


def published_verdict(text: str) -> str | None:
    """Kun's: good present and bad absent, or the reverse. Both or neither is none."""
    good, bad = GOOD in text, BAD in text
    return None if good == bad else GOOD if good else BAD


# --------------------------------------------------------------------------------------------------------------- transformers


def transformers_label(arguments: argparse.Namespace) -> dict:
    from kun.completions.transformers_engine import TransformersEngine

    engine = TransformersEngine(str(arguments.model), settings_of(arguments, "transformers"))
    engine.ends = [NEVER]
    requests = label_requests(arguments.text, arguments.requests)
    prompts = prompts_of(engine, engine.context, requests)
    turns = count()
    ours = Way("ours: ask, store, TransformersEngine", lambda: tokens_through_ask(engine, arguments.batch, requests))
    bare = Way(
        "transformers: model.generate on ready batches", lambda: sampled_by_hand(engine, prompts, arguments.batch, next(turns))
    )
    taking_turns([ours, bare], arguments.rounds)
    return result(arguments, [ours, bare], "output tokens/s", 0.95, lengths(prompts))


def sampled_by_hand(engine: Any, prompts: list[list[int]], batch: int, seed: int) -> tuple[int, list[str]]:
    """Batches sorted by length, padded on the left, drawn by transformers itself."""
    import torch

    torch.manual_seed(seed)
    ordered = sorted(range(len(prompts)), key=lambda place: len(prompts[place]))
    answers: dict[int, list[int]] = {}
    for first in range(0, len(ordered), batch):
        places = ordered[first : first + batch]
        width = len(prompts[places[-1]])
        ids = torch.tensor([[engine.pad] * (width - len(prompts[place])) + prompts[place] for place in places])
        mask = torch.tensor([[0] * (width - len(prompts[place])) + [1] * len(prompts[place]) for place in places])
        with torch.inference_mode():
            output = engine.model.generate(
                input_ids=ids.to(engine.model.device),
                attention_mask=mask.to(engine.model.device),
                do_sample=True,
                temperature=DRAWN.temperature,
                top_p=DRAWN.top_p,
                top_k=0,
                repetition_penalty=DRAWN.repetition_penalty,
                max_new_tokens=DRAWN.max_tokens,
                eos_token_id=engine.ends,
                pad_token_id=engine.pad,
            )
        for place, row in zip(places, output[:, width:].tolist(), strict=True):
            end = next((position + 1 for position, token in enumerate(row) if token in engine.ends), len(row))
            answers[place] = row[:end]
    return sum(map(len, answers.values())), [str(answers[place]) for place in range(len(prompts))]


# ------------------------------------------------------------------------------------------------------------------ speculate


def speculate(arguments: argparse.Namespace) -> dict:
    """Two processes, each with the model, that take turns: vLLM takes its way of guessing when it is loaded."""
    names = {0: "without speculation", GUESSED: f"n-gram speculation, {GUESSED} tokens"}
    processes = {guessed: started(arguments, guessed) for guessed in names}
    ways = [Way(name, partial(told, processes[guessed])) for guessed, name in names.items()]
    taking_turns(ways, arguments.rounds)
    for process in processes.values():
        process.stdin.close()
        process.wait()
    same = share(one == other for one, other in zip(ways[0].answers[0], ways[1].answers[0], strict=True))
    return result(arguments, ways[::-1], "output tokens/s", None, {"answers equal": same})


def started(arguments: argparse.Namespace, guessed: int) -> subprocess.Popen:
    command = [sys.executable, *sys.argv, "--guessed", str(guessed)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    while (line := process.stdout.readline()) != "ready\n":
        if not line:
            sys.exit(f"vLLM did not start with {guessed} guessed tokens; see above")
    return process


def told(process: subprocess.Popen) -> tuple[int, list[str]]:
    process.stdin.write("go\n")
    process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        sys.exit("vLLM ended before it answered; see above")
    amount, answers = json.loads(line)
    return amount, answers


def speculating(arguments: argparse.Namespace) -> None:
    """One of the two processes."""
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever vLLM prints is no answer
    engine = vllm_engine(arguments, arguments.guessed)
    requests = polish_requests(arguments.requests)
    print("ready", file=answer, flush=True)
    for _ in sys.stdin:
        engine.llm.reset_prefix_cache()
        print(json.dumps(tokens_through_ask(engine, arguments.batch, requests)), file=answer, flush=True)


# --------------------------------------------------------------------------------------------------------------- what is told


def share(whether: Iterable[bool]) -> float:
    found = list(whether)
    return sum(found) / len(found)


def lengths(prompts: list[list[int]]) -> dict[str, float]:
    found = list(map(len, prompts))
    return {"prompt tokens, mean": statistics.mean(found), "prompt tokens, longest": max(found)}


def result(arguments: argparse.Namespace, ways: list[Way], unit: str, goal: float | None, notes: dict[str, float]) -> dict:
    """The figures; the ratio is the first way's to the second's, of medians."""
    medians = [statistics.median(way.rates) for way in ways]
    return {
        "mode": arguments.mode,
        "requests": arguments.requests,
        "rounds": arguments.rounds,
        "threads": arguments.threads,
        "unit": unit,
        "rates": {way.name: [round(rate, 2) for rate in way.rates] for way in ways},
        "ratio": round(medians[0] / medians[1], 3),
        "goal": goal,
        "notes": {name: round(value, 4) for name, value in notes.items()},
    }


def table(figures: dict) -> str:
    rows = [f"| {figures['mode']}, {figures['requests']} requests | {figures['unit']} | slowest–fastest |", "| --- | --- | --- |"]
    for name, rates in figures["rates"].items():
        rows.append(f"| {name} | {statistics.median(rates):,.1f} | {min(rates):,.1f}–{max(rates):,.1f} |")
    rows.append(f"| ratio of the medians | {figures['ratio']:.3f} | {'goal ' + str(figures['goal']) if figures['goal'] else ''} |")
    rows += [f"| {name} | {value:,g} | |" for name, value in figures["notes"].items()]
    return "\n".join(rows)


# ----------------------------------------------------------------------------------------------------------------------- main

MODES = {"vllm-label": vllm_label, "vllm-score": vllm_score, "transformers-label": transformers_label, "speculate": speculate}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mode", choices=MODES)
    parser.add_argument("--model", type=Path, default=DEMO / "models/MiniMind2-Small", help="folder of a model")
    parser.add_argument("--text", type=Path, nargs="+", default=[DEMO / "raw"], help="files of {text} lines, or folders of corpora")
    parser.add_argument("--requests", type=int, help=f"how many; by default {REQUESTS}; scores and polish have at most 600")
    parser.add_argument("--rounds", type=int, default=5, help="timed runs of each way, in turns")
    parser.add_argument("--threads", type=int, default=2, help="of a CPU")
    parser.add_argument("--batch", type=int, default=32, help="requests that transformers computes together")
    parser.add_argument("--dtype", default="auto", help="as engine.dtype")
    parser.add_argument("--context", type=int, default=4096, help="of vLLM: longer texts are cut, for both ways alike")
    parser.add_argument("--vllm-arguments", type=json.loads, default={}, metavar="JSON", help="as engine.vllm.arguments")
    parser.add_argument("--guessed", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.requests = arguments.requests or REQUESTS[arguments.mode]
    if arguments.guessed is not None:
        return speculating(arguments)
    figures = MODES[arguments.mode](arguments)
    print(table(figures))
    print(json.dumps(figures, ensure_ascii=False))


if __name__ == "__main__":
    main()
