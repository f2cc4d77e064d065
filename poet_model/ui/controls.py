"""The controls beside the poem.

Each control has an initial value, so that an API request may omit any of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from ..prosody.lines import FORMS
from .options import ANY_FORM, MAX_BEST_OF, MAX_SEED, MAX_TYPED, PARALLEL, RHYME, TONES
from .poem import SIMPLIFIED, TRADITIONAL

NUM_AUTHORS = 60  # choices in the list: those with the most poems; any other name can be typed


def settings(
    first: dict[str, Any], authors: Sequence[str], has_index: bool
) -> dict[str, gr.components.Component]:
    """Lays out the controls for the options of a poem.

    Args:
        first: the initial values of the controls, by name.
        authors: the authors in the model's corpus, those with the most poems first; may be empty.
        has_index: whether the page has an index of poems, which the option `original` needs.

    Returns:
        The controls, by the names of the parameters of `Endpoints.write`.
    """
    with gr.Column(elem_id="settings"):
        form = gr.Radio([ANY_FORM, *FORMS], value=first["form"], label="詩體 Form")
        rules = gr.CheckboxGroup(
            [("押韻 rhyme", RHYME), ("平仄 tones", TONES), ("對仗 parallel", PARALLEL)],
            value=first["rules"],
            label="格律 Rules",
            info="有詩體時，對仗限律詩 · need a form, 對仗 one of eight lines",
            elem_id="rules",
        )
        temperature = gr.Slider(
            0,
            max(1.5, first["temperature"]),  # a model may have a higher one
            first["temperature"],
            step=0.05,
            label="溫度 Temperature",
            info="低則穩，高則奇 · low: predictable",
        )
        top_k = gr.Slider(
            0,
            max(200, first["top_k"]),
            first["top_k"],
            step=1,
            label="候選字數 Top-k",
            info="從最可能的 k 字中選，0 為不限 · k most likely; 0: all",
        )
        with gr.Row():
            seed = gr.Number(
                first["seed"], label="種子 Seed", precision=0, minimum=0, maximum=MAX_SEED, min_width=110
            )
            script = gr.Radio(
                [TRADITIONAL, SIMPLIFIED], value=TRADITIONAL, label="字體 Script", min_width=150
            )
        with gr.Accordion("更多 More", open=False, elem_id="more"):
            more = _more(first, authors, has_index)
    shown = {"form": form, "rules": rules, "temperature": temperature, "top_k": top_k}
    return shown | {"seed": seed, "script": script} | more


def _more(
    first: dict[str, Any], authors: Sequence[str], has_index: bool
) -> dict[str, gr.components.Component]:
    """The controls in the folded part 更多 More."""
    with gr.Row():
        title = gr.Textbox(
            "",
            label="題 Title",
            info="可留空 · optional",
            max_length=MAX_TYPED,
            lines=1,
            min_width=120,
            elem_id="title",
        )
        author = _author(authors)
    acrostic = gr.Textbox(
        "",
        label="藏頭 Acrostic",
        info="每句首字，起首留空 · first characters of 2–8 lines; leave Start empty",
        max_length=MAX_TYPED,
        lines=1,
        elem_id="acrostic",
    )
    keywords = gr.Textbox(
        "",
        label="詞語 Keywords",
        info="詩中必有，一至四個，以空格隔開 · 1–4 words that must stand in the poem",
        max_length=MAX_TYPED,
        lines=1,
        elem_id="keywords",
    )
    best_of = gr.Slider(
        1,
        MAX_BEST_OF,
        first["best_of"],
        step=1,
        label="每句選優 Best of lines",
        info="有詩體時，每句試幾次 · needs a form",
    )
    boxes: dict[str, gr.components.Component] = {
        "title": title,
        "author": author,
        "acrostic": acrostic,
        "best_of": best_of,
        "keywords": keywords,
    }
    if has_index:
        boxes["original"] = gr.Checkbox(
            False,
            label="原創 Original",
            info="無一句見於全唐詩 · no line occurs in 全唐詩",
            elem_id="original",
        )
    return boxes


def _author(authors: Sequence[str]) -> gr.Dropdown | gr.Textbox:
    """The control for the author: a list that also takes other names, or a plain box if the list is empty."""
    labels: dict[str, Any] = {"label": "作者 Author", "min_width": 120, "elem_id": "author"}
    if not authors:
        return gr.Textbox("", info="可留空 · optional", max_length=MAX_TYPED, lines=1, **labels)
    choices = [(ANY_FORM, ""), *((name, name) for name in authors[:NUM_AUTHORS])]
    return gr.Dropdown(choices, value="", info="可自填 · or type", allow_custom_value=True, **labels)
