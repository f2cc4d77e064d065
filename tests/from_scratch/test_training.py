"""Training the NumPy model: it learns, resumes exactly and stops when it diverges."""

import json
import math

import numpy as np
import pytest
from char_lm_models import CONFIGS, config, make_model, run_command
from conftest import POEMS

from poet_model.from_scratch import data
from poet_model.from_scratch.char_lm import CharLM
from poet_model.from_scratch.data import batches, encode
from poet_model.from_scratch.training import Training, evaluate
from poet_model.from_scratch.writing import generate


@pytest.mark.parametrize("settings", CONFIGS)
def test_it_learns_four_poems_by_heart(tmp_path, settings):
    model = make_model(**settings | {"hidden_size": 24, "embedding_size": 24})
    before = evaluate(model, POEMS)["perplexity"]
    records = Training(model, POEMS, POEMS, config(epochs=80), tmp_path).run(quiet=True)
    assert evaluate(model, POEMS)["perplexity"] < 1.5 < 30 < before
    assert records[-1]["perplexity"] == pytest.approx(math.exp(records[-1]["loss"]), rel=1e-3)
    start = POEMS[0][:3]
    assert generate(CharLM.load(tmp_path / "best"), start, temperature=0).text == POEMS[0]


@pytest.mark.parametrize("schedule", ["", "cosine", "step", "halve_when_loss_rises"])
@pytest.mark.parametrize("optimizer", ["adam", "momentum"])
def test_a_resumed_training_ends_where_an_unbroken_one_does(tmp_path, schedule, optimizer):
    recipe = config(schedule=schedule, optimizer=optimizer)
    whole = Training(make_model(), POEMS, POEMS, recipe, tmp_path / "whole")
    whole.run(quiet=True)
    stopped = Training(make_model(), POEMS, POEMS, recipe, tmp_path / "parts")
    stopped.config = config(schedule=schedule, optimizer=optimizer, epochs=3)
    stopped.run(quiet=True)
    resumed = Training(make_model(seed=9), POEMS, POEMS, recipe, tmp_path / "parts")
    resumed.resume()
    resumed.run(quiet=True)
    for name, value in whole.model.parameters.items():
        assert np.array_equal(resumed.model.parameters[name], value), name
    for part in ("whole", "parts"):
        log = (tmp_path / part / "training_log.jsonl").read_text(encoding="utf-8")
        assert [json.loads(line)["epoch"] for line in log.splitlines()] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("content", [b"", b"PK no archive", None])
def test_a_damaged_optimizer_state_is_named_in_one_sentence(tmp_path, content):
    Training(make_model(), POEMS, POEMS, config(epochs=1), tmp_path).run(quiet=True)
    path = tmp_path / "last" / "optimizer.npz"
    if content is None:
        np.savez(path, foreign=np.zeros(3))
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"optimizer\.npz is damaged or (belongs to another|not a \.npz)"):
        Training(make_model(), POEMS, POEMS, config(), tmp_path).resume()


def test_a_save_that_breaks_off_leaves_the_checkpoint_before_it(tmp_path, monkeypatch):
    Training(make_model(), POEMS, POEMS, config(epochs=1), tmp_path).run(quiet=True)
    before = CharLM.load(tmp_path / "last").parameters
    monkeypatch.setattr(np, "savez", lambda *_, **__: 1 / 0)
    going_on = Training(make_model(), POEMS, POEMS, config(epochs=2), tmp_path)
    going_on.resume()
    with pytest.raises(ZeroDivisionError):
        going_on.run(quiet=True)
    monkeypatch.undo()
    for name, value in CharLM.load(tmp_path / "last").parameters.items():
        assert np.array_equal(value, before[name])
    going_on = Training(make_model(), POEMS, POEMS, config(epochs=2), tmp_path)
    going_on.resume()
    going_on.run(quiet=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best", "last", "training_log.jsonl"]


@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_a_training_that_diverges_says_so(tmp_path):
    with pytest.raises(ValueError, match=r"(diverged|loss is).* in epoch 1.*lower learning rate than 1e"):
        Training(make_model(), POEMS, POEMS, config(learning_rate=1e30, epochs=3), tmp_path).run(quiet=True)
    assert not (tmp_path / "best").exists()


def test_a_log_that_is_ahead_of_the_checkpoint_is_cut_back(tmp_path):
    Training(make_model(), POEMS, POEMS, config(epochs=2), tmp_path).run(quiet=True)
    log = tmp_path / "training_log.jsonl"
    log.write_text(log.read_text(encoding="utf-8") + '{"epoch": 3, "lo', encoding="utf-8")
    going_on = Training(make_model(), POEMS, POEMS, config(epochs=3), tmp_path)
    going_on.resume()
    going_on.run(quiet=True)
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert "loss" in lines[2]


@pytest.mark.parametrize(
    "settings",
    [
        {"epochs": 0},
        {"learning_rate": "x"},
        {"learning_rate": math.nan},
        {"max_grad_norm": "a"},
        {"seed": -1},
    ],
)
def test_a_recipe_that_cannot_be_is_refused(settings):
    with pytest.raises(ValueError, match=f"{next(iter(settings))} must be a"):
        config(**settings)


def test_a_new_training_leaves_nothing_of_the_old_one_to_continue(tmp_path, capsys):
    corpus, output = tmp_path / "poems.txt", tmp_path / "run"
    corpus.write_text("\n".join(POEMS), encoding="utf-8")
    train = ["train", "--corpus", corpus, "--output", output, "--epochs", 2, "--preset"]
    assert run_command(capsys, *train, "tiny")[0] == 0
    status, _, err = run_command(capsys, *train, "mini", on_batch=interrupt)
    assert (status, err) == (130, "\nstopped\n")
    status, _, err = run_command(capsys, "continue", "--output", output)
    assert status == 2
    assert "has no checkpoint yet, because its first epoch was not completed" in err


def interrupt(loss, share):
    """What Ctrl-C does in the middle of an epoch."""
    raise KeyboardInterrupt


def test_a_hook_sees_each_batch_of_an_epoch_before_the_model_is_updated(tmp_path):
    model, seen = make_model(), []
    ids, targets, mask = next(batches(encode(model, POEMS, 128), 3, 1, np.random.default_rng([0, 0])))
    expected = model.fast_loss_and_gradients(ids, targets, mask)[0]
    training = Training(
        model, POEMS, POEMS, config(epochs=1, batch_size=3), tmp_path, lambda *given: seen.append(given)
    )
    training.run(quiet=True)
    assert [share for _, share in seen] == [3 / len(POEMS), 1]
    assert seen[0][0] == expected


def test_to_continue_the_poems_must_be_the_same(tmp_path, capsys):
    corpus, output = tmp_path / "poems.txt", tmp_path / "run"
    corpus.write_text("\n".join(POEMS), encoding="utf-8")
    assert (
        run_command(
            capsys, "train", "--preset", "tiny", "--corpus", corpus, "--output", output, "--epochs", 1
        )[0]
        == 0
    )
    corpus.write_text("\n".join(POEMS[1:]), encoding="utf-8")
    status, _, err = run_command(capsys, "continue", "--output", output, "--epochs", 2)
    assert status == 2
    assert "has changed since the training began" in err
    corpus.write_text("\n".join(POEMS), encoding="utf-8")
    status, _, err = run_command(capsys, "continue", "--output", output, "--epochs", 2, on_batch=interrupt)
    assert (status, err) == (130, "\nstopped; `continue` goes on from the last epoch\n")


def test_few_poems_are_all_learned_and_validated_on():
    assert data.split(["春"] * 99) == (["春"] * 99, ["春"] * 99)
    train, valid = data.split(list(map(str, range(100))))
    assert (len(train), len(valid)) == (95, 5)
    assert not set(train) & set(valid)


def test_a_new_training_begins_a_new_log(tmp_path, capsys):
    corpus, output = tmp_path / "poems.txt", tmp_path / "run"
    corpus.write_text("\n".join(POEMS), encoding="utf-8")
    for _ in range(2):
        run_command(
            capsys, "train", "--preset", "tiny", "--corpus", corpus, "--output", output, "--epochs", 2
        )
    assert len((output / "training_log.jsonl").read_text(encoding="utf-8").splitlines()) == 2


def test_a_loss_that_is_no_number_stops_the_training(tmp_path):
    model = make_model()
    model.parameters["bias"][0] = math.nan
    with pytest.raises(ValueError, match=r"loss is nan in epoch 1: .*lower learning rate than 0\.02"):
        Training(model, POEMS, POEMS, config(), tmp_path).run(quiet=True)
