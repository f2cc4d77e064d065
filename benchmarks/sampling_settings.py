"""The settings of sampling that sampling.py compares, by name, and the columns in which it measures them."""

from __future__ import annotations

from typing import Any

from poet_model.generation.options import NEUTRAL

Options = dict[str, Any]

# what a setting is measured with, unless it says otherwise: nothing is imposed, or all rules, as on the page
COLUMNS: dict[str, Options] = {
    "named": {"impose_form": False},
    "ruled": {"tones": True, "rhyme": True, "best_of": 4},
}
NEEDS_FORM = ("best_of",)  # options that cannot be given in the column `named`
BASE: Options = NEUTRAL | {"frequency_penalty": 1.5, "distinct_rhymes": False}


def _setting(temperature: float, **changes: float) -> Options:
    return BASE | {"temperature": temperature} | changes


def _with_lambda(weight: float, best_of: int = 4) -> Options:
    return {"mmi_lambda": weight, "best_of": best_of}


SETTINGS: dict[str, Options] = {
    "default": {},  # that of the model
    **{f"T{t} k{k}": _setting(t, top_k=k) for k in (40, 0) for t in (0.7, 0.8, 0.9, 1.0)},
    **{f"T1.0 top_p{p}": _setting(1.0, top_p=p) for p in (0.85, 0.9, 0.95)},
    **{f"T1.0 min_p{p}": _setting(1.0, min_p=p) for p in (0.02, 0.05, 0.1)},
    "T1.0 typical0.9": _setting(1.0, typical_p=0.9),
    "T0.9 min_p0.05": _setting(0.9, min_p=0.05),
    "T0.95 top_p0.9": _setting(0.95, top_p=0.9),
    "T0.95 min_p0.01": _setting(0.95, min_p=0.01),
    "T0.9 k0 distinct": _setting(0.9, distinct_rhymes=True),
    **{f"T0.9 k0 fp{penalty}": _setting(0.9, frequency_penalty=penalty) for penalty in (0.0, 0.75)},
    "T1.0 k0 fp0": _setting(1.0, frequency_penalty=0),
    **{f"T0.8 k40 best{n}": _setting(0.8, top_k=40, best_of=n) for n in (1, 8)},
    **{f"T0.9 k0 best{n}": _setting(0.9, best_of=n) for n in (1, 8)},
    **{f"T0.9 k0 mmi{weight}": _setting(0.9) | _with_lambda(weight) for weight in (0.25, 0.5, 0.75, 1.0)},
    "T0.9 k0 mmi0.5 best8": _setting(0.9) | _with_lambda(0.5, best_of=8),
    "T0.95 top_p0.9 mmi0.5": _setting(0.95, top_p=0.9) | _with_lambda(0.5),
    "T0.95 min_p0.01 mmi0.5": _setting(0.95, min_p=0.01) | _with_lambda(0.5),
    **{
        f"T1.0 min_p{p} mmi{weight}": _setting(1.0, min_p=p) | _with_lambda(weight)
        for p, weight in ((0.05, 0.5), (0.05, 1.0), (0.02, 0.5), (0.02, 0.75), (0, 0.5))
    },
    **{
        f"T1.0 top_p{p} mmi{weight}": _setting(1.0, top_p=p) | _with_lambda(weight)
        for p, weight in ((0.85, 0.5), (0.9, 0.5), (0.9, 0.75), (0.95, 0.5))
    },
}
