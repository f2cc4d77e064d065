"""poet completion: the scripts that shells read."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from poet_model.cli.commands import COMMANDS
from poet_model.cli.completion import SHELLS, main


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    """The scripts by the names of their shells."""
    from contextlib import redirect_stdout

    folder, written = tmp_path_factory.mktemp("completion"), {}
    for shell in SHELLS:
        written[shell] = folder / f"poet.{shell}"
        with open(written[shell], "w", encoding="utf-8") as file, redirect_stdout(file):
            assert main([shell]) == 0
    return written


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_knows_the_commands_and_options(scripts, shell):
    script = scripts[shell].read_text(encoding="utf-8")
    assert all(name in script for name in COMMANDS)
    assert "max-minutes" in script


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["poet", "tr"], "train"),
        (["poet", "train", "--max"], "--max-minutes"),
        (["poet", "info", "--j"], "--json"),
    ],
)
def test_bash_completes(scripts, words, expected):
    line = " ".join(words)
    code = f"""
    source {scripts["bash"]}
    COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; COMP_LINE='{line}'; COMP_POINT={len(line)}
    $(complete -p poet | sed 's/.*-F \\([^ ]*\\) .*/\\1/') poet {words[-1]} {words[-2]}
    echo "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, encoding="utf-8")
    assert expected in done.stdout.split(), done.stderr
