"""Simplified poems get the traditional characters that 全唐詩 writes."""

import os
import random
import re
import subprocess
import sys

import pytest
from conftest import POEMS, ROOT

from poet_model import script
from poet_model.corpus import CorpusReport, load_corpus
from poet_model.corpus.cleaning import clean
from poet_model.corpus.records import RawPoem
from poet_model.corpus.traditional import (
    Family,
    TraditionalForms,
    line_key,
    read_table,
    traditional_forms,
    write_table,
)

pytestmark = pytest.mark.usefixtures("corpus_cache")


def restore(text):
    return traditional_forms().restore(text)[0]


@pytest.mark.parametrize(
    "line",
    [
        "征人夜夜望長安",  # OpenCC: 徵人
        "余心似秋水",  # OpenCC: 餘
        "餘香滿故園",
        "于今江上客",  # OpenCC: 於
        "白髮對青山",
        "花發舊時枝",
        "千里暮雲平",
        "屋裏無人語",
        "皇后宴瑤池",
        "飯後獨登樓",
        "乾坤一草堂",
        "欄干倚暮寒",
        "秋徵入素琴",  # the note 徵, which simplified script keeps
        "才子不知愁",
        "谷口春殘黃鳥稀",
        "沈水一爐香",
    ],
)
def test_words_are_told_apart_in_verse_of_our_own(line):
    assert restore(script.to_simplified(line)) == line


@pytest.mark.parametrize(
    ("simplified", "traditional"),
    [
        # 沈, as simplified in phrases
        ("春风又绿江南岸，沉舟侧畔看帆影。", "春風又綠江南岸，沈舟側畔看帆影。"),
        ("馀霞散作绮，晚照入疏林。", "餘霞散作綺，晚照入疎林。"),  # 馀, which is never 余
        ("江上无人着钓竿，笑着旧时衣。", "江上無人著釣竿，笑著舊時衣。"),
        ("荆门烟雨却无声，峰前野渡舟。", "荆門煙雨却無聲，峰前野渡舟。"),  # 全唐詩 never writes 荊
    ],
)
def test_other_ways_to_simplify_are_read_too(simplified, traditional):
    assert restore(simplified) == traditional


def test_names_and_titles_are_known():
    assert traditional_forms().restore("", "征妇怨", "于鹄") == ("", "征婦怨", "于鵠")
    assert traditional_forms().restore("", "送沈郎中归山", "曲信陵") == ("", "送沈郎中歸山", "麴信陵")


LINES = "白日依山盡，黃河入海流，欲窮千里目，更上一層樓，牀前看月光，疑是地上霜，舉頭望山月，低頭思故鄉"


def test_lines_of_the_collection_come_back_exactly():
    lines = [line for poem in POEMS for line in re.findall("[^，。]+", poem)] + LINES.split("，")
    assert [restore(script.to_simplified(line)) for line in lines] == lines
    characterwise = ["".join(script.characterwise(script.to_simplified, line)) for line in lines]
    assert [restore(line) for line in characterwise] == lines


def test_poems_of_the_collection_come_back(tang_poems):
    """The bar of 0.15 % for poems that the table has seen, in whichever way they are simplified."""
    sample = random.Random(1).sample(tang_poems, 400)
    fields = [(poem.text, poem.title, poem.author) for poem in sample]
    total = sum(len("".join(each)) for each in fields)
    by_character = str.maketrans(single_forms("".join(map("".join, fields))))
    for simplify in (script.to_simplified, lambda text: text.translate(by_character)):
        restored = [traditional_forms().restore(*map(simplify, each)) for each in fields]
        wrong = sum(
            count_differences("".join(old), "".join(new)) for old, new in zip(fields, restored, strict=True)
        )
        assert wrong <= 0.0015 * total
    guessed = ["".join(map(script.to_traditional, map(script.to_simplified, each))) for each in fields]
    by_opencc = sum(count_differences("".join(old), new) for old, new in zip(fields, guessed, strict=True))
    assert by_opencc > 0.01 * total


def count_differences(first, second):
    return sum(a != b for a, b in zip(first, second, strict=True))


def single_forms(text):
    characters = sorted(set(text))
    return dict(zip(characters, script.characterwise(script.to_simplified, characters), strict=True))


@pytest.fixture(scope="module")
def tang_poems():
    """A part of 全唐詩, in traditional script."""
    from poet_model.corpus import sources

    records = list(sources.read_source("tang"))[::20]
    return clean(records, CorpusReport(), is_traditional=True)


def test_poems_of_the_collection_in_traditional_script_stay(tang_poems):
    report = CorpusReport()
    again = clean([RawPoem(poem.title, poem.author, poem.text) for poem in tang_poems], report)
    assert [poem.text for poem in again] == [poem.text for poem in tang_poems]
    assert report.converted_from_simplified <= 0.001 * len(tang_poems)  # names with a stray 舆, as 權德舆


TRADITIONAL = [
    "江干入夜杵聲秋，云是征人未肯休。",  # more of 干云征 than of 聲
    "后土祠前里巷深，于今才子獨長吟。",
    "谷中采藥几回聞，余亦系舟征雁云。",
    "荊門煙樹卻依稀，裡外峯巒迴翠微。",  # forms that 全唐詩 does not write, or rarely
]


def test_a_text_in_traditional_script_stays_exactly_as_it_is():
    report = CorpusReport()
    poems = clean([RawPoem("余征于谷", "于后", text) for text in TRADITIONAL], report)
    assert [poem.text for poem in poems] == TRADITIONAL
    assert {(poem.title, poem.author) for poem in poems} == {("余征于谷", "于后")}
    assert report.converted_from_simplified == 0


def test_a_stray_simplified_character_takes_the_form_of_its_place():
    texts = ["征人余夢遠，白发故園愁。關山萬里雲。", "征人余夢遠，花发故園愁。關山萬里雲。"]
    poems = clean([RawPoem("", "", text) for text in texts], CorpusReport())
    assert [poem.text[7] for poem in poems] == ["髮", "發"]
    assert [poem.text.replace(poem.text[7], "发") for poem in poems] == texts


def test_a_corpus_in_simplified_script_has_traditional_headers(tmp_path):
    path = tmp_path / "poems.txt"
    path.write_text("余征\n于鹄\n征人何日返，旧曲几时停。\n北斗阑干夜，余心一点萤。\n", encoding="utf-8")
    [poem] = [poem for split in load_corpus(str(path), use_cache=False).splits.values() for poem in split]
    assert (poem.text, poem.author) == ("征人何日返，舊曲幾時停。北斗闌干夜，余心一點螢。", "于鵠")


FAMILY = Family("发發髮", "發髮", {"发": "發髮"}, (6, 4))


def test_the_choice_is_that_of_the_counts():
    """Worked by hand: P(髮) = 4.5 / 11, and beside 白 it is (5 + 3 · 4.5 / 11) / 8 = 0.78."""
    family = Family(*vars(FAMILY).values())
    family.contexts = {"left": {"白": (0, 5)}, "right": {}, "author": {"甲": (40, 0)}}
    assert family.choose("发", "花", "，", "乙") == "發"
    assert family.choose("发", "白", "，", "乙") == "髮"
    assert family.choose("发", "白", "，", "甲") == "發"  # 0.78 · 0.03 / 0.41 < 0.22 · 0.97 / 0.59


def test_a_listed_line_overrules_the_counts_and_no_other():
    table = TraditionalForms([FAMILY], {line_key("白发生"): "1髮", line_key("白山"): "0髮"})
    assert table.restore("白发生，白发，白山。") == ("白髮生，白發，白山。", "", "")


def test_a_table_comes_back_from_its_file(tmp_path):
    family = Family("发發髮", "發髮", {"发": "發髮"}, (6, 4))
    family.contexts = {
        "left": {"白": (0, 5), "素": (0, 5), "花": (7, 0), "𠀀": (1, 0)},
        "right": {},
        "author": {"": (1, 1), "甲乙": (0, 2), "丙": (0, 2)},
    }
    write_table(tmp_path / "table.xz", [family], {"0000": "0髮"})
    table = read_table(tmp_path / "table.xz")
    assert table._families["发"] == family
    assert table._lines == {"0000": "0髮"}


def test_the_table_is_read_only_when_it_is_needed():
    code = (
        "from poet_model.corpus import traditional, cleaning, CorpusReport\n"
        "from poet_model.corpus.records import RawPoem\n"
        "cleaning.clean([RawPoem('', '', '白日依山盡，黃河入海流。')], CorpusReport())\n"
        "print(traditional.traditional_forms.cache_info().misses)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=os.environ, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "0"
