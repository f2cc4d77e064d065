"""The training curves of the page, made from the log in a model folder."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pandas as pd
import pytest
from conftest import SHIPPED

from poet_model.ui import curves


def log_folder(tmp_path: Path, text: str) -> Path:
    (tmp_path / "training_log.jsonl").write_text(text, encoding="utf-8")
    return tmp_path


def test_the_log_is_read_and_broken_lines_left_out(tmp_path):
    lines = [
        '{"step": 1, "epoch": 0.1, "split": "train", "loss": 6.0}',
        '{"step": 2, "epoch": 0.2, "split": "train", "loss": NaN}',
        '{"step": 3, "epoch": 0.3, "split": "train"}',
        "{broken",
        '{"step": 4, "epoch": 0.4, "split": "valid", "loss": 5.0}',
    ]
    log = curves.log_table(log_folder(tmp_path, "\n".join(lines)))
    assert list(log["step"]) == [1, 4]


@pytest.mark.parametrize(
    "record",
    [
        {"loss": 1e308},
        {"loss": 10**400},
        {"loss": -1},
        {"loss": True},
        {"loss": [5.0]},
        {"loss": "5"},
        {"loss": math.inf},
        {"epoch": 1e308},
        {"epoch": {}},
        {"step": 10**30},
        {"step": None},
        {"split": ["valid"]},
        {"split": {}},
        {"split": None},
    ],
    ids=repr,
)
def test_a_line_that_cannot_be_drawn_is_left_out_with_one_note(tmp_path, capsys, record):
    lines = [{"step": step, "epoch": step / 9, "split": "valid", "loss": 5.0} for step in (1, 2, 3)]
    lines[1] |= record
    folder = log_folder(tmp_path, "\n".join([*map(json.dumps, lines), "[" * 100_000]))
    log = curves.log_table(folder)
    assert list(log["step"]) == [1, 3]
    noted = capsys.readouterr().err
    assert "leave out 1 lines" in noted and noted.count("\n") == 1
    for scale in (curves.LOSS, curves.PERPLEXITY):
        assert len(curves.curve(log, scale)) == 2
    assert "perplexity fell" in curves.summary(log)


@pytest.mark.parametrize("name", ["training_log.jsonl", "earlier_log.jsonl"])
@pytest.mark.parametrize("kind", ["folder", "pipe", "huge", "noise"])
def test_a_log_that_cannot_be_read_is_left_out_with_one_note(tmp_path, capsys, name, kind):
    if kind == "folder":
        (tmp_path / name).mkdir()
    elif kind == "pipe":
        os.mkfifo(tmp_path / name)
    elif kind == "noise":
        (tmp_path / name).write_bytes(bytes(range(256)) * 9)
    else:
        with open(tmp_path / name, "wb") as file:
            file.truncate(1 << 40)
    assert curves.log_table(tmp_path).empty
    noted = capsys.readouterr().err
    assert noted.startswith("note: the page shows no training curves") and noted.count("\n") == 1


def test_many_validations_are_thinned_too(tmp_path):
    lines = [{"step": s, "epoch": s / 9, "split": "valid", "loss": 5.0} for s in range(2000)]
    log = curves.log_table(log_folder(tmp_path, "\n".join(map(json.dumps, lines))))
    assert 100 < len(curves.curve(log, curves.LOSS)) <= curves.MAX_POINTS


def test_the_curves_begin_with_the_training_it_went_on_from(tmp_path):
    own = [
        '{"step": 5, "epoch": 0.5, "split": "valid", "loss": 4.9}',
        '{"step": "6", "split": "valid", "loss": 4}',
    ]
    earlier = ['{"step": 20, "epoch": 2.0, "split": "valid", "loss": 5.0}', '{"step": 21, "epoch": 2.25}']
    (tmp_path / "earlier_log.jsonl").write_text("\n".join(earlier), encoding="utf-8")
    log = curves.log_table(log_folder(tmp_path, "\n".join(own)))
    assert list(log["step"]) == [20, 26] and list(log["epoch"]) == [2.0, 2.75]
    assert "(epoch 2.8)" in curves.summary(log)


def test_curves_keep_the_validation_and_thin_the_training(tmp_path):
    records = [{"step": s, "epoch": s / 100, "split": "train", "loss": 5 - s / 1000} for s in range(1, 1001)]
    records += [
        {"step": s, "epoch": s / 100, "split": "valid", "loss": 5.5 - s / 1000} for s in (300, 600, 900)
    ]
    log = curves.log_table(log_folder(tmp_path, "\n".join(map(json.dumps, records))))
    shown = curves.curve(log, curves.LOSS)
    train, valid = (shown[shown["split"] == split] for split in (curves.TRAIN, curves.VALID))
    assert len(valid) == 3 and 100 < len(train) <= curves.MAX_POINTS
    assert train["value"].iloc[-1] == pytest.approx(4.0, abs=0.01)
    perplexity = curves.curve(log, curves.PERPLEXITY)
    assert perplexity["value"].max() == pytest.approx(2.718281828 ** shown["value"].max(), rel=1e-3)
    assert "perplexity fell from 181 to 99.5" in curves.summary(log)


def test_a_short_training_is_drawn_whole():
    log = pd.DataFrame(
        [(0.1, 25, curves.TRAIN, 7.5), (0.3, 75, curves.TRAIN, 6.4), (0.3, 75, curves.VALID, 6.5)],
        columns=["epoch", "step", "split", "loss"],
    )
    assert curves.curve(log, curves.LOSS)["value"].tolist() == [7.5, 6.4, 6.5]
    assert "perplexity is 665.1 (epoch 0.3)" in curves.summary(log)


def test_no_log_is_no_error(tmp_path):
    log = curves.log_table(tmp_path)
    assert curves.curve(log, curves.LOSS).empty
    assert "without a training log" in curves.summary(log)


def test_the_shipped_log_gives_curves():
    shown = curves.curve(curves.log_table(SHIPPED), curves.LOSS)
    assert set(shown["split"]) == {curves.TRAIN, curves.VALID}
    assert shown.groupby("split")["value"].last().max() < shown.groupby("split")["value"].first().min()
