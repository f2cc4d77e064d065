"""Cleaning: what becomes of a raw text, and why a poem is dropped."""

import re
import time

import pytest
from conftest import POEMS
from hypothesis import given, settings
from hypothesis import strategies as st

from poet_model.corpus import CorpusReport
from poet_model.corpus.cleaning import clean, clean_header, clean_text
from poet_model.corpus.records import RawPoem
from poet_model.script import is_hanzi, to_simplified

pytestmark = pytest.mark.usefixtures("corpus_cache")


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (POEMS[0], POEMS[0]),
        ("春眠（一作睡（非））不覺曉,處處(注)聞啼鳥", "春眠不覺曉，處處聞啼鳥。"),
        ("〖序〗《春》眠[不]覺「曉」？處處聞啼鳥！", "春眠不覺曉。處處聞啼鳥。"),
        ("，春眠、不覺曉，。處處聞啼鳥；；", "春眠，不覺曉。處處聞啼鳥。"),
        (" 春\n眠\u200b不覺曉\ufeff，\u3000處處聞啼鳥。", "春眠不覺曉，處處聞啼鳥。"),
    ],
)
def test_clean_text(raw, text):
    assert clean_text(raw) == (text, "")


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("", "empty"),
        ("（只有注）。，", "empty"),
        ("春眠□覺曉", "lost characters (□, {釒基}, 下缺)"),
        ("春眠〇覺曉", "lost characters (□, {釒基}, 下缺)"),
        ("春眠x覺曉", "digits or latin letters"),
        ("春眠７覺曉", "digits or latin letters"),
        ("春眠※覺曉", "other symbols"),
        ("春眠😀覺曉", "other symbols"),
        ("春眠\ud800覺曉", "other symbols"),
        ("春眠\ufffd覺曉", "lost characters (□, {釒基}, 下缺)"),
        ("春眠（不覺曉", "a bracket without its pair"),
        ("春" * 4000, "over 4,000 characters"),
        ("春" * 100_000, "over 4,000 characters"),
    ],
)
def test_what_is_no_clean_poem_has_a_reason(raw, reason):
    assert clean_text(raw) == ("", reason)


def test_deeply_nested_notes_take_no_time():
    start = time.process_time()
    assert clean_text("（" * 5_000 + "）" * 5_000) == ("", "empty")
    assert time.process_time() - start < 5


@settings(deadline=None)
@given(
    st.text(
        alphabet=st.sampled_from("春風雲，。、？！,.;（）(){}〖〗[]《》□○〇x7※ \n\u200b\0") | st.characters()
    )
)
def test_clean_text_is_hanzi_in_lines_and_stays_so(raw):
    text, reason = clean_text(raw)
    assert bool(text) != bool(reason)
    if text:
        assert all(is_hanzi(c) or c in "，。" for c in text)
        assert text[0] not in "，。"
        assert text[-1] == "。"
        assert not re.search("[，。]{2}", text)
        assert clean_text(text) == (text, "")


@pytest.mark.parametrize(
    ("raw", "header"),
    [
        ("《春曉》（其一）", "春曉"),
        ("春 曉·其二", "春，曉，其二"),
        ("abc", ""),
        ("春" * 50, "春" * 40),
        *(
            (name, "王之渙")
            for name in ("[唐]王之渙", "【唐代】王之渙", "王之渙〔唐〕", "（唐）王之渙", "唐·王之渙")
        ),
        *(
            (name, "王之渙")
            for name in ("作者：王之渙", "Author: 王之渙", "詩人： 唐：王之渙", "王之渙&nbsp;")
        ),
        ("題目：登樓", "登樓"),
        ("唐朝美", "唐朝美"),  # a poet of Song
        ("宋 之問", "宋，之問"),
        ("[唐]", "唐"),
    ],
)
def test_clean_header(raw, header):
    assert clean_header(raw) == header


def cleaned(*texts):
    report = CorpusReport()
    return [poem.text for poem in clean([RawPoem("", "", text) for text in texts], report)], report


def test_simplified_poems_become_traditional_and_are_counted():
    texts, report = cleaned(*map(to_simplified, POEMS))
    assert texts == list(POEMS)
    assert report.converted_from_simplified == 4


def test_traditional_poems_are_left_alone():
    texts = [*POEMS, "云中君不見，後里入煙雲。", "却向荆門遠，烟開鳥飛還。"]
    assert cleaned(*texts)[0] == texts
    assert cleaned(*texts)[1].converted_from_simplified == 0


def test_a_poem_of_mixed_script_is_brought_to_one_and_counted():
    mixed = "故人西辭黃鶴樓，煙花三月下揚州。孤帆远影碧山盡，唯見长江天際流。"
    texts, report = cleaned(mixed)
    assert texts == [POEMS[3]]
    assert report.converted_from_simplified == 1


def test_title_and_author_are_converted_with_the_poem():
    report = CorpusReport()
    (poem,) = clean([RawPoem("静夜思", "王维", to_simplified(POEMS[0]))], report)
    assert (poem.title, poem.author, poem.form) == ("靜夜思", "王維", "五絕")


def test_both_scripts_of_a_poem_are_one_poem():
    texts, report = cleaned(POEMS[0], to_simplified(POEMS[0]))
    assert texts == [POEMS[0]]
    assert report.dropped == {"the same text again": 1}
