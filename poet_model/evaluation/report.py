"""metrics.json as a report for the terminal. Measures nothing."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from ..hub.card import shown
from .metrics import METRICS

COLUMNS = {  # of the section `measures`, and what is printed about them
    "real": "poems by people, held out of the training, as many of each form",
    "named": "poems by the model, the form named in the header and no rule imposed",
    "ruled": "poems by the model, form, tones and rhyme imposed",
    "best": "the same, with several candidates for each line, one of which is drawn by its probability",
}
FIRST, OTHERS = 54, 29  # columns of the terminal


def report_text(metrics: dict) -> str:
    """Perplexities; the measures of real poems and the model's side by side; what the header does."""
    lines = [_row("perplexity", ("", "95 %", "tokens"))]
    for name, found in (metrics["perplexity"] | metrics.get("external", {})).items():
        interval = f"{found['low']:.2f} to {found['high']:.2f}" if "low" in found else ""
        lines.append(_row(f"  {name}", (f"{found['perplexity']:.2f}", interval, f"{found['tokens']:,}")))
    section, header = metrics["measures"], metrics["header"]
    columns = [name for name in COLUMNS if name in section]
    lines += ["", *(f"{name}: {COLUMNS[name]}" for name in columns)]
    lines.append(_row("poems", [f"{name}, {section['poems'][name]:,}" for name in columns]))
    for name, label, shape in METRICS:
        lines.append(_row(f"  {label}", [_cell(section[column].get(name), shape) for column in columns]))
    lines += ["", _row("header", ("with", "without", "difference"))]
    for name, label in (("character", "a character of the title"), ("near", "one of these, or near to one")):
        if found := header.get("title", {}).get(name):
            lines.append(_figures(label, found, ("with", "without", "difference"), ".1%"))
    for form, found in header["form"].items():
        lines.append(_figures(f"the form {form}", found, ("with", "without"), ".1%"))
    lines += ["", _row("nats a token saved on real poems", ("the true one", "another poem's", "the gap"))]
    for field, found in header.get("saved_nats", {}).items():
        lines.append(_figures(field, found, ("true", "other", "gap"), "z.4f"))
    return "\n".join(lines)


def _cell(figure: dict | None, shape: str) -> str:
    """A figure with its interval; a dash for what was not measured."""
    return "–" if figure is None else shown(figure, shape)


def _figures(label: str, found: dict, names: Sequence[str], shape: str) -> str:
    return _row(f"  {label}", [_cell(found[name], shape) for name in names])


def _row(label: str, cells: Sequence[str]) -> str:
    """One line, in columns; a hanzi is as wide as two letters."""
    widths = (FIRST, *[OTHERS] * len(cells))
    return "".join(
        cell + " " * (width - _width(cell)) for cell, width in zip((label, *cells), widths, strict=True)
    ).rstrip()


def _width(text: str) -> int:
    return sum(1 + (unicodedata.east_asian_width(character) in "WF") for character in text)
