"""A requested form is kept with any weights; an impossible request is refused before generation starts."""

from __future__ import annotations

import json

import numpy as np
import pytest
from conftest import ROOT, SHIPPED
from untrained import untrained_model

from poet_model import InvalidValueError, PoetModel, PoetTokenizer, UnknownCharacterError, prosody
from poet_model.generation.form import RegularForm
from poet_model.generation.form_options import FormOptions
from poet_model.generation.masks import VocabularyMasks
from poet_model.prosody.lines import FORMS, SHAPES
from poet_model.prosody.scansion import scan
from poet_model.prosody.templates import L1
from poet_model.script import is_hanzi

POEMS = 80
HEADS = {4: "春夏秋冬", 8: "春江花月夜山水人"}


@pytest.fixture(scope="module")
def tokenizer():
    return PoetTokenizer.load(SHIPPED)


@pytest.fixture(scope="module")
def untrained():
    return untrained_model()


@pytest.fixture(scope="module")
def shipped():
    return PoetModel.from_pretrained(SHIPPED)


def assert_regular(poem, form, heads="", rhyme=None):
    for text in (poem.text, poem.simplified):
        report = scan(text)
        assert report.form == form
        assert report.level <= L1, report
        assert report.rhyme.status == "平", report
        if rhyme:
            assert rhyme in report.rhyme.groups
    assert not {"重韻", "出韻", "未知"} & {fault.kind for fault in scan(poem.text).faults}
    assert "".join(line[0] for line in poem.lines)[: len(heads)] == heads


# The guarantee


@pytest.mark.parametrize("acrostic", [False, True], ids=["", "acrostic"])
@pytest.mark.parametrize("template", prosody.TEMPLATES)
@pytest.mark.parametrize("form", FORMS)
def test_whatever_the_weights_form_rhyme_and_tones_are_kept(untrained, form, template, acrostic):
    heads = HEADS[SHAPES[form][0]] if acrostic else ""
    options = {"tones": True, "template": template, "rhyme": True, "acrostic": heads}
    options |= {"temperature": 1.5, "top_k": 300, "seed": 0}
    poems = untrained.generate(form=form, num_poems=POEMS, **options)
    [course] = [course for course in prosody.templates(form) if course.name == template]
    for poem in poems:
        assert_regular(poem, form, heads)
        for line, number in zip(poem.lines, range(8), strict=False):
            word = prosody.tone_mask(line[-2], is_rhyme=number in course.rhymes)
            masks = (*map(prosody.tone_mask, line[:-2]), word)
            assert any(prosody.fits(masks, pattern) for pattern in course.patterns(number))
    assert len({poem.text for poem in poems}) > POEMS * 0.95


def test_the_model_chooses_among_all_templates(untrained):
    for form in FORMS:
        poems = untrained.generate(
            form=form, tones=True, rhyme=True, num_poems=40, seed=0, temperature=1.5, top_p=1
        )
        assert {scan(poem.text).template for poem in poems} == set(prosody.TEMPLATES)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "settings",
    [
        *({"top_k": 1}, {"temperature": 0}, {"top_p": 0.1}, {"top_k": 3, "temperature": 5}),
        *({"min_p": 0.9}, {"typical_p": 0.01, "distinct_rhymes": True}),
        {"best_of": 3, "mmi_lambda": 1, "min_p": 0.1, "typical_p": 0.5},
    ],
    ids=str,
)
def test_whatever_the_settings_of_sampling(untrained, form, settings):
    for poem in untrained.generate(form=form, tones=True, rhyme=True, num_poems=10, seed=0, **settings):
        assert_regular(poem, form)


@pytest.mark.parametrize("group", [*prosody.all_groups()])
def test_every_group_that_is_let_in_can_rhyme_a_whole_poem(untrained, group):
    for form in ("五絕", "七律"):
        try:
            poems = untrained.generate(form=form, rhyme=group, tones=True, num_poems=5, seed=1, top_k=0)
        except InvalidValueError as error:
            assert "characters in this model's vocabulary" in str(error)
            continue
        for poem in poems:
            assert_regular(poem, form, rhyme=group)


@pytest.mark.parametrize("form", FORMS)
def test_the_shipped_model_keeps_them_too(shipped, form):
    for poem in shipped.generate(form=form, tones=True, rhyme=True, num_poems=20, seed=0):
        assert_regular(poem, form)


@pytest.mark.parametrize(
    ("options", "holds"),
    [
        ({}, lambda report: True),
        ({"tones": True}, lambda report: report.level <= L1),
        ({"rhyme": True}, lambda report: report.rhyme.status == "平"),
        ({"rhyme": "東"}, lambda report: "東" in report.rhyme.groups),
    ],
)
def test_each_option_alone(untrained, options, holds):
    for form in FORMS:
        for poem in untrained.generate(form=form, num_poems=30, seed=0, **options):
            report = scan(poem.text)
            assert report.form == poem.form == form
            assert holds(report)


def test_a_form_need_not_be_imposed(untrained):
    assert any(
        not poem.form for poem in untrained.generate(form="五絕", impose_form=False, num_poems=10, seed=0)
    )


# With other options


@pytest.mark.parametrize(
    "start", ["春", "明月", "春眠不覺", "白日依山盡", "白日依山盡，", "白日依山盡。黃河入海流，欲窮"]
)
def test_a_start_is_kept_and_gets_the_forms_line_ends(shipped, start):
    poem = shipped.generate(start, form="五絕", tones=True, rhyme=True, seed=3)
    bare = [text.replace("，", "").replace("。", "") for text in (poem.text, start)]
    assert bare[0].startswith(bare[1])
    assert_regular(poem, "五絕")


def test_all_options_together_in_a_batch_and_streamed(shipped):
    options = {
        "form": "七律",
        "tones": True,
        "rhyme": "真",
        "acrostic": "春江花月",
        "title": "春江",
        "author": "李白",
    }
    options |= {"temperature": 0.9, "top_k": 80}
    poems = shipped.generate("春", num_poems=3, seed=5, **options)
    for number, poem in enumerate(poems):
        assert_regular(poem, "七律", "春江花月", "真")
        alone = shipped.generate("春", seed=5 + number, **options)
        assert alone.text == poem.text and len(poem.log_probs) == len(poem.text)
        # some processors round the products of one poem and of several differently
        assert alone.log_probs == pytest.approx(poem.log_probs, abs=1e-4)
        assert "".join(shipped.stream("春", seed=5 + number, **options)) == poem.text


def test_simplified_options_are_understood(shipped):
    poem = shipped.generate(acrostic="云梦风华", form="五绝", rhyme="上平一东", tones=True, seed=0)
    assert_regular(poem, "五絕", "雲夢風華", "東")


def test_a_character_whose_tone_nobody_knows_fits_anywhere_if_it_is_asked_for(shipped):
    unknown = [c for c in shipped.tokenizer.characters if is_hanzi(c) and not prosody.tone_mask(c)]
    assert unknown
    for character in unknown[:3]:
        for options in ({"acrostic": character + "春"}, {"start": character}, {"start": "春" + character}):
            poem = shipped.generate(form="五絕", tones=True, rhyme=True, seed=0, **options)
            assert character in poem.text and scan(poem.text).level <= L1
        others = set(poem.text) - {character}
        assert not others & set(unknown)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("level", [0, 1, 2])
def test_each_level_of_tones(untrained, form, level):
    poems = untrained.generate(
        form=form, tones=f"L{level}", rhyme=True, num_poems=60, seed=0, temperature=1.5, top_k=300
    )
    reports = [scan(poem.text) for poem in poems]
    assert all(report.level <= level and report.rhyme.status == "平" for report in reports)
    assert any(report.level == level for report in reports)  # the freedom of the level is used


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("heads", ["", "明月"])
@pytest.mark.parametrize("tails", ["盡流目樓", "事愁", "秋流月樓"])
def test_the_tails_that_are_asked_for_end_the_lines(untrained, form, heads, tails):
    options = {"telestich": tails, "acrostic": heads, "temperature": 1.5, "top_k": 300}
    for poem in untrained.generate(form=form, tones=True, rhyme=True, num_poems=25, seed=0, **options):
        assert_regular(poem, form, heads, "尤")
        assert "".join(line[-2] for line in poem.lines)[: len(tails)] == tails


def test_tails_without_rhyme_and_tones_may_be_anything(untrained):
    for poem in untrained.generate(form="七絕", telestich="月月月月", num_poems=5, seed=0):
        assert [line[-2] for line in poem.lines] == ["月"] * 4


def test_a_candidate_is_as_regular_as_the_only_one(untrained, shipped):
    for model, number in ((untrained, 12), (shipped, 3)):
        for form in FORMS:
            options = {"tones": True, "rhyme": True, "best_of": 4, "acrostic": "春夏", "seed": 0}
            for poem in model.generate(form=form, num_poems=number, **options):
                assert_regular(poem, form, "春夏")


def test_the_form_follows_from_the_heads(shipped):
    assert shipped.generate(acrostic="山水", seed=0).form == "七絕"
    assert shipped.generate(acrostic="山水有清音", seed=0).form == "七律"


# Impossible requests


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"acrostic": "春"},
            "acrostic must be 2 to 8 hanzi, .*, got 1: '春'; add one, or use start instead",
        ),
        ({"acrostic": "春夏秋冬東西南北中"}, "acrostic must be 2 to 8 hanzi, .* got 9: .*; remove some"),
        (
            {"rythm": True},
            "no generation option 'rythm'; did you mean rhyme. the options are start, num_poems, form, ",
        ),
        ({"num_poem": 3}, "no generation option 'num_poem'; did you mean num_poems. "),
        ({"form": "五絕", "rhyme": "一董"}, "a group of 平水韻 in a level tone"),
        ({"acrostic": "春a夏"}, "acrostic must be 2 to 8 hanzi"),
        ({"acrostic": "ab"}, "acrostic must be 2 to 8 hanzi"),
        ({"acrostic": 5}, "acrostic must be text, got 5"),
        (
            {"form": "五絕", "acrostic": "東西南北中"},
            "a 五絕 has 4 lines, .* has 5 characters; use form='五律'",
        ),
        (
            {"acrostic": "春夏", "start": "秋"},
            "must begin with the first character of the acrostic, '春'; let it begin with that character, or "
            "leave the start out",
        ),
        ({"rhyme": True}, "tones and rhyme need a form; give form, one of 五絕"),
        (
            {"form": "五絕", "rhyme": "江南"},
            "rhyme must be True or a group of 平水韻 .*; rhyme can be one of 支",
        ),
        ({"form": "五絕", "rhyme": "月"}, "rhyme must be True or a group of 平水韻 .*; rhyme can be one of"),
        (
            {"form": "五絕", "rhyme": "二東"},
            "rhyme must be True or a group of 平水韻 .*; rhyme can be one of",
        ),
        ({"form": "五絕", "rhyme": "春"}, "got '春'; 春 rhymes in 真; rhyme can be one of"),
        (
            {"form": "五絕", "rhyme": ["東"]},
            r"rhyme must be True or a group of 平水韻 such as 東, got \['東'\]",
        ),
        (
            {"form": "五絕", "tones": "L9"},
            """tones must be True .*, or one of "L0", "L1", "L2" .* got 'L9'""",
        ),
        ({"form": "五絕", "tones": 1}, "tones must be True .* got 1"),
        (
            {"form": "五絕", "tones": True, "template": "T5"},
            "template must be one of T1 T2 T3 T4 .* got 'T5'",
        ),
        ({"form": "五絕", "template": "T1"}, "and needs tones; got 'T1' and tones=False"),
        (
            {"form": "五絕", "tones": True, "template": "T1", "start": "清泉石上流"},
            'does not fit 五絕, tones L1 T1 at character .*; it would work with template="" or tones=False',
        ),
        (
            {"form": "五絕", "tones": True, "start": "明月松間照，清泉石上流。月月"},
            "does not fit 五絕, tones L1 at character 14, '月'; "
            "'明月松間照，清泉石上流。月' would fit; it would work with tones=False",
        ),
        ({"form": "五絕", "start": "春眠不覺曉處，處"}, "does not fit 五絕 at character 6"),
        (
            {"form": "五絕", "rhyme": "東", "start": "白日依山盡，黃河入海流"},
            "does not fit 五絕, rhyme at character 11",
        ),
        ({"form": "五絕", "start": "春" * 21}, "does not fit 五絕 at character"),
        # the nearest request that would work
        ({"form": "五絕", "tones": "L0", "start": "月"}, None),
        (
            {"form": "五絕", "tones": "L0", "start": "月明"},
            "L0 at .* '月' would fit; it would work with tones=True or ",
        ),
        (
            {"form": "五絕", "tones": True, "start": "千山鳥飛絕"},
            'it would work with tones="L2" or tones=False',
        ),
        (
            {"form": "七絕", "tones": True, "rhyme": True, "start": "白日依山盡，"},
            "it would work with form='五絕'",
        ),
        (
            {"form": "五絕", "rhyme": "東", "start": "白日依山盡，黃河入海流"},
            "'流'; '白日依山盡，黃河入海' would fit; it would work with rhyme=True or rhyme=False",
        ),
        (
            {"form": "五絕", "rhyme": True, "start": "白日依山盡，黃河入海月"},
            "does not fit 五絕, rhyme .* it would work with rhyme=False",
        ),
        # tails
        (
            {"form": "五絕", "rhyme": True, "telestich": "盡流目人"},
            "'人' of line 4 does not rhyme with 流; give a character such as .*; "
            "it would work with rhyme=False",
        ),
        (
            {"form": "五絕", "rhyme": "東", "telestich": "盡流"},
            "'流' of line 2 does not rhyme in 東; give a character such as 風 中",
        ),
        (
            {"form": "五絕", "rhyme": "尤", "telestich": "春人"},  # 不 is 尤 too, but only as 否
            "'人' of line 2 does not rhyme in 尤; give a character such as 秋 流 ",
        ),
        (
            {"form": "五絕", "rhyme": True, "telestich": "盡流目流"},
            r"'流' of line 4 is already the rhyme word of an earlier line \(重韻\)",
        ),
        (
            {"form": "五絕", "tones": True, "telestich": "盡月"},
            "tones L1, tails 盡月 is impossible: no template has a line 2 with 月 仄; "
            "it would work with tones=False",
        ),
        (
            {"form": "五絕", "tones": True, "rhyme": True, "telestich": "春風日中"},
            "no template has a line 1 with 春 平 that rhymes with the others, or ends in 仄; it would work "
            "with rhyme=False",
        ),
        ({"form": "五絕", "tones": True, "telestich": "盡流樓"}, "no template has a line 3 with 樓 平"),
        ({"telestich": "a1"}, "telestich must be 2 to 8 hanzi"),
        # candidates, originality
        ({"best_of": 4}, "best_of needs an imposed form, .* the same length; give form"),
        ({"form": "五絕", "best_of": 0}, "best_of must be a whole number from 1 to 64, got 0"),
        ({"form": "五絕", "best_of": 2.0}, "best_of must be a whole number from 1 to 64"),
        ({"original": "yes"}, "original must be True, False or a NoveltyIndex, got 'yes'"),
        ({"title": "春" * 400}, "the title has 400 characters; at most 40 fit: shorten it"),
        ({"author": "李" * 41}, "the author has 41 characters; at most 40 fit"),
    ],
)
def test_what_cannot_be_is_refused_before_the_first_character(shipped, options, said):
    if said is None:  # this request is possible
        assert shipped.generate(**options)
        return
    with pytest.raises(InvalidValueError, match=said):
        shipped.stream(**options)


def test_an_unknown_head_gets_advice(shipped):
    with pytest.raises(UnknownCharacterError, match="try one of these"):
        shipped.generate(acrostic="春𪚥", form="五絕")


def test_too_small_a_vocabulary_cannot_rhyme_and_says_so():
    small = PoetTokenizer("，。春花秋月五七絕律")
    with pytest.raises(InvalidValueError, match="has no group of 平水韻 with 20 characters"):
        RegularForm(VocabularyMasks(small), FormOptions("五絕", rhyme=True))
    with pytest.raises(InvalidValueError, match="the vocabulary has no ，, so lines cannot end"):
        RegularForm(VocabularyMasks(PoetTokenizer("。春花秋月五七絕律")), FormOptions("五絕"))


def test_the_patterns_of_all_templates_can_be_written_to_their_end(tokenizer):
    """There is no dead end: after every allowed character, some next character is allowed."""
    rules = RegularForm(VocabularyMasks(tokenizer), FormOptions("五律", level=L1, rhyme=True))
    rng = np.random.default_rng(0)
    for _ in range(100):
        text = ""
        while True:
            row = rng.random(len(tokenizer)) + rules.mask(rules.state_of(text))
            assert np.isfinite(row).any(), text
            token = tokenizer.tokens[row.argmax()]
            if token == "<eos>":
                break
            text += token
            assert rules.state_of(text) is not None  # the mask and the automaton agree
        assert len(text) == 48


def test_the_mask_allows_exactly_what_the_automaton_takes(tokenizer):
    rules = RegularForm(VocabularyMasks(tokenizer), FormOptions("五絕", level=L1, rhyme=True))
    for text in ("", "白日依山", "白日依山盡，黃河入海", "白日依山盡，黃河入海流。欲窮千里目，更上一層"):
        mask = rules.mask(rules.state_of(text))
        assert mask.dtype == np.float32 and set(np.unique(mask)) <= {0, -np.inf}
        for token, allowed in zip(tokenizer.tokens, np.isfinite(mask).tolist(), strict=True):
            assert allowed == (len(token) == 1 and rules.state_of(text + token) is not None), (text, token)


def test_looking_ahead_leads_to_the_rhyme(shipped):
    """With look_ahead, the rhyme words are likelier under the model itself.

    The gain is 0.25 nats in benchmarks/results/constraints.json, and more for models that rhyme less well.
    """

    def at_rhyme_words(look_ahead):
        options = {"form": "七律", "tones": True, "rhyme": True, "look_ahead": look_ahead}
        poems = shipped.generate(num_poems=60, seed=0, **options)
        found = [poem.log_probs[i - 1] for poem in poems for i, c in enumerate(poem.text) if c == "。"]
        return sum(found) / len(found)

    assert at_rhyme_words(look_ahead=True) > at_rhyme_words(look_ahead=False) + 0.1


def test_the_committed_figures_reach_their_bars():
    """The numbers were measured by benchmarks/constraints.py with the shipped model, 200 poems each."""
    record = json.loads((ROOT / "benchmarks/results/constraints.json").read_text(encoding="utf-8"))
    assert set(record["forms"]) == set(FORMS)
    assert record["forms"]["七律"]["seconds_alone_best_of_8"] < 1.5
    assert record["forms"]["五絕"]["seconds_alone_best_of_8"] < 0.4
    for found in record["forms"].values():
        assert max(found["masks_alone"], found["masks_alone_best_of_8"]) < 0.05
        both = found["tones and rhyme"]
        assert both["poems"] == both["form"] == both["L1"] == both["rhyme"] == 200
        assert both["mean"] > found["form alone"]["mean"] - 0.35
        assert both["rhyme_words"] > found["real poems"]["rhyme_words"] - 0.8
