"""Fetching and pushing models, with the real client of huggingface_hub and the local Hub of hub_server.py."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import huggingface_hub
import pytest
import torch
from conftest import ROOT, SHIPPED
from starlette.responses import Response

from poet_model import CheckpointError, HubError, InvalidValueError, PoetModel
from poet_model.hub.fetch import find_folder
from poet_model.hub.push import check_can_push, push_folder
from poet_model.model_folder import MODEL_FILES, RECORDS, REQUIRED_FILES

WRITER, READER, STRANGER = "hf_writer", "hf_reader", "hf_stranger"
NAME = "user/tang-lstm"


@pytest.fixture
def folder(tiny_model, tmp_path):
    tiny_model.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def pushed(hub, folder):
    """A model on the Hub, with the list of requests cleared."""
    push_folder(folder, NAME, token=WRITER)
    hub.log.clear()
    return hub.repo(NAME)


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def assert_equal(model, other):
    assert model.config == other.config
    assert model.tokenizer.tokens == other.tokenizer.tokens
    for (name, value), (_, expected) in zip(
        model.state_dict().items(), other.half().state_dict().items(), strict=True
    ):
        assert torch.equal(value.half(), expected), name


# Folders


def test_a_folder_is_found_as_it_is(folder, monkeypatch):
    assert find_folder(folder) == folder
    assert find_folder(str(folder)) == folder
    monkeypatch.setenv("HOME", str(folder.parent))
    assert find_folder("~/model") == folder
    assert find_folder(folder.parent, subfolder="model") == folder


def test_a_folder_that_looks_like_a_repo_id_is_not_asked_of_the_hub(
    tiny_model, tmp_path, monkeypatch, pushed, hub
):
    monkeypatch.chdir(tmp_path)
    tiny_model.save_pretrained(NAME)
    assert find_folder(NAME).samefile(tmp_path / "user" / "tang-lstm")
    (tmp_path / NAME / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"has no config\.json"):
        find_folder(NAME)
    assert hub.paths() == []


@pytest.mark.parametrize("name", REQUIRED_FILES)
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=name):
        find_folder(folder)
    with pytest.raises(CheckpointError, match=name):
        PoetModel.from_pretrained(folder)


def test_a_file_is_no_folder(folder):
    with pytest.raises(CheckpointError, match="is a file"):
        find_folder(folder / "model.safetensors")


@pytest.mark.parametrize(
    "name",
    ["a/b/c", "hf://x", "x" * 5000, "../nope", "/no/such/folder", "no body/here", "a\0b", "a--b..c"],
)
def test_what_can_be_no_name_is_a_checkpoint_error(name):
    with pytest.raises(CheckpointError, match="neither a folder"):
        find_folder(name)


def test_an_empty_name_is_this_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError):
        find_folder("")


# From the Hub


def test_pushed_and_loaded_it_is_the_same(pushed, hub, tiny_model, cache):
    loaded = PoetModel.from_pretrained(NAME, cache_dir=cache)
    assert_equal(loaded, tiny_model)
    assert loaded.generate(seed=1).text
    assert any(path.startswith("/storage/") for path in hub.paths("GET"))  # the storage would refuse a token
    assert_equal(PoetModel.from_pretrained(NAME, cache_dir=cache / "2", token=WRITER), tiny_model)


def test_the_second_load_asks_once_and_by_commit_never(pushed, hub, cache):
    PoetModel.from_pretrained(NAME, cache_dir=cache)
    hub.log.clear()
    PoetModel.from_pretrained(NAME, cache_dir=cache)
    assert len(hub.paths()) == 1
    hub.log.clear()
    PoetModel.from_pretrained(NAME, cache_dir=cache, revision=pushed.branches["main"])
    assert hub.paths() == []


def changed(model):
    """A copy of the model with one weight changed."""
    other = PoetModel(model.config, model.tokenizer).eval()
    other.load_state_dict(model.state_dict())
    with torch.no_grad():
        other.bias.add_(1)
    return other


def test_all_files_are_of_one_commit_though_main_moves_while_loading(pushed, hub, tiny_model, cache):
    other = changed(tiny_model)
    other.push_to_hub(NAME, token=WRITER, revision="next")
    first = pushed.branches["main"]

    def move(_):
        pushed.branches["main"] = pushed.branches["next"]

    hub.on(r"HEAD /user/tang-lstm/resolve/.*/config\.json", move)  # after the list of files, before any file
    assert_equal(PoetModel.from_pretrained(NAME, cache_dir=cache), tiny_model)
    assert pushed.branches["main"] != first
    assert_equal(PoetModel.from_pretrained(NAME, cache_dir=cache), other)


def test_what_is_cached_is_used_offline(pushed, hub, tiny_model, cache, monkeypatch):
    PoetModel.from_pretrained(NAME, cache_dir=cache)
    hub.log.clear()
    assert_equal(PoetModel.from_pretrained(NAME, cache_dir=cache, local_files_only=True), tiny_model)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert_equal(PoetModel.from_pretrained(NAME, cache_dir=cache), tiny_model)
    assert hub.paths() == []


def test_the_variable_hf_hub_offline(pushed, hub, tmp_path):
    """This runs in a new process, because the variable is read at import."""
    code = (
        f"from poet_model import PoetModel; print(PoetModel.from_pretrained({NAME!r}).generate('春', seed=1))"
    )
    environment = os.environ | {"HF_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)}
    for offline in ("0", "1"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment | {"HF_HUB_OFFLINE": offline},
            capture_output=True,
            text=True,
            encoding="utf-8",
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("春")
        asked = hub.paths()
        hub.log.clear()
    assert asked == []


def test_the_hub_is_away_and_the_model_is_cached(pushed, hub, tiny_model, cache):
    PoetModel.from_pretrained(NAME, cache_dir=cache)
    hub.on("/user/tang-lstm", 503, times=100)
    assert_equal(PoetModel.from_pretrained(NAME, cache_dir=cache), tiny_model)


@pytest.mark.parametrize("how", ["branch", "tag", "sha", "pull request"])
def test_a_revision(pushed, hub, tiny_model, cache, how):
    other = changed(tiny_model)
    if how == "branch":
        other.push_to_hub(NAME, token=WRITER, revision="next/one")
        revision = "next/one"
    elif how == "pull request":
        other.push_to_hub(NAME, token=STRANGER, create_pr=True)
        revision = "refs/pr/1"
    else:
        other.push_to_hub(NAME, token=WRITER, tags=["v2"])
        revision = "v2" if how == "tag" else pushed.branches["main"]
        tiny_model.push_to_hub(NAME, token=WRITER)
    assert_equal(PoetModel.from_pretrained(NAME, cache_dir=cache, revision=revision), other)
    assert_equal(PoetModel.from_pretrained(NAME, cache_dir=cache), tiny_model)


def test_a_subfolder(pushed, folder, tiny_model, cache):
    huggingface_hub.upload_folder(repo_id=NAME, folder_path=folder, path_in_repo="small/one", token=WRITER)
    assert_equal(PoetModel.from_pretrained(NAME, cache_dir=cache, subfolder="small/one"), tiny_model)
    with pytest.raises(
        CheckpointError, match=r"small/two is not a complete poet-lstm model: it lacks config\.json"
    ):
        PoetModel.from_pretrained(NAME, cache_dir=cache, subfolder="small/two")


def test_nothing_but_a_models_files_is_fetched(pushed, hub, cache):
    huggingface_hub.upload_file(
        path_or_fileobj=b"x" * 1000, path_in_repo="optimizer.bin", repo_id=NAME, token=WRITER
    )
    found = find_folder(NAME, cache_dir=cache)
    assert {path.name for path in found.iterdir()} <= set(MODEL_FILES)


def test_force_download_mends_a_damaged_cache(pushed, tiny_model, cache):
    folder = find_folder(NAME, cache_dir=cache)
    weights = (folder / "model.safetensors").resolve()
    content = bytearray(weights.read_bytes())
    content[-3] ^= 1
    weights.chmod(0o644)
    weights.write_bytes(content)
    with pytest.raises(CheckpointError, match="force_download=True"):
        PoetModel.from_pretrained(NAME, cache_dir=cache)
    assert_equal(PoetModel.from_pretrained(NAME, cache_dir=cache, force_download=True), tiny_model)


def test_a_download_that_breaks_off_is_an_error_and_can_be_repeated(pushed, hub, tiny_model, cache):
    half = Response(b"half", headers={"Content-Length": "4000"})
    hub.on("GET /storage/", lambda _: half, times=100)
    with pytest.raises(HubError):
        PoetModel.from_pretrained(NAME, cache_dir=cache)
    hub.faults.clear()
    assert_equal(PoetModel.from_pretrained(NAME, cache_dir=cache), tiny_model)


# Refusals by the Hub


def test_private(hub, folder, tiny_model, cache):
    push_folder(folder, NAME, token=WRITER, private=True)
    for token in (False, STRANGER):
        with pytest.raises(HubError, match=r"shows you no model of that name.*if it is private, log in"):
            PoetModel.from_pretrained(NAME, cache_dir=cache, token=token)
    for token in (WRITER, READER):
        assert_equal(PoetModel.from_pretrained(NAME, cache_dir=cache / token, token=token), tiny_model)


def test_gated(pushed, tiny_model, cache):
    pushed.gated = True
    for token in (False, STRANGER):
        with pytest.raises(HubError, match="is gated: ask for access"):
            PoetModel.from_pretrained(NAME, cache_dir=cache, token=token)
    pushed.allowed.add("stranger")
    assert_equal(PoetModel.from_pretrained(NAME, cache_dir=cache, token=STRANGER), tiny_model)


@pytest.mark.parametrize("token", [False, READER])
def test_no_such_model(hub, cache, token):
    with pytest.raises(HubError, match="'user/none' is not a folder here, and the Hub shows you no model"):
        PoetModel.from_pretrained("user/none", cache_dir=cache, token=token)


def test_a_mistyped_folder_is_said_to_be_none_before_anything_else(hub, folder, tmp_path, monkeypatch):
    """A mistyped path with one slash looks like a Hub name, and the Hub's refusals differ."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    folder.rename(tmp_path / "runs" / "tang-lstm")
    begins = r"^'runs/tang-lstmm' is not a folder here \(is it 'runs/tang-lstm'\?\)"
    with pytest.raises(HubError, match=begins + ", and the Hub shows you no model of that name: check"):
        find_folder("runs/tang-lstmm")
    with pytest.raises(HubError, match=begins + "; the Hub does not accept the token"):
        find_folder("runs/tang-lstmm", token="hf_unknown")
    with pytest.raises(
        HubError, match=r"^'runs/other' is not a folder here; the Hub does not accept the token"
    ):
        find_folder("runs/other", token="hf_unknown")
    hub.on("/api/models/runs", 403, times=9)
    with pytest.raises(
        HubError, match=r"^runs/tang-lstmm is not a folder here .*the Hub answered 403;.*\(is it"
    ):
        find_folder("runs/tang-lstmm")
    with pytest.raises(
        CheckpointError, match=r"neither a folder .*; check the path \(is it './runs/tang-lstm'\?\)"
    ):
        find_folder("./runs/tang-lstmm")


def test_a_token_the_hub_does_not_know(pushed, cache):
    with pytest.raises(HubError, match=r"does not accept the token.*hf auth login"):
        PoetModel.from_pretrained(NAME, cache_dir=cache, token="hf_wrong")


def test_no_such_revision(pushed, cache):
    with pytest.raises(HubError, match="user/tang-lstm has no revision 'v9'; give a branch, a tag"):
        PoetModel.from_pretrained(NAME, cache_dir=cache, revision="v9")


@pytest.mark.parametrize("local_files_only", [True, False])
def test_offline_and_not_cached(hub, cache, local_files_only, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(HubError, match=r"not complete in the cache.*go online once"):
        PoetModel.from_pretrained(NAME, cache_dir=cache, local_files_only=local_files_only)


def test_no_network_and_not_cached(hub, cache, monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nowhere = "http://127.0.0.1:{1}".format(*closed.getsockname())
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", nowhere)
    with pytest.raises(HubError, match=r"not complete in the cache.*go online once"):
        PoetModel.from_pretrained(NAME, cache_dir=cache)


def test_the_hub_fails_and_nothing_is_cached(pushed, hub, cache):
    hub.on("/user/tang-lstm", 503, times=100)
    with pytest.raises(HubError, match="not complete in the cache, and the Hub answered 503; go online once"):
        PoetModel.from_pretrained(NAME, cache_dir=cache)


@pytest.mark.parametrize("missing", REQUIRED_FILES)
def test_a_file_is_missing_on_the_hub(pushed, cache, missing):
    huggingface_hub.delete_file(missing, NAME, token=WRITER)
    with pytest.raises(
        CheckpointError, match=f"{NAME} on the Hub is not a complete poet-lstm model: it lacks {missing}"
    ):
        PoetModel.from_pretrained(NAME, cache_dir=cache)


def test_a_model_of_another_kind_is_known_before_its_weights_are_fetched(pushed, hub, cache):
    config = json.dumps({"model_type": "gpt2", "vocab_size": 50257}).encode()
    huggingface_hub.upload_file(
        path_or_fileobj=config, path_in_repo="config.json", repo_id=NAME, token=WRITER
    )
    hub.log.clear()
    with pytest.raises(CheckpointError, match="model_type is 'gpt2', expected 'poet-lstm'"):
        PoetModel.from_pretrained(NAME, cache_dir=cache)
    assert not [path for path in hub.paths() if "safetensors" in path or "/storage/" in path]


@pytest.mark.parametrize(
    "arguments",
    [
        {"name_or_path": None},
        {"name_or_path": 5},
        {"subfolder": None},
        {"subfolder": "/etc"},
        {"subfolder": "../other"},
        {"revision": ""},
        {"revision": 1},
        {"token": ""},
        {"token": "hf_ab cd"},
        {"token": "hf_秘密"},
    ],
)
def test_arguments_that_cannot_be(hub, arguments):
    with pytest.raises(InvalidValueError, match=r"must be"):
        PoetModel.from_pretrained(**{"name_or_path": NAME} | arguments)
    assert hub.paths() == []


@pytest.mark.parametrize("status", [429, 503])
def test_a_revision_that_is_not_cached_and_a_busy_hub(pushed, hub, cache, status):
    hub.on("/user/tang-lstm", status, times=100)
    with pytest.raises(HubError, match=f"user/tang-lstm, revision v1, .*the Hub answered {status}"):
        PoetModel.from_pretrained(NAME, cache_dir=cache, revision="v1")


# Pushing to the Hub


def test_a_push_is_one_commit_with_what_was_asked_for(hub, folder):
    address = push_folder(
        folder,
        NAME,
        token=WRITER,
        private=True,
        commit_message="a first model",
        commit_description="of sixteen units",
        tags=["v1", "first"],
    )
    repo = hub.repo(NAME)
    newest, created = repo.history(repo.branches["main"])
    assert created.title == "initial commit"
    assert (newest.title, newest.description, newest.author) == ("a first model", "of sixteen units", "user")
    assert address.endswith(newest.oid)
    assert repo.private
    assert repo.tags == {"v1": newest.oid, "first": newest.oid}
    files = {name: file.content for name, file in newest.files.items() if name != ".gitattributes"}
    assert files == {path.name: path.read_bytes() for path in folder.iterdir()}
    assert newest.files["model.safetensors"].large


def test_the_same_again_is_no_commit(pushed, hub, folder, tiny_model):
    before = dict(pushed.commits)
    push_folder(folder, NAME, token=WRITER)
    assert pushed.commits == before
    tiny_model.push_to_hub("user/other", token=WRITER)
    other = dict(hub.repo("user/other").commits)
    tiny_model.push_to_hub("user/other", token=WRITER)
    assert hub.repo("user/other").commits == other


def test_only_the_files_of_a_model_are_pushed(hub, folder):
    for name in (".env", "notes.txt", "optimizer.bin", "model.safetensors.bak", "metrics.json", "token"):
        (folder / name).write_text("{}", encoding="utf-8")
    for name in ("checkpoint/state.safetensors", "sub/config.json", ".git/config.json", ".cache/README.md"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("secret", encoding="utf-8")
    push_folder(folder, NAME, token=WRITER)
    files = set(hub.repo(NAME).resolve("main").files) - {".gitattributes"}
    saved = {"tokenizer_config.json", "generation_config.json", "metrics.json"}
    assert files == {*REQUIRED_FILES, *saved}


def test_what_the_model_no_longer_has_is_deleted_and_other_files_stay(pushed, hub, folder):
    huggingface_hub.upload_file(
        path_or_fileobj=b"a picture", path_in_repo="poem.txt", repo_id=NAME, token=WRITER
    )
    huggingface_hub.upload_file(
        path_or_fileobj=b"{}", path_in_repo="metrics.json", repo_id=NAME, token=WRITER
    )
    push_folder(folder, NAME, token=WRITER)
    files = pushed.resolve("main").files
    assert "poem.txt" in files
    assert "metrics.json" not in files


def test_a_model_goes_with_its_card_and_records_as_long_as_its_weights_are_theirs(hub):
    model = PoetModel.from_pretrained(SHIPPED)
    model.push_to_hub("user/poet", token=WRITER)
    files = hub.repo("user/poet").resolve("main").files
    for name in set(RECORDS) - {"README.md"}:
        assert files[name].content == (SHIPPED / name).read_bytes()
    card = (SHIPPED / "README.md").read_text(encoding="utf-8")
    card = card.replace("user/tang-lstm", "user/poet").replace("- name: tang-lstm", "- name: poet")
    assert files["README.md"].content.decode() == card
    assert 'from_pretrained("user/poet")' in files["README.md"].content.decode()

    changed(model).push_to_hub("user/poet", token=WRITER)
    files = hub.repo("user/poet").resolve("main").files
    assert not set(RECORDS) - {"README.md"} & set(files)
    card = files["README.md"].content.decode()
    assert "8,062,308 parameters" in card
    assert "perplexity |" not in card
    assert "model-index" not in card


def test_a_branch_is_made_and_main_stays(pushed, tiny_model):
    before = pushed.branches["main"]
    changed(tiny_model).push_to_hub(NAME, token=WRITER, revision="next/one")
    assert pushed.branches["main"] == before
    assert pushed.history(pushed.branches["next/one"])[1].oid == before


def test_a_pull_request_by_somebody_who_may_not_write(pushed, tiny_model):
    before = pushed.branches["main"]
    address = changed(tiny_model).push_to_hub(NAME, token=STRANGER, create_pr=True)
    assert address.endswith("/discussions/1")
    assert pushed.branches["main"] == before
    assert pushed.resolve("refs/pr/1").author == "stranger"


def test_a_tag_that_marks_another_commit_is_not_moved(pushed, tiny_model):
    tiny_model.push_to_hub(NAME, token=WRITER, tags=["v1"])
    before = dict(pushed.tags)
    tiny_model.push_to_hub(NAME, token=WRITER, tags=["v1"])  # the same commit
    with pytest.raises(HubError, match="was pushed, but the tag 'v1' points to the commit before it"):
        changed(tiny_model).push_to_hub(NAME, token=WRITER, tags=["v1"])
    commits = dict(pushed.commits)
    with pytest.raises(HubError, match="the tag 'v1' of user/tang-lstm already points to another commit"):
        tiny_model.push_to_hub(NAME, token=WRITER, tags=["v1"])
    assert pushed.commits == commits  # refused before anything was pushed
    assert pushed.tags == before


def test_the_users_name_is_put_before_a_bare_one(hub, folder):
    push_folder(folder, "tang-lstm", token=WRITER)
    assert "config.json" in hub.repo(NAME).resolve("main").files


def test_a_repository_that_is_public_is_not_taken_for_private(pushed, folder):
    with pytest.raises(
        HubError, match="user/tang-lstm already exists and is public; make it private in its settings"
    ):
        push_folder(folder, NAME, token=WRITER, private=True)
    push_folder(folder, NAME, token=WRITER, private=False)


def test_tags_are_a_list(pushed, tiny_model):
    with pytest.raises(InvalidValueError, match=r"tags must be a list of names, got 'v2'; write \['v2'\]"):
        tiny_model.push_to_hub(NAME, token=WRITER, tags="v2")
    assert pushed.tags == {}


def test_where_a_push_can_go(pushed, tiny_model):
    """A push can go to a branch or a pull request, but not to a commit or a tag."""
    changed(tiny_model).push_to_hub(NAME, token=WRITER, create_pr=True)
    tiny_model.push_to_hub(NAME, token=WRITER, revision="refs/pr/1")
    assert len(pushed.history(pushed.pulls["refs/pr/1"])) == 4
    tiny_model.push_to_hub(NAME, token=WRITER, tags=["v1"])
    for revision, said in (("v1", "'v1' is a tag"), (pushed.branches["main"], "got the commit")):
        with pytest.raises(InvalidValueError, match=said):
            tiny_model.push_to_hub(NAME, token=WRITER, revision=revision)
    with pytest.raises(InvalidValueError, match="a pull request is opened against main"):
        tiny_model.push_to_hub(NAME, token=WRITER, revision="next", create_pr=True)
    with pytest.raises(HubError, match=r"Invalid reference for a branch|has no revision"):
        tiny_model.push_to_hub(NAME, token=WRITER, revision="refs/pr/9")
    assert set(pushed.branches) == {"main"}


def test_a_card_that_was_edited_stays(pushed, hub, tiny_model, cache):
    tiny_model.push_to_hub(NAME, token=WRITER)
    own = pushed.resolve("main").files["README.md"].content + "\n此乃我詩。\n".encode()
    huggingface_hub.upload_file(path_or_fileobj=own, path_in_repo="README.md", repo_id=NAME, token=WRITER)
    PoetModel.from_pretrained(NAME, cache_dir=cache).push_to_hub(NAME, token=WRITER)
    assert pushed.resolve("main").files["README.md"].content == own


def test_figures_of_another_model_in_the_folder_are_not_pushed(hub, tiny_model, tmp_path):
    for name in RECORDS:
        (tmp_path / "poet").mkdir(exist_ok=True)
        (tmp_path / "poet" / name).write_bytes((SHIPPED / name).read_bytes())
    tiny_model.save_pretrained(tmp_path / "poet", push_to_hub=True, token=WRITER)
    files = hub.repo("user/poet").resolve("main").files
    assert set(files) & set(RECORDS) == {"README.md"}
    assert "8,062,308" not in files["README.md"].content.decode()


def test_train_says_before_it_trains_that_it_cannot_push(hub, tmp_path):
    for name, token, said in (
        ("user/my tiny", WRITER, "not a valid Hub name"),
        (NAME, "", "log in with `hf auth login`"),
        (NAME, "hf_wrong", "does not accept the token"),
        (NAME, READER, "needs a token with the role write"),
    ):
        done = subprocess.run(
            [sys.executable, ROOT / "train.py", "--cpu", "--push-to-hub", name, "--output", tmp_path / "run"],
            env=os.environ | {"HF_TOKEN": token},
            cwd=ROOT,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=60,
        )
        assert done.returncode == 2
        assert done.stderr.count("error: ") == 1 and said in done.stderr
        assert not (tmp_path / "run").exists()


def test_what_a_push_would_be_refused_for_is_said_before(pushed, hub):
    for name in (NAME, NAME.partition("/")[2], "user/new"):
        check_can_push(name, token=WRITER)
        check_can_push(name, private=False, token=WRITER)
    for name in (NAME, NAME.partition("/")[2]):
        with pytest.raises(HubError, match=f"{NAME} already exists and is public; make it private"):
            check_can_push(name, private=True, token=WRITER)


def test_save_and_push_in_one(hub, tiny_model, tmp_path):
    tiny_model.save_pretrained(tmp_path / "poet", push_to_hub=True, token=WRITER)
    tiny_model.save_pretrained(tmp_path / "poet", push_to_hub=True, repo_id="user/verse", token=WRITER)
    assert set(REQUIRED_FILES) <= set(hub.repo("user/poet").resolve("main").files)
    assert set(REQUIRED_FILES) <= set(hub.repo("user/verse").resolve("main").files)


@pytest.mark.parametrize(
    "moment",
    [
        "GET .*/user/tang-lstm$",
        "POST .*/preupload/",
        "POST .*/objects/batch",
        "PUT /storage/",
        "POST /api/lfs-verify",
        "/commit/",
    ],
)
def test_a_push_that_breaks_off_leaves_the_hub_as_it_was_and_can_be_repeated(
    pushed, hub, tiny_model, cache, moment
):
    other, before = changed(tiny_model), pushed.resolve("main")
    hub.on(moment, 400, times=10)
    with pytest.raises(HubError):
        other.push_to_hub(NAME, token=WRITER)
    assert pushed.resolve("main") == before
    hub.faults.clear()
    assert_equal(PoetModel.from_pretrained(NAME, cache_dir=cache), tiny_model)
    other.push_to_hub(NAME, token=WRITER)
    assert_equal(PoetModel.from_pretrained(NAME, cache_dir=cache), other)


def test_a_commit_of_somebody_else_at_the_same_moment(pushed, hub, tiny_model):
    hub.on("POST .*/commit/", 412)
    with pytest.raises(HubError, match=r"someone else changed user/tang-lstm.*push again"):
        changed(tiny_model).push_to_hub(NAME, token=WRITER)


def test_a_broken_folder_is_not_pushed(hub, folder):
    (folder / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError, match=r"tokenizer\.json"):
        push_folder(folder, NAME, token=WRITER)
    assert hub.paths() == []


@pytest.mark.parametrize(
    ("token", "name", "said"),
    [
        (
            None,
            NAME,
            "'user/tang-lstm' cannot be pushed without a login: log in with `hf auth",
        ),
        (
            False,
            NAME,
            "'user/tang-lstm' cannot be pushed without a login: log in with `hf auth",
        ),
        ("hf_wrong", NAME, "does not accept the token"),
        (
            READER,
            "user/new",
            "refused user/new: You don't have the rights.*`hf auth whoami` shows who you are",
        ),
        (STRANGER, NAME, "refused user/tang-lstm: .*rights.*`hf auth whoami` shows"),
    ],
)
def test_a_push_refused_says_what_to_do(pushed, folder, tiny_model, token, name, said):
    with pytest.raises(HubError, match=said):
        changed(tiny_model).push_to_hub(name, token=token)


def test_a_push_offline_or_to_an_impossible_name(folder, monkeypatch):
    with pytest.raises(InvalidValueError, match="'no name at all' is not a valid Hub name; give one such as"):
        push_folder(folder, "no name at all", token=WRITER)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(HubError, match=f"{NAME}: HF_HUB_OFFLINE is set, so the Hub was not asked; unset it"):
        push_folder(folder, NAME, token=WRITER)


# Other clients accept the test Hub as a Hub


def hf(*arguments, home, token=WRITER):
    """Runs the `hf` command line in a new process."""
    environment = os.environ | {"HF_HOME": str(home), "HF_TOKEN": token}
    command = [sys.executable, "-m", "huggingface_hub.cli.hf", *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def test_the_hf_command_line_creates_uploads_and_downloads(hub, folder, tmp_path, tiny_model):
    assert "user" in hf("auth", "whoami", home=tmp_path)
    hf("repos", "create", NAME, home=tmp_path)
    hf("upload", NAME, folder, home=tmp_path)
    hf("download", NAME, "--local-dir", tmp_path / "got", home=tmp_path)
    for path in folder.iterdir():
        assert (tmp_path / "got" / path.name).read_bytes() == path.read_bytes()
    assert_equal(PoetModel.from_pretrained(NAME, cache_dir=tmp_path / "cache"), tiny_model)


def test_a_part_of_a_file_can_be_asked_for(pushed, hub):
    file = pushed.resolve("main").files["model.safetensors"]
    for asked, expected in (("bytes=0-7", file.content[:8]), ("bytes=100-", file.content[100:])):
        request = urllib.request.Request(f"{hub.storage}/{file.sha256}", headers={"Range": asked})
        with urllib.request.urlopen(request) as answer:
            assert (answer.status, answer.read()) == (206, expected)
    request = urllib.request.Request(f"{hub.storage}/{file.sha256}", headers={"Authorization": "Bearer x"})
    with pytest.raises(urllib.error.HTTPError, match="400"):  # the storage refuses a token
        urllib.request.urlopen(request)


def test_some_files_can_be_asked_about(pushed):
    found = huggingface_hub.HfApi().get_paths_info(NAME, ["config.json", "none.json", "model.safetensors"])
    assert [(file.path, file.lfs is None) for file in found] == [
        ("config.json", True),
        ("model.safetensors", False),
    ]


def test_a_listing_comes_in_pages(pushed, hub):
    hub.page_size = 2
    api = huggingface_hub.HfApi()
    assert set(REQUIRED_FILES) <= set(api.list_repo_files(NAME))
    assert len(hub.paths()) > 2
