"""Random hostile requests end in a poem or a PoetError; POET_FUZZ=3000 sends as many to each half."""

from __future__ import annotations

import os

import fuzz_requests

from poet_model import PoetError

COUNT = int(os.environ.get("POET_FUZZ", "150"))


def test_every_request_is_answered_with_a_poem_or_a_sentence():
    for name, tally in fuzz_requests.fuzz(COUNT, seed=1).items():
        assert tally.faults == [], name
        assert min(tally.outcomes["a poem"], tally.outcomes["a PoetError"]) > COUNT / 10
        assert tally.outcomes.total() == len(tally.seconds) == COUNT


def test_what_is_neither_is_counted_as_a_fault():
    def raising(error):
        raise error

    tally = fuzz_requests.Tally()
    tally.add({}, lambda: "a poem")
    tally.add({}, lambda: raising(PoetError("one sentence")))
    tally.add({"start": "春" * 99}, lambda: raising(KeyError("<")))
    tally.add({}, lambda: raising(PoetError("", chinese="\ud800")))
    tally.add({}, lambda: raising(PoetError("x" * 10_000)))
    assert tally.outcomes.pop("a poem") == tally.outcomes.pop("a PoetError") == 1
    assert sorted(tally.outcomes) == [
        "KeyError",
        "a PoetError of over 800 characters",
        "a PoetError that cannot be encoded",
    ]
    assert len(tally.faults) == 3 and len(tally.faults[0]) < 200
