"""The functions behind the buttons and the API of the page. The layout is in page.py."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any, NamedTuple

import gradio as gr
from gradio.components import Component

from ..couplets import middle_couplets
from ..errors import PoetError, check_number
from ..generation.options import DEFAULTS
from ..generation.poem import Poem
from ..novelty.borrowed import novelty_record
from ..novelty.index import NoveltyIndex
from ..prosody.scansion import scan
from . import curves
from .options import MAX_BEST_OF, options_of, original_of
from .poem import Shown, advice, notice_html, plain_text, poem_html
from .poet import Poet
from .report import report_html


class Update(NamedTuple):
    """New values for the outputs of the page, in their order; or these outputs themselves."""

    poem: str | dict[str, Any] | Component  # HTML
    plain: str | dict[str, Any] | Component
    notice: str | dict[str, Any] | Component  # HTML
    shown: Shown | dict[str, Any] | Component

    @classmethod
    def of(cls, **values: Any) -> Update:
        """An update of the given outputs; the others keep their values."""
        return cls(*(values.get(name, gr.skip()) for name in cls._fields))


class Endpoints:
    """The endpoints of one page. Gradio builds the API documentation from their parameters and docstrings."""

    def __init__(self, poet: Poet):
        self.poet = poet
        self.log = curves.log_table(poet.folder)

    def write(
        self,
        start: str,
        form: str,
        temperature: float,
        top_k: float,
        seed: float,
        script: str,
        title: str = "",
        author: str = "",
        rules: list[str] | None = None,
        acrostic: str = "",
        best_of: float = 1,
        keywords: str = "",
        original: bool = False,
    ) -> Iterator[Update]:
        """Writes a poem for the page: vertical HTML, plain text, a notice, and the input of `change_script`.

        Args:
            start: the first characters, in either script and with any punctuation; may be empty.
            form: 五絕 七絕 五律 七律, or a long name such as 五言絕句; 不限 any.
            temperature: 0 always takes the most likely character.
            top_k: the number of most likely characters to draw from.
            seed: the same seed and options write the same poem.
            script: 繁體 or 簡體.
            title: the title to write about; may be empty.
            author: a poet in whose style to write; may be empty.
            rules: any of `rhyme`, `tones` and `parallel`; ignored without a form.
            acrostic: 2 to 8 characters with which the lines begin; may be empty.
            best_of: the number of candidates for each line; ignored without a form.
            keywords: 1 to 4 words that must stand in the poem, with spaces between them; may be empty.
            original: whether to exclude lines that occur in 全唐詩; needs an index of it.
        """
        try:
            options = options_of(
                start=start,
                form=form,
                temperature=temperature,
                top_k=top_k,
                seed=seed,
                title=title,
                author=author,
                rules=rules,
                acrostic=acrostic,
                best_of=best_of,
                original=original,
                keywords=keywords,
                index=self.poet.index,
            )
            stream = self.poet.model.stream(**options)
            for _ in stream:
                yield Update.of(poem=poem_html(Shown.of(stream), script), notice=notice_html())
            shown = Shown.of(stream)
            html, plain = self.change_script(shown, script)
            yield Update(html, plain, notice_html(), shown)
        except PoetError as error:
            yield Update.of(notice=notice_html(advice(error), is_advice=True))

    def change_script(self, shown: Shown, script: str) -> tuple[str, str]:
        """A finished poem in the given script: as HTML with its report, and as plain text."""
        matches = self.poet.index.find(shown.text) if self.poet.index else None
        html = poem_html(shown, script) + report_html(shown.text, script, matches)
        return html, plain_text(shown.text, script)

    def write_poem(
        self,
        start: str = "",
        form: str = "",
        temperature: float | None = None,
        top_k: int | None = None,
        seed: int = -1,
        author: str = "",
        title: str = "",
        rhyme: bool | str = False,
        tones: bool | str = False,
        acrostic: str = "",
        best_of: int = 1,
        telestich: str = "",
        original: bool = False,
        keywords: str | list[str] = "",
        distinct_rhymes: bool = DEFAULTS["distinct_rhymes"],
        parallel: bool = DEFAULTS["parallel"],
        min_p: float | None = None,
        typical_p: float | None = None,
        guidance_scale: float | None = None,
        mmi_lambda: float | None = None,
    ) -> dict[str, Any]:
        """Writes a Tang poem; returns it with log-probabilities, seed, form, report, couplets and novelty.

        Numbers that are null are those of the model.

        Args:
            start: the first characters, in either script and with any punctuation; may be empty.
            form: 五絕 七絕 五律 七律, or a long name such as 五言絕句; empty for any.
            temperature: 0 always takes the most likely character.
            top_k: the number of most likely characters to draw from; 0 means all.
            seed: the same seed and options write the same poem; -1 draws a random seed.
            author: a poet in whose style to write; may be empty.
            title: the title to write about; may be empty.
            rhyme: true, or a group of 平水韻 such as 東 or 一東; needs a form.
            tones: true for regular 平仄, or one of the levels L0, L1, L2; needs a form.
            acrostic: 2 to 8 characters with which the lines begin; may be empty.
            best_of: the number of candidates for each line, 1 to 16; more than one needs a form.
            telestich: 2 to 8 characters with which the lines end; may be empty.
            original: whether to exclude lines that occur in 全唐詩; needs an index of it.
            keywords: 1 to 4 words that must stand in the poem, as a list or with spaces between.
            distinct_rhymes: whether no even line may end as the first or another even line does (重韻).
            parallel: whether the middle couplets are parallel (對仗); needs the form 五律 or 七律.
            min_p: draw only characters with this share of the probability of the likeliest; 0 means all.
            typical_p: draw only the most typical characters with this probability together; 1 means all.
            guidance_scale: how much the title counts; above 1, more than the model has learned.
            mmi_lambda: with best_of, how far, 0 to 1, to avoid lines that would fit any poem.
        """
        options = {name: value for name, value in locals().items() if name != "self"}  # all the parameters
        index = self.poet.index
        try:
            check_number("best_of", best_of, 1, MAX_BEST_OF, whole=True)
            options |= {"seed": None if seed == -1 else seed, "original": original_of(original, index)}
            poem = self.poet.model.generate(**options)
        except PoetError as error:
            raise gr.Error(str(error), print_exception=False) from error
        return _record(poem, index)

    def show_scale(self, scale: str) -> gr.LinePlot:
        """The plot of the curves, in the given scale: loss or perplexity."""
        return gr.LinePlot(curves.curve(self.log, scale), y_title=scale)


def _record(poem: Poem, index: NoveltyIndex | None) -> dict[str, Any]:
    return {
        "text": poem.text,
        "simplified": poem.simplified,
        "lines": poem.lines,
        "log_probs": list(poem.log_probs),
        "seed": poem.seed,
        "form": poem.form,
        "report": scan(poem.text).record(),
        "couplets": [couplet.record() for couplet in middle_couplets(poem.text)],
        "novelty": novelty_record(index.find(poem.text)) if index else None,
    }


def new_seed() -> int:
    """A random seed for another poem."""
    return secrets.randbelow(1_000_000)
