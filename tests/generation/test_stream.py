"""PoemStream: the pieces of a poem, and the poem so far."""

from __future__ import annotations

import pytest
from conftest import SHIPPED

from poet_model import PoetModel
from poet_model.generation.poem import Poem
from poet_model.generation.stream import PoemStream


@pytest.fixture(scope="module")
def shipped():
    return PoetModel.from_pretrained(SHIPPED)


def test_the_poem_grows_with_the_pieces_and_is_finished_at_the_end(tiny_model):
    expected = tiny_model.generate("月光", seed=8, author="李白")
    stream = tiny_model.stream("月光", seed=8, author="李白")
    assert isinstance(stream, PoemStream)
    assert stream.poem == Poem("", (), 8, author="李白") and not stream.is_finished
    text = ""
    for piece in stream:
        text += piece
        assert stream.poem.text == text and stream.poem.log_probs == () and not stream.is_finished
        assert expected.text.startswith(text) and stream.poem.seed == 8
    assert stream.poem == expected and stream.is_finished
    assert next(stream, None) is None
    assert stream.poem == expected and stream.is_finished


def test_yield_from_gives_the_poem(tiny_model):
    found = []

    def pieces():
        found.append((yield from tiny_model.stream("月", seed=3)))

    text = "".join(pieces())
    assert found == [tiny_model.generate("月", seed=3)] and found[0].text == text


@pytest.mark.parametrize(
    ("options", "given", "heads"),
    [
        ({"start": "春"}, "春", ""),
        ({"start": ""}, "", ""),
        ({"start": "春眠不覺曉處處", "form": "五絕"}, "春眠不覺曉，處處", ""),
        ({"start": "云", "acrostic": "云山风月", "rhyme": True}, "雲", "雲山風月"),
        ({"start": "，。春"}, "春", ""),
    ],
)
def test_it_knows_what_was_given(shipped, options, given, heads):
    stream = shipped.stream(**options, seed=5)
    assert (stream.given, stream.heads) == (len(given), heads)
    first = next(stream)
    assert first == given or (not given and len(first) == 1)
    assert "".join([first, *stream])[: stream.given] == given
    assert [line[0] for line in stream.poem.lines[: len(heads)]] == list(heads)


def test_a_closed_stream_keeps_what_was_written(tiny_model):
    stream = tiny_model.stream("月", seed=1)
    next(stream)
    text = stream.poem.text
    stream.close()
    assert list(stream) == [] and stream.poem.text == text and not stream.is_finished
