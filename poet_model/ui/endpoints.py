"""The functions behind the buttons and the API of the page. The layout is in page.py."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any, NamedTuple

import gradio as gr
from gradio.components import Component

from ..errors import PoetError, check_number
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
            rules: any of `rhyme` and `tones`; ignored without a form.
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
        temperature: float = 0.8,
        top_k: int = 40,
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
        guidance_scale: float | None = None,
    ) -> dict[str, Any]:
        """Writes a Tang poem and returns its text, lines, log-probabilities, seed, form, report and novelty.

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
            guidance_scale: how much the title counts; above 1, more than usual. Null: as the model has it.
        """
        index = self.poet.index
        try:
            check_number("best_of", best_of, 1, MAX_BEST_OF, whole=True)
            poem = self.poet.model.generate(
                start,
                form=form,
                temperature=temperature,
                top_k=top_k,
                seed=None if seed == -1 else seed,
                author=author,
                title=title,
                rhyme=rhyme,
                tones=tones,
                acrostic=acrostic,
                best_of=best_of,
                telestich=telestich,
                original=original_of(original, index),
                keywords=keywords,
                guidance_scale=guidance_scale,
            )
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
        "novelty": novelty_record(index.find(poem.text)) if index else None,
    }


def new_seed() -> int:
    """A random seed for another poem."""
    return secrets.randbelow(1_000_000)
