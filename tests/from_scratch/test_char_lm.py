"""The NumPy language model: plain, fast and torch agree; the shipped model, files, the command line."""

import io
import json
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import POEMS, ROOT, SHIPPED
from safetensors.numpy import load_file, save_file

from poet_model.from_scratch import __main__ as command
from poet_model.from_scratch import data, gradcheck, presets, training
from poet_model.from_scratch.char_lm import CharLM
from poet_model.from_scratch.config import CharLMConfig, TrainingConfig
from poet_model.from_scratch.data import batches, encode
from poet_model.from_scratch.training import Training, evaluate
from poet_model.from_scratch.vocabulary import BOS, EOS, PAD, UNK, Vocabulary
from poet_model.from_scratch.writing import generate, punctuate, sample

CONFIGS = [
    {"cell": "lstm", "num_layers": 2, "tied": True, "embedding_size": 6},
    {"cell": "lstm", "num_layers": 1},
    {"cell": "rnn", "num_layers": 2},
]


def make_model(dtype=np.float32, seed=1, **settings):
    vocabulary = Vocabulary.from_texts(POEMS)
    settings = {"embedding_size": 5, "hidden_size": 6} | settings
    model = CharLM(CharLMConfig(len(vocabulary), **settings), vocabulary, seed=seed)
    rng = np.random.default_rng(seed)
    for name, parameter in model.parameters.items():
        model.parameters[name] = (0.5 * rng.standard_normal(parameter.shape)).astype(dtype)
    return model


def batch(model, poems=POEMS):
    return next(batches(encode(model, poems, 100), len(poems), len(model.prompt)))


@pytest.mark.parametrize("settings", CONFIGS)
def test_the_whole_models_gradients_pass_the_check(settings):
    model = make_model(np.float64, **settings)
    ids, targets, mask = batch(model, ["春眠不覺曉", "白日", "花"])
    _, grads, _ = model.loss_and_gradients(ids, targets, mask)
    errors = gradcheck.check(lambda: model.loss_and_gradients(ids, targets, mask)[0], model.parameters, grads)
    assert max(errors.values()) < gradcheck.TOLERANCE, errors


@pytest.mark.parametrize("settings", CONFIGS)
def test_the_fast_way_gives_the_numbers_of_the_plain_one(settings):
    model = make_model(np.float64, **settings)
    for poems in (POEMS, POEMS[:2]):
        ids, targets, mask = batch(model, poems)
        loss, grads, _ = model.loss_and_gradients(ids, targets, mask)
        fast_loss, fast_grads, _ = model.fast_loss_and_gradients(ids, targets, mask)
        assert fast_loss == pytest.approx(loss, abs=1e-12)
        assert fast_grads.keys() == grads.keys() == model.parameters.keys()
        for name, gradient in grads.items():
            np.testing.assert_allclose(fast_grads[name], gradient, atol=1e-12)


def test_state_carries_the_sequence_on():
    for settings in CONFIGS:
        model = make_model(np.float64, **settings)
        ids, targets, _ = batch(model, POEMS[:1])
        whole, state = model.forward(ids)
        first, middle = model.forward(ids[:, :9])
        second, end = model.forward(ids[:, 9:], middle)
        np.testing.assert_allclose(np.concatenate([first, second], axis=1), whole, atol=1e-12)
        np.testing.assert_allclose(end, state, atol=1e-12)
        after = model.fast_loss_and_gradients(ids[:, 9:], targets[:, 9:], state=middle)[2]
        np.testing.assert_allclose(after, state, atol=1e-12)


def test_padding_changes_neither_loss_nor_gradients():
    model = make_model(np.float64, **CONFIGS[0])
    ids, targets, mask = batch(model, [POEMS[0]])
    loss, grads, _ = model.loss_and_gradients(ids, targets, mask)
    wider = [np.pad(part, ((0, 0), (0, 5)), constant_values=PAD) for part in (ids, targets, mask)]
    for way in (model.loss_and_gradients, model.fast_loss_and_gradients):
        padded_loss, padded, _ = way(*wider)
        assert padded_loss == pytest.approx(loss, abs=1e-12)
        for name, gradient in grads.items():
            np.testing.assert_allclose(padded[name], gradient, atol=1e-12)


def test_batches_score_the_poem_and_its_end_and_nothing_else():
    model = make_model(header=True)
    rows = encode(model, ["春眠不覺曉", "白日", "花開花落"], 4)
    assert rows[1] == [*model.prompt, *model.vocabulary.encode("白日"), EOS]
    assert rows[0][-1] != EOS  # cut: it has not ended
    ids, targets, mask = next(batches(rows, 3, len(model.prompt)))
    assert ids[:, 0].tolist() == [BOS] * 3
    assert mask.sum(axis=1).tolist() == [4, 3, 5]
    scored = [targets[row][mask[row] == 1].tolist() for row in range(3)]
    assert scored == [row[len(model.prompt) :] for row in rows]
    assert (ids[1, 7:] == PAD).all()
    assert UNK in rows[2]
    seen = np.concatenate([part[0][:, 4] for part in batches(rows, 2, 4, np.random.default_rng(0))])
    assert sorted(seen) == sorted(row[4] for row in rows)


@pytest.mark.parametrize("batch_size", [1, 3])
def test_perplexity_is_that_of_all_tokens_however_batched(batch_size):
    model = make_model(np.float64, **CONFIGS[0])
    expected, _, _ = model.loss_and_gradients(*batch(model))
    found = evaluate(model, POEMS, batch_size=batch_size)
    assert found["loss"] == pytest.approx(expected)
    assert found["perplexity"] == pytest.approx(math.exp(expected))
    assert found["tokens"] == sum(map(len, POEMS)) + len(POEMS)


# The shipped model, in both halves


@pytest.fixture(scope="module")
def shipped():
    return CharLM.from_pretrained(SHIPPED)


@pytest.fixture(scope="module")
def torch_model():
    from poet_model import PoetModel

    return PoetModel.from_pretrained(SHIPPED)


@pytest.mark.parametrize("poem", POEMS)
def test_the_shipped_model_has_the_probabilities_of_the_torch_half(shipped, torch_model, poem):
    ids = torch_model.tokenizer.encode_poem(poem)
    with torch.inference_mode():
        expected = torch_model(torch.tensor([ids]))[0].log_softmax(dim=-1)[0, 3:-2]
    expected = expected.gather(1, torch.tensor(ids[4:-1])[:, None])[:, 0]
    np.testing.assert_allclose(shipped.log_probs(poem), expected, atol=1e-4)


@pytest.mark.parametrize(
    "wishes",
    [
        {},
        {"temperature": 0},
        {"temperature": 1.3, "top_k": 0},
        {"top_k": 5},
        {"max_length": 20},
        {"frequency_penalty": 0},
        {"frequency_penalty": 5.0},
    ],
)
def test_the_same_seed_writes_the_poem_of_the_torch_half(shipped, torch_model, wishes):
    for start, seed in (("春", 7), ("明月", 8), ("", 9)):
        expected = torch_model.generate(start, seed=seed, **wishes)
        poem = generate(shipped, start, seed=seed, **wishes)
        assert poem.text == expected.text
        assert poem.log_probs == pytest.approx(expected.log_probs, abs=1e-4)


@pytest.mark.parametrize("cell", ["handwritten_lstm", "handwritten_rnn"])
def test_a_model_with_hand_written_cells_is_read_too(tokenizer, tmp_path, cell):
    from poet_model import PoetConfig, PoetModel

    other = PoetModel(PoetConfig(len(tokenizer), hidden_size=16, num_layers=2, cell=cell), tokenizer)
    other.save_pretrained(tmp_path / "model", dtype=torch.float32)
    model = CharLM.from_pretrained(tmp_path / "model")
    ids = torch.tensor([other.tokenizer.encode_poem(POEMS[0])])
    expected = other.eval()(ids)[0].log_softmax(dim=-1)[0, 3:-2].gather(1, ids[0, 4:-1, None])[:, 0]
    np.testing.assert_allclose(model.log_probs(POEMS[0]), expected.detach(), atol=1e-5)
    assert generate(model, seed=3).text == other.generate(seed=3).text


# Files


@pytest.mark.parametrize("settings", CONFIGS)
@pytest.mark.parametrize("name", ["model", "model.npz"])
def test_saved_and_loaded_it_is_the_same(tmp_path, settings, name):
    model = make_model(**settings)
    model.save(tmp_path / name)
    loaded = CharLM.load(tmp_path / name)
    assert (loaded.config, loaded.vocabulary.tokens) == (model.config, model.vocabulary.tokens)
    for key, value in model.parameters.items():
        assert np.array_equal(loaded.parameters[key], value)
    assert generate(loaded, seed=1).text == generate(model, seed=1).text


def test_a_folder_it_saved_can_be_opened_by_the_tokenizers_library(tmp_path):
    from tokenizers import Tokenizer

    model = make_model()
    model.save(tmp_path)
    opened = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert opened.get_vocab() == model.vocabulary.ids


def npy():
    """A single array's file, which is no .npz."""
    file = io.BytesIO()
    np.save(file, np.zeros(3))
    return file.getvalue()


def broken_npz(path, model):
    path.write_bytes(path.read_bytes()[:-200])


def pickled_npz(path, model):
    np.savez(path, **{"config.json": np.array([{"a": 1}], dtype=object)})


def foreign_npz(path, model):
    np.savez(path, weights=np.zeros(3))


def resized_npz(path, model):
    model.parameters["bias"] = np.zeros(3, np.float32)
    model.save(path)


def nan_npz(path, model):
    model.parameters["bias"][0] = math.nan
    model.save(path)


def lacking_npz(path, model):
    del model.parameters["bias"]
    model.save(path)


def crowded_npz(path, model):
    model.parameters["attention"] = np.zeros(3, np.float32)
    model.save(path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (broken_npz, r"is damaged or not a \.npz file; take an earlier one"),
        (pickled_npz, r"is damaged or not a \.npz file; take an earlier one"),
        (lambda path, model: path.write_bytes(npy()), r"is damaged or not a \.npz file"),
        (foreign_npz, "config.json"),
        (resized_npz, r"bias in .* has shape \(3,\), expected \(\d+,\)"),
        (nan_npz, "bias in .* holds a value that is not finite"),
        (lacking_npz, "lacks bias"),
        (crowded_npz, "also holds attention"),
        (lambda path, model: path.unlink(), "does not exist"),
    ],
)
def test_a_bad_file_is_named_in_one_sentence(tmp_path, damage, message):
    path, model = tmp_path / "model.npz", make_model()
    model.save(path)
    damage(path, model)
    with pytest.raises(ValueError, match=message) as caught:
        CharLM.load(path)
    assert "model.npz" in str(caught.value)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("config.json", None, "it has no config.json"),
        ("config.json", "{", "is damaged"),
        ("config.json", '{"vocab_size": 60, "surprise": 1}', "of another program"),
        ("config.json", '{"model_type": "poet-lstm", "hidden_size": 6}', "lacks 'vocab_size'"),
        ("model.safetensors", "nonsense", "is damaged"),
        ("tokenizer.json", "{}", "is not a valid vocabulary"),
        ("tokenizer.json", '{"model": {"vocab": {"<pad>": 0, "x": 2}}}', "is not a valid vocabulary"),
    ],
)
def test_a_bad_folder_is_named_in_one_sentence(tmp_path, file, content, message):
    make_model().save(tmp_path)
    if content is None:
        (tmp_path / file).unlink()
    else:
        (tmp_path / file).write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        CharLM.load(tmp_path)


def test_weights_of_another_size_are_refused_with_both_shapes(tmp_path):
    make_model().save(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    weights["bias"] = weights["bias"][:-1].copy()
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=r"bias in .* has shape \(\d+,\), expected \(\d+,\)"):
        CharLM.load(tmp_path)


def test_any_flipped_bit_of_a_file_is_an_error_or_changes_nothing(tmp_path):
    """The zip's checksums guard the numbers; what they do not guard either matters not, or is noticed."""
    path, rng = tmp_path / "model.npz", np.random.default_rng(0)
    model, errors = make_model(hidden_size=4, embedding_size=4), 0
    model.save(path)
    content = path.read_bytes()
    for _ in range(300):
        damaged = bytearray(content)
        damaged[rng.integers(len(damaged))] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            loaded = CharLM.load(path)
        except ValueError:  # and no other
            errors += 1
            continue
        assert (loaded.config, loaded.vocabulary.tokens) == (model.config, model.vocabulary.tokens)
        assert all(np.array_equal(loaded.parameters[name], value) for name, value in model.parameters.items())
    assert errors > 150


# Training


def config(**settings):
    return TrainingConfig(**{"epochs": 6, "batch_size": 2, "learning_rate": 0.02} | settings)


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
    assert run(capsys, *train, "tiny")[0] == 0
    status, _, err = run(capsys, *train, "mini", on_batch=interrupt)
    assert (status, err) == (130, "\nstopped\n")
    status, _, err = run(capsys, "continue", "--output", output)
    assert status == 2
    assert "holds no checkpoint yet: its first epoch never ended" in err


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
        run(capsys, "train", "--preset", "tiny", "--corpus", corpus, "--output", output, "--epochs", 1)[0]
        == 0
    )
    corpus.write_text("\n".join(POEMS[1:]), encoding="utf-8")
    status, _, err = run(capsys, "continue", "--output", output, "--epochs", 2)
    assert status == 2
    assert "has changed since the training began" in err
    corpus.write_text("\n".join(POEMS), encoding="utf-8")
    status, _, err = run(capsys, "continue", "--output", output, "--epochs", 2, on_batch=interrupt)
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
        run(capsys, "train", "--preset", "tiny", "--corpus", corpus, "--output", output, "--epochs", 2)
    assert len((output / "training_log.jsonl").read_text(encoding="utf-8").splitlines()) == 2


def test_a_loss_that_is_no_number_stops_the_training(tmp_path):
    model = make_model()
    model.parameters["bias"][0] = math.nan
    with pytest.raises(ValueError, match=r"loss is nan in epoch 1: .*lower learning rate than 0\.02"):
        Training(model, POEMS, POEMS, config(), tmp_path).run(quiet=True)


# Writing


def test_sampling_follows_the_probabilities_and_top_k():
    logits = np.log(np.array([0.1, 0.2, 0.3, 0.4]))
    uniforms = np.random.default_rng(0).random(20_000)
    drawn = np.bincount([sample(logits, u, 1.0, 0) for u in uniforms], minlength=4) / len(uniforms)
    np.testing.assert_allclose(drawn, [0.1, 0.2, 0.3, 0.4], atol=0.01)
    assert {sample(logits, u, 1.0, 2) for u in uniforms[:200]} == {2, 3}
    assert {sample(logits, u, 1e-9, 0) for u in uniforms[:50]} == {3}


@pytest.mark.parametrize("text", ["春眠不覺曉" * 4, "故人西辭黃鶴樓" * 4, "春眠不覺曉" * 3, "故人西"])
def test_punctuation_is_put_in_when_shown(text):
    shown = punctuate(text)
    assert shown.replace("，", "").replace("。", "") == text
    assert shown.endswith("。")
    assert "，。" not in shown
    if len(text) % 5 == 0:
        assert shown.startswith("春眠不覺曉，春眠不覺曉。")


def test_a_model_without_punctuation_stops_by_itself_or_at_the_limit():
    vocabulary = Vocabulary.from_texts(["春眠不覺曉"])
    model = CharLM(CharLMConfig(len(vocabulary), 4, 4), vocabulary)
    texts = [generate(model, seed=seed, max_length=12).text for seed in range(30)]
    assert all(1 <= len(text) <= 12 for text in texts)
    assert len({len(text) for text in texts}) > 3


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"start": "🙂"}, "'🙂' is not among the .* characters"),
        ({"start": "<"}, "is not among"),
        ({"temperature": -1}, "temperature must be a number from 0 to 100"),
        ({"temperature": math.nan}, "temperature must be a number from 0 to 100"),
        ({"top_k": 1.5}, "top_k must be a whole number"),
        ({"frequency_penalty": -1}, "frequency_penalty must be a number from 0 to 100"),
        ({"start": "春" * 200}, "at most 128 fit"),
    ],
)
def test_an_impossible_wish_is_said_in_one_sentence(wishes, message):
    with pytest.raises(ValueError, match=message):
        generate(make_model(), **wishes)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden_size": 0}, "hidden_size must be a whole number from 1, got 0"),
        ({"cell": "gru"}, "cell must be one of rnn, lstm, got 'gru'"),
        ({"tied": True}, "tied weights need embedding_size = hidden_size, got 5 and 6"),
    ],
)
def test_a_shape_that_cannot_be_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        make_model(**settings)


# The command line


def run(capsys, *arguments, **settings):
    status = command.main(map(str, arguments), **settings)
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_train_continue_test_and_generate(tmp_path, capsys):
    corpus, output = tmp_path / "poems.txt", tmp_path / "run"
    corpus.write_text("\n".join(POEMS * 6), encoding="utf-8")
    status, out, _ = run(
        capsys, "train", "--preset", "tiny", "--corpus", corpus, "--output", output, "--epochs", 2
    )
    assert status == 0
    assert "epoch   2" in out
    status, out, err = run(capsys, "continue", "--output", output)
    assert (status, out.count("epoch ")) == (2, 0)
    assert "all 2 epochs are done; give more" in err
    status, out, _ = run(capsys, "continue", "--output", output, "--epochs", 4)
    assert status == 0
    assert "epoch   3" in out
    assert "epoch   2" not in out
    status, out, _ = run(capsys, "test", "--model", output / "best", "--corpus", corpus)
    assert status == 0
    assert "perplexity" in out
    status, out, _ = run(capsys, "generate", "--model", output / "best", "--start", "春", "--poems", 2)
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
        (["train", "--corpus", "none.txt"], "none.txt cannot be read"),
        (["train", "--corpus", "latin.txt"], "latin.txt is not UTF-8"),
        (["train", "--corpus", "empty.txt"], "empty.txt holds no poem"),
        (["train", "--corpus", "a.txt", "--preset", "none"], "no preset 'none'; known are big, mini, tiny"),
        (["train", "--corpus", "a.txt", "--preset", "bad.json"], "bad.json is not a preset"),
        (["continue", "--output", "none"], "none holds no training"),
        (["test", "--model", "none", "--corpus", "a.txt"], "none is not a model folder"),
        (["generate", "--model", str(SHIPPED), "--start", "Q"], "'Q' is not among"),
        (["generate", "--model", str(SHIPPED), "--temperature", "inf"], "from 0 to 100, got inf"),
        (["generate", "--model", str(SHIPPED), "--seed", "-1"], "seed must be a whole number from 0, got -1"),
        (["generate", "--model", str(SHIPPED), "--poems", "0"], "--poems must be 1 or more, got 0"),
        (["train", "--corpus", "a.txt", "--epochs", "0"], "epochs must be a whole number from 1, got 0"),
        (["train", "--corpus", "a.txt", "--preset", "null.json"], "null.json is not a preset"),
        (["train", "--corpus", "a.txt", "--output", "a.txt"], "File exists"),
        (["continue", "--output", "list"], "list holds no training"),
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
    status, _, err = run(capsys, *arguments)
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
    assert "none.txt cannot be read" in done.stderr


def test_the_bar_shows_the_share_done(capsys):
    training.show_bar(0.5, "epoch 1", 0.0)
    assert "███████████████ " in capsys.readouterr().err
