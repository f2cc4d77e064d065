"""The report on a poem as HTML: its form, tones and rhyme, and what it copies from 全唐詩.

All text in the HTML is escaped. The judgements are made by the packages prosody and novelty, not here.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ..couplets import Couplet, middle_couplets
from ..novelty.borrowed import borrowed, source_of
from ..novelty.index import Match
from ..prosody.faults import Fault
from ..prosody.lines import LINE_ENDS, split_lines
from ..prosody.scansion import Scansion, scan
from ..prosody.templates import LEVELS
from ..prosody.verdict import FAULT_MEANINGS, rhyme_words, verdict_of
from ..script import to_simplified
from .poem import SIMPLIFIED


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
    details = _prosody_html(text, report) if report.form else ""
    details += _couplets_html(middle_couplets(text)) + _novelty_html(matches)
    is_simplified = script == SIMPLIFIED
    folded = f"<details><summary>{line}</summary>{details}</details>" if details else f"<p>{line}</p>"
    html = f'<div class="report" lang="{"zh-Hans" if is_simplified else "zh-Hant"}">{folded}</div>'
    return to_simplified(html) if is_simplified else html


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


def _couplets_html(couplets: Sequence[Couplet]) -> str:
    """The middle couplets of a 律詩, each with its verdict and its aligned characters."""
    html = ""
    for couplet in couplets:
        chinese, english = map(escape, couplet.verdict)
        score = "" if couplet.parallelism is None else f" · {couplet.parallelism:.2f}"
        pairs = escape(" ".join(couplet.pairs))
        html += f'<p>{couplet.name}{chinese}{score} <span lang="en">{english}</span>: {pairs}</p>'
    return html


def _novelty_html(matches: Sequence[Match] | None) -> str:
    if matches is None:
        return ""
    known = borrowed(matches)
    if not known:
        return '<p class="novelty">無一句見於全唐詩 · No line occurs in 全唐詩.</p>'
    items = "".join(
        f"<li>第{match.line}句「{escape(match.text)}」{escape(source_of(match))}</li>" for match in known
    )
    return f'<p class="novelty">見於全唐詩 · Occurs in 全唐詩:</p><ul class="borrowed">{items}</ul>'
