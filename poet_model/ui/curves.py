"""The training log as curves and as one sentence."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd

from ..files import is_number
from ..model_folder import read_log

TRAIN, VALID = "訓練 train", "驗證 validation"
LOSS, PERPLEXITY = "損失 loss", "困惑度 perplexity"
MAX_POINTS = 300  # a curve of more is no smoother on a screen, and slower


def log_table(folder: Path) -> pd.DataFrame:
    """Columns epoch, step, split, loss; lines with a missing or endless number are left out."""
    rows = []
    for record in read_log(folder):
        split = {"train": TRAIN, "valid": VALID}.get(record.get("split"))
        values = [record.get(name) for name in ("epoch", "step", "loss")]
        if split and all(map(is_number, values)):
            rows.append((values[0], values[1], split, values[2]))
    return pd.DataFrame(rows, columns=["epoch", "step", "split", "loss"])


def curve(log: pd.DataFrame, scale: str) -> pd.DataFrame:
    """What the plot shows: the training loss averaged over neighbours, the validation as it is.

    The first steps, in which the loss falls from that of a blind guess, are left out where there is enough
    after them: they would press the rest flat.
    """
    parts = []
    for split, part in log.groupby("split", sort=False):
        if split == TRAIN and len(part) > MAX_POINTS:
            width = math.ceil(len(part) / MAX_POINTS)
            part = part[: len(part) // width * width]  # a last mean over too few would stand out
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
    return shown.assign(value=value.round(4)).reset_index(drop=True)


def summary(log: pd.DataFrame) -> str:
    """The curves in one sentence of each language, for those who do not see them."""
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
