"""The card agrees with metrics.json, and metrics.json with the model."""

from __future__ import annotations

import hashlib
import json
import re
import shutil

import pytest
import yaml
from conftest import ROOT, SHIPPED
from hub_server import card_errors, front_matter

from poet_model import CheckpointError, PoetModel, PoetTokenizer
from poet_model.corpus.held_out import read_held_out
from poet_model.evaluation.metrics import METRICS as ALL_METRICS
from poet_model.hub import card

CARDS = ROOT / "tests" / "hub" / "cards"
METRICS = {
    "model": {"parameters": 1234567, "num_layers": 2, "hidden_size": 512, "vocab_size": 7000},
    "perplexity": {
        "valid": {
            "perplexity": 85.123,
            "low": 80.15,
            "high": 90.25,
            "tokens": 62578,
            "hanzi_perplexity": 150.5,
        }
    },
}


def test_figures_are_formatted_and_lines_without_a_figure_left_out():
    text = (
        'a {{ model.parameters | number(",") }}\nb {{ perplexity.test.perplexity }}\n'
        'c {{ perplexity.valid.perplexity | number(".1f") }}\nd'
    )
    assert card.render(text, METRICS) == "a 1,234,567\nc 85.1\nd"


def test_a_figure_of_zero_stays():
    assert card.render("{{ a.b }} of 100\n", {"a": {"b": 0}}) == "0 of 100\n"


def test_a_block_is_repeated_for_every_entry_of_a_list():
    template = (
        "{% if a.b is defined %}\n{% for stage in stages %}\n"
        '- {{ stage.n }} {{ stage.of | number(",") }}\n  {{ stage.note }}\n'
        "{% endfor %}\n{{ of }}\n{% endif %}\n"
    )
    stages = [{"n": 1, "of": 1000}, {"n": 2, "of": 5, "note": "new"}, {}]
    metrics = {"a": {"b": 0}, "of": 7, "note": "not theirs", "stages": stages}
    assert card.render(template, metrics) == "- 1 1,000\n- 2 5\n  new\n7\n"
    assert card.render(template, metrics | {"stages": []}) == "7\n"
    assert card.render(template, {"stages": stages}) == ""


def test_a_figure_with_an_interval_and_one_that_is_null():
    estimate = {"value": 0.937, "low": 0.921, "high": 0.95, "n": 9}
    text = '{{ a | number(".1%") }}\n{{ b | number(".1%") }}\n{{ c }}\n{{ d.e.f }}\n'
    metrics = {"a": estimate, "b": estimate | {"low": None, "high": None}, "c": None, "d": {"e": None}}
    assert card.render(text, metrics) == "93.7% (92.1 to 95.0)\n93.7%\n"


def test_a_figure_is_never_a_method_of_what_stands_in_its_place():
    assert card.render("{{ header.title }}\n{{ header.items }}\nend\n", {"header": "text"}) == "end\n"
    assert card.render("{{ header.items }}\nend\n", {"header": {"title": 1}}) == "end\n"


def test_a_template_that_is_damaged_is_one_sentence():
    with pytest.raises(
        CheckpointError, match=r"template, line 2 is not valid Jinja2 .*; correct model_card\.md"
    ):
        card.render("a\n{% if a %}\n", {})


@pytest.mark.parametrize("name", [path.stem for path in CARDS.glob("*.json")])
def test_metrics_that_lack_something_give_the_card_they_always_gave(tmp_path, name):
    """The figures and the lines left out in tests/hub/cards are those of the first template engine."""
    shutil.copyfile(CARDS / f"{name}.json", tmp_path / "metrics.json")
    assert card.card_text(tmp_path) == (CARDS / f"{name}.md").read_text(encoding="utf-8")


def test_the_card_is_written_from_the_folders_metrics(tmp_path):
    (tmp_path / "metrics.json").write_text(json.dumps(METRICS), encoding="utf-8")
    card.write_card(tmp_path)
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "1,234,567 parameters" in text
    assert "| validation, header empty | poem + `<eos>` | 62,578 | 85.12 (80.2–90.2) | 150.50 |" in text
    assert "{{" not in text and "{%" not in text
    assert "tangshi-gpt" not in text  # not measured, so not mentioned


def test_the_examples_begin_with_characters_that_the_model_knows(tmp_path):
    shown = {}
    for characters in ("，。山水", "，。月明", "，。山明春月"):
        PoetTokenizer(characters).save(tmp_path)
        text = card.card_text(tmp_path, {"model": METRICS["model"]})
        widget = [example["text"] for example in front_matter(text)["widget"]]
        shown[characters] = widget, re.search(r'generate\("(.*?)"', text)[1]
    assert shown == {
        "，。山水": (["山"], "山"),
        "，。月明": (["明月"], "明月"),
        "，。山明春月": (["春", "明月"], "春"),
    }


def test_a_missing_template_is_one_sentence(tmp_path):
    with pytest.raises(CheckpointError, match=r"none\.md, is missing"):
        card.card_text(tmp_path, template=tmp_path / "none.md")


def test_text_in_place_of_a_figure_is_one_sentence(tmp_path):
    (tmp_path / "metrics.json").write_text(
        '{"model": {"parameters": "many", "num_layers": 2, "hidden_size": 8}}', encoding="utf-8"
    )
    with pytest.raises(CheckpointError, match=r"metrics\.json has text where a number belongs"):
        card.card_text(tmp_path)


def test_the_shipped_card_and_metrics_agree():
    metrics = card.read_metrics(SHIPPED)
    template = (ROOT / "model_card.md").read_text(encoding="utf-8")
    text = card.card_text(SHIPPED)
    assert (SHIPPED / "README.md").read_text(encoding="utf-8") == text
    names = {name.removeprefix("stage.") for name in re.findall(r"\{\{ ([\w.-]+)", template)}
    names -= {"dataset", "start", "starts", "training.note", "poems.settings"}
    assert text.count(f"`{card.settings(metrics['poems']['settings'])}`") == 2
    missing = [name for name in names if card.render("{{ " + name + " }}", metrics) == ""]
    assert len(names) > 100 and missing == []  # the shipped model has every metric that the card can state
    for training in (stage["training"] for stage in metrics["earlier"]):
        assert f"{training['epochs']:.1f} epochs in {training['minutes']:.3g} minutes, learning rate" in text
        assert training.get("note", "") in text


def test_the_shipped_metrics_are_those_of_the_shipped_model():
    metrics = card.read_metrics(SHIPPED)
    model = PoetModel.from_pretrained(SHIPPED)
    assert metrics["model"]["parameters"] == model.num_parameters == model.config.num_parameters
    assert metrics["model"]["vocab_size"] == len(model.tokenizer)
    log = [
        json.loads(line) for line in (SHIPPED / "training_log.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    best = min(record["loss"] for record in log if record["split"] == "valid")
    # measured again since then, without the held-out poems that a corrected corpus no longer has
    assert metrics["perplexity"]["valid"]["loss"] == pytest.approx(best, abs=1e-2)
    assert sum(file.stat().st_size for file in SHIPPED.iterdir()) <= 32 * 2**20


def test_the_bars_of_the_first_model_hold():
    metrics = card.read_metrics(SHIPPED)
    assert metrics["perplexity"]["valid"]["perplexity"] < 88
    assert metrics["external"]["tangshi_gpt"]["perplexity"] < 48.64  # what tangshi-gpt states of itself
    settings = PoetModel.from_pretrained(SHIPPED).generation_config.effective()
    assert metrics["poems"]["settings"] == {"first_seed": 0, **settings}
    assert metrics["poems"]["free"]["equal_lines"] >= 0.9 * metrics["poems"]["free"]["poems"]
    assert metrics["poems"]["with_form"]["kept"] >= 0.9 * metrics["poems"]["with_form"]["poems"]


def test_the_shipped_figures_have_intervals_and_enough_poems():
    metrics = card.read_metrics(SHIPPED)
    section = metrics["measures"]
    assert section["poems"]["named"] == section["poems"]["ruled"] == 1000 and section["poems"]["real"] >= 400
    for column in ("real", "named", "ruled"):
        for name in {name for name, _, _ in ALL_METRICS}:
            found = section[column][name]
            assert found["low"] <= found["value"] <= found["high"] and found["n"] > 1, (column, name)
    assert section["named"]["double_rhyme"]["value"] <= 0.03  # no rhyme is asked, but no word comes back
    for name in ("structure", "rhyme", "tones_L1"):
        assert section["ruled"][name]["value"] == 1  # imposed
    assert section["real"]["poems_with_copied_line"]["value"] < 0.1  # real poems do not match themselves
    assert metrics["header"]["title"]["character"]["difference"]["low"] > 0
    for field in ("title", "author", "form"):
        assert metrics["header"]["saved_nats"][field]["gap"]["low"] > 0


def test_the_shipped_record_is_of_the_poems_that_were_measured():
    metrics, held_out = card.read_metrics(SHIPPED), read_held_out(SHIPPED)
    assert {part: len(held_out[part]) for part in held_out}.items() <= metrics["corpus"]["splits"].items()
    assert metrics["weights"] == hashlib.sha256((SHIPPED / "model.safetensors").read_bytes()).hexdigest()


def test_the_shipped_cards_metadata_is_valid():
    text = (SHIPPED / "README.md").read_text(encoding="utf-8")
    assert card_errors(text) == []  # licence, languages and pipeline tag are in the Hub's lists, no key twice
    data = front_matter(text)
    assert data["language"] == ["lzh", "zh"]
    assert data["license"] == "mit"
    assert [example["text"] for example in data["widget"]]
    assert data["pipeline_tag"] == "text-generation"
    assert data["library_name"] and data["datasets"] and data["metrics"] == ["perplexity"]
    (entry,) = data["model-index"]
    found = {metric["name"]: metric["value"] for metric in entry["results"][0]["metrics"]}
    metrics = card.read_metrics(SHIPPED)["perplexity"]
    assert found["perplexity, poem and <eos>, header empty"] == metrics["test"]["perplexity"]
    assert found["perplexity, poem and <eos>, header given"] == metrics["test_with_header"]["perplexity"]


@pytest.mark.parametrize(
    "change",
    [
        ("license: mit", "license: mine"),
        ("- lzh", "- classical-chinese"),
        ("pipeline_tag: text-generation", "pipeline_tag: poem-generation"),
        ("library_name: poet-model", "license: apache-2.0"),
        ("    metrics:", "    measures:"),
    ],
)
def test_a_card_that_the_hub_would_not_accept_is_found(change):
    text = (SHIPPED / "README.md").read_text(encoding="utf-8")
    assert change[0] in text
    try:
        assert card_errors(text.replace(*change, 1))
    except yaml.YAMLError as error:
        assert "duplicated mapping key: license" in str(error)


def test_a_card_without_figures_is_valid_too(tmp_path):
    card.write_card(tmp_path, {"model": METRICS["model"]})
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert card_errors(text) == []
    assert "model-index" not in front_matter(text)
    assert "{{" not in text and "{%" not in text
    assert "## Evaluation" not in text and "## Training" not in text and "## What it cannot do" in text


@pytest.mark.parametrize(
    ("source", "earlier", "dataset", "licence"),
    [
        ('C:\\poems\\it\'s "mine": all.txt', [], "poems", None),
        ("mine.txt", ["tang (chinese-poetry@2.0.1)"], "poems", "mit"),
        ("song (chinese-poetry@2.0.1)", [], "chinese-poetry", "mit"),
    ],
)
def test_the_card_names_the_poems_that_were_read(tmp_path, source, earlier, dataset, licence):
    metrics = METRICS | {"corpus": {"source": source}}
    metrics["perplexity"] = {"test": {"perplexity": 90.0}, "test_with_header": {"perplexity": 80.0}}
    metrics["earlier"] = [{"corpus": {"source": one}} for one in earlier]
    (tmp_path / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    text = card.card_text(tmp_path)
    assert card_errors(text) == []
    data = front_matter(text)
    assert data.get("license") == licence and ("datasets" in data) == bool(licence)
    measured_on = data["model-index"][0]["results"][0]["dataset"]
    assert measured_on["type"] == dataset
    assert measured_on["name"] == f"{source}, own test split without near-copies"


def test_the_card_opens_as_a_hub_card():
    from huggingface_hub import ModelCard

    loaded = ModelCard.load(SHIPPED / "README.md")
    assert loaded.data.model_name == "tang-lstm"
    assert loaded.data.eval_results[0].metric_type == "perplexity"
