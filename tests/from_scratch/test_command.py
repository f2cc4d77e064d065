"""The command `python -m poet_model.from_scratch`."""

import json
import subprocess
import sys

import pytest
from char_lm_models import run_command
from conftest import POEMS, ROOT, SHIPPED

from poet_model.from_scratch import data, presets, training
from poet_model.from_scratch.config import CharLMConfig, TrainingConfig
from poet_model.from_scratch.writing import generate


def test_train_continue_test_and_generate(tmp_path, capsys):
    corpus, output = tmp_path / "poems.txt", tmp_path / "run"
    corpus.write_text("\n".join(POEMS * 6), encoding="utf-8")
    status, out, _ = run_command(
        capsys, "train", "--preset", "tiny", "--corpus", corpus, "--output", output, "--epochs", 2
    )
    assert status == 0
    assert "epoch   2" in out
    status, out, err = run_command(capsys, "continue", "--output", output)
    assert (status, out.count("epoch ")) == (2, 0)
    assert "all 2 epochs are done; give more" in err
    status, out, _ = run_command(capsys, "continue", "--output", output, "--epochs", 4)
    assert status == 0
    assert "epoch   3" in out
    assert "epoch   2" not in out
    status, out, _ = run_command(capsys, "test", "--model", output / "best", "--corpus", corpus)
    assert status == 0
    assert "perplexity" in out
    status, out, _ = run_command(
        capsys, "generate", "--model", output / "best", "--start", "春", "--poems", 2
    )
    assert status == 0
    assert out.count("春") >= 2


@pytest.mark.parametrize(
    ("content", "name", "expected"),
    [
        ("題：春眠不覺曉，處處聞啼鳥。\n\n白日依山盡？黃河入海流！", "a.txt", 2),
        ("題:春眠不覺曉，處處聞啼鳥。", "a.txt", 1),
        ("春眠不覺曉，：處處聞啼鳥。", "a.txt", 1),  # no title, and nothing lost but the sign
        ('[{"paragraphs": ["春眠不覺曉，", "處處聞啼鳥。"]}, {"title": "x"}, 3]', "a.json", 1),
        ('{"text": "春眠不覺曉，處處聞啼鳥。"}\n', "a.jsonl", 1),
    ],
)
def test_poems_are_read_from_text_and_json(tmp_path, content, name, expected):
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    poems = data.read_poems(path)
    assert len(poems) == expected
    assert poems[0] == "春眠不覺曉，處處聞啼鳥。"
    assert data.read_poems(path, punctuation=False)[0] == "春眠不覺曉處處聞啼鳥"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--corpus", "none.txt"], "'none.txt' was not found"),
        (["train", "--corpus", "latin.txt"], "latin.txt is not UTF-8"),
        (["train", "--corpus", "empty.txt"], "empty.txt has no poems"),
        (["train", "--corpus", "a.txt", "--preset", "none"], "no preset 'none'; known are big, mini, tiny"),
        (["train", "--corpus", "a.txt", "--preset", "bad.json"], "bad.json is not a preset"),
        (["continue", "--output", "none"], "none has no training run"),
        (["test", "--model", "none", "--corpus", "a.txt"], "none is not a model folder"),
        (["generate", "--model", str(SHIPPED), "--start", "Q"], "'Q' is not among"),
        (["generate", "--model", str(SHIPPED), "--temperature", "inf"], "from 0 to 100, got inf"),
        (
            ["generate", "--model", str(SHIPPED), "--seed", "-1"],
            "seed must be a whole number, 0 or more, got -1",
        ),
        (["generate", "--model", str(SHIPPED), "--poems", "0"], "--poems must be 1 or more, got 0"),
        (
            ["train", "--corpus", "a.txt", "--epochs", "0"],
            "epochs must be a whole number of 1 or more, got 0",
        ),
        (["train", "--corpus", "a.txt", "--preset", "null.json"], "null.json is not a preset"),
        (["train", "--corpus", "a.txt", "--output", "a.txt"], "File exists"),
        (["continue", "--output", "list"], "list has no training run"),
    ],
)
def test_bad_input_gets_one_sentence_and_status_2(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "latin.txt").write_bytes("春".encode("big5"))
    (tmp_path / "empty.txt").write_text("\n", encoding="utf-8")
    (tmp_path / "a.txt").write_text(POEMS[0], encoding="utf-8")
    (tmp_path / "null.json").write_text(
        '{"punctuation": true, "vocabulary_size": 9, "model": {}, "training": null}', encoding="utf-8"
    )
    (tmp_path / "list").mkdir()
    (tmp_path / "list" / "recipe.json").write_text("[]", encoding="utf-8")
    (tmp_path / "bad.json").write_text('{"model": {}}', encoding="utf-8")
    status, _, err = run_command(capsys, *arguments)
    assert status == 2
    assert message in err
    assert err.count("\n") == 1


def test_every_preset_makes_a_model():
    for path in presets.FOLDER.glob("*.json"):
        preset = presets.load_preset(path.stem)
        TrainingConfig(**preset["training"])
        CharLMConfig(10, **preset["model"])
        assert json.loads(path.read_text(encoding="utf-8"))["about"]


def test_numpy_and_safetensors_are_all_it_needs():
    code = (
        "import sys\n"
        "for name in ('torch', 'tokenizers', 'opencc', 'tqdm', 'huggingface_hub', 'matplotlib'):\n"
        "    sys.modules[name] = None\n"  # an import of it fails
        "from poet_model.from_scratch import __main__, gradcheck\n"
        "raise SystemExit(__main__.main(['generate', '--model', sys.argv[1], '--start', '春']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, SHIPPED], cwd=ROOT, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.startswith("春")


@pytest.mark.parametrize("name", ["poet_model.from_scratch", "poet_model.from_scratch.char_lm"])
def test_the_command_has_its_name_and_its_old_one(shipped, name):
    def called(*arguments):
        return subprocess.run(
            [sys.executable, "-m", name, *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            encoding="utf-8",
        )

    done = called("generate", "--model", str(SHIPPED), "--start", "春", "--seed", "7")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{generate(shipped, '春', seed=7)}\n\n"
    done = called("test", "--model", str(SHIPPED), "--corpus", "none.txt")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "'none.txt' was not found" in done.stderr


def test_the_bar_shows_the_share_done(capsys):
    training.show_bar(0.5, "epoch 1", 0.0)
    assert "███████████████ " in capsys.readouterr().err
