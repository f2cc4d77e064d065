"""The report on a poem, with poems whose form, tones and rhyme are known from textbooks."""

from __future__ import annotations

import re

import pytest

from poet_model.novelty.borrowed import novelty_record
from poet_model.novelty.index import Match, NoveltyIndex
from poet_model.prosody.scansion import Fault, scan
from poet_model.prosody.templates import LEVELS
from poet_model.prosody.verdict import FAULT_MEANINGS, course_of, rhyme_words
from poet_model.ui.controls import TRADITIONAL
from poet_model.ui.poem import SIMPLIFIED
from poet_model.ui.report import report_html

STORK = "白日依山盡，黃河入海流。欲窮千里目，更上一層樓。"
CRANE = "昔人已乘黃鶴去，此地空餘黃鶴樓。黃鶴一去不復返，白雲千載空悠悠。"
CRANE += "晴川歷歷漢陽樹，芳草萋萋鸚鵡洲。日暮鄉關何處是，煙波江上使人愁。"
DAWN = "春眠不覺曉，處處聞啼鳥。夜來風雨聲，花落知多少。"
WALL = "秦時明月漢時關，萬里長征人未還。但使龍城飛將在，不教胡馬度陰山。"
SPRING = "國破山河在，城春草木深。感時花濺淚，恨別鳥驚心。烽火連三月，家書抵萬金。白頭搔更短，渾欲不勝簪。"
RETURN = "朝辭白帝彩雲間，千里江陵一日還。兩岸猿聲啼不住，輕舟已過萬重山。"
FREE = "前不見古人，後不見來者。念天地之悠悠，獨愴然而涕下。"


def plain(html: str) -> str:
    return re.sub(r"<[^>]+>", "", html)


def verdict(text: str) -> str:
    return re.search('class="verdict">(.*?)</span>', report_html(text, TRADITIONAL))[1]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (STORK, "五絕 · 仄起首句不入韻 · 押尤韻 · 平仄合律"),
        (WALL, "七絕 · 平起首句入韻 · 押刪韻 · 平仄合律"),
        (RETURN, "七絕 · 平起首句入韻 · 押刪韻 · 平仄合律"),
        (SPRING, "五律 · 仄起首句不入韻 · 押侵韻 · 平仄合律"),
        (CRANE, "七律 · 押尤韻 · 平仄不合律"),
        (STORK.replace("樓", "山"), "五絕 · 仄起 · 不押韻 · 平仄合律"),
        (DAWN, "五絕 · 押篠上聲韻 · 平仄不合律"),
        (FREE, "不是五絕、七絕、五律、七律"),
    ],
)
def test_the_line_says_what_the_books_say(text, line):
    assert verdict(text) == line


def test_the_course_of_a_line_of_seven_is_called_by_its_second_character():
    for text in (STORK, WALL, RETURN, SPRING):
        first = text[1]
        assert course_of(scan(text))[0][0] == ("平" if first in "時辭" else "仄"), first


def test_a_first_line_in_a_neighbours_group_or_in_none_is_called_so():
    assert "首句入鄰韻" in verdict("白日依山冬，黃河入海中。欲窮千里目，更上一層風。")
    assert "首句平收不入韻" in verdict("白日照前山，黃河入海流。欲窮千里目，更上一層樓。")


def test_the_details_have_the_strip_the_words_and_every_fault():
    html = report_html(CRANE, TRADITIONAL)
    assert html.count("<tr>") == 8 and "<details>" in html
    assert "昔人已乘黃鶴去，仄平仄○平仄仄" in plain(html)
    assert "樓 悠 洲 愁（平水韻 尤）" in html
    faults = re.findall("<li>(.*?) <span", html)
    assert faults == list(map(str, scan(CRANE).faults)) and "第3句第4字「去」平仄" in faults
    assert "No faults" in report_html(STORK, TRADITIONAL)


def test_the_first_line_is_among_the_rhyme_words_if_it_rhymes():
    assert "關 還 山（平水韻 刪）" in report_html(WALL, TRADITIONAL)
    assert ": 流 樓（平水韻 尤）" in report_html(STORK, TRADITIONAL)
    assert rhyme_words(WALL, scan(WALL)) == ["關", "還", "山"]
    unrhymed = STORK.replace("樓", "山")
    assert rhyme_words(unrhymed, scan(unrhymed)) == []
    assert "Rhyme words" not in report_html(unrhymed, TRADITIONAL)


def test_a_free_poem_is_no_regular_form_and_has_nothing_to_unfold():
    html = report_html(FREE, TRADITIONAL)
    assert "no regular form" in html and "<details>" not in html
    assert "<details>" in report_html(FREE, TRADITIONAL, [])  # the result of the comparison


def test_simplified_shows_other_characters_and_the_same_tones():
    traditional, simplified = (report_html(WALL, script) for script in (TRADITIONAL, SIMPLIFIED))
    marks = [re.findall("[平仄○？]{7}", plain(html)) for html in (traditional, simplified)]
    assert len(marks[0]) == 4 and marks[0] == marks[1]
    assert "万里长征人未还，" not in simplified and "万里长征人未还。" in simplified
    assert 'lang="zh-Hans"' in simplified and "平起首句入韵" in simplified and "關" not in simplified


def test_stretches_of_four_are_shown_with_whose_they_are():
    index = NoveltyIndex.build([(DAWN, "春曉", "孟浩然"), (WALL, "出塞", "王昌齡"), (DAWN, "又", "")])
    borrowed = "春眠不覺月，處處聞鐘聲。明月漢時人，江上有風來。"
    matches = index.find(borrowed)
    html = report_html(borrowed, TRADITIONAL, matches)
    assert "第1句「春眠不覺」孟浩然《春曉》 2×" in html and "第3句「明月漢時」王昌齡《出塞》" in html
    assert "處處聞" not in plain(html).split("見於全唐詩")[1]  # three characters are common property
    assert novelty_record(matches) == [
        {"line": 1, "text": "春眠不覺", "title": "春曉", "author": "孟浩然"},
        {"line": 3, "text": "明月漢時", "title": "出塞", "author": "王昌齡"},
    ]
    assert "No line occurs" in report_html(STORK, TRADITIONAL, index.find(STORK))
    assert "全唐詩" not in report_html(STORK, TRADITIONAL)


def test_the_record_is_that_of_prosody():
    record = scan(STORK).record()
    assert record["rhyme"] == {"status": "平", "groups": ["尤"], "first_line": ""}
    assert (record["form"], record["template"], record["level"], record["faults"]) == ("五絕", "T1", "L1", [])
    assert record["tones"] == "仄仄平平仄，平平仄仄平。仄平平仄仄，○仄仄平平。"
    assert LEVELS.index(scan(CRANE).record()["level"]) == 5 and len(scan(CRANE).record()["faults"]) == 5
    free = {"form": "", "template": "", "level": None, "rhyme": None, "faults": [], "tones": ""}
    assert scan(FREE).record() == free


def test_every_character_is_escaped():
    lines = "<b>&x，<i>\"x。<u>'x，</a>x。"
    matches = [Match(1, "<b>&x", True, "<script>", '"&<img>', 1)]
    html = report_html(lines, TRADITIONAL, matches)
    inside = re.sub(
        r'</?(div|details|summary|span|table|tbody|tr|td|p|ul|li)( (class|lang)="[\w -]+")*>', "", html
    )
    assert "<" not in inside and "&lt;script&gt;" in inside and "&lt;img&gt;" in inside


def test_every_kind_of_fault_has_words():
    kinds = set(re.findall(r"\w+", Fault.__doc__.split("kind:")[1].split("characters:")[0])) - set(
        ["not", "saved", "a", "that", "is"]
    )
    assert kinds == set(FAULT_MEANINGS)


def test_the_middle_couplets_of_eight_lines_are_shown_with_their_pairs():
    html = plain(report_html(SPRING, TRADITIONAL))
    assert "頸聯對仗 · 0.41 parallel: 烽家 火書 連抵 三萬 月金" in html
    assert "頷聯上下句重字「花」" in plain(report_html(SPRING.replace("恨別鳥", "恨別花"), TRADITIONAL))
    assert "颈联对仗" in plain(report_html(SPRING, SIMPLIFIED))
    assert "聯" not in plain(report_html(STORK, TRADITIONAL))
