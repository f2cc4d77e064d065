"""offline_stage.py: one training, its best model carried to safety, whatever becomes of it."""

from __future__ import annotations

import io
import json
import os
import re
import tarfile
import time
from pathlib import Path

import offline_pieces
import offline_stage
import pytest
from offline_fixtures import no_room

from poet_model.errors import CheckpointError

FAKE_TRAIN = """
import json, os, signal, sys, time
folder, plan = sys.argv[sys.argv.index("--output") + 1], json.loads(sys.argv[1])
os.makedirs(folder)
def add(name, record):
    with open(os.path.join(folder, name), "a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\\n")
def validate(step, loss, is_saved):
    add("training_log.jsonl", {"split": "valid", "step": step, "epoch": 1, "minutes": 0.0, "loss": loss,
                               "perplexity": 2.718 ** loss})
    if is_saved:
        with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as file:
            file.write(str(step))
        add("samples.jsonl", {"step": step})
def stop(*_):
    validate(*plan["when_stopped"])
    sys.exit(143)
if plan["when_stopped"]:
    signal.signal(signal.SIGTERM, stop)
for record in plan["logged"]:
    add("training_log.jsonl", {"minutes": 0.0} | record)
for validation in plan["validations"]:
    validate(*validation)
    time.sleep(0.15)
print(plan["last"], flush=True)
time.sleep(plan["sleep"])
sys.exit(plan["status"])
"""


@pytest.fixture
def stage_of(tmp_path):
    """Makes a stage with a scripted training, whose messages are kept in `said`."""
    script = tmp_path / "fake_train.py"
    script.write_text(FAKE_TRAIN, encoding="utf-8")
    (tmp_path / "OUT").mkdir()
    (tmp_path / "staging").mkdir()

    def make(
        validations,
        *,
        status=0,
        sleep=0.0,
        last="done",
        name="mixed",
        when_stopped=None,
        logged=(),
        **settings,
    ) -> offline_stage.Stage:
        plan = {"validations": validations, "status": status, "sleep": sleep, "last": last}
        plan |= {"when_stopped": when_stopped, "logged": list(logged)}
        usual = {"environment": dict(os.environ), "say": make.said.append, "script": script, "poll": 0.02}
        return offline_stage.Stage(
            name=name,
            options=[json.dumps(plan)],
            folder=tmp_path / name,
            output=tmp_path / "OUT",
            staging=tmp_path / "staging",
            bundle="b",
            **usual | settings,
        )

    make.said = []
    return make


def held(output: Path) -> tuple[float, str]:
    """The loss and the content (a step) of the model in OUT."""
    index, data = offline_pieces.join(output)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return index["validation_loss"], archive.extractfile("config.json").read().decode()


def test_only_a_better_model_of_any_stage_is_taken(stage_of, tmp_path):
    stage_of([(1, 5.0, True), (2, 4.0, True), (3, 4.5, False)]).run(time.monotonic() + 30)
    assert held(tmp_path / "OUT") == (4.0, "2")
    stage_of([(1, 4.2, True), (2, 4.1, True)], name="tang").run(time.monotonic() + 30)
    assert held(tmp_path / "OUT") == (4.0, "2")
    stage_of([(1, 4.2, True), (7, 3.9, True)], name="third").run(time.monotonic() + 30)
    assert held(tmp_path / "OUT") == (3.9, "7")


def test_a_validation_that_is_logged_and_not_saved_yet_is_not_taken_for_the_model_before(stage_of, tmp_path):
    stage_of([(1, 5.0, True), (2, 4.0, False)]).run(time.monotonic() + 30)
    assert held(tmp_path / "OUT") == (5.0, "1")


def test_a_stage_that_fails_or_lasts_too_long_leaves_what_it_has(stage_of, tmp_path):
    found = stage_of([(1, 5.0, True)], status=2, last="error: such a pity").run(time.monotonic() + 30)
    assert "failed with exit status 2 (error: such a pity)" in found["ended"]
    assert held(tmp_path / "OUT") == (5.0, "1")
    began = time.monotonic()
    found = stage_of([(1, 4.0, True)], sleep=60, name="tang").run(began + 4)
    assert time.monotonic() - began < 40 and "its time was over" in found["ended"]
    assert held(tmp_path / "OUT") == (4.0, "1")
    assert len([text for text in stage_of.said if "what was saved before is used" in text]) == 2


def test_a_stage_that_is_interrupted_keeps_what_its_training_saves_at_the_end(stage_of, tmp_path):
    def interrupted(text: str) -> None:
        said.append(text)
        if len(said) == 1:
            raise KeyboardInterrupt

    said = []
    stage = stage_of([(1, 5.0, False)], sleep=60, when_stopped=(3, 4.5, True), say=interrupted)
    with pytest.raises(KeyboardInterrupt):
        stage.run(time.monotonic() + 30)
    assert held(tmp_path / "OUT") == (4.5, "3")


def test_a_long_stage_tells_how_far_it_is(stage_of):
    record = {"split": "train", "step": 7, "epoch": 1, "tokens_per_second": 16_000, "loss": 1.0}
    stage_of([], logged=[record] * 2, sleep=0.5, silence=0.0).run(time.monotonic() + 30)
    began, *others = stage_of.said
    assert re.fullmatch(r"stage mixed, trains: its first step began after \d+ seconds", began)
    assert others == ["stage mixed, step 7: 16,000 tokens/s"]  # told once, however often it is looked at


def test_a_full_disk_ends_the_training_in_one_sentence_and_keeps_what_was_saved(
    stage_of, tmp_path, monkeypatch
):
    stage_of([(1, 5.0, True)]).run(time.monotonic() + 30)
    monkeypatch.setattr(os, "fsync", no_room)
    began = time.monotonic()
    with pytest.raises(
        CheckpointError,
        match=r"OUT cannot be written \(No space left on device\); .* intact. Free some space",
    ):
        stage_of([(2, 4.0, True)], sleep=60, name="tang").run(began + 40)
    assert time.monotonic() - began < 20  # the training does not continue in vain
    assert held(tmp_path / "OUT") == (5.0, "1")
    assert not list((tmp_path / "staging").iterdir())
