"""Finds the readings that verse does not use, and writes them to prosody_dead.tsv beside this file.

    python tools/prosody_use.py && python tools/make_prosody_table.py

Dictionaries list readings that verse has no use for: 不 as 平, 龍 as 入. A character with such a reading
would fit either tone. So the uses of each character of two tones are counted in regular poems:

- Inside a line, at the places where the rules leave no choice: with one tone the two lines of the couplet are
  L1, with the other not even L3. A place at which 拗救 allows either tone does not count.
- As a rhyme word, if the other rhyme words of the poem share exactly one group.

A tone is dead inside a line if it has less than DEAD of the uses, with 95 % confidence in Tang and Song poems
together, and less than DEAD of those in Tang poems. If 廣韻 has no reading of this tone either, the shares
alone decide, however few the uses. A dead reading that rhymes LIVE times or more is kept for rhyme words. The
Tang poems are those of the training split, so that the table owes nothing to the poems that models are
measured with.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from make_prosody_table import DEAD as TARGET
from make_prosody_table import OVERRIDES, Readings, build, read_list, read_sources

from poet_model import prosody
from poet_model.corpus.prepare import load_corpus
from poet_model.corpus.sources import read_source
from poet_model.errors import command
from poet_model.evaluation.intervals import wilson
from poet_model.prosody.lines import with_line_ends
from poet_model.prosody.templates import couplet_level

DEAD, LIVE = 0.05, 5
HEAD = """\
# Readings that regular verse does not use inside a line, by tools/prosody_use.py; those in parentheses it
# uses as rhyme words. The columns: character; readings dropped; its uses inside a line as 平 and as 仄 in
# Tang poems, and in Song poems; uses of the dropped readings as rhyme words in both.
"""


@dataclass
class Use:
    """How often verse uses a character inside a line as [平, 仄], and as a rhyme word by reading."""

    inside: list[int] = field(default_factory=lambda: [0, 0])
    rhymes: Counter = field(default_factory=Counter)


def tone_of(reading: str) -> int:
    """0 for 平, 1 for 仄."""
    return 0 if reading[-1] == "平" else 1


def count(texts: Iterable[str], readings: dict[str, Readings]) -> dict[str, Use]:
    """The uses of all characters of two tones in the poems of a regular form.

    Args:
        texts: the poems.
        readings: all readings of each character, dead ones too.
    """
    masks = {c: sum({1 << tone_of(reading) for reading in found}) for c, found in readings.items()}
    uses: dict[str, Use] = defaultdict(Use)
    for text in map(with_line_ends, texts):
        if prosody.form_of(text):
            lines = [line.rstrip(prosody.LINE_ENDS) for line in prosody.split_lines(text)]
            rhymes = _rhymes(lines, readings)
            for word, reading in rhymes:
                uses[word].rhymes[reading] += 1
            if any(tone_of(reading) == 0 for _, reading in rhymes):
                for character, tone in _forced(lines, [[masks.get(c, 0) for c in line] for line in lines]):
                    uses[character].inside[tone] += 1
    return uses


def _rhymes(lines: Sequence[str], readings: dict[str, Readings]) -> list[tuple[str, str]]:
    """The rhyme words whose reading follows from the others, if all rhyme in one group."""
    words = [line[-1] for line in lines[1::2]]
    found = [readings.get(word, set()) for word in words]
    rhymes = []
    if set.intersection(*found):
        for number, word in enumerate(words):
            shared = set.intersection(*found[:number], *found[number + 1 :])
            if len(shared) == 1:
                rhymes.append((word, *shared))
    return rhymes


def _forced(lines: Sequence[str], masks: list[list[int]]) -> Iterator[tuple[str, int]]:
    """Each character of two tones at a place where the rules leave no choice, and its tone there."""
    couplets = [tuple(map(tuple, masks[i : i + 2])) for i in range(0, len(masks), 2)]
    levels = {}
    for template in prosody.templates(prosody.form_of(prosody.join_lines(lines))):
        kinds = [template.kinds[i : i + 2] for i in range(0, len(masks), 2)]
        levels[tuple(kinds)] = max(
            couplet_level(*couplet, kind) for couplet, kind in zip(couplets, kinds, strict=True)
        )
    best = min(levels.values())
    if best > prosody.L2:
        return
    fitting = [kinds for kinds, level in levels.items() if level == best]
    for number, line in enumerate(lines):
        index, which = divmod(number, 2)
        kinds_here = {kinds[index] for kinds in fitting}
        end = len(line) - (which or number == 0)  # without words that rhyme or may
        for place, character in enumerate(line[:end]):
            if masks[number][place] == prosody.ANY:
                tone = _only_tone(couplets[index], which, place, kinds_here)
                if tone is not None:
                    yield character, tone


def _only_tone(couplet: tuple, which: int, place: int, kinds: set[str]) -> int | None:
    """The tone (0 or 1) that a place must have by all these kinds of couplets; None if it may have either."""
    levels = []
    for tone in (prosody.PING, prosody.ZE):
        lines = [list(line) for line in couplet]
        lines[which][place] = tone
        levels.append([couplet_level(*map(tuple, lines), kind) for kind in kinds])
    for tone in (0, 1):
        if max(levels[tone]) <= prosody.L1 and min(levels[1 - tone]) > prosody.L3:
            return tone
    return None


def dead_row(character: str, readings: Readings, guangyun: Readings, tang: Use, song: Use) -> str:
    """The row of a character in prosody_dead.tsv; "" if both tones are in use, or the uses are too few."""
    both = [a + b for a, b in zip(tang.inside, song.inside, strict=True)]
    if both[0] == both[1]:
        return ""
    tone = both.index(min(both))
    in_guangyun = not guangyun or any(tone_of(reading) == tone for reading in guangyun)
    share = wilson(both[tone], sum(both))[1] if in_guangyun else both[tone] / sum(both)
    if share >= DEAD or tang.inside[tone] >= max(DEAD * sum(tang.inside), 0.5):
        return ""
    dropped, rhymes = [], 0
    for reading in sorted(r for r in readings if tone_of(r) == tone):
        uses = tang.rhymes[reading] + song.rhymes[reading]
        rhymes += uses
        dropped.append(f"({reading})" if uses >= LIVE else reading)
    return "\t".join(map(str, [character, " ".join(dropped), *tang.inside, *song.inside, rhymes]))


@command
def main() -> None:
    """Counts in the Tang and Song poems of the npm package, and writes the list."""
    pingshui, guangyun, variants, traditional = read_sources()
    rows = build(pingshui, guangyun, variants, traditional, read_list(OVERRIDES), {})
    readings = {character: own or more for character, (own, more) in rows.items()}
    tang = count((poem.text for poem in load_corpus("tang").splits["train"]), readings)
    song = count((poem.text for poem in read_source("song")), readings)
    lines = [
        dead_row(c, readings[c], guangyun.get(c, set()), tang.get(c, Use()), song.get(c, Use()))
        for c in sorted(readings)
        if {tone_of(reading) for reading in readings[c]} == {0, 1}
    ]
    dead = [line for line in lines if line]
    TARGET.write_text(HEAD + "\n".join(dead) + "\n", encoding="utf-8")
    print(f"of {len(lines):,} characters with readings of both tones, {len(dead)} use only one inside a line")


if __name__ == "__main__":
    sys.exit(main())
