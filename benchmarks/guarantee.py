"""Judges poems with guaranteed tones by the handbooks of verse instead of by the project's table.

    python benchmarks/guarantee.py --before CHECKOUT --output benchmarks/results/guarantee.json

A reading in the table that verse does not use is a hole in the guarantee: while the table said that 不 may be
平, 相逢不可見 passed. handbook_tones.tsv gives one tone to characters of which dictionaries list two, and was
not made from the table. If another checkout is given, its code and table write as many poems.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

from common import ROOT, finish, last_line_of, show

from poet_model import prosody
from poet_model.errors import command
from poet_model.machine import machine
from poet_model.prosody.templates import couplet_level

HANDBOOK = Path(__file__).with_name("handbook_tones.tsv")
WRITE = """
import json, sys
from poet_model import PoetModel
model, texts = PoetModel.from_pretrained(sys.argv[1]), {form: [] for form in sys.argv[3:]}
for form in texts:
    for first in range(0, int(sys.argv[2]), 100):
        poems = model.generate(form=form, tones=True, rhyme=True, seed=first, num_poems=100)
        texts[form] += [poem.text for poem in poems]
print(json.dumps(texts))
"""
MOST_COMMON = 12  # characters named in the results


def handbook() -> dict[str, int]:
    """Character -> PING or ZE by the handbooks."""
    rows = [line.split("\t") for line in HANDBOOK.read_text(encoding="utf-8").splitlines() if line[0] != "#"]
    return {c: {"平": prosody.PING, "仄": prosody.ZE}[tone] for tone, characters in rows for c in characters}


def level(text: str, tones: dict[str, int]) -> int:
    """The level of a poem by these tones, and for other characters and rhyme words by the table."""
    lines = [line.rstrip(prosody.LINE_ENDS) for line in prosody.split_lines(text)]
    first_rhymes = bool(prosody.scan(text).rhyme.first_line)
    masks = []
    for number, line in enumerate(lines):
        mask = [tones.get(c, prosody.tone_mask(c)) for c in line]
        if number % 2 or (number == 0 and first_rhymes):
            mask[-1] = prosody.tone_mask(line[-1], is_rhyme=True)
        masks.append(tuple(mask))
    couplets = [(masks[i], masks[i + 1], slice(i, i + 2)) for i in range(0, len(masks), 2)]
    return min(
        max(couplet_level(first, second, template.kinds[both]) for first, second, both in couplets)
        for template in prosody.templates(prosody.form_of(text))
    )


def write(checkout: Path, model: str, poems: int) -> dict[str, list[str]]:
    """The poems of each form that the code of a checkout writes."""
    command = [sys.executable, "-c", WRITE, model, str(poems), *prosody.FORMS]
    return last_line_of(command, checkout)


def measure(texts: dict[str, list[str]]) -> dict:
    """For each form: how many poems the handbooks find worse than L1, and because of which characters."""
    tones, results = handbook(), {}
    for form, poems in texts.items():
        worse = [text for text in poems if level(text, tones) > prosody.L1]
        culprits = Counter(
            c
            for text in worse
            for c in sorted(tones.keys() & set(text))
            if level(text, tones | {c: prosody.ANY}) <= prosody.L1
        )
        results[form] = {
            "poems": len(poems),
            "worse_than_L1": len(worse),
            "because_of": dict(culprits.most_common(MOST_COMMON)),
            "no_rhyme": sum(prosody.scan(text).rhyme.status != "平" for text in poems),
        }
    return results


@command
def main() -> None:
    """Writes and judges the poems, prints and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=str(ROOT / "assets" / "tang-lstm"))
    parser.add_argument("--poems", type=int, default=1000, help="poems of each form (default: %(default)s)")
    parser.add_argument("--before", type=Path, help="another checkout that also writes the poems")
    parser.add_argument("--output", type=Path, help="write the results to this file as JSON")
    options = parser.parse_args()
    checkouts = {"before": options.before, "now": ROOT}
    results, rows = {}, []
    for name, checkout in checkouts.items():
        if checkout is not None:
            results[name] = measure(write(checkout, str(Path(options.model).resolve()), options.poems))
            for form, found in results[name].items():
                worst = " ".join(f"{c} {count}" for c, count in found["because_of"].items())
                rows.append(
                    [form, name, *(str(found[key]) for key in list(found) if key != "because_of"), worst]
                )
    show(
        "poems with tones=True, rhyme=True",
        ["form", "", "poems", "worse than L1", "no rhyme", "because of"],
        rows,
    )
    settings = {"tones": True, "rhyme": True, "seed": 0, "model": Path(options.model).name}
    record = {"benchmark": "guarantee", "machine": machine(), "settings": settings, "judged": results}
    finish(record | {"handbook_characters": len(handbook())}, options.output)


if __name__ == "__main__":
    sys.exit(main())
