"""The table of what peers.py measured, from its results alone. It needs no torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from common import ROOT

from poet_model.files import read_json

RESULTS = ROOT / "benchmarks" / "results" / "peers.json"
NAMES = {"lstm": "LSTM", "gpt": "GPT", "rnn": "RNN", "kneser_ney": "Kneser-Ney"}  # the columns, in order
ROWS: dict[str, Callable[[dict[str, Any]], str]] = {
    "perplexity, validation": lambda m: "{perplexity:.2f}".format(**m["valid"]),
    "perplexity, test": lambda m: "{perplexity:.2f}".format(**m["test"]),
    "its 95 % interval": lambda m: "{low:.2f}–{high:.2f}".format(**m["test"]),
    "AUC of the discriminator": lambda m: "{value:.3f}".format(**m["auc"]),
    "its 95 % interval ": lambda m: "{low:.3f}–{high:.3f}".format(**m["auc"]),
    "parameters": lambda m: f"{m['parameters']:,}",
    "of these outside the embedding": lambda m: f"{m['outside_embedding']:,}",
    "dropout": lambda m: str(m["dropout"]),
    "peak learning rate": lambda m: f"{m['learning_rate']:g}",
    "training, minutes": lambda m: f"{m['minutes']:.1f}",
    "training, tokens/s": lambda m: f"{m['tokens_per_second']:,.0f}",
    "CPU seconds per million tokens": lambda m: f"{m['cpu_seconds_per_million_tokens']:,.0f}",
    "writing one poem, characters/s": lambda m: f"{m['characters_per_second']['1']:,.0f}",
    "writing 64 poems, characters/s": lambda m: f"{m['characters_per_second']['64']:,.0f}",
    "weights, MB": lambda m: f"{m['weight_bytes'] / 1e6:.1f}",
    "state of one poem, KB": lambda m: f"{m['state_bytes'] / 1e3:.1f}",
}


def rows_of(record: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """The columns and the rows of the table; what does not exist for a model is left empty."""
    models = {name: record["models"][name] for name in NAMES if name in record["models"]}

    def cell(show: Callable[[dict[str, Any]], str], model: dict[str, Any]) -> str:
        try:
            return show(model)
        except KeyError:
            return ""

    rows = [
        [title.strip(), *(cell(show, model) for model in models.values())] for title, show in ROWS.items()
    ]
    return ["", *(NAMES[name] for name in models)], rows


def title_of(record: dict[str, Any]) -> str:
    """What a table is of, in one line."""
    return (
        "corpus {corpus}, {splits[train]:,} poems to train on, {splits[valid]:,} to validate, "
        "{splits[test]:,} to test; {tokens:,} tokens a training ({epochs:g} epochs); {precision}; {machine}"
    ).format(**record["settings"])


def markdown(_: str = "") -> str:
    """The table of docs/peers.md, whose first cell says what it is of."""
    if not RESULTS.is_file():
        return "| not yet measured |\n|---|\n"
    record = read_json(RESULTS, dict)
    (_, *columns), rows = rows_of(record)
    lines = [[title_of(record), *columns], ["---"] * (len(columns) + 1), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
