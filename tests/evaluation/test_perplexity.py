"""`score` compared with perplexity by hand: which tokens count, and the cost of an unknown character."""

from __future__ import annotations

import json
import math

import pytest
import torch
from conftest import POEMS

from poet_model.corpus import PoemRecord
from poet_model.evaluation import perplexity
from poet_model.evaluation.tangshi_gpt import measure_by_protocol
from poet_model.tokenizer import EOS

RECORDS = [PoemRecord(text, title="春", author="李白", form="五絕") for text in POEMS]


def nats_by_hand(model, record: PoemRecord, first: int) -> float:
    """The nats of a record's tokens from position `first` on, by a forward pass over this record only."""
    stream = model.tokenizer.encode_poem(record.text, record.title, record.author, record.form)
    logits, _ = model(torch.tensor([stream[:-1]]))
    log_probs = logits[0].log_softmax(dim=1)
    return -sum(log_probs[i - 1, stream[i]].item() for i in range(first, len(stream)))


def test_score_counts_the_poem_and_its_end(tiny_model):
    scored = perplexity.score(tiny_model, RECORDS)
    header = len(tiny_model.tokenizer.encode_header("春", "李白", "五絕"))
    expected = sum(nats_by_hand(tiny_model, record, header) for record in RECORDS)
    assert scored.nats == pytest.approx(expected, rel=1e-4)
    assert scored.tokens == sum(len(record.text) + 1 for record in RECORDS)
    assert scored.hanzi == sum(sum(c not in "，。" for c in record.text) for record in RECORDS)
    assert scored.perplexity == pytest.approx(math.exp(expected / scored.tokens), rel=1e-4)


def test_without_header_the_header_is_empty(tiny_model):
    bare = [PoemRecord(record.text) for record in RECORDS]
    assert perplexity.without_header(RECORDS) == bare
    first = len(tiny_model.tokenizer.encode_header())
    expected = sum(nats_by_hand(tiny_model, record, first) for record in bare)
    assert perplexity.score(tiny_model, bare).nats == pytest.approx(expected, rel=1e-4)


def test_each_poem_has_its_own_nats_in_order(tiny_model):
    header = len(tiny_model.tokenizer.encode_header("春", "李白", "五絕"))
    scored = perplexity.score(tiny_model, RECORDS)
    expected = [nats_by_hand(tiny_model, record, header) for record in RECORDS]
    assert scored.poem_nats == pytest.approx(expected, rel=1e-4)
    assert scored.poem_tokens.tolist() == [len(record.text) + 1 for record in RECORDS]
    assert scored.poem_hanzi.tolist() == [20, 20, 20, 28]
    assert perplexity.score(tiny_model, RECORDS, max_tokens=30).poem_nats == pytest.approx(expected, rel=1e-4)


def test_the_record_has_an_interval_over_poems(tiny_model):
    scored = perplexity.score(tiny_model, RECORDS)
    record = scored.record()
    each = [math.exp(n / t) for n, t in zip(scored.poem_nats, scored.poem_tokens, strict=True)]
    assert record["perplexity"] == round(scored.perplexity, 3)
    assert min(each) <= record["low"] < record["perplexity"] < record["high"] <= max(each)
    assert record["hanzi_low"] < record["hanzi_perplexity"] < record["hanzi_high"]


def test_the_score_of_some_poems_is_theirs_alone(tiny_model):
    chosen = [True, False, False, True]
    scored = perplexity.score(tiny_model, RECORDS).of(chosen)
    alone = perplexity.score(tiny_model, [RECORDS[0], RECORDS[3]])
    assert (scored.tokens, scored.hanzi) == (alone.tokens, alone.hanzi)
    assert scored.poem_nats == pytest.approx(alone.poem_nats, rel=1e-4)


def test_small_batches_change_nothing(tiny_model):
    whole = perplexity.score(tiny_model, RECORDS)
    assert perplexity.score(tiny_model, RECORDS, max_tokens=30).nats == pytest.approx(whole.nats, rel=1e-5)


def test_an_unknown_character_costs_a_choice_among_twenty_thousand(tiny_model):
    known = PoemRecord("春眠不覺曉，處處聞啼鳥。")
    strange = PoemRecord("春眠不覺曉，處處聞啼𪚥。")
    plain = nats_by_hand(tiny_model, strange, len(tiny_model.tokenizer.encode_header()))
    scored = perplexity.score(tiny_model, [strange])
    assert scored.nats == pytest.approx(plain + math.log(20_000), rel=1e-5)
    assert scored.tokens == perplexity.score(tiny_model, [known]).tokens


def test_tangshi_gpt_protocol(tiny_model, tmp_path):
    poems = [
        {"title": "春 曉", "content": "春眠不覺曉，處處聞啼鳥。\n夜來風雨聲，花落知多少。"},
        {"title": "李白", "content": "牀前看月光，疑是地上霜。"},
    ]
    path = tmp_path / "test_poems.json"
    path.write_text(json.dumps(poems, ensure_ascii=False), encoding="utf-8")
    entry = measure_by_protocol(tiny_model, path)
    # each: title, text with line breaks, and three special tokens
    assert entry["tokens"] == (3 + 25 + 3) + (2 + 12 + 3)
    assert entry["poems"] == 2
    nats = 0.0
    for title, text in (("春，曉", POEMS[1]), ("李白", "牀前看月光，疑是地上霜。")):
        record = PoemRecord(text, title=title)
        first = len(tiny_model.tokenizer.encode_header()) - 1  # the title's first character
        nats += nats_by_hand(tiny_model, record, first)
    assert entry["perplexity"] == pytest.approx(math.exp(nats / entry["tokens"]), rel=1e-3)


def test_end_of_poem_is_scored(tiny_model):
    """A higher bias of <eos> lowers the nats at the end of each poem and raises them everywhere else."""
    before = perplexity.score(tiny_model, RECORDS)
    with torch.no_grad():
        tiny_model.bias[EOS] += 50
    after = perplexity.score(tiny_model, RECORDS)
    assert after.nats > before.nats and after.tokens == before.tokens
