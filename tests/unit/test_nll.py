"""Held-out losses: against the formula by hand, whatever the batch, the wrapping and the precision; and answers that change places."""

import copy
import random
from collections import Counter
from itertools import pairwise
from math import log
from pathlib import Path

import pytest
import torch

from kun.training import nll
from kun.training.examples import forward, tokenised
from kun.training.nll import Loss, completion_losses, mean_nll, measured, shuffled


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Threads of a small model wait for each other longer than they compute."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def tiny():
    """A random model with a vocabulary of 97."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=97, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=128,
        initializer_range=0.5,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


def examples(count: int, vocabulary: int = 97, longest: int = 60) -> list[dict]:
    """Random examples of very unequal lengths, prompts of one token among them."""
    draw = random.Random(3)
    made = []
    for _ in range(count):
        prompt, answer = (
            [draw.randrange(vocabulary) for _ in range(draw.choice([1, 2, draw.randint(1, longest)]))] for _ in range(2)
        )
        made.append({"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer})
    return made


def by_hand(model, example: dict) -> Loss:
    """The loss of one example alone, token by token, in float64."""
    with torch.no_grad():
        logprobs = model(input_ids=torch.tensor([example["input_ids"]])).logits[0].double().log_softmax(-1)
    scored = [place for place, label in enumerate(example["labels"]) if label != -100 and place]
    return Loss(-sum(float(logprobs[place - 1, example["input_ids"][place]]) for place in scored), len(scored))


def assert_alike(found: list[Loss], expected: list[Loss], within: float = 1e-4) -> None:
    assert [loss.tokens for loss in found] == [loss.tokens for loss in expected]
    assert [loss.nats for loss in found] == pytest.approx([loss.nats for loss in expected], rel=within)


# ---------------------------------------------------------------------------------------------------------------- losses


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_losses_are_those_of_each_example_alone_in_the_examples_order(tiny, batch: int):
    made = examples(20)
    assert_alike(completion_losses(tiny, made, batch), [by_hand(tiny, example) for example in made])


def test_a_real_models_losses_do_not_depend_on_the_batch(base_model: Path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base_model)
    model = AutoModelForCausalLM.from_pretrained(base_model, dtype=torch.float32)
    pairs = [
        {"instruction": "写一首关于春天的诗。" * (1 + place * 3), "output": "春眠不觉晓，處處聞啼鳥。🌸" * (1 + place % 3)}
        for place in range(6)
    ]
    made = tokenised(tokenizer, map(forward, pairs))
    alone = [by_hand(model, example) for example in made]
    assert_alike(completion_losses(model, made, 1), alone)
    assert_alike(completion_losses(model, made, 4), alone)
    assert_alike(completion_losses(model, made[::-1], 6), alone[::-1])


def test_a_completion_in_the_middle_and_one_without_a_prompt_are_scored_where_the_labels_are(tiny):
    made = [
        {"input_ids": [5, 6, 7, 8, 9, 10], "labels": [-100, -100, 7, 8, -100, 10]},
        {"input_ids": [5, 6, 7], "labels": [5, 6, 7]},  # nothing stands before its first token
        {"input_ids": [5, 6, 7], "labels": [-100, -100, -100]},
        {"input_ids": [5], "labels": [5]},
    ]
    found = completion_losses(tiny, made, 8)
    assert_alike(found[:2], [by_hand(tiny, example) for example in made[:2]])
    assert [loss.tokens for loss in found] == [3, 2, 0, 0]
    assert completion_losses(tiny, [], 8) == []


def test_no_more_logits_are_made_than_the_completions_need(tiny, monkeypatch):
    """Memory: over a vocabulary of 150,000, a prompt's logits would be gigabytes."""
    monkeypatch.setattr(nll, "LOGITS", 40 * 97)
    monkeypatch.setattr(nll, "AT_ONCE", 7 * 97)
    shapes = []
    handle = tiny.register_forward_hook(lambda model, inputs, output: shapes.append(output.logits.shape))
    made = [{"input_ids": list(range(60)), "labels": [-100] * 50 + list(range(50, 60))} for _ in range(9)]
    try:
        found = completion_losses(tiny, made, 64)
    finally:
        handle.remove()
    assert [tuple(shape) for shape in shapes] == [(4, 10, 97), (4, 10, 97), (1, 10, 97)]
    assert_alike(found, [by_hand(tiny, example) for example in made])


def test_a_model_that_makes_all_logits_is_read_as_well(tiny):
    class Whole(torch.nn.Module):
        """A model of someone's own, whose forward takes no logits_to_keep."""

        def __init__(self):
            super().__init__()
            self.within, self.config = tiny, tiny.config

        def forward(self, input_ids, attention_mask=None, use_cache=None):
            return self.within(input_ids=input_ids, attention_mask=attention_mask, use_cache=use_cache)

    made = examples(6)
    assert_alike(completion_losses(Whole(), made, 4), completion_losses(tiny, made, 4))


def test_a_model_in_training_is_measured_without_dropout_and_left_as_it_was(tiny):
    model = copy.deepcopy(tiny)
    model.config.attention_dropout = 0.5
    for layer in model.model.layers:
        layer.self_attn.attention_dropout = 0.5
    model.train()
    made = examples(6)
    assert completion_losses(model, made, 4) == completion_losses(model, made, 4)
    assert model.training
    assert_alike(completion_losses(model, made, 4), completion_losses(tiny, made, 4))
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_bfloat16_model_is_read_close_to_its_float32_self(tiny):
    made = examples(12)
    half = copy.deepcopy(tiny).to(torch.bfloat16)
    assert mean_nll(completion_losses(half, made, 4)) == pytest.approx(mean_nll(completion_losses(tiny, made, 4)), rel=0.02)


def test_a_model_with_adapters_is_measured_with_them(tiny):
    peft = pytest.importorskip("peft", reason="LoRA's library is not installed")
    wrapped = peft.get_peft_model(copy.deepcopy(tiny), peft.LoraConfig(task_type="CAUSAL_LM", init_lora_weights=False, r=4))
    made = examples(6)
    found = completion_losses(wrapped, made, 4)
    assert_alike(found, completion_losses(wrapped.merge_and_unload(), made, 4))
    assert mean_nll(found) != pytest.approx(mean_nll(completion_losses(tiny, made, 4)), rel=1e-3)


def test_a_sharded_model_gives_what_the_whole_one_gives(tiny):
    from torch.distributed import HashStore, destroy_process_group, init_process_group
    from torch.distributed.fsdp import fully_shard

    made = examples(10)
    init_process_group("gloo", store=HashStore(), rank=0, world_size=1)
    try:
        model = copy.deepcopy(tiny)
        mesh = torch.distributed.init_device_mesh("cpu", (1,))
        for layer in model.model.layers:
            fully_shard(layer, mesh=mesh)
        fully_shard(model, mesh=mesh)
        assert_alike(completion_losses(model, made, 3), completion_losses(tiny, made, 3))
    finally:
        destroy_process_group()


def test_the_mean_is_over_tokens_and_not_over_pairs():
    assert mean_nll([Loss(1.0, 1), Loss(6.0, 3)]) == pytest.approx(7 / 4)
    assert mean_nll([Loss(1.0, 1), Loss(0.0, 0)]) == 1.0


@pytest.mark.parametrize("losses", [[], [Loss(0.0, 0)], [Loss(float("nan"), 3)], [Loss(1.0, 1), Loss(float("inf"), 2)]])
def test_there_is_no_mean_of_nothing_or_of_what_is_no_number(losses: list[Loss]):
    assert mean_nll(losses) is None


def test_a_model_that_knows_nothing_loses_the_logarithm_of_its_vocabulary(tiny):
    model = copy.deepcopy(tiny)
    torch.nn.init.zeros_(model.lm_head.weight)
    assert mean_nll(completion_losses(model, examples(5), 2)) == pytest.approx(log(97), rel=1e-6)


# -------------------------------------------------------------------------------------------------------------- shuffled


def pair(instruction: str, output: str) -> dict:
    return {"id": instruction + output, "instruction": instruction, "output": output}


def test_every_pair_gets_anothers_output_and_every_output_is_given_once():
    pairs = [pair(f"第{number}条", f"答{number}") for number in range(50)]
    others = shuffled(pairs)
    assert [row["instruction"] for row in others] == [row["instruction"] for row in pairs]
    assert Counter(row["output"] for row in others) == Counter(row["output"] for row in pairs)
    assert all(row["output"] != other["output"] for row, other in zip(pairs, others, strict=True))
    assert sum(int(b) - int(a) == 1 for a, b in pairwise(other["output"][1:] for other in others)) < 10  # no mere shift of the file


def test_equal_outputs_are_not_given_to_each_other_up_to_half_of_the_pairs():
    draw = random.Random(5)
    for same in (2, 3, 5):
        pairs = [pair(f"第{number}条", "是") for number in range(same)] + [
            pair(f"又第{number}条", f"答{number % 3}") for number in range(5)
        ]
        draw.shuffle(pairs)
        others = shuffled(pairs)
        assert all(row["output"] != other["output"] for row, other in zip(pairs, others, strict=True))
        assert Counter(row["output"] for row in others) == Counter(row["output"] for row in pairs)


@pytest.mark.parametrize("outputs", [[], ["一"], ["一", "一"], ["一", "一", "二"]])
def test_where_no_such_exchange_exists_there_is_none(outputs: list[str]):
    assert shuffled([pair(f"第{number}条", output) for number, output in enumerate(outputs)]) is None


def test_two_pairs_change_their_outputs():
    assert [row["output"] for row in shuffled([pair("甲", "一"), pair("乙", "二")])] == ["二", "一"]


def test_who_gets_whose_output_does_not_depend_on_the_order():
    pairs = [pair(f"第{number}条", f"答{number % 20}") for number in range(30)]
    given = {row["instruction"]: row["output"] for row in shuffled(pairs)}
    random.Random(9).shuffle(pairs)
    assert {row["instruction"]: row["output"] for row in shuffled(pairs)} == given


# -------------------------------------------------------------------------------------------------------------- measured


def test_the_gap_is_the_loss_after_another_prompt_minus_that_after_its_own(tiny):
    own = examples(8)
    prompts = [example["labels"].count(-100) for example in own]
    others = [
        {"input_ids": [11, 12, 13, *example["input_ids"][prompt:]], "labels": [-100] * 3 + example["input_ids"][prompt:]}
        for example, prompt in zip(own, prompts, strict=True)
    ]
    found = measured(tiny, own, others, 4)
    true, after = (mean_nll([by_hand(tiny, example) for example in made]) for made in (own, others))
    assert found == {
        "nll": pytest.approx(true, rel=1e-4),
        "shuffled": pytest.approx(after, rel=1e-4),
        "gap": pytest.approx(after - true, abs=1e-3),
        "pairs": 8,
        "tokens": sum(len(example["input_ids"]) for example in own) - sum(prompts),
    }


def test_a_pair_without_a_shuffled_one_is_left_out_of_the_gap_only(tiny):
    own = examples(5)
    found = measured(tiny, own, [None, own[1], own[2], None, own[4]], 2)  # their own again: no gap
    assert found["gap"] == pytest.approx(0, abs=1e-6)
    assert (found["pairs"], found["nll"]) == (5, pytest.approx(mean_nll(completion_losses(tiny, own, 2)), rel=1e-6))


@pytest.mark.parametrize("others", [None, [None, None, None]])
def test_without_shuffled_examples_there_is_no_gap(tiny, others):
    found = measured(tiny, examples(3), others, 2)
    assert (found["shuffled"], found["gap"]) == (None, None)
    assert found["nll"] > 0
