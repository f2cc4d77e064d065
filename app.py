"""Serves the page, as `python app.py` or as a Gradio Space. The page itself is built in poet_model/ui."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import threading
from pathlib import Path

# This must be set before gradio is imported; otherwise gradio sends usage statistics to its makers.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")


def read_arguments() -> argparse.Namespace:
    """The options of the command line. Exits with an error message if the requested port is not available."""
    parser = argparse.ArgumentParser(
        description="Serve the page. To use another model: POET_MODEL=folder-or-hub-id python app.py"
    )
    parser.add_argument("--port", type=int, help="default: 7860, or the next free port")
    parser.add_argument("--open", action="store_true", help="open the page in the browser")
    arguments = parser.parse_args()
    if arguments.port is not None:
        check_port(arguments.port)
    return arguments


def check_port(port: int) -> None:
    """Exits with an error message if the page cannot be served at this port."""
    if not 1 <= port <= 65535:
        sys.exit(f"error: --port must be a number from 1 to 65535, such as 7860; got {port}")
    with socket.socket() as probe:
        # The server sets SO_REUSEADDR too. On Windows the option would let us bind a port that is in use.
        if os.name != "nt":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            sys.exit(
                f"error: port {port} cannot be used ({error.strerror}); give another --port, or omit it "
                "to use the next free port"
            )


def make_page():
    """The page as gradio.Blocks. Exits with an error message if there is no model to show."""
    from poet_model import PoetError, PoetModel
    from poet_model.hub.fetch import find_folder
    from poet_model.ui.page import build
    from poet_model.ui.poet import load_poet

    def open_model(name_or_path: str | Path) -> tuple[Path, PoetModel]:
        folder = find_folder(name_or_path)
        return folder, PoetModel.from_pretrained(folder)

    try:
        return build(load_poet(Path(__file__).parent, open_model))
    except PoetError as error:
        sys.exit(f"error: {error}")


def serve(arguments: argparse.Namespace) -> None:
    """Serves the page on this machine until Ctrl-C is pressed."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        demo.queue(max_size=64, default_concurrency_limit=2).launch(
            server_port=arguments.port, inbrowser=arguments.open
        )
    except KeyboardInterrupt:  # during startup; once the page is served, Gradio handles Ctrl-C
        sys.exit(130)
    except OSError as error:
        reason = str(error).split(". ")[0]  # the first sentence only; the rest is Gradio's own advice
        sys.exit(f"error: the page cannot be served: {reason}; give a free port with --port")


# `gradio app.py` reruns this file in another thread on every change; such a rerun must only build the page.
is_program = __name__ == "__main__" and threading.current_thread() is threading.main_thread()

if is_program:  # before any slow import
    arguments = read_arguments()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback on Ctrl-C during imports

demo = make_page()  # a Gradio Space and the command `gradio app.py` look for this name

if is_program:
    serve(arguments)
