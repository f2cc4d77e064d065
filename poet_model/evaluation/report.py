"""Formats metrics.json as a report for the terminal. Measures nothing itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..hub.metric import shown
from ..prosody.lines import FORMS
from ..terminal import width
from .metrics import METRICS

COLUMNS = {  # the columns of the section `measures`, and their descriptions in the report
    "real": "held-out poems by people, equally many of each form",
    "named": "poems by the model, with the form named in the header and no rules imposed",
    "ruled": "poems by the model, with form, tones and rhyme imposed",
    "best": "the same, with several candidates for each line, one of them drawn by its probability",
}
# beside the first half of a poem with the same rhyme and tones; with the same rhyme
THEME_COLUMNS = ("real", "named", "real, of any tones")
OPENINGS = (
    ("commonest", "with the commonest second character", ".1%"),
    ("distinct", "different second characters, per poem", ".2f"),
)
FIRST, OTHERS = 68, 29  # widths in terminal columns


def report_text(metrics: dict[str, Any]) -> str:
    """The report: perplexities, the metrics of real and generated poems side by side, and header effects."""
    lines = [_row("perplexity", ("", "95 %", "tokens"))]
    for name, entry in (metrics["perplexity"] | metrics.get("external", {})).items():
        interval = f"{entry['low']:.2f} to {entry['high']:.2f}" if "low" in entry else ""
        lines.append(_row(f"  {name}", (f"{entry['perplexity']:.2f}", interval, f"{entry['tokens']:,}")))
    section, header = metrics["measures"], metrics["header"]
    columns = [name for name in COLUMNS if name in section]
    lines += ["", *(f"{name}: {COLUMNS[name]}" for name in columns)]
    lines.append(_row("poems", [f"{name}, {section['poems'][name]:,}" for name in columns]))
    for name, label, shape in METRICS:
        lines.append(_row(f"  {label}", [_cell(section[column].get(name), shape) for column in columns]))
    lines += ["", _row("header", ("with", "without", "difference"))]
    for name, label in (("character", "a character of the title"), ("near", "one of these, or close to one")):
        if effect := header.get("title", {}).get(name):
            lines.append(_estimates(label, effect, ("with", "without", "difference"), ".1%"))
    for form, effect in header["form"].items():
        lines.append(_estimates(f"the form {form}", effect, ("with", "without"), ".1%"))
    lines += [
        "",
        _row("nats per token saved on real poems", ("true field", "another poem's", "gap")),
    ]
    for field, savings in header.get("saved_nats", {}).items():
        lines.append(_estimates(field, savings, ("true", "other", "gap"), "z.4f"))
    return "\n".join([*lines, *_likeness_rows(metrics)])


def _likeness_rows(metrics: dict[str, Any]) -> list[str]:
    """The rows of the sections `theme` and `openings`; none for metrics measured before there were any."""
    lines = []
    if theme := metrics.get("theme"):
        names = ("real", "named", "real_any_tones")
        lines += ["", _row("nats per hanzi of the second half saved by the first", THEME_COLUMNS)]
        for form in FORMS:
            cells = [_cell(theme.get(name, {}).get(form), "z.3f") for name in names]
            lines.append(_row(f"  {form}", cells))
    if openings := metrics.get("openings"):
        count = f"{openings['poems']} poems from each of {openings['starts']}"
        lines += ["", _row(count, ("real", "named"))]
        for name, label, shape in OPENINGS:
            cells = [_cell(openings[column][name], shape) for column in ("real", "named")]
            lines.append(_row(f"  {label}", cells))
    return lines


def _cell(estimate: dict[str, Any] | None, shape: str) -> str:
    """An estimate with its interval, or a dash if it was not measured."""
    return "–" if estimate is None else shown(estimate, shape)


def _estimates(label: str, section: dict[str, Any], names: Sequence[str], shape: str) -> str:
    return _row(f"  {label}", [_cell(section[name], shape) for name in names])


def _row(label: str, cells: Sequence[str]) -> str:
    """One line of the report; a hanzi is two terminal columns wide."""
    widths = (FIRST, *[OTHERS] * len(cells))
    return "".join(
        cell + " " * (columns - width(cell)) for cell, columns in zip((label, *cells), widths, strict=True)
    ).rstrip()
