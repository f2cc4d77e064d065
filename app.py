"""Serves the page, as `python app.py` or as a Gradio Space. The page itself is built in poet_model/ui."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

from poet_model.errors import InvalidValueError, command
from poet_model.hub.network import check_environment
from poet_model.ui.address import check_address, reach_own_page

# This must be set before gradio is imported; otherwise gradio sends usage statistics to its makers.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
# And this before torch: poems are written side by side, each by one thread; more would wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def read_arguments() -> argparse.Namespace:
    """The options of the command line.

    Raises:
        InvalidValueError: the requested port is not available.
    """
    parser = argparse.ArgumentParser(
        description="Serve the page on this machine. To use another model: POET_MODEL=folder-or-hub-id "
        "python app.py. To let other machines see the page: GRADIO_SERVER_NAME=0.0.0.0 python app.py"
    )
    parser.add_argument("--port", type=int, help="default: 7860, or the next free port")
    parser.add_argument("--open", action="store_true", help="open the page in the browser")
    arguments = parser.parse_args()
    check_address(arguments.port)
    return arguments


def make_page():
    """The page as gradio.Blocks.

    Raises:
        PoetError: there is no model to show.
    """
    check_environment()  # gradio imports huggingface_hub, which reads them
    from poet_model import PoetModel
    from poet_model.hub.fetch import find_folder
    from poet_model.ui.poet import load_poet

    def open_model(name_or_path: str | Path) -> tuple[Path, PoetModel]:
        folder = find_folder(name_or_path)
        return folder, PoetModel.from_pretrained(folder)

    poet = load_poet(Path(__file__).parent, open_model)
    reach_own_page()  # after the Hub was reached, through a proxy if there is one
    from poet_model.ui.page import build  # imports gradio

    return build(poet)


def serve(arguments: argparse.Namespace) -> None:
    """Serves the page on this machine until Ctrl-C is pressed.

    Raises:
        InvalidValueError: no port is free.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        demo.launch(server_port=arguments.port, inbrowser=arguments.open)
    except (OSError, OverflowError) as error:  # OverflowError: the next free port would be above 65535
        reason = str(error).split(". ")[0]  # the first sentence only; the rest is Gradio's own advice
        raise InvalidValueError(
            f"the page cannot be served: {reason}; give a free port with --port"
        ) from error


# `gradio app.py` reruns this file in another thread on every change; such a rerun must only build the page.
is_program = __name__ == "__main__" and threading.current_thread() is threading.main_thread()


@command
def main() -> None:
    """Builds the page, and serves it if this file is the program."""
    global demo  # a Gradio Space and the command `gradio app.py` look for this name
    if is_program:  # before any slow import
        arguments = read_arguments()
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback on Ctrl-C during imports
    demo = make_page()
    if is_program:
        serve(arguments)


if status := main():
    sys.exit(status)
