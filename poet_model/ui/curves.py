"""The training log as data for the plot of the curves, and as a sentence. Draws nothing itself."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd

from ..files import is_number
from ..model_folder import read_log

TRAIN, VALID = "訓練 train", "驗證 validation"
LOSS, PERPLEXITY = "損失 loss", "困惑度 perplexity"
MAX_POINTS = 300  # more points draw more slowly and look no smoother


def log_table(folder: Path) -> pd.DataFrame:
    """The log with columns epoch, step, split and loss; lines without finite numbers for them are skipped."""
    rows = []
    for record in read_log(folder):
        split = {"train": TRAIN, "valid": VALID}.get(record.get("split"))
        values = [record.get(name) for name in ("epoch", "step", "loss")]
        if split and all(map(is_number, values)):
            rows.append((values[0], values[1], split, values[2]))
    return pd.DataFrame(rows, columns=["epoch", "step", "split", "loss"])


def curve(log: pd.DataFrame, scale: str) -> pd.DataFrame:
    """The points of the plot: averages of neighbouring training losses, and every validation loss.

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
        if split == TRAIN and len(part) > MAX_POINTS:
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
