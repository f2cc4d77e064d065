"""The main metrics of a model, as a list on the page. Reads metrics.json, measures nothing."""

from __future__ import annotations

import sys
from html import escape
from pathlib import Path
from typing import Any

from ..errors import CheckpointError, excerpt
from ..files import is_number
from ..model_folder import METRICS_NAME, read_metrics
from .poet import Poet

LARGEST = 1e15  # no metric is larger
# (label, format, dotted paths in metrics.json of the values that the format takes)
_ROWS = (
    ("參數 Parameters", "{:,}", "num_parameters"),
    ("結構 Architecture", "{} × LSTM {}", "model.num_layers model.hidden_size"),
    ("語料 Corpus", "{:,} 首 poems · {}", "corpus.kept corpus.source"),
    ("字彙 Vocabulary", "{:,}", "model.vocab_size"),
    ("驗證困惑度 Validation perplexity", "{:.1f}", "perplexity.valid.perplexity"),
    ("測試困惑度 Test perplexity", "{:.1f}", "perplexity.test.perplexity"),
    ("齊言 Equal lines, free", "{} / {}", "poems.free.equal_lines poems.free.poems"),
    ("守體 Form kept, when named", "{} / {}", "poems.with_form.kept poems.with_form.poems"),
)


def facts(folder: str | Path, num_parameters: int) -> list[tuple[str, str]]:
    """The labels and formatted values of a model's metrics; those that were not measured are omitted.

    No poem needs them, so what cannot be shown is left out too, with a note on stderr.
    """
    try:
        metrics = read_metrics(folder)
    except CheckpointError as error:
        print(f"note: the page shows no metrics of the model: {error}", file=sys.stderr)
        metrics = {}
    metrics["num_parameters"] = num_parameters
    rows, wrong = [], []
    for label, template, paths in _ROWS:
        values = [_find(metrics, path) for path in paths.split()]
        if None in values:
            continue
        try:
            rows.append((label, template.format(*map(_checked, values))))
        except (ValueError, TypeError):  # text where the format needs a number
            wrong.append(label)
    if wrong:
        print(
            f"note: the page leaves out {', '.join(wrong)}: {METRICS_NAME} has other values than numbers "
            "there; measure the model again",
            file=sys.stderr,
        )
    return rows


def _checked(value: object) -> object:
    """A number of a size that can be shown, or the beginning of a text.

    Raises:
        ValueError: `value` is neither.
    """
    if isinstance(value, str):
        return excerpt(value)
    if not isinstance(value, (int, float)) or not is_number(value) or abs(value) > LARGEST:
        raise ValueError
    return value


def facts_html(poet: Poet) -> str:
    """The name of the model and its metrics, as HTML."""
    rows = [("模型 Model", poet.name), *facts(poet.folder, poet.model.num_parameters)]
    items = "".join(f"<dt>{escape(label)}</dt><dd>{escape(value)}</dd>" for label, value in rows)
    return f'<dl class="facts">{items}</dl>'


def _find(metrics: dict[str, Any], path: str) -> Any:
    """The value at a dotted path; None if it is missing."""
    value: Any = metrics
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value
