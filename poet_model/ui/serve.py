"""`poet app` and `python app.py`: loads the model, builds the page and serves it on this machine."""

from __future__ import annotations

import argparse
import importlib.util
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..command_parser import new_parser
from ..errors import InvalidValueError, command
from ..hub.network import check_environment
from ..hub.project import project_folder
from .address import check_address, reach_own_page

if TYPE_CHECKING:
    from .page import Page
    from .poet import Model

# This must be set before gradio is imported; otherwise gradio sends usage statistics to its makers.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
# And this before numpy and torch: poems are written side by side, each by one thread; more would wait for
# each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

EXAMPLES = """examples:
  {prog} --open
  {prog} --model runs/tang-lstm --port 8000
  {prog} --host 0.0.0.0"""


def make_parser(prog: str = "poet app") -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = new_parser(
        prog,
        "Serve the page on this machine until Ctrl-C is pressed.",
        EXAMPLES,
        usage=f"{prog} [OPTIONS]",
    )
    add = parser.add_argument
    add(
        "--model",
        metavar="MODEL",
        help="a model folder or a Hub id (default: the variable POET_MODEL, else the shipped model)",
    )
    add(
        "--host",
        metavar="ADDRESS",
        help="address to serve at; 0.0.0.0 lets other machines see the page (default: the variable "
        "GRADIO_SERVER_NAME, else 127.0.0.1)",
    )
    add("--port", type=int, help="port to serve at (default: 7860, or the next free one)")
    add("--open", action="store_true", help="open the page in the browser")
    return parser


def read_options(words: Sequence[str] | None, prog: str) -> argparse.Namespace:
    """The options of the command line.

    Raises:
        InvalidValueError: the requested address or port is not available.
    """
    options = make_parser(prog).parse_args(words)
    check_address(options.port, options.host)
    if options.host is not None:  # gradio reads this variable when it is imported
        os.environ["GRADIO_SERVER_NAME"] = options.host
    return options


def make_page(model: str | None = None) -> Page:
    """The page as gradio.Blocks.

    Args:
        model: a model folder or a Hub id; None shows the default one, see `load_poet`.

    Raises:
        PoetError: there is no model to show.
        ModuleNotFoundError: gradio is not installed.
    """
    if importlib.util.find_spec("gradio") is None:  # before it takes time to load the model
        raise ModuleNotFoundError("gradio is not installed", name="gradio")
    check_environment()  # gradio imports huggingface_hub, which reads them
    from .poet import load_poet

    poet = load_poet(project_folder(), open_model, model)
    reach_own_page()  # after the Hub was reached, through a proxy if there is one
    from .page import build  # imports gradio

    return build(poet)


def open_model(name_or_path: str | Path) -> tuple[Path, Model]:
    """A model and its folder on this machine."""
    from ..hub.fetch import find_folder
    from ..loading import load

    folder = find_folder(name_or_path)
    return folder, load(folder)


def serve(demo: Page, options: argparse.Namespace) -> None:
    """Serves the page on this machine until Ctrl-C is pressed.

    Raises:
        InvalidValueError: no port is free.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        demo.launch(server_port=options.port, inbrowser=options.open, quiet=True, prevent_thread_lock=True)
    except (OSError, OverflowError) as error:  # OverflowError: the next free port would be above 65535
        reason = str(error).split(". ")[0]  # the first sentence only; the rest is Gradio's own advice
        raise InvalidValueError(
            f"the page cannot be served: {reason}; give a free port with --port"
        ) from error
    try:
        print(f"the page is at {demo.local_url} until Ctrl-C is pressed", flush=True)  # also into a file
        while True:
            time.sleep(1)  # which Ctrl-C interrupts, on Windows too
    except KeyboardInterrupt:
        demo.close(verbose=False)
        print("\nstopped", file=sys.stderr)


@command
def main(words: Sequence[str] | None = None, prog: str = "poet app") -> None:
    """Builds the page and serves it."""
    options = read_options(words, prog)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback on Ctrl-C during imports
    serve(make_page(options.model), options)
