"""check_number, which checks the numbers in all configs, and `command`, which ends all command lines."""

from __future__ import annotations

import math

import numpy as np
import pytest

from poet_model.errors import InvalidValueError, PoetError, check_number, command

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
        (10**400, POSITIVE, f"setting must be a finite number, above 0, got {10**400}"),
        ([1], POSITIVE, "setting must be a finite number, above 0, got [1]"),
        (-1, POSITIVE | {"optional": True}, "setting must be above 0, got -1"),
    ],
)
def test_all_else_is_refused_in_one_sentence(value, bounds, message):
    with pytest.raises(InvalidValueError) as caught:
        check_number("setting", value, **bounds)
    assert str(caught.value) == message
    assert isinstance(caught.value, PoetError) and isinstance(caught.value, ValueError)


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
