"""Measures how regular real Tang poems are by poet_model.prosody, compared with the values in the design.

    python benchmarks/prosody_bar.py --output benchmarks/results/prosody_bar.json

With --before, results that an earlier version wrote stand beside the new ones.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import defaultdict
from pathlib import Path

from common import finish, show

from poet_model import prosody
from poet_model.corpus import PoemRecord
from poet_model.corpus.sources import RawPoem, read_source
from poet_model.corpus.verse import arrange
from poet_model.errors import command
from poet_model.machine import machine
from poet_model.script import is_hanzi

# The design's values for COLUMNS, in percent. L1, L2, L3 and couplets are shares of the poems that rhyme in
# 平, and fixed places is the share of right ones in these poems; rhyme is a share of all poems.
DESIGN = {
    "五律": (50.1, 71.7, 84.3, 86.3, 89.8, 96.7),
    "七律": (77.1, 90.5, 91.7, 94.5, 93.2, 98.3),
    "七絕": (80.3, 88.8, 89.4, 93.8, 94.4, 97.4),
    "五絕": (50.9, 64.8, 71.3, 77.3, 77.4, 93.5),
}
COLUMNS = ("L1", "L2", "L3", "couplets", "rhyme", "fixed places")
POETS = {  # the design's percentage of L3 in the 律詩 of each poet
    "方干": 99,
    "許渾": 98,
    "齊己": 97,
    "杜荀鶴": 97,
    "李商隱": 95,
    "劉長卿": 94,
    "白居易": 91,
    "杜甫": 88,
    "孟浩然": 80,
    "王維": 78,
    "李白": 46,
    "太宗皇帝": 17,
}
# The largest difference allowed, in percentage points. The design's table had readings that verse does not
# use (不 as 平), which let more poems pass.
CLOSE = 2.5


def percent(values: list[bool]) -> float:
    """The share of true values, in percent."""
    return round(100 * sum(values) / len(values), 1)


def metrics(reports: list[prosody.Scansion]) -> tuple[float, ...]:
    """The values of the six COLUMNS, in percent."""
    level = [r for r in reports if r.rhyme.status == "平"]
    fixed = round(100 * sum(r.rigid[0] for r in level) / sum(r.rigid[1] for r in level), 1)
    return (
        *(percent([r.level <= limit for r in level]) for limit in (prosody.L1, prosody.L2, prosody.L3)),
        percent([r.couplets_fit for r in level]),
        percent([r.rhyme.status == "平" for r in reports]),
        fixed,
    )


def shuffled(text: str, rng: random.Random) -> str:
    """The poem with its characters shuffled, except for the rhyme words."""
    lines = [line.rstrip(prosody.LINE_ENDS) for line in prosody.split_lines(text)]
    loose = [c for number, line in enumerate(lines) for c in (line[:-1] if number % 2 else line)]
    rng.shuffle(loose)
    parts = []
    for number, line in enumerate(lines):
        count = len(line) - number % 2
        parts.append("".join(loose[:count]) + line[count:] + prosody.LINE_ENDS[number % 2])
        del loose[:count]
    return "".join(parts)


def as_measured(raw: RawPoem) -> PoemRecord | None:
    """The poem if it counts as in the design, with a regular form and only hanzi; otherwise None."""
    text, _ = arrange(raw.text or "")
    form = prosody.form_of(text) if all(is_hanzi(c) or c in prosody.LINE_ENDS for c in text) else ""
    return PoemRecord(text, author=raw.author, form=form) if form else None


def measure() -> dict:
    """Scans all poems and returns the results."""
    poems = [poem for poem in map(as_measured, read_source("tang")) if poem]
    started = time.perf_counter()
    reports = [(poem, prosody.scan(poem.text)) for poem in poems]
    seconds = time.perf_counter() - started
    rng = random.Random(0)
    forms, by_poet = {}, defaultdict(list)
    for form in prosody.FORMS:
        ours = metrics([report for poem, report in reports if report.form == form])
        texts = [poem.text for poem, report in reports if report.form == form and report.rhyme.status == "平"]
        null = [prosody.scan(shuffled(text, rng)).level <= prosody.L3 for text in texts[:2000]]
        forms[form] = {
            "poems": sum(report.form == form for _, report in reports),
            "ours": dict(zip(COLUMNS, ours, strict=True)),
            "design": dict(zip(COLUMNS, DESIGN[form], strict=True)),
            "largest_difference": round(max(abs(a - b) for a, b in zip(ours, DESIGN[form], strict=True)), 1),
            "shuffled_L3": percent(null),
        }
    for poem, report in reports:
        if report.form in ("五律", "七律") and report.rhyme.status == "平":
            by_poet[poem.author].append(report.level <= prosody.L3)
    return {
        "benchmark": "prosody_bar",
        "machine": machine(),
        "poems": len(poems),
        "milliseconds_a_poem": round(1000 * seconds / len(poems), 3),
        "forms": forms,
        "poets": {name: {"poems": len(by_poet[name]), "L3": percent(by_poet[name])} for name in POETS},
        "poets_design": POETS,
    }


@command
def main() -> None:
    """Measures, prints and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, help="earlier results, as JSON, to show beside the new ones")
    parser.add_argument("--output", type=Path, help="write the results to this file as JSON")
    options = parser.parse_args()
    record = measure()
    rows = []
    before = json.loads(options.before.read_text(encoding="utf-8"))["forms"] if options.before else {}
    for form, result in record["forms"].items():
        if form in before:
            result["before"] = before[form]["ours"] | {"shuffled_L3": before[form]["shuffled_L3"]}
            rows.append([form, "before", *result["before"].values()])
        rows.append([form, "ours", *result["ours"].values(), result["shuffled_L3"]])
        rows.append(["", "design", *result["design"].values(), ""])
    show("real poems, %", ["form", "", *COLUMNS, "shuffled: L3"], [list(map(str, row)) for row in rows])
    poets = [[name, *result.values(), POETS[name]] for name, result in record["poets"].items()]
    show("律詩 by poet, %", ["poet", "poems", "L3", "design"], [list(map(str, row)) for row in poets])
    worst = max(result["largest_difference"] for result in record["forms"].values())
    print(f"\nlargest difference: {worst} points (goal: at most {CLOSE})")
    finish(record, options.output)


if __name__ == "__main__":
    sys.exit(main())
