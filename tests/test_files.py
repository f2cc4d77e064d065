"""Files are written atomically, and JSON is read with an error that names the file."""

import math
from pathlib import Path

import pytest

from poet_model import CheckpointError, files


def test_text_is_utf8_with_unix_line_ends(tmp_path):
    files.write_text(tmp_path / "a.txt", "春\n風\n")
    assert (tmp_path / "a.txt").read_bytes() == "春\n風\n".encode()


def test_text_that_cannot_be_written_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    files.write_text(tmp_path / "a.txt", "old")
    with pytest.raises(UnicodeEncodeError):
        files.write_text(tmp_path / "a.txt", "\ud800")
    assert [(path.name, path.read_text(encoding="utf-8")) for path in tmp_path.iterdir()] == [
        ("a.txt", "old")
    ]


def test_json_lines_come_back_as_they_were(tmp_path):
    records = [{"text": "春\u2028風\x85\n夜"}, {"step": 1, "loss": 0.25}]
    for record in records:
        files.append_json_line(tmp_path / "log.jsonl", record)
    assert files.read_json_lines(tmp_path / "log.jsonl") == records
    assert (tmp_path / "log.jsonl").read_bytes().count(b"\n") == 2


def test_a_line_cut_by_a_kill_costs_that_line_only(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"step": 1}\n{"text": "\xe6\x98')
    assert files.read_json_lines(path) == [{"step": 1}]
    files.append_json_line(path, {"step": 2})
    assert files.read_json_lines(path) == [{"step": 1}, {"step": 2}]


def test_a_log_that_is_not_there_is_empty(tmp_path):
    assert files.read_json_lines(tmp_path / "none.jsonl") == []


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\xb4\xba", "UTF-8"),
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', "the key 'c' occurs twice"),
        (b'{"' + b"k" * 1000 + b'": 1, "' + b"k" * 1000 + b'": 1}', r"the key 'k{20,60}.* occurs twice"),
        (b'{"a": "\\ud800"}', "not valid JSON"),
        (b'{"a": "\\uDFFF\\ud83d"}', "not valid JSON"),
        (b" " * (files.MAX_JSON_BYTES + 1), "has 4,194,305 bytes, more than the limit of 4,194,304"),
        (b"[1]", "expected a dict"),
        (None, "is missing"),
    ],
)
def test_a_bad_json_file_is_named(tmp_path, data, says):
    path = tmp_path / "config.json"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(CheckpointError, match=says) as caught:
        files.read_json(path, dict)
    assert str(path) in str(caught.value)


def test_pairs_of_surrogates_and_a_limit_of_its_own(tmp_path):
    path = tmp_path / "config.json"
    path.write_bytes(b'{"a": "\\ud83d\\ude00"}')
    assert files.read_json(path, dict, limit=path.stat().st_size) == {"a": "\U0001f600"}
    with pytest.raises(CheckpointError, match="more than the limit of 3; do this"):
        files.read_json(path, dict, "do this", limit=3)


class Counted(str):
    """A key that counts how often it is compared."""

    compared = 0

    def __eq__(self, other):
        Counted.compared += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


def test_a_key_that_occurs_twice_is_found_in_one_pass():
    keys = [Counted(number) for number in [*range(2000), 1999]]
    with pytest.raises(ValueError, match="'1999' occurs twice"):
        files._object([(key, None) for key in keys])
    assert Counted.compared < 100  # 2,000,000 if each key is compared with all others


def test_a_file_without_a_size_is_not_read(tmp_path):
    """Some files of the system say that they have no bytes, and reading them never ends."""
    if not Path("/proc/self/status").is_file():
        pytest.skip("needs Linux")
    with pytest.raises(CheckpointError, match="not valid JSON"):
        files.read_json("/proc/self/status", dict)
    assert files.read_json_lines("/proc/self/status") == []


def test_lines_may_be_limited_and_damaged_ones_are_skipped(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"[" * 100_000 + b'\n{"a": ' + b"9" * 5000 + b'}\n{"step": 1}\n[1]\n')
    assert files.read_json_lines(path) == [{"step": 1}]
    with pytest.raises(CheckpointError, match=r"log\.jsonl has .* bytes, more than the limit of 10"):
        files.read_json_lines(path, 10)


@pytest.mark.parametrize("value", [10**400, -(10**400), math.nan, math.inf, "1", None, [1]])
def test_what_is_no_finite_number(value):
    assert not files.is_number(value)
    assert files.is_number(1) and files.is_number(-1.5e308)


def test_the_cache_folder_can_be_chosen(tmp_path, monkeypatch):
    monkeypatch.setenv("POET_CACHE", str(tmp_path))
    assert files.cache_folder() == tmp_path
    monkeypatch.setenv("POET_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert files.cache_folder() == tmp_path / "poet_model"
