"""The controls beside the poem, each with a value, so that a program may leave any of them out."""

from __future__ import annotations

from collections.abc import Sequence

import gradio as gr

from ..prosody.lines import FORMS
from .options import ANY_FORM, MAX_BEST_OF, MAX_SEED, MAX_TYPED, RHYME, TONES
from .poem import SIMPLIFIED, TRADITIONAL

NUM_AUTHORS = 60  # of those with most poems, to choose from; any other can be typed


def settings(first: dict, authors: Sequence[str], has_index: bool) -> dict[str, gr.components.Component]:
    """Lays out what a poem can be asked to be.

    Args:
        first: the values of the controls at first, by their names.
        authors: whom the model knows, those of most poems first; empty if it does not say.
        has_index: whether there is an index of poems, to be original beside.

    Returns:
        The controls, by the names of the parameters of `Endpoints.write`.
    """
    with gr.Column(elem_id="settings"):
        form = gr.Radio([ANY_FORM, *FORMS], value=first["form"], label="詩體 Form")
        rules = gr.CheckboxGroup(
            [("押韻 rhyme", RHYME), ("平仄 tones", TONES)],
            value=first["rules"],
            label="格律 Rules",
            info="有詩體時 · with a form",
            elem_id="rules",
        )
        temperature = gr.Slider(
            0,
            1.5,
            first["temperature"],
            step=0.05,
            label="溫度 Temperature",
            info="低則穩，高則奇 · low is steady",
        )
        top_k = gr.Slider(
            1,
            200,
            first["top_k"],
            step=1,
            label="候選字數 Top-k",
            info="從最可能的 k 字中選 · k likeliest",
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


def _more(first: dict, authors: Sequence[str], has_index: bool) -> dict[str, gr.components.Component]:
    """What is folded away."""
    with gr.Row():
        title = gr.Textbox(
            "",
            label="題 Title",
            info="可留空 · or none",
            max_length=MAX_TYPED,
            lines=1,
            min_width=120,
            elem_id="title",
        )
        author = _author(authors)
    acrostic = gr.Textbox(
        "",
        label="藏頭 Acrostic",
        info="每句首字，起首留空 · 2–8 line heads, no start",
        max_length=MAX_TYPED,
        lines=1,
        elem_id="acrostic",
    )
    best_of = gr.Slider(
        1,
        MAX_BEST_OF,
        first["best_of"],
        step=1,
        label="每句選優 Best of lines",
        info="有詩體時，每句試幾次 · with a form",
    )
    found = {"title": title, "author": author, "acrostic": acrostic, "best_of": best_of}
    if has_index:
        found["original"] = gr.Checkbox(
            False,
            label="原創 Original",
            info="無一句見於全唐詩 · no line of it stands in 全唐詩",
            elem_id="original",
        )
    return found


def _author(authors: Sequence[str]) -> gr.Dropdown | gr.Textbox:
    """In whose manner: one of those that the model knows best, or another name."""
    labels = {"label": "作者 Author", "min_width": 120, "elem_id": "author"}
    if not authors:
        return gr.Textbox("", info="可留空 · or none", max_length=MAX_TYPED, lines=1, **labels)
    choices = [(ANY_FORM, ""), *((name, name) for name in authors[:NUM_AUTHORS])]
    return gr.Dropdown(choices, value="", info="可自填 · or type", allow_custom_value=True, **labels)
