"""Damaged texts: a poem is kept as it was written, or dropped with a reason; no line is short or glued."""

import pytest

from poet_model.corpus import damage, verse
from poet_model.corpus.cleaning import clean_header, clean_text, whole_lines

WHOLE = "晚渡寒潮急，空山落葉深。歸人何處宿，燈火出疏林。"


def damaged(mark):
    return WHOLE.replace("寒潮", f"寒{mark}潮")


@pytest.mark.parametrize(
    "mark",
    [
        "{釒基}",
        "{氵|彔/凡}",
        "｛月悤｝",
        "{",
        "⿰亻丸",
        "（氵彔）",
        "氵",
        "囗",
        "□",
        "〓",
        "*",
        "×",
        "…",
        "……",
        "...",
        "\ufffd",
        "（下缺）",
        "（以下闕）",
        "（缺二字）",
        "(此句原脱一字)",
        "（此間似脫一句。）",
        "[下缺]",
        "〔殘〕",
    ],
)
def test_lost_characters_and_lacunae_drop_the_poem(mark):
    assert clean_text(damaged(mark)) == ("", damage.LOST)


@pytest.mark.parametrize(
    "mark", ["[一]", "［十二］", "〔3〕", "【二】", "[一作冷]", "〔原作冬〕", "[按：疑有誤]"]
)
def test_numbers_of_notes_and_notes_in_brackets_drop_the_poem(mark):
    assert clean_text(damaged(mark)) == ("", damage.NOTES)


@pytest.mark.parametrize("mark", ["（", "）", "[", "］", "〖", "《", "》", "〈"])
def test_a_lone_bracket_drops_the_poem(mark):
    assert clean_text(damaged(mark)) == ("", damage.LONE_BRACKET)


@pytest.mark.parametrize("label", ["詩題：晚渡", "题目：晚渡", "首句：", "其一：", "作者：甲某，", "内容: "])
def test_labels_of_fields_drop_the_poem(label):
    assert clean_text(label + WHOLE) == ("", damage.HEADINGS)


@pytest.mark.parametrize(
    "note",
    [
        "（一作冷）",
        "(京本作「殘」)",
        "〖1〗",
        "（闕名）",
        "（缺題）",
        "（二聯爲金缺病）",
        "（見《詩話》）",
        "「",
        "」",
    ],
)
def test_other_notes_and_quotation_marks_leave_the_poem_whole(note):
    assert clean_text(damaged(note)) == (WHOLE, "")


@pytest.mark.parametrize("mark", ["①", "¹", "(1)潮x", "Ⅱ", "A", "⑵"])
def test_digits_and_latin_letters_never_stay(mark):
    assert clean_text(damaged(mark))[0] == ""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("晚渡寒潮急空山落葉深歸人何處宿燈火出疏林", "a line of over 16 characters"),
        ("晚渡寒潮急，空山落葉深歸人何處宿燈火出疏林遠岸無人。", "a line of over 16 characters"),
        ("晚，渡，寒，潮，急，空，山，落，葉，深", "no line of 3 or more characters"),
    ],
)
def test_glued_and_shredded_lines_are_no_verse(text, reason):
    assert clean_text(text) == ("", reason)


@pytest.mark.parametrize(
    ("text", "arranged"),
    [
        ("晚渡寒潮急\n空山落葉深", "晚渡寒潮急，空山落葉深。"),
        ("晚渡寒潮急 空山落葉深", "晚渡寒潮急，空山落葉深。"),
        ("晚渡寒潮急，空山落葉深\n歸人何處宿，燈火出疏林", WHOLE),
        ("晚渡寒潮急，空山落\n葉深。歸人何處宿，燈火出\n疏林。", WHOLE),
        ("晚渡 寒潮急，空山落葉深。歸人何處宿，燈火出疏林。", WHOLE),
        ("晚渡寒潮急,空山落葉深；歸人何處宿,燈火出疏林;", WHOLE),
        ("君不見，晚渡寒潮空自急，空山落葉不知深。", "君不見，晚渡寒潮空自急，空山落葉不知深。"),
        ("君不見,晚渡寒潮空自急,空山落葉。", "君不見，晚渡寒潮空自急，空山落葉。"),
        ("⼭晚渡寒潮,雲⽣落葉深.", "山晚渡寒潮，雲生落葉深。"),
        ("君不見\n晚渡寒潮空自急\n空山落葉不知深", "君不見，晚渡寒潮空自急。空山落葉不知深。"),
    ],
)
def test_lines_are_arranged_as_they_were_written(text, arranged):
    assert verse.arrange(text) == (arranged, "")
    assert clean_text(text) == (arranged, "")


@pytest.mark.parametrize(
    "text",
    [
        "晚渡\n甲某\n晚渡寒潮急，空山落葉深。\n歸人何處宿，燈火出疏林。",
        "晚渡 甲某 晚渡寒潮急，空山落葉深。歸人何處宿，燈火出疏林。",
        "晚渡 晚渡寒潮急 空山落葉深",
        "君不見晚渡寒潮空\n自急，空山落葉不知深。",
        "晚渡,甲某,晚渡寒潮急，空山落葉深。歸人何處宿，燈火出疏林。",
        "晚渡,甲某,晚渡寒潮急,空山落葉深,歸人何處宿,燈火出疏林",
        "晚渡寒?急，空山落葉深。歸人何處宿，燈火出疏林。",
    ],
)
def test_lines_that_cannot_be_told_are_not_guessed(text):
    assert clean_text(text) == ("", verse.TORN)


def test_whole_lines_are_those_without_damage():
    assert whole_lines("晚渡{寒潮}急，空山落葉深。歸人□處宿，燈火出疏林。") == "空山落葉深。燈火出疏林。"


def test_a_rare_character_leaves_a_gap_in_a_title():
    assert clean_header("送{巩/言}光大師") == "送，光大師"
