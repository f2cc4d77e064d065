"""app.py, run as a separate process as users run it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
from conftest import ROOT

APP = [sys.executable, str(ROOT / "app.py")]


def run_app(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [*APP, *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=os.environ | environment,
        timeout=120,
    )


@pytest.mark.parametrize(
    "surroundings",
    [
        {},
        {"HTTP_PROXY": "http://127.0.0.1:9", "ALL_PROXY": "socks5://127.0.0.1:9", "NO_PROXY": "a.example"},
        {"HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": "", "PYTHONIOENCODING": "cp1252"},
    ],
    ids=["usual", "socks", "proxy"],
)
def test_the_page_of_a_model_of_ones_own_is_served_until_ctrl_c(tiny_model, tmp_path, surroundings):
    """The model folder even has the same name as the bundled model. No proxy keeps the page from opening."""
    tiny_model.save_pretrained(tmp_path / "tang-lstm")
    environment = os.environ | {"POET_MODEL": "tang-lstm", "POET_CACHE": str(tmp_path / "cache")}
    environment |= surroundings
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "encoding": "utf-8"}
    with subprocess.Popen(APP, cwd=tmp_path, env=environment, **pipes) as server:
        output = ""
        try:
            # into a pipe, too, it says at once where the page is
            while not (address := re.search(r"the page is at (http://[\d.]+:\d+)/ until Ctrl-C", output)):
                output += (line := server.stdout.readline())
                assert line, output
            with urllib.request.urlopen(address[1], timeout=30) as answer:
                html = answer.read().decode("utf-8")
            assert f"{tiny_model.num_parameters:,}" in html and "唐詩 LSTM" in html
            assert str(tmp_path) not in html and str(ROOT) not in html
            for path in ("run/write_poem", "upload"):  # the page is guarded
                with pytest.raises(urllib.error.HTTPError, match="404"):
                    urllib.request.urlopen(f"{address[1]}/gradio_api/{path}", data=b"{}", timeout=30)
            server.send_signal(signal.SIGINT)
            output += server.stdout.read()
            assert server.wait(timeout=30) == 0 and output.endswith("\nstopped\n")
        finally:
            server.kill()
    assert "Traceback" not in output


def test_the_module_has_the_page_as_demo():
    """A Gradio Space and the command `gradio app.py` look for this name. An import serves nothing."""
    code = "import app, gradio; print(isinstance(app.demo, gradio.Blocks), app.demo.is_running)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.stdout.split() == ["True", "False"], done.stderr


def test_the_command_that_reloads_it_runs_the_file_again_in_a_thread():
    """`gradio app.py` does this. The file must not read arguments or serve, and sets `demo` to a new page."""
    code = (
        "import threading; names = {'__name__': '__main__', '__file__': 'app.py'}\n"
        "source = open('app.py', encoding='utf-8').read()\n"
        "thread = threading.Thread(target=exec, args=(source, names)); thread.start(); thread.join()\n"
        "print(type(names['demo']).__name__, names['demo'].is_running)"
    )
    command = [sys.executable, "-c", code, "--port", "99999"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", timeout=120)
    assert done.stdout.split() == ["Page", "False"] and done.stderr == "", done.stderr


def test_a_model_that_is_not_there_is_one_sentence(tmp_path):
    done = run_app(POET_MODEL=str(tmp_path / "none"), HF_HUB_OFFLINE="1")
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].startswith("error: the page has no model to show")
    assert "Traceback" not in done.stderr


def test_an_address_of_another_machine_is_one_sentence():
    done = run_app("--host", "300.1.1.1")
    assert done.returncode == 2
    assert done.stderr.startswith("error: --host must be a name or an IPv4 address of this machine")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("port", ["99999", "0", "-1"])
def test_a_number_that_is_no_port_is_one_sentence(port):
    done = run_app(f"--port={port}")
    assert done.returncode == 2
    assert done.stderr == f"error: --port must be a number from 1 to 65535, such as 7860; got {port}\n"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GRADIO_SERVER_PORT", "abc"),
        ("GRADIO_SERVER_PORT", "70000"),
        ("GRADIO_NUM_PORTS", ""),
        ("GRADIO_DEBUG", "True"),
        ("HF_HUB_DOWNLOAD_TIMEOUT", "1.5"),
        ("HF_HUB_ETAG_TIMEOUT", "-2"),
        ("GRADIO_SERVER_NAME", "no.such.name.invalid"),
    ],
)
def test_a_variable_that_gradio_cannot_read_is_one_sentence(name, value):
    done = run_app(**{name: value})
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: the environment variable {name} must be ")
    assert repr(value).strip("'") in done.stderr and done.stderr.count("\n") == 1


def test_a_port_that_is_taken_is_one_sentence():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run_app("--port", str(port))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and f"error: port {port} cannot be used (" in done.stderr
    assert done.stderr.endswith("; give another --port, or omit it to use the next free port\n")


def test_no_free_port_at_all_is_one_sentence(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = run_app(GRADIO_SERVER_PORT=port, GRADIO_NUM_PORTS="1", POET_CACHE=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1] == (
        f"error: the page cannot be served: Cannot find empty port in range: {port}-{port}; give a free port "
        "with --port"
    )
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
@pytest.mark.parametrize("slow", ["torch", "gradio"])
def test_ctrl_c_while_something_slow_is_imported_leaves_no_traceback(tmp_path, slow):
    stub = "import time\nprint('importing', flush=True)\ntime.sleep(60)\n"
    (tmp_path / f"{slow}.py").write_text(stub, encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(APP, env=environment, **pipes) as page:
        assert page.stdout.readline() == "importing\n"
        page.send_signal(signal.SIGINT)
        _, errors = page.communicate(timeout=30)
    assert page.returncode == -signal.SIGINT and errors == ""
