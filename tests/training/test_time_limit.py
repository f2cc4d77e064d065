"""The time limit of a training includes its last validation."""

from __future__ import annotations

import pytest

from poet_model.training.time_limit import TimeLimit


def test_without_a_limit_no_share_has_passed():
    assert TimeLimit(None, 1000).share(1e6, 5) == 0


def test_time_is_kept_back_for_the_last_validation():
    limit = TimeLimit(1, validation_tokens=800)
    assert limit.share(30, 3000) == pytest.approx(30 / 50)  # 8 s at 100 tokens/s, and a quarter
    limit.validation_took(20)
    assert limit.share(40, 4000) == 1
    assert TimeLimit(1).share(30, 3000) == 0.5


def test_at_least_half_of_the_limit_is_trained():
    limit = TimeLimit(1, validation_tokens=10**9)
    assert limit.share(0, 0) == 0
    assert limit.share(15, 10) == 0.5
    limit.validation_took(500)
    assert limit.share(30, 10) == 1
