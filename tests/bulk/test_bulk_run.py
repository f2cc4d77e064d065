"""Runs of `poet bulk`: the same bytes by any workers, after any stop, and only with the same options."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from bulk_fixtures import shards
from conftest import ROOT

from poet_model import load
from poet_model.bulk.__main__ import main
from poet_model.bulk.card import size_category
from poet_model.bulk.requests import Requests
from poet_model.bulk.row import COLUMNS
from poet_model.bulk.shards import read_rows, write_shard
from poet_model.bulk.steady import SteadyWriter
from poet_model.locks import lock
from poet_model.novelty import NoveltyIndex
from poet_model.prosody import scan
from poet_model.script import is_hanzi

REQUESTS = [{"num": 21, "start": "春", "form": "五絕"}, {}, {"num": 9, "max_length": 40, "author": "李白"}]
WORDS = ["--seed", 7, "--shard-size", 10]


@pytest.fixture(scope="module")
def requests(tmp_path_factory):
    path = tmp_path_factory.mktemp("requests") / "requests.jsonl"
    lines = [json.dumps(request, ensure_ascii=False) for request in REQUESTS]
    path.write_bytes(b"\xef\xbb\xbf" + "\n\n".join(lines).encode())
    return path


@pytest.fixture(scope="module")
def undisturbed(requests, bulk_model, tmp_path_factory):
    """The folders of two runs, in Parquet with one worker and in JSONL with two."""
    base = tmp_path_factory.mktemp("undisturbed")
    for kind, workers in (("parquet", 1), ("jsonl", 2)):
        words = ["--requests", requests, "--out", base / kind, "--format", kind, "--workers", workers, *WORDS]
        words += ["--model", bulk_model, "--no-index", "--batch-size", 4]
        assert main(list(map(str, words))) == 0
    return base


def rows_of(folder) -> list[dict]:
    return [row for path in sorted((folder / "data").iterdir()) for row in read_rows(path)]


def test_the_rows_are_the_poems_of_the_seeds(undisturbed, bulk_model):
    rows = rows_of(undisturbed / "parquet")
    assert rows == rows_of(undisturbed / "jsonl")
    assert [list(row) for row in rows] == [list(COLUMNS)] * 31
    writer, model, number = SteadyWriter(load(bulk_model, "numpy")), load(bulk_model, "numpy"), 0
    for request, given in enumerate(REQUESTS, 1):
        options = {name: value for name, value in given.items() if name not in ("num", "start")}
        for _ in range(given.get("num", 1)):
            poem = writer.generate(given.get("start", ""), seed=7 + number, **options)
            assert poem.text == model.generate(given.get("start", ""), seed=7 + number, **options).text
            row, scansion = rows[number], scan(poem.text)
            assert row["number"] == number and row["seed"] == 7 + number and row["request"] == request
            assert (row["text"], row["author"], row["title"]) == (poem.text, given.get("author", ""), "")
            assert row["mean_log_prob"] == math.fsum(poem.log_probs) / len(poem.log_probs)
            assert row["form"] == scansion.form and row["faults"] == list(map(str, scansion.faults))
            assert (row["level"] or "") == (f"L{scansion.level}" if scansion.form else "")
            assert row["rhyme_group"] == "/".join(scansion.rhyme.groups)
            assert row["error"] is row["copied_lines"] is row["longest_stretch"] is None
            number += 1


def test_the_folder_has_shards_a_card_and_a_record(undisturbed):
    folder = undisturbed / "parquet"
    assert sorted(os.listdir(folder)) == ["README.md", "data", "requests.jsonl", "run.json"]
    assert list(shards(folder)) == [f"poems-0000{i}-of-00004.parquet" for i in range(4)]
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "- n<1K\n" in card and "path: data/*.parquet\n" in card and "# 31 poems by tiny" in card
    assert "--requests requests.jsonl" in card and all(f"| `{name}` |" in card for name in COLUMNS)
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert (record["poems"], record["requests"], record["seed"]) == (31, 3, 7)
    kept = Requests(folder / "requests.jsonl")
    assert kept.firsts.tolist() == [0, 21, 22, 31] and kept[2] == {"max_length": 40, "author": "李白"}


def test_a_file_that_is_written_again_has_the_same_bytes(undisturbed, tmp_path):
    for kind in ("parquet", "jsonl"):
        path = undisturbed / kind / "data" / f"poems-00002-of-00004.{kind}"
        write_shard(tmp_path / path.name, list(read_rows(path)))
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


@pytest.fixture
def again(requests, bulk):
    """Gives the command of the first undisturbed run for another folder."""

    def run(folder, *words: object) -> tuple[int, str, str]:
        return bulk("--requests", requests, "--out", folder, *WORDS, *words)

    return run


def test_a_run_goes_on_wherever_it_stopped(undisturbed, again, tmp_path):
    """Without the card; without the last two shards, or all; with other workers than before."""
    expected = shards(undisturbed / "parquet")
    for missing in ([], [2, 3], [0], range(4)):
        folder = tmp_path / f"without {list(missing)}"
        shutil.copytree(undisturbed / "parquet", folder)
        (folder / "README.md").unlink()
        (folder / "data" / ".poems-00001-of-00004.parquet.999999-1.tmp").write_bytes(b"half")
        for number in missing:
            (folder / "data" / f"poems-0000{number}-of-00004.parquet").unlink()
        status, said, errors = again(folder, "--workers", 1)
        assert (status, errors) == (0, "") and said.startswith("31 poems")
        assert shards(folder) == expected and (folder / "README.md").is_file()
        card = (folder / "README.md").read_text(encoding="utf-8")
        whole = (undisturbed / "parquet" / "README.md").read_text(encoding="utf-8")
        assert card.partition("| model |")[2] == whole.partition("| model |")[2]
    assert again(folder)[1].startswith("all 31 poems are there already: ")
    assert not (folder / "parts").exists()


def test_a_run_goes_on_only_with_the_same_options(undisturbed, again, bulk, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(undisturbed / "parquet", folder)
    (folder / "README.md").unlink()
    before = shards(folder)
    for words, difference in (
        (["--seed", "8"], "seed 7, and this one has 8"),
        (["--format", "jsonl"], "format 'parquet', and this one has 'jsonl'"),
        (["--shard-size", "11"], "shard_size 10, and this one has 11"),
        (["--batch-size", "5"], "batch_size 4, and this one has 5"),
        (["--title", "春"], "requests_sha256"),
        (["--num", "2"], "poems 31, and this one has 32"),
    ):
        status, _, said = again(folder, *words)
        assert status == 2 and difference in said and said.count("\n") == 1
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    record["versions"]["numpy"] = "1.0"
    (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
    assert "has a run with versions" in again(folder)[2]
    (folder / "run.json").write_text("{", encoding="utf-8")
    assert "run.json is not valid JSON" in again(folder)[2]
    assert shards(folder) == before


def test_the_folder_belongs_to_one_run(again, tmp_path):
    (tmp_path / "file").touch()
    assert again(tmp_path / "file")[2].startswith(f"error: --out {tmp_path / 'file'} is a file")
    assert "has files of others, such as 'file'" in again(tmp_path)[2]
    for place in ("/", os.path.expanduser("~")):
        assert "is no place for poems" in again(place)[2]
    assert again(tmp_path / "file" / "below")[0] == 2
    folder = tmp_path / "locked"
    folder.mkdir()
    descriptor = lock(folder / ".bulk.lock", create=True)
    assert "another poet bulk writes into" in again(folder)[2]
    os.close(descriptor)
    assert again(folder, "--seed", 2**63)[0] == 2 and os.listdir(folder) == [".bulk.lock"]


def command(folder, model, *words: object) -> list[str]:
    given = ["--model", model, "--no-index", "--batch-size", 4, "--workers", 1, "--out", folder, *words]
    return [sys.executable, "-m", "poet_model", "bulk", *map(str, given)]


def parts_of(folder) -> int:
    return len(list((folder / "parts").glob("0*.jsonl")))


def started(folder, model, *words: object) -> subprocess.Popen:
    """A run in a process of its own, which has written some parts and is not at its end."""
    before, pipe = parts_of(folder), subprocess.PIPE
    process = subprocess.Popen(command(folder, model, *words), cwd=ROOT, stdout=pipe, stderr=pipe)
    while parts_of(folder) < before + 3:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    return process


def children(process: subprocess.Popen) -> list[int]:
    with open(f"/proc/{process.pid}/task/{process.pid}/children") as file:
        return list(map(int, file.read().split()))


def is_running(pid: int) -> bool:
    with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as file:
        return file.read().split()[2] != "Z"
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_run_that_was_killed_goes_on(bulk_model, bulk, tmp_path):
    """Killed by SIGKILL, then by Ctrl-C, then by the death of a worker; its workers end with it."""
    folder, words = tmp_path / "run", ["--num", 600, "--form", "五絕", "--shard-size", 250]
    process = started(folder, bulk_model, *words)
    workers = children(process)
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 30
    while any(map(is_running, workers)):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    written = parts_of(folder)
    process = started(folder, bulk_model, *words)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130 and b"same command again to go on" in said and b"Traceback" not in said
    process = started(folder, bulk_model, *words)
    for worker in children(process):
        with open(f"/proc/{worker}/cmdline") as file:
            if "spawn_main" in file.read():
                os.kill(worker, signal.SIGKILL)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 2 and said.count(b"\n") == 1 and b"a worker process was killed" in said
    assert written <= parts_of(folder) < 38
    assert not (folder / "data").is_dir() or not os.listdir(folder / "data")
    assert bulk(*words, "--out", folder)[0] == bulk(*words, "--out", tmp_path / "other")[0] == 0
    assert shards(folder) == shards(tmp_path / "other")


def test_a_disk_that_is_full_leaves_nothing_half_written(bulk_model, bulk, tmp_path):
    """A limit on the size of files stands for it."""
    folder, words = tmp_path / "run", ["--num", 20, "--format", "jsonl"]
    code = "import resource, sys, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    code += "resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000)); from poet_model.__main__ import main; "
    code += "sys.exit(main(sys.argv[1:]))"
    words_there = [sys.executable, "-c", code, *command(folder, bulk_model, *words)[3:]]
    done = subprocess.run(words_there, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "cannot be read or written (File too large)" in done.stderr
    assert done.stderr.count("\n") == 1
    assert os.listdir(folder / "data") == []
    for path in (folder / "parts").iterdir():
        assert path.suffix == ".jsonl" and path.read_bytes().endswith(b"}\n")
    assert bulk(*words, "--out", folder)[0] == 0 and len(rows_of(folder)) == 20


def test_a_poem_that_cannot_be_written_is_a_row(bulk_model, tokenizer, tmp_path, capfd):
    """Each character that the model knows is in a poem of the index after the start, so none is original."""
    known = [character for character in tokenizer.characters if is_hanzi(character)]
    NoveltyIndex.build((f"春眠不覺{c}。", "", "") for c in known).save(tmp_path / "index")
    words = ["春眠不覺", "--num", 1, "--form", "五絕", "--original", "--out", tmp_path / "run"]
    requests = tmp_path / "requests.jsonl"
    requests.write_text('{"num": 2, "start": "牀前看月"}\n{"num": 2}\n', encoding="utf-8")
    words += ["--model", bulk_model, "--index", tmp_path / "index", "--requests", requests, "--workers", 1]
    assert main(list(map(str, words))) == 0
    *written, first, second = rows_of(tmp_path / "run")
    for row in written:
        assert row["error"] is None and row["copied_lines"] == 0 and row["longest_stretch"] == ""
    for row in (first, second):
        assert row["text"] == "" and "allow no next character" in row["error"] and row["duplicate_of"] is None
    assert "| that could not be written | 2 |" in (tmp_path / "run" / "README.md").read_text(encoding="utf-8")


def test_size_categories_are_those_of_the_hub():
    found = [size_category(n) for n in (1, 999, 1000, 99_999, 10**6, 5 * 10**7, 10**8)]
    assert found == ["n<1K", "n<1K", "1K<n<10K", "10K<n<100K", "1M<n<10M", "10M<n<100M", "n>100M"]
