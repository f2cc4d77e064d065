"""The page: `python app.py`, or a Gradio Space. Lays out parts and passes wishes on; knows no poetry."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # before gradio is imported: no call home

import gradio as gr

from poet_model import PoetError, PoetModel
from poet_model.hub.card import facts
from poet_model.hub.fetch import find_folder
from poet_model.novelty.index import NoveltyIndex, default_folder
from poet_model.ui import controls, curves, theme
from poet_model.ui.controls import TRADITIONAL
from poet_model.ui.poem import advice, notice_html, plain_text, poem_html
from poet_model.ui.report import novelty_record, report_html, report_record
from poet_model.ui.wishes import ANY_FORM, MAX_BEST_OF, MAX_TYPED, RHYME, TONES, wishes_of

BUNDLED = Path(__file__).parent / "assets" / "tang-lstm"
HUB_MODEL = ""  # in a Space that poet_model.hub makes: the Hub id of the model to show
# what the controls say at first: with the poem of these wishes the page opens
FIRST = {"start": "春", "form": "五絕", "temperature": 0.8, "top_k": 40, "seed": 26}
FIRST |= {"rules": [RHYME, TONES], "best_of": 4}


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


def open_index() -> NoveltyIndex | None:
    """The index of 全唐詩, if somebody has built it here."""
    try:
        return NoveltyIndex.load(default_folder())
    except PoetError as error:
        if default_folder().exists():  # that it is not there is no news
            print(f"note: the page does not look poems up: {error}", file=sys.stderr)
    return None


source, folder, model = load()
log = curves.log_table(folder)
known_lines = open_index()


def write(
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
    original: bool = False,
) -> Iterator[tuple]:
    """Writes one poem as the page shows it: vertical, as text, a notice, and what `change_script` needs.

    Args:
        start: the first characters, in either script; may be empty.
        form: 五絕 七絕 五律 七律, or 不限 any.
        temperature: 0 takes the likeliest character every time.
        top_k: how many of the likeliest characters to draw from.
        seed: writes the same poem again.
        script: 繁體 or 簡體.
        title: what to write about; may be empty.
        author: a poet in whose manner to write; may be empty.
        rules: `rhyme` and `tones`, to be kept where there is a form.
        acrostic: 2 to 8 characters that the lines begin with; may be empty.
        best_of: how many candidates to write of each line, where there is a form.
        original: whether no line may stand in 全唐詩, where the page has an index of it.
    """
    wishes = (start, form, temperature, top_k, seed, title, author, rules, acrostic, best_of, original)
    try:
        wishes = wishes_of(*wishes, known_lines)
        text, given, seed = "", 0, wishes["seed"]
        heads = len(model.tokenizer.normalize(wishes["acrostic"]))
        for piece in model.stream(**wishes):
            if not text and wishes["start"]:
                given = len(piece)  # the first piece is the start, with the line ends it lacked
            text += piece
            html = poem_html(text, given, seed, script, is_finished=False, heads=heads)
            yield html, gr.skip(), notice_html(), gr.skip()
        shown = (text, given, seed, heads)
        html, plain = change_script(shown, script)
        yield html, plain, notice_html(), shown
    except PoetError as error:
        yield gr.skip(), gr.skip(), notice_html(advice(error), is_advice=True), gr.skip()


def change_script(shown: tuple[str, int, int, int], script: str) -> tuple[str, str]:
    """A finished poem with its report, and as text, in one of the scripts.

    `shown` is its text, how much of it was given, its seed, and how many heads of lines were given.
    """
    text, given, seed, heads = shown
    matches = known_lines.find(text) if known_lines else None
    html = poem_html(text, given, seed, script, heads=heads) + report_html(text, script, matches)
    return html, plain_text(text, script)


def write_poem(
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
) -> dict:
    """Writes a Tang poem and returns its text, lines, log-probabilities, seed, form, report and novelty.

    Args:
        start: the first characters, in either script; may be empty.
        form: 五絕 七絕 五律 七律, or empty for any.
        temperature: 0 takes the likeliest character every time.
        top_k: how many of the likeliest characters to draw from; 0 means all.
        seed: writes the same poem again; -1 draws one.
        author: a poet in whose manner to write; may be empty.
        title: what to write about; may be empty.
        rhyme: true, or a group of 平水韻 such as 東 or 一東; needs a form.
        tones: true for regular 平仄, or one of the levels L0, L1, L2; needs a form.
        acrostic: 2 to 8 characters that the lines begin with; may be empty.
        best_of: how many candidates to write of each line, 1 to 16; more than one needs a form.
        telestich: 2 to 8 characters that the lines end with; may be empty.
        original: whether no line may stand in 全唐詩; needs the index.
    """
    wishes = {"form": form, "temperature": temperature, "top_k": top_k, "author": author, "title": title}
    wishes |= {"rhyme": rhyme, "tones": tones, "acrostic": acrostic, "telestich": telestich}
    wishes |= {"best_of": best_of, "original": known_lines if original is True and known_lines else original}
    try:
        if isinstance(best_of, int) and best_of > MAX_BEST_OF:
            raise PoetError(f"best_of goes from 1 to {MAX_BEST_OF} here, got {best_of}")
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
        "report": report_record(poem.text),
        "novelty": novelty_record(known_lines.find(poem.text)) if known_lines else None,
    }


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


def first_poem() -> tuple[dict, tuple]:
    """FIRST, or as much of it as a model of few characters can do, and what `write` shows for it."""
    for less in ({}, {"rules": []}, {"form": ANY_FORM}, {"form": ANY_FORM, "start": ""}):
        wishes = FIRST | less
        *_, (html, plain, notice, shown) = write(**wishes, script=TRADITIONAL)
        if isinstance(shown, tuple):
            break
    else:
        sys.exit(f"error: the model of the page writes no poem: {notice}")
    return wishes, (html, plain, notice, shown)


def build() -> gr.Blocks:
    """The page, with a poem already on it."""
    first, (html, plain_first, _, shown_first) = first_poem()
    with controls.Page(title="唐詩 LSTM · Tang poems, character by character", fill_width=True) as page:
        gr.HTML(
            "<header><h1 lang='zh-Hant'>唐詩 LSTM</h1><p>一個字一個字寫唐詩的小模型。 "
            "A small neural network that writes Tang poems, one character at a time.</p></header>",
            elem_id="masthead",
        )
        shown = gr.State(shown_first)
        with gr.Row(elem_id="columns"):
            with gr.Column(scale=4, min_width=280, elem_id="wishes"):
                with gr.Column(elem_id="opening"):
                    start = gr.Textbox(
                        first["start"],
                        label="起首 Start",
                        info="一字或數字，可留空 · one character or more, or none",
                        max_length=MAX_TYPED,
                        lines=1,
                        elem_id="start",
                    )
                    with gr.Row():
                        button = gr.Button("寫一首 Write", variant="primary", elem_id="write", min_width=120)
                        another = gr.Button("再來一首 Another", elem_id="another", min_width=120)
                settings = controls.settings(first, model.tokenizer.authors, known_lines is not None)
            with gr.Column(scale=5, min_width=280, elem_id="writing"):
                poem = gr.HTML(html, elem_id="poem")
                notice = gr.HTML(notice_html(), elem_id="notice")
                plain = gr.Textbox(
                    plain_first, label="文字 Text", lines=2, interactive=False, elem_id="plain"
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
                    x_axis_format="d" if log["epoch"].max() >= 2 else ".2f",
                    show_label=False,
                    label="Training curves",
                    elem_id="curves",
                )
                gr.HTML(f'<p class="curve-note">{escape(curves.summary(log))}</p>')
                gr.HTML("<h2 class='rubric'>這個模型 · This model</h2>" + facts_html(), elem_id="facts")

        inputs = [start, *settings.values()]
        # nothing is checked before `write`: it answers a raw request with a sentence too
        as_it_is = {"preprocess": False, "show_progress": "hidden"}
        outputs = [poem, plain, notice, shown]
        gr.on([button.click, start.submit], write, inputs, outputs, api_name="generate", **as_it_is)
        another.click(
            new_seed, None, settings["seed"], api_visibility="private", show_progress="hidden"
        ).then(write, inputs, outputs, api_visibility="private", **as_it_is)
        settings["script"].change(
            change_script,
            [shown, settings["script"]],
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
