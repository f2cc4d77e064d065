"""Commands on terminals of all kinds, as processes: what they print, write and return is the same."""

from __future__ import annotations

import ast
import io
import os
import subprocess
import sys

import pytest
from conftest import POEMS, ROOT, SHIPPED

from poet_model import terminal

LOCALE_C = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
PROGRAM = """
import argparse, sys, warnings
from pathlib import Path
from poet_model.errors import InvalidValueError, command

@command
def main():
    parser = argparse.ArgumentParser(description="寫詩，≤ 八句 …")
    parser.add_argument("text")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--lines", type=int, default=1)
    options = parser.parse_args()
    for _ in range(options.lines):
        print(f"{options.text} ≤ Ž 诗 詩 …")
    warnings.warn("舊 é")
    if options.folder:
        (options.folder / f"{options.text}.txt").write_text(options.text, encoding="utf-8")
    if options.text == "錯":
        raise InvalidValueError("「錯」 ≠ 對 é")

if __name__ == "__main__":
    sys.exit(main())
"""
posix = pytest.mark.skipif(os.name == "nt", reason="needs POSIX")


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    path = tmp_path_factory.mktemp("詩 與 程式") / "寫.py"
    path.write_text(PROGRAM, encoding="utf-8")
    return path


def run(*command: object, environment: dict | None = None, **options) -> subprocess.CompletedProcess:
    """Runs Python with bytes as output, since the encoding is what is tested."""
    environment = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | (environment or {})
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.run(
        [sys.executable, *map(str, command)], env=os.environ | environment, cwd=ROOT, timeout=120, **pipes
    )


def unescaped(text: bytes, encoding: str) -> str:
    """Text with the escapes of backslashreplace resolved; the encoding is strict."""
    kept = text.decode(encoding).encode("ascii", "backslashreplace")
    return kept.decode("unicode_escape").replace("\r\n", "\n")


@pytest.mark.parametrize("text", ["春", "錯"])
@pytest.mark.parametrize("encoding", ["utf-8", "cp936", "cp950", "cp932", "cp1252", "ascii", "utf-16"])
def test_a_stream_of_any_encoding_says_the_same(program, encoding, text):
    done = run(program, text, environment={"PYTHONIOENCODING": encoding})
    assert done.returncode == (2 if text == "錯" else 0)
    assert unescaped(done.stdout, encoding) == f"{text} ≤ Ž 诗 詩 …\n"
    errors = unescaped(done.stderr, encoding)
    assert "舊 é" in errors and "Traceback" not in errors
    assert ("error: 「錯」 ≠ 對 é\n" in errors) is (text == "錯")


@pytest.mark.parametrize("wish", ["xmlcharrefreplace", "ignore", "replace"])
def test_what_the_user_wants_for_missing_characters_is_kept(program, wish):
    done = run(program, "春", environment={"PYTHONIOENCODING": f"cp1252:{wish}"})
    assert done.stdout.decode("cp1252") == "春 ≤ Ž 诗 詩 …\n".encode("cp1252", wish).decode("cp1252")


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_help_and_errors_of_the_options_are_shown(program, encoding):
    done = run(program, "--help", environment={"PYTHONIOENCODING": encoding})
    assert done.returncode == 0
    assert "寫詩，≤ 八句 …" in unescaped(done.stdout, encoding)
    done = run(program, "春", "--lines", "三", environment={"PYTHONIOENCODING": encoding})
    assert done.returncode == 2
    assert "invalid int value: '三'" in unescaped(done.stderr, encoding)


@posix
def test_arguments_and_file_names_are_chinese_in_the_locale_c(program, tmp_path):
    folder = tmp_path / "新 詩"
    folder.mkdir()
    done = run(program, "鳥", "--folder", folder, environment=LOCALE_C)
    assert (done.returncode, unescaped(done.stdout, "ascii")) == (0, "鳥 ≤ Ž 诗 詩 …\n")
    assert (folder / "鳥.txt").read_text(encoding="utf-8") == "鳥"


@posix
def test_an_argument_that_is_no_text_is_shown_by_its_bytes(program):
    done = run(program, os.fsdecode(b"a\xff"))
    assert (done.returncode, done.stdout) == (0, "a\\udcff ≤ Ž 诗 詩 …\n".encode())


@posix
@pytest.mark.parametrize(
    ("words", "statuses"),
    [("春", {141}), ("春 --lines 200000", {141}), ("--help", {0, 141})],  # argparse may ignore it
)
def test_a_reader_that_has_enough_ends_it_quietly(program, words, statuses):
    read, write = os.pipe()
    os.close(read)
    done = run(program, *words.split(), stdout=write)
    os.close(write)
    assert done.returncode in statuses
    assert b"Traceback" not in done.stderr and b"ignored" not in done.stderr


@posix
@pytest.mark.parametrize("closed", ["1", "2", "1 2", "0 1 2"])
def test_closed_streams_change_nothing(program, tmp_path, closed):
    """The file must not get what is printed, although its number could be that of a closed stream."""
    shut = f"import os; [os.close(n) for n in map(int, '{closed}'.split())]; os.execv(*{{}})"
    words = [sys.executable, str(program), "春", "--folder", str(tmp_path)]
    done = run("-c", shut.format((sys.executable, words)))
    assert done.returncode == 0
    assert (tmp_path / "春.txt").read_text(encoding="utf-8") == "春"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("words", ["春", "春 --lines 200000"])
def test_output_on_a_full_disk_is_one_sentence(program, words):
    with open("/dev/full", "wb") as full:
        done = run("-W", "ignore", program, *words.split(), stdout=full)
    assert done.returncode == 2
    assert done.stderr.decode("utf-8") == (
        "error: the output cannot be read or written (No space left on device); check the disk and the "
        "permissions, or give another place\n"
    )


def test_a_file_that_cannot_be_written_is_one_sentence(program, tmp_path):
    done = run("-W", "ignore", program, "春", "--folder", tmp_path / "無")
    assert done.returncode == 2
    said = done.stderr.decode("utf-8")
    assert (
        said.startswith("error: ") and "春.txt cannot be read or written (" in said and said.count("\n") == 1
    )


def test_a_stream_that_is_not_there_discards_all(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.BytesIO(), "cp1252", errors="strict"))
    assert not terminal.is_terminal(sys.stdout)
    terminal.prepare()
    print("春")
    print("春 é", file=sys.stderr, flush=True)
    assert sys.stderr.buffer.getvalue() == "\\u6625 é\n".encode("cp1252").replace(b"\n", os.linesep.encode())


def is_main(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name in ("main", "run_experiment")


def test_every_command_is_one_for_any_terminal():
    """Its main function has the decorator `command`, or `on_any_terminal`."""
    paths = [ROOT / "app.py", ROOT / "train.py"]
    paths += [path for name in ("poet_model", "tools", "benchmarks") for path in (ROOT / name).rglob("*.py")]
    bare, seen = [], 0
    for path in paths:
        source = path.read_text(encoding="utf-8")
        for main in filter(is_main, ast.parse(source).body):
            names = {getattr(decorator, "id", "") for decorator in main.decorator_list}
            seen += 1
            if not names & {"command", "on_any_terminal"}:
                bare.append(path.relative_to(ROOT).as_posix())
    assert bare == [] and seen > 25


def test_bytes_that_are_no_text_become_a_mark():
    assert terminal.valid_text("詩\udcff.txt") == "詩\ufffd.txt"
    assert terminal.valid_text("春😀") == "春😀"


GENERATE = ["-m", "poet_model.from_scratch", "generate", "--model", SHIPPED, "--start", "雨", "--seed", "3"]


@posix
@pytest.mark.parametrize("environment", [{"PYTHONIOENCODING": "cp932"}, LOCALE_C], ids=["cp932", "C"])
def test_a_poem_is_the_same_everywhere(environment):
    expected = run(*GENERATE).stdout.decode("utf-8")
    assert expected.startswith("雨")
    done = run(*GENERATE, environment=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    assert unescaped(done.stdout, environment.get("PYTHONIOENCODING", "ascii")) == expected


@posix
def test_a_model_is_trained_in_the_locale_c(tmp_path):
    """The folders are Chinese and have spaces, and one byte of the name of the corpus is not UTF-8."""
    corpus = os.fsencode(tmp_path) + "/詩 集\xff.txt".encode().replace(b"\xc3\xbf", b"\xff")
    with open(corpus, "w", encoding="utf-8") as file:
        file.writelines(f"{poem}\n" for poem in POEMS)
    output = tmp_path / "出 處"
    options = ["--cpu", "--preset", "tiny", "--epochs", "1", "--no-measure", "--output", output]
    done = run("train.py", "--corpus", os.fsdecode(corpus), *options, environment=LOCALE_C)
    assert done.returncode == 0, done.stderr
    assert f'from_pretrained("{output}")' in unescaped(done.stdout, "ascii")
    written = (output / "metrics.json").read_text(encoding="utf-8")
    assert "--corpus '詩 集\ufffd.txt'" in written and "--output '出 處'" in written
