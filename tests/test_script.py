"""Simplified and traditional script, punctuation, and the choice among several traditional forms."""

import pytest
from conftest import POEMS
from hypothesis import example, given, settings
from hypothesis import strategies as st

from poet_model.script import (
    TraditionalScript,
    characterwise,
    fold_punctuation,
    is_hanzi,
    is_only_simplified,
    is_only_traditional,
    to_simplified,
    to_traditional,
)

# most frequent first: 發 before 髮, 雲 before 云, 里 before 裏
SCRIPT = TraditionalScript("，。雲里後發爲白風乾云裏髮后頭坤日夜浮山")


@pytest.mark.parametrize(
    ("given_text", "folded"),
    [
        ("春眠不覺曉,處處聞啼鳥.", "春眠不覺曉，處處聞啼鳥。"),
        ("春眠？夜來！花落；知多少：", "春眠。夜來。花落，知多少，"),
        ("春､眠｡ 夜\u3000來\n花\t落", "春，眠。夜來花落"),
        ("\ufeff春\u200b眠\ufe00\U000e0100\u00ad", "春眠"),
        ("\uf9d1\u2f00", "六一"),  # a compatibility ideograph and a Kangxi radical
    ],
)
def test_punctuation_becomes_that_of_the_corpus(given_text, folded):
    assert fold_punctuation(given_text) == folded


@settings(deadline=None)
@given(st.text())
@example("A´")
@example("A\u200b\u0301")
def test_folding_twice_is_folding_once(text):
    assert fold_punctuation(fold_punctuation(text)) == fold_punctuation(text)


@pytest.mark.parametrize("character", "春〇㐀𠀀𪜀𱍐")
def test_hanzi(character):
    assert is_hanzi(character)


@pytest.mark.parametrize("character", ["，", "。", "a", "1", "の", "한", "😀", "□", "\n", "", "春風"])
def test_no_hanzi(character):
    assert not is_hanzi(character)


def test_conversion_is_by_phrase():
    assert to_simplified("乾坤日夜浮") == "乾坤日夜浮"
    assert to_simplified("衣裳乾") == "衣裳干"
    assert to_traditional("头发白了") == "頭髮白了"


def test_characterwise_is_each_alone():
    assert characterwise(to_simplified, "頭髮乾坤") == list("头发干坤")
    assert characterwise(to_simplified, []) == []


@pytest.mark.parametrize(
    ("simplified", "traditional"),
    [
        ("发", "發"),  # 髮 is rarer
        ("云", "雲"),
        ("里", "里"),  # 裏 is rarer
        ("后", "後"),
        ("头发", "頭發"),
        ("白云为风，", "白雲爲風，"),
        ("乾坤日夜浮云", "乾坤日夜浮雲"),  # 乾坤 is the same in simplified script
    ],
)
def test_a_simplified_character_takes_its_most_frequent_form(simplified, traditional):
    assert SCRIPT.convert(simplified) == traditional


@pytest.mark.parametrize("text", ["雲里云后髮", "雲裏風", "頭云", "乾雲云"])
def test_a_traditional_text_is_left_alone(text):
    assert SCRIPT.convert(text) == text


def test_a_traditional_character_that_is_not_known_shows_the_script_too():
    assert SCRIPT.convert("云為") == "云爲"  # the vocabulary has 爲; 云 is a traditional word too


@pytest.mark.parametrize("text", ["", "a", "😀", "\ufffd", "龘", "春"])
def test_what_has_no_known_form_stays(text):
    assert SCRIPT.convert(text) == text


def test_half_a_character_becomes_one_that_can_be_sent():
    assert SCRIPT.convert("風\ud800a") == "風\ufffda"


def test_variants_are_known_and_most_frequent_first():
    assert SCRIPT.variants("发") == ["發", "髮"]
    assert SCRIPT.variants("髮") == ["發"]
    assert SCRIPT.variants("山") == []
    assert SCRIPT.variants("龘") == []


def test_a_vocabulary_of_poems_gives_them_back_from_simplified():
    script = TraditionalScript("".join(dict.fromkeys("".join(POEMS))))
    for poem in POEMS:
        assert to_simplified(poem) != poem
        assert script.convert(to_simplified(poem)) == poem


def test_signs_of_a_script():
    assert is_only_traditional("風云里山乾，a\ud800") == [True, *[False] * 7]
    assert is_only_simplified("风云里后山却，a\ud800") == [True, *[False] * 8]
    assert is_only_simplified("") == is_only_traditional("") == []
