"""Each metric of a set of poems, counted by hand on a few short poems."""

from __future__ import annotations

import pytest
from conftest import POEMS

from poet_model import prosody
from poet_model.couplets import middle_couplets
from poet_model.evaluation import metrics
from poet_model.novelty.index import NoveltyIndex
from poet_model.prosody.lines import FORMS

NIGHT, DAWN, TOWER, YANGZHOU = POEMS
TWICE = "白日依山盡，黃河入海流。欲窮千里目，更上一層流。"  # 重韻
SPRING = "國破山河在，城春草木深。感時花濺淚，恨別鳥驚心。烽火連三月，家書抵萬金。白頭搔更短，渾欲不勝簪。"
SHORT = "白日依山盡，黃河入海流。"  # no form
ASKED = [(TOWER, "五絕"), (TWICE, "五絕"), (DAWN, "五絕"), (YANGZHOU, "五絕"), (SHORT, "五絕")]


@pytest.fixture(scope="module")
def results():
    index = NoveltyIndex.build([(TOWER, "登鸛雀樓", "王之渙")])
    return metrics.estimates(ASKED, index)


def value(results, name):
    return results[name].value


def test_structure_rhyme_and_tones_are_shares_of_all_poems(results):
    assert results["structure"].n == 5
    assert value(results, "structure") == 0.6  # one poem has another form, and one has none
    # 流樓, 流流 and 州流 rhyme in 平; 鳥少 is 仄; the short poem has no form and therefore no rhyme
    assert value(results, "rhyme") == 0.6
    # TOWER and TWICE are L1; YANGZHOU begins with 故人西辭, with 平 in the second and the fourth place
    assert value(results, "tones_L1") == value(results, "tones_L2") == value(results, "tones_L3") == 0.4


def test_rigid_places_are_a_mean_over_poems_with_a_form():
    only = metrics.estimates([(TOWER, "五絕")])
    assert value(only, "rigid") == 1 and only["rigid"].n == 1
    # 天 is 平 where 日 is 仄, at one of twelve rigid places
    wrong = metrics.estimates([(TOWER.replace("日", "天"), "五絕"), (SHORT, "五絕")])
    assert value(wrong, "rigid") == pytest.approx(11 / 12, abs=1e-5) and wrong["rigid"].n == 1


def test_double_rhyme_counts_poems_with_a_form(results):
    assert value(results, "double_rhyme") == 0.25 and results["double_rhyme"].n == 4


def test_couplets_are_those_in_the_middle_of_eight_lines():
    again = SPRING.replace("恨別鳥", "恨別花")
    results = metrics.estimates([(SPRING, "五律"), (again, "五律"), (TOWER, "五絕")])
    scores = [couplet.parallelism for text in (SPRING, again) for couplet in middle_couplets(text)]
    assert value(results, "parallelism") == pytest.approx(sum(scores) / 4, abs=1e-5)
    assert value(results, "couplet_repeats") == 0.25
    assert results["parallelism"].n == results["couplet_repeats"].n == 2  # poems
    assert not {"parallelism", "couplet_repeats"} & metrics.estimates([(TOWER, "五絕")]).keys()


def test_repeated_hanzi(results):
    assert value(results, "repeats") == 0.4  # 流 in TWICE, 處 in DAWN
    assert value(results, "repeats_a_poem") == 0.4
    one = metrics.estimates([(NIGHT, "五絕")])
    assert value(one, "repeats_a_poem") == 2  # 月 and 頭


def test_repeated_bigrams_stay_within_lines():
    assert metrics.repeated_bigrams("明月明月明，月明。") == (3, 5)  # 明月 月明 明月 月明 | 月明
    assert metrics.repeated_bigrams(TOWER) == (0, 16)
    both = metrics.estimates([("明月明月明，月明。", "五絕"), (TOWER, "五絕")])
    assert value(both, "self_repetition") == round(3 / 21, 5)


def test_distinct_counts_groups_of_two_hundred():
    assert metrics.distinct([(TOWER, "五絕")] * 199, 1) is None
    one = metrics.distinct([(TOWER, "五絕")] * 399, 1)  # 20 hanzi, ， 。 and one line break, in 25 characters
    assert one == (23 / 5000, None, None, 1)
    two = metrics.distinct([(TOWER, "五絕")] * 400, 2)
    assert two == (24 / 4800, 24 / 4800, 24 / 4800, 2)


def test_distinct_deals_the_forms_out_evenly():
    poems = [(TOWER, "五絕")] * 200 + [(YANGZHOU, "七絕")] * 200
    estimate = metrics.distinct(poems, 1)
    assert estimate.low == estimate.high == estimate.value  # each group has a hundred of both poems
    characters = set(TOWER + YANGZHOU + "\n")
    assert estimate.value == round(len(characters) / (100 * 25 + 100 * 33), 5)


def test_novelty_is_of_lines_and_poems(results):
    # all four lines of TOWER, three of TWICE and both of SHORT, out of 16 + 2 lines
    assert value(results, "copied_lines") == 0.5 and results["copied_lines"].n == 5
    assert value(results, "poems_with_copied_line") == 0.6
    assert value(results, "longest_stretch") == 3  # the mean of 5, 5, 0, 0 and 5


def test_without_an_index_there_is_no_novelty():
    assert not {"copied_lines", "longest_stretch"} & metrics.estimates(ASKED).keys()
    assert metrics.estimates([]) == {}


def test_every_row_of_the_table_is_measured(results):
    poems = [*ASKED * 40, (SPRING, "五律")]
    more = metrics.estimates(poems, NoveltyIndex.build([(TOWER, "", "")]))
    elsewhere = {name for name, _, _ in metrics.LIKENESS}  # in likeness.py
    assert {name for name, _, _ in metrics.METRICS} - elsewhere == more.keys()
    couplets = {"parallelism", "couplet_repeats"}
    assert more.keys() - results.keys() == {"distinct_1", "distinct_2", "distinct_3"} | couplets
    assert metrics.estimates(poems, NoveltyIndex.build([(TOWER, "", "")])) == more


def test_shapes_are_found_whatever_the_line_ends():
    assert prosody.shape_of(TOWER) == "五絕" and prosody.shape_of(YANGZHOU) == "七絕"
    assert prosody.shape_of(TOWER.replace("盡，", "盡。")) == "五絕"
    assert prosody.shape_of(SHORT) == prosody.shape_of("") == prosody.shape_of("白日依，") == ""


def test_real_poems_are_as_many_of_each_form():
    eight = {"五律": TOWER * 2, "七律": YANGZHOU * 2}
    texts = [TOWER, DAWN, NIGHT, YANGZHOU, YANGZHOU, SHORT, *eight.values(), eight["七律"], eight["五律"]]
    drawn = metrics.draw_real(texts, 10)
    assert [form for _, form in drawn] == [form for form in FORMS for _ in range(2)]
    assert all(prosody.shape_of(text) == form for text, form in drawn)
    assert metrics.draw_real(texts, 10) == drawn
    assert len(metrics.draw_real(texts, 1)) == 4
    assert metrics.draw_real([TOWER, DAWN], 10) == []
