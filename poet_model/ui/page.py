"""Builds the page: its layout, and which control calls which endpoint."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from html import escape
from typing import Any

import gradio as gr
from fastapi.middleware import Middleware
from gradio.block_function import BlockFunction
from gradio.components import Component

from . import controls, curves, theme
from .endpoints import Endpoints, Update, new_seed
from .facts import facts_html
from .fair_queue import FairQueue
from .guard import Guard
from .opening import first_poem
from .options import MAX_TYPED
from .poem import TRADITIONAL, notice_html
from .poet import Poet

MAX_SESSIONS = 500  # whose poems are kept on the server; Gradio needs 80 kB for each
COPY = """(text) => {
  const done = () => {};
  if (navigator.clipboard && window.isSecureContext) { navigator.clipboard.writeText(text).then(done, done); }
  else {  // a page served over plain http has no clipboard
    const box = document.createElement("textarea");
    box.value = text;
    document.body.appendChild(box);
    box.select();
    document.execCommand("copy");
    box.remove();
  }
  return [];
}"""


class Page(gr.Blocks):
    """Blocks with the theme of this page, a fair queue, and a guard that refuses what the page does not need.

    Gradio itself calls `queue` when Blocks are made, and whatever serves them calls `launch`; so all three
    hold however the page is started. Requests may have fewer values than there are controls.
    """

    notice: gr.HTML | None = None  # the line below the poem

    def queue(self, *_: Any, **__: Any) -> Page:
        """Makes the queue. The limits are those of fair_queue.py, whatever is given here."""
        super().queue(api_open=False)
        self._queue = FairQueue(
            live_updates=True,
            concurrency_count=self.max_threads,
            update_intervals=1,
            max_size=None,
            blocks=self,
            default_concurrency_limit=None,
        )
        return self

    def launch(self, *arguments: Any, **options: Any) -> Any:
        """Serves the page; takes the same options as `gr.Blocks.launch`, except `app_kwargs`."""
        looks: dict[str, Any] = {
            "theme": theme.theme(),
            "css": theme.CSS,
            "footer_links": ["api", "settings"],
        }
        quiet = {"ssr_mode": False, "run_history": False, "state_session_capacity": MAX_SESSIONS}
        guarded = {"app_kwargs": {"middleware": [Middleware(Guard)]}}
        return super().launch(*arguments, **looks | quiet | options | guarded)

    def refusal_on_page(self, block_fn: BlockFunction, refusal: str) -> list[Any] | None:
        """The outputs of a function that show a refusal of the queue; None if it has no line for that."""
        if self.notice not in block_fn.outputs:
            return None
        html = notice_html(refusal, is_advice=True)
        return [html if block is self.notice else gr.skip() for block in block_fn.outputs]

    def validate_inputs(self, block_fn: BlockFunction, inputs: list[Any]) -> None:
        """Completes a request with the initial values of the controls that it omits at the end of its list.

        Gradio calls this before it reads the values. Gradio's own client sends a value for every control, but
        a program that posts a bare list may have been written when the page had fewer controls.
        """
        inputs += [getattr(block, "value", None) for block in block_fn.inputs[len(inputs) :]]
        super().validate_inputs(block_fn, inputs)


def build(poet: Poet) -> Page:
    """The page of a poet, with a first poem on it.

    Raises:
        PoetError: the model cannot write a poem, or its metrics.json is damaged.
    """
    endpoints = Endpoints(poet)
    first, poem = first_poem(poet)
    html, plain = endpoints.change_script(poem, TRADITIONAL)
    page = Page(title="唐詩 LSTM · Tang poems, character by character", fill_width=True)
    with page:
        gr.HTML(
            "<header><h1 lang='zh-Hant'>唐詩 LSTM</h1><p>一個字一個字寫唐詩的小模型。 "
            "A small neural network that writes Tang poems, one character at a time.</p></header>",
            elem_id="masthead",
        )
        shown = gr.State(poem)
        with gr.Row(elem_id="columns"):
            with gr.Column(scale=4, min_width=280, elem_id="options"):
                start, button, another = _opening(first["start"])
                has_index = poet.index is not None
                settings = controls.settings(first, poet.model.tokenizer.authors, has_index)
            with gr.Column(scale=5, min_width=280, elem_id="writing"):
                sheet, notice, text = _writing(html, plain)
            with gr.Column(scale=5, min_width=280, elem_id="learning"):
                _learning(endpoints)
        page.notice = notice
        outputs = Update(sheet, text, notice, shown)
        _connect(endpoints, {"start": start, **settings}, outputs, button, another)
    return page


def _opening(start: str) -> tuple[gr.Textbox, gr.Button, gr.Button]:
    """The box for the start of the poem, and the two buttons below it."""
    with gr.Column(elem_id="opening"):
        box = gr.Textbox(
            start,
            label="起首 Start",
            info="一字或數字，可留空 · one or more characters; optional",
            max_length=MAX_TYPED,
            lines=1,
            elem_id="start",
        )
        with gr.Row():
            button = gr.Button("寫一首 Write", variant="primary", elem_id="write", min_width=120)
            another = gr.Button("再來一首 Another", elem_id="another", min_width=120)
    return box, button, another


def _writing(html: str, plain: str) -> tuple[gr.HTML, gr.HTML, gr.Textbox]:
    """The sheet with the poem, the notice below it, and the poem as plain text with a button to copy it."""
    sheet = gr.HTML(html, elem_id="poem")
    notice = gr.HTML(notice_html(), elem_id="notice")
    text = gr.Textbox(plain, label="文字 Text", lines=2, interactive=False, elem_id="plain")
    copy = gr.Button("複製 Copy", size="sm", elem_id="copy")
    copy.click(None, text, None, js=COPY, api_visibility="private")
    return sheet, notice, text


def _learning(endpoints: Endpoints) -> None:
    """The training curves with a switch for their scale, and the metrics of the model."""
    log = endpoints.log
    gr.HTML("<h2 class='rubric'>它怎樣學會的 · How it learned</h2>")
    scale = gr.Radio([curves.LOSS, curves.PERPLEXITY], value=curves.LOSS, show_label=False, label="Scale")
    plot = gr.LinePlot(
        curves.curve(log, curves.LOSS),
        x="epoch",
        y="value",
        color="split",
        x_title="輪 epoch",
        y_title=curves.LOSS,
        color_title=" ",
        color_map={curves.TRAIN: "#8a7f6d", curves.VALID: "#c8452f"},
        x_axis_format="d" if log["epoch"].max() >= 2 else ".2f",
        show_label=False,
        label="Training curves",
        elem_id="curves",
    )
    scale.change(endpoints.show_scale, scale, plot, api_visibility="private", show_progress="hidden")
    gr.HTML(f'<p class="curve-note">{escape(curves.summary(log))}</p>')
    gr.HTML("<h2 class='rubric'>這個模型 · This model</h2>" + facts_html(endpoints.poet), elem_id="facts")


def _connect(
    endpoints: Endpoints,
    boxes: dict[str, Any],
    outputs: Update,
    button: gr.Button,
    another: gr.Button,
) -> None:
    """Connects the controls to the endpoints and declares the API."""
    inputs = _inputs_of(endpoints.write, boxes)
    # Gradio checks nothing, so that `write` can answer a bad raw request with a message of its own.
    unchecked = {"preprocess": False, "show_progress": "hidden"}
    gr.on(
        [button.click, boxes["start"].submit],
        endpoints.write,
        inputs,
        list(outputs),
        api_name="generate",
        **unchecked,
    )
    another.click(new_seed, None, boxes["seed"], api_visibility="private", show_progress="hidden").then(
        endpoints.write, inputs, list(outputs), api_visibility="private", **unchecked
    )
    boxes["script"].change(
        endpoints.change_script,
        [outputs.shown, boxes["script"]],
        [outputs.poem, outputs.plain],
        api_visibility="private",
        show_progress="hidden",
    )
    gr.api(endpoints.write_poem, api_name="write_poem")  # type: ignore[attr-defined]


def _inputs_of(endpoint: Callable[..., object], boxes: dict[str, Component]) -> list[Component]:
    """The controls in the order of the parameters of the endpoint with the same names."""
    return [boxes[name] for name in inspect.signature(endpoint).parameters if name in boxes]
