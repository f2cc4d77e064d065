"""Measures how many characters of 全唐詩 change when its poems are turned simplified and back.

python benchmarks/traditional_forms.py --output benchmarks/results/traditional_forms.json

The poems of 全唐詩 are known to the table of poet_model; for others, a table is made without 5,000 poems (and
their near-copies) and measured on these.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from common import ROOT, finish, show

sys.path.insert(0, str(ROOT / "tools"))
from make_traditional_forms import build, fields_of, lines_of

from poet_model import script
from poet_model.corpus import CorpusReport, PoemRecord, load_corpus
from poet_model.corpus.cleaning import clean
from poet_model.corpus.near_copies import cluster
from poet_model.corpus.records import RawPoem
from poet_model.corpus.traditional import TraditionalForms, neighbours, traditional_forms
from poet_model.errors import command
from poet_model.machine import machine
from poet_model.prosody.lines import LINE_ENDS

POEMS = 5000
FEWEST = 2  # times that both forms must stand in a bigram to count as variants there
Fields = tuple[str, str, str]  # text, title, author


def by_opencc(text: str, title: str, author: str) -> Fields:
    """What OpenCC makes of a simplified poem."""
    return tuple(map(script.to_traditional, (text, title, author)))


def share(pairs: Sequence[tuple[str, str]]) -> dict:
    """How many characters differ in pairs of texts, and their share in percent."""
    total = sum(len(before) for before, _ in pairs)
    changed = sum(a != b for before, after in pairs for a, b in zip(before, after, strict=True))
    return {"characters": total, "changed": changed, "percent": round(100 * changed / total, 3)}


def there_and_back(poems: Sequence[PoemRecord], restore: Callable[[str, str, str], Fields]) -> dict:
    """What `restore` changes in poems that were made simplified, in texts and in headers."""
    after = [restore(*map(script.to_simplified, fields_of(poem))) for poem in poems]
    return {
        "texts": share([(poem.text, fields[0]) for poem, fields in zip(poems, after, strict=True)]),
        "headers": share(
            [(poem.title + poem.author, f"{f[1]}{f[2]}") for poem, f in zip(poems, after, strict=True)]
        ),
    }


def hold_out(poems: Sequence[PoemRecord]) -> tuple[list[PoemRecord], list[PoemRecord]]:
    """About POEMS poems in whole clusters of near-copies, and the others."""
    clusters = defaultdict(list)
    for poem, number in zip(poems, cluster([poem.text for poem in poems]), strict=True):
        clusters[number].append(poem)
    groups = list(clusters.values())
    random.Random(0).shuffle(groups)
    held: list[PoemRecord] = []
    while len(held) < POEMS:
        held += groups.pop()
    return held, [poem for group in groups for poem in group]


def errors(poems: Sequence[PoemRecord], table: TraditionalForms) -> Iterator[tuple[str, str, str, str]]:
    """The written form, the form chosen and the two folded neighbours of each error in the texts."""
    for poem in poems:
        restored, _, _ = table.restore(*map(script.to_simplified, fields_of(poem)))
        line = table.fold(poem.text)
        for place, (written, chosen) in enumerate(zip(poem.text, restored, strict=True)):
            if written != chosen:
                yield written, chosen, *neighbours(line, place)


def kinds_of_error(
    held: Sequence[PoemRecord], counted: Sequence[PoemRecord], table: TraditionalForms
) -> dict:
    """How many errors stand where the counted poems write both forms, in the same bigram with a neighbour."""
    found = list(errors(held, table))
    forms = {form for written, chosen, *_ in found for form in (written, chosen)}
    bigrams: Counter[tuple[str, str, str]] = Counter()
    for poem in counted:
        for line in lines_of(poem):
            folded = table.fold(line)
            for place, form in enumerate(line):
                if form in forms:
                    left, right = neighbours(folded, place)
                    bigrams[form, left, ""] += 1
                    bigrams[form, "", right] += 1

    def is_variant(written: str, chosen: str, left: str, right: str) -> bool:
        sides = [(left, "")] * (left not in LINE_ENDS) + [("", right)] * (right not in LINE_ENDS)
        return any(min(bigrams[written, *side], bigrams[chosen, *side]) >= FEWEST for side in sides)

    pairs = Counter(f"{written}→{chosen}" for written, chosen, *_ in found)
    return {
        "errors": len(found),
        "both_forms_in_the_same_bigram": sum(is_variant(*error) for error in found),
        "commonest": dict(pairs.most_common(30)),
    }


def measure() -> dict:
    """Makes the tables, converts the poems and returns the results."""
    poems = [poem for split in load_corpus("tang").splits.values() for poem in split]
    held, counted = hold_out(poems)
    table = TraditionalForms(*build(counted))
    own = traditional_forms()
    simplified = [tuple(map(script.to_simplified, fields_of(poem))) for poem in poems]
    started = time.process_time()
    for fields in simplified:
        own.restore(*fields)
    seconds = time.process_time() - started
    report = CorpusReport()
    clean([RawPoem(poem.title, poem.author, poem.text) for poem in poems], report)
    return {
        "benchmark": "traditional_forms",
        "machine": machine(),
        "poems": len(held),
        "opencc": there_and_back(held, by_opencc),
        "in_the_table": there_and_back(held, own.restore),
        "left_out_of_the_table": there_and_back(held, table.restore),
        "left_out_and_author_unknown": there_and_back(
            held, lambda text, title, author: (*table.restore(text, title)[:2], table.restore(author)[0])
        ),
        "all_poems": {"poems": len(poems)} | there_and_back(poems, own.restore),
        "seconds_for_all_poems": round(seconds, 1),
        "traditional_poems_changed": report.converted_from_simplified,
        "errors_in_poems_left_out": kinds_of_error(held, counted, table),
    }


@command
def main() -> None:
    """Measures, prints and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, help="write the results to this file as JSON")
    options = parser.parse_args()
    record = measure()
    rows = [
        [
            name,
            *(f"{value[part][key]:,}" for part in ("texts", "headers") for key in ("characters", "percent")),
        ]
        for name, value in record.items()
        if isinstance(value, dict) and "texts" in value
    ]
    columns = ["poems", "characters", "changed, %", "of headers", "changed, %"]
    show(f"simplified and back, {record['poems']:,} poems", columns, rows)
    kinds = record["errors_in_poems_left_out"]
    print(
        f"\nOf {kinds['errors']:,} errors in poems left out, {kinds['both_forms_in_the_same_bigram']:,} "
        "stand in a bigram that 全唐詩 writes with either form."
    )
    finish(record, options.output)


if __name__ == "__main__":
    sys.exit(main())
