"""train.py as a user runs it, with real poems and in real processes."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import POEMS, ROOT, SHIPPED
from paste import run_program
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from poet_model import PoetModel
from poet_model.corpus import Corpus, CorpusReport, PoemRecord
from poet_model.corpus.held_out import write_held_out
from poet_model.corpus.prepare import load_corpus
from poet_model.errors import PoetError
from poet_model.files import append_json_line, read_json_lines
from poet_model.training.output import begin_folder, history
from poet_model.training.presets import PRESETS, load_preset, preset_names

SMALL = ["--preset", "tiny", "--hidden-size", "128", "--learning-rate", "0.01", "--precision", "no", "--cpu"]


@pytest.fixture(scope="module")
def poems(tmp_path_factory) -> Path:
    """A file of 1,200 quatrains of 全唐诗, which is downloaded with npm if it is not in the cache."""
    splits = load_corpus("tang").splits
    short = {name: [p for p in poems if p.form in ("五絕", "七絕")] for name, poems in splits.items()}
    chosen = short["train"][:1100] + short["valid"][:50] + short["test"][:50]
    path = tmp_path_factory.mktemp("corpus") / "poems.jsonl"
    lines = [
        json.dumps({"title": p.title, "author": p.author, "text": p.text}, ensure_ascii=False) for p in chosen
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def run(
    *arguments: object, launcher: tuple[str, ...] = (), environment: dict = os.environ, **options
) -> subprocess.CompletedProcess:
    """Runs train.py until it ends."""
    command = [sys.executable, *launcher, str(ROOT / "train.py"), *map(str, arguments)]
    environment = environment | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=environment,
        timeout=280,
        **options,
    )


def run_here(*arguments: object) -> subprocess.CompletedProcess:
    """Runs train.py in this process, which has imported torch already."""
    program, out, errors = [str(ROOT / "train.py"), *map(str, arguments)], io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        status = run_program(program, statuses=(0, 2))
    return subprocess.CompletedProcess(program, status, out.getvalue(), errors.getvalue())


@pytest.fixture(scope="module")
def trained(poems, tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess]:
    """The output folder and the process of a short real training run of two epochs."""
    output = tmp_path_factory.mktemp("runs") / "try"
    done = run(f"--corpus={poems}", "--outp", output, "--epochs", 2, *SMALL)
    assert done.returncode == 0, done.stderr
    return output, done


def losses(output: Path, split: str) -> list[float]:
    return [
        record["loss"]
        for record in read_json_lines(output / "training_log.jsonl")
        if record["split"] == split
    ]


@pytest.mark.slow
def test_a_short_training_learns(trained):
    output, done = trained
    train, valid = losses(output, "train"), losses(output, "valid")
    assert sum(train[-3:]) / 3 < 0.9 * train[0]
    vocabulary = json.loads((output / "config.json").read_text(encoding="utf-8"))["vocab_size"]
    assert min(valid) < math.log(vocabulary) - 0.5  # much better than random guesses on unseen poems
    assert "1,200 records" in done.stdout
    assert "tokens/s" in done.stderr and "ETA" in done.stderr
    assert f'PoetModel.from_pretrained("{output.as_posix()}")' in done.stdout


@pytest.mark.slow
def test_no_record_names_a_folder_of_the_machine(trained, poems):
    output, _ = trained
    for file in output.iterdir():
        content = file.read_bytes()
        assert str(poems.parent).encode() not in content and str(output.parent).encode() not in content, file


@pytest.mark.slow
def test_the_folder_is_whole_and_writes_poems(trained):
    output, _ = trained
    names = {path.name for path in output.iterdir()}
    assert names == {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "generation_config.json",
        "training_log.jsonl",
        "samples.jsonl",
        "corpus_report.json",
        "held_out.json",
        "metrics.json",
        "README.md",
    }
    poem = PoetModel.from_pretrained(output).generate("春", seed=1)
    assert poem.text.startswith("春") and poem.text.endswith("。")
    report, record = (
        json.loads((output / name).read_text(encoding="utf-8"))
        for name in ("corpus_report.json", "held_out.json")
    )
    assert {part: len(record[part]) for part in ("valid", "test")}.items() <= report["splits"].items()
    samples = read_json_lines(output / "samples.jsonl")
    assert {"step", "start", "seed", "text"} <= samples[-1].keys()
    best = min(losses(output, "valid"))
    metrics = json.loads((output / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["perplexity"]["valid"]["loss"] == pytest.approx(best, abs=5e-3)
    assert f"{metrics['perplexity']['test']['perplexity']:.2f}" in (output / "README.md").read_text(
        encoding="utf-8"
    )


@pytest.mark.slow
def test_two_processes_train_as_one_does(trained, poems, tmp_path):
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
    done = run("--corpus", poems, "--output", tmp_path / "two", "--epochs", 2, *SMALL, launcher=launcher)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "2 processes" in done.stdout
    assert done.stdout.count("1,200 records") == 1  # only the main process prints
    one, two = min(losses(trained[0], "valid")), min(losses(tmp_path / "two", "valid"))
    assert two == pytest.approx(one, rel=0.02)


@pytest.mark.slow
def test_accelerate_launch_on_a_cpu_trains_and_says_how_many_run(trained, poems, tmp_path):
    """Without MPI, accelerate starts only one process, and train.py prints a note on it."""
    launcher = ("-m", "accelerate.commands.launch", "--num_processes", "2", "--cpu")
    done = run(
        "--corpus",
        poems,
        "--output",
        tmp_path / "two",
        "--epochs",
        2,
        "--no-measure",
        *SMALL,
        launcher=launcher,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "1 process" in done.stdout and "torchrun" in done.stdout
    one, two = min(losses(trained[0], "valid")), min(losses(tmp_path / "two", "valid"))
    assert two == pytest.approx(one, rel=0.02)


@pytest.mark.slow
def test_stopped_by_a_signal_it_goes_on_to_the_same_weights(trained, poems, tmp_path):
    output = tmp_path / "stopped"
    arguments = ["--corpus", str(poems), "--output", str(output), "--epochs", "2", *SMALL]
    with open(tmp_path / "log.txt", "w+", encoding="utf-8") as log:
        command = [sys.executable, str(ROOT / "train.py"), *arguments]
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=log, stderr=log, env=os.environ | {"OMP_NUM_THREADS": "1"}
        )
        for _ in range(1200):
            if len(losses(output, "train")) >= 3 or process.poll() is not None:
                break
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=120) == 128 + signal.SIGTERM
        log.seek(0)
        assert "--resume" in log.read()
    PoetModel.from_pretrained(output)  # a stopped run leaves a model, too
    done = run(*arguments, "--resume", "--no-measure")
    assert done.returncode == 0, done.stderr[-3000:]
    assert not (output / "checkpoint").exists()
    unbroken, resumed = (read_json_lines(folder / "training_log.jsonl") for folder in (trained[0], output))
    assert unbroken[-1]["step"] == resumed[-1]["step"]
    assert unbroken[-1]["loss"] == resumed[-1]["loss"]
    assert (trained[0] / "model.safetensors").read_bytes() == (output / "model.safetensors").read_bytes()


@pytest.mark.slow
def test_another_corpus_can_start_from_trained_weights(trained, poems, tmp_path):
    few = tmp_path / "mine.txt"
    lines = [json.loads(line)["text"] for line in poems.read_text(encoding="utf-8").splitlines()[:200]]
    few.write_text("\n".join(lines), encoding="utf-8")
    done = run_here(
        "--corpus",
        few,
        "--init-from",
        trained[0],
        "--output",
        tmp_path / "tuned",
        "--epochs",
        1,
        *SMALL,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    afresh = run_here("--corpus", few, "--output", tmp_path / "fresh", "--epochs", 1, "--no-measure", *SMALL)
    assert afresh.returncode == 0, afresh.stderr[-3000:]
    assert "train 0.000%" in afresh.stdout  # the vocabulary has every character of a small corpus
    # Validation losses are compared, because the training loss of the tuned model is over more characters.
    assert losses(tmp_path / "tuned", "valid")[-1] < losses(tmp_path / "fresh", "valid")[-1] - 0.5
    base, tuned, fresh = (
        json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        for folder in (trained[0], tmp_path / "tuned", tmp_path / "fresh")
    )
    before = {name: base[name] for name in ("corpus", "training", "commands")}
    assert tuned["earlier"] == [before | {"held_out": True}]  # a poem is in the same split in both corpora
    card = (tmp_path / "tuned" / "README.md").read_text(encoding="utf-8")
    assert not (tmp_path / "tuned" / "earlier_log.jsonl").exists()  # another corpus
    assert base["commands"]["training"] in card
    assert "kept out of that training" in card
    assert "earlier" not in fresh


TRAIN, VALID, TEST = ([PoemRecord(text)] for text in POEMS[:3])
CORPUS = Corpus({"train": TRAIN, "valid": VALID, "test": TEST}, CorpusReport())


@pytest.fixture
def base(tiny_model, tmp_path) -> Path:
    """The folder of a model after two training runs, as train.py leaves it."""
    folder = tmp_path / "base"
    tiny_model.save_pretrained(folder)
    write_held_out(folder, CORPUS)
    metrics = {"training": {"epochs": 2}, "commands": {"training": "the second"}, "perplexity": {}}
    metrics["earlier"] = [{"commands": {"training": "the first"}, "held_out": True}]
    (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    for name, step in (("earlier_log.jsonl", 100), ("training_log.jsonl", 10)):
        append_json_line(folder / name, {"split": "valid", "step": step, "epoch": 1.0, "loss": 5.0})
    return folder


@pytest.mark.parametrize(
    ("valid", "test", "held_out", "goes_on"),
    [
        (VALID, TEST, True, True),
        (TEST, VALID, True, False),
        (VALID, TRAIN, False, True),
        (TRAIN, [], False, False),
        ([], VALID, True, True),  # validated on its test poems, which the base was validated on
        ([], TEST, True, False),
    ],
)
def test_what_a_model_has_behind_it(base, valid, test, held_out, goes_on):
    """Its training runs, marked if they held out the same poems; its log, if the losses are comparable."""
    corpus = Corpus({"train": [], "valid": valid, "test": test}, CorpusReport())
    trainings, log = history(str(base), corpus)
    assert [one["commands"]["training"] for one in trainings] == ["the first", "the second"]
    assert [one.get("held_out", False) for one in trainings] == [held_out, held_out]
    assert trainings[1]["training"] == {"epochs": 2} and "perplexity" not in trainings[1]
    assert [record["step"] for record in log] == ([100, 110] if goes_on else [])


def test_a_log_goes_on_only_if_the_same_test_poems_were_validated_on(base):
    """Neither corpus has poems of the valid split."""
    write_held_out(base, Corpus({"train": [], "valid": [], "test": TEST}, CorpusReport()))
    for test, goes_on in ((TEST, True), (VALID, False)):
        _, log = history(str(base), Corpus({"train": [], "valid": [], "test": test}, CorpusReport()))
        assert bool(log) == goes_on


def test_a_model_with_nothing_behind_it(tiny_model, tmp_path):
    tiny_model.save_pretrained(tmp_path / "base")
    assert history(None, CORPUS) == history(str(tmp_path / "base"), CORPUS) == ([], [])


def test_a_new_training_keeps_what_it_goes_on_from_and_nothing_else(base):
    for name in ("samples.jsonl", "README.md", "checkpoint/state.json"):
        (base / name).parent.mkdir(exist_ok=True)
        (base / name).write_text("of the one before", encoding="utf-8")
    trainings, log = history(str(base), CORPUS)
    begin_folder(base, CORPUS, trainings, log)
    kept = {path.name for path in base.iterdir()}
    assert not kept & {"training_log.jsonl", "samples.jsonl", "README.md", "checkpoint"}
    assert read_json_lines(base / "earlier_log.jsonl") == log
    assert json.loads((base / "metrics.json").read_text(encoding="utf-8")) == {"earlier": trainings}
    begin_folder(base, CORPUS, [], [])
    assert not {"earlier_log.jsonl", "metrics.json"} & {path.name for path in base.iterdir()}


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    done = run_here("--output", tmp_path / "file", *SMALL)
    assert done.returncode == 2 and "is a file; give a folder" in done.stderr and not done.stdout
    for output in (tmp_path / "file", tmp_path / "file" / "deeper", tmp_path / ("x" * 300)):
        with pytest.raises(PoetError, match=r"cannot be written .*; give another folder"):
            begin_folder(output, CORPUS, [], [])


@pytest.mark.parametrize("where", ["raise KeyboardInterrupt", "def OpenCC(name): raise KeyboardInterrupt"])
def test_interrupted_outside_the_loop_it_says_how_to_go_on(where, tmp_path):
    """The interrupt comes while packages are imported, or while the corpus is read."""
    (tmp_path / "opencc.py").write_text(where, encoding="utf-8")
    (tmp_path / "poems.txt").write_text("\n".join(POEMS), encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = run(
        "--corpus", tmp_path / "poems.txt", "--output", tmp_path / "out", *SMALL, environment=environment
    )
    assert done.returncode == 130
    assert "--resume" in done.stderr and "Traceback" not in done.stderr


def test_another_start_is_another_training(trained, poems, tmp_path):
    """--resume continues a run with its own weights, so it refuses an --init-from that is given later."""
    output = tmp_path / "out"
    shutil.copytree(trained[0], output)
    state = {"identity": {"init_from": None}}
    (output / "checkpoint").mkdir()
    (output / "checkpoint" / "state.json").write_text(json.dumps(state), encoding="utf-8")
    done = run_here("--corpus", poems, "--output", output, "--init-from", trained[0], "--resume", *SMALL)
    assert done.returncode == 2 and "init_from" in done.stderr and "Traceback" not in done.stderr
    state |= {"content": {"the vocabulary": "0" * 64, "the poems to train on": "0" * 64}}
    (output / "checkpoint" / "state.json").write_text(json.dumps(state), encoding="utf-8")
    done = run_here("--corpus", poems, "--output", output, "--resume", *SMALL)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "the vocabulary and the poems to train on differ from then" in done.stderr
    assert f"--init-from {output} and another --output" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--corpus", "nowhere.txt"], "was not found"),
        (["--resume"], "nothing to resume"),
        (["--epochs", "0"], "--epochs must be 1 or more, got 0"),
        (["--hidden-size", "0"], "--hidden-size must be a whole number from 1 to 8192, got 0"),
        (["--batch-size", "-3"], "--batch-size must be 1 or more, got -3"),
        (["--learning-rate", "nan"], "--learning-rate must be a finite number, above 0, got nan"),
        (["--init-from", "no-such-folder/and/deeper"], "neither a folder"),
        (["--max-minutes", "-1"], "--max-minutes must be above 0, got -1.0"),
        (["--limit", "0"], "--limit must be 1 or more, got 0"),
        (["--seed", "-1"], "--seed must be a whole number from 0 to 4294967295, got -1"),
        (["--precision", "fp16"], "--precision fp16 needs a GPU"),
        (["--report-to", "wandb"], "--report-to wandb needs the package wandb; .*: pip install wandb"),
        (["--init-from", str(SHIPPED)], "hidden_size"),  # SMALL gives another value than the model has
    ],
)
def test_mistakes_end_in_one_sentence(arguments, words, poems, tmp_path, capsys):
    corpus = [] if "--corpus" in arguments else ["--corpus", str(poems)]
    program = [str(ROOT / "train.py"), "--output", str(tmp_path / "out"), *SMALL, *corpus, *arguments]
    run_program(program, statuses=(2,))  # in this process, which has imported torch already
    assert re.search(rf"^error: .*{words}", capsys.readouterr().err, re.MULTILINE)


@pytest.mark.slow
def test_a_few_poems_are_enough_to_try_and_what_is_held_out_is_said(tmp_path):
    few, output = tmp_path / "few.txt", tmp_path / "model"
    few.write_text("\n".join(POEMS), encoding="utf-8")
    few_note = f"note: {len(POEMS) - 1} poems are too few to learn to write verse: expect characters without "
    few_note += "sense, and a high perplexity"
    more = ["--no-measure"], ["--no-measure"], []
    notes = few_note, "the last one is held out for validation", f"{output} contains a model; it is kept in"
    for note, words in zip(notes, more, strict=True):
        given = ["--corpus", few, "--output", output, "--epochs", 1, "--report-to", "tensorboard", *words]
        done = run_here(*given, *SMALL)
        assert done.returncode == 0, done.stderr[-3000:]
        assert note in done.stdout
    report = json.loads((output / "corpus_report.json").read_text(encoding="utf-8"))
    assert report["characters"]["train"] + report["characters"]["valid"] == sum(map(len, POEMS))
    card = (output / "README.md").read_text(encoding="utf-8")
    assert "near-copies of them may be among the others" in card and "- Corpus: few.txt." in card
    board = EventAccumulator(str(output / "tang-lstm"))
    board.Reload()
    assert {"train/loss", "train/learning_rate", "valid/perplexity"} <= set(board.Tags()["scalars"])
    logged = [event.value for event in board.Scalars("valid/loss")]
    assert logged[-1] == pytest.approx(losses(output, "valid")[-1], rel=1e-5)


@pytest.mark.slow
def test_a_few_poems_leave_the_model_that_they_are_added_to_its_characters_and_authors(trained, tmp_path):
    few, output = tmp_path / "few.jsonl", tmp_path / "model"
    records = [{"text": text.replace("春", "𪚥"), "author": "某甲"} for text in POEMS]
    few.write_text("\n".join(json.dumps(one, ensure_ascii=False) for one in records), encoding="utf-8")
    done = run_here(
        *("--corpus", few, "--output", output, "--init-from", trained[0], "--epochs", 1, "--no-measure"),
        *SMALL,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    before, after = (PoetModel.from_pretrained(folder).tokenizer for folder in (trained[0], output))
    assert after.characters[: len(before.characters)] == before.characters
    assert "𪚥" in after and "𪚥" not in before and after.authors == (*before.authors, "某甲")
    (start,) = re.findall(r'PoetModel\.from_pretrained.*generate\("(.*)"\)', done.stdout)
    assert PoetModel.from_pretrained(output).generate(start, seed=1).text.startswith("春")


def test_a_single_poem_is_too_few(tmp_path):
    path = tmp_path / "one.txt"
    path.write_text("白日依山盡，黃河入海流。欲窮千里目，更上一層樓。\n", encoding="utf-8")
    done = run_here("--corpus", path, "--output", tmp_path / "out", *SMALL)
    assert done.returncode == 2
    assert "at least 2 poems are needed" in done.stderr and "Traceback" not in done.stderr


def test_nothing_usable_in_the_corpus_is_said(tmp_path):
    path = tmp_path / "english.txt"
    path.write_text("Shall I compare thee to a summer's day?\n" * 5, encoding="utf-8")
    done = run_here("--corpus", path, "--output", tmp_path / "out", *SMALL)
    assert done.returncode == 2
    assert "digits or latin letters: 5" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("preset", "message"),
    [
        ("[]", r"bad\.json"),
        (
            '{"model": {"hiden_size": 8}}',
            "bad.json is not a valid preset: .*hiden_size.*; see .*training/presets",
        ),
        ('{"training": {"epochs": 0}}', "--preset .*bad.json: training.epochs must be 1 or more, got 0"),
        ('{"training": {"epochs": 2.5}}', "training.epochs must be a whole number, 1 or more, got 2.5"),
        ('{"training": {"epochs": "3"}}', "training.epochs must be a whole number, 1 or more, got '3'"),
        ('{"training": {"batch_size": true}}', "training.batch_size must be .*, got True"),
        ('{"model": {"hidden_size": 0.5}}', "bad.json: model.hidden_size must be a whole number .* got 0.5"),
        ('{"model": [512]}', "bad.json is not a valid preset: .*; see .*training/presets"),
        ('{"limit": 0}', "--preset .*bad.json: limit must be 1 or more, got 0"),
        ('{"limit": true}', "bad.json: limit must be a whole number, 1 or more, got True"),
        (
            '{"optimizer": "sgd"}',
            r"unknown keys \['optimizer'\]; the known ones are about, limit, model, training",
        ),
        (
            None,
            "--preset '.*bad.json' is neither auto, nor one of autograd_lstm, .*, tiny, nor a JSON file; "
            "give one of these",
        ),
    ],
)
def test_a_wrong_preset_is_one_sentence(tmp_path, preset, message):
    path = tmp_path / "bad.json"
    if preset is not None:
        path.write_text(preset, encoding="utf-8")
    with pytest.raises(PoetError, match=message):
        load_preset(str(path))


@pytest.mark.parametrize(("typed", "meant"), [("tinny", "tiny"), ("gpus", "gpu"), ("atuo", "auto")])
def test_a_mistyped_preset_names_the_nearest_one(typed, meant):
    with pytest.raises(PoetError, match=rf"--preset '{typed}' is neither .* \(did you mean {meant}\?\)"):
        load_preset(typed)
    with pytest.raises(PoetError, match=r"give one of these$"):
        load_preset("something else")


def test_every_preset_that_comes_with_the_project_is_one():
    assert preset_names() == sorted(path.stem for path in PRESETS.glob("*.json"))
    assert "cpu" in preset_names() and "gpu" in preset_names()
    for path in PRESETS.glob("*.json"):
        assert load_preset(path.stem)["about"]


def test_a_missing_package_is_one_sentence_before_the_corpus_is_read(tmp_path):
    (tmp_path / "opencc.py").write_text("raise ImportError('blocked')", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(ROOT / "train.py"), "--corpus", "nowhere.txt"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
    )
    assert done.returncode == 2 and not done.stdout
    assert done.stderr.startswith(
        "error: training needs OpenCC, which cannot be imported (blocked); install it in the folder of the "
        'project with: pip install ".[train]"'
    )
    assert "Traceback" not in done.stderr and "nowhere" not in done.stderr
