"""Findings: the records that the preflight's probe writes, one JSON object a line, each with a `kind`.

    machine   the versions, the GPU and its free memory
    loaded    the seconds that importing packages and reading the poems took
    begin     the trial that starts now
    trial     tokens and steps per second and peak memory of some steps; or `failed`, why it failed
    writing   scored tokens per second, and the seconds that one poem and one save take
    kernels   of one trial's steps: the kernels of the LSTM, and the five slowest of all
    done      nothing is left to try
    refused   a setting is impossible

Standard library only.
"""

from __future__ import annotations

from collections.abc import Sequence

from offline_pieces import ROOT  # noqa: F401 - makes poet_model importable

from poet_model.files import is_number

STAGES = ("mixed", "tang")
SMALLER_IS_BETTER = 0.95  # a smaller batch that is nearly as fast makes more steps in the same time

Key = tuple[str, str, int]  # what a trial tries: stage, precision, rows of a batch


def key_of(finding: dict) -> Key:
    """What a trial tries."""
    return finding["stage"], finding["precision"], finding["rows"]


def sound_trials(findings: Sequence[dict], stage: str) -> list[dict]:
    """The trials of one stage that did not fail, the fastest first."""
    trials = [one for one in findings if one["kind"] == "trial" and one["stage"] == stage]
    return sorted(
        (one for one in trials if "failed" not in one), key=lambda one: one["tokens_per_second"], reverse=True
    )


def fastest(findings: Sequence[dict], stage: str = "") -> dict | None:
    """The best sound trial of a stage (by default of the first that has any); None if there is none.

    Among trials that are nearly as fast as the fastest it is the one with the smallest batches.
    """
    if not stage:
        return next((best for name in STAGES if (best := fastest(findings, name))), None)
    sound = sound_trials(findings, stage)
    if not sound:
        return None
    enough = SMALLER_IS_BETTER * sound[0]["tokens_per_second"]
    near = [one for one in sound if one["tokens_per_second"] >= enough]
    return min(near, key=lambda one: (one["rows"], -one["tokens_per_second"]))


def last_of(findings: Sequence[dict], kind: str, defaults: dict) -> dict:
    """The last finding of a kind; `defaults` replace a missing finding, and values that are not numbers."""
    last = next((one for one in reversed(findings) if one["kind"] == kind), {})
    return defaults | {
        name: value for name, value in last.items() if name not in defaults or is_number(value)
    }
