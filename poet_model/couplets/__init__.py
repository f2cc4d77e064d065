"""對仗: whether the two lines of a couplet are parallel, by how poets set characters side by side. No torch.

>>> from poet_model import couplets
>>> for couplet in couplets.middle_couplets(
...     "國破山河在，城春草木深。感時花濺淚，恨別鳥驚心。烽火連三月，家書抵萬金。白頭搔更短，渾欲不勝簪。"
... ):
...     print(couplet)
頷聯 對仗 .40 感恨 時別 花鳥 濺驚 淚心
頸聯 對仗 .41 烽家 火書 連抵 三萬 月金
"""

from __future__ import annotations

from .couplet import LEAST, MIDDLE, Couplet, middle_couplets, parallelism
from .space import similarities, vectors_of

__all__ = [
    "LEAST",
    "MIDDLE",
    "Couplet",
    "middle_couplets",
    "parallelism",
    "similarities",
    "vectors_of",
]
