"""The plan of a training: every pair as often as asked, in an order by content, dealt without loss to any number of processes."""

from collections import Counter
from itertools import chain, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kun.training.steps import dealt, planned_steps

IDS = [f"对{number}" for number in range(50)]


def test_every_pair_is_learnt_once_an_epoch():
    steps = planned_steps(IDS, 3, 8, seed=1)
    places = list(chain(*steps))
    assert [len(step) for step in steps] == [8] * 18 + [6]
    for epoch in range(3):
        assert sorted(places[epoch * 50 : (epoch + 1) * 50]) == list(range(50))
    assert places[:50] != places[50:100]


@pytest.mark.parametrize("epochs, wanted", [(0.5, 25), (1.5, 75), (0.001, 1)])
def test_a_part_of_an_epoch(epochs: float, wanted: int):
    assert sum(map(len, planned_steps(IDS, epochs, 8, seed=1))) == wanted


def test_the_order_goes_by_content_and_not_by_place():
    turned = list(reversed(IDS))
    assert [[IDS[place] for place in step] for step in planned_steps(IDS, 2, 7, 5)] == [
        [turned[place] for place in step] for step in planned_steps(turned, 2, 7, 5)
    ]
    assert planned_steps(IDS, 1, 8, seed=1) != planned_steps(IDS, 1, 8, seed=2)


@given(st.lists(st.integers(1, 600), min_size=1, max_size=40), st.integers(1, 9), st.integers(1, 5))
def test_dealing_loses_nothing_and_keeps_everyone_busy(lengths: list[int], at_once: int, processes: int):
    rounds = dealt(list(range(len(lengths))), lengths, at_once, processes)
    places = [place for round_ in rounds for share in round_ for place in share]
    assert Counter(places) == Counter(range(len(lengths)))
    assert all(len(round_) == processes and round_[0] for round_ in rounds)
    assert all(len(share) <= at_once for round_ in rounds for share in round_)
    for before, after in pairwise(rounds):
        assert min(lengths[place] for share in before for place in share) >= max(
            lengths[place] for share in after for place in share
        )
