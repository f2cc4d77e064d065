"""How parallel couplets are, and the space of characters that says so."""

from __future__ import annotations

import numpy as np
import pytest

from poet_model import couplets
from poet_model.couplets import LEAST, middle_couplets, parallelism, similarities, vectors_of
from poet_model.couplets.space import FILE
from poet_model.script import to_simplified

SPRING = "國破山河在，城春草木深。感時花濺淚，恨別鳥驚心。烽火連三月，家書抵萬金。白頭搔更短，渾欲不勝簪。"
FAMOUS = {
    "明月松間照，清泉石上流": True,
    "大漠孤煙直，長河落日圓": True,
    "無邊落木蕭蕭下，不盡長江滾滾來": True,
    "身無彩鳳雙飛翼，心有靈犀一點通": True,
    "滄海月明珠有淚，藍田日暖玉生煙": True,
    "白日依山盡，黃河入海流": True,
    "春眠不覺曉，處處聞啼鳥": False,
    "國破山河在，花落知多少": False,
}


@pytest.mark.parametrize("couplet", FAMOUS)
def test_famous_couplets(couplet):
    line, other = couplet.split("，")
    assert (parallelism(line, other) >= LEAST) == FAMOUS[couplet]


def test_it_is_the_mean_of_aligned_pairs_less_that_of_the_others():
    line, other = "明月松間照", "清泉石上流"
    table = vectors_of(line) @ vectors_of(other).T
    others = [table[i, j] for i in range(5) for j in range(5) if i != j]
    assert parallelism(line, other) == pytest.approx(np.mean(table.diagonal()) - np.mean(others), abs=1e-6)
    assert parallelism(other, line) == pytest.approx(parallelism(line, other), abs=1e-6)
    assert parallelism(line, other[::-1]) < parallelism(line, other)  # the same words in other places


def test_what_is_unknown_and_what_is_repeated_is_not_compared():
    table = similarities("風🙂月", "雲風花")
    assert np.isnan(table[1]).all()  # 🙂 is in no poem
    assert np.isnan(table[0, 1]) and not np.isnan(table[0, 0])  # 風 and 風
    assert np.isnan(similarities("風", "🙂")).all()
    known = similarities("風月", "雲花")
    assert similarities("風🙂月", "雲風花")[2, 0] == known[1, 0]


@pytest.mark.parametrize(
    ("line", "other"), [("", ""), ("春", "秋"), ("春風", "秋"), ("🙂🙂", "春風"), ("春春", "春春")]
)
def test_lines_that_cannot_be_compared_have_no_parallelism(line, other):
    assert parallelism(line, other) is None


def test_simplified_characters_are_those_that_they_stand_for():
    assert (vectors_of("風鳥書萬") == vectors_of("风鸟书万")).all()
    full, short = middle_couplets(SPRING), middle_couplets(to_simplified(SPRING))
    assert short[1].similarities == full[1].similarities
    assert short[0].parallelism == full[0].parallelism  # although 泪 is also a variant in verse
    assert short[1].lines == ("烽火连三月", "家书抵万金")


def test_the_middle_couplets_of_a_regular_poem():
    second, third = middle_couplets(SPRING)
    assert (second.name, third.name) == ("頷聯", "頸聯")
    assert second.lines == ("感時花濺淚", "恨別鳥驚心") and second.pairs[2] == "花鳥"
    assert second.is_parallel and second.verdict == ("對仗", "parallel")
    record = third.record()
    assert record["pairs"][3] == ["三萬", third.similarities[3]] and record["is_parallel"] is True
    assert middle_couplets(SPRING.replace("，", " ").replace("。", "\n")) == (second, third)


@pytest.mark.parametrize("text", ["", "春眠不覺曉，處處聞啼鳥。夜來風雨聲，花落知多少。", SPRING + SPRING])
def test_other_forms_have_none(text):
    assert middle_couplets(text) == ()


def test_a_repeated_character_is_a_fault():
    second, third = middle_couplets(SPRING.replace("恨別鳥", "恨別花"))
    assert second.repeated == "花" and not second.is_parallel and third.is_parallel
    assert second.verdict == ("上下句重字「花」", "repeats 花 in its second line")
    assert second.similarities[2] is None


def test_an_unknown_couplet_says_so():
    text = SPRING.replace("感時花濺淚", "龘" * 5)
    (second, _), record = middle_couplets(text), middle_couplets(text)[0].record()
    assert second.parallelism is None and record["parallelism"] is None and not second.is_parallel
    assert str(second).startswith("頷聯 不成對仗 ？ 龘恨")


def test_the_space_is_small_and_whole():
    assert FILE.stat().st_size < 300_000
    with np.load(FILE, allow_pickle=False) as arrays:
        characters, vectors = arrays["characters"].tolist(), arrays["vectors"]
    assert len(set(characters)) == len(characters) == len(vectors) == 6000
    assert vectors.dtype == np.int8 and vectors.any(axis=1).all()
    found = vectors_of(characters)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert set(couplets.__all__) <= vars(couplets).keys()


@pytest.mark.parametrize(("word", "near"), [("三", "萬千一兩百"), ("紅", "白綠青黃碧翠"), ("東", "西南北")])
def test_words_of_a_kind_are_near_to_each_other(word, near):
    """Numbers are set beside numbers, colours beside colours, directions beside directions."""
    others = "馬書愁飛不"
    table = similarities(word, near + others)[0]
    assert table[: len(near)].min() > table[len(near) :].max()
