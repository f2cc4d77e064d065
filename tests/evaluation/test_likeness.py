"""One theme, openings, and what the report says of them."""

from __future__ import annotations

import pytest
import torch
from conftest import POEMS

from poet_model import prosody
from poet_model.corpus import Corpus, CorpusReport, PoemRecord
from poet_model.evaluation import openings
from poet_model.evaluation.measurement import measure
from poet_model.evaluation.perplexity import score
from poet_model.evaluation.report import report_text
from poet_model.evaluation.theme import partners, theme

NIGHT, DAWN, TOWER, YANGZHOU = POEMS
# the rhyme words and the template of TOWER, with other words
LIKE_TOWER = "紅日低山下，長江向海流。來看三月雪，獨上一層樓。"


def test_the_first_characters_of_a_poem_can_be_left_out(tiny_model):
    records = [PoemRecord(text, form="五絕") for text in (NIGHT, TOWER)]
    whole = score(tiny_model, records)
    rest = score(tiny_model, records, skipped=12)
    by_poem = score(tiny_model, records, skipped=[0, 12])
    assert rest.poem_tokens.tolist() == [13, 13] and rest.poem_hanzi.tolist() == [10, 10]
    assert by_poem.poem_nats.tolist() == [whole.poem_nats[0], rest.poem_nats[1]]
    ids = torch.tensor([tiny_model.tokenizer.encode_poem(TOWER, form="五絕")])
    logits, _ = tiny_model(ids[:, :-1])
    nats = torch.nn.functional.cross_entropy(logits[0], ids[0, 1:], reduction="none")
    assert rest.poem_nats[1] == pytest.approx(float(nats[-13:].detach().sum()), rel=1e-4)


def test_partners_have_the_same_rhyme_and_tones():
    scanned = prosody.scan(LIKE_TOWER)
    assert (scanned.template, scanned.rhyme.groups) == ("T1", ("尤",))
    assert partners([TOWER, NIGHT, LIKE_TOWER]) == [(0, 2), (2, 0)]
    other_tones = "江流天地遠，山色有無愁。郡邑浮前浦，波瀾動客樓。"
    assert prosody.scan(other_tones).rhyme.groups == ("尤",) and prosody.scan(other_tones).template != "T1"
    assert partners([TOWER, other_tones]) == []
    assert partners([TOWER, other_tones], same_tones=False) == [(0, 1), (1, 0)]


def test_theme_is_the_difference_that_the_first_half_makes(tiny_model):
    found = theme(tiny_model, [TOWER, LIKE_TOWER, NIGHT, "春眠"])
    assert found.keys() == {"五絕"} and found["五絕"].n == 2
    crossed = [LIKE_TOWER[:12] + TOWER[12:], TOWER[:12] + LIKE_TOWER[12:]]
    own, other = (
        score(tiny_model, [PoemRecord(text) for text in texts], skipped=12)
        for texts in ([TOWER, LIKE_TOWER], crossed)
    )
    saved = (other.poem_hanzi_nats - own.poem_hanzi_nats).sum() / 20
    assert found["五絕"].value == pytest.approx(saved, abs=1e-5)


def test_openings_of_real_poems_are_those_of_the_commonest_starts():
    texts = [NIGHT, NIGHT.replace("牀前", "牀下"), TOWER, TOWER, TOWER, DAWN, "春" * 9]
    assert openings.real_openings(texts, 2) == {"白": ["日"] * 3, "牀": ["前", "下"]}


def test_variety_is_counted_in_as_many_poems():
    seconds = {"春": list("風風風雨花"), "秋": list("風風風風" + "雨" * 4 + "霜月山水")}
    found = openings.variety(seconds, 60)
    assert found["poems"] == 5
    expected = openings.variety({"秋": seconds["秋"]}, 5)["commonest"].value
    assert 0.4 < expected < 0.6
    assert found["commonest"].value == pytest.approx((0.6 + expected) / 2, abs=1e-4)
    assert openings.variety({"春": seconds["春"]}, 5)["distinct"].value == 0.6
    assert openings.variety(seconds, 60) == found


def test_the_model_writes_from_each_start_in_all_forms(tiny_model):
    found = openings.written_openings(tiny_model, ["春", "白"], 8, temperature=0.8, impose_form=False)
    poems = [
        poem
        for form in prosody.FORMS
        for poem in tiny_model.generate(
            "春", form=form, num_poems=2, seed=0, temperature=0.8, impose_form=False
        )
    ]
    assert found["春"] == [poem.text[1] for poem in poems] and len(found["白"]) == 8


def test_the_sections_are_in_the_report(tiny_model):
    records = [PoemRecord(text, form=prosody.form_of(text)) for text in (*POEMS, LIKE_TOWER)]
    corpus = Corpus(
        {"train": records[:2], "valid": records[3:4], "test": [records[2], records[4]]}, CorpusReport()
    )
    measured = measure(tiny_model, corpus, poems_a_form=2)
    assert measured["openings"]["starts"] == "牀春" and measured["theme"]["real"]["五絕"]["n"] == 2
    assert measured["measures"]["named"]["judge"]["value"] < 0
    assert "auc" not in measured["measures"]["named"]  # too few poems
    text = report_text(measured)
    assert "1 poems from each of 牀春" in text and "saved by the first" in text
    old = {name: section for name, section in measured.items() if name not in ("openings", "theme")}
    assert "saved by the first" not in report_text(old)
