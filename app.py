"""The page: `python app.py`, or a Gradio Space. Lays out parts and passes wishes on; knows no poetry."""

from __future__ import annotations

import argparse
import math
import os
import secrets
import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # before gradio is imported: no call home

import gradio as gr

from poet_model import PoetError, PoetModel
from poet_model.card import facts
from poet_model.hub import find_folder
from poet_model.prosody import FORMS
from poet_model.ui import curves, theme
from poet_model.ui.poem import SIMPLIFIED, advice, check_start, notice_html, plain_text, poem_html

BUNDLED = Path(__file__).parent / "assets" / "tang-lstm"
HUB_MODEL = ""  # in a Space that poet_model.hub makes: the Hub id of the model to show
FIRST_START, FIRST_FORM, FIRST_SEED = "春", "五絕", 8
ANY_FORM = "不限 any"
TRADITIONAL = "繁體"
MAX_SEED = 2**31 - 1
MAX_TYPED = 2000  # the box takes more than can be used: a pasted text is answered, not cut in silence


def load() -> tuple[str, Path, PoetModel]:
    """Name, folder and model: of POET_MODEL, else of HUB_MODEL (the bundled one stands in), else bundled."""
    chosen = os.environ.get("POET_MODEL")
    wanted = chosen or HUB_MODEL
    try:
        folder = find_folder(wanted or BUNDLED)
        return wanted or BUNDLED.name, folder, PoetModel.from_pretrained(folder)
    except PoetError as error:
        if chosen or not HUB_MODEL:
            sys.exit(f"error: the page has no model to show: {error}")
        print(f"note: the page shows the model that came with it, as {error}", file=sys.stderr)
    return f"{BUNDLED.name}（代 for {HUB_MODEL}）", BUNDLED, PoetModel.from_pretrained(BUNDLED)


source, folder, model = load()
log = curves.read_log(folder)


def write(
    start: str, form: str, temperature: float, top_k: float, seed: float, script: str
) -> Iterator[tuple]:
    """Writes one poem as the page shows it: vertical, as text, a notice, and what `change_script` needs.

    Args:
        start: the first characters, in either script; may be empty.
        form: 五絕 七絕 五律 七律, or 不限 any.
        temperature: 0 takes the likeliest character every time.
        top_k: how many of the likeliest characters to draw from.
        seed: writes the same poem again.
        script: 繁體 or 簡體.
    """
    try:
        start = start or ""  # a raw request may hold null, and so does an emptied number box
        problem = check_start(start)
        if problem:
            raise PoetError(problem)
        if not all(number is not None and math.isfinite(number) for number in (temperature, top_k, seed)):
            raise PoetError("溫度、top-k 和種子都要是數。 Temperature, top-k and seed must be numbers.")
        seed = min(max(int(seed), 0), MAX_SEED)
        wishes = {"temperature": temperature, "top_k": round(top_k), "seed": seed}
        pieces = model.stream(start, form="" if form == ANY_FORM else form, **wishes)
        text, given = "", len(model.tokenizer.normalize(start))
        for piece in pieces:
            text += piece
            yield poem_html(text, given, seed, script, is_finished=False), gr.skip(), notice_html(), gr.skip()
        yield (
            poem_html(text, given, seed, script),
            plain_text(text, script),
            notice_html(),
            (text, given, seed),
        )
    except PoetError as error:
        yield gr.skip(), gr.skip(), notice_html(advice(error), is_advice=True), gr.skip()


def write_poem(
    start: str = "",
    form: str = "",
    temperature: float = 0.8,
    top_k: int = 40,
    seed: int = -1,
    author: str = "",
    title: str = "",
) -> dict:
    """Writes a Tang poem and returns its text, lines, log-probabilities, seed and form.

    Args:
        start: the first characters, in either script; may be empty.
        form: 五絕 七絕 五律 七律, or empty for any.
        temperature: 0 takes the likeliest character every time.
        top_k: how many of the likeliest characters to draw from; 0 means all.
        seed: writes the same poem again; -1 draws one.
        author: a poet in whose manner to write; may be empty.
        title: what to write about; may be empty.
    """
    wishes = {"form": form, "temperature": temperature, "top_k": top_k, "author": author, "title": title}
    try:
        poem = model.generate(start, seed=None if seed == -1 else seed, **wishes)
    except PoetError as error:
        raise gr.Error(str(error), print_exception=False) from error
    return {
        "text": poem.text,
        "simplified": poem.simplified,
        "lines": poem.lines,
        "log_probs": list(poem.log_probs),
        "seed": poem.seed,
        "form": poem.form,
    }


def change_script(shown: tuple[str, int, int], script: str) -> tuple[str, str]:
    """The poem on the page in the other script; `shown` is its text, how much was given, and its seed."""
    text, given, seed = shown
    return poem_html(text, given, seed, script), plain_text(text, script)


def new_seed() -> int:
    """Another poem's seed."""
    return secrets.randbelow(1_000_000)


def show_scale(scale: str) -> gr.LinePlot:
    """The curves as loss or as perplexity."""
    return gr.LinePlot(curves.curve(log, scale), y_title=scale)


COPY = """(text) => {
  const done = () => {};
  if (navigator.clipboard && window.isSecureContext) { navigator.clipboard.writeText(text).then(done, done); }
  else {  // a page over plain http has no clipboard
    const box = document.createElement("textarea");
    box.value = text;
    document.body.appendChild(box);
    box.select();
    document.execCommand("copy");
    box.remove();
  }
  return [];
}"""


def facts_html() -> str:
    """The card's chief figures as a list."""
    rows = [("模型 Model", source), *facts(folder, model.num_parameters)]
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows)
    return f'<dl class="facts">{rows}</dl>'


def build() -> gr.Blocks:
    """The page, with a poem already on it."""
    first = model.generate(FIRST_START, form=FIRST_FORM, seed=FIRST_SEED)
    with gr.Blocks(title="唐詩 LSTM · Tang poems, character by character", fill_width=True) as page:
        gr.HTML(
            "<header><h1 lang='zh-Hant'>唐詩 LSTM</h1><p>一個字一個字寫唐詩的小模型。 "
            "A small neural network that writes Tang poems, one character at a time.</p></header>",
            elem_id="masthead",
        )
        shown = gr.State((first.text, len(FIRST_START), FIRST_SEED))
        with gr.Row(elem_id="columns"):
            with gr.Column(scale=4, min_width=280, elem_id="wishes"):
                with gr.Column(elem_id="opening"):
                    start = gr.Textbox(
                        FIRST_START,
                        label="起首 Start",
                        info="一字或數字，可留空 · one character or more, or none",
                        max_length=MAX_TYPED,
                        lines=1,
                        elem_id="start",
                    )
                    with gr.Row():
                        button = gr.Button("寫一首 Write", variant="primary", elem_id="write", min_width=120)
                        another = gr.Button("再來一首 Another", elem_id="another", min_width=120)
                with gr.Column(elem_id="settings"):
                    form = gr.Radio([ANY_FORM, *FORMS], value=FIRST_FORM, label="詩體 Form")
                    temperature = gr.Slider(
                        0,
                        1.5,
                        0.8,
                        step=0.05,
                        label="溫度 Temperature",
                        info="低則穩，高則奇 · low: steady, high: strange",
                    )
                    top_k = gr.Slider(
                        1,
                        200,
                        40,
                        step=1,
                        label="候選字數 Top-k",
                        info="每步從最可能的 k 字中選 · from the k likeliest",
                    )
                    with gr.Row():
                        seed = gr.Number(
                            FIRST_SEED,
                            label="種子 Seed",
                            precision=0,
                            minimum=0,
                            maximum=MAX_SEED,
                            min_width=110,
                        )
                        script = gr.Radio(
                            [TRADITIONAL, SIMPLIFIED], value=TRADITIONAL, label="字體 Script", min_width=150
                        )
            with gr.Column(scale=5, min_width=280, elem_id="writing"):
                poem = gr.HTML(
                    poem_html(first.text, len(FIRST_START), FIRST_SEED, TRADITIONAL), elem_id="poem"
                )
                notice = gr.HTML(notice_html(), elem_id="notice")
                plain = gr.Textbox(
                    plain_text(first.text, TRADITIONAL),
                    label="文字 Text",
                    lines=3,
                    interactive=False,
                    elem_id="plain",
                )
                copy = gr.Button("複製 Copy", size="sm", elem_id="copy")
            with gr.Column(scale=5, min_width=280, elem_id="learning"):
                gr.HTML("<h2 class='rubric'>它怎樣學會的 · How it learned</h2>")
                scale = gr.Radio(
                    [curves.LOSS, curves.PERPLEXITY], value=curves.LOSS, show_label=False, label="Scale"
                )
                plot = gr.LinePlot(
                    curves.curve(log, curves.LOSS),
                    x="epoch",
                    y="value",
                    color="split",
                    x_title="輪 epoch",
                    y_title=curves.LOSS,
                    color_title=" ",
                    color_map={curves.TRAIN: "#8a7f6d", curves.VALID: "#c8452f"},
                    x_axis_format="d",
                    show_label=False,
                    label="Training curves",
                    elem_id="curves",
                )
                gr.HTML(f'<p class="curve-note">{escape(curves.summary(log))}</p>')
                gr.HTML("<h2 class='rubric'>這個模型 · This model</h2>" + facts_html(), elem_id="facts")

        inputs = [start, form, temperature, top_k, seed, script]
        outputs = [poem, plain, notice, shown]
        gr.on(
            [button.click, start.submit], write, inputs, outputs, api_name="generate", show_progress="hidden"
        )
        another.click(new_seed, None, seed, api_visibility="private", show_progress="hidden").then(
            write, inputs, outputs, api_visibility="private", show_progress="hidden"
        )
        script.change(
            change_script,
            [shown, script],
            [poem, plain],
            api_visibility="private",
            show_progress="hidden",
        )
        scale.change(show_scale, scale, plot, api_visibility="private", show_progress="hidden")
        copy.click(None, plain, None, js=COPY, api_visibility="private")
        gr.api(write_poem, api_name="write_poem")
    return page


demo = build()


def main() -> None:
    """Serves the page on this machine."""
    parser = argparse.ArgumentParser(
        description="Opens the page. Another model: POET_MODEL=folder-or-hub-id python app.py"
    )
    parser.add_argument("--port", type=int, help="default: 7860, or the next one that is free")
    parser.add_argument("--open", action="store_true", help="open it in the browser")
    options = parser.parse_args()
    try:
        demo.queue(max_size=64, default_concurrency_limit=2).launch(
            server_port=options.port,
            inbrowser=options.open,
            theme=theme.theme(),
            css=theme.CSS,
            ssr_mode=False,
            run_history=False,
            footer_links=["api", "settings"],
        )
    except OSError as error:
        sys.exit(f"error: the page cannot be served: {error}")


if __name__ == "__main__":
    main()
