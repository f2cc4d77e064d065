"""What a poem's form, tones and rhymes are, and what of it stands in 全唐詩: as HTML and as a record.

Every character is escaped. Judges nothing itself: that is the work of prosody and novelty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from html import escape

from ..novelty.index import Match
from ..prosody.faults import Fault
from ..prosody.lines import LINE_ENDS, SHAPES, split_lines
from ..prosody.rhyme import Rhyme
from ..prosody.scansion import Scansion, scan
from ..prosody.templates import (
    L1,
    L2,
    L3,
    L4,
    LEVELS,
)
from ..script import to_simplified
from .poem import SIMPLIFIED

MIN_BORROWED = 4  # characters: a shorter stretch of the corpus is anybody's
SHAPES_IN_WORDS = {4: "quatrain", 8: "eight lines"}
# how a template is called: of a line of five; 仄起 and 平起 change places in a line of seven
COURSES = {"T1": ("仄起", "首句不入韻"), "T2": ("仄起", "首句入韻"), "T3": ("平起", "首句不入韻")}
COURSES["T4"] = ("平起", "首句入韻")
LEVELS_IN_WORDS = {
    L2: ("平仄合律（拗而能救）", "tones regular, with a twist made good"),
    L3: ("平仄近律", "tones nearly regular, as Tang poets took them"),
    L4: ("平仄只合二四六", "tones regular in the chief places only"),
}
FAULTS_IN_WORDS = {
    "失對": "its second place has the tone of the line before, and should not",
    "失粘": "its second place should have the tone of the line before",
    "孤平": "a level tone alone among oblique ones",
    "三平尾": "three level tones at the end",
    "三仄尾": "three oblique tones at the end",
    "拗": "a twist that nothing makes good",
    "救": "a twist, made good: allowed",
    "平仄": "the wrong tone for its place",
    "出韻": "outside the rhyme group",
    "重韻": "the same rhyme word again",
    "未知": "tone unknown",
}


def report_html(text: str, script: str, matches: Sequence[Match] | None = None) -> str:
    """One line on a finished poem, with the details folded under it.

    Args:
        text: the poem in traditional script: in the other one, some characters have more tones and rhymes.
        script: `簡體` shows simplified characters.
        matches: what `NoveltyIndex.find` finds of it; None if there is no index.
    """
    report = scan(text)
    verdict, gloss = _verdict(report), _gloss(report)
    line = (
        f'<span class="verdict">{escape(verdict)}</span> <span class="gloss" lang="en">{escape(gloss)}</span>'
    )
    details = (_prosody_html(text, report) if report.form else "") + _novelty_html(matches)
    is_simplified = script == SIMPLIFIED
    folded = f"<details><summary>{line}</summary>{details}</details>" if details else f"<p>{line}</p>"
    html = f'<div class="report" lang="{"zh-Hans" if is_simplified else "zh-Hant"}">{folded}</div>'
    return to_simplified(html) if is_simplified else html


def report_record(text: str) -> dict:
    """The same for a program: form, template, level, rhyme, faults, tones; empty or None without a form."""
    report = scan(text)
    return {
        "form": report.form,
        "template": report.template,
        "level": LEVELS[report.level] if report.form else None,
        "rhyme": asdict(report.rhyme) | {"groups": list(report.rhyme.groups)} if report.form else None,
        "faults": list(map(str, report.faults)),
        "tones": report.tones,
    }


def novelty_record(matches: Sequence[Match]) -> list[dict]:
    """Line, stretch, title and author of what stands in the corpus."""
    return [
        {"line": match.line, "text": match.text, "title": match.title, "author": match.author}
        for match in _borrowed(matches)
    ]


def _borrowed(matches: Sequence[Match]) -> list[Match]:
    return [match for match in matches if len(match.text) >= MIN_BORROWED]


def course_of(report: Scansion) -> tuple[str, str]:
    """How the poem begins, such as (仄起, 首句入韻); whether its first line really rhymes is looked up."""
    opening, first = COURSES[report.template]
    if SHAPES[report.form][1] == 7:
        opening = "平起" if opening == "仄起" else "仄起"
    if not report.rhyme.status:  # there is nothing that the first line could rhyme with
        first = ""
    elif report.rhyme.first_line == "入韻":  # a word of both tones fits either template
        first = "首句入韻"
    elif first == "首句入韻" and report.rhyme.status == "平":
        first = "首句入鄰韻" if report.rhyme.first_line else "首句平收不入韻"
    return opening, first


def _rhyme(rhyme: Rhyme) -> tuple[str, str]:
    groups, letters = "、".join(rhyme.groups), " ".join(rhyme.groups)
    return {
        "平": (f"押{groups}韻", f"rhymes in {letters}"),
        "鄰": (f"押{groups}鄰韻", f"rhymes in neighbouring groups, {letters}"),
        "仄": (f"押{groups}聲韻", f"rhymes in {letters}, oblique"),
        "": ("不押韻", "no rhyme"),
    }[rhyme.status]


def _tones(report: Scansion) -> tuple[str, str]:
    if report.level <= L1:
        return "平仄合律", "tones regular"
    if report.level in LEVELS_IN_WORDS:
        return LEVELS_IN_WORDS[report.level]
    if report.couplets_fit:
        return "各聯合律而失粘", "couplets regular, but not joined"
    return "平仄不合律", "tones not regular"


def _verdict(report: Scansion) -> str:
    if not report.form:
        return "不是五絕、七絕、五律、七律"
    course = ["".join(course_of(report))] if report.level <= L4 else []  # else it runs by none
    return " · ".join([report.form, *course, _rhyme(report.rhyme)[0], _tones(report)[0]])


def _gloss(report: Scansion) -> str:
    if not report.form:
        return "no regular form"
    lines, length = SHAPES[report.form]
    shape = f"{SHAPES_IN_WORDS[lines]}, {length} characters each"
    return " · ".join([shape, _rhyme(report.rhyme)[1], _tones(report)[1]])


def _prosody_html(text: str, report: Scansion) -> str:
    """Lines beside their tones, then what a strict reader would point at."""
    rows = "".join(
        f"<tr><td>{escape(line)}</td><td>{_marks(marks)}</td></tr>"
        for line, marks in zip(split_lines(text), split_lines(report.tones), strict=True)
    )
    right, places = report.rigid
    notes = [f"節奏點合 Chief places right: {right} / {places}（{LEVELS[report.level]}）"]
    if report.rhyme.status:
        lines = split_lines(text)
        rhyming = [
            line
            for number, line in enumerate(lines)
            if number % 2 or (report.rhyme.first_line and not number)
        ]
        words, groups = " ".join(line[-2] for line in rhyming), " ".join(report.rhyme.groups)
        notes.append(f"韻腳 Rhyme words: {words}（平水韻 {groups}）")
    if "○" in report.tones:
        notes.append("○ 平仄兩讀 · either tone")
    notes = "".join(f"<p>{escape(note)}</p>" for note in notes)
    faults = "".join(f"<li>{_fault_html(fault)}</li>" for fault in report.faults)
    faults = f'<ul class="faults">{faults}</ul>' if faults else "<p>無可指摘 · Nothing to point at.</p>"
    return f'<table class="strip"><tbody>{rows}</tbody></table>{notes}{faults}'


def _marks(marks: str) -> str:
    """平 and 仄 told apart by ink too."""
    return "".join(
        f'<span class="ping">{mark}</span>' if mark == "平" else escape(mark)
        for mark in marks.rstrip(LINE_ENDS)
    )


def _fault_html(fault: Fault) -> str:
    return f'{escape(str(fault))} <span lang="en">{escape(FAULTS_IN_WORDS[fault.kind])}</span>'


def _novelty_html(matches: Sequence[Match] | None) -> str:
    if matches is None:
        return ""
    found = _borrowed(matches)
    if not found:
        return '<p class="novelty">無一句見於全唐詩 · No line of this stands in 全唐詩.</p>'
    items = "".join(
        f"<li>第{match.line}句「{escape(match.text)}」{escape(match.author or '無名氏')}"
        f"《{escape(match.title or '無題')}》{_elsewhere(match.places)}</li>"
        for match in found
    )
    return f'<p class="novelty">見於全唐詩 · Stands in 全唐詩:</p><ul class="borrowed">{items}</ul>'


def _elsewhere(places: int) -> str:
    return f" {places}×" if places > 1 else ""
