"""Pastes the snippets of a document one after another, in one process and one namespace.

    python tests/paste.py FOLDER < steps.json

FOLDER is a copy of the project, in which a reader would paste them. The steps are those of
pasted_documents.plan. Programs of the project run in this process, so that torch is imported once.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import io
import json
import os
import re
import runpy
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
import tomllib
import traceback
import urllib.request
from pathlib import Path

from pasted_documents import plan, printed

PAGE = "127.0.0.1:7860"  # where the page is, in the documents


class Accepted(Exception):
    """A parser has accepted its arguments."""


class Reader:
    """Someone who pastes everything, in order."""

    def __init__(self):
        self.namespace: dict = {"__name__": "__main__"}
        self.pages: dict[str, subprocess.Popen] = {}  # by their addresses
        self.page = PAGE
        self.failed: list[str] = []
        self.seconds: list[tuple] = []

    def paste(self, step: dict) -> None:
        """Pastes one step."""
        if step["kind"] == "python":
            if step["run"] is not None:
                code = step["run"].replace(PAGE, self.page)
                if code != step["run"]:
                    answer(self.page, self.pages[self.page])
                exec(compile(code, step["where"], "exec"), self.namespace)
        elif step["kind"] == "shell":
            self.shell(step["text"], step["run"], step.get("status", 0))
        elif step["kind"] == "document":  # one that an earlier step has written
            self.paste_all(plan(Path(step["text"]).read_text(encoding="utf-8"), step["where"]))

    def paste_all(self, steps: list[dict]) -> None:
        """Pastes the steps in order, and after each what it has printed to be pasted."""
        for step in steps:
            said, started, length = io.StringIO(), time.process_time(), len(self.failed)
            try:
                with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                    self.paste(step)
            except BaseException:
                shown = f"{said.getvalue()[-2000:]}\n{traceback.format_exc(limit=-3)}"
                self.failed.append(f"{step['where']}: {step['text']}\n{shown}")
            seconds = round(time.process_time() - started, 2)
            self.seconds.append((seconds, step["where"], (step["run"] or "-")[:60]))
            if len(self.failed) == length and not step["where"].startswith("printed"):
                self.paste_all(printed(said.getvalue()))
                if step.get("mended"):  # the message said what to do first, and it is done
                    self.paste_all([step | {"status": 0, "mended": False}])

    def shell(self, text: str, run: str | None, status: int) -> None:
        """Checks the options of a command, and runs it; it must end with this exit status."""
        words = shlex.split(text)
        if program := own_program(words):
            check_paths_and_options(program)
        if run is None:
            return
        words = shlex.split(run)
        environment = {}
        while name := re.match(r"([A-Z_]+)=(.*)", words[0]):
            environment[name[1]] = name[2]
            words = words[1:]
        if words[:2] == ["python", "app.py"]:
            self.open_page(words[1:], environment)
        elif program := own_program(words):
            if "--resume" in program:
                interrupt([word for word in program if word != "--resume"])
            run_program(program, (status,))
        elif words[0] == "make":
            check_make(words)
        elif words[0] == "pip":
            check_pip(words)
        else:
            poet = f'poet() {{ {shlex.quote(sys.executable)} -m poet_model "$@"; }}; '
            done = subprocess.run(["bash", "-c", poet + run], capture_output=True, encoding="utf-8")
            if done.returncode:
                raise RuntimeError(f"exit status {done.returncode}: {done.stdout}{done.stderr}")

    def open_page(self, words: list[str], environment: dict[str, str]) -> None:
        """Serves the page until the end, at a free port; it may answer later."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [sys.executable, *words, "--port", str(port)]
        self.page = f"127.0.0.1:{port}"
        self.pages[self.page] = subprocess.Popen(
            command, env=os.environ | environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )

    def close(self) -> None:
        """Ends the pages, each of which must have answered."""
        for address, process in self.pages.items():
            try:
                answer(address, process)
            except RuntimeError as error:
                self.failed.append(str(error))
            process.terminate()
            process.wait()


def answer(address: str, process: subprocess.Popen) -> None:
    """Waits until a page answers."""
    until = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < until:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://{address}/", timeout=5).close()
            return
        time.sleep(0.1)
    raise RuntimeError(f"the page does not answer: {process.poll()}")


def own_program(words: list[str]) -> list[str] | None:
    """The program of this project in a command, with its arguments; None if there is none."""
    if words[0] == "poet" and "|" not in words:
        return ["-m", "poet_model", *words[1:]]
    for place, word in enumerate(words):
        if word.endswith(".py"):
            return words[place:]
        if word == "-m" and words[place + 1].startswith("poet_model"):
            return words[place:]
    return None


def check_paths_and_options(program: list[str]) -> None:
    """Raises an error unless the program is there and its parser accepts the arguments."""
    script, *arguments = program[1:] if program[0] == "-m" else program
    if program[0] != "-m" and not Path(script).is_file():
        raise RuntimeError(f"there is no {script}")
    if script == "poet_model" and len(arguments) == 1:  # names a command
        return
    if not arguments or script.endswith("install_browser.py") or "--help" in arguments or "::" in script:
        return
    parse = argparse.ArgumentParser.parse_args

    def accept(self, *given):
        options = parse(self, *given)
        if self.prog == "poet":  # it has read the first word; the command's own parser comes next
            return options
        raise Accepted

    argparse.ArgumentParser.parse_args = accept
    try:
        with contextlib.suppress(Accepted):
            run_program(program)
            raise RuntimeError("no parser has read its arguments")
    finally:
        argparse.ArgumentParser.parse_args = parse
    if script == "train.py" and "--preset" in arguments:
        from poet_model.training.presets import load_preset

        load_preset(arguments[arguments.index("--preset") + 1])


def run_program(program: list[str], statuses: tuple = (0,)) -> int:
    """Runs a program as `python` would, in this process, and returns its exit status."""
    before, path, handlers = sys.argv, list(sys.path), {}
    for number in (signal.SIGINT, signal.SIGTERM):
        handlers[number] = signal.getsignal(number)
    try:
        if program[0] == "-m":
            sys.argv = program[1:]
            runpy.run_module(program[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = program
            sys.path.insert(0, str(Path(program[0]).resolve().parent))
            runpy.run_path(program[0], run_name="__main__")
        status = 0
    except SystemExit as ended:
        status = ended.code or 0
    finally:
        sys.argv, sys.path[:] = before, path
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if "accelerate" in sys.modules:
            from accelerate.state import AcceleratorState, GradientState

            AcceleratorState._reset_state(True)
            GradientState._reset_state()
    if status not in statuses:
        raise RuntimeError(f"exit status {status}")
    return status


def interrupt(program: list[str]) -> None:
    """Runs a training and presses Ctrl-C after its first checkpoint."""
    output = program[program.index("--output") + 1] if "--output" in program else "runs/tang-lstm"
    checkpoint, done = Path(output) / "checkpoint", threading.Event()

    def press() -> None:
        while not done.wait(0.005):
            if checkpoint.is_dir():
                os.kill(os.getpid(), signal.SIGINT)
                return

    thread = threading.Thread(target=press)
    thread.start()
    try:
        run_program(program, statuses=(130,))
    finally:
        done.set()
        thread.join()


def check_make(words: list[str]) -> None:
    """Raises an error unless make knows the target and its recipe names files that exist."""
    done = subprocess.run(["make", "-n", *words[1:]], capture_output=True, encoding="utf-8")
    if done.returncode:
        raise RuntimeError(done.stderr)
    for word in done.stdout.split():
        if word.endswith((".py", ".txt")) and not Path(word).is_file():
            raise RuntimeError(f"{shlex.join(words)} needs {word}, which does not exist")


def check_pip(words: list[str]) -> None:
    """Raises an error unless what pip should install is there: files, extras, or packages."""
    assert words[:2] == ["pip", "install"], words
    extras = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    rest = iter(words[2:])
    for word in rest:
        if word == "-r":
            Path(next(rest)).read_text(encoding="utf-8")
        elif own := re.fullmatch(r"(?:\.|poet-model|poet_model-.*\.whl)(?:\[(\w+)\])?", word):
            if own[1]:
                extras["optional-dependencies"][own[1]]
        else:
            importlib.metadata.version(word)


def main() -> None:
    """Pastes all steps and prints a list of those that failed, as JSON."""
    os.chdir(sys.argv[1])
    sys.path[0] = str(Path.cwd())
    reader = Reader()
    reader.paste_all(json.load(sys.stdin))
    reader.close()
    print(json.dumps({"failed": reader.failed, "seconds": reader.seconds}))


if __name__ == "__main__":
    main()
