"""Serves the page, as `python app.py` or as a Gradio Space. The work is done in poet_model/ui/serve.py."""

from __future__ import annotations

import signal
import sys
import threading

from poet_model.errors import command
from poet_model.ui.serve import make_page, read_options, serve

# `gradio app.py` reruns this file in another thread on every change; such a rerun must only build the page.
is_program = __name__ == "__main__" and threading.current_thread() is threading.main_thread()


@command
def main() -> None:
    """Builds the page, and serves it if this file is the program."""
    global demo  # a Gradio Space and the command `gradio app.py` look for this name
    options = None
    if is_program:  # before any slow import
        options = read_options(sys.argv[1:], "python app.py")
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback on Ctrl-C during imports
    demo = make_page(options and options.model)
    if options:
        serve(demo, options)


if status := main():
    sys.exit(status)
