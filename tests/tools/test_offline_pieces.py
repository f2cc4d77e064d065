"""offline_pieces.py and offline_unpack.py: a model in pieces, whole whatever happens, and joined again."""

from __future__ import annotations

import functools
import io
import itertools
import json
import math
import os
import tarfile
from pathlib import Path

import offline_pieces
import offline_unpack
import pytest
from offline_fixtures import read_object

from poet_model.errors import CheckpointError


class Killed(BaseException):
    """Simulates kill -9: nothing that the code does afterwards has an effect."""


@pytest.fixture
def killed_at(monkeypatch):
    """Sets the number of the file operation at which the process dies; counts the operations."""
    counts = {"done": 0, "last": math.inf}

    def limited(operation):
        def call(*arguments, **options):
            if counts["done"] >= counts["last"]:
                raise Killed
            counts["done"] += 1
            return operation(*arguments, **options)

        return call

    def begin(last: float) -> dict:
        counts.update(done=0, last=last)
        return counts

    real = os.replace, os.fsync, Path.unlink
    for owner, name, operation in zip((os, os, Path), ("replace", "fsync", "unlink"), real, strict=True):
        monkeypatch.setattr(owner, name, limited(operation))
    return begin


def test_a_kill_between_any_two_steps_leaves_a_whole_set(tmp_path, killed_at):
    publish = functools.partial(offline_pieces.publish, piece_bytes=10)
    old, new, third = b"the old model, in pieces", b"the new one", b"one that comes later, of four pieces"
    record = {"stage": "mixed", "step": 1, "validation_loss": 5.0, "bundle": "b"}
    seen = set()
    for last in itertools.count():
        output, staging = tmp_path / f"out{last}", tmp_path / f"staging{last}"
        output.mkdir()
        staging.mkdir()
        killed_at(math.inf)
        publish(output, old, record, staging)
        counts = killed_at(last)
        try:
            publish(output, new, record, staging)
        except Killed:
            pass
        else:
            assert counts["done"] <= last
            break
        found = offline_pieces.join(output)[1]
        assert found in (old, new)
        assert len(list(output.iterdir())) + 1 <= 8  # and the report
        seen.add(found)
        killed_at(math.inf)
        publish(output, third, record, staging)  # a later call removes the remains
        assert offline_pieces.join(output)[1] == third
        assert len(list(output.iterdir())) == 4 + 1
    assert seen == {old, new} and last > 8


def test_pieces_become_the_folder_again_without_its_checkpoint(pieces, tmp_path):
    assert offline_unpack.unpack(pieces, tmp_path / "new")["step"] == 3
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["config.json"]


def flip_a_bit(output: Path) -> None:
    data = bytearray((output / "model-1.tar.1").read_bytes())
    data[100] ^= 1
    (output / "model-1.tar.1").write_bytes(data)


def cut(output: Path) -> None:
    (output / "model-1.tar.0").write_bytes((output / "model-1.tar.0").read_bytes()[:-1])


def lead_elsewhere(output: Path) -> None:
    index = read_object(output / "pieces.json")
    index["pieces"][0]["name"] = "../model-1.tar.0"
    (output / "pieces.json").write_text(json.dumps(index), encoding="utf-8")


def climb_out(output: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("../outside"), io.BytesIO())
    record = {"stage": "tang", "step": 3, "validation_loss": 4.5, "bundle": "b"}
    offline_pieces.publish(output, buffer.getvalue(), record, output.parent, piece_bytes=6000)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (flip_a_bit, r"model-1\.tar\.1 is damaged: .*fetch it again"),
        (cut, r"model-1\.tar\.0 is damaged: 5,999 bytes .*6,000.*fetch it again"),
        (lambda output: (output / "model-1.tar.0").unlink(), "cannot be read .*fetch it again"),
        (lambda output: (output / "pieces.json").unlink(), "holds no pieces.json; give the folder"),
        (
            lambda output: (output / "pieces.json").write_text("{}", encoding="utf-8"),
            "has format None, expected 1",
        ),
        (lead_elsewhere, "is damaged: it names no pieces"),
        (climb_out, "do not form a valid archive .*outside"),
    ],
)
def test_pieces_that_are_not_whole_are_refused_in_one_sentence(pieces, tmp_path, capsys, spoil, words):
    spoil(pieces)
    assert offline_unpack.main([str(pieces), str(tmp_path / "new")]) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("error: ") and errors.count("\n") == 1
    with pytest.raises(CheckpointError, match=words):
        offline_unpack.unpack(pieces, tmp_path / "new")
    assert not (tmp_path / "new").exists() and not (tmp_path / "outside").exists()


def test_a_folder_that_holds_something_is_not_mixed_with_a_model(pieces, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "README.md").write_text("of another model", encoding="utf-8")
    with pytest.raises(CheckpointError, match="is not empty"):
        offline_unpack.unpack(pieces, tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["README.md"]
    with pytest.raises(CheckpointError, match="is a file; give a folder"):
        offline_unpack.unpack(pieces, tmp_path / "mine" / "README.md")
