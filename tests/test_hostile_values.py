"""Every value that a stranger can send: refused in one short sentence, and long texts without being read."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from char_lm_models import make_model
from conftest import POEMS

from poet_model import GenerationConfig, InvalidValueError, NumpyPoetModel, PoetError, prosody
from poet_model.errors import MAX_SHOWN
from poet_model.from_scratch.writing import generate
from poet_model.novelty.index import NoveltyIndex
from poet_model.ui.endpoints import Endpoints
from poet_model.ui.options import options_of
from poet_model.ui.poet import Poet

LONG = "春" * 1_000_000
PAGE = {"start": "月", "form": "五絕", "temperature": 0.8, "top_k": 40, "seed": 7}
INDEX = NoveltyIndex.build([(POEMS[0], "靜夜思", "李白")])
CHAR_LM = make_model()
TEXTS = ("start", "form", "author", "title", "acrostic", "telestich", "keywords")
SETTINGS = (
    *("temperature", "top_k", "top_p", "min_p", "typical_p", "max_length", "frequency_penalty"),
    *("guidance_scale", "mmi_lambda"),
)
NUMBERS = (*SETTINGS, "seed", "best_of", "num_poems")
NO_NUMBERS = (
    10**5000,
    -(10**5000),
    True,
    math.nan,
    math.inf,
    -math.inf,
    1e308,
    "7",
    [7],
    {},
    2 + 1j,
    object(),
)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A tiny model without torch, whose `generate` is the same method."""
    from poet_model import PoetConfig, PoetModel, PoetTokenizer

    tokenizer = PoetTokenizer.from_texts(POEMS, min_count=1, required="，。五七絕律李白")
    folder = tmp_path_factory.mktemp("model")
    PoetModel(PoetConfig(len(tokenizer), hidden_size=8, num_layers=1), tokenizer).save_pretrained(folder)
    return NumpyPoetModel.from_pretrained(folder)


class NoWords:
    """An object that cannot be written out."""

    def __repr__(self):
        raise RuntimeError("no words")


def refusal(call: Callable[[], object]) -> str:
    """The message of the PoetError that a call raises, which can be sent and printed."""
    with pytest.raises(PoetError) as caught:
        call()
    message = str(caught.value)
    assert 15 < len(message) < 500 and message.isprintable() and caught.value.chinese.isprintable()
    (message + caught.value.chinese).encode("utf-8")
    return message


def calls_with(model, text: str) -> dict[str, Callable[[], object]]:
    """Each call that takes a text, with this text."""
    by_name = {
        f"generate {name}": lambda name=name: model.generate(**{name: text})
        for name in (*TEXTS, "template", "tones", "seed")
    }
    on_page = {
        f"page {name}": lambda name=name: options_of(**PAGE | {name: text})
        for name in (*PAGE, "title", "author", "acrostic", "keywords", "rules", "best_of", "original")
    }
    return {
        **by_name,
        **on_page,
        "stream": lambda: model.stream(text),
        "generate rhyme": lambda: model.generate(form="五絕", rhyme=text),
        "generate unknown": lambda: model.generate(**{text: 1}),
        "generate unnamed": lambda: model.generate("月", text),
        "config": lambda: GenerationConfig(top_k=text),
        "scan": lambda: prosody.scan(text),
        "tones": lambda: prosody.tones(text),
        "form_of": lambda: prosody.form_of(text),
        "form_name": lambda: prosody.form_name(text),
        "lines": lambda: prosody.split_lines(text),
        "novelty": lambda: INDEX.find(text),
        "followers": lambda: INDEX.followers(text),
        "from scratch": lambda: generate(CHAR_LM, text),
    }


def test_a_long_text_is_refused_before_it_is_read(model):
    model.generate("月", form="五絕", seed=1)  # loads what is loaded once
    for name, call in calls_with(model, LONG).items():
        tracemalloc.start()
        message = refusal(call)
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert used < len(LONG) / 10, (
            f"{name}: {used:,} bytes"
        )  # reading it makes copies of 2 bytes a character
        assert message.count("春") <= MAX_SHOWN, name


def test_a_long_text_on_the_page_and_in_the_api(model, tmp_path):
    page = Endpoints(Poet("tiny", tmp_path, model, INDEX))
    for name in ("start", "form", "author", "title", "acrostic", "keywords"):
        *_, last = page.write(**PAGE | {"script": "繁體", name: LONG})
        assert "advice" in last.notice and len(last.notice) < 500
    for name in (*TEXTS, "rhyme", "tones"):
        with pytest.raises(Exception, match=r"must|has") as caught:
            page.write_poem(**{"form": "五絕", name: LONG})
        assert isinstance(caught.value.__cause__, PoetError) and len(str(caught.value)) < 500


@pytest.mark.parametrize("text", ["\ud800", "月\udfff", "\x00\x1b[31m", "\u202e月", "月\n月\x07"], ids=ascii)
def test_what_cannot_be_sent_or_printed_stands_in_no_message(model, text):
    for name, call in calls_with(model, text).items():
        try:
            call()
        except PoetError:
            refusal(call)
        else:  # marks that nobody sees are left out, so some of these texts are good
            assert name not in ("generate seed", "generate unknown", "config", "page seed")
    assert (
        prosody.scan("春眠不覺\ud800，處處聞啼鳥。夜來風雨聲，花落知多少。").faults[0].characters == "\ufffd"
    )


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", NO_NUMBERS, ids=lambda value: type(value).__name__)
def test_what_is_no_number_is_refused_for_each(model, name, value):
    message = refusal(lambda: model.generate(form="五絕", **{name: value}))
    assert message.startswith(f"{name} must be ")
    if name != "num_poems":
        assert refusal(lambda: model.stream(form="五絕", **{name: value})) == message
    if name in ("temperature", "top_k", "max_length", "frequency_penalty", "seed"):
        assert refusal(lambda: generate(CHAR_LM, **{name: value})).startswith(f"{name} must be ")


@pytest.mark.parametrize("value", [None, 10**5000, math.nan, b"", [LONG], NoWords(), np.zeros(3)], ids=type)
def test_what_is_no_text_is_refused_for_each(model, value):
    for name in (*TEXTS, "template", "tones", "rhyme"):
        message = refusal(lambda name=name: model.generate(**{"form": "五絕", name: value}))
        assert name in message
    for name in ("impose_form", "look_ahead", "original", "distinct_rhymes", "parallel"):
        assert name in refusal(lambda name=name: model.generate(**{name: value}))
    judging = (prosody.scan, prosody.tones, prosody.form_of, prosody.form_name, prosody.shape_of)
    for judge in (*judging, INDEX.find, INDEX.followers):
        refusal(lambda judge=judge: judge(value))


@pytest.mark.parametrize("name", ["tokenizer", "defaults", "masks", "self", "cls", "", "max_new_tokens"])
@pytest.mark.parametrize("value", [None, 1, NoWords()], ids=type)
def test_no_keyword_reaches_the_functions_inside(model, name, value):
    for method in (model.generate, model.stream):
        message = refusal(lambda method=method: method("月", **{name: value}))
        assert message.startswith(f"there is no generation option {name!r}")


def test_only_the_start_is_given_without_a_name(model):
    for method in (model.generate, model.stream):
        with pytest.raises(InvalidValueError, match=r"got '五絕' after it; write the name .* form='五絕'"):
            method("月", "五絕")


def test_a_title_is_measured_in_the_characters_that_the_model_reads(model):
    with pytest.raises(InvalidValueError, match="the title has 42 characters; at most 40 fit"):
        model.generate("月", title="㍻" * 21)  # one sign for 平成
