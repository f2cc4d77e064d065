"""check_number, which checks the numbers in all configs, and `command`, which ends all command lines."""

from __future__ import annotations

import math

import numpy as np
import pytest

from poet_model.errors import (
    InvalidValueError,
    PoetError,
    check_number,
    check_text,
    command,
    excerpt,
    quoted,
)

WHOLE = {"low": 1, "high": 16, "whole": True}
SHARE = {"low": 0, "high": 1, "below": True}
POSITIVE = {"low": 0, "above": True}


@pytest.mark.parametrize(
    ("value", "bounds"),
    [
        (1, WHOLE),
        (16, WHOLE),
        (0, SHARE),
        (0.999, SHARE),
        (1e-300, POSITIVE),
        (1e300, POSITIVE),
        (7, POSITIVE),
        (np.float64(0.5), SHARE),
        (10**12, {"low": 0, "whole": True}),
        (None, POSITIVE | {"optional": True}),
    ],
    ids=str,
)
def test_what_is_within_the_bounds_passes(value, bounds):
    check_number("setting", value, **bounds)


@pytest.mark.parametrize(
    ("value", "bounds", "message"),
    [
        (0, WHOLE, "setting must be a whole number from 1 to 16, got 0"),
        (17, WHOLE, "setting must be a whole number from 1 to 16, got 17"),
        (2.0, WHOLE, "setting must be a whole number from 1 to 16, got 2.0"),
        (True, WHOLE, "setting must be a whole number from 1 to 16, got True"),
        (None, WHOLE, "setting must be a whole number from 1 to 16, got None"),
        (0, {"low": 1, "whole": True}, "setting must be 1 or more, got 0"),
        (2.5, {"low": 1, "whole": True}, "setting must be a whole number, 1 or more, got 2.5"),
        ("3", {"low": 1, "whole": True}, "setting must be a whole number, 1 or more, got '3'"),
        (1, SHARE, "setting must be a number from 0 up to (not including) 1, got 1"),
        (False, SHARE, "setting must be a number from 0 up to (not including) 1, got False"),
        (0, POSITIVE | {"high": 1}, "setting must be a number above 0 and at most 1, got 0"),
        (0.0, POSITIVE, "setting must be above 0, got 0.0"),
        (math.inf, POSITIVE, "setting must be a finite number, above 0, got inf"),
        (math.nan, POSITIVE, "setting must be a finite number, above 0, got nan"),
        (-math.inf, {"low": 0, "high": 1}, "setting must be a number from 0 to 1, got -inf"),
        (10**400, POSITIVE, "setting must be a finite number, above 0, got a number of about 400 digits"),
        ([1], POSITIVE, "setting must be a finite number, above 0, got [1]"),
        (-1, POSITIVE | {"optional": True}, "setting must be above 0, got -1"),
    ],
)
def test_all_else_is_refused_in_one_sentence(value, bounds, message):
    with pytest.raises(InvalidValueError) as caught:
        check_number("setting", value, **bounds)
    assert str(caught.value) == message
    assert isinstance(caught.value, PoetError) and isinstance(caught.value, ValueError)


class NoWords:
    """An object that cannot be written out."""

    def __repr__(self):
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("春", "'春'"),
        (7, "7"),
        (None, "None"),
        (1.5, "1.5"),
        ("春" * 58, f"'{'春' * 58}'"),
        ("春" * 59, f"'{'春' * 27}…{'春' * 28}'"),
        ("/a" * 500 + "/poems.txt", "'" + "/a" * 13 + "/…" + "/a" * 9 + "/poems.txt'"),
        (b"\xff" * 10**7, "b'" + r"\xff" * 6 + r"\x…" + r"\xff" * 7 + "'"),
        ("\ud800", r"'\ud800'"),
        ("\x00" * 58, "'" + r"\x00" * 6 + r"\x0…" + r"\x00" * 7 + "'"),
        (-(10**5000), "a number of about 5,000 digits"),
        ([10**5000], "[a number of about 5,000 digits]"),
        ([[[[1]]]], "[[[…]]]"),
        ({"a": "春" * 99}, "{'a': '" + "春" * 27 + "…" + "春" * 25 + "…"),
    ],
    ids=lambda value: ascii(value)[:20] if isinstance(value, str) else type(value).__name__,
)
def test_a_value_is_quoted_in_short(value, shown):
    assert quoted(value) == shown


def test_what_cannot_be_written_out_is_named():
    assert quoted(NoWords()).startswith("<NoWords instance at ")
    assert "NoWords" in quoted({"a": NoWords()})
    assert excerpt("月\n\ud800" + "光" * 100) == "月\ufffd\ufffd" + "光" * 57 + "…"


def test_a_text_is_checked_for_type_and_length():
    check_text("title", "春" * 40, 40)
    with pytest.raises(InvalidValueError, match=r"^title must be text, got 7$"):
        check_text("title", 7, 40)
    with pytest.raises(InvalidValueError, match=r"^the title has 1,000 characters; at most 40 fit") as caught:
        check_text("title", "春" * 1000, 40, "題目")
    assert caught.value.chinese == "題目有 1000 字，最多 40 字，請刪短些。"


@pytest.mark.parametrize(
    ("happens", "status", "said"),
    [
        (None, 0, ""),
        (InvalidValueError("size must be 1 or more, got 0"), 2, "error: size must be 1 or more, got 0\n"),
        (KeyboardInterrupt(), 130, "\nstopped\n"),
    ],
)
def test_a_command_ends_with_a_sentence_and_a_status(capsys, happens, status, said):
    @command
    def main(arguments):
        assert arguments == ["--size", "0"]
        if happens:
            raise happens

    assert main(["--size", "0"]) == status
    assert capsys.readouterr() == ("", said)


def test_a_fault_of_the_program_is_not_hidden():
    @command
    def main():
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        main()
