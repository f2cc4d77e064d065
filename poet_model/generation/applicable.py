"""Which options of `generate` apply to a poem: some need a regular form."""

from __future__ import annotations

GIVE_FORM = ("form", "acrostic", "telestich")  # without a form, an acrostic or a telestich brings one along
NEED_FORM = ("rhyme", "tones", "template", "best_of")


def applicable(options: dict) -> dict:
    """Options of `generate`, without those that need a form if none of the others gives one.

    `generate` itself refuses such options; this is for callers that offer them beside "any form".
    """
    if any(options.get(name) for name in GIVE_FORM):
        return dict(options)
    return {name: value for name, value in options.items() if name not in NEED_FORM}
