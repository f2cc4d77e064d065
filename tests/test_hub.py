"""From a name to a folder and from a folder to the Hub, with the Hub played by stubs: no network is used."""

from __future__ import annotations

from types import SimpleNamespace

import huggingface_hub
import pytest
from huggingface_hub import errors as hub_errors

from poet_model import CheckpointError, HubError, PoetModel
from poet_model.hub import MODEL_FILES, REQUIRED_FILES, find_folder, push_folder


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.fixture
def folder(tiny_model, tmp_path):
    tiny_model.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_a_folder_is_found_as_it_is(folder, monkeypatch):
    assert find_folder(folder) == folder
    assert find_folder(str(folder)) == folder
    monkeypatch.setenv("HOME", str(folder.parent))
    assert find_folder("~/model") == folder
    assert find_folder(folder.parent, subfolder="model") == folder


def test_a_folder_that_looks_like_a_repo_id_is_not_asked_of_the_hub(tiny_model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiny_model.save_pretrained("user/tang-lstm")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: pytest.fail("asked the Hub"))
    assert find_folder("user/tang-lstm").samefile(tmp_path / "user" / "tang-lstm")


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


@pytest.mark.parametrize("local_files_only", [True, False])
def test_offline_and_not_cached(tmp_path, local_files_only):
    with pytest.raises(HubError, match="not whole in the cache"):
        find_folder("user/tang-lstm", cache_dir=tmp_path, local_files_only=local_files_only)


def test_what_is_cached_is_used_offline(tiny_model, tmp_path):
    repository = tmp_path / "models--user--tang-lstm"
    commit = "0123456789abcdef0123456789abcdef01234567"
    tiny_model.save_pretrained(repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit, encoding="utf-8")
    found = find_folder("user/tang-lstm", cache_dir=tmp_path)
    assert found.samefile(repository / "snapshots" / commit)
    loaded = PoetModel.from_pretrained("user/tang-lstm", cache_dir=tmp_path, local_files_only=True)
    assert loaded.config == tiny_model.config
    (repository / "snapshots" / commit / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        find_folder("user/tang-lstm", cache_dir=tmp_path)


def http_error(kind: type, message: str = "refused") -> Exception:
    return kind(message, response=SimpleNamespace(headers={}, request=None, status_code=404))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (http_error(hub_errors.RepositoryNotFoundError), "check the spelling"),
        (http_error(hub_errors.GatedRepoError), "log in"),
        (http_error(hub_errors.RevisionNotFoundError), "no revision 'v9'"),
        (http_error(hub_errors.HfHubHTTPError), "refused"),
        (hub_errors.HTTPError("cut off"), "cut off"),
        (ConnectionError("no route"), "no route"),
        (ValueError("not JSON"), "not JSON"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_what_the_hub_refuses_is_a_hub_error(monkeypatch, error, said):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(HubError, match=said):
        find_folder("user/tang-lstm", revision="v9")


def test_one_snapshot_with_the_arguments_given(folder, monkeypatch):
    calls = []

    def snapshot_download(name, **options):
        calls.append((name, options))
        return str(folder.parent)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    found = find_folder("user/poet", revision="v1", subfolder="model", token="t", force_download=True)
    assert found == folder
    [(name, options)] = calls
    assert name == "user/poet"
    assert options["allow_patterns"] == [f"model/{file}" for file in MODEL_FILES]
    assert (options["revision"], options["token"], options["force_download"]) == ("v1", "t", True)


class FakeApi:
    """Writes down what would be done on the Hub."""

    calls: list

    def __init__(self, token=None):
        type(self).calls = [("token", token)]

    def create_repo(self, repo_id, **options):
        self.calls.append(("create_repo", repo_id, options))
        return SimpleNamespace(repo_id=repo_id if "/" in repo_id else f"me/{repo_id}")

    def create_branch(self, repo_id, *, branch, exist_ok):
        self.calls.append(("create_branch", repo_id, branch))

    def upload_folder(self, *, repo_id, folder_path, allow_patterns, **options):
        paths = [str(p.relative_to(folder_path)) for p in folder_path.rglob("*") if p.is_file()]
        kept = huggingface_hub.utils.filter_repo_objects(paths, allow_patterns=allow_patterns)
        self.calls.append(("upload", repo_id, sorted(kept), options))
        return type("Commit", (str,), {"oid": "abc"})("https://huggingface.co/commit/abc")

    def create_tag(self, repo_id, *, tag, revision, exist_ok):
        self.calls.append(("create_tag", repo_id, tag, revision))


def test_only_the_files_of_a_model_are_pushed(folder, monkeypatch):
    monkeypatch.setattr(huggingface_hub, "HfApi", FakeApi)
    for name in (".env", "notes.txt", "optimizer.bin", "model.safetensors.bak", "README.md", "metrics.json"):
        (folder / name).write_text("{}", encoding="utf-8")
    for name in ("checkpoint/state.safetensors", "sub/config.json", ".git/config.json"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("secret", encoding="utf-8")
    address = push_folder(folder, "tang-lstm", private=True, token="t", revision="next", tags=["v1", "v2"])
    assert address == "https://huggingface.co/commit/abc"
    assert FakeApi.calls[0] == ("token", "t")
    assert FakeApi.calls[1] == ("create_repo", "tang-lstm", {"private": True, "exist_ok": True})
    assert FakeApi.calls[2] == ("create_branch", "me/tang-lstm", "next")
    kind, repo_id, files, options = FakeApi.calls[3]
    assert (kind, repo_id) == ("upload", "me/tang-lstm")
    written = {"tokenizer_config.json", "generation_config.json", "README.md", "metrics.json"}
    assert set(files) == {*REQUIRED_FILES, *written}
    assert set(files) <= set(MODEL_FILES)
    assert options["revision"] == "next"
    assert FakeApi.calls[4:] == [("create_tag", "me/tang-lstm", tag, "abc") for tag in ("v1", "v2")]


def test_the_model_pushes_a_whole_folder(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub, "HfApi", FakeApi)
    tiny_model.push_to_hub("user/poet", create_pr=True, revision="main")
    assert [call[0] for call in FakeApi.calls] == ["token", "create_repo", "upload"]
    assert set(REQUIRED_FILES) <= set(FakeApi.calls[2][2])
    tiny_model.save_pretrained(tmp_path / "poet", push_to_hub=True, token="t")
    assert FakeApi.calls[:2] == [
        ("token", "t"),
        ("create_repo", "poet", {"private": None, "exist_ok": True}),
    ]


def test_a_broken_folder_is_not_pushed(folder, monkeypatch):
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda **_: pytest.fail("the Hub was asked"))
    (folder / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError, match=r"tokenizer\.json"):
        push_folder(folder, "user/poet")


def test_a_push_refused_is_a_hub_error(folder, monkeypatch):
    class Refusing(FakeApi):
        def create_repo(self, repo_id, **options):
            raise http_error(hub_errors.HfHubHTTPError, "401 who are you")

    monkeypatch.setattr(huggingface_hub, "HfApi", Refusing)
    with pytest.raises(HubError, match="401 who are you"):
        push_folder(folder, "user/poet")


def test_a_push_offline_or_to_an_impossible_name_is_a_hub_error(folder):
    for name in ("user/poet", "no name at all"):
        with pytest.raises(HubError, match=name):
            push_folder(folder, name, token="hf_no")
