"""The classifier finds differences that are there, none that are not, and cannot learn the poems by heart."""

from __future__ import annotations

import numpy as np
import pytest

from poet_model import prosody
from poet_model.corpus import load_corpus
from poet_model.evaluation.cooccurrence import CoOccurrence, pairs_of_places
from poet_model.evaluation.discriminator import auc, cross_validated, real_beside_real, told_apart
from poet_model.evaluation.features import PoemFeatures
from poet_model.prosody.lines import FORMS, LINE_ENDS


@pytest.fixture(scope="module")
def splits():
    splits = load_corpus("tang").splits
    return [poem.text for poem in splits["train"][:1500]], [
        poem.text for poem in splits["test"] if poem.form
    ][:400]


@pytest.fixture(scope="module")
def features(splits):
    return PoemFeatures(splits[0])


def with_lines_of_others(texts):
    """The same lines in other poems: every couplet is from another poem of the form."""
    mixed = []
    for form in FORMS:
        group = [text for text in texts if prosody.form_of(text) == form]
        size = len(group[0]) // prosody.SHAPES[form][0] * 2
        for i in range(len(group)):
            parts = [
                group[(i + 7 * j) % len(group)][start : start + size]
                for j, start in enumerate(range(0, len(group[0]), size))
            ]
            mixed.append(("".join(parts), form))
    return mixed


def test_real_poems_cannot_be_told_from_real_ones(features, splits):
    control = real_beside_real(features, splits[1])
    assert control.low < 0.5 < control.high and control.n > 300


def test_wandering_and_scrambled_poems_are_told_from_real_ones(features, splits):
    real = splits[1]
    wandering = told_apart(features, real[::2], with_lines_of_others(real[1::2]))
    assert wandering.low > 0.55  # each line is real
    rng = np.random.default_rng(0)
    scrambled = []
    for text in real[1::2]:
        hanzi = rng.permutation([c for c in text if c not in LINE_ENDS]).tolist()
        text = "".join(c if c in LINE_ENDS else hanzi.pop() for c in text)
        scrambled.append((text, prosody.form_of(text)))
    assert told_apart(features, real[::2], scrambled).low > 0.95


def test_poems_of_another_form_than_asked_are_not_compared(features, splits):
    wrong = [(text, "五絕") for text in splits[1] if prosody.form_of(text) == "七律"]
    assert told_apart(features, splits[1], wrong) is None


def test_shuffled_labels_teach_nothing():
    rng = np.random.default_rng(5)
    values = rng.normal(size=(600, 40))
    labels = rng.permutation(np.arange(600) % 2).astype(float)
    scores = cross_validated(values, labels, np.arange(600))
    assert auc(scores[labels == 0], scores[labels == 1]).value == pytest.approx(0.5, abs=0.08)
    values[:, 3] += labels
    scores = cross_validated(values, labels, np.arange(600))
    assert auc(scores[labels == 0], scores[labels == 1]).low > 0.65


def test_copies_are_in_one_fold():
    """Ten copies of each row with the label of the row: nothing else could be learned from."""
    rng = np.random.default_rng(5)
    values = np.repeat(rng.normal(size=(60, 200)), 10, axis=0)
    labels = np.repeat(rng.permutation(np.arange(60) % 2).astype(float), 10)
    apart = cross_validated(values, labels, np.arange(600))
    together = cross_validated(values, labels, np.repeat(np.arange(60), 10))
    assert auc(apart[labels == 0], apart[labels == 1]).value > 0.99
    assert auc(together[labels == 0], together[labels == 1]).value < 0.7


def test_auc_counts_pairs():
    estimate = auc(np.array([1.0, 2.0, 4.0]), np.array([2.0, 3.0, 5.0]))
    assert estimate.value == round((1 + 0.5 + 0 + 1 + 1 + 0 + 1 + 1 + 1) / 9, 5) and estimate.n == 6
    assert estimate.low < estimate.value < estimate.high <= 1
    # DeLong: the variances of (1.5, 2, 3) / 3 and of (3, 2.5, 1) / 3, each by three
    half = 1.959964 * np.sqrt(np.var([0.5, 2 / 3, 1], ddof=1) / 3 + np.var([1, 5 / 6, 1 / 3], ddof=1) / 3)
    assert estimate.low == pytest.approx(estimate.value - half, abs=1e-4)
    assert auc(np.zeros(3), np.ones(3)).value == 1 and auc(np.ones(3), np.zeros(3)).value == 0


def test_pairs_of_places_are_aligned_in_a_couplet_or_far():
    pairs = pairs_of_places("五絕")
    assert {kind: len(first) for kind, (first, _) in pairs.items()} == {
        "aligned": 10,
        "couplet": 40,
        "far": 100,
    }
    assert (pairs["aligned"][0][0], pairs["aligned"][1][0]) == (0, 5)
    assert (pairs["far"][0] < 10).all() and (pairs["far"][1] >= 10).all()


def test_characters_that_stand_together_have_information():
    texts = [
        "山山山山山，水水水水水。花花花花花，鳥鳥鳥鳥鳥。",
        "雲雲雲雲雲，日日日日日。風風風風風，月月月月月。",
    ] * 20
    table = CoOccurrence(texts)
    own, other = (
        table.information([text], "五絕")
        for text in (texts[0], "山山山山山，日日日日日。風風風風風，魍魍魍魍魍。")
    )
    assert own["aligned"].min() > 1 and own["far"].min() > 0.5
    assert other["aligned"][0, :5].max() < -1  # 山日
    assert (other["aligned"][0, 5:] == 0).all()  # with a character that was not counted
