"""對仗: no character is repeated in a middle couplet, whatever the weights, and couplets become parallel."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import SHIPPED
from untrained import untrained_model

from poet_model import InvalidValueError, NumpyPoetModel, prosody
from poet_model.couplets import MIDDLE, middle_couplets, parallelism
from poet_model.generation import parallel
from poet_model.generation.parallel import Parallelism, ParallelLines
from poet_model.generation.row import Row
from poet_model.novelty.index import plain
from poet_model.prosody.lines import LINE_ENDS, split_lines

RULES = {"tones": True, "rhyme": True}
FORMS = ("五律", "七律")


@pytest.fixture(scope="module")
def shipped():
    return NumpyPoetModel.from_pretrained(SHIPPED)


@pytest.fixture(scope="module")
def untrained():
    return untrained_model()


def assert_nothing_repeated(text: str) -> None:
    """By the definition, in both scripts."""
    lines = [line.rstrip(LINE_ENDS) for line in split_lines(plain(text))]
    for first in MIDDLE:
        assert not set(lines[first]) & set(lines[first + 1]), text


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "options",
    [
        RULES | {"temperature": 2.0, "top_k": 0, "frequency_penalty": 0},
        {"best_of": 3, "rhyme": "東"},
        RULES | {"best_of": 2, "acrostic": "春江潮水連海平明", "top_k": 3},
        {"acrostic": "月山風花雪月山春", "telestich": "山水雲江日月江春", "temperature": 0},
        RULES | {"keywords": ["明月", "月光", "山", "春山"], "best_of": 2, "temperature": 2.0},
        {"impose_form": False, "original": False, "look_ahead": False, "frequency_penalty": 0},
    ],
    ids=str,
)
def test_whatever_the_weights_no_character_returns(untrained, form, options):
    for poem in untrained.generate(form=form, parallel=True, num_poems=8, seed=0, **options):
        assert poem.form == form
        assert_nothing_repeated(poem.text)
        if options.get("tones"):
            assert prosody.scan(poem.text).is_regular


def test_without_the_wish_characters_return(untrained):
    poems = untrained.generate(form="七律", num_poems=30, seed=0, temperature=0.5, frequency_penalty=0)
    assert any(couplet.repeated for poem in poems for couplet in middle_couplets(poem.text))


def test_a_start_may_reach_into_a_couplet(shipped):
    start = "國破山河在，城春草木深。感時花濺淚，恨別鳥"
    poem = shipped.generate(start, form="五律", parallel=True, seed=1)
    assert poem.text.startswith(start)
    assert_nothing_repeated(poem.text)


def test_couplets_become_parallel_and_the_rest_stays(shipped, monkeypatch):
    monkeypatch.setattr(parallel, "CHARACTER_WEIGHT", 6.0)  # so that few poems show it
    options = {"form": "七律", "num_poems": 3, "seed": 0}
    default, led = (shipped.generate(**options, **wish) for wish in ({}, {"parallel": True}))
    means = [
        np.mean([couplet.parallelism for poem in poems for couplet in middle_couplets(poem.text)])
        for poems in (default, led)
    ]
    assert means[0] + 0.05 < means[1]
    assert [poem.lines[:2] for poem in default] == [poem.lines[:2] for poem in led]


def test_a_batch_writes_the_same_poems_as_single_calls(shipped):
    options = {"form": "五律", "parallel": True}
    together = shipped.generate(num_poems=2, seed=4, **options)
    assert [poem.text for poem in together] == [shipped.generate(seed=i, **options).text for i in (4, 5)]


def row_of(text: str) -> Row:
    return Row.begin(None, text)


def test_a_character_gains_what_it_adds_to_the_parallelism(shipped, monkeypatch):
    monkeypatch.setattr(parallel, "CHARACTER_WEIGHT", 2.0)
    masks = shipped.vocabulary_masks
    above, below = "感時花濺淚", "恨別鳥驚心"
    start = f"國破山河在，城春草木深。{above}，"
    total = 0.0
    for place, character in enumerate(below):
        logits = np.zeros((1, len(shipped.tokenizer)), np.float32)
        Parallelism(masks)(logits, [row_of(start + below[:place])])
        total += logits[0, shipped.tokenizer.ids[character]]
    assert total == pytest.approx(2.0 * len(above) * parallelism(above, below), abs=1e-4)


@pytest.mark.parametrize("text", ["", "國破山", "國破山河在，城春", "國破山河在，城春草木深。感時花濺"])
def test_elsewhere_nothing_is_changed(shipped, text):
    logits = np.zeros((1, len(shipped.tokenizer)), np.float32)
    Parallelism(shipped.vocabulary_masks)(logits, [row_of(text)])
    assert not logits.any()
    assert ParallelLines()([row_of(text)]).tolist() == [0]


def test_of_two_lines_the_more_parallel_one_is_preferred():
    start = "國破山河在，城春草木深。感時花濺淚，"
    good, bad = ParallelLines()([row_of(start + "恨別鳥驚心"), row_of(start + "城春草木深")])
    assert good == pytest.approx(parallel.LINE_WEIGHT * parallelism("感時花濺淚", "恨別鳥驚心"))
    assert good > bad + 0.5


@pytest.mark.parametrize(
    "options", [{}, {"form": "五絕"}, {"form": "七言絕句"}, {"acrostic": "春江"}], ids=str
)
def test_other_forms_have_no_middle_couplets(shipped, options):
    with pytest.raises(InvalidValueError, match=r"form with middle couplets, 五律 or 七律") as caught:
        shipped.generate(parallel=True, **options)
    assert "五律" in caught.value.chinese


@pytest.mark.parametrize(
    ("start", "options"),
    [
        ("", {"acrostic": "一二春春五六七八"}),
        ("", {"acrostic": "一二三四五六七八", "telestich": "甲乙丙丁六己庚辛"}),
        ("白日依山盡，黃河入海流。春風千里目，更上春", {}),
        ("白日依山盡，黃河入海流。欲窮千里目，", {"acrostic": "白黃欲千一月山水"}),
        ("白日依山盡，黃河入海流。欲窮千裏目，更上里", {}),
    ],
)
def test_a_character_that_is_given_twice_is_refused(shipped, start, options):
    with pytest.raises(InvalidValueError, match=r"no character twice in a couplet") as caught:
        shipped.generate(start, form="五律", parallel=True, **options)
    assert "重" in caught.value.chinese


@pytest.mark.parametrize("wrong", [1, "yes", None, []])
def test_it_is_true_or_false(shipped, wrong):
    with pytest.raises(InvalidValueError, match="parallel must be True or False"):
        shipped.generate(form="五律", parallel=wrong)
