"""offline_train.py: the whole road to a machine without a network and back, on a CPU."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import offline_pieces
import offline_train
import offline_unpack
import pytest
from conftest import ROOT
from offline_contents import read_bundle
from offline_fixtures import TINY, no_room, read_object, run_tool, start_tool

from poet_model import PoetModel
from poet_model.corpus.prepare import load_corpus
from poet_model.evaluation.perplexity import score, without_header
from poet_model.evaluation.tangshi_gpt import measure_by_protocol

MINUTES = 4


@pytest.fixture(scope="module")
def whole_road(bundle, preset, without_opencc, tmp_path_factory) -> tuple[Path, str, float]:
    """The folder OUT of a complete run without OpenCC, its output, and its duration in seconds."""
    output = tmp_path_factory.mktemp("road") / "OUT"
    began = time.monotonic()
    status, out, errors = run_tool(
        "offline_train",
        *("--bundle", bundle, "--minutes", MINUTES, "--output", output, "--preset", preset),
        environment=without_opencc,
    )
    assert status == 0, errors
    return output, out, time.monotonic() - began


@pytest.mark.slow
def test_the_whole_road_in_the_minutes_that_were_given(whole_road):
    output, out, seconds = whole_road
    assert seconds < 60 * MINUTES
    files = list(output.iterdir())
    assert len(files) <= 8 and all(path.stat().st_size <= 15 << 20 for path in files)
    report, index = read_object(output / "report.json"), read_object(output / "pieces.json")
    assert report["versions"]["OpenCC"] and "installed from the bundle: opencc" in out
    curves = [stage["validation"] for stage in report["stages"].values()]
    assert list(report["stages"]) == ["mixed", "tang"] and all(len(curve) >= 2 for curve in curves)
    losses = [loss for curve in curves for _, _, loss in curve]
    assert index["validation_loss"] == min(losses)
    assert [stage["ended"] for stage in report["stages"].values()] == ["ended", "ended"]
    assert all(stage["tokens_per_second"] > 0 for stage in report["stages"].values())
    assert all(stage["resident_mb"] > 50 for stage in report["stages"].values())
    tried = {(one["stage"], one["precision"]) for one in report["preflight"] if one["kind"] == "trial"}
    assert {("mixed", "fp32"), ("mixed", "fp16"), ("tang", "fp32")} <= tried
    assert "there is no fp16 on a CPU" in out and "CUDA is not available" in out
    assert "validation perplexity" in out and "tangshi-gpt's protocol" in out and "tokens/s" in out
    assert any("lstm" in " ".join(one["lstm"]) for one in report["preflight"] if one["kind"] == "kernels")


@pytest.mark.slow
def test_what_comes_back_is_the_model_that_was_measured(whole_road, bundle, tmp_path):
    output, _, _ = whole_road
    status, out, errors = run_tool("offline_unpack", output, tmp_path / "candidate")
    assert status == 0, errors
    model = PoetModel.from_pretrained(tmp_path / "candidate")
    report, index = read_object(output / "report.json"), read_object(output / "pieces.json")
    paths = read_bundle(bundle).extract(tmp_path)
    valid = load_corpus(str(paths["tang"])).splits["valid"]
    loss = score(model, without_header(valid)).loss
    assert loss == pytest.approx(index["validation_loss"], abs=2e-3)  # half precision on the way
    assert f"perplexity {math.exp(index['validation_loss']):.2f}" in out
    assert report["validation"]["loss"] == pytest.approx(loss, abs=1e-4)
    found = measure_by_protocol(model, paths["tangshi_gpt"])
    assert report["tangshi_gpt"]["perplexity"] == pytest.approx(found["perplexity"], rel=1e-3)
    known = [poem for poem in report["poems"] if not poem["text"].startswith("(")]
    assert len(report["poems"]) == 10 and known
    for poem in known:
        assert model.generate(poem["start"], seed=0).text == poem["text"]
    metrics = read_object(tmp_path / "candidate" / "metrics.json")
    assert metrics["training"]["recipe"]["rhyme_memory"] == 0.5
    assert metrics["commands"]["training"].startswith("python train.py --corpus tang.jsonl ")
    assert metrics["training"]["preset"] == f"{index['stage']}.json"
    for path in (tmp_path / "candidate").iterdir():  # no path of that machine is published
        assert str(output.parent).encode() not in path.read_bytes()


@pytest.mark.slow
def test_killed_in_the_middle_it_leaves_a_whole_model(whole_road, bundle, preset, tmp_path):
    output, before = tmp_path / "OUT", tmp_path / "before"
    offline_unpack.unpack(whole_road[0], before)
    process = start_tool(
        "offline_train",
        *("--bundle", bundle, "--minutes", 5, "--output", output, "--preset", preset, "--init-from", before),
        start_new_session=True,
    )
    for _ in range(2400):
        if (output / "pieces.json").exists() or process.poll() is not None:
            break
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    offline_unpack.unpack(output, tmp_path / "candidate")
    assert PoetModel.from_pretrained(tmp_path / "candidate").generate("", seed=1).text
    earlier = read_object(tmp_path / "candidate" / "metrics.json")["earlier"]
    assert earlier[-1]["training"]["recipe"]["rhyme_memory"] == 0.5  # from the model that it started from


def test_the_model_to_start_from_is_named_without_its_place(tmp_path):
    (tmp_path / "models" / "candidate").mkdir(parents=True)
    (tmp_path / "work").mkdir()
    name = offline_train.within(tmp_path / "work", tmp_path / "models" / "candidate")
    assert name == "start/candidate"
    assert (tmp_path / "work" / name).samefile(tmp_path / "models" / "candidate")


@pytest.mark.slow
def test_too_little_time_for_the_preflight_is_said(bundle, preset, tmp_path, capsys):
    arguments = ["--bundle", str(bundle), "--minutes", "0.02", "--output", str(tmp_path / "OUT")]
    assert offline_train.main([*arguments, "--preset", str(preset)]) == 2
    err = capsys.readouterr().err
    assert "the preflight had 0 seconds left" in err and "not one of them could be timed" in err


class Interrupting(io.StringIO):
    """An output stream whose reader presses Ctrl-C at the first words."""

    def write(self, text: str) -> int:
        signal.raise_signal(signal.SIGINT)
        return super().write(text)


def test_what_a_stop_leaves_is_said(bundle, pieces, tmp_path, capsys):
    """A stop before the machine is checked; a model of an earlier call is reported as such."""
    index = pieces / offline_pieces.INDEX_NAME
    text = index.read_text(encoding="utf-8").replace('"b"', f'"{read_bundle(bundle).identity}"')
    index.write_text(text, encoding="utf-8")
    unpack = f"\n\n    python tools/offline_unpack.py {pieces} "
    for output, words in (
        (tmp_path / "new", "no model yet\n"),
        (pieces, f"the model of an earlier call, not of this one{unpack}"),
    ):
        arguments = ["--bundle", str(bundle), "--minutes", "5", "--output", str(output)]
        with contextlib.redirect_stdout(Interrupting()):
            assert offline_train.main(arguments) == 130
        assert f"stopped by SIGINT; {output} holds {words}" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("minutes", ["0", "-1", "nan", "inf"])
def test_minutes_that_are_none(bundle, tmp_path, capsys, minutes):
    arguments = ["--bundle", str(bundle), f"--minutes={minutes}", "--output", str(tmp_path / "OUT")]
    assert offline_train.main(arguments) == 2
    assert f"--minutes must be above 0, got {float(minutes)}; 8 are enough" in capsys.readouterr().err
    assert not (tmp_path / "OUT").exists()


@pytest.mark.slow
def test_mistakes_end_in_one_sentence(bundle, pieces, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def sentence(*arguments: object) -> str:
        given = {"--bundle": bundle, "--output": tmp_path / "new", "--minutes": 5}
        given |= dict(zip(arguments[::2], arguments[1::2], strict=True))
        assert offline_train.main([str(word) for pair in given.items() for word in pair]) == 2
        errors = capsys.readouterr().err
        assert errors.startswith("error: ") and errors.count("\n") == 1
        return errors

    (tmp_path / "file").write_text("mine", encoding="utf-8")
    assert "is a file; give a folder" in sentence("--output", tmp_path / "file")
    assert "cannot be made" in sentence("--output", tmp_path / "file" / "deeper")
    for other in (tmp_path, tmp_path / "none", tmp_path / "file"):
        assert f"{other} is not a bundle; make one with" in sentence("--bundle", other)
    assert "is not a model folder (it has no model.safetensors)" in sentence("--init-from", tmp_path)
    assert "has a model trained with another bundle" in sentence("--output", pieces)
    preset = tmp_path / "preset.json"
    assert "preset.json is missing; --preset takes a file like tools/" in sentence("--preset", preset)
    preset.write_text('{"mixed": {}}', encoding="utf-8")
    assert "must hold mixed and tang, each with model and training" in sentence("--preset", preset)
    wrong = TINY | {"model": {"hiden_size": 3}}
    preset.write_text(json.dumps({"mixed": wrong, "tang": TINY}), encoding="utf-8")
    assert "hiden_size" in sentence("--preset", preset)
    with monkeypatch.context() as full:
        full.setattr(Path, "write_bytes", no_room)  # as the bundle's corpora are uncompressed
        assert "No space left on device; make room there" in sentence()
    real = Path.read_text
    meminfo = f"MemTotal: {8 << 20} kB\nMemAvailable: {100 << 10} kB\n"
    monkeypatch.setattr(
        Path,
        "read_text",
        lambda self, *given, **named: meminfo if self.name == "meminfo" else real(self, *given, **named),
    )
    assert "only 0.1 GiB of RAM is free, and training needs 1.5" in sentence()


def test_the_parent_needs_the_standard_library_alone():
    code = "import sys; sys.path.insert(0, 'tools'); import offline_train; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    others = {
        "torch",
        "numpy",
        "accelerate",
        "safetensors",
        "tokenizers",
        "tqdm",
        "huggingface_hub",
        "opencc",
    }
    assert not set(done.stdout.split()) & others
