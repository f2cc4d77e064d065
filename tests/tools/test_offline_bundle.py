"""offline_bundle.py and offline_contents.py: what is carried to a machine without a network."""

from __future__ import annotations

import bz2
import hashlib
import json
import subprocess

import offline_bundle
import pytest
from conftest import ROOT
from offline_contents import read_bundle
from offline_fixtures import JUDGED, PYTHON, copy_of, read_object

from poet_model.corpus.near_copies import cluster
from poet_model.corpus.prepare import load_corpus
from poet_model.errors import CheckpointError, InvalidValueError, PoetError


@pytest.mark.slow
def test_a_bundle_holds_what_its_manifest_names_and_no_poem_that_judges(bundle, sources, tmp_path):
    manifest = read_object(bundle / "manifest.json")
    assert {path.name for path in bundle.iterdir()} == {*manifest["files"], "manifest.json"}
    for name, said in manifest["files"].items():
        data = (bundle / name).read_bytes()
        assert said == {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    ((wheel, modules),) = manifest["wheels"].items()
    assert modules == ["opencc"] and f"cp{PYTHON.replace('.', '')}" in wheel
    paths = read_bundle(bundle).extract(tmp_path)
    tang, song = (load_corpus(str(paths[name])).splits for name in ("tang", "song"))
    assert len(tang["valid"]) > 5 and len(song["train"]) > 50
    judging = [*tang["valid"], *tang["test"]]
    source = [json.loads(line)["text"] for line in sources["song"].read_text(encoding="utf-8").splitlines()]
    assert {poem.text for poem in judging} & set(source)  # Song's source has some of them
    for learnt in (song["train"], tang["train"]):
        texts = [poem.text for poem in learnt]
        assert JUDGED not in texts
        numbers = cluster([*texts, *(poem.text for poem in judging)])
        assert not set(numbers[: len(texts)]) & set(numbers[len(texts) :])  # nor a near-copy
    assert paths["tangshi_gpt"].read_bytes() == (sources["judged"] / "test_poems.json").read_bytes()


def add_a_held_out_poem(contents: dict, manifest: dict) -> None:
    lines = bz2.decompress(contents["tang.jsonl.bz2"]).decode().splitlines()
    leaked = next(line for line in lines if line.startswith('["valid"')).replace("valid", "train", 1)
    song = bz2.decompress(contents["song.jsonl.bz2"]).decode() + leaked + "\n"
    contents["song.jsonl.bz2"] = bz2.compress(song.encode())
    manifest["corpora"]["song"]["poems"]["train"] += 1


def lose_a_poem(contents: dict, manifest: dict) -> None:
    lines = bz2.decompress(contents["tang.jsonl.bz2"]).decode().splitlines()
    contents["tang.jsonl.bz2"] = bz2.compress("\n".join(lines[:-1]).encode())


@pytest.mark.slow
def test_a_bundle_of_other_poems_is_refused(bundle, tmp_path):
    for change, words in (
        (add_a_held_out_poem, "1 of Tang's validation and test poems are among Song's training"),
        (lose_a_poem, "has other numbers of poems .* than its manifest says"),
        (
            lambda contents, manifest: contents.update({"song.jsonl.bz2": bz2.compress(b"{}\n[1]")}),
            "song is not a prepared",
        ),
    ):
        target = copy_of(bundle, tmp_path, change)
        with pytest.raises(PoetError, match=words):
            read_bundle(target).extract(tmp_path)
    (target / "song.jsonl.bz2").write_bytes(b"other bytes")
    with pytest.raises(CheckpointError, match="is damaged or from another bundle: its size \(11 bytes\)"):
        read_bundle(target)
    (target / "song.jsonl.bz2").unlink()
    with pytest.raises(CheckpointError, match=r"cannot be read .*make or copy the bundle again"):
        read_bundle(target)


def test_a_bundle_takes_the_place_of_an_older_one_and_of_nothing_else(tmp_path):
    about = {"python": "3.12", "wheels": {}, "corpora": {}}
    offline_bundle.write_bundle(tmp_path / "bundle", {"old.whl": b"1"}, about)
    offline_bundle.write_bundle(tmp_path / "bundle", {"new.whl": b"2"}, about)
    assert {path.name for path in (tmp_path / "bundle").iterdir()} == {"new.whl", "manifest.json"}
    with pytest.raises(CheckpointError, match="is not empty and is not a bundle"):
        offline_bundle.write_bundle(tmp_path, {"new.whl": b"2"}, about)
    with pytest.raises(InvalidValueError, match=r"would have 2\.0 MiB, more than the 1 MiB"):
        contents = {"song.jsonl.bz2": bytes(2 << 20)}
        offline_bundle.write_bundle(tmp_path / "large", contents, about, max_bytes=1 << 20)
    assert not (tmp_path / "large").exists()


def test_pins_are_those_of_requirements_txt():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    (opencc,) = offline_bundle.requirements(["OpenCC"])
    assert opencc in lines and opencc.startswith("OpenCC>=")
    assert len(offline_bundle.requirements(offline_bundle.NEEDED.values())) == len(offline_bundle.NEEDED)
    with pytest.raises(
        InvalidValueError, match=r"pip could not download wheels of no-such-thing==0 for Python 3.12 .*check"
    ):
        offline_bundle.fetch_wheels(["no-such-thing==0"], "3.12", ROOT)


def test_a_stopped_bundle_and_one_without_what_it_was_to_hold(tmp_path, capsys, monkeypatch):
    arguments = ["--output", str(tmp_path / "bundle"), "--tangshi-gpt", str(tmp_path / "none")]
    assert offline_bundle.main(arguments) == 2
    assert f"--tangshi-gpt {tmp_path / 'none'} does not hold val_poems.json" in capsys.readouterr().err

    def stop_there(command, **options) -> None:
        assert "pip" in command
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "run", stop_there)  # while pip downloads the wheels
    assert offline_bundle.main(arguments[:2]) == 130
    assert capsys.readouterr().err == "stopped by SIGINT; no bundle was written\n"
    assert not (tmp_path / "bundle").exists()
