"""Saving and loading give the same model or a clear error, and never run code from a model folder."""

from __future__ import annotations

import copy
import json
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT
from safetensors.torch import load_file, save_file

from poet_model import (
    CheckpointError,
    GenerationConfig,
    InvalidValueError,
    NumpyPoetModel,
    Poem,
    PoetConfig,
    PoetModel,
    PoetTokenizer,
)
from poet_model.model_folder import WEIGHTS_NAME

IDS = torch.tensor([[2, 9, 3, 3, 3, 7, 8, 30, 5], [2, 3, 3, 12, 3, 11, 10, 5, 4]])


def logits_of(model: PoetModel, ids: torch.Tensor = IDS) -> torch.Tensor:
    with torch.no_grad():
        return model(ids)[0]


def assert_same_weights_and_logits(first: PoetModel, second: PoetModel) -> None:
    weights, others = first.state_dict(), second.state_dict()
    assert list(weights) == list(others)
    assert all(torch.equal(value, others[name]) for name, value in weights.items())
    # approximately, because MKL's rounding may depend on the alignment of a tensor in memory
    torch.testing.assert_close(logits_of(first), logits_of(second), atol=1e-6, rtol=0)


@pytest.fixture
def folder(tiny_model, tmp_path):
    tiny_model.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def rewrite_weights(folder: Path, change) -> None:
    """Loads the tensors of a folder, lets `change` edit the dictionary, and saves them again."""
    tensors = load_file(folder / WEIGHTS_NAME)
    change(tensors)
    save_file(tensors, folder / WEIGHTS_NAME)


def test_float32_on_disk_gives_exactly_the_same_model(tiny_model, tmp_path):
    tiny_model.save_pretrained(tmp_path, dtype=torch.float32)
    loaded = PoetModel.from_pretrained(tmp_path)
    assert_same_weights_and_logits(loaded, tiny_model)
    assert loaded.config == tiny_model.config
    assert loaded.tokenizer.tokens == tiny_model.tokenizer.tokens
    assert loaded.generation_config == tiny_model.generation_config
    assert loaded.generate("月", seed=3).text == tiny_model.generate("月", seed=3).text


def test_by_default_weights_are_rounded_to_float16_on_disk_alone(tiny_model, folder):
    rounded = copy.deepcopy(tiny_model)
    with torch.no_grad():
        for parameter in rounded.parameters():
            parameter.copy_(parameter.half().float())
    loaded = PoetModel.from_pretrained(folder)
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    assert_same_weights_and_logits(loaded, rounded)
    assert not torch.equal(logits_of(loaded), logits_of(tiny_model))


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (None, torch.float32),
        ("auto", torch.float16),
        (torch.float64, torch.float64),
        ("bfloat16", torch.bfloat16),
        ("float16", torch.float16),
    ],
)
def test_dtype_in_memory(folder, dtype, expected):
    model = PoetModel.from_pretrained(folder, dtype=dtype)
    assert {p.dtype for p in model.parameters()} == {expected}
    assert model.generate("月", seed=1, max_length=10).text.startswith("月")


@pytest.mark.parametrize("dtype", ["float31", "int8", torch.int64, "nn", 3])
def test_impossible_dtype(folder, dtype):
    with pytest.raises(InvalidValueError, match="dtype must be one of"):
        PoetModel.from_pretrained(folder, dtype=dtype)


def test_device(folder):
    assert PoetModel.from_pretrained(folder, device="cpu").bias.device.type == "cpu"
    assert PoetModel.from_pretrained(folder, device=torch.device("cpu")).bias.device.type == "cpu"
    for device in ("nonsense", "cuda:99"):
        with pytest.raises(InvalidValueError, match="cannot be used here"):
            PoetModel.from_pretrained(folder, device=device)


def test_a_loaded_model_is_in_evaluation_mode_and_can_be_trained(folder):
    model = PoetModel.from_pretrained(folder)
    assert not any(module.training for module in model.modules())
    model.train()
    model(IDS)[0].logsumexp(dim=-1).sum().backward()
    assert all(p.requires_grad and p.grad is not None for p in model.parameters())


def test_a_model_loaded_in_inference_mode_works_outside_of_it(folder):
    with torch.inference_mode():
        model = PoetModel.from_pretrained(folder)
        inside = model.generate("月", seed=1, max_length=10)
    assert model.generate("月", seed=1, max_length=10) == inside
    model(IDS)[0].sum().backward()


def test_names_on_disk_are_those_of_nn_lstm_and_no_tensor_is_there_twice(tiny_model, folder):
    tensors = load_file(folder / WEIGHTS_NAME)
    of_layer = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    layers = {f"lstm.layers.{index}.{name}" for index in (0, 1) for name in of_layer}
    assert set(tensors) == {"embedding.weight", "bias", *layers}
    vocab, width = len(tiny_model.tokenizer), 16
    assert [name for name, value in tensors.items() if vocab in value.shape] == ["bias", "embedding.weight"]
    assert tensors["embedding.weight"].shape == (vocab, width)
    count = sum(value.numel() for value in tensors.values())
    assert count == tiny_model.num_parameters == tiny_model.config.num_parameters


def test_two_bytes_a_parameter_on_disk(tokenizer, tmp_path):
    model = PoetModel(PoetConfig(vocab_size=len(tokenizer), hidden_size=128), tokenizer)
    model.save_pretrained(tmp_path)
    size = (tmp_path / WEIGHTS_NAME).stat().st_size
    assert 2 * model.num_parameters < size < 2 * model.num_parameters + 2000


def test_every_file_has_ordinary_permissions(folder):
    (folder / "ordinary").touch()
    expected = (folder / "ordinary").stat().st_mode
    assert {path.name: path.stat().st_mode for path in folder.iterdir()} == {
        path.name: expected for path in folder.iterdir()
    }


def test_saving_keeps_other_files_and_replaces_its_own(tiny_model, folder):
    (folder / "training_log.jsonl").write_text("{}\n", encoding="utf-8")
    with torch.no_grad():
        tiny_model.bias.zero_()
    tiny_model.save_pretrained(folder)
    assert (folder / "training_log.jsonl").read_text(encoding="utf-8") == "{}\n"
    assert PoetModel.from_pretrained(folder).bias.abs().sum() == 0
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def killed_while(action) -> None:
    """Runs `action` in a child process, which must die of a SIGKILL."""
    child = os.fork()
    if child == 0:  # pragma: no cover
        signal.alarm(60)
        try:
            action()
        finally:
            os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize(
    "moment",
    ["poet_model.config.PoetConfig.save", "poet_model.model.save_weights", "poet_model.folders._carry_over"],
)
def test_a_kill_in_the_middle_of_saving_leaves_the_old_model(tiny_model, folder, monkeypatch, moment):
    before = logits_of(PoetModel.from_pretrained(folder))
    with torch.no_grad():
        tiny_model.bias.zero_()

    def save_and_die():
        monkeypatch.setattr(moment, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
        tiny_model.save_pretrained(folder)

    killed_while(save_and_die)
    assert torch.equal(logits_of(PoetModel.from_pretrained(folder)), before)
    tiny_model.save_pretrained(folder)  # the remains of the killed process do no harm
    assert PoetModel.from_pretrained(folder).bias.abs().sum() == 0


def test_broken_weights_are_not_saved_over_good_ones(tiny_model, folder):
    before = (folder / WEIGHTS_NAME).read_bytes()
    for value in (float("nan"), 1e6):  # 1e6 is infinite in float16
        with torch.no_grad():
            tiny_model.bias[3] = value
        with pytest.raises(InvalidValueError, match="bias: not all finite"):
            tiny_model.save_pretrained(folder)
    assert (folder / WEIGHTS_NAME).read_bytes() == before


READER = """
import sys, time
from poet_model import PoetModel
folder, seconds, expected = sys.argv[1], float(sys.argv[2]), set(sys.argv[3:])
found, end = set(), time.monotonic() + seconds
loads = 0
while time.monotonic() < end:
    model = PoetModel.from_pretrained(folder)
    numbers = model.bias[0].item(), model.lstm.layers[0].weight_hh_l0[0, 0].item()
    mark = f"{len(model.tokenizer)} {model.config.hidden_size} {numbers[0]:g} {numbers[1]:g}"
    assert mark in expected, (mark, expected)
    found.add(mark)
    loads += 1
print(loads, len(found))
"""


def test_readers_never_see_a_mixture_of_what_a_writer_saves(tokenizer, tmp_path):
    """Two processes load from a folder to which this one saves two models in turn, until both have ended."""
    models, marks = [], []
    for number, characters in enumerate((tokenizer.characters, tokenizer.characters[:-9])):
        own = PoetTokenizer(characters)
        model = PoetModel(PoetConfig(len(own), hidden_size=8 + 8 * number, num_layers=1), own)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.fill_(number + 1)
        models.append(model)
        marks.append(f"{len(own)} {8 + 8 * number} {number + 1} {number + 1}")
    models[0].save_pretrained(tmp_path / "model")
    command = [sys.executable, "-c", READER, tmp_path / "model", "4", *marks]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    readers = [subprocess.Popen(list(map(str, command)), cwd=ROOT, **pipes) for _ in range(2)]
    rounds = 0
    while rounds < 200 or any(reader.poll() is None for reader in readers):
        models[rounds % 2].save_pretrained(tmp_path / "model")
        rounds += 1
    for reader in readers:
        said, errors = reader.communicate(timeout=60)
        assert reader.returncode == 0, errors[-2000:]
        loads, kinds = map(int, said.split())
        assert loads > 20
        assert kinds == 2  # saves and loads overlapped


def test_the_folder_one_works_in_can_be_saved_to(tiny_model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        tiny_model.save_pretrained(".")
        assert (Path.cwd() / WEIGHTS_NAME).is_file()
        assert PoetModel.from_pretrained(".").config == tiny_model.config


def test_a_dropout_written_as_a_whole_number_is_the_same(folder):
    text = (folder / "config.json").read_text(encoding="utf-8")
    (folder / "config.json").write_text(text.replace('"input_dropout": 0.0', '"input_dropout": 0'), "utf-8")
    assert PoetModel.from_pretrained(folder).config.input_dropout == 0


def test_what_transformers_notes_in_a_generation_config_is_no_error(folder):
    path = folder / "generation_config.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(record | {"do_sample": True, "eos_token_id": 4}), encoding="utf-8")
    assert PoetModel.from_pretrained(folder).generation_config == GenerationConfig()
    path.write_text(json.dumps(record | {"do_sample": False}), encoding="utf-8")
    with pytest.raises(
        CheckpointError, match="do_sample must be true; for the likeliest characters set temperature to 0"
    ):
        PoetModel.from_pretrained(folder)


def test_arguments_of_a_push_without_a_push_are_refused(tiny_model, tmp_path):
    with pytest.raises(InvalidValueError, match="token"):
        tiny_model.save_pretrained(tmp_path / "model", token="t")


class Bomb:
    """Unpickling this creates a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("name", [WEIGHTS_NAME, "config.json", "tokenizer.json", "generation_config.json"])
@pytest.mark.parametrize("dump", [pickle.dump, torch.save])
def test_a_pickle_under_another_name_is_never_run(folder, tmp_path, name, dump):
    with open(folder / name, "wb") as file:
        dump(Bomb(tmp_path / "exploded"), file)
    with open(folder / "pytorch_model.bin", "wb") as file:
        dump(Bomb(tmp_path / "exploded"), file)
    with pytest.raises(CheckpointError, match=name):
        PoetModel.from_pretrained(folder)
    assert not (tmp_path / "exploded").exists()
    with open(folder / name, "rb") as file:  # the pickle really runs code
        (pickle.load if dump is pickle.dump else lambda f: torch.load(f, weights_only=False))(file)
    assert (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.pop("bias"), "bias is missing"),
        (lambda t: t.update(extra=torch.zeros(3)), "extra is not part of the model"),
        (lambda t: t.update(bias=torch.zeros(3)), r"bias is \(3,\), expected"),
        (
            lambda t: t.update({"embedding.weight": t["embedding.weight"].t().contiguous()}),
            "embedding.weight is",
        ),
        (lambda t: t.update(bias=t["bias"] * float("nan")), "bias holds numbers that are not finite"),
        (lambda t: t.update(bias=t["bias"] + float("inf")), "bias holds numbers that are not finite"),
        (
            lambda t: t.update(bias=t["bias"].to(torch.int8)),
            "bias is of type I8, expected one of F16, BF16, F32, F64",
        ),
        (lambda t: [t.pop(name) for name in list(t)], r"\(and 5 more\)"),
    ],
)
def test_weights_that_do_not_fit(folder, change, said):
    rewrite_weights(folder, change)
    with pytest.raises(CheckpointError, match=said):
        PoetModel.from_pretrained(folder)


def test_a_config_of_another_vocabulary(folder):
    record = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps(record | {"vocab_size": 77}), encoding="utf-8")
    with pytest.raises(CheckpointError, match="vocab_size 77"):
        PoetModel.from_pretrained(folder)


def test_tokenizer_and_config_must_agree(tokenizer):
    with pytest.raises(InvalidValueError, match="must be equal"):
        PoetModel(PoetConfig(vocab_size=len(tokenizer) + 1), tokenizer)


def test_with_tokenizer_keeps_what_both_know(tiny_model):
    characters = "新" + "".join(reversed(tiny_model.tokenizer.characters[:20])) + "詞"
    tokenizer = PoetTokenizer(characters)
    config = PoetConfig(vocab_size=len(tokenizer), hidden_size=16, num_layers=2, input_dropout=0.25)
    model = tiny_model.with_tokenizer(tokenizer, config).eval()
    assert model.config == config
    for token in (*tokenizer.tokens[:5], *tiny_model.tokenizer.characters[:20]):
        new, old = tokenizer.ids[token], tiny_model.tokenizer.ids[token]
        assert torch.equal(model.embedding.weight[new], tiny_model.embedding.weight[old])
        assert model.bias[new] == tiny_model.bias[old]
    for token in "新詞":
        assert model.embedding.weight[tokenizer.ids[token]].abs().max() <= 0.05
    text = characters[5:12]
    old_ids = torch.tensor([tiny_model.tokenizer.encode_poem(text)])
    new_ids = torch.tensor([tokenizer.encode_poem(text)])
    torch.testing.assert_close(
        logits_of(model, new_ids)[..., new_ids[0]], logits_of(tiny_model, old_ids)[..., old_ids[0]]
    )
    before = model.lstm.layers[0].weight_ih_l0.clone()
    with torch.no_grad():
        tiny_model.lstm.layers[0].weight_ih_l0.zero_()
    assert torch.equal(model.lstm.layers[0].weight_ih_l0, before)  # a copy, not the same memory


def test_no_weights_are_drawn_only_to_be_replaced(tiny_model, tmp_path):
    tiny_model.save_pretrained(tmp_path)
    before = torch.get_rng_state()
    PoetModel.from_pretrained(tmp_path)
    assert torch.equal(torch.get_rng_state(), before)
    tiny_model.with_tokenizer(tiny_model.tokenizer, tiny_model.config)
    after = torch.get_rng_state()
    torch.set_rng_state(before)
    torch.empty_like(tiny_model.embedding.weight).uniform_()  # only the rows that new characters get
    assert torch.equal(torch.get_rng_state(), after)


def test_with_tokenizer_refuses_another_width(tiny_model, tokenizer):
    with pytest.raises(InvalidValueError, match="hidden_size is 32"):
        tiny_model.with_tokenizer(tokenizer, PoetConfig(vocab_size=len(tokenizer), hidden_size=32))


def assert_stepper_is_fresh(model: PoetModel) -> None:
    ids, state = torch.tensor([9]), (torch.zeros(2, 1, 16), torch.zeros(2, 1, 16))
    logits, after = model.stepper().step(ids.numpy(), state)
    with torch.no_grad():
        expected, expected_after = model(ids[:, None], state)
    assert logits.dtype == np.float32
    torch.testing.assert_close(torch.from_numpy(logits), expected[:, 0], atol=1e-5, rtol=0)
    torch.testing.assert_close(after, expected_after, atol=1e-5, rtol=0)


def test_the_stepper_reads_as_the_model_does(tiny_model):
    ids = IDS[0]
    with torch.no_grad():
        expected, expected_state = tiny_model(ids[None])
    for first in (0, 3, len(ids) - 1):
        logits, state = tiny_model.stepper().read(ids.tolist(), first)
        torch.testing.assert_close(torch.from_numpy(logits), expected[0, first:], atol=1e-5, rtol=0)
        torch.testing.assert_close(state, expected_state, atol=1e-5, rtol=0)


def fresh_copy(model: PoetModel) -> PoetModel:
    copied = PoetModel(model.config, model.tokenizer)
    copied.load_state_dict(model.state_dict())
    return copied.eval()


def test_the_stepper_is_made_once_and_anew_when_weights_change(tiny_model, folder):
    first = tiny_model.stepper()
    assert tiny_model.stepper() is first
    weight = tiny_model.lstm.layers[1].weight_hh_l0

    with torch.no_grad():
        weight.mul_(2)
    assert tiny_model.stepper() is not first
    assert_stepper_is_fresh(tiny_model)

    for parameter in (tiny_model.bias, tiny_model.embedding.weight):
        with torch.no_grad():
            parameter.add_(0.1)
        assert_stepper_is_fresh(tiny_model)

    optimizer = torch.optim.AdamW(tiny_model.parameters(), lr=0.1, fused=True)
    for _ in range(2):  # as in a training that writes a poem from time to time
        tiny_model.train()
        tiny_model(IDS)[0].sum().backward()
        optimizer.step()
        tiny_model.eval()
        assert_stepper_is_fresh(tiny_model)
    for _ in range(2):
        tiny_model.train()
        tiny_model.generate("月", seed=1, max_length=5)
        optimizer.step()
        poem = tiny_model.generate("月", seed=1, max_length=5)
        assert poem.log_probs == pytest.approx(
            fresh_copy(tiny_model).generate("月", seed=1, max_length=5).log_probs
        )
        tiny_model.eval()
    assert tiny_model.stepper() is tiny_model.stepper()

    tiny_model.load_state_dict(PoetModel.from_pretrained(folder).state_dict())
    assert_stepper_is_fresh(tiny_model)

    for _ in range(5):  # a freed address may be reused by the next tensor
        tiny_model.half()
        tiny_model.float()
        assert_stepper_is_fresh(tiny_model)
        replaced = {name: value * 1.5 for name, value in tiny_model.state_dict().items()}
        tiny_model.load_state_dict(replaced, assign=True)
        assert_stepper_is_fresh(tiny_model)

    tiny_model.generate("月", max_length=5)
    twin = copy.deepcopy(tiny_model)
    with torch.no_grad():
        twin.lstm.layers[0].bias_ih_l0.add_(1)
    assert_stepper_is_fresh(twin)
    assert_stepper_is_fresh(tiny_model)


def test_state_carries_the_sequence_on(tiny_model):
    whole = logits_of(tiny_model)
    with torch.no_grad():
        first, state = tiny_model(IDS[:, :4])
        second, _ = tiny_model(IDS[:, 4:], state)
    torch.testing.assert_close(torch.cat([first, second], dim=1), whole)


def test_a_copy_carries_no_caches_and_writes_the_same(tiny_model, folder):
    rounded = copy.deepcopy(tiny_model)
    with torch.no_grad():
        for weight in rounded.parameters():
            weight.copy_(weight.half())
    for model in (rounded, NumpyPoetModel.from_pretrained(folder)):
        fresh = len(pickle.dumps(model))
        script = len(pickle.dumps(model.tokenizer.script))
        poem = model.generate("春", form="五絕", seed=3, temperature=2)
        assert len(pickle.dumps(model)) <= fresh + script + 1000
        for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
            assert twin.generate("春", form="五絕", seed=3, temperature=2) == poem
            assert twin.vocabulary_masks.tokenizer is twin.tokenizer


def written_elsewhere(model) -> Poem:
    """A poem for the test below, in another process."""
    return model.generate("春", seed=3)


def test_a_model_goes_to_a_spawned_process_after_its_first_poem(tiny_model, folder):
    models = [tiny_model, NumpyPoetModel.from_pretrained(folder)]
    poems = [model.generate("春", seed=3) for model in models]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(written_elsewhere, models) == poems


@pytest.mark.parametrize("cell", ["handwritten_lstm", "handwritten_rnn"])
def test_a_model_of_another_cell_is_saved_loaded_and_writes(tokenizer, tmp_path, cell):
    torch.manual_seed(0)
    config = PoetConfig(vocab_size=len(tokenizer), hidden_size=16, num_layers=2, cell=cell)
    model = PoetModel(config, tokenizer).eval()
    assert model.num_parameters == config.num_parameters
    model.save_pretrained(tmp_path, dtype=torch.float32)
    loaded = PoetModel.from_pretrained(tmp_path)
    assert loaded.config.cell == cell
    assert loaded.generate("春", seed=1).text == model.generate("春", seed=1).text
    assert_stepper_is_fresh(loaded)


def test_the_cell_is_one_field_of_the_configuration(tiny_model, tmp_path):
    tiny_model.save_pretrained(tmp_path, dtype=torch.float32)
    path = tmp_path / "config.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    for cell in ("handwritten_lstm", None):  # None: as in models saved before this field existed
        given = {key: value for key, value in record.items() if key != "cell"} | (
            {"cell": cell} if cell else {}
        )
        path.write_text(json.dumps(given), encoding="utf-8")
        model = PoetModel.from_pretrained(tmp_path)
        assert model.config.cell == (cell or "lstm")
        torch.testing.assert_close(logits_of(model), logits_of(tiny_model), atol=1e-5, rtol=0)
