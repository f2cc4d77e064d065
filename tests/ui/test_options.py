"""The conversion of control values to options of `generate`."""

from __future__ import annotations

import pytest

from poet_model import InvalidValueError
from poet_model.generation.applicable import applicable
from poet_model.novelty.index import NoveltyIndex
from poet_model.ui.options import ANY_FORM, MAX_SEED, options_of

VALUES = {"start": "春", "form": "五絕", "temperature": 0.8, "top_k": 40, "seed": 7}


def test_numbers_between_are_rounded_and_seeds_kept_in_bounds():
    options = options_of(**VALUES | {"top_k": 3.7, "seed": -5, "best_of": 2.2})
    assert (options["top_k"], options["seed"], options["best_of"]) == (4, 0, 2)
    assert options_of(**VALUES | {"seed": 10**400})["seed"] == MAX_SEED


def test_the_options_are_those_of_generate():
    expected = VALUES | {"title": "", "author": "", "acrostic": "", "keywords": ""}
    assert options_of(**VALUES, rules=["tones"], best_of=3) == expected | {
        "rhyme": False,
        "tones": True,
        "parallel": False,
        "best_of": 3,
    }
    any_form = options_of(**VALUES | {"form": f" {ANY_FORM} "}, rules=["tones"], best_of=3)
    assert any_form == expected | {"form": ""}  # without a form, rules and best_of are dropped


def test_an_acrostic_brings_a_form_along():
    options = options_of(**VALUES | {"form": ANY_FORM}, acrostic="春山", rules=["rhyme"])
    assert options["rhyme"] is True and options["tones"] is False and options["best_of"] == 1
    needing = {"rhyme": True, "tones": True, "template": "T1", "parallel": True, "best_of": 2}
    assert applicable(needing | {"telestich": "山月"}) == needing | {"telestich": "山月"}
    assert applicable(needing | {"keywords": "明月"}) == needing | {"keywords": "明月"}
    assert applicable(needing | {"form": "", "seed": 1}) == {"form": "", "seed": 1}


def test_original_is_asked_of_the_index_of_the_page():
    index = NoveltyIndex.build([("春眠不覺曉。", "春曉", "孟浩然")])
    assert options_of(**VALUES, original=True, index=index)["original"] is index
    assert "original" not in options_of(**VALUES, index=index)


@pytest.mark.parametrize("original", [True, "elsewhere", {"path": "x"}])
def test_without_an_index_nobody_looks_for_one(original):
    """The model would look in a folder of the server, and name it."""
    with pytest.raises(InvalidValueError) as caught:
        options_of(**VALUES, original=original)
    assert caught.value.chinese and "/" not in str(caught.value)


@pytest.mark.parametrize("wrong", [{"best_of": True}, {"title": 7}, {"rules": "rhyme"}, {"top_k": None}])
def test_values_of_another_kind_are_refused(wrong):
    with pytest.raises(InvalidValueError) as caught:
        options_of(**VALUES | wrong)
    assert caught.value.chinese
