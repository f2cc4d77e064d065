"""The poems that a model writes to be measured, by column of the report. Nothing is measured here."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import InvalidValueError
from ..prosody.lines import FORMS
from .metrics import Asked
from .progress import POEM, RULED_POEM, SILENT, Progress

if TYPE_CHECKING:
    from ..model import PoetModel


def written_columns(
    model: PoetModel, poems_a_form: int, best_of: int = 1, progress: Progress = SILENT
) -> tuple[dict[str, list[Asked]], str]:
    """The poems that the model writes for the columns of the section `measures`.

    Returns:
        The columns, and the model's reason for refusing those that are missing ('' if none is). The columns
        are `named`, with the form in the header and nothing imposed; `ruled`, with form, tones and rhyme
        imposed; and `best`, with several candidates for each line as well, one drawn by probability.
    """
    write = partial(write_each_form, model, poems_a_form, progress)
    count = f"{len(FORMS) * poems_a_form:,} poems written"
    progress.stage(f"{count} with a form")
    columns = {"named": write(POEM, impose_form=False)}
    try:
        progress.stage(f"{count} with tones and rhyme")
        columns["ruled"] = write(RULED_POEM, tones=True, rhyme=True)
        if best_of > 1:
            progress.stage(f"{count} with tones, rhyme and {best_of} candidates per line")
            columns["best"] = write(RULED_POEM * best_of, tones=True, rhyme=True, best_of=best_of)
    except InvalidValueError as error:  # a small vocabulary may have no rhymes
        return columns, str(error)
    return columns, ""


def write_each_form(
    model: PoetModel, poems_a_form: int, progress: Progress, cost: float, **options: Any
) -> list[Asked]:
    """Poems of each form, each with the requested form.

    Args:
        cost: the units of work per poem, for the progress.
        **options: passed to `model.generate`.
    """
    written = []
    for form in FORMS:
        poems = model.generate(form=form, num_poems=poems_a_form, seed=0, **options)
        written += [(poem.text, form) for poem in poems]
        progress.advance(cost * poems_a_form)
    return written
