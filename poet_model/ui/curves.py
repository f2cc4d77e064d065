"""The training log as data for the plot of the curves, and as a sentence. Draws nothing itself."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path

import pandas as pd

from ..errors import CheckpointError
from ..model_folder import EARLIER_LOG_NAME, LOG_NAME, read_log

TRAIN, VALID = "訓練 train", "驗證 validation"
LOSS, PERPLEXITY = "損失 loss", "困惑度 perplexity"
MAX_POINTS = 300  # more points draw more slowly and look no smoother
_HIGHEST = {"epoch": 1e6, "step": 1e12, "loss": 100}  # no training gives more


def log_table(folder: Path) -> pd.DataFrame:
    """The log with columns epoch, step, split and loss.

    No poem needs it, so what cannot be drawn is left out, with a note on stderr.
    """
    try:
        records = read_log(folder)
        if not records and any(os.path.exists(folder / name) for name in (LOG_NAME, EARLIER_LOG_NAME)):
            raise CheckpointError("no line of the log can be read")
    except CheckpointError as error:
        print(f"note: the page shows no training curves: {error}", file=sys.stderr)
        records = []
    rows, wrong = [], 0
    for record in records:
        split = {"train": TRAIN, "valid": VALID}.get(str(record.get("split")))
        values = {name: record.get(name) for name in _HIGHEST}
        if split and all(_can_be_drawn(value, _HIGHEST[name]) for name, value in values.items()):
            rows.append((values["epoch"], values["step"], split, values["loss"]))
        else:
            wrong += 1
    if wrong:
        print(f"note: the training curves leave out {wrong:,} lines of the log", file=sys.stderr)
    return pd.DataFrame(rows, columns=["epoch", "step", "split", "loss"])


def _can_be_drawn(value: object, highest: float) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= highest


def curve(log: pd.DataFrame, scale: str) -> pd.DataFrame:
    """The points of the plot: every loss, or averages of neighbouring ones if there are many.

    In the first steps the loss falls from that of a random guess, which would flatten the rest of the curves.
    These steps are omitted if there are at least three validations.

    Args:
        log: a table from `log_table`.
        scale: LOSS or PERPLEXITY.

    Returns:
        The rows to plot: `epoch`, `split` and, with the loss or perplexity, `value`.
    """
    parts = []
    for split, part in log.groupby("split", sort=False):
        if len(part) > MAX_POINTS:
            width = math.ceil(len(part) / MAX_POINTS)
            part = part[: len(part) // width * width]  # an average over fewer points would stand out
            groups = pd.RangeIndex(len(part)) // width
            part = (
                part.assign(split=split)
                .groupby(groups)
                .agg({"epoch": "last", "step": "last", "split": "last", "loss": "mean"})
            )
        parts.append(part)
    shown = pd.concat(parts) if parts else log
    validated = shown.loc[shown["split"] == VALID, "loss"]
    if len(validated) > 2:
        shown = shown[shown["loss"] <= validated.max() + 0.05]
    value = shown["loss"].map(math.exp) if scale == PERPLEXITY else shown["loss"]
    shown = shown.assign(value=value.round(4))
    return shown[["epoch", "split", "value"]].reset_index(drop=True)


def summary(log: pd.DataFrame) -> str:
    """A description of the curves in both languages, also for readers who cannot see the plot."""
    valid = log[log["split"] == VALID]
    if valid.empty:
        return "這個模型沒有附訓練記錄。 This model came without a training log."
    first, best = valid.iloc[0], valid.loc[valid["loss"].idxmin()]
    if len(valid) == 1:
        return (
            f"驗證困惑度 {math.exp(best['loss']):.1f}（第 {best['epoch']:.1f} 輪）；訓練曲線含 dropout。 "
            f"Validation perplexity is {math.exp(best['loss']):.1f} (epoch {best['epoch']:.1f}); "
            "the training curve is measured with dropout."
        )
    return (
        f"驗證困惑度由 {math.exp(first['loss']):.0f} 降到 {math.exp(best['loss']):.1f}"
        f"（第 {best['epoch']:.1f} 輪）；訓練曲線含 dropout。 "
        f"Validation perplexity fell from {math.exp(first['loss']):.0f} to {math.exp(best['loss']):.1f} "
        f"(epoch {best['epoch']:.1f}); the training curve is measured with dropout."
    )
