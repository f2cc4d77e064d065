"""Builds poet_model/corpus/traditional.txt.xz: which traditional form 全唐詩 writes where simplified script has one.

    python tools/make_traditional_forms.py

Counts the forms of the corpus `tang` (from the npm package chinese-poetry) by the characters beside them and
by author. The lines for which these counts mislead are then listed, with the forms that they have.
"""

from __future__ import annotations

import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that it runs without installing the package

from poet_model import script
from poet_model.corpus import PoemRecord, load_corpus
from poet_model.corpus.traditional import (
    KINDS,
    TABLE,
    Family,
    TraditionalForms,
    line_key,
    neighbours,
    write_table,
)

# simplified and traditional characters that mainland China merges and OpenCC does not
ALSO = (
    "着著",
    "村邨",
    "疏踈",
    "疏疎",
    "答荅",
    "仇讎",
    "借藉",
    "睹覩",
    "粗麤",
    "仙僊",
    "草艸",
    "庵菴",
    "渺淼",
)
TELLING = 3  # a context with only the commonest form tells something if it occurs so often
FEWEST = 2  # times that OpenCC must simplify a character in some phrase only (沈 to 沉) to count
_LINE = re.compile("[^，。]+")


def lines_of(poem: PoemRecord) -> list[str]:
    """The lines of a poem, its title and its author."""
    return [line for field in (poem.text, poem.title, poem.author) for line in _LINE.findall(field)]


def simplified_forms(poems: Sequence[PoemRecord]) -> dict[str, set[str]]:
    """The characters of a simplified text that may stand for each character of the poems."""
    fields = [field for poem in poems for field in (poem.text, poem.title, poem.author)]
    characters = sorted(set("".join(fields)))
    single = script.characterwise(script.to_simplified, characters)
    found = {full: {short} for full, short in zip(characters, single, strict=True)}
    in_phrases: Counter[tuple[str, str]] = Counter()
    for field in fields:
        if len(short := script.to_simplified(field)) == len(field):
            in_phrases.update(zip(field, short, strict=True))
    for (full, short), count in in_phrases.items():
        if count >= FEWEST:
            found[full].add(short)
    for short, full in ALSO:
        if full in found:
            found[full].add(short)
    return found


def find_families(poems: Sequence[PoemRecord]) -> list[Family]:
    """The families of the characters of the poems that simplified script, or OpenCC, does not tell apart."""
    short_of = simplified_forms(poems)
    counts = Counter(c for poem in poems for line in lines_of(poem) for c in line)
    allowed: dict[str, list[str]] = defaultdict(list)
    for full in sorted(short_of, key=lambda c: (-counts[c], c)):
        for short in sorted(short_of[full]):
            allowed[short].append(full)
    guess = dict(zip(allowed, script.characterwise(script.to_traditional, list(allowed)), strict=True))
    group = {c: {c} for c in [*short_of, *allowed]}
    for full, shorts in short_of.items():
        for short in shorts:
            if group[full] is not group[short]:
                group[full] |= group[short]
                group |= dict.fromkeys(group[short], group[full])
    families = []
    for members in {id(each): each for each in group.values()}.values():
        shorts = sorted(members & allowed.keys(), key=lambda c: (-sum(counts[f] for f in allowed[c]), c))
        if all(allowed[c] == [guess[c]] for c in shorts):
            continue
        forms = sorted(members & counts.keys(), key=lambda c: (-counts[c], c))
        families.append(
            Family(
                "".join(dict.fromkeys([*shorts, *forms])),
                "".join(forms),
                {c: "".join(allowed[c]) for c in shorts},
                tuple(counts[c] for c in forms),
                {kind: {} for kind in KINDS},
            )
        )
    return sorted(families, key=lambda family: family.members)


def count_contexts(poems: Sequence[PoemRecord], families: Sequence[Family]) -> None:
    """Counts the contexts of the forms of each family."""
    family_of = {c: family for family in families if len(family.forms) > 1 for c in family.forms}
    fold = TraditionalForms(families, {}).fold
    seen: dict[tuple[int, str, str], Counter[str]] = defaultdict(Counter)
    for poem in poems:
        author = fold(poem.author)
        for line in lines_of(poem):
            folded = fold(line)
            for place, form in enumerate(line):
                if family := family_of.get(form):
                    left, right = neighbours(folded, place)
                    for kind, context in zip(KINDS, (left, right, author), strict=True):
                        seen[id(family), kind, context][form] += 1
    for family in families:
        family.contexts = {kind: {} for kind in KINDS}
    by_id = {id(family): family for family in families}
    for (identity, kind, context), seen_forms in seen.items():
        family = by_id[identity]
        counts = tuple(seen_forms[form] for form in family.forms)
        if sum(counts) >= TELLING or counts[0] < sum(counts):
            family.contexts[kind][context] = counts


def find_misleading_lines(poems: Sequence[PoemRecord], families: Sequence[Family]) -> dict[str, str]:
    """The lines of the poems that the counts alone would not restore, as `TraditionalForms` has them."""
    table = TraditionalForms(families, {})
    open_forms = {c for family in families for c in family.forms}
    seen: dict[str, dict[int, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    wrong: Counter[tuple[str, int, str]] = Counter()
    for poem in poems:
        for line, *restored in restore_lines(poem, table):
            if open_forms.isdisjoint(line):
                continue
            key = line_key(table.fold(line))
            for place, form in enumerate(line):
                if form in open_forms:
                    seen[key][place][form] += 1
                    wrong[key, place, form] += any(other[place] != form for other in restored)
    found: dict[str, str] = defaultdict(str)
    for key, places in sorted(seen.items()):
        for place, forms in sorted(places.items()):
            [(form, count)] = forms.most_common(1)
            # listing the commonest form mends it, and spoils the others
            if sum(wrong[key, place, other] for other in forms) > sum(forms.values()) - count:
                found[key] += f"{place}{form}"
    return dict(found)


def restore_lines(poem: PoemRecord, table: TraditionalForms) -> Iterator[tuple[str, str, str]]:
    """Each line of a poem, and what becomes of it when it was simplified by phrase, or by character."""
    fields = (poem.text, poem.title, poem.author)
    restored = [
        table.restore(*map(simplify, fields)) for simplify in (script.to_simplified, simplify_characters)
    ]
    for field, *others in zip(fields, *restored, strict=True):
        others = [other if len(other) == len(field) else field for other in others]
        yield from zip(*map(_LINE.findall, (field, *others)), strict=True)


def simplify_characters(text: str) -> str:
    """The text with each of its characters simplified by itself: 乾坤 becomes 干坤."""
    return "".join(script.characterwise(script.to_simplified, text))


def build(poems: Iterable[PoemRecord]) -> tuple[list[Family], dict[str, str]]:
    """The families and the misleading lines of some poems."""
    poems = list(poems)
    families = find_families(poems)
    count_contexts(poems, families)
    return families, find_misleading_lines(poems, families)


def main() -> None:
    """Writes the table."""
    families, lines = build(poem for split in load_corpus("tang").splits.values() for poem in split)
    write_table(TABLE, families, lines)
    contexts = sum(len(found) for family in families for found in family.contexts.values())
    print(
        f"{TABLE.relative_to(ROOT)}: {len(families)} families, {contexts:,} contexts, {len(lines):,} lines, "
        f"{TABLE.stat().st_size / 1000:,.0f} kB"
    )


if __name__ == "__main__":
    main()
