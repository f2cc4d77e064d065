"""The prosody of regular poems: forms, tones, rhymes, and whether a poem keeps to the rules. Needs no torch.

>>> from poet_model import prosody
>>> print(prosody.scan("白日依山盡，黃河入海流。欲窮千里目，更上一層樓。"))
五絕 T1 L1 平韻 尤
仄仄平平仄，平平仄仄平。
仄平平仄仄，○仄仄平平。
"""

from __future__ import annotations

import warnings

from .faults import Fault
from .lines import (
    FORMS,
    LINE_ENDS,
    SHAPES,
    form_name,
    form_of,
    has_equal_lines,
    join_lines,
    line_lengths,
    shape_of,
    split_lines,
)
from .readings import (
    ANY,
    PING,
    TABLE,
    ZE,
    all_groups,
    group_named,
    is_simplified,
    readings,
    rhyme_groups,
    tone_mask,
    tones,
)
from .rhyme import NEIGHBOURS, Rhyme
from .scansion import Scansion, scan
from .templates import (
    L0,
    L1,
    L2,
    L3,
    L4,
    L5,
    LEVELS,
    LINE_PATTERNS,
    TEMPLATES,
    Pattern,
    Template,
    fits,
    line_patterns,
    rigid_places,
    templates,
)

__all__ = [
    "ANY",
    "FORMS",
    "L0",
    "L1",
    "L2",
    "L3",
    "L4",
    "L5",
    "LEVELS",
    "LINE_ENDS",
    "LINE_PATTERNS",
    "NEIGHBOURS",
    "PING",
    "SHAPES",
    "TABLE",
    "TEMPLATES",
    "ZE",
    "Fault",
    "Pattern",
    "Rhyme",
    "Scansion",
    "Template",
    "all_groups",
    "fits",
    "form_name",
    "form_of",
    "group_named",
    "has_equal_lines",
    "is_simplified",
    "join_lines",
    "line_lengths",
    "line_patterns",
    "readings",
    "rhyme_groups",
    "rigid_places",
    "scan",
    "shape_of",
    "split_lines",
    "templates",
    "tone_mask",
    "tones",
]

_RENAMED = {"evaluate": "scan", "Report": "Scansion"}  # old names, kept for one release


def __getattr__(name: str) -> object:
    if name not in _RENAMED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    new = _RENAMED[name]
    warnings.warn(f"prosody.{name} is now prosody.{new}", DeprecationWarning, stacklevel=2)
    return globals()[new]
