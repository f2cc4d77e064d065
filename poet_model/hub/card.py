"""Writes the README.md of a model folder from metrics.json and model_card.md. It only formats metrics.

model_card.md is a Jinja2 template with one additional rule: a line is left out if a metric in it was not
measured. So a card states only what metrics.json holds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2

from ..errors import CheckpointError
from ..files import write_text
from ..model_folder import CARD_NAME, METRICS_NAME, earlier_trainings, known_starts, read_metrics
from .metric import shown
from .project import project_file

TEMPLATE_NAME = "model_card.md"
_MISSING = "\0not measured\0"  # stands for a missing metric until its line is removed


class _Environment(jinja2.Environment):
    def getattr(self, obj: object, attribute: str) -> object:
        """Looks up keys of JSON objects only, so that `header.title` is never a method of `str`.

        Null counts as missing.
        """
        value = obj.get(attribute) if isinstance(obj, dict) else None
        return self.undefined(obj=obj, name=attribute) if value is None else value


def render(template: str, metrics: dict[str, Any]) -> str:
    """Fills in a Jinja2 template and removes the lines in which a metric is missing.

    `{{ perplexity.valid.tokens | number(",") }}` uses Python's format specification. A metric with an
    interval (a dict of `value`, `low`, `high`) becomes `93.7% (92.1 to 95.0)`. A metric counts as missing if
    any name on its path is missing or null.

    Args:
        template: the text of the template.
        metrics: the content of metrics.json.

    Raises:
        CheckpointError: a metric has the wrong type, or the template is not valid Jinja2.
    """
    environment = _Environment(
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.ChainableUndefined,
        finalize=number,
    )
    environment.filters |= {"number": number, "settings": settings}
    known = {name: value for name, value in metrics.items() if value is not None}
    try:
        text = environment.from_string(template).render(known)
    except jinja2.TemplateError as error:
        line = f", line {error.lineno}" if isinstance(error, jinja2.TemplateSyntaxError) else ""
        raise CheckpointError(
            f"the card's template{line} is not valid Jinja2 ({error}); correct {TEMPLATE_NAME}"
        ) from error
    except (ValueError, TypeError, OverflowError) as error:
        raise CheckpointError(
            f"{METRICS_NAME} has text where a number belongs ({error}); measure the model again"
        ) from error
    return "".join(line for line in text.splitlines(keepends=True) if _MISSING not in line)


def number(value: object, spec: str = "") -> str:
    """The template's filter `number`. It is also applied to every value without a filter."""
    return _MISSING if value is None or isinstance(value, jinja2.Undefined) else shown(value, spec)


def settings(values: object) -> str:
    """The template's filter `settings`: the settings of generation as arguments of `generate`."""
    if not isinstance(values, dict):
        return _MISSING
    return ", ".join(f"{name}={shown(value, '')}" for name, value in values.items() if name != "first_seed")


def card_text(folder: str | Path, known: dict[str, Any] | None = None, template: Path | None = None) -> str:
    """The text of the card of a model folder.

    Args:
        folder: the model folder, whose `metrics.json` is read.
        known: metrics to use where `metrics.json` has none.
        template: the path of the template; by default the project's model_card.md.

    Raises:
        CheckpointError: `metrics.json` is damaged or holds a metric of the wrong type, or the template is
            missing or not valid.
    """
    template = template or project_file(TEMPLATE_NAME)
    if not template.is_file():
        raise CheckpointError(
            f"the template of the card, {template}, is missing; install poet-model again, or restore the file"
        )
    metrics = (known or {}) | read_metrics(folder)
    metrics["earlier"] = earlier_trainings(metrics)
    sources = [_source(one) for one in (metrics, *metrics["earlier"])]
    # the card then names the licence of chinese-poetry
    if any("chinese-poetry" in source for source in sources):
        metrics["from_chinese_poetry"] = True
    metrics["dataset"] = "chinese-poetry" if "chinese-poetry" in sources[0] else "poems"
    metrics["starts"] = known_starts(Path(folder))
    return render(template.read_text(encoding="utf-8"), metrics)


def _source(metrics: dict[str, Any]) -> str:
    corpus = metrics.get("corpus")
    return str(corpus.get("source")) if isinstance(corpus, dict) else ""


def write_card(folder: str | Path, known: dict[str, Any] | None = None) -> None:
    """Writes the card into a model folder; `folder` and `known` are as in `card_text`."""
    write_text(Path(folder) / CARD_NAME, card_text(folder, known))
