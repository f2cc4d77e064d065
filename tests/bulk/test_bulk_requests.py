"""Bad input to `poet bulk` is one sentence, and nothing is written."""

from __future__ import annotations

import os

import pytest

from poet_model.bulk.requests import MAX_LINE

BAD_LINES = {
    b'{"form": "x"}': "form",
    b'{"frm": "\xe4\xba\x94\xe7\xb5\x95"}': "no generation option 'frm'; did you mean form?",
    b'{"num": 0}': "num must be a whole number from 1",
    b'{"num": "7"}': "num must be a whole number from 1",
    b'{"seed": 7}': "a request has no seed; --seed is for the whole run",
    b'{"num_poems": 7}': "the number of poems of a request is called num",
    b'{"start": 7}': "start must be text",
    b'{"start": "Q"}': "'Q' is not among the characters this model knows",
    b'{"rhyme": true}': "need a form",
    b'{"temperature": "hot"}': "temperature must be a number",
    b'{"original": true}': "original needs the index",
    b'{"title": "\xb4\xba"}': "cannot be read as UTF-8 text",  # 春 in GBK
    b'{"num": 1, "num": 2}': "the key 'num' occurs twice",
    b"[1]": "holds a JSON list, expected a dict",
    b"{": "is not valid JSON",
    b"null": "holds a JSON NoneType",
    b"x" * (MAX_LINE + 1): "is longer than",
}


@pytest.mark.parametrize("line", BAD_LINES, ids=lambda line: line[:24].decode("latin-1"))
def test_a_bad_line_is_named_before_anything_is_written(bulk, tmp_path, line):
    path = tmp_path / "requests.jsonl"
    path.write_bytes(b'{"num": 2}\n\n' + line + b"\n")
    status, _, said = bulk("--requests", path, "--out", tmp_path / "out")
    if b"original" in line:
        assert status == 2 and "there is no index in" in said
    else:
        assert status == 2 and BAD_LINES[line] in said
    assert f"{path}, line 3" in said and said.startswith("error: ") and said.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "expected"), [(b"", "is empty"), (b"\n \n", "no request in the file"), (None, "is missing")]
)
def test_a_file_without_requests(bulk, tmp_path, content, expected):
    path = tmp_path / "requests.jsonl"
    if content is not None:
        path.write_bytes(content)
    status, _, said = bulk("--requests", path, "--out", tmp_path / "out")
    assert status == 2 and expected in said and said.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--num", "0"], "argument --num: expected a whole number of 1 or more, got 0"),
        (["--num", "-3"], "argument --num: expected"),
        (["--num", "abc"], "got 'abc'"),
        (["--num", "1e6"], "expected a whole number such as 1000 or 1_000_000, got '1e6'"),
        (["--num", "1__0"], "got '1__0'"),
        (["--num", "１０"], "got '１０'"),
        (["--num", "5", "--workers", "0"], "argument --workers: expected"),
        (["--num", "5", "--engine", "spark"], "invalid choice: 'spark'"),
        (["--num", "5", "--format", "csv"], "invalid choice: 'csv'"),
        (["--num", "5", "--seed", "-1"], "argument --seed: expected"),
        (["--num", "5", "--tones", "L9", "--form", "五絕"], "'L9' is not L0, L1 or L2"),
        ([], "give --num, the number of poems, or --requests"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else None,
)
def test_options_that_cannot_be(bulk, tmp_path, capfd, words, expected):
    with pytest.raises(SystemExit) as end:
        bulk("--out", tmp_path / "out", *words)
    assert end.value.code == 2 and expected in capfd.readouterr().err
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--num", "1_000_000_000"], "num must be a whole number from 1 to 100000000, got 1000000000"),
        (["--num", "5", "--seed", "9223372036854775807"], "--seed must be a whole number from 0"),
        (["--num", "5", "--shard-size", "1_000_000"], "--shard-size must be a whole number from 1 to 100000"),
        (["--num", "5", "--batch-size", "2_000"], "--batch-size must be a whole number from 1 to 1024"),
        (["--num", "5", "--model", "no/folder/here"], "no/folder/here"),
        (["--num", "5", "--rhyme"], "need a form"),
        (["--num", "5", "--requests", "."], ". is not a file; give a file of requests"),
        (["Q", "--num", "5"], "'Q' is not among the characters this model knows"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else None,
)
def test_options_that_do_not_fit(bulk, tmp_path, words, expected):
    status, _, said = bulk("--out", tmp_path / "out", *words)
    assert status == 2 and expected in said and said.startswith("error: ") and said.count("\n") == 1
    assert os.listdir(tmp_path) == []
