"""The report: every record is counted, as kept or as dropped for a reason."""

import pytest
from conftest import POEMS
from corpus_texts import is_balanced, write
from hypothesis import given, settings
from hypothesis import strategies as st

from poet_model import corpus
from poet_model.corpus import CorpusReport, PoemRecord
from poet_model.corpus.cleaning import clean
from poet_model.corpus.near_copies import split
from poet_model.corpus.prepare import load_corpus
from poet_model.corpus.records import RawPoem
from poet_model.script import to_simplified

pytestmark = pytest.mark.usefixtures("corpus_cache")


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
        "lost characters (□, {釒基}, 下缺)": 1,
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
    assert report.exclude_dropped == {"the same text again": 1, "lost characters (□, {釒基}, 下缺)": 1}
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
