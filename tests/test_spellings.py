"""However a poem is written, every part of the project reads the same lines in it."""

from __future__ import annotations

import ast
import re

import pytest
from char_lm_models import run_command
from conftest import ROOT, SETTINGS_OF_THE_COURSE, SHIPPED

from poet_model import InvalidValueError, NumpyPoetModel, prosody
from poet_model.corpus.cleaning import clean
from poet_model.corpus.damage import LOST
from poet_model.corpus.poems import CorpusReport
from poet_model.corpus.records import RawPoem
from poet_model.corpus.sources import SUFFIXES
from poet_model.from_scratch.data import read_poems
from poet_model.from_scratch.vocabulary import Vocabulary
from poet_model.from_scratch.writing import generate
from poet_model.novelty import NoveltyIndex
from poet_model.prosody.lines import form_name, read_lines, read_title, with_line_ends
from poet_model.ui.endpoints import Endpoints
from poet_model.ui.options import ANY_FORM
from poet_model.ui.poem import TRADITIONAL

LINES = ("山中春雨過", "江上晚風來", "舟子何時去", "漁人昨夜回")
CLEAN = "山中春雨過，江上晚風來。舟子何時去，漁人昨夜回。"


def with_each(mark: str) -> str:
    """The poem with a character after each of its characters."""
    return "".join(character + mark for character in CLEAN)


SPELLINGS = {
    "clean": CLEAN,
    "half-width marks": "{},{}.{},{}.".format(*LINES),
    "half-width forms": "{}､{}｡{}､{}｡".format(*LINES),
    "no last mark": "{},{}.{},{}".format(*LINES),
    "？！": "{}？{}！{}?{}!".format(*LINES),
    "；、": "{}、{}；{}、{}；".format(*LINES),
    "dashes": "{}……{}——{}...{}。".format(*LINES),
    "breaks": "\n".join(LINES),
    "CRLF and marks": "{}，\r\n{}。\r\n{}，\r\n{}。\r\n".format(*LINES),
    "other breaks": "{}\u2028{}\u2029{}\x85{}".format(*LINES),
    "entities": "{}&#65292;{}&#x3002;&ldquo;{}&rdquo;&nbsp;,&emsp;{}.".format(*LINES),
    "<br>": "{}<br>{}<BR/>{}<br />{}".format(*LINES),
    "spaces": " ".join(LINES),
    "full-width spaces": "\u3000\u3000" + "\u3000".join(LINES) + "\u3000",
    "spaces and marks": "{} ， {} 。 {} ， {} 。".format(*LINES),
    "bars": "|".join(LINES),
    "a byte order mark": "\ufeff" + CLEAN,
    "zero-width spaces": with_each("\u200b"),
    "zero-width joiners": with_each("\u200d"),
    "soft hyphens": with_each("\u00ad"),
    "variation selectors": with_each("\ufe00") + "\U000e0100",
    "a Kangxi radical": CLEAN.replace("山", "\u2f2d"),
    "quotation marks": "「{}，{}。{}，{}。」".format(*LINES),
    "simplified": "山中春雨过,江上晚风来.舟子何时去,渔人昨夜回.",
}
either = pytest.mark.parametrize("text", SPELLINGS.values(), ids=SPELLINGS)


@pytest.fixture(scope="module")
def numpy_model():
    return NumpyPoetModel.from_pretrained(SHIPPED)


@pytest.fixture(scope="module")
def expected(poet):
    """The poem that seed 7 writes after the clean text."""
    return poet.model.generate(CLEAN, seed=7, max_length=30, **SETTINGS_OF_THE_COURSE)


@either
def test_the_judges_read_the_same_lines(text):
    report, clean_report = prosody.scan(text), prosody.scan(CLEAN)
    assert (report.form, report.level, report.rhyme) == ("五絕", clean_report.level, clean_report.rhyme)
    index = NoveltyIndex.build([(text, "漁舟", "某")])
    for poem in (text, CLEAN):
        matches = index.find(poem)
        assert [match.line for match in matches] == [1, 2, 3, 4]
        assert all(match.is_whole and len(match.text) == 5 for match in matches)
    assert [match.text for match in index.find(CLEAN)] == list(LINES)


@either
def test_a_corpus_has_the_same_lines(text):
    report = CorpusReport()
    poems = clean([RawPoem("", "", text)], report)
    if text == SPELLINGS["dashes"]:  # in a corpus they may stand for lost characters
        assert report.dropped == {LOST: 1}
        return
    [poem] = poems
    assert read_lines(poem.text) == list(LINES)
    if text not in (SPELLINGS["？！"], SPELLINGS["；、"]):  # where the ends of the source are kept
        assert (poem.text, poem.form) == (CLEAN, "五絕")


@either
def test_a_tokenizer_gives_the_same_ids(poet, text):
    tokenizer = poet.model.tokenizer
    assert tokenizer.normalize(with_line_ends(text)) == CLEAN
    if text != SPELLINGS["simplified"]:
        assert tokenizer.encode_poem(text) == tokenizer.encode_poem(CLEAN)


@either
def test_both_models_begin_with_the_same_start(poet, numpy_model, expected, text):
    assert expected.text.startswith(CLEAN)
    assert poet.model.generate(text, seed=7, max_length=30, **SETTINGS_OF_THE_COURSE) == expected
    assert numpy_model.generate(text, seed=7, max_length=30, **SETTINGS_OF_THE_COURSE).text == expected.text
    stream = poet.model.stream(text, seed=7, form="五言绝句")
    assert ("".join(stream), stream.given) == (CLEAN, len(CLEAN))


@either
def test_the_course_begins_with_the_same_start(shipped, expected, text):
    assert generate(shipped, text, seed=7, max_length=30).text == expected.text


@either
def test_the_page_begins_with_the_same_start(poet, text):
    endpoints = Endpoints(poet)
    for start in (text, CLEAN):
        *_, update = endpoints.write(start, "五绝", 0.8, 40, 7, TRADITIONAL, title="《漁\u200b舟》")
        assert update.shown.text == endpoints.write_poem(start, form="五絕", seed=7)["text"] == CLEAN


@pytest.mark.parametrize(
    ("start", "read"),
    [
        ("", ""),
        ("春風,", "春風，"),
        ("\ufeff春\u200b風\u3000", "春風"),
        (" 月 光 ", "月光"),
        ("明月 松間照", "明月松間照"),  # a space within a line
        ("故人西辭 黃鶴樓", "故人西辭黃鶴樓"),
        ("江上晚風來 舟", "江上晚風來，舟"),
        ("江上晚風來\n舟子", "江上晚風來，舟子"),
        ("簾外雨聲急\n春色將闌", "簾外雨聲急，春色將闌"),
        ("江 上 晚 風 來\n舟 子 何 時 去", "江上晚風來，舟子何時去"),
        ("，。月", "月"),
        ("春眠，，不覺。，，曉。。", "春眠，不覺。曉。"),
        ("“春風”", "春風"),
    ],
)
def test_a_start_stays_open_where_it_was_not_ended(shipped, start, read):
    assert with_line_ends(start) == read
    assert with_line_ends(read) == read
    assert shipped.vocabulary.read_start(start) == read


@pytest.mark.parametrize(
    ("given", "start"), [("春風,", "春風，"), ("云边", "雲邊"), ("黄鹤楼\u200b ", "黃鶴樓")]
)
def test_the_command_of_the_course_writes_the_poems_of_the_model(capsys, poet, given, start):
    status, out, err = run_command(
        capsys, "generate", "--model", SHIPPED, "--start", given, "--seed", 5, "--poems", 2
    )
    poems = [f"{poet.model.generate(start, seed=seed, **SETTINGS_OF_THE_COURSE)}\n\n" for seed in (5, 6)]
    assert (status, err, out) == (0, "", "".join(poems))


def test_a_vocabulary_without_marks_or_in_simplified_script_reads_a_start_in_its_own():
    assert Vocabulary("春風月").read_start("春风,月") == "春風月"
    assert Vocabulary("春风，").read_start("春風,") == "春风，"


ACROSTICS = [
    "春夏秋冬",
    "春,夏,秋,冬",
    "春、夏、秋、冬。",
    "春 夏　秋\n冬",
    "\ufeff春\u200b夏秋冬",
    "「春夏秋冬」",
]


@pytest.mark.parametrize("acrostic", ACROSTICS)
def test_an_acrostic_is_its_hanzi(poet, numpy_model, acrostic):
    options = {"form": "五絕", "seed": 3}
    text = poet.model.generate(acrostic=ACROSTICS[0], **options).text
    assert "".join(line[0] for line in prosody.split_lines(text)) == ACROSTICS[0]
    assert poet.model.generate(acrostic=acrostic, **options).text == text
    assert numpy_model.generate(acrostic=acrostic, **options).text == text
    values = {"form": "五絕", "temperature": 0.8, "top_k": 40, "seed": 3}
    *_, update = Endpoints(poet).write("", script=TRADITIONAL, acrostic=acrostic, **values)
    assert update.shown.text == Endpoints(poet).write_poem(acrostic=acrostic, **values)["text"]
    assert "".join(line[0] for line in prosody.split_lines(update.shown.text)) == ACROSTICS[0]


@pytest.mark.parametrize(
    ("title", "read"),
    [
        ("《春望》", "春望"), (" 春　望 ", "春望"), ("春\u200b望\ufe00", "春望"), ("\ufeff春望", "春望"),
        ("「\u2f2d居」", "山居"), ("送別·其一", "送別，其一"), ("春望，", "春望"), ("", ""),
    ],
)  # fmt: skip
def test_a_title_and_a_name_are_read_as_the_corpus_writes_them(poet, title, read):
    assert read_title(title) == read
    assert poet.model.generate("春", title=title, seed=1) == poet.model.generate("春", title=read, seed=1)
    assert poet.model.generate("春", author="「李\u3000白」", seed=1).author == "李白"


NAMES = {
    "五絕": [
        "五绝",
        "五絶",
        "五言絕句",
        "五言绝句",
        "五言絕",
        " 五 絕\u3000",
        "五\u200b絕\ufe00",
        "\ufeff五絕",
        "《五絕》",
    ],
    "七絕": ["七绝", "七言絕句", "七言绝句", "七絕句"],
    "五律": ["五言律詩", "五言律诗", "五言律", "五律诗"],
    "七律": ["七言律詩", "七言律诗", "七\u2f94律"],
}


@pytest.mark.parametrize(("form", "name"), [(form, name) for form in NAMES for name in [form, *NAMES[form]]])
def test_a_form_is_known_by_each_of_its_names(tiny_model, form, name):
    assert form_name(name) == form
    assert prosody.templates(name) == prosody.templates(form)
    poem = tiny_model.generate(form=name, seed=1)
    assert (poem.form, poem.requested_form) == (form, form)


@pytest.mark.parametrize("name", ["五言", "六絕", "律詩", "五絕七律", "sonnet", "五", 5, None])
def test_another_form_is_refused_with_the_known_names(poet, name):
    with pytest.raises(InvalidValueError, match="五絕 七絕 五律 七律"):
        form_name(name)
    if isinstance(name, str):
        with pytest.raises(InvalidValueError, match="form must be one of 五絕 七絕 五律 七律"):
            poet.model.generate(form=name)
        *_, update = Endpoints(poet).write("春", name, 0.8, 40, 7, TRADITIONAL)
        assert "可選五絕、七絕、五律、七律" in update.notice


@pytest.mark.parametrize("name", ["", ANY_FORM, "不限", "any", "\u3000"])
def test_no_form_is_any_form(poet, name):
    *_, update = Endpoints(poet).write("春", name, 0.8, 40, 7, TRADITIONAL)
    assert update.shown.text == poet.model.generate("春", seed=7, temperature=0.8, top_k=40).text


FILES = {
    "a.txt": "漁舟：" + SPELLINGS["half-width marks"].replace(",", "，"),
    "a.json": '[{"title": "漁舟", "paragraphs": ["山中春雨過、江上晚風來！", "舟子何時去，漁人昨夜回。"]}]',
    "a.jsonl": '{"text": "山中春雨過\\n江上晚風來\\n舟子何時去\\n漁人昨夜回"}\n',
    "a.ndjson": '"山中春雨過|江上晚風來|舟子何時去|漁人昨夜回"\n',
    "a.csv": "题目,朝代,作者,内容\n渔舟,唐,某,山中春雨过，江上晚风来。舟子何时去，渔人昨夜回。\n",
    "a.tsv": "title\tcontent\n漁舟\t山中春雨過 江上晚風來 舟子何時去 漁人昨夜回\n",
}


@pytest.mark.parametrize("name", FILES)
def test_the_course_reads_each_kind_of_corpus(tmp_path, name):
    (tmp_path / name).write_text(FILES[name], encoding="utf-8")
    assert read_poems(tmp_path / name) == [CLEAN]
    assert read_poems(tmp_path / name, punctuation=False) == ["".join(LINES)]


def test_each_kind_of_corpus_is_tried():
    assert {f".{name.split('.')[1]}" for name in FILES} == set(SUFFIXES)


# the sources that may list the marks that end lines
TABLES = ("poet_model/prosody/lines.py", "poet_model/script.py")
MARKS = set("，。？！；：、｡､")


def tables_of(source: str) -> list[str]:
    """The strings of some code that hold two or more of the MARKS, but no hanzi and no letters."""
    values = [node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)]
    texts = [value for value in values if isinstance(value, str) and not re.search(r"\w", value)]
    return [text for text in texts if len(MARKS.intersection(text)) > 1]


def test_only_one_place_lists_what_ends_a_line():
    files = [ROOT / "app.py", ROOT / "train.py", *(ROOT / "poet_model").rglob("*.py")]
    tables = {file.relative_to(ROOT).as_posix(): tables_of(file.read_text("utf-8")) for file in files}
    assert tuple(sorted(name for name in tables if tables[name])) == TABLES


def test_the_reader_of_tables_sees_each_kind():
    code = 're.split("[，。]", a)\nb = "請不押韻，好。"\nc = f"[^，？]{b}"\nd = "？！；", "，", " 、"'
    assert sorted(tables_of(code)) == ["[^，？]", "[，。]", "？！；"]
