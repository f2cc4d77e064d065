"""Files are written atomically, and JSON is read with an error that names the file."""

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


def test_the_cache_folder_can_be_chosen(tmp_path, monkeypatch):
    monkeypatch.setenv("POET_CACHE", str(tmp_path))
    assert files.cache_folder() == tmp_path
    monkeypatch.setenv("POET_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert files.cache_folder() == tmp_path / "poet_model"
