"""Builds poet_model/corpus/traditional.txt.xz: which of several traditional forms 全唐詩 writes where.

    python tools/make_traditional_forms.py

Counts the forms in the corpus `tang` (from the npm package chinese-poetry) by the characters beside them
and by author. The lines for which these counts mislead are listed, with the forms that they have.
"""

from __future__ import annotations

import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that it runs without installing the package

from poet_model import script  # noqa: E402
from poet_model.corpus import PoemRecord, load_corpus  # noqa: E402
from poet_model.corpus import traditional as table_file  # noqa: E402
from poet_model.corpus.traditional import KINDS, Family, TraditionalForms, neighbours  # noqa: E402
from poet_model.errors import command  # noqa: E402
from poet_model.prosody.lines import LINE_ENDS  # noqa: E402

# simplified and traditional characters that mainland China merges and OpenCC does not
ALSO = {"着": "著", "村": "邨", "疏": "踈疎", "答": "荅", "仇": "讎", "借": "藉", "睹": "覩", "粗": "麤"}
ALSO |= {"仙": "僊", "草": "艸", "庵": "菴", "渺": "淼"}
TELLING = 3  # a context with only the commonest form tells something if it occurs so often
FEWEST = 2  # times that OpenCC must simplify a character in phrases only (沈 to 沉) to count
_LINE = re.compile(f"[^{LINE_ENDS}]+")


def fields_of(poem: PoemRecord) -> tuple[str, str, str]:
    """The text, title and author of a poem."""
    return poem.text, poem.title, poem.author


def lines_of(poem: PoemRecord) -> list[str]:
    """The lines of a poem, its title and its author."""
    return [line for field in fields_of(poem) for line in _LINE.findall(field)]


def simplified_forms(poems: Sequence[PoemRecord]) -> dict[str, set[str]]:
    """The characters that may stand in a simplified text for each character of the poems."""
    in_phrases: Counter[tuple[str, str]] = Counter()
    for poem in poems:
        for field in fields_of(poem):
            in_phrases.update(zip(field, script.to_simplified(field), strict=True))
    characters = sorted({full for full, _ in in_phrases})
    single = script.characterwise(script.to_simplified, characters)
    found = {full: {short} for full, short in zip(characters, single, strict=True)}
    for (full, short), count in in_phrases.items():
        if count >= FEWEST:
            found[full].add(short)
    for short, fulls in ALSO.items():
        for full in found.keys() & fulls:
            found[full].add(short)
    guess = script.characterwise(script.to_traditional, characters)
    for stray, full, is_stray in zip(characters, guess, script.is_only_simplified(characters), strict=True):
        if is_stray and full in found:  # 馀 is 餘, although some poems have it as it is
            found[full].add(stray)
    return found


def connected(pairs: Iterable[tuple[str, str]]) -> list[set[str]]:
    """The sets of characters that pairs join, directly or by way of others."""
    group: dict[str, set[str]] = {}
    for pair in pairs:
        joined = set().union(*(group.get(c, {c}) for c in pair))
        group |= dict.fromkeys(joined, joined)
    return list({id(each): each for each in group.values()}.values())


def find_families(poems: Sequence[PoemRecord]) -> list[Family]:
    """The families of characters for which simplified script, or OpenCC, does not say what 全唐詩 writes."""
    counts = Counter(c for poem in poems for line in lines_of(poem) for c in line)
    short_of = simplified_forms(poems)
    allowed: dict[str, str] = defaultdict(str)
    for full in sorted(counts, key=lambda c: (-counts[c], c)):
        for short in sorted(short_of[full]):
            allowed[short] += full
    guess = dict(zip(allowed, script.characterwise(script.to_traditional, list(allowed)), strict=True))
    families = []
    for members in connected((full, short) for full in counts for short in short_of[full]):
        forms = sorted(members & counts.keys(), key=lambda c: (-counts[c], c))
        shorts = sorted(
            members & allowed.keys(), key=lambda c: (-sum(counts[form] for form in allowed[c]), c)
        )
        if any(allowed[c] != guess[c] for c in shorts):
            every = "".join(dict.fromkeys([*shorts, *forms]))
            total = tuple(counts[form] for form in forms)
            families.append(Family(every, "".join(forms), {c: allowed[c] for c in shorts}, total))
    return sorted(families, key=lambda family: family.members)


def count_contexts(poems: Sequence[PoemRecord], families: Sequence[Family]) -> None:
    """Counts the contexts of the forms of each family."""
    by_first = {family.members[0]: family for family in families}
    counted = {form for family in families if len(family.forms) > 1 for form in family.forms}
    fold = TraditionalForms(families, {}).fold
    seen: dict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)  # by the family's first character
    for poem in poems:
        author = fold(poem.author)
        for line in lines_of(poem):
            folded = fold(line)
            for place in (place for place, form in enumerate(line) if form in counted):
                for kind, context in zip(KINDS, (*neighbours(folded, place), author), strict=True):
                    seen[folded[place], kind, context][line[place]] += 1
    for (first, kind, context), found in seen.items():
        family = by_first[first]
        counts = tuple(found[form] for form in family.forms)
        if sum(counts) >= TELLING or counts[0] < sum(counts):
            family.contexts[kind][context] = counts


def find_misleading_lines(poems: Sequence[PoemRecord], families: Sequence[Family]) -> dict[str, str]:
    """The lines of the poems that the counts alone would not restore, as `TraditionalForms` takes them."""
    table = TraditionalForms(families, {})
    forms = {form for family in families for form in family.forms}
    seen: dict[tuple[str, int], Counter[str]] = defaultdict(Counter)
    wrong: Counter[tuple[str, int]] = Counter()
    for poem in poems:
        for line, *restored in restore_lines(poem, table):
            key = table_file.line_key(table.fold(line))
            for place, form in enumerate(line):
                if form in forms:
                    seen[key, place][form] += 1
                    wrong[key, place] += any(other[place] != form for other in restored)
    found: dict[str, str] = defaultdict(str)
    for (key, place), counts in sorted(seen.items()):
        [(form, count)] = counts.most_common(1)
        if wrong[key, place] > counts.total() - count:  # the others are wrong where this form is listed
            found[key] += f"{place}{form}"
    return dict(found)


def restore_lines(poem: PoemRecord, table: TraditionalForms) -> Iterator[tuple[str, str, str]]:
    """Each line of a poem, and what becomes of it when it is simplified, by phrases and by characters."""
    fields = fields_of(poem)
    restored = [
        table.restore(*map(simplify, fields)) for simplify in (script.to_simplified, simplify_characters)
    ]
    for versions in zip(fields, *restored, strict=True):
        yield from zip(*map(_LINE.findall, versions), strict=True)


def simplify_characters(text: str) -> str:
    """The text with each of its characters simplified by itself: 乾坤 becomes 干坤."""
    return "".join(script.characterwise(script.to_simplified, text))


def build(poems: Iterable[PoemRecord]) -> tuple[list[Family], dict[str, str]]:
    """The families and the misleading lines of some poems."""
    poems = list(poems)
    families = find_families(poems)
    count_contexts(poems, families)
    return families, find_misleading_lines(poems, families)


@command
def main() -> None:
    """Writes the table."""
    families, lines = build(poem for split in load_corpus("tang").splits.values() for poem in split)
    table_file.write_table(table_file.TABLE, families, lines)
    contexts = sum(len(found) for family in families for found in family.contexts.values())
    print(
        f"{table_file.TABLE.relative_to(ROOT)}: {len(families)} families, {contexts:,} contexts, "
        f"{len(lines):,} lines, {table_file.TABLE.stat().st_size / 1000:,.0f} kB"
    )


if __name__ == "__main__":
    sys.exit(main())
