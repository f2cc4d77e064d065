"""The shapes in which people have poems: each gives the poems that were written, or none of their lines."""

import csv
import io
import itertools
import json

import pytest

from poet_model.corpus.cleaning import clean
from poet_model.corpus.poems import CorpusReport
from poet_model.corpus.sources import read_source
from poet_model.errors import CorpusError

VERSE = [
    "晚渡寒潮急，空山落葉深。歸人何處宿，燈火出疏林。",
    "小院梨花白，東風燕子來。故園無信至，獨上越王臺。",
    "雨歇蒼苔徑，雲生古寺門。山僧初睡起，一鶴下前村。",
]
LINES = [text.replace("，", "。").rstrip("。").split("。") for text in VERSE]
COUPLETS = [[f"{a}，{b}。", f"{c}，{d}。"] for a, b, c, d in LINES]
TITLED = [("晚渡", "甲某"), ("小院", "乙某"), ("雨後", "丙某")]


def put(path, content):
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    path.write_text(text, encoding="utf-8", newline="")
    return path


def poems_of(path, **options):
    """The poems that are kept, as (text, title, author), and the reasons of those that are not."""
    report = CorpusReport()
    poems = clean(read_source(str(path)), report, is_traditional=True, **options)
    return [(poem.text, poem.title, poem.author) for poem in poems], report.dropped


def table(delimiter, header, rows):
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter, lineterminator="\r\n").writerows([header, *rows])
    return stream.getvalue()


WITH_HEADER = [(text, *header) for text, header in zip(VERSE, TITLED, strict=True)]
WITHOUT = [(text, "", "") for text in VERSE]
TITLES, AUTHORS = zip(*TITLED, strict=True)
ROWS = [(t, a, text) for text, t, a in WITH_HEADER]
PAIRS = list(zip(TITLED, COUPLETS, strict=True))
BARE = [{"title": t, "author": a, "para": lines} for (t, a), lines in zip(TITLED, LINES, strict=True)]
RECORDS = [{"title": t, "author": a, "paragraphs": couplets} for (t, a), couplets in PAIRS]
CHINESE = [{"题目": t, "朝代": "唐", "作者": a, "内容": v} for (t, a), v in zip(TITLED, VERSE, strict=True)]


HEADINGS = ["其一", *COUPLETS[0], "其二", *COUPLETS[1], "（三）", *COUPLETS[2]]
COLUMNS = {"title": TITLES, "author": AUTHORS, "text": VERSE}
CHAPTERS = [{"chapter": t, "author": a, "paragraphs": couplets} for (t, a), couplets in PAIRS]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (RECORDS, WITH_HEADER),
        ([{"Title": t, "Author": a, "Content": text} for text, t, a in WITH_HEADER], WITH_HEADER),
        ([{"rhythmic": t, "author": a, "text": text} for text, t, a in WITH_HEADER], WITH_HEADER),
        (BARE, WITH_HEADER),
        (CHINESE, WITH_HEADER),
        ([{"text": "<br/>".join(couplets)} for couplets in COUPLETS], WITHOUT),
        ([{"text": "|".join(lines)} for lines in LINES], WITHOUT),
        ([{"text": "　".join(lines)} for lines in LINES], WITHOUT),
        ([{"text": "\r\n".join(lines)} for lines in LINES], WITHOUT),
        ([{"text": f"{a} {b}。\n{c} {d}。"} for a, b, c, d in LINES], WITHOUT),
        (VERSE, WITHOUT),
        (COUPLETS, WITHOUT),
        (LINES, WITHOUT),
        (COLUMNS, WITH_HEADER),
        ({key: dict(zip("012", column, strict=True)) for key, column in COLUMNS.items()}, WITH_HEADER),
        (dict(zip("012", RECORDS, strict=True)), WITH_HEADER),
        ({"columns": ["text", "title", "author"], "data": list(map(list, WITH_HEADER))}, WITH_HEADER),
        ({"title": "選集", "content": [{"type": "五言", "content": CHAPTERS}]}, WITH_HEADER),
        ({"author": "甲某", "content": RECORDS[:1]}, WITH_HEADER[:1]),
        ({"author": "甲某", "content": [{"title": "晚渡", "text": VERSE[0]}]}, WITH_HEADER[:1]),
        ({"poem": {"title": "晚渡", "author": "甲某", "content": VERSE[0]}}, WITH_HEADER[:1]),
        (
            [{"title": "三首", "paragraphs": HEADINGS}],
            list(zip(VERSE, ("三首，其一", "三首，其二", "三首"), ("", "", ""), strict=True)),
        ),
    ],
)
def test_json_gives_the_poems_that_were_written(tmp_path, content, expected):
    assert poems_of(put(tmp_path / "a.json", content)) == (expected, {})
    if isinstance(content, list):
        lines = "\n".join(json.dumps(item) for item in content)
        assert poems_of(put(tmp_path / "a.ndjson", lines)) == (expected, {})


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", table(",", CHINESE[0], [record.values() for record in CHINESE])),
        ("a.csv", "\ufeff" + table(",", ["", "Title", "Author", "Content"], [(7, *row) for row in ROWS])),
        ("a.csv", table(";", COLUMNS, ROWS)),
        ("a.csv", table(",", COLUMNS, [(t, a, "\n".join(couplets)) for (t, a), couplets in PAIRS])),
        ("a.csv", table(",", COLUMNS, [(t, a, str(couplets)) for (t, a), couplets in PAIRS])),
        ("a.csv", table(",", COLUMNS, [(r["title"], r["author"], str(r["para"])) for r in BARE])),
        ("a.tsv", table("\t", COLUMNS, ROWS)),
        ("a.txt", table(",", CHINESE[0], [record.values() for record in CHINESE])),
        ("a.txt", table("|", COLUMNS, ROWS)),
        ("a.txt", "\n\n".join("\n".join((t, a, *couplets)) for (t, a), couplets in PAIRS) + "\n"),
        ("a.txt", "\n\n".join(f"{t}\n{a}\n{v}" for v, t, a in WITH_HEADER)),
        ("a.txt", "\n\n".join("\n".join((r["title"], r["author"], *r["para"])) for r in BARE)),
        ("a.txt", "\n\n".join("\n".join((t, f"作者：{a}", *couplets)) for (t, a), couplets in PAIRS)),
        ("a.txt", "\n\n".join("\n".join((f"詩人:{a}", f"題目: {t}", *c)) for (t, a), c in PAIRS)),
    ],
)
def test_tables_and_blocks_of_text_give_title_author_and_poem(tmp_path, name, content):
    assert poems_of(put(tmp_path / name, content)) == (WITH_HEADER, {})


def test_titles_above_poems_of_one_line_are_titles(tmp_path):
    titled = "\n\n".join(f"{t}\n{v}" for v, t, _ in WITH_HEADER)
    assert poems_of(put(tmp_path / "a.txt", titled)) == ([(v, t, "") for v, t, _ in WITH_HEADER], {})
    of_all = "\n".join(["選集", *(v for v, _, _ in WITH_HEADER)])
    assert [text for text, _, _ in poems_of(put(tmp_path / "b.txt", of_all))[0]] == [
        v for v, _, _ in WITH_HEADER
    ]


@pytest.mark.parametrize(
    "content",
    ["\n".join(f"{t}{sign}{v}" for v, t, a in WITH_HEADER) for sign in (":", "：", "::", "\t", "\t\t")],
)
def test_a_line_of_text_may_begin_with_a_title(tmp_path, content):
    assert poems_of(put(tmp_path / "a.txt", content)) == ([(v, t, "") for v, t, a in WITH_HEADER], {})


@pytest.mark.parametrize("sign", ["::", "\t", ":", ",", "|", " ", "　"])
def test_fields_without_a_name_are_never_verse(tmp_path, sign):
    rows = [f"{t}{sign}{a}{sign}{v}" for v, t, a in WITH_HEADER] + [f"五字的標題{sign}{VERSE[0]}"]
    kept, dropped = poems_of(put(tmp_path / "a.txt", "\n".join(rows)))
    assert {text for text, *_ in kept} <= {VERSE[0]}
    assert sum(dropped.values()) >= 3


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", "\n".join(f"{t},{a},{v}" for v, t, a in WITH_HEADER), "none is known to hold poems"),
        ("a.csv", "title,author\n晚渡,甲某\n", "none is known to hold poems"),
        ("a.csv", 'title,text\n晚渡,"晚渡寒潮急', "not a valid table"),
        ("a.csv", "", "none is known to hold poems"),
        ("a.txt", json.dumps(RECORDS), "rename it to end in .json"),
        ("a.txt", "\n".join(itertools.chain(*COUPLETS)), "an empty line between poems"),
        ("a.txt", "\n".join(itertools.chain(*LINES)), "an empty line between poems"),
        ("a.xml", f"<poem>{VERSE[0]}</poem>", ".json, .jsonl, .ndjson, .csv, .tsv, .txt"),
        ("poems", VERSE[0], ".json, .jsonl, .ndjson, .csv, .tsv, .txt"),
    ],
)
def test_a_file_that_would_have_to_be_guessed_is_refused(tmp_path, name, content, says):
    path = put(tmp_path / name, content)
    with pytest.raises(CorpusError) as caught:
        poems_of(path)
    assert str(path) in str(caught.value)
    assert says in str(caught.value)


def test_a_row_of_another_length_is_counted_and_not_shifted(tmp_path):
    content = f"title,author,text\n晚渡,甲某,{VERSE[0]}\n小,院,乙某,{VERSE[1]}\n\n{VERSE[2]}\n"
    assert poems_of(put(tmp_path / "a.csv", content)) == (
        WITH_HEADER[:1],
        {"a row with more or fewer cells than columns": 2},
    )


def test_a_block_whose_title_looks_like_verse_is_counted_and_not_guessed(tmp_path):
    blocks = ["\n".join(("五字的標題", *LINES[0])), "\n".join(("雨後", *LINES[2]))]
    kept, dropped = poems_of(put(tmp_path / "a.txt", "\n\n".join(blocks)))
    assert kept == [(VERSE[2], "雨後", "")]
    assert dropped == {"a title that cannot be told from the verse": 1}
