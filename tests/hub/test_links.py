"""Links in a model folder: none may lead out of it, so that a push publishes no other file of the user."""

from __future__ import annotations

import os
import shutil

import pytest
from conftest import SHIPPED

from poet_model import CheckpointError, NumpyPoetModel, PoetModel
from poet_model.hub import space
from poet_model.hub.push import push_folder
from poet_model.model_folder import (
    GENERATION_CONFIG_NAME,
    RECORDS,
    REMOTE_CODE,
    REQUIRED_FILES,
    TOKENIZER_CONFIG_NAME,
    check_folder,
    check_links,
)

WRITER, NAME = "hf_writer", "user/tang-lstm"
SECRET = "-----BEGIN OPENSSH PRIVATE KEY-----"
FILES = (*REQUIRED_FILES, *RECORDS, *REMOTE_CODE, TOKENIZER_CONFIG_NAME, GENERATION_CONFIG_NAME)


@pytest.fixture
def folder(tiny_model, tmp_path):
    tiny_model.save_pretrained(tmp_path / "model", transformers=True)
    return tmp_path / "model"


@pytest.fixture
def secret(tmp_path):
    """A file of the user, outside the model folder."""
    (tmp_path / "ssh").mkdir()
    (tmp_path / "ssh" / "id_rsa").write_text(SECRET, encoding="utf-8")
    return tmp_path / "ssh" / "id_rsa"


def refused(hub, folder):
    """Asserts that the folder is neither loaded nor pushed, with a message that names the link."""
    for act in (
        PoetModel.from_pretrained,
        NumpyPoetModel.from_pretrained,
        lambda folder: push_folder(folder, NAME, token=WRITER),
    ):
        with pytest.raises(CheckpointError, match="is a link that leads out of the folder"):
            act(folder)
    assert hub.paths() == []


def put_link(folder, name, target):
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(target)


@pytest.mark.parametrize("name", [*FILES, "model-00001-of-00002.safetensors", "other.safetensors"])
def test_no_file_of_a_model_may_be_a_link_out_of_the_folder(hub, folder, secret, name):
    original = folder / name
    if original.is_file():  # the content is right, only its place is not
        shutil.copyfile(original, secret)
    put_link(folder, name, secret)
    refused(hub, folder)


def link_of_links(folder, secret):
    put_link(folder, "README.md", "first")
    put_link(folder, "first", "second")
    put_link(folder, "second", secret)


def link_by_way_of_a_folder(folder, secret):
    put_link(folder, "sub", secret.parent)
    put_link(folder, "README.md", "sub/id_rsa")


TARGETS = {
    "relative": lambda f, secret: put_link(f, "README.md", "../ssh/id_rsa"),
    "by way of the folder": lambda f, secret: put_link(f, "README.md", f"../{f.name}/../ssh/id_rsa"),
    "links of links": link_of_links,
    "by way of a linked folder": link_by_way_of_a_folder,
    "to a folder": lambda f, secret: put_link(f, "README.md", secret.parent),
    "to the parent": lambda f, secret: put_link(f, "README.md", ".."),
    "to a folder whose name begins alike": lambda f, secret: put_link(f, "README.md", f"../{f.name}2/x"),
    "to nothing": lambda f, secret: put_link(f, "README.md", "/nowhere/at/all"),
    "to a device": lambda f, secret: put_link(f, "metrics.json", "/dev/zero"),
    "to the log of the kernel": lambda f, secret: put_link(f, "training_log.jsonl", "/proc/kmsg"),
    "to this process": lambda f, secret: put_link(f, "samples.jsonl", "/proc/self/environ"),
}


@pytest.mark.parametrize("name", TARGETS)
def test_whatever_the_link_leads_to(hub, folder, secret, name):
    TARGETS[name](folder, secret)
    refused(hub, folder)


def test_links_inside_and_a_link_to_the_folder_are_fine(hub, folder, tmp_path):
    (folder / "README.md").write_text("a card", encoding="utf-8")
    (folder / "README.md").rename(folder / "card.txt")
    put_link(folder, "README.md", "card.txt")
    put_link(tmp_path, "chosen", folder)
    assert PoetModel.from_pretrained(tmp_path / "chosen").generate("春", seed=1).text
    push_folder(tmp_path / "chosen", NAME, token=WRITER)
    assert hub.repo(NAME).resolve("main").files["README.md"].content == b"a card"


def test_a_link_put_there_after_loading_is_not_pushed(hub, folder, secret):
    model = PoetModel.from_pretrained(folder)
    put_link(folder, "README.md", secret)
    with pytest.raises(CheckpointError, match=r"README\.md is a link that leads out"):
        model.push_to_hub(NAME, token=WRITER)
    assert hub.paths() == []


def test_a_subfolder_may_not_lead_out(folder, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "inside").symlink_to(folder)
    with pytest.raises(CheckpointError, match=r"leads out of .*other; give the folder itself"):
        PoetModel.from_pretrained(other, subfolder="inside")


# The Hub's cache, in which a snapshot consists of links


def snapshot(folder, cache, shared=False):
    """Moves a model into the layout of the Hub's cache, and returns its snapshot."""
    repository = cache / "models--user--tang-lstm"
    place = repository / "snapshots" / ("0" * 40) / "sub"
    place.mkdir(parents=True)
    (repository / "blobs").mkdir()
    for number, file in enumerate(sorted(folder.iterdir())):
        blob = repository / "blobs" / f"{number:064x}"
        if shared:
            store = cache / "blobs" / "ab" / f"{number:064x}"
            store.parent.mkdir(parents=True, exist_ok=True)
            file.rename(store)
            blob.symlink_to(os.path.relpath(store, blob.parent))
        else:
            file.rename(blob)
        (place / file.name).symlink_to(os.path.relpath(blob, place))
    return place


@pytest.mark.parametrize("shared", [False, True])
def test_a_snapshot_in_the_cache_is_links_to_its_blobs(hub, folder, tmp_path, shared):
    place = snapshot(folder, tmp_path / "cache", shared)
    (tmp_path / "link").symlink_to(place)
    for way in (place, tmp_path / "link"):
        assert NumpyPoetModel.from_pretrained(way).generate("春", seed=1).text
    push_folder(place, NAME, token=WRITER)
    assert set(hub.repo(NAME).resolve("main").files) >= set(REQUIRED_FILES)


@pytest.mark.parametrize("shared", [False, True])
def test_a_snapshot_that_is_imitated_leads_nowhere_else(hub, folder, secret, tmp_path, shared):
    place = snapshot(folder, tmp_path / "cache", shared)
    repository = place.parents[2]
    blob = repository / "blobs" / "card"
    blob.symlink_to(secret)
    for target in (
        blob,
        tmp_path / "cache" / "models--user--other" / "blobs" / "card",
        repository / "refs" / "main",
        tmp_path / "cache" / "blobs" / "id_rsa",
    ):
        put_link(place, "README.md", target)
        refused(hub, place)


# Spaces


def test_no_link_is_pushed_with_a_space(hub, secret, tmp_path):
    space.build(tmp_path / "space", NAME)
    put_link(tmp_path / "space" / "poet_model", "id_rsa", secret)
    with pytest.raises(CheckpointError, match="id_rsa is a link that leads out"):
        space.push(tmp_path / "space", "user/tang-poet", token=WRITER)
    assert hub.paths() == []


def test_a_space_has_all_files_of_the_model(tmp_path):
    space.build(tmp_path / "space", NAME)
    bundled = tmp_path / "space" / "assets" / "tang-lstm"
    assert {path.name for path in bundled.iterdir()} == {path.name for path in SHIPPED.iterdir()}


def test_a_folder_of_files_has_no_links(folder):
    assert check_folder(folder, "it") == folder
    check_links(folder, os.listdir(folder))
