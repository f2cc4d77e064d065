"""Header effects: checked by hand on the tiny model, and shown to exist on the shipped model."""

from __future__ import annotations

import pytest
import torch
from conftest import POEMS, SHIPPED

from poet_model import PoetModel
from poet_model.corpus import PoemRecord
from poet_model.evaluation import header as header_effects
from poet_model.evaluation.perplexity import score

TITLES = ("春曉", "秋月", "寒食", "江雪", "落花", "春雪", "秋雁", "梅花", "楊柳", "夜雨")


@pytest.fixture(scope="module")
def shipped():
    return PoetModel.from_pretrained(SHIPPED)


def test_titles_are_taken_in_order_if_they_are_short_and_known(tokenizer):
    titles = ["月", "春月", "春月", "李白月", "魍魎", "春，月", "春月山河樓千里", "山月"]
    records = [PoemRecord(POEMS[0], title=title) for title in titles]
    assert header_effects.some_titles(records, tokenizer, 9) == ["春月", "李白月", "山月"]
    assert header_effects.some_titles(records, tokenizer, 2) == ["春月", "李白月"]  # at positions 0 and 3/2


def test_a_sample_is_spread_over_all():
    assert header_effects.spread([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 4) == [0, 2, 5, 7]
    assert header_effects.spread([0, 1], 4) == [0, 1] and header_effects.spread([], 4) == []


def test_neighbours_are_the_nearest_by_cosine(tiny_model):
    ids = tiny_model.tokenizer.ids
    with torch.no_grad():
        tiny_model.embedding.weight[ids["山"]] = 5 * tiny_model.embedding.weight[ids["月"]]
        tiny_model.embedding.weight[ids["，"]] = tiny_model.embedding.weight[ids["月"]]
        tiny_model.embedding.weight[ids["河"]] = -tiny_model.embedding.weight[ids["月"]]
    assert header_effects.neighbours(tiny_model, "月", 1) == {"月": {"山"}}  # neither ， nor 月 itself
    many = header_effects.neighbours(tiny_model, ["月", "河"], 30)
    assert len(many["月"]) == 30 and "山" in many["月"] and "河" not in many["月"]


def test_title_effect_counts_poems_and_their_twins(tiny_model):
    effect = header_effects.title_effect(tiny_model, ["春月", "山河"], poems_a_title=3)
    options = {"form": "七絕", "impose_form": False, "num_poems": 3}
    counts = {"with": 0, "without": 0}
    for i, title in enumerate(["春月", "山河"]):
        for name, given in (("with", title), ("without", "")):
            poems = tiny_model.generate(title=given, seed=3 * i, **options)
            counts[name] += sum(bool(set(title) & set(poem.text)) for poem in poems)
    assert (effect["titles"], effect["poems"], effect["form"]) == (2, 6, "七絕")
    for name, count in counts.items():
        assert effect["character"][name].value == round(count / 6, 5)
        assert effect["near"][name].value >= effect["character"][name].value
    gap = effect["character"]["difference"].value
    assert gap == pytest.approx((counts["with"] - counts["without"]) / 6, abs=1e-5)


def test_form_effect_is_of_shares():
    named = [("五絕", "五絕"), ("", "五絕"), ("五絕", "七絕"), ("七律", "七律")]
    effect = header_effects.form_effect(named, ["五絕", "", "", "七絕"])
    assert effect["五絕"]["with"].value == 0.5 and effect["五絕"]["without"].value == 0.25
    assert effect["七絕"]["with"].value == 0 and effect["七律"]["with"].value == 1
    assert effect["五律"]["with"] is None


def test_saved_nats_are_differences_of_scores(tiny_model):
    records = [
        PoemRecord(POEMS[0], title="春", author="李白"),
        PoemRecord(POEMS[1], title="月", author="李白"),
        PoemRecord(POEMS[2], author="李白"),
    ]
    savings = header_effects.saved_nats(tiny_model, records)
    assert savings.keys() == {"title"}  # all have the same author, and none has a form
    bare, true, other = (
        score(tiny_model, [PoemRecord(POEMS[i], title=titles[i]) for i in (0, 1)])
        for titles in (("", ""), ("春", "月"), ("月", "春"))
    )
    assert savings["title"]["true"].value == pytest.approx((bare.nats - true.nats) / bare.tokens, abs=1e-4)
    assert savings["title"]["gap"].value == pytest.approx((other.nats - true.nats) / bare.tokens, abs=1e-4)
    assert savings["title"]["true"].n == 2


def test_others_differ_and_are_drawn_the_same_every_time():
    values = ["a", "a", "b", "a", "c", "a"]
    others = header_effects.other_values(values)
    assert all(one != other for one, other in zip(values, others, strict=True))
    assert set(others) <= set(values) and others == header_effects.other_values(values)


def test_the_shipped_model_writes_about_its_title(shipped):
    effect = header_effects.title_effect(shipped, TITLES, poems_a_title=8)
    assert effect["character"]["difference"].low > 0
    assert effect["near"]["difference"].low > 0


def test_the_shipped_model_keeps_a_form_that_is_named(shipped):
    free = [poem.form for poem in shipped.generate(num_poems=60, seed=0)]
    for form in ("五律", "七律"):
        poems = shipped.generate(form=form, impose_form=False, num_poems=30, seed=0)
        named = [(poem.form, form) for poem in poems]
        effect = header_effects.form_effect(named, free)[form]
        assert effect["with"].low > effect["without"].high + 0.3
