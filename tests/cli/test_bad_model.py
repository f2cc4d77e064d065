"""What is given in place of a model: each command that takes one answers in one sentence."""

from __future__ import annotations

import pytest

from poet_model.cli.commands import module_of

# the words of each command, in which X is the model
COMMANDS = {
    "write": "春 --model X",
    "bulk": "--num 2 --out out --format jsonl --model X",
    "info": "X",
    "evaluate": "X",
    "push": "X user/tang-lstm",
}
BAD = {
    "missing": None,
    "a file": b"",
    "GBK": "春".encode("gbk"),
    "a folder": {},
    "half": {"config.json": b"{}"},
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_no_model_is_one_sentence(hub, name, kind, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    content = BAD[kind]
    if isinstance(content, dict):
        (tmp_path / "it").mkdir()
        for file, data in content.items():
            (tmp_path / "it" / file).write_bytes(data)
    elif content is not None:
        (tmp_path / "it").write_bytes(content)
    before = sorted(tmp_path.rglob("*"))
    words = ["it" if word == "X" else word for word in COMMANDS[name].split()]
    assert module_of(name).main(words, prog=f"poet {name}") == 2
    said = capsys.readouterr()
    assert not said.out and said.err.startswith("error: ") and said.err.count("\n") == 1
    assert "it" in said.err and len(said.err) < 400
    assert sorted(tmp_path.rglob("*")) == before  # nothing half-written
