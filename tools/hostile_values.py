"""The good and the hostile values that fuzz_requests.py sends. It sends nothing itself."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np

VERSE = "牀前看月光，疑是地上霜。舉頭望山月，低頭思故鄉。白日依山盡，黃河入海流。欲窮千里目，更上一層樓。"
HUGE = "春" * 10_000_000


class Unprintable:
    """An object that cannot be written out."""

    def __repr__(self):
        raise RuntimeError("no words")


def nested(depth: int) -> list:
    """A list in a list in a list …"""
    inner: list = []
    for _ in range(depth):
        inner = [inner]
    return inner


TEXTS = [
    *("", " ", "春", "月光", VERSE, VERSE * 300, HUGE, "五絕", "七言律诗", "一東", "L2", "T3", "李白"),
    *(
        "🙂",
        "A",
        "\ud800",
        "春\udfff月",
        "\x00",
        "\u202e春",
        "\u200b",
        "<script>",
        "'\"",
        "{}",
        "%s",
        "<eos>",
    ),
    *("&#xD800;月", "&nbsp;" * 300, "<br>" * 400, "ﷺ" * 500, "㍿" * 39, "e" + "\u0301" * 1500, "\n" * 1999),
    *("春|月/山 光", "春" * 41, "月" * 129, "春夏秋冬", "山月光霜", "龘", "，。", "。。。", "𪚥" * 20),
    *("不限 any", "五絕" + " " * 99),
]
NUMBERS = [
    *(0, -1, 1, 2, 7, 16, 40, 0.0, -0.0, 0.5, 0.8, 1.0, 1.5, 1e-320, 1e308, math.inf, -math.inf, math.nan),
    *(2**31, 2**63, 10**400, 10**5000, -(10**5000), True, False, None),
]
CONTAINERS = [[], [1], ["rhyme"], ["rhyme", "tones"], {}, {"a": HUGE}, [10**5000], nested(50), nested(20_000)]
OF_JSON = [*TEXTS, *NUMBERS, *CONTAINERS]
OF_PYTHON = [
    *OF_JSON,
    *((), {1}, b"\xff", HUGE.encode(), object(), Unprintable(), [Unprintable()], range(10**9), len, int),
    *(Decimal("NaN"), Fraction(1, 3), 2 + 1j, np.int64(3), np.float32(0.5), np.bool_(True), np.zeros(3)),
]
FORMS = ["五絕", "七絕", "五律", "七律", "五言絕句"]
VALID = {
    "form": FORMS,
    "author": ["", "李白", "白"],
    "title": ["", "月", "春山"],
    "tones": [False, True, "L0", "L2"],
    "template": ["", "T1", "T4"],
    "rhyme": [False, True, "東", "下平七陽"],
    "acrostic": ["", "春山", "月光", "山 光，月"],
    "telestich": ["", "山光", "月霜山鄉"],
    "keywords": ["", "月", "山光 月", ["月", "春"]],
    **{name: [True, False] for name in ("impose_form", "original", "look_ahead")},
    **{name: [True, False] for name in ("distinct_rhymes", "parallel")},
    "best_of": [1, 2, 3],
    "seed": [None, 0, 7, 2**63 - 1],
    "temperature": [0, 0.8, 100],
    "top_k": [0, 1, 40],
    "top_p": [0.1, 1.0],
    "max_length": [1, 20, 60],
    "frequency_penalty": [0, 1.5, 100],
    "min_p": [0, 0.1, 1],
    "typical_p": [0.1, 1.0],
    "mmi_lambda": [0, 0.5, 1],
    "guidance_scale": [0, 1, 2.5],
}
STARTS = ["", "春", "月光", "山 月", "月光，"]
FOREIGN = [
    *("tokenizer", "defaults", "masks", "self", "cls", "config", "options", "request", "stepper", "device"),
    *("max_new_tokens", "do_sample", "Form", "詩體", "", "\ud800", "a" * 10_000, "_forms"),
]
OF_WRITE = {
    name: VALID[name] for name in ("title", "author", "acrostic", "keywords", "original", "temperature")
} | {
    "start": STARTS,
    "form": ["不限 any", *FORMS],
    "top_k": [1, 40, 3.7],
    "seed": [0, 7, -5, 10**400],
    "script": ["繁體", "簡體"],
    "rules": [[], ["tones"], ["rhyme", "tones"], ["parallel"], None],
    "best_of": [1, 2, 2.4],
}
TYPED = (
    *("form", "author", "title", "rhyme", "tones", "acrostic", "telestich", "keywords", "original"),
    *("best_of", "distinct_rhymes", "parallel", "min_p", "typical_p", "guidance_scale", "mmi_lambda"),
)
OF_WRITE_POEM = {name: VALID[name] for name in (*TYPED, "temperature", "top_k")} | {
    "start": STARTS,
    "seed": [-1, 7],
}
