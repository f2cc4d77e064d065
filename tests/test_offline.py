"""tools/offline_*.py: training on a machine without a network, tested with a few hundred poems on a CPU."""

from __future__ import annotations

import bz2
import contextlib
import functools
import hashlib
import io
import itertools
import json
import math
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
from conftest import ROOT

from poet_model import PoetModel
from poet_model.corpus.near_copies import cluster
from poet_model.corpus.prepare import load_corpus
from poet_model.errors import CheckpointError, InvalidValueError, PoetError
from poet_model.evaluation.perplexity import score, without_header
from poet_model.evaluation.tangshi_gpt import measure_by_protocol

TOOLS = ROOT / "tools"
sys.path.insert(0, str(TOOLS))

import offline_bundle  # noqa: E402
import offline_pieces  # noqa: E402
import offline_plan  # noqa: E402
import offline_preflight  # noqa: E402
import offline_probe  # noqa: E402
import offline_stage  # noqa: E402
import offline_train  # noqa: E402
import offline_unpack  # noqa: E402
from offline_contents import read_bundle  # noqa: E402

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
TINY = {
    "model": {"hidden_size": 32, "num_layers": 2, "output_dropout": 0.3},
    # with few epochs a stage ends long before its time limit, so that the test passes on a slow machine too
    "training": {"learning_rate": 0.002, "rhyme_memory": 0.5, "epochs": 10, "eval_every": 8},
}
MINUTES = 4
JUDGED = "白日依山盡，黃河入海流。欲窮千里目，更上一層樓。"  # one of tangshi-gpt's test poems here


def start(tool: str, *arguments: object, environment: dict | None = None, **options) -> subprocess.Popen:
    """Starts one of the tools as a process, with all installed packages but with one thread."""
    return subprocess.Popen(
        [sys.executable, str(TOOLS / f"{tool}.py"), *map(str, arguments)],
        env=os.environ | {"OMP_NUM_THREADS": "1"} | (environment or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        **options,
    )


def run(tool: str, *arguments: object, **options) -> tuple[int, str, str]:
    """Runs a tool to its end; returns its exit status, its output and its errors."""
    process = start(tool, *arguments, **options)
    out, errors = process.communicate(timeout=280)
    return process.returncode, out, errors


def write_poems(path: Path, poems) -> Path:
    records = [{"title": p.title, "author": p.author, "text": p.text} for p in poems]
    text = "\n".join(json.dumps(record, ensure_ascii=False) for record in records)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> dict[str, Path]:
    """Two sources of real quatrains. Song's also has poems on which the Tang model is evaluated."""
    folder = tmp_path_factory.mktemp("sources")
    chosen = {}
    for name, number in (("tang", 140), ("song", 80)):
        splits = load_corpus(name).splits
        short = {part: [p for p in splits[part] if p.form in ("五絕", "七絕")] for part in splits}
        chosen[name] = short["train"][:number] + short["valid"][:30] + short["test"][:20]
    held_out = chosen["tang"][140:]
    half = [poem for poem in held_out[:3] if len(poem.text) in (24, 32)]
    half = [type(p)(p.text[: len(p.text) // 2] + chosen["song"][0].text[-len(p.text) // 2 :]) for p in half]
    judged = folder / "tangshi_gpt"
    judged.mkdir()
    for name, text in (("val", "春眠不覺曉，處處聞啼鳥。夜來風雨聲，花落知多少。"), ("test", JUDGED)):
        record = [{"title": "詩", "author": "人", "paragraphs": [text]}]
        (judged / f"{name}_poems.json").write_text(json.dumps(record, ensure_ascii=False), encoding="utf-8")
    judged_poem = type(half[0])(JUDGED)
    return {
        "tang": write_poems(folder / "tang_source.jsonl", [*chosen["tang"], judged_poem]),
        "song": write_poems(folder / "song_source.jsonl", [*chosen["song"], *held_out, *half, judged_poem]),
        "judged": judged,
    }


@pytest.fixture(scope="module")
def bundle(sources, tmp_path_factory) -> Path:
    """A bundle of these sources, for the Python that runs the tests."""
    path = tmp_path_factory.mktemp("bundle") / "bundle"
    status, out, errors = run(
        "offline_bundle",
        *("--output", path, "--tang", sources["tang"], "--song", sources["song"]),
        *("--tangshi-gpt", sources["judged"], "--python", PYTHON),
    )
    assert status == 0, errors
    assert f"for Python {PYTHON}" in out
    return path


@pytest.fixture(scope="module")
def preset(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("preset") / "tiny.json"
    path.write_text(json.dumps({"mixed": TINY, "tang": TINY}), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def without_opencc(tmp_path_factory) -> dict[str, str]:
    """An environment in which OpenCC cannot be imported."""
    folder = tmp_path_factory.mktemp("blocked")
    (folder / "opencc.py").write_text("raise ImportError('there is none here')\n", encoding="utf-8")
    environment = {"PYTHONPATH": str(folder)}
    blocked = subprocess.run(
        [sys.executable, "-c", "import opencc"], env=os.environ | environment, capture_output=True, text=True
    )
    assert "there is none here" in blocked.stderr
    return environment


@pytest.fixture(scope="module")
def whole_road(bundle, preset, without_opencc, tmp_path_factory) -> tuple[Path, str, float]:
    """The folder OUT of a complete run without OpenCC, its output, and its duration in seconds."""
    output = tmp_path_factory.mktemp("road") / "OUT"
    began = time.monotonic()
    status, out, errors = run(
        "offline_train",
        *("--bundle", bundle, "--minutes", MINUTES, "--output", output, "--preset", preset),
        environment=without_opencc,
    )
    assert status == 0, errors
    return output, out, time.monotonic() - began


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.slow
def test_a_bundle_holds_what_its_manifest_names_and_no_poem_that_judges(bundle, sources, tmp_path):
    manifest = read(bundle / "manifest.json")
    assert {path.name for path in bundle.iterdir()} == {*manifest["files"], "manifest.json"}
    for name, said in manifest["files"].items():
        data = (bundle / name).read_bytes()
        assert said == {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    ((wheel, modules),) = manifest["wheels"].items()
    assert modules == ["opencc"] and f"cp{PYTHON.replace('.', '')}" in wheel
    paths = read_bundle(bundle).extract(tmp_path)
    tang, song = (load_corpus(str(paths[name])).splits for name in ("tang", "song"))
    assert len(tang["valid"]) > 5 and len(song["train"]) > 50
    judging = [*tang["valid"], *tang["test"]]
    source = [json.loads(line)["text"] for line in sources["song"].read_text(encoding="utf-8").splitlines()]
    assert {poem.text for poem in judging} & set(source)  # Song's source has some of them
    for learnt in (song["train"], tang["train"]):
        texts = [poem.text for poem in learnt]
        assert JUDGED not in texts
        numbers = cluster([*texts, *(poem.text for poem in judging)])
        assert not set(numbers[: len(texts)]) & set(numbers[len(texts) :])  # nor a near-copy
    assert paths["tangshi_gpt"].read_bytes() == (sources["judged"] / "test_poems.json").read_bytes()


@pytest.mark.slow
def test_the_whole_road_in_the_minutes_that_were_given(whole_road):
    output, out, seconds = whole_road
    assert seconds < 60 * MINUTES
    files = list(output.iterdir())
    assert len(files) <= 8 and all(path.stat().st_size <= 15 << 20 for path in files)
    report, index = read(output / "report.json"), read(output / "pieces.json")
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
    assert "there is no fp16 on a CPU" in out and "no CUDA here" in out
    assert "validation perplexity" in out and "tangshi-gpt's protocol" in out and "tokens/s" in out
    assert any("lstm" in " ".join(one["lstm"]) for one in report["preflight"] if one["kind"] == "kernels")


@pytest.mark.slow
def test_what_comes_back_is_the_model_that_was_measured(whole_road, bundle, tmp_path):
    output, _, _ = whole_road
    status, out, errors = run("offline_unpack", output, tmp_path / "candidate")
    assert status == 0, errors
    model = PoetModel.from_pretrained(tmp_path / "candidate")
    report, index = read(output / "report.json"), read(output / "pieces.json")
    paths = read_bundle(bundle).extract(tmp_path)
    valid = load_corpus(str(paths["tang"])).splits["valid"]
    loss = score(model, without_header(valid)).loss
    assert loss == pytest.approx(
        index["validation_loss"], abs=2e-3
    )  # the weights were stored in half precision
    assert f"perplexity {math.exp(index['validation_loss']):.2f}" in out
    assert report["validation"]["loss"] == pytest.approx(loss, abs=1e-4)
    found = measure_by_protocol(model, paths["tangshi_gpt"])
    assert report["tangshi_gpt"]["perplexity"] == pytest.approx(found["perplexity"], rel=1e-3)
    known = [poem for poem in report["poems"] if not poem["text"].startswith("(")]
    assert len(report["poems"]) == 10 and known
    for poem in known:
        assert model.generate(poem["start"], seed=0).text == poem["text"]
    metrics = read(tmp_path / "candidate" / "metrics.json")
    assert metrics["training"]["recipe"]["rhyme_memory"] == 0.5
    assert metrics["commands"]["training"].startswith("python train.py --corpus tang.jsonl ")
    assert metrics["training"]["preset"] == f"{index['stage']}.json"
    for path in (tmp_path / "candidate").iterdir():  # no path of that machine is published
        assert str(output.parent).encode() not in path.read_bytes()


@pytest.mark.slow
def test_killed_in_the_middle_it_leaves_a_whole_model(whole_road, bundle, preset, tmp_path):
    output, before = tmp_path / "OUT", tmp_path / "before"
    offline_unpack.unpack(whole_road[0], before)
    process = start(
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
    earlier = read(tmp_path / "candidate" / "metrics.json")["earlier"]
    assert earlier[-1]["training"]["recipe"]["rhyme_memory"] == 0.5  # from the model that it started from


def test_the_model_to_start_from_is_named_without_its_place(tmp_path):
    (tmp_path / "models" / "candidate").mkdir(parents=True)
    (tmp_path / "work").mkdir()
    name = offline_train.within(tmp_path / "work", tmp_path / "models" / "candidate")
    assert name == "start/candidate"
    assert (tmp_path / "work" / name).samefile(tmp_path / "models" / "candidate")


CRASHING = """
import os, signal, sys, time
sys.path.insert(0, {tools!r})
import offline_probe
class Crashing(offline_probe.Probe):
    def _trial(self, stage, precision, rows, seconds):
        if (stage, precision) == ("mixed", "bf16"):
            os.kill(os.getpid(), signal.SIGSEGV)
        if (stage, precision) == ("mixed", "fp16"):
            time.sleep(1000)
        return super()._trial(stage, precision, rows, seconds)
sys.exit(offline_probe.main(make=lambda settings: Crashing(settings, trial_seconds=2.0)))
"""


@pytest.mark.slow
def test_a_trial_that_crashes_and_one_that_hangs_cost_no_other(bundle, preset, tmp_path, monkeypatch):
    script = tmp_path / "probe.py"
    script.write_text(CRASHING.format(tools=str(TOOLS)), encoding="utf-8")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    paths = read_bundle(bundle).extract(tmp_path)
    presets = offline_preflight.load_presets(preset)
    settings = {"corpus": str(paths["tang"]), "presets": {"gpu": presets, "cpu": presets}}
    settings["results"] = str(tmp_path / "findings.jsonl")
    said = []
    findings = offline_preflight.probe(
        settings,
        tmp_path / "site",
        time.time() + 120,
        said.append,
        script=script,
        silence={"cpu": 2.0, "gpu": 2.0},
    )
    trials = {(o["stage"], o["precision"]): o for o in findings if o["kind"] == "trial"}
    assert "exit status -11" in trials["mixed", "bf16"]["failed"]
    assert "hung" in trials["mixed", "fp16"]["failed"]
    assert all(trials[stage, "fp32"]["tokens_per_second"] > 0 for stage in ("mixed", "tang"))
    assert findings[-1]["kind"] == "done" and offline_probe.fastest(findings)["precision"] == "fp32"
    assert sum("it goes on without" in sentence for sentence in said) == 2


@pytest.mark.slow
def test_too_little_time_for_the_preflight_is_said(bundle, preset, tmp_path, capsys):
    arguments = ["--bundle", str(bundle), "--minutes", "0.02", "--output", str(tmp_path / "OUT")]
    assert offline_train.main([*arguments, "--preset", str(preset)]) == 2
    err = capsys.readouterr().err
    assert "the preflight had 0 seconds left" in err and "not one of them could be timed" in err


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
        validations, *, status=0, sleep=0.0, last="done", name="mixed", when_stopped=None, **settings
    ) -> offline_stage.Stage:
        plan = {"validations": validations, "status": status, "sleep": sleep, "last": last}
        plan["when_stopped"] = when_stopped
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
    records = [{"split": "train", "step": 7, "minutes": 0.0, "tokens_per_second": 16_000, "loss": 1.0}] * 2
    stage = stage_of([], silence=0.0)
    stage.folder.mkdir()
    log = "".join(json.dumps(record) + "\n" for record in records)
    (stage.folder / "training_log.jsonl").write_text(log, encoding="utf-8")
    stage._watch(None, time.monotonic())
    stage._watch(None, time.monotonic())
    assert stage_of.said == [
        "stage mixed, trains: its first step began after 0 seconds",
        "stage mixed, step 7: 16,000 tokens/s",
    ]


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


def test_a_stopped_bundle_and_one_without_what_it_was_to_hold(tmp_path, capsys, monkeypatch):
    arguments = ["--output", str(tmp_path / "bundle"), "--tangshi-gpt", str(tmp_path / "none")]
    assert offline_bundle.main(arguments) == 2
    assert f"--tangshi-gpt {tmp_path / 'none'} does not hold val_poems.json" in capsys.readouterr().err

    def stop_there(command, **options) -> None:
        assert "pip" in command
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "run", stop_there)  # while pip downloads the wheels
    assert offline_bundle.main(arguments[:2]) == 130
    assert capsys.readouterr().err == "stopped by SIGINT; no bundle was written\n"
    assert not (tmp_path / "bundle").exists()


def no_room(*arguments) -> None:
    raise OSError(28, "No space left on device")


def test_a_full_disk_ends_the_training_in_one_sentence_and_keeps_what_was_saved(
    stage_of, tmp_path, monkeypatch
):
    stage_of([(1, 5.0, True)]).run(time.monotonic() + 30)
    monkeypatch.setattr(os, "fsync", no_room)
    began = time.monotonic()
    with pytest.raises(
        CheckpointError, match=r"OUT cannot be written \(No space left on device\); .* is whole: make room"
    ):
        stage_of([(2, 4.0, True)], sleep=60, name="tang").run(began + 40)
    assert time.monotonic() - began < 20  # the training does not continue in vain
    assert held(tmp_path / "OUT") == (5.0, "1")
    assert not list((tmp_path / "staging").iterdir())


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


@pytest.fixture
def pieces(tmp_path) -> Path:
    """A folder OUT with a model folder of one file in two pieces."""
    (tmp_path / "model" / "checkpoint").mkdir(parents=True)
    (tmp_path / "model" / "config.json").write_text("{}", encoding="utf-8")
    output = tmp_path / "OUT"
    output.mkdir()
    record = {"stage": "tang", "step": 3, "validation_loss": 4.5, "bundle": "b"}
    archive = offline_pieces.pack(tmp_path / "model")
    offline_pieces.publish(output, archive, record, tmp_path, piece_bytes=6000)
    assert {path.name for path in output.iterdir()} == {"model-1.tar.0", "model-1.tar.1", "pieces.json"}
    return output


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
    index = read(output / "pieces.json")
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
        (climb_out, "make no archive .*outside"),
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
    with pytest.raises(CheckpointError, match="holds files already"):
        offline_unpack.unpack(pieces, tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["README.md"]
    with pytest.raises(CheckpointError, match="is a file; give a folder"):
        offline_unpack.unpack(pieces, tmp_path / "mine" / "README.md")


def copy_of(bundle: Path, tmp_path: Path, change) -> Path:
    """A copy of a bundle after `change(contents, manifest)`, with a manifest that fits the new contents."""
    manifest = read(bundle / "manifest.json")
    contents = {name: (bundle / name).read_bytes() for name in manifest["files"]}
    change(contents, manifest)
    target = tmp_path / "copy"
    about = {name: value for name, value in manifest.items() if name not in ("files", "format")}
    offline_bundle.write_bundle(target, contents, about)
    return target


def add_a_held_out_poem(contents: dict, manifest: dict) -> None:
    lines = bz2.decompress(contents["tang.jsonl.bz2"]).decode().splitlines()
    leaked = next(line for line in lines if line.startswith('["valid"')).replace("valid", "train", 1)
    song = bz2.decompress(contents["song.jsonl.bz2"]).decode() + leaked + "\n"
    contents["song.jsonl.bz2"] = bz2.compress(song.encode())
    manifest["corpora"]["song"]["poems"]["train"] += 1


def lose_a_poem(contents: dict, manifest: dict) -> None:
    lines = bz2.decompress(contents["tang.jsonl.bz2"]).decode().splitlines()
    contents["tang.jsonl.bz2"] = bz2.compress("\n".join(lines[:-1]).encode())


@pytest.mark.slow
def test_a_bundle_of_other_poems_is_refused(bundle, tmp_path):
    for change, words in (
        (add_a_held_out_poem, "1 of Tang's validation and test poems stand in Song's training"),
        (lose_a_poem, "holds other poems .* than its manifest says"),
        (
            lambda contents, manifest: contents.update({"song.jsonl.bz2": bz2.compress(b"{}\n[1]")}),
            "song is no",
        ),
    ):
        target = copy_of(bundle, tmp_path, change)
        with pytest.raises(PoetError, match=words):
            read_bundle(target).extract(tmp_path)
    (target / "song.jsonl.bz2").write_bytes(b"other bytes")
    with pytest.raises(CheckpointError, match="is damaged or of another bundle: 11 bytes"):
        read_bundle(target)
    (target / "song.jsonl.bz2").unlink()
    with pytest.raises(CheckpointError, match=r"cannot be read .*make or copy the bundle again"):
        read_bundle(target)


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
        assert f"{other} is no bundle; make one with" in sentence("--bundle", other)
    assert "is no model's folder (it holds no model.safetensors)" in sentence("--init-from", tmp_path)
    assert "holds a model of another bundle" in sentence("--output", pieces)
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
    assert "only 0.1 GiB of RAM are free, a training needs 1.5" in sentence()


def test_too_little_memory_on_the_gpu_is_said():
    machine = {"kind": "machine", "gpu": "a small one", "gpu_free_mb": 512}
    failed = {"kind": "trial", "stage": "mixed", "precision": "fp16", "rows": 128, "failed": "out of memory"}
    with pytest.raises(InvalidValueError, match=r"only 0\.5 GiB of GPU memory are free, .* needs 3\.0"):
        offline_preflight._judged([machine, failed], "out of memory", lambda text: None)


@pytest.mark.slow
def test_wheels_of_another_python_are_not_installed(bundle, tmp_path, without_opencc, monkeypatch):
    target = copy_of(bundle, tmp_path, lambda contents, manifest: manifest.update(python="3.99"))
    assert (
        offline_preflight.install_wheels(read_bundle(target), tmp_path / "site") == []
    )  # no wheel is needed
    monkeypatch.setenv("PYTHONPATH", without_opencc["PYTHONPATH"])
    with pytest.raises(InvalidValueError, match=rf"for Python 3\.99; make one for it: .*--python {PYTHON}"):
        offline_preflight.install_wheels(read_bundle(target), tmp_path / "site")


def test_a_bundle_takes_the_place_of_an_older_one_and_of_nothing_else(tmp_path):
    about = {"python": "3.12", "wheels": {}, "corpora": {}}
    offline_bundle.write_bundle(tmp_path / "bundle", {"old.whl": b"1"}, about)
    offline_bundle.write_bundle(tmp_path / "bundle", {"new.whl": b"2"}, about)
    assert {path.name for path in (tmp_path / "bundle").iterdir()} == {"new.whl", "manifest.json"}
    with pytest.raises(CheckpointError, match="holds files that are no bundle"):
        offline_bundle.write_bundle(tmp_path, {"new.whl": b"2"}, about)
    with pytest.raises(InvalidValueError, match=r"would have 2\.0 MiB, more than the 1 MiB"):
        contents = {"song.jsonl.bz2": bytes(2 << 20)}
        offline_bundle.write_bundle(tmp_path / "large", contents, about, max_bytes=1 << 20)
    assert not (tmp_path / "large").exists()


def test_pins_are_those_of_requirements_txt():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    (opencc,) = offline_bundle.requirements(["OpenCC"])
    assert opencc in lines and opencc.startswith("OpenCC>=")
    assert len(offline_bundle.requirements(offline_bundle.NEEDED.values())) == len(offline_bundle.NEEDED)
    with pytest.raises(InvalidValueError, match=r"no wheels of no-such-thing==0 for Python 3.12 .*check"):
        offline_bundle.fetch_wheels(["no-such-thing==0"], "3.12", ROOT)


def trial(rows: int, speed: int, stage: str = "mixed", **more) -> dict:
    return {
        "kind": "trial",
        "stage": stage,
        "precision": "fp16",
        "rows": rows,
        "tokens_per_second": speed,
    } | more


def test_the_fastest_sound_trial_is_taken_and_of_equals_the_one_with_smaller_batches():
    assert offline_probe.fastest([trial(128, 90), trial(256, 100), trial(512, 80)])["rows"] == 256
    assert offline_probe.fastest([trial(128, 96), trial(256, 100)])["rows"] == 128
    failed = {"kind": "trial", "stage": "mixed", "precision": "fp16", "rows": 64, "failed": "out of memory"}
    assert offline_probe.fastest([failed, trial(512, 10)])["rows"] == 512
    assert offline_probe.fastest([failed]) is None
    findings = [trial(128, 10), trial(256, 10, stage="tang"), trial(128, 5, stage="tang")]
    assert offline_probe.fastest(findings, "tang")["rows"] == 256


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
    slow = made.rhythm(
        40, {"rows": 64, "steps_per_second": 1.0}
    )  # 6 of 40 s may be used for validations of 2 s
    assert 40 / slow["eval_every"] == pytest.approx(3, rel=0.35)


def test_minutes_that_are_too_few_are_said_with_how_many_are_needed():
    plan(60).check(1)
    with pytest.raises(
        InvalidValueError, match=r"--minutes 0.5 leaves no time to train here.*give 2 or more"
    ):
        plan(30).check(0.5)


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
