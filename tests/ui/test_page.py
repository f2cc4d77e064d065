"""The parts of the page: the sheet, the notice, the controls and the metrics."""

from __future__ import annotations

import json
import math
from html import unescape

import pytest
from conftest import SHIPPED

from poet_model.ui import controls, page
from poet_model.ui.facts import facts, facts_html
from poet_model.ui.opening import FIRST as WITHOUT_DEFAULTS
from poet_model.ui.poem import TRADITIONAL, Shown, notice_html, poem_html
from poet_model.ui.poet import Poet

METRICS = {
    "model": {"parameters": 1234567, "num_layers": 2, "hidden_size": 512, "vocab_size": 7000},
    "perplexity": {"valid": {"perplexity": 85.123, "low": 80.15, "high": 90.25, "tokens": 62578}},
}


def test_every_character_of_html_is_escaped(poet, tmp_path):
    html = poem_html(Shown('<script>"&', 2, 1), TRADITIONAL)
    assert "<script>" not in html and "&lt;" in html and "&amp;" in html
    assert "<img" not in notice_html("<img onerror=x>")
    assert "<b>" not in facts_html(Poet("<b>", tmp_path, poet.model))


def test_the_start_is_coloured_across_lines():
    html = poem_html(Shown("春風，明月。", 4, 1), TRADITIONAL)
    assert html.count('class="given"') == 2
    assert '<span class="given">春風，</span>' in html and '<span class="given">明</span>月。' in html


FIRST = WITHOUT_DEFAULTS | {"temperature": 0.8, "top_k": 40}


def test_the_sliders_reach_the_values_of_the_model():
    import gradio as gr

    with gr.Blocks():
        usual = controls.settings(FIRST, (), False)
        high = controls.settings(FIRST | {"temperature": 3.0, "top_k": 500}, (), False)
    assert (usual["temperature"].maximum, usual["top_k"].maximum) == (1.5, 200)
    assert (high["temperature"].maximum, high["top_k"].maximum) == (3.0, 500)


def test_authors_that_the_model_knows_can_be_chosen():
    import gradio as gr

    with gr.Blocks():
        box = controls.settings(FIRST, [f"李{i}" for i in range(99)], False)["author"]
        assert isinstance(box, gr.Dropdown) and box.allow_custom_value and box.value == ""
        assert [value for _, value in box.choices][:2] == ["", "李0"]
        assert len(box.choices) == controls.NUM_AUTHORS + 1
        assert isinstance(controls.settings(FIRST, (), False)["author"], gr.Textbox)


def test_a_page_is_built_for_each_poet(poet, tiny_model, tmp_path):
    tiny_model.save_pretrained(tmp_path)
    tiny = page.build(Poet("user/tiny", tmp_path, tiny_model))
    for demo, name, model in ((page.build(poet), "tang-lstm", poet.model), (tiny, "user/tiny", tiny_model)):
        config = unescape(json.dumps(demo.get_config_file(), ensure_ascii=False, default=str))
        assert f"<dd>{name}</dd>" in config and f"{model.num_parameters:,}" in config


def test_facts_are_those_that_were_measured(tmp_path):
    (tmp_path / "metrics.json").write_text(json.dumps(METRICS), encoding="utf-8")
    values = dict(facts(tmp_path, 42))
    assert values["參數 Parameters"] == "42"
    assert values["結構 Architecture"] == "2 × LSTM 512"
    assert values["驗證困惑度 Validation perplexity"] == "85.1"
    assert not any("Test" in name for name in values)
    assert facts(tmp_path / "none", 1234) == [("參數 Parameters", "1,234")]


def test_the_shipped_model_has_all_facts():
    assert [value for _, value in facts(SHIPPED, 8062308)] == [
        "8,062,308",
        "2 × LSTM 512",
        "48,217 首 poems · tang (chinese-poetry@2.0.1)",
        "7,524",
        "85.4",
        "82.8",
        "952 / 1000",
        "955 / 1000",
    ]


@pytest.mark.parametrize(
    "value", ["many", [7000], {"value": 7000}, 1e300, 10**400, math.nan, -math.inf, [[]]], ids=repr
)
def test_what_is_no_figure_is_left_out_with_one_note(tmp_path, capsys, value):
    metrics = METRICS | {"model": METRICS["model"] | {"vocab_size": value}}
    (tmp_path / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    values = dict(facts(tmp_path, 42))
    assert "字彙 Vocabulary" not in values and values["驗證困惑度 Validation perplexity"] == "85.1"
    noted = capsys.readouterr().err
    assert noted.startswith("note: the page leaves out 字彙 Vocabulary") and noted.count("\n") == 1


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b'{"model": 1, "model": 2}', b"\xff", b" " * (5 << 20)]
)
def test_damaged_metrics_are_left_out_with_one_note(tmp_path, capsys, content):
    (tmp_path / "metrics.json").write_bytes(content)
    assert facts(tmp_path, 42) == [("參數 Parameters", "42")]
    noted = capsys.readouterr().err
    assert noted.startswith("note: the page shows no metrics") and noted.count("\n") == 1


def test_a_long_text_is_cut(tmp_path):
    metrics = {"corpus": {"kept": 5, "source": "春\n" * 10_000}}
    (tmp_path / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    shown = dict(facts(tmp_path, 42))["語料 Corpus"]
    assert len(shown) < 100 and "\n" not in shown
