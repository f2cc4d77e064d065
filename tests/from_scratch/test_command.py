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
            "seed must be 0 or more, got -1",
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


def test_without_opencc_simplified_characters_are_refused_and_poems_keep_their_script(tmp_path):
    (tmp_path / "a.txt").write_text("山中春雨过,江上晚风来.", encoding="utf-8")
    code = (
        "import sys\n"
        "sys.modules['opencc'] = None\n"
        "from poet_model.from_scratch import __main__, data\n"
        "print(data.read_poems(sys.argv[2]))\n"
        "raise SystemExit(__main__.main(['generate', '--model', sys.argv[1], '--start', '风,']))"
    )
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", code, SHIPPED, tmp_path / "a.txt"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert (done.returncode, done.stdout) == (2, "['山中春雨过，江上晚风来。']\n")
    assert done.stderr.startswith("error: '风' is not among")
    assert done.stderr.endswith("to give simplified ones, install opencc\n")


def test_a_training_says_what_its_corpus_drops(tmp_path, capsys):
    corpus = tmp_path / "poems.jsonl"
    poems = ['{"poem": "山中春雨過\\n江上晚風來"}', '{"poem": "舟子何□去，漁人昨夜回。"}', '{"title": "空"}']
    corpus.write_text("\n".join(poems), encoding="utf-8")
    command = ("train", "--preset", "tiny", "--corpus", corpus, "--epochs", 1, "--output", tmp_path / "run")
    status, out, _ = run_command(capsys, *command)
    assert status == 0
    assert "dropped: lost characters (□, {釒基}, 下缺): 1\n" in out
    assert "dropped: not a poem record: 1\n" in out
    assert "1 poems to train on" in out
    corpus.write_text(poems[1], encoding="utf-8")
    status, _, err = run_command(capsys, *command)
    assert (status, err.count("\n")) == (2, 1)
    assert "has no poems (1 records read; lost characters" in err


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
