"""What a set of poems is like: form, rhyme, tones, repeats, variety, novelty, each with a 95 % interval.

Real poems and a model's go through the same functions. Knows texts and the form each should have, no model.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest

import numpy as np

from .. import prosody
from ..novelty.index import NoveltyIndex
from ..prosody.lines import FORMS, LINE_ENDS, split_lines
from ..prosody.templates import LEVELS
from . import intervals
from .intervals import Estimate

GROUP = 200  # poems over which distinct-n is counted: it falls with their number
DRAW_SEED = 0
# name in metrics.json, in words, how its estimate is printed
METRICS = (
    ("structure", "has the form asked for, of all poems", ".1%"),
    ("rhyme", "rhymes in 平 by 平水韻, of all poems", ".1%"),
    ("tones_L1", "tones at L1 or better, of all poems", ".1%"),
    ("tones_L2", "tones at L2 or better, of all poems", ".1%"),
    ("tones_L3", "tones at L3 or better, of all poems", ".1%"),
    ("rigid", "places 2, 4, 6 and last right, of poems with a form", ".1%"),
    ("double_rhyme", "重韻, of poems with a form", ".1%"),
    ("repeats", "some hanzi twice, of all poems", ".1%"),
    ("repeats_a_poem", "repeated hanzi a poem", ".2f"),
    ("self_repetition", "bigrams that came before in the poem", ".2%"),
    ("distinct_1", "distinct-1 over 200 poems", ".3f"),
    ("distinct_2", "distinct-2 over 200 poems", ".3f"),
    ("distinct_3", "distinct-3 over 200 poems", ".3f"),
    ("copied_lines", "lines that stand in another poem", ".2%"),
    ("poems_with_copied_line", "poems with such a line", ".1%"),
    ("longest_stretch", "longest stretch from another poem, characters", ".2f"),
)
Asked = tuple[str, str]  # a text, and the form it should have


def draw_real(texts: Iterable[str], most: int) -> list[Asked]:
    """Poems of the four shapes, as many of each form: of those it has most, only as many as of the rarest.

    So the forms weigh as they do among a model's poems. Which poems is drawn with a fixed seed.

    Args:
        texts: the poems to draw from; those of another shape are passed over.
        most: of each form.

    Returns:
        [] if one of the forms is missing.
    """
    by_form: dict[str, list[str]] = {form: [] for form in FORMS}
    for text in texts:
        if form := prosody.shape_of(text):
            by_form[form].append(text)
    count = min(most, *map(len, by_form.values()))
    rng = np.random.default_rng(DRAW_SEED)
    return [
        (group[place], form)
        for form, group in by_form.items()
        for place in sorted(rng.permutation(len(group))[:count])
    ]


def estimates(poems: Sequence[Asked], index: NoveltyIndex | None = None) -> dict[str, Estimate]:
    """All METRICS, over poems of which each form has as many.

    structure: share of poems with exactly the form asked for: lines, their length, `，` and `。` in turn.
    rhyme, tones_L1 …: share of all poems; one without a regular form has neither rhyme nor tones.
    rigid: a poem's share of right tones at the places two, four, six and last of its lines, under the
        template that fits best; the mean over poems with a form.
    double_rhyme: share of poems with a form that rhyme twice on one character.
    repeats, repeats_a_poem: share of poems in which a hanzi stands twice; hanzi less distinct hanzi, a poem.
    self_repetition, distinct_1 …: see `repeated_bigrams`, `distinct`.
    copied_lines, poems_with_copied_line, longest_stretch: against the poems of `index`, which must not hold
        these themselves nor near-copies of them. A copied line stands, whole, within a line there; a stretch
        lies within a line too, and one under three characters counts as 0.

    Args:
        poems: (text, form asked for).
        index: the poems to compare with; None leaves novelty out.

    Returns:
        By name; a metric that has nothing to measure is not among them.
    """
    reports = [prosody.scan(text) for text, _ in poems]
    formed = [report for report in reports if report.form]
    repeats = [len(hanzi) - len(set(hanzi)) for hanzi in (_without_ends(text) for text, _ in poems)]
    again, bigrams = np.array([repeated_bigrams(text) for text, _ in poems]).reshape(-1, 2).T
    found = {
        "structure": intervals.share([prosody.form_of(text) == form for text, form in poems]),
        "rhyme": intervals.share([report.rhyme.status == "平" for report in reports]),
        **{
            f"tones_{LEVELS[level]}": intervals.share([r.form != "" and r.level <= level for r in reports])
            for level in (prosody.L1, prosody.L2, prosody.L3)
        },
        "rigid": intervals.part([r.rigid[0] / r.rigid[1] for r in formed], np.ones(len(formed))),
        "double_rhyme": intervals.share([any(f.kind == "重韻" for f in r.faults) for r in formed]),
        "repeats": intervals.share([count > 0 for count in repeats]),
        "repeats_a_poem": intervals.mean(repeats),
        "self_repetition": intervals.part(again, bigrams),
        **{f"distinct_{n}": distinct(poems, n) for n in (1, 2, 3)},
        **(novelty(poems, index) if index is not None else {}),
    }
    return {name: estimate for name, estimate in found.items() if estimate is not None}


def repeated_bigrams(text: str) -> tuple[int, int]:
    """Pairs of neighbouring hanzi within a line that stood in the poem before, and all such pairs.

    Self-repetition is the sum of the first by that of the second over all poems. Of the ways to count it this
    one gives what the design states for real poems (0.15 %): 0.16 % on the test poems of tangshi-gpt.
    """
    pairs = [pair for line in split_lines(text) for pair in _grams(line.rstrip(LINE_ENDS), 2)]
    return len(pairs) - len(set(pairs)), len(pairs)


def distinct(poems: Sequence[Asked], n: int) -> Estimate | None:
    """Distinct n-grams by all n-grams, in groups of 200 poems, the forms dealt out evenly; the mean.

    N-grams of a poem's characters with `，` and `。`, and a line break between couplets; none goes from one
    poem to the next. So counted, tangshi-gpt's test poems have .191/.806/.957, as the design states for real
    poems (.195/.808/.958); of hanzi alone they have .235/.935/.998. Poems left over by the last group are not
    counted; None under 200 poems.
    """
    by_form: dict[str, list[str]] = {}
    for text, form in poems:
        by_form.setdefault(form, []).append(text.replace("。", "。\n").rstrip("\n"))
    dealt = [text for row in zip_longest(*by_form.values()) for text in row if text is not None]
    values = []
    for first in range(0, len(dealt) - GROUP + 1, GROUP):
        grams = [gram for text in dealt[first : first + GROUP] for gram in _grams(text, n)]
        values.append(len(set(grams)) / len(grams))
    return intervals.over_groups(values)


def novelty(poems: Sequence[Asked], index: NoveltyIndex) -> dict[str, Estimate | None]:
    """What of the poems stands in those of the index."""
    matches = [index.find(text) for text, _ in poems]
    copied = [sum(match.is_whole for match in found) for found in matches]
    longest = [max((len(match.text) for match in found), default=0) for found in matches]
    return {
        "copied_lines": intervals.part(copied, [len(found) for found in matches]),
        "poems_with_copied_line": intervals.share([count > 0 for count in copied]),
        "longest_stretch": intervals.mean(longest),
    }


def _grams(text: str, n: int) -> list[str]:
    return [text[i : i + n] for i in range(len(text) - n + 1)]


def _without_ends(text: str) -> str:
    return "".join(character for character in text if character not in LINE_ENDS)
