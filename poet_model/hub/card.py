"""metrics.json + model_card.md -> README.md of a model folder."""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import CheckpointError
from ..files import write_text
from ..model_folder import CARD_NAME, METRICS_NAME, earlier_trainings, read_metrics

TEMPLATE = Path(__file__).resolve().parents[2] / "model_card.md"
_FIGURE = re.compile(r"\{\{([\w.-]+)(?:\|([^}]*))?\}\}")  # {{section.name}} or {{section.name|format}}
_BLOCK = re.compile(r"^\{\{#([\w.-]+)\}\}\n(.*?)^\{\{/\1\}\}\n", re.DOTALL | re.MULTILINE)


def render(template: str, metrics: dict) -> str:
    """Puts figures into a template: `{{perplexity.valid.tokens|,}}` is formatted as Python formats.

    One with an interval (a dict of `value`, `low`, `high`) becomes `93.7% (92.1 to 95.0)`.

    A line with a figure that was not measured is left out, and so is all between `{{#section.name}}` and
    `{{/section.name}}`; there is no other way for a card to lack one. If that name stands for a list, what is
    between is repeated for each of its entries, with the entry's own figures only.
    """

    def block(match: re.Match) -> str:
        found = _find(metrics, match[1])
        if isinstance(found, list):
            return "".join(render(match[2], entry) for entry in found)
        return "" if found in (None, {}) else _BLOCK.sub(block, match[2])

    template = _BLOCK.sub(block, template)
    try:
        return "".join(
            _FIGURE.sub(lambda match: shown(_find(metrics, match[1]), match[2] or ""), line)
            for line in template.splitlines(keepends=True)
            if all(_find(metrics, name) is not None for name, _ in _FIGURE.findall(line))
        )
    except (ValueError, TypeError) as error:
        raise CheckpointError(
            f"{METRICS_NAME} holds text where a number belongs ({error}); measure it again"
        ) from error


def shown(figure: float | str | dict, spec: str) -> str:
    """A number as Python formats it; `93.7% (92.1 to 95.0)` if it has an interval."""
    if not isinstance(figure, dict):
        return format(figure, spec)
    value, low, high = (
        "" if figure.get(name) is None else format(figure[name], spec) for name in ("value", "low", "high")
    )
    return f"{value} ({low.rstrip('%')} to {high.rstrip('%')})" if low else value


def _find(metrics: dict, name: str):
    value = metrics
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def card_text(folder: str | Path, known: dict | None = None, template: Path = TEMPLATE) -> str:
    """The card of a model folder from its `metrics.json`; `known` are figures for want of that."""
    if not template.is_file():
        raise CheckpointError(f"{template} is missing: the card's text stands at the root of the project")
    metrics = (known or {}) | read_metrics(folder)
    sources = [str(_find(one, "corpus.source")) for one in (metrics, *earlier_trainings(metrics))]
    if any("chinese-poetry" in source for source in sources):  # whose licence is known
        metrics["from_chinese_poetry"] = True
    metrics["dataset"] = "chinese-poetry" if "chinese-poetry" in sources[0] else "poems"
    return render(template.read_text(encoding="utf-8"), metrics)


def write_card(folder: str | Path, known: dict | None = None) -> None:
    """Writes the card into a model folder."""
    write_text(Path(folder) / CARD_NAME, card_text(folder, known))
