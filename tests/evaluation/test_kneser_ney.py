"""The 4-gram judge, compared with the equations of Chen and Goodman written out for one n-gram at a time."""

from __future__ import annotations

from collections import Counter
from math import log

import numpy as np
import pytest
from conftest import POEMS

from poet_model.evaluation import kneser_ney
from poet_model.evaluation.kneser_ney import KneserNey

TEXTS = [*POEMS, *(poem.replace("月", "日").replace("春", "秋") for poem in POEMS), *(p[:12] for p in POEMS)]
END = "$"


class ByHand:
    """The same model with dictionaries, and without any array."""

    def __init__(self, texts, order):
        grams = Counter()
        for text in texts:
            padded = "^" * (order - 1) + text + END
            grams.update(padded[i : i + order] for i in range(len(text) + 1))
        self.counts = {order: grams}
        for length in range(order - 1, 0, -1):
            self.counts[length] = Counter()
            for gram, count in self.counts[length + 1].items():
                self.counts[length][gram[1:]] += count if length > 1 and gram[1] == "^" else 1
        self.size = len(set("".join(texts))) + 2  # the end, and an unknown character

    def discount(self, length, count):
        ones, twos, threes, fours = (
            max(1, sum(c == n for c in self.counts[length].values())) for n in (1, 2, 3, 4)
        )
        y = ones / (ones + 2 * twos)
        if count == 1:
            return min(0.95, max(0, 1 - 2 * y * twos / ones))
        if count == 2:
            return min(1.9, max(0, 2 - 3 * y * threes / twos))
        return min(2.85, max(0, 3 - 4 * y * fours / threes))

    def probability(self, gram):
        if not gram:
            return 1 / self.size
        length, shorter = len(gram), self.probability(gram[1:])
        following = {g: c for g, c in self.counts[length].items() if g[:-1] == gram[:-1]}
        if not following:
            return shorter
        left = sum(self.discount(length, count) for count in following.values())
        count = following.get(gram, 0)
        own = count - self.discount(length, count) if count else 0
        return (own + left * shorter) / sum(following.values())


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_it_is_the_model_of_the_paper(order):
    model, by_hand = KneserNey(TEXTS, order), ByHand(TEXTS, order)
    text = "春眠不覺月，魍入海流。"
    padded = "^" * (order - 1) + text + END
    expected = [log(by_hand.probability(padded[i : i + order])) for i in range(len(text) + 1)]
    assert model.log_probs([text])[0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("context", ["", "春", "春眠", "白日依", "魍", "黃河入海流。"])
def test_the_probabilities_of_all_that_can_follow_add_up_to_one(context):
    model = KneserNey(TEXTS)
    following = sorted({character for text in TEXTS for character in text})
    after = [values[len(context)] for values in model.log_probs([context + c for c in [*following, "魎"]])]
    assert np.exp([*after, model.log_probs([context])[0][-1]]).sum() == pytest.approx(1, abs=1e-5)


def test_a_text_does_not_depend_on_those_beside_it():
    model = KneserNey(TEXTS)
    together = model.log_probs(["春眠", "", POEMS[0]])
    assert [len(values) for values in together] == [3, 1, len(POEMS[0]) + 1]
    for text, values in zip(["春眠", "", POEMS[0]], together, strict=True):
        assert np.array_equal(values, model.log_probs([text])[0])
    assert model.perplexity(POEMS) < model.perplexity([poem[::-1] for poem in POEMS])
    assert np.array_equal(model.log_probs(["春眠"], 2)[0], model.log_probs(["春眠"], order=2)[0])


def test_more_characters_than_ids_are_refused(monkeypatch):
    monkeypatch.setattr(kneser_ney, "BITS", 4)
    with pytest.raises(ValueError, match="at most 13 different characters"):
        KneserNey(POEMS)
