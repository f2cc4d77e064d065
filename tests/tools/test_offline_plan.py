"""offline_plan.py: how the minutes are divided."""

from __future__ import annotations

import time

import offline_plan
import pytest

from poet_model.errors import InvalidValueError


def plan(seconds: float) -> offline_plan.Plan:
    """A plan for a machine that starts in 5 s + 1 s per 100 characters, validates in 2 s and ends in 30 s."""
    return offline_plan.Plan(
        stages={"mixed": ("tang", "song"), "tang": ("tang",)},
        characters={"tang": 100, "song": 900},
        end=time.monotonic() + seconds,
        importing=5.0,
        reading=0.01,
        evaluation=2.0,
        reserve=30.0,
    )


def test_the_minutes_are_divided():
    made = plan(480)
    seconds, until = made.share("mixed")
    # 480 - 30 for the end - (5 + 10) - (5 + 1) for starting - 2 * 2 for a last validation = 425
    assert seconds == pytest.approx(0.55 * 425, abs=0.1)
    assert until < made.end - 30 - 0.2 * 425  # the second stage always has its time, however late it is
    last, end = made.share("tang")
    assert last == pytest.approx(480 - 30 - 6 - 2, abs=0.1) and end == pytest.approx(made.end - 30)
    made.learn(("tang", "song"), 25.0)  # it took 10 s longer than planned
    assert made.start_up(("tang",)) == pytest.approx(5 + 2)
    rhythm = made.rhythm(400, {"rows": 128, "steps_per_second": 50.0})
    assert 400 * 50 / rhythm["eval_every"] == pytest.approx(20, rel=0.2)
    slow = made.rhythm(40, {"rows": 64, "steps_per_second": 1.0})  # 6 of 40 s may go into validations of 2
    assert 40 / slow["eval_every"] == pytest.approx(3, rel=0.35)


def test_minutes_that_are_too_few_are_said_with_how_many_are_needed():
    plan(60).check(1)
    with pytest.raises(
        InvalidValueError, match=r"--minutes 0.5 leaves no time to train here.*give 2 or more"
    ):
        plan(30).check(0.5)
