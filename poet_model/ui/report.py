"""The report on a poem, as HTML and as a record: its form, tones and rhyme, and what it copies from 全唐詩.

All text in the HTML is escaped. The judgements are made by the packages prosody and novelty, not here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from html import escape
from typing import Any

from ..novelty.index import Match
from ..prosody.faults import Fault
from ..prosody.lines import LINE_ENDS, split_lines
from ..prosody.scansion import Scansion, scan
from ..prosody.templates import LEVELS
from ..prosody.verdict import FAULT_MEANINGS, rhyme_words, verdict_of
from ..script import to_simplified
from .poem import SIMPLIFIED

MIN_BORROWED = 4  # characters; a shorter stretch of the corpus counts as common property


def report_html(text: str, script: str, matches: Sequence[Match] | None = None) -> str:
    """A one-line verdict on a finished poem, with the details folded below it.

    Args:
        text: the poem in traditional script; some simplified characters have additional tones and rhymes.
        script: `簡體` shows simplified characters, any other value traditional ones.
        matches: the result of `NoveltyIndex.find` for the poem; None if there is no index.
    """
    report = scan(text)
    chinese, english = map(escape, verdict_of(report))
    line = f'<span class="verdict">{chinese}</span> <span class="gloss" lang="en">{english}</span>'
    details = (_prosody_html(text, report) if report.form else "") + _novelty_html(matches)
    is_simplified = script == SIMPLIFIED
    folded = f"<details><summary>{line}</summary>{details}</details>" if details else f"<p>{line}</p>"
    html = f'<div class="report" lang="{"zh-Hans" if is_simplified else "zh-Hant"}">{folded}</div>'
    return to_simplified(html) if is_simplified else html


def report_record(text: str) -> dict[str, Any]:
    """The prosody of a poem as JSON values: form, template, level, rhyme, faults and tones.

    Without a regular form they are empty or None.
    """
    report = scan(text)
    return {
        "form": report.form,
        "template": report.template,
        "level": LEVELS[report.level] if report.form else None,
        "rhyme": asdict(report.rhyme) | {"groups": list(report.rhyme.groups)} if report.form else None,
        "faults": list(map(str, report.faults)),
        "tones": report.tones,
    }


def novelty_record(matches: Sequence[Match]) -> list[dict[str, Any]]:
    """The copied stretches as JSON values: line number, stretch, and title and author of its source."""
    return [
        {"line": match.line, "text": match.text, "title": match.title, "author": match.author}
        for match in _borrowed(matches)
    ]


def _borrowed(matches: Sequence[Match]) -> list[Match]:
    return [match for match in matches if len(match.text) >= MIN_BORROWED]


def _prosody_html(text: str, report: Scansion) -> str:
    """A table of the lines and their tones, then notes and faults."""
    rows = "".join(
        f"<tr><td>{escape(line)}</td><td>{_marks(marks)}</td></tr>"
        for line, marks in zip(split_lines(text), split_lines(report.tones), strict=True)
    )
    right, places = report.rigid
    notes = [f"節奏點合 Correct tones at the fixed places: {right} / {places}（{LEVELS[report.level]}）"]
    if words := " ".join(rhyme_words(text, report)):
        notes.append(f"韻腳 Rhyme words: {words}（平水韻 {' '.join(report.rhyme.groups)}）")
    if "○" in report.tones:
        notes.append("○ 平仄兩讀 · either tone")
    below = "".join(f"<p>{escape(note)}</p>" for note in notes)
    faults = "".join(f"<li>{_fault_html(fault)}</li>" for fault in report.faults)
    faults = f'<ul class="faults">{faults}</ul>' if faults else "<p>無可指摘 · No faults.</p>"
    return f'<table class="strip"><tbody>{rows}</tbody></table>{below}{faults}'


def _marks(marks: str) -> str:
    """The tones of a line, with 平 also marked by colour."""
    return "".join(
        f'<span class="ping">{mark}</span>' if mark == "平" else escape(mark)
        for mark in marks.rstrip(LINE_ENDS)
    )


def _fault_html(fault: Fault) -> str:
    return f'{escape(str(fault))} <span lang="en">{escape(FAULT_MEANINGS[fault.kind])}</span>'


def _novelty_html(matches: Sequence[Match] | None) -> str:
    if matches is None:
        return ""
    borrowed = _borrowed(matches)
    if not borrowed:
        return '<p class="novelty">無一句見於全唐詩 · No line occurs in 全唐詩.</p>'
    items = "".join(
        f"<li>第{match.line}句「{escape(match.text)}」{escape(match.author or '無名氏')}"
        f"《{escape(match.title or '無題')}》{_elsewhere(match.places)}</li>"
        for match in borrowed
    )
    return f'<p class="novelty">見於全唐詩 · Occurs in 全唐詩:</p><ul class="borrowed">{items}</ul>'


def _elsewhere(places: int) -> str:
    return f" {places}×" if places > 1 else ""
