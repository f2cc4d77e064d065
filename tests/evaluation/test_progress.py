"""What is measured is shown on stderr, as lines in a log and as a bar in a terminal."""

from __future__ import annotations

import io

import pytest
from conftest import POEMS

from poet_model.corpus import Corpus, CorpusReport, PoemRecord
from poet_model.evaluation.measurement import measure, work
from poet_model.evaluation.progress import SILENT, Progress, in_words

RECORDS = [PoemRecord(text, title="春月", author="李白", form="五絕") for text in POEMS]
CORPUS = Corpus({"train": RECORDS[:2], "valid": RECORDS[2:3], "test": RECORDS[3:]}, CorpusReport())


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_gets_a_line_for_each_stage():
    log = io.StringIO()
    with Progress(200, log) as progress:
        for units in (50, 100, 900):
            progress.stage(f"{units} poems")
            progress.advance(units)
        progress.stage("the rest")
    assert log.getvalue().splitlines() == [
        "measuring 50 poems (0% done)",
        "measuring 100 poems (25% done)",
        "measuring 900 poems (75% done)",
        "measuring the rest (99% done)",
    ]


def test_a_terminal_gets_a_bar_that_is_removed_at_the_end():
    terminal = Terminal()
    with Progress(200, terminal) as progress:
        progress.stage("poems")
        progress.advance(100)
        progress.stage("titles")
        progress.advance(1000)
    shown = terminal.getvalue()
    assert "measuring poems" in shown and " 50%" in shown and "measuring titles" in shown
    assert "\n" not in shown and not shown.split("\r")[-1].strip()


def test_nothing_is_shown_unless_asked_for(capsys):
    SILENT.stage("poems")
    SILENT.advance(5)
    assert capsys.readouterr() == ("", "") and SILENT.done == 0


def test_the_work_is_what_measuring_does_and_the_metrics_are_the_same(tiny_model):
    log = io.StringIO()
    for best_of in (1, 2):
        total = work(CORPUS, 2, best_of)
        with Progress(total, log) as progress:
            measured = measure(tiny_model, CORPUS, poems_a_form=2, best_of=best_of, progress=progress)
        # a field with one value in all poems is not scored, and a small vocabulary may have no rhymes
        assert 0.2 * total < progress.done <= total
    assert measured == measure(tiny_model, CORPUS, poems_a_form=2, best_of=2)
    assert "the perplexity of 1 test poems" in log.getvalue()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "10 seconds"), (44, "40 seconds"), (94, "90 seconds"), (96, "2 minutes"), (400, "7 minutes")],
)
def test_an_estimated_time_is_rounded(seconds, words):
    assert in_words(seconds) == words
