"""Every keyword stands whole in a line, wherever the rules allow, and an impossible one is refused before."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from conftest import SHIPPED

from poet_model import InvalidValueError, NumpyPoetModel, PoetTokenizer, UnknownCharacterError
from poet_model.config import PoetConfig
from poet_model.generation.form_options import FormOptions
from poet_model.generation.options import GenerationConfig
from poet_model.generation.request import Request
from poet_model.novelty.index import NoveltyIndex
from poet_model.numpy_model import shapes_of
from poet_model.prosody import TEMPLATES, scan
from poet_model.prosody.lines import FORMS
from poet_model.script import to_simplified

WORDS = ["明月 酒", "春風 江南 故人 秋", "山", "青山 雲", "東 東風 風"]


@pytest.fixture(scope="module")
def tokenizer():
    return PoetTokenizer.load(SHIPPED)


@pytest.fixture(scope="module")
def shipped():
    return NumpyPoetModel.from_pretrained(SHIPPED)


@pytest.fixture(scope="module")
def untrained(tokenizer):
    """A model of random weights that knows the 1,500 commonest characters."""
    common = PoetTokenizer(tokenizer.characters[:1500])
    config, rng = PoetConfig(len(common), hidden_size=8, num_layers=1), np.random.default_rng(0)
    weights = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes_of(config).items()}
    return NumpyPoetModel(config, common, weights)


def lines_of(poem) -> list[str]:
    return [line[:-1] for line in poem.lines]


# The guarantee


@pytest.mark.parametrize("is_simplified", [False, True], ids=["traditional", "simplified"])
@pytest.mark.parametrize("rules", [{}, {"rhyme": True}, {"tones": True}, {"tones": "L0", "rhyme": True}])
@pytest.mark.parametrize("form", FORMS)
def test_whatever_the_weights_every_keyword_stands_in_a_line(untrained, form, rules, is_simplified):
    level = {"L0": 0, True: 1}.get(rules.get("tones"), 5)
    for number, words in enumerate(WORDS):
        options = {"template": TEMPLATES[number % 4] if level < 5 else "", "temperature": 1.5, "top_k": 300}
        given = to_simplified(words) if is_simplified else words
        poems = untrained.generate(form=form, keywords=given, num_poems=3, seed=number, **rules, **options)
        for poem in poems:
            report = scan(poem.text)
            assert report.form == form and report.level <= level
            assert all(any(word in line for line in lines_of(poem)) for word in words.split())
            assert "rhyme" not in rules or report.rhyme.status == "平"
            assert "rhyme" not in rules or "重韻" not in {fault.kind for fault in report.faults}


@pytest.mark.parametrize(
    "options",
    [
        {"acrostic": "明月清風"},
        {"telestich": "酒樓人愁", "rhyme": "尤"},
        {"start": "明"},
        {"best_of": 3},
        {"look_ahead": False},
        {"temperature": 0},
        {"top_p": 0.1},
    ],
    ids=str,
)
def test_with_other_options(untrained, options):
    for poem in untrained.generate(keywords="明月 酒", num_poems=4, seed=0, **options):
        assert "明月" in poem.text and "酒" in poem.text and poem.form == "七絕"
        heads, tails = ("".join(line[i] for line in lines_of(poem)) for i in (0, -1))
        assert heads.startswith(options.get("acrostic", "")) and tails.startswith(
            options.get("telestich", "")
        )


def test_a_model_that_deems_a_keyword_impossible_writes_it(untrained):
    weights = {name: np.zeros(shape, np.float32) for name, shape in shapes_of(untrained.config).items()}
    weights["bias"][untrained.tokenizer.ids["明"]] = -1000  # its probability is 0 as a float32
    sure = NumpyPoetModel(untrained.config, untrained.tokenizer, weights)
    assert "明月" in sure.generate(keywords="明月", form="五絕", seed=2).text


def test_a_start_that_holds_a_keyword_fulfils_it(untrained):
    whole = "白日依山盡，黃河入海流。欲窮千里目，更上一層樓"
    options = {"form": "五絕", "seed": 0}
    assert untrained.generate(whole, keywords="黃河 千里", **options).text == whole + "。"
    assert untrained.generate("明月", keywords="明月", **options) == untrained.generate("明月", **options)


# The same seed, and variety


def test_a_batch_has_the_poems_of_single_calls_and_the_stream(untrained):
    options = {"keywords": "明月 酒", "form": "五律", "rhyme": True, "best_of": 2}
    batch = untrained.generate(num_poems=4, seed=20, **options)
    for number, poem in enumerate(batch):
        assert untrained.generate(seed=20 + number, **options).text == poem.text
    assert "".join(untrained.stream(seed=20, **options)) == batch[0].text


def test_places_differ_from_poem_to_poem_and_are_natural(shipped):
    masks, config = shipped.vocabulary_masks, GenerationConfig()
    request = Request.make(masks, config, keywords="明月 長安 酒 秋", form="七律", tones=True, rhyme=True)
    drawn = [request.form_of(np.random.default_rng(seed)).options for seed in range(60)]
    assert len({options.places for options in drawn}) > 50
    for options in drawn:
        places = dict(zip(options.keywords, options.places, strict=True))
        assert len({line for line, _ in places.values()}) == 4  # a line of its own for each
        assert {places[word][1] for word in ("明月", "長安")} <= {0, 2, 4, 5}  # 2+2+3
    assert {line for options in drawn for line, _ in options.places} == set(range(8))


def test_looking_ahead_leads_to_the_keyword(shipped):
    def at_keywords(look_ahead):
        options = {"form": "五絕", "keywords": ["琴"], "look_ahead": look_ahead}
        poems = shipped.generate(num_poems=30, seed=0, **options)
        inside = [p for p in poems if not any(line.startswith("琴") for line in p.lines)]
        return np.mean([poem.log_probs[poem.text.index("琴")] for poem in inside])

    assert at_keywords(look_ahead=True) > at_keywords(look_ahead=False) + 0.3


def test_originality_does_not_leave_a_keyword_without_a_way(untrained):
    index = NoveltyIndex.build([("舉頭望明月，低頭思故鄉。", "靜夜思", "李白")])
    for poem in untrained.generate(form="五絕", keywords="明月", num_poems=30, seed=0, original=index):
        assert "明月" in poem.text and "舉頭望明月" not in poem.text


# How they are written


@pytest.mark.parametrize(
    "given",
    ["明月、酒", "明月 酒", "明月,酒", "明月，酒。", " 明月\n酒 ", "明月/酒", ["明月", "酒"], ("明月", "酒")],
)
def test_in_any_writing(untrained, given):
    expected = untrained.generate(keywords="明月 酒", seed=4)
    assert untrained.generate(keywords=given, seed=4) == expected


def test_part_of_another_is_fulfilled_with_it_and_none_is_none(untrained):
    assert untrained.generate(keywords="月 明月", seed=4) == untrained.generate(keywords="明月", seed=4)
    for none in ("", " ", [], ()):
        assert untrained.generate(keywords=none, seed=4) == untrained.generate(seed=4)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"keywords": "一 二 三 四 五"},
            "keywords must be 1 to 4 words of hanzi, .* got 5: .*; remove some",
        ),
        ({"keywords": "，、"}, "keywords must be 1 to 4 words .* got 0: .*; add some"),
        ({"keywords": "明月 明月"}, "the keyword '明月' is given twice; leave one of them out"),
        ({"keywords": "明a"}, "keywords must be .* got 'a' in '明a'; remove that character"),
        ({"keywords": ["明月", 5]}, r"keywords must be .* as text or as a list, got \['明月', 5\]"),
        ({"keywords": 5}, "keywords must be .* as text or as a list, got 5"),
        (
            {"keywords": "白日依山盡黃", "form": "五律"},
            "the keyword '白日依山盡黃' has 6 characters, and a line of 五律 has 5; use form='七律', or",
        ),
        ({"keywords": "白日依山盡黃河入"}, "has 8 characters, and the longest line has 7; give a shorter"),
        (
            {"keywords": "山山山山", "form": "五絕", "tones": True},
            "the keyword '山山山山' fits no place of 五絕, tones L1; it would work with tones=False or no",
        ),
        (
            {"keywords": "明月", "form": "五絕", "start": "白日依山盡，黃河入海流。欲窮千里目，更上一層樓"},
            "'明月' fits no place of 五絕 after the start '白日.*; it would work with form=",
        ),
        (
            {"keywords": "明月 秋風 黃花", "form": "五絕", "start": "白日依山盡，黃河入海流。欲窮千里目，"},
            "the keywords .* do not fit into 五絕 after the start .* together; it would work with form=",
        ),
        (
            {
                "keywords": "春風",
                "acrostic": "山水人月",
                "telestich": "開山水風",
                "form": "五絕",
                "tones": "L0",
            },
            "it would work with",
        ),
        (
            {
                "keywords": "舉頭望明月",
                "form": "五絕",
                "original": NoveltyIndex.build([("舉頭望明月。", "", "")]),
            },
            "the keyword '舉頭望明月' is not original: it occurs in .*; leave it or original out",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_the_first_character(shipped, options, said):
    with pytest.raises(InvalidValueError, match=said) as caught:
        shipped.stream(**options)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


@pytest.mark.parametrize("word", ["明𪚥", "𪚥"])
def test_an_unknown_character_is_said_to_be_the_keywords(shipped, word):
    with pytest.raises(UnknownCharacterError, match=f"in the keyword {word} is not among") as caught:
        shipped.generate(keywords=["春", word])
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value) and again.source == f"the keyword {word}"


def test_the_nearest_request_does_work(shipped):
    options = {"keywords": "山山山山", "form": "五絕", "tones": True, "seed": 0}
    with pytest.raises(InvalidValueError) as caught:
        shipped.generate(**options)
    assert "tones=False" in str(caught.value)
    assert "山山山山" in shipped.generate(**options | {"tones": False}).text


def test_the_description_names_them():
    options = FormOptions("五絕", keywords=("明月", "酒"), places=((0, 0), (2, 4)))
    assert str(options) == "五絕, keywords 明月 酒" and options.in_chinese == "五絕、詞語「明月、酒」"
    assert options.fixed == {(0, 0): "明", (0, 1): "月", (2, 4): "酒"}
