"""Damaged and hostile model folders, local or on the Hub: each gives one clear error and runs no code."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
import time
import warnings
import zipfile
from pathlib import Path

import pytest
import torch
from hub_server import File, Repo
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from poet_model import CheckpointError, HubError, PoetError, PoetModel

WEIGHTS, CONFIG, TOKENIZER, GENERATION = (
    "model.safetensors",
    "config.json",
    "tokenizer.json",
    "generation_config.json",
)
INDEX = "model.safetensors.index.json"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 15728640\n"
PAGE = b"<!doctype html><html><body>404: sorry, this page does not exist</body></html>"
SECONDS, MEGABYTES = 1, 200
CASES = {}  # name: (the function that damages a folder, a regular expression for the error message)


def case(said, name=None):
    """Registers a function that damages a folder."""

    def register(function):
        CASES[name or function.__name__] = (function, said)
        return function

    return register


def cases(said, file, **contents):
    """Registers contents that replace one file."""
    for name, content in contents.items():
        content = content if isinstance(content, bytes) else content.encode()
        CASES[f"{file}: {name}"] = (lambda f, c=content: (f / file).write_bytes(c), said)


# Weights: the table of hub.md


def raw(header, data=b"", size=None):
    """A safetensors file with any header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text + data


def entry(dtype="F16", shape=(2,), offsets=(0, 4)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


UNREADABLE = r"model\.safetensors .*not a readable safetensors file .*download it again"
ONE = {"a": entry()}
cases(
    UNREADABLE,
    WEIGHTS,
    empty=b"",
    seven_bytes=b"1234567",
    header_of_no_bytes=struct.pack("<Q", 0) + b"1234",
    header_longer_than_the_file=raw(ONE, size=5000),
    header_of_100_000_001_bytes=raw(ONE, size=100_000_001),
    header_of_2_to_the_63_bytes=raw(ONE, size=1 << 63),
    header_of_two_megabytes=raw(b"{" + b" " * (2 << 20) + b"}"),
    header_too_short=raw(ONE, b"1234", size=len(json.dumps(ONE)) - 5),
    header_too_long=raw(ONE, b"12345678", size=len(json.dumps(ONE)) + 5),
    no_utf_8=raw(b'{"\xff\xfe": 1}'),
    no_json=raw(b"hello, hello"),
    a_list=raw([1, 2]),
    an_entry_that_is_a_number=raw({"a": 1}),
    no_dtype=raw({"a": {"shape": [2], "data_offsets": [0, 4]}}, b"1234"),
    unknown_dtype=raw({"a": entry("F33")}, b"1234"),
    overlap=raw({"a": entry(), "b": entry(offsets=(2, 6))}, b"123456"),
    hole=raw({"a": entry(), "b": entry(offsets=(6, 10))}, b"1234567890"),
    does_not_begin_at_0=raw({"a": entry(offsets=(4, 8))}, b"12345678"),
    ends_before_it_begins=raw({"a": entry(offsets=(4, 0))}, b"1234"),
    negative_offset=raw({"a": entry(offsets=(-4, 0))}, b"1234"),
    negative_dimension=raw({"a": entry(shape=(-2,))}, b"1234"),
    other_size_than_the_shape=raw({"a": entry(shape=(3,))}, b"1234"),
    shape_that_overflows=raw({"a": entry(shape=(1 << 40, 1 << 40))}, b"1234"),
    offsets_beyond_the_file=raw({"a": entry(shape=(1 << 30,), offsets=(0, 1 << 31))}, b"1234"),
    metadata_that_is_no_text=raw({"__metadata__": {"format": 1}, "a": entry()}, b"1234"),
    deep_json=raw(b"[" * 100_000),
)
cases(
    "does not fit config.json: .*embedding.weight is missing",
    WEIGHTS,
    only_metadata=raw({"__metadata__": {}}),
)
cases(
    "the key 'a' occurs twice",
    WEIGHTS,
    a_key_twice=raw(b'{"a":%b,"a":%b}' % ((json.dumps(entry()).encode(),) * 2), b"1234"),
)
cases("is a Git LFS pointer: the weights themselves were not fetched", WEIGHTS, pointer=POINTER)
cases("is a web page; download", WEIGHTS, page=PAGE)


@case(UNREADABLE)
def weights_cut_short(folder):
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-4])


@case(UNREADABLE)
def weights_with_something_behind_them(folder):
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes() + b"1234")


def rewrite(folder, change):
    tensors = load_file(folder / WEIGHTS)
    change(tensors)
    save_file(tensors, folder / WEIGHTS, {"format": "pt"})


for name, said, change in [
    ("a tensor is missing", "bias is missing", lambda t: t.pop("bias")),
    ("one too many", "extra is not part of the model", lambda t: t.update(extra=torch.zeros(3))),
    ("another shape", r"bias is \(3,\), expected \(87,\)", lambda t: t.update(bias=torch.zeros(3))),
    ("no dimension", r"bias is \(\), expected", lambda t: t.update(bias=torch.zeros(()))),
    ("dimension 0", r"bias is \(0,\), expected", lambda t: t.update(bias=torch.zeros(0))),
    ("not a number", "bias holds numbers that are not finite", lambda t: t["bias"].fill_(torch.nan)),
    ("infinite", "bias holds numbers that are not finite", lambda t: t["bias"].fill_(torch.inf)),
    (
        "whole numbers",
        "bias is of type I8, expected one of F16",
        lambda t: t.update(bias=t["bias"].to(torch.int8)),
    ),
    ("truth values", "bias is of type BOOL", lambda t: t.update(bias=t["bias"] > 0)),
    ("complex numbers", "bias is of type C64", lambda t: t.update(bias=t["bias"].to(torch.complex64))),
    (
        "names of another library",
        r"\(and 15 more\)",
        lambda t: [t.update({f"x.{n}": t.pop(n)}) for n in list(t)],
    ),
    ("no tensors", r"\(and 5 more\)", lambda t: t.clear()),
]:
    case(said, f"{WEIGHTS}: {name}")(lambda folder, change=change: rewrite(folder, change))


class Bomb:
    """Unpickling this creates a folder."""

    place = Path()

    def __reduce__(self):
        return os.makedirs, (str(self.place), 0o777, True)


@case("is a pickle, which is not opened because it could run code")
def a_pickle_in_place_of_the_weights(folder):
    (folder / WEIGHTS).write_bytes(pickle.dumps(Bomb()))


@case("is a zip archive or a torch pickle, which is not opened")
def a_torch_file_in_place_of_the_weights(folder):
    torch.save({"bias": Bomb()}, folder / WEIGHTS)


@case(r"it lacks model\.safetensors")
def a_torch_file_beside_no_weights(folder):
    torch.save({"bias": Bomb()}, folder / "pytorch_model.bin")
    (folder / WEIGHTS).unlink()


@case("is a zip archive or a torch pickle")
def a_zip_archive(folder):
    with zipfile.ZipFile(folder / WEIGHTS, "w") as archive:
        archive.writestr("../../evil.py", "raise SystemExit('evil')")


@case("does not fit config.json")
def weights_of_a_gigabyte_of_nothing(folder):
    size = 1 << 30
    with open(folder / WEIGHTS, "wb") as file:
        file.write(raw({"a": entry(shape=(size // 2,), offsets=(0, size))}))
        file.truncate(file.tell() + size)


# Shards


def shard(folder, weight_map=None, **index):
    """The weights in two shards, with an index."""
    tensors = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    right, parts = {}, [list(tensors)[::2], list(tensors)[1::2]]
    for number, names in enumerate(parts, 1):
        file = f"model-{number:05}-of-00002.safetensors"
        save_file({name: tensors[name] for name in names}, folder / file, {"format": "pt"})
        right |= dict.fromkeys(names, file)
    (folder / INDEX).write_text(
        json.dumps({"metadata": {}, "weight_map": weight_map(right) if weight_map else right} | index),
        encoding="utf-8",
    )


for name, said, change in [
    ("leads outside", "is not the file name of a shard", lambda m: m | {"bias": "../model.safetensors"}),
    ("an absolute path", "is not the file name of a shard", lambda m: m | {"bias": "/etc/passwd"}),
    ("a path of Windows", "is not the file name of a shard", lambda m: m | {"bias": "..\\model.safetensors"}),
    ("a folder", "is not the file name of a shard", lambda m: m | {"bias": "sub/model.safetensors"}),
    ("a pickle", "is not the file name of a shard", lambda m: m | {"bias": "pytorch_model.bin"}),
    ("a number", "is not the file name of a shard", lambda m: m | {"bias": 5}),
    ("a missing shard", "model-9.safetensors is missing", lambda m: m | {"bias": "model-9.safetensors"}),
    ("a tensor that is not there", "disagree on extra", lambda m: m | {"extra": m["bias"]}),
    ("a tensor left out", "disagree on bias", lambda m: {k: v for k, v in m.items() if k != "bias"}),
    ("nothing", "weight_map does not name a file for each tensor", lambda m: {}),
    ("a list", "weight_map does not name a file for each tensor", lambda m: list(m)),
]:
    case(said, f"{INDEX}: {name}")(lambda folder, change=change: shard(folder, change))


@case(UNREADABLE.replace("model", "model-00002-of-00002"))
def a_shard_cut_short(folder):
    shard(folder)
    path = folder / "model-00002-of-00002.safetensors"
    path.write_bytes(path.read_bytes()[:-2])


@case("stands in model-00001-of-00002.safetensors too|disagree on")
def a_tensor_in_two_shards(folder):
    shard(folder)
    first = load_file(folder / "model-00001-of-00002.safetensors")
    second = load_file(folder / "model-00002-of-00002.safetensors")
    name = next(iter(first))
    save_file(second | {name: first[name]}, folder / "model-00002-of-00002.safetensors")


# JSON files

for file in (CONFIG, TOKENIZER, GENERATION):
    cases(
        f"{file}.*download it again|{file} holds a JSON",
        file,
        empty=b"",
        pointer=POINTER,
        page=PAGE,
        cut='{"vocab_size": 87, "hid',
        a_list="[]",
        null="null",
        a_text='"hello"',
        no_utf_8=b'{"a": "\xff\xfe"}',
        utf_16='{"a": 1}'.encode("utf-16"),
        half_a_character='{"a": "\\ud800"}',
        deep="[" * 100_000 + "]" * 100_000,
        endless_number='{"a": ' + "9" * 5000 + "}",
        a_key_twice='{"vocab_size": 87, "vocab_size": 88}',
        pickle=pickle.dumps(Bomb()),
        python="__import__('os').system('false')",
    )


def edit(folder, file, **changes):
    record = json.loads((folder / file).read_text(encoding="utf-8")) | changes
    record = {key: value for key, value in record.items() if value is not ...}
    (folder / file).write_text(json.dumps(record), encoding="utf-8")


for said, changes in [
    ("model_type is 'gpt2', expected 'poet-lstm'", {"model_type": "gpt2"}),
    ("model_type is None", {"model_type": ...}),
    ("format_version is 99, this program reads 1", {"format_version": 99}),
    ("settings \\['hidden_size'\\] are missing", {"hidden_size": ...}),
    ("unknown settings \\['magic'\\]", {"magic": 1}),
    ("hidden_size must be a whole number", {"hidden_size": "16"}),
    ("hidden_size must be a whole number", {"hidden_size": 16.0}),
    ("hidden_size must be a whole number", {"hidden_size": True}),
    ("hidden_size must be a whole number", {"hidden_size": None}),
    ("hidden_size must be a whole number", {"hidden_size": -16}),
    ("hidden_size must be a whole number", {"hidden_size": 10**12}),
    ("hidden_size must be a whole number", {"hidden_size": [16]}),
    ("num_layers must be a whole number", {"num_layers": 10**6}),
    ("vocab_size must be a whole number", {"vocab_size": 10**9}),
    ("tokenizer.json has 87 ids, config.json says vocab_size 200000", {"vocab_size": 200_000}),
    ("8,591,695,959 parameters, more than the limit", {"hidden_size": 8192, "num_layers": 16}),
    ("does not fit config.json", {"num_layers": 1}),
    ("input_dropout must be a number", {"input_dropout": float("nan")}),
    ("input_dropout must be a number", {"input_dropout": 1}),
    ("cell must be one of", {"cell": "transformer"}),
    ("cell must be one of", {"cell": ["lstm"]}),
    ("does not fit config.json", {"cell": "handwritten_rnn"}),
    ("their fingerprint differs", {"output_dropout": 0.3}),
]:
    case(said, f"{CONFIG}: {changes}")(lambda folder, changes=changes: edit(folder, CONFIG, **changes))

for said, changes in [
    ("temperature must be a number from 0 to 100", {"temperature": -1}),
    ("temperature must be a number", {"temperature": float("nan")}),
    ("temperature must be a number", {"temperature": "hot"}),
    ("top_k must be a whole number", {"top_k": 2.5}),
    ("top_p must be a number above 0", {"top_p": 0}),
    ("max_length must be a whole number", {"max_length": 10**9}),
    ("unknown settings \\['num_beams'\\]", {"num_beams": 4}),
]:
    case(said, f"{GENERATION}: {changes}")(
        lambda folder, changes=changes: edit(folder, GENERATION, **changes)
    )


def edit_vocabulary(folder, change):
    record = json.loads((folder / TOKENIZER).read_text(encoding="utf-8"))
    change(record["model"]["vocab"])
    (folder / TOKENIZER).write_text(json.dumps(record), encoding="utf-8")


def swap(vocab):
    first, second = list(vocab)[10:12]
    vocab[first], vocab[second] = vocab[second], vocab[first]


for name, said, change in [
    ("of another size", "has 88 ids, config.json says vocab_size 87", lambda v: v.update(魍=87)),
    ("with a gap", "ids must be 0, 1, 2", lambda v: v.update(魍=99)),
    ("with an id twice", "ids must be 0, 1, 2", lambda v: v.update(魍=3)),
    ("with a negative id", "ids must be 0, 1, 2", lambda v: v.update(魍=-1)),
    ("with ids that are text", "model.vocab is missing or does not map", lambda v: v.update(魍="87")),
    (
        "with ids that are no whole numbers",
        "model.vocab is missing or does not map",
        lambda v: v.update(魍=87.0),
    ),
    ("with words", "needs single characters", lambda v: v.update({"春風": v.pop("春")})),
    ("without a special token", "begin with <pad>", lambda v: v.update({"<end>": v.pop("<eos>")})),
    ("in another order", "their fingerprint differs", swap),
    ("empty", "ids must be 0, 1, 2|begin with", lambda v: v.clear()),
]:
    case(said, f"{TOKENIZER}: {name}")(lambda folder, change=change: edit_vocabulary(folder, change))
case("model.vocab is missing", f"{TOKENIZER}: no model")(lambda folder: edit(folder, TOKENIZER, model=...))
case("model.vocab is missing", f"{TOKENIZER}: a list of words")(
    lambda f: edit(f, TOKENIZER, model={"vocab": ["春"]})
)


@case("has .* bytes, more than the limit of")
def a_tokenizer_of_a_gigabyte(folder):
    with open(folder / TOKENIZER, "wb") as file:
        file.truncate(1 << 30)


# Only in local folders: folders, links and pipes in place of files

ONLY_LOCAL = {}


def local(said):
    def register(function):
        ONLY_LOCAL[function.__name__] = (function, said)
        return function

    return register


for file in (CONFIG, WEIGHTS, TOKENIZER):

    @local(f"(lacks|has no) {file}")
    def a_link_to_itself(folder, file=file):
        (folder / file).unlink()
        (folder / file).symlink_to(file)

    @local(f"(lacks|has no) {file}")
    def a_folder_in_its_place(folder, file=file):
        (folder / file).unlink()
        (folder / file).mkdir()

    @local(f"(lacks|has no) {file}")
    def a_pipe_in_its_place(folder, file=file):
        (folder / file).unlink()
        os.mkfifo(folder / file)

    @local(f"(lacks|has no) {file}")
    def a_device_in_its_place(folder, file=file):
        (folder / file).unlink()
        (folder / file).symlink_to("/dev/zero")

    for function in (a_link_to_itself, a_folder_in_its_place, a_pipe_in_its_place, a_device_in_its_place):
        ONLY_LOCAL[f"{file}: {function.__name__}"] = ONLY_LOCAL.pop(function.__name__)


@local(r"generation_config\.json is not a file")
def generation_config_that_is_a_pipe(folder):
    (folder / GENERATION).unlink()
    os.mkfifo(folder / GENERATION)


@local(r"generation_config\.json is not a file")
def generation_config_that_links_to_itself(folder):
    (folder / GENERATION).unlink()
    (folder / GENERATION).symlink_to(GENERATION)


@local("is a file; give the folder")
def a_file_in_place_of_the_folder(folder):
    shutil.rmtree(folder)
    folder.write_bytes(b"hello")


@pytest.fixture
def folder(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr(Bomb, "place", tmp_path / "exploded")
    tiny_model.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def memory(name):
    """A value of /proc/self/status in megabytes; 0 if it is not there."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def refused(name, said, **options):
    """Asserts that loading fails with the expected error, quickly, and without much memory."""
    if os.path.exists("/proc/self/clear_refs"):
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # resets the peak
    # of this thread: other processes of the machine do not count
    before, started = memory("VmRSS"), time.thread_time()
    with warnings.catch_warnings(), pytest.raises(CheckpointError, match=said) as caught:
        warnings.simplefilter("error")
        PoetModel.from_pretrained(name, **options)
    assert time.thread_time() - started < SECONDS
    assert memory("VmHWM") - before < MEGABYTES
    assert "\n" not in str(caught.value)
    assert not Bomb.place.exists()


def test_there_are_enough_of_them():
    assert len(CASES) >= 60


def test_undamaged_the_folder_loads(folder, tiny_model):
    assert PoetModel.from_pretrained(folder).config == tiny_model.config
    shard(folder)
    assert PoetModel.from_pretrained(folder).config == tiny_model.config


@pytest.mark.parametrize("name", CASES | ONLY_LOCAL)
def test_a_damaged_folder_is_one_clear_error(folder, name):
    damage, said = (CASES | ONLY_LOCAL)[name]
    damage(folder)
    refused(folder, said)


HUGE = {"weights_of_a_gigabyte_of_nothing", "a_tokenizer_of_a_gigabyte"}  # too large to send over a socket


@pytest.mark.parametrize("name", [name for name in CASES if name not in HUGE])
def test_on_the_hub_it_is_the_same_error(hub, folder, tmp_path, name):
    damage, said = CASES[name]
    damage(folder)
    files = {
        path.name: File.of(path.read_bytes(), path.suffix == ".safetensors") for path in folder.iterdir()
    }
    hub.blobs = {file.sha256: file.content for file in files.values()}
    repo = hub.repos["models", "user/tang-lstm"] = Repo("models", "user/tang-lstm")
    repo.branches["main"] = repo.commit(files, "damaged").oid
    refused("user/tang-lstm", said, cache_dir=tmp_path / "cache")


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, TOKENIZER])
def test_a_file_that_may_not_be_read(folder, name, monkeypatch):
    """Root may read every file, so the refusal of the system is simulated."""
    real = open

    def refusing(file, *args, **kwargs):
        if os.fspath(file).endswith(name):
            raise PermissionError(13, "Permission denied")
        return real(file, *args, **kwargs)

    monkeypatch.setattr("builtins.open", refusing)
    monkeypatch.setattr("io.open", refusing)  # pathlib calls this
    refused(folder, f"{name}.*Permission denied")


def test_code_in_the_folder_is_not_run(folder, tmp_path):
    evil = f"__import__('os').makedirs({str(tmp_path / 'exploded')!r})"
    for name in ("configuration_poet.py", "modeling_poet.py", "conftest.py", "__init__.py", "setup.py"):
        (folder / name).write_text(evil, encoding="utf-8")
    edit(folder, CONFIG, auto_map={"AutoModelForCausalLM": "modeling_poet.PoetModel"})
    (folder / "README.md").write_text("{{''.__class__.__mro__}} {% import os %}" + evil, encoding="utf-8")
    PoetModel.from_pretrained(folder)
    assert not (tmp_path / "exploded").exists()


# Random damage


@pytest.fixture(scope="module")
def whole(tmp_path_factory, tokenizer):
    """A folder to damage repeatedly, the contents of its files, and the model in it."""
    from poet_model import PoetConfig

    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("whole") / "model"
    model = PoetModel(PoetConfig(len(tokenizer), hidden_size=4, num_layers=1, output_dropout=0.25), tokenizer)
    model.save_pretrained(folder)
    files = {name: (folder / name).read_bytes() for name in (WEIGHTS, CONFIG, TOKENIZER, GENERATION)}
    return folder, files, PoetModel.from_pretrained(folder)


@pytest.mark.parametrize("file", [WEIGHTS, CONFIG, TOKENIZER, GENERATION])
@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(data=st.data())
def test_any_change_of_bytes_is_our_error_or_an_equal_model(whole, file, data):
    """Each file is damaged in 250 ways. Only generation settings may be changed without an error."""
    folder, files, model = whole
    content = bytearray(files[file])
    for _ in range(data.draw(st.integers(1, 3), label="changes")):
        place = data.draw(st.integers(0, max(0, len(content) - 1)), label="place")
        kind = data.draw(st.sampled_from(["replace", "insert", "delete", "cut"]), label="kind")
        some = data.draw(st.binary(min_size=1, max_size=4), label="bytes")
        if kind == "cut":
            del content[place:]
        else:
            content[place : place + (0 if kind == "insert" else len(some))] = (
                b"" if kind == "delete" else some
            )
    try:
        (folder / file).write_bytes(content)
        loaded = PoetModel.from_pretrained(folder)
    except PoetError as error:
        assert not isinstance(error, HubError)
        assert str(folder) in str(error)
        return
    finally:
        (folder / file).write_bytes(files[file])
    assert loaded.config == model.config
    assert loaded.tokenizer.tokens == model.tokenizer.tokens
    for name, value in loaded.state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name
