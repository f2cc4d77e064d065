"""Measures how varied poems are that begin with the same character, by what stands second in them.

It knows texts, and of a model only that it writes poems.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..prosody.lines import FORMS, form_of
from . import intervals
from .progress import POEM, SILENT, Progress

if TYPE_CHECKING:
    from ..model import PoetModel

STARTS = 12  # the commonest first characters of real poems
POEMS_A_START = 60
DRAWS = 100  # of as many real poems as the model wrote
SEED = 0
Seconds = dict[str, list[str]]  # the second characters of poems, by their first


def real_openings(texts: Sequence[str], most: int = STARTS) -> Seconds:
    """The second characters of regular poems that begin with one of the commonest characters.

    Args:
        texts: real poems; those without a regular form are not counted.
        most: the number of these characters.
    """
    seconds: defaultdict[str, list[str]] = defaultdict(list)
    for text in texts:
        if form_of(text):
            seconds[text[0]].append(text[1])
    commonest = Counter({start: len(found) for start, found in seconds.items()}).most_common(most)
    return {start: seconds[start] for start, _ in commonest}


def written_openings(
    model: PoetModel, starts: Sequence[str], poems_a_start: int, progress: Progress = SILENT, **options: Any
) -> Seconds:
    """The second characters of poems that the model writes from given starts, in the four forms in turn.

    Args:
        starts: characters that the model knows.
        poems_a_start: rounded down to a multiple of four from four on; fewer are of as many forms.
        **options: passed to `model.generate`.
    """
    count = max(1, poems_a_start // len(FORMS))
    seconds: Seconds = {start: [] for start in starts}
    for start in starts:
        for form in FORMS[:poems_a_start]:
            poems = model.generate(start, form=form, num_poems=count, seed=0, **options)
            seconds[start] += [poem.text[1] for poem in poems]
            progress.advance(POEM * count)
    return seconds


def variety(seconds: Seconds, poems: int) -> dict[str, Any]:
    """How often the commonest second character stands second, and how many different ones there are.

    Both depend on the number of poems, so all starts are compared on the same number: where there are more,
    that many are drawn a hundred times with a fixed seed.

    Args:
        seconds: by start, at least one each.
        poems: the number of poems per start; no more than the rarest start has are used.

    Returns:
        `poems`, the number used per start, and the estimates `commonest` (a share) and `distinct` (different
        ones per poem), means over the starts with Student's interval; None if there are no starts.
    """
    poems = min([poems, *map(len, seconds.values())])
    commonest, distinct = [], []
    for found in seconds.values():
        rng = np.random.default_rng(SEED)
        draws = DRAWS if len(found) > poems else 1
        counts = [
            Counter(found[i] for i in rng.permutation(len(found))[:poems].tolist()) for _ in range(draws)
        ]
        commonest.append(float(np.mean([max(count.values()) / poems for count in counts])))
        distinct.append(float(np.mean([len(count) / poems for count in counts])))
    return {
        "poems": poems if seconds else 0,
        "commonest": intervals.over_groups(commonest),
        "distinct": intervals.over_groups(distinct),
    }
