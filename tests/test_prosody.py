"""Lines and forms, checked on poems counted by hand."""

import pytest
from conftest import POEMS

from poet_model.prosody import form_of, has_equal_lines, line_lengths, split_lines


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (POEMS[0], "五絕"),
        (POEMS[3], "七絕"),
        (POEMS[0] + POEMS[1], "五律"),
        (POEMS[3] * 2, "七律"),
        (POEMS[0] + POEMS[1] + POEMS[2], ""),  # twelve lines
        (POEMS[0][:-1], ""),  # no end
        (POEMS[0].replace("。", "，"), ""),
        ("牀前看月光，疑是地上霜，舉頭望山月，低頭思故鄉。", ""),
        ("牀前看月，疑是地上霜。舉頭望山月，低頭思故鄉。", ""),
        ("春，眠。不，覺。", ""),
        ("", ""),
    ],
)
def test_form(text, form):
    assert form_of(text) == form


def test_lines_keep_their_ends_and_a_rest_is_a_line():
    assert split_lines("春眠，不覺曉。處處") == ["春眠，", "不覺曉。", "處處"]
    assert line_lengths("春眠，不覺曉。處處") == [2, 3, 2]
    assert split_lines("") == []


def test_the_lines_put_together_are_the_text():
    for text in (*POEMS, "，，春。", "春"):
        assert "".join(split_lines(text)) == text


@pytest.mark.parametrize(
    ("text", "is_equal"),
    [
        (POEMS[3], True),
        ("春眠不覺曉，處處聞啼鳥。", True),
        ("春眠不覺曉。", False),
        ("春眠不覺曉，處處聞啼。", False),
        ("春眠不覺曉，處處聞啼鳥，", False),
        ("，。", False),
        ("", False),
    ],
)
def test_equal_lines(text, is_equal):
    assert has_equal_lines(text) is is_equal
