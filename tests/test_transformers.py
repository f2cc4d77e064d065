"""transformers loads a saved model with its two files of code: tokens, logits and a poem are right."""

from __future__ import annotations

import json

import pytest
import torch
import transformers
from conftest import POEMS

from poet_model import PoetConfig, PoetModel
from poet_model.model_folder import REMOTE_CODE

NAME = "user/tang-lstm"


@pytest.fixture(autouse=True)
def one_home(tmp_path, monkeypatch):
    """Gives each test its own cache of remote code, so that it cannot load that of another test."""
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))


@pytest.fixture
def folder(tiny_model, tmp_path):
    tiny_model.save_pretrained(tmp_path / "model", transformers=True)
    return tmp_path / "model"


def load(name, **options):
    return transformers.AutoModelForCausalLM.from_pretrained(name, trust_remote_code=True, **options)


def tokenizer_of(name):
    return transformers.AutoTokenizer.from_pretrained(
        name, trust_remote_code=False
    )  # the tokenizer needs no remote code


def test_without_being_asked_no_code_is_added(tiny_model, tmp_path):
    tiny_model.save_pretrained(tmp_path)
    assert not list(tmp_path.glob("*.py"))
    assert "auto_map" not in (tmp_path / "config.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("text", [*POEMS, "<bos>五絕<sep>李白<sep><sep>春眠不覺曉，", "魍魎 ab"])
def test_the_tokenizer(folder, text):
    model, theirs = PoetModel.from_pretrained(folder), tokenizer_of(folder)
    ids = model.tokenizer.encode(text)
    assert theirs(text)["input_ids"] == ids
    assert theirs.decode(ids) == model.tokenizer.decode(ids)
    specials = (theirs.pad_token, theirs.unk_token, theirs.bos_token, theirs.sep_token, theirs.eos_token)
    assert specials == ("<pad>", "<unk>", "<bos>", "<sep>", "<eos>")


@pytest.mark.parametrize("cell", ["lstm", "handwritten_lstm", "handwritten_rnn"])
def test_the_logits(tokenizer, tmp_path, cell):
    torch.manual_seed(0)
    config = PoetConfig(len(tokenizer), hidden_size=16, num_layers=2, cell=cell, output_dropout=0.5)
    PoetModel(config, tokenizer).save_pretrained(tmp_path / "model", transformers=True)
    ours, theirs = PoetModel.from_pretrained(tmp_path / "model"), load(tmp_path / "model")
    assert not theirs.training
    assert theirs.dtype == torch.float32
    ids = torch.tensor([ours.tokenizer.encode_poem(poem)[:20] for poem in POEMS])
    with torch.inference_mode():
        torch.testing.assert_close(theirs(ids).logits, ours(ids)[0], atol=1e-5, rtol=0)
        loss = theirs(ids, labels=ids).loss
        expected = torch.nn.functional.cross_entropy(ours(ids)[0][:, :-1].flatten(0, 1), ids[:, 1:].flatten())
    torch.testing.assert_close(loss, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_on_either_side_is_passed_over(folder, side):
    model, tokenizer = load(folder), tokenizer_of(folder)
    batch = tokenizer(list(POEMS), padding=True, padding_side=side, return_tensors="pt")
    batch = {name: batch[name] for name in ("input_ids", "attention_mask")}
    with torch.inference_mode():
        logits = model(**batch).logits
        for row, poem in enumerate(POEMS):
            alone = model(tokenizer(poem, return_tensors="pt")["input_ids"]).logits[0]
            torch.testing.assert_close(
                logits[row][batch["attention_mask"][row].bool()], alone, atol=1e-5, rtol=0
            )


def greedy(model, start):
    """Twelve characters after a start, always the likeliest one, without any rules of poems."""
    ids = model.tokenizer.encode_header() + model.tokenizer.encode(start)
    first, allowed = len(ids), torch.ones(len(model.tokenizer), dtype=torch.bool)
    allowed[:4] = False
    with torch.inference_mode():
        while len(ids) < first + 12 and ids[-1] != 4:
            logits = model(torch.tensor([ids]))[0][0, -1]
            ids.append(logits.masked_fill(~allowed, -torch.inf).argmax().item())
    return start + model.tokenizer.decode(ids[first:], skip_special_tokens=True)


def test_greedy_it_writes_what_we_write_without_the_rules(folder):
    ours, theirs = PoetModel.from_pretrained(folder), load(folder)
    for header in ([], ours.tokenizer.encode_header()):
        ids = torch.tensor([header + ours.tokenizer.encode("春")])
        written = theirs.generate(ids, do_sample=False, max_new_tokens=12)[0]
        assert written[: ids.shape[1]].tolist() == ids[0].tolist()
        assert ours.tokenizer.decode(written.tolist(), skip_special_tokens=True) == greedy(ours, "春")
    found = theirs.generate(ids[:, 4:], do_sample=False, max_new_tokens=12, return_dict_in_generate=True)
    assert found.sequences[0].tolist() == written[4:].tolist()
    assert theirs.generate(max_new_tokens=3).shape[0] == 1


def test_a_pipeline_writes_a_poem_from_the_hub(hub, tiny_model, tmp_path, monkeypatch):
    tiny_model.push_to_hub(NAME, token="hf_writer", transformers=True)
    assert set(REMOTE_CODE) <= set(hub.repo(NAME).resolve("main").files)
    pipeline = transformers.pipeline("text-generation", NAME, trust_remote_code=True)
    transformers.set_seed(1)
    starts = ["春", "人來月下"]
    found = pipeline(starts, max_new_tokens=12, batch_size=2, do_sample=False)
    ours = PoetModel.from_pretrained(NAME)
    assert [poem["generated_text"] for [poem] in found] == [greedy(ours, start) for start in starts]
    [poem] = pipeline("春", max_new_tokens=20)
    assert poem["generated_text"].startswith("春")
    assert "<" not in poem["generated_text"]
    with pytest.raises(ValueError, match="trust_remote_code"):
        transformers.AutoModelForCausalLM.from_pretrained(NAME, trust_remote_code=False)


def test_transformers_pushes_and_loads_by_itself(hub, folder, tiny_model):
    """Another client, besides the hf command line, accepts the test Hub as a Hub."""
    load(folder).push_to_hub("user/again", token="hf_writer")
    tokenizer_of(folder).push_to_hub("user/again", token="hf_writer")
    repo = hub.repo("user/again")
    assert {*REMOTE_CODE, "config.json", "model.safetensors"} <= set(repo.resolve("main").files)
    theirs = load("user/again")
    for name, value in load(folder).state_dict().items():
        assert torch.equal(theirs.state_dict()[name], value)
    assert tokenizer_of("user/again")(POEMS[0])["input_ids"] == tiny_model.tokenizer.encode(POEMS[0])
    assert PoetModel.from_pretrained("user/again").config == tiny_model.config


def test_what_transformers_saves_we_load(folder, tmp_path, tiny_model):
    theirs = load(folder)
    theirs.save_pretrained(tmp_path / "again", max_shard_size="4KB")
    tokenizer_of(folder).save_pretrained(tmp_path / "again")
    assert len(list((tmp_path / "again").glob("model-*-of-*.safetensors"))) > 1
    again = PoetModel.from_pretrained(tmp_path / "again")
    assert again.config == tiny_model.config
    assert again.tokenizer.tokens == tiny_model.tokenizer.tokens
    for name, value in PoetModel.from_pretrained(folder).state_dict().items():
        assert torch.equal(again.state_dict()[name], value)
    record = json.loads((tmp_path / "again" / "config.json").read_text(encoding="utf-8"))
    assert record["auto_map"]["AutoModelForCausalLM"] == "modeling_poet.PoetModel"
