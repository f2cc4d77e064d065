"""Selects the options of `generate` that apply to a poem: some of them need a regular form."""

from __future__ import annotations

from typing import Any

GIVE_FORM = ("form", "acrostic", "telestich", "keywords")  # all imply a form if none is given
NEED_FORM = ("rhyme", "tones", "template", "parallel", "best_of")


def applicable(options: dict[str, Any]) -> dict[str, Any]:
    """The given options, without those that `generate` would refuse for lack of a form.

    Options that need a form are dropped if no other option gives one. `generate` itself raises in that case;
    this function is for callers that offer such options even when no form is chosen.
    """
    if any(options.get(name) for name in GIVE_FORM):
        return dict(options)
    return {name: value for name, value in options.items() if name not in NEED_FORM}
