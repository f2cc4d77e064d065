"""Perplexity by hand and by `score`; what is counted, and what an unknown character costs."""

from __future__ import annotations

import json
import math
import os

import pytest
import torch
from conftest import POEMS

from poet_model import CorpusError, evaluation
from poet_model.corpus import Corpus, CorpusReport, PoemRecord
from poet_model.tokenizer import EOS

RECORDS = [PoemRecord(text, title="春", author="李白", form="五絕") for text in POEMS]


def nats_by_hand(model, record: PoemRecord, first: int) -> float:
    """Nats of a record's stream from position `first` on, by one forward pass over it alone."""
    stream = model.tokenizer.encode_poem(record.text, record.title, record.author, record.form)
    logits, _ = model(torch.tensor([stream[:-1]]))
    log_probs = logits[0].log_softmax(dim=1)
    return -sum(log_probs[place - 1, stream[place]].item() for place in range(first, len(stream)))


def test_score_counts_the_poem_and_its_end(tiny_model):
    found = evaluation.score(tiny_model, RECORDS)
    header = len(tiny_model.tokenizer.encode_header("春", "李白", "五絕"))
    expected = sum(nats_by_hand(tiny_model, record, header) for record in RECORDS)
    assert found.nats == pytest.approx(expected, rel=1e-4)
    assert found.tokens == sum(len(record.text) + 1 for record in RECORDS)
    assert found.hanzi == sum(sum(c not in "，。" for c in record.text) for record in RECORDS)
    assert found.perplexity == pytest.approx(math.exp(expected / found.tokens), rel=1e-4)


def test_without_header_the_header_is_empty(tiny_model):
    bare = [PoemRecord(record.text) for record in RECORDS]
    assert evaluation.without_header(RECORDS) == bare
    first = len(tiny_model.tokenizer.encode_header())
    expected = sum(nats_by_hand(tiny_model, record, first) for record in bare)
    assert evaluation.score(tiny_model, bare).nats == pytest.approx(expected, rel=1e-4)


def test_small_batches_change_nothing(tiny_model):
    whole = evaluation.score(tiny_model, RECORDS)
    assert evaluation.score(tiny_model, RECORDS, max_tokens=30).nats == pytest.approx(whole.nats, rel=1e-5)


def test_an_unknown_character_costs_a_choice_among_twenty_thousand(tiny_model):
    known = PoemRecord("春眠不覺曉，處處聞啼鳥。")
    strange = PoemRecord("春眠不覺曉，處處聞啼𪚥。")
    plain = nats_by_hand(tiny_model, strange, len(tiny_model.tokenizer.encode_header()))
    found = evaluation.score(tiny_model, [strange])
    assert found.nats == pytest.approx(plain + math.log(20_000), rel=1e-5)
    assert found.tokens == evaluation.score(tiny_model, [known]).tokens


def test_tangshi_gpt_protocol(tiny_model, tmp_path):
    poems = [
        {"title": "春 曉", "content": "春眠不覺曉，處處聞啼鳥。\n夜來風雨聲，花落知多少。"},
        {"title": "李白", "content": "牀前看月光，疑是地上霜。"},
    ]
    path = tmp_path / "test_poems.json"
    path.write_text(json.dumps(poems, ensure_ascii=False), encoding="utf-8")
    found = evaluation.tangshi_gpt(tiny_model, path)
    assert found["tokens"] == (3 + 25 + 3) + (2 + 12 + 3)  # title, text with line break, three marks
    assert found["poems"] == 2
    nats = 0.0
    for title, text in (("春，曉", POEMS[1]), ("李白", "牀前看月光，疑是地上霜。")):
        record = PoemRecord(text, title=title)
        first = len(tiny_model.tokenizer.encode_header()) - 1  # from the title's first character on
        nats += nats_by_hand(tiny_model, record, first)
    assert found["perplexity"] == pytest.approx(math.exp(nats / found["tokens"]), rel=1e-3)


def test_shapes_count_poems(tiny_model):
    found = evaluation.shapes(tiny_model, num_poems=3)
    assert found["free"]["poems"] == 3 and found["with_form"]["poems"] == 12
    assert found["with_form"]["kept"] == sum(found["with_form"]["by_form"].values())
    again = tiny_model.generate(num_poems=3, temperature=0.8, seed=0)
    assert found["free"]["equal_lines"] == sum(evaluation.has_equal_lines(poem.text) for poem in again)


def test_figures_and_card_are_written_together(tiny_model, tmp_path):
    tiny_model.save_pretrained(tmp_path / "model")
    report = CorpusReport(source="mine", read=4, kept=4, characters={"train": 60, "valid": 24, "test": 24})
    (tmp_path / "model" / "corpus_report.json").write_text(json.dumps(vars(report)), encoding="utf-8")
    corpus = Corpus({"train": RECORDS[:2], "valid": RECORDS[2:3], "test": RECORDS[3:]}, report)
    measured = evaluation.measure(tiny_model, corpus)
    metrics = evaluation.update_folder(tmp_path / "model", measured, training="python train.py")
    assert metrics["perplexity"]["test"]["tokens"] == len(RECORDS[3].text) + 1
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert f"{metrics['perplexity']['valid']['perplexity']:.2f}" in card
    assert "python train.py" in card
    evaluation.check_same_corpus(tmp_path / "model", report)
    fewer = CorpusReport(characters={"train": 50, "valid": 24, "test": 24})  # the same poems held out
    evaluation.check_same_corpus(tmp_path / "model", fewer)
    other = CorpusReport(characters={"train": 60, "valid": 25, "test": 24})
    with pytest.raises(CorpusError, match="give the --corpus and --exclude of its training"):
        evaluation.check_same_corpus(tmp_path / "model", other)


def test_a_folder_outside_is_not_written_into_the_command(tmp_path):
    outside = [str(tmp_path / "a.json"), os.path.relpath(tmp_path / "b.json"), "../c.json"]
    inside = ["runs/d.json", os.path.abspath("runs/e.json"), "0.5"]
    shown = evaluation.command_line("python train.py", ["--exclude", *outside, *inside])
    assert shown == "python train.py --exclude a.json b.json c.json runs/d.json runs/e.json 0.5"


def test_end_of_poem_is_scored(tiny_model):
    """Raising the odds of <eos> everywhere must lower the nats at the end of each poem and raise the rest."""
    before = evaluation.score(tiny_model, RECORDS)
    with torch.no_grad():
        tiny_model.bias[EOS] += 50
    after = evaluation.score(tiny_model, RECORDS)
    assert after.nats > before.nats and after.tokens == before.tokens
