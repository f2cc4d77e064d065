"""Model folders as a stranger might make them, and the ways in which this package reads a folder.

    python tests/hostile_folders.py [--code CHECKOUT] [--list]

prints how many of them end well with the code of a checkout: each is opened in each way in a process of its
own. The same folders are opened by test_hostile.py.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import resource
import shutil
import signal
import socket
import struct
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

SECONDS, MEGABYTES, HANGS = 1, 200, 10  # limits of CPU time and memory, and the seconds until a hang is ended
MOST = 12  # characters of a poem, which should take little time
LONGEST = 1000  # characters of a message, without the path of the folder
CONFIG, WEIGHTS, TOKENIZER = "config.json", "model.safetensors", "tokenizer.json"
GENERATION, AUTHORS, INDEX = "generation_config.json", "tokenizer_config.json", "model.safetensors.index.json"
CARD, METRICS, REPORT, HELD_OUT = "README.md", "metrics.json", "corpus_report.json", "held_out.json"
LOG, EARLIER, SAMPLES = "training_log.jsonl", "earlier_log.jsonl", "samples.jsonl"
RECORDS = (CARD, METRICS, REPORT, HELD_OUT, LOG, EARLIER, SAMPLES)
POEMS = "牀前看月光，疑是地上霜。舉頭望山月，低頭思故鄉。春眠不覺曉，處處聞啼鳥。夜來風雨聲，花落知多少。"


class Case(NamedTuple):
    """A way to damage a model folder.

    Attributes:
        damage: changes the folder.
        is_record: whether only records are changed, which no poem needs, so that the model must still load.
    """

    damage: Callable[[Path], None]
    is_record: bool


CASES: dict[str, Case] = {}


def add(name: str, damage: Callable[[Path], None], is_record: bool = False) -> None:
    """Adds a case under a new name."""
    assert name not in CASES, name
    CASES[name] = Case(damage, is_record)


# Contents that no JSON file should have


def many(unit: str, size: int) -> str:
    """A list of at least `size` characters."""
    return f'{{"a": [{",".join([unit] * (size // (len(unit) + 1)))}]}}'


CONTENTS = {
    "nothing": b"",
    "zeros": bytes(5000),
    "a list": b"[]",
    "null": b"null",
    "a number": b"1e999",
    "Infinity": b"Infinity",
    "a text of a megabyte": b'"' + b"x" * (1 << 20) + b'"',
    "cut": b'{"a": {"b": [1, 2',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "half a character": b'{"a": "\\ud800"}',
    "deep": b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "a key 20,000 times": b"{" + b",".join([b'"a":1'] * 20_000) + b"}",
    "20,000 keys, the last one twice": (
        "{" + ",".join(f'"{i}":1' for i in range(20_000)) + ',"19999":1}'
    ).encode(),
    "an object twice in each of 9,000": many('{"a":1,"a":2}', 120_000).encode(),
    "900 kB of objects": many("{}", 900_000).encode(),
    "12 MB of objects": many("{}", 12 << 20).encode(),
    "12 MB of lists": many("[]", 12 << 20).encode(),
    "a number of 4,000 digits": b'{"a": ' + b"9" * 4000 + b"}",
    "a number of 400,000 digits": b'{"a": ' + b"9" * 400_000 + b"}",
    "a key with a line break": b'{"a\\nb": 1, "a\\nb": 2}',
    "a key of 100,000 characters": json.dumps({"k" * 100_000: 1}).encode(),
}
JSON_FILES = (CONFIG, TOKENIZER, GENERATION, AUTHORS, METRICS, REPORT, HELD_OUT)
for file in JSON_FILES:
    for name, content in CONTENTS.items():
        add(f"{file}: {name}", lambda f, n=file, c=content: (f / n).write_bytes(c), file in RECORDS)
for name, content in CONTENTS.items():
    header = struct.pack("<Q", len(content)) + content
    add(f"{WEIGHTS}: a header with {name}", lambda f, c=header: (f / WEIGHTS).write_bytes(c))
    add(f"{INDEX}: {name}", lambda f, c=content: [shard(f), (f / INDEX).write_bytes(c)])
for file in (TOKENIZER, METRICS):
    content = many("{}", 2_000_000).encode()
    add(f"{file}: 2 MB of objects", lambda f, n=file, c=content: (f / n).write_bytes(c), file in RECORDS)
for file in (LOG, EARLIER, SAMPLES, CARD):
    for name in ("nothing", "zeros", "deep", "12 MB of objects", "a number of 400,000 digits"):
        add(f"{file}: {name}", lambda f, n=file, c=CONTENTS[name]: (f / n).write_bytes(c), True)


# Something else in the place of a file


def replace(folder: Path, name: str, make: Callable[[Path], None]) -> None:
    (folder / name).unlink(missing_ok=True)
    make(folder / name)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one, contextlib.chdir(path.parent):
        one.bind(path.name)  # the whole path may be too long for a socket


def make_sparse(path: Path) -> None:
    with open(path, "wb") as file:
        file.truncate(1 << 40)


THINGS: dict[str, Callable[[Path], None]] = {
    "a pipe": os.mkfifo,
    "a socket": make_socket,
    "a folder": Path.mkdir,
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link to nothing": lambda path: path.symlink_to("/nowhere"),
    "a link to the folder": lambda path: path.symlink_to("."),
    "/dev/zero": lambda path: path.symlink_to("/dev/zero"),
    "/proc/kmsg": lambda path: path.symlink_to("/proc/kmsg"),
    "a terabyte of nothing": make_sparse,
}
for file in (CONFIG, WEIGHTS, TOKENIZER, GENERATION, AUTHORS, INDEX, *RECORDS):
    for name, make in THINGS.items():
        # a record that leads out of the folder is refused, as it would be published
        is_record = file in RECORDS and not name.startswith(("/", "a link to nothing"))
        add(f"{file}: {name}", lambda f, n=file, m=make: replace(f, n, m), is_record)


# Settings


def edit(folder: Path, file: str, change: Callable[[dict], object]) -> None:
    record = json.loads((folder / file).read_text(encoding="utf-8"))
    change(record)
    (folder / file).write_text(json.dumps(record), encoding="utf-8")


def put(record: dict, path: str, value: object) -> None:
    """Puts a value at a dotted path."""
    *parents, last = path.split(".")
    for name in parents:
        record = record.setdefault(name, {})
    record[last] = value


HUGE = 10**4000
for setting in ("vocab_size", "hidden_size", "num_layers", "output_dropout", "cell", "format_version"):
    for value in (HUGE, 1e308, -1, "x" * 100_000, [[[]]], {"a\nb": 1}):
        add(
            f"{CONFIG}: {setting} is {str(value)[:20]!r}",
            lambda f, s=setting, v=value: edit(f, CONFIG, lambda r: r.update({s: v})),
        )
SETTINGS = ("temperature", "top_k", "top_p", "max_length", "frequency_penalty", "min_p", "typical_p")
for setting in (*SETTINGS, "mmi_lambda"):
    for value in (HUGE, 1e308, 5e-324, 100, 0, "x" * 100_000):
        add(
            f"{GENERATION}: {setting} is {str(value)[:20]!r}",
            lambda f, s=setting, v=value: edit(f, GENERATION, lambda r: r.update({s: v})),
        )
add(
    f"{CONFIG}: a setting that is a story",
    lambda f: edit(f, CONFIG, lambda r: r.update({"a\nb" * 50_000: 1})),
)
MEASURED = (
    "model.num_layers",
    "corpus.kept",
    "corpus.source",
    "perplexity.valid.perplexity",
    "poems.free.poems",
)
for path in (*MEASURED, "model", "external", "earlier", "commands"):
    for value in (None, [1, [2]], {"value": {}}, 1e308, HUGE, "<b>\n" * 1000, float("nan")):
        add(
            f"{METRICS}: {path} is {str(value)[:20]!r}",
            lambda f, p=path, v=value: edit(f, METRICS, lambda r: put(r, p, v)),
            True,
        )


# Logs

LINE = {"step": 25, "epoch": 0.5, "split": "valid", "loss": 5.0}
for field in LINE:
    for value in (None, [5], {"a": 1}, 1e308, -1e308, HUGE, "5", True, float("inf")):
        add(
            f"{LOG}: {field} is {str(value)[:20]!r}",
            lambda f, n=field, v=value: (f / LOG).write_text(
                json.dumps(LINE | {n: v}) + "\n" * 3, encoding="utf-8"
            ),
            True,
        )
add(f"{LOG}: 100,000 lines", lambda f: (f / LOG).write_text('{"a":1}\n' * 100_000, encoding="utf-8"), True)
add(
    f"{LOG}: 20,000 validations",
    lambda f: (f / LOG).write_text((json.dumps(LINE) + "\n") * 20_000, encoding="utf-8"),
    True,
)
add(
    f"{EARLIER}: a step that is too large to add to",
    lambda f: (f / EARLIER).write_text(
        json.dumps(LINE | {"step": 10**308, "epoch": 1.7e308}), encoding="utf-8"
    ),
    True,
)


# Weights


def rewrite(folder: Path, change: Callable[[dict], object]) -> None:
    """Saves the weights again after a change, without their fingerprint."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / WEIGHTS)
    change(tensors)
    save_file(tensors, folder / WEIGHTS)


def fill(folder: Path, dtype: str, value: float, part: str = "") -> None:
    """Fills the weights, or those whose name contains `part`, with one number."""
    import torch

    def change(tensors: dict) -> None:
        for name, old in tensors.items():
            whole = old.to(getattr(torch, dtype))
            tensors[name] = torch.full_like(whole, value) if part in name else whole

    rewrite(folder, change)


for dtype, value in (
    ("float64", 1e300),
    ("float64", 1e38),
    ("float64", 5e-324),
    ("float32", 3e38),
    ("float32", -3e38),
    ("float32", 1e20),
    ("float32", 1e-45),
    ("bfloat16", 3e38),
    ("float16", 65504),
    ("float16", 0.0),
    ("float64", float("nan")),
    ("float32", float("-inf")),
):
    for part in ("", "embedding", "bias", "weight_hh"):
        add(f"{WEIGHTS}: {value} in {dtype}, {part}", lambda f, a=(dtype, value, part): fill(f, *a))


def one_huge(folder: Path) -> None:
    """Only `<pad>`, which no poem has, gets a logit that is not finite."""
    rewrite(folder, lambda tensors: tensors["embedding.weight"][0].fill_(65504))


def no_metadata(folder: Path, metadata: object, rename: Callable[[str], str] = str) -> None:
    """Replaces the metadata in the header of the weights, and the names of the tensors."""
    data = (folder / WEIGHTS).read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = {rename(name): entry for name, entry in json.loads(data[8 : 8 + size]).items()}
    text = json.dumps(header | {"__metadata__": metadata}).encode()
    (folder / WEIGHTS).write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size :])


def long_name(name: str) -> str:
    return name if name.startswith("__") else name + "\n" * 5000


add(f"{WEIGHTS}: one logit that is not finite", one_huge)
for metadata in (None, [], {"content_sha256": "0"}, {"content_sha256": 1}, {"a": "x" * 500_000}, {"a": None}):
    add(
        f"{WEIGHTS}: the metadata {str(metadata)[:30]}",
        lambda f, m=metadata: no_metadata(f, m),
    )
add(f"{WEIGHTS}: names of 5,000 line breaks", lambda f: no_metadata(f, {}, long_name))


def sparse_model(folder: Path, layers: int, width: int) -> None:
    """A config of many parameters, and weights of that size that take no space."""
    vocab = json.loads((folder / CONFIG).read_text(encoding="utf-8"))["vocab_size"]
    edit(folder, CONFIG, lambda record: record.update(num_layers=layers, hidden_size=width))
    shapes: dict[str, list[int]] = {"embedding.weight": [vocab, width], "bias": [vocab]}
    for layer in range(layers):
        for part in ("ih", "hh"):
            shapes[f"lstm.layers.{layer}.weight_{part}_l0"] = [4 * width, width]
            shapes[f"lstm.layers.{layer}.bias_{part}_l0"] = [4 * width]
    header, end = {}, 0
    for name, shape in shapes.items():
        begin, end = end, end + 2 * shape[0] * (shape[1] if len(shape) > 1 else 1)
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    with open(folder / WEIGHTS, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)


add("8 billion parameters in a sparse file", lambda f: sparse_model(f, 16, 8192))
add("5 billion parameters in a sparse file", lambda f: sparse_model(f, 9, 8192))
add("400 million parameters in a sparse file", lambda f: sparse_model(f, 3, 4096))
add("50 million parameters in a sparse file", lambda f: sparse_model(f, 6, 1024))


# Shards


def shard(folder: Path, change: Callable[[dict], dict] = dict) -> None:
    """The weights in two shards, with an index whose map of names `change` may replace."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    weight_map = {}
    for number, names in enumerate((sorted(tensors)[::2], sorted(tensors)[1::2]), 1):
        file = f"model-{number:05}-of-00002.safetensors"
        save_file({name: tensors[name] for name in names}, folder / file, {"format": "pt"})
        weight_map |= dict.fromkeys(names, file)
    (folder / INDEX).write_text(json.dumps({"weight_map": change(weight_map)}), encoding="utf-8")


def many_shards(folder: Path) -> None:
    """Twenty thousand names in the index, each of a shard of its own that is there."""
    shard(folder, lambda names: names | {f"x{i}": f"x{i}.safetensors" for i in range(2000)})
    for i in range(2000):
        os.link(folder / "model-00001-of-00002.safetensors", folder / f"x{i}.safetensors")


add("shards: two as they should be", shard)
add("shards: 2,000 that are there", many_shards)
for name, value in {
    "a name of 5,000 characters": "x" * 5000 + ".safetensors",
    "a name with a zero": "a\0b.safetensors",
    "a name with line breaks": "a\nb.safetensors",
    "the index itself": INDEX,
    "a pickle": "pytorch_model.bin",
    "a name that leads outside": "../model.safetensors",
    "no text": [["model.safetensors"]],
}.items():
    add(f"shards: {name}", lambda f, v=value: shard(f, lambda names: names | {"bias": v}))
add("shards: 20,000 names", lambda f: shard(f, lambda m: m | {f"a\n{i}": m["bias"] for i in range(20_000)}))


# Vocabularies


def vocabulary(folder: Path, characters: Callable[[int], str]) -> None:
    """Replaces the characters of the vocabulary by others, as many as before."""

    def change(record: dict) -> None:
        vocab = record["model"]["vocab"]
        special = list(vocab)[:5]
        names = [*special, *(characters(i) for i in range(len(vocab) - 5))]
        record["model"]["vocab"] = {name: i for i, name in enumerate(names)}

    edit(folder, TOKENIZER, change)
    rewrite(folder, lambda tensors: None)  # drops the fingerprint


for name, first in {
    "control characters": 0x01,
    "spaces and marks": 0x2000,
    "arabic": 0x620,
    "combining marks": 0x300,
    "private characters": 0xE000,
    "emoji": 0x1F300,
    "hanzi without punctuation": 0x5000,
}.items():
    add(f"{TOKENIZER}: {name}", lambda f, n=first: vocabulary(f, lambda i: chr(n + i)))
for name, authors in {
    "a name of 100,000 characters": ["春" * 100_000],
    "100,000 names": ["李白"] * 100_000,
    "names that are numbers": [1, 2],
    "an object": {"李白": 1},
    "names with line breaks": ["a\nb<script>"] * 10,
}.items():
    add(f"{AUTHORS}: {name}", lambda f, a=authors: edit(f, AUTHORS, lambda r: r.update(authors=a)))


# The folder itself


def empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def in_place_of_the_folder(folder: Path, make: Callable[[Path], None]) -> None:
    shutil.rmtree(folder)
    make(folder)


add("folder: empty", empty)
for name, make in THINGS.items():
    if name != "a folder":
        add(f"folder: {name}", lambda f, m=make: in_place_of_the_folder(f, m))
add("folder: 3,000 other files", lambda f: [(f / f"{i}.txt").touch() for i in range(3000)], True)


# The ways in which a folder is read


def make_folder(folder: Path) -> None:
    """A small model that writes poems, with all its records."""
    import torch

    from poet_model import PoetConfig, PoetModel, PoetTokenizer

    torch.manual_seed(0)
    tokenizer = PoetTokenizer(dict.fromkeys(POEMS + "五七絕律"), ["李白", "孟浩然"])
    model = PoetModel(PoetConfig(len(tokenizer), hidden_size=8, num_layers=1, output_dropout=0.25), tokenizer)
    model.save_pretrained(folder)
    metrics = {
        "model": {"parameters": 100, "vocab_size": 60, "hidden_size": 8, "num_layers": 1},
        "corpus": {"kept": 5, "source": "tang"},
        "perplexity": {"valid": {"perplexity": 80.0}, "test": {"perplexity": 81.0}},
        "poems": {"free": {"poems": 9, "equal_lines": 8}, "with_form": {"poems": 9, "kept": 8}},
    }
    for name, record in {METRICS: metrics, REPORT: metrics["corpus"], HELD_OUT: {"valid": []}}.items():
        (folder / name).write_text(json.dumps(record), encoding="utf-8")
    for name in (LOG, EARLIER, SAMPLES):
        (folder / name).write_text(json.dumps(LINE) + "\n", encoding="utf-8")
    (folder / CARD).write_text("a card", encoding="utf-8")


def by_torch(folder: Path) -> None:
    from poet_model import PoetModel

    assert PoetModel.from_pretrained(folder).generate(seed=1, max_length=MOST).text


def by_numpy(folder: Path) -> None:
    from poet_model import NumpyPoetModel

    assert NumpyPoetModel.from_pretrained(folder).generate(seed=1, max_length=MOST).text


def by_page(folder: Path) -> None:
    """What the page does before it is shown, except for its layout."""
    from poet_model import PoetModel
    from poet_model.hub.fetch import find_folder
    from poet_model.ui.curves import LOSS, PERPLEXITY, curve, log_table, summary
    from poet_model.ui.facts import facts_html
    from poet_model.ui.opening import first_poem
    from poet_model.ui.poet import load_poet

    os.environ["POET_MODEL"] = str(folder)
    poet = load_poet(folder.parent, lambda name: (find_folder(name), PoetModel.from_pretrained(name)))
    _, shown = first_poem(poet)
    log = log_table(poet.folder)
    curve(log, LOSS), curve(log, PERPLEXITY)
    assert shown.text and summary(log) and len(facts_html(poet)) < 10_000


WAYS = {"torch": by_torch, "NumPy": by_numpy, "page": by_page}


def memory(name: str) -> float:
    """A value of /proc/self/status in megabytes; 0 if it is not there."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


@contextlib.contextmanager
def limited() -> Iterator[list[str]]:
    """A context manager that gives a list, which holds the exceeded limits when the block has ended.

    The time is the CPU time of this thread, because other processes of the machine should not count.
    """
    exceeded: list[str] = []
    if os.path.exists("/proc/self/clear_refs"):
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # resets the peak
    before, started = memory("VmRSS"), time.thread_time()
    try:
        yield exceeded
    finally:
        if (seconds := time.thread_time() - started) > SECONDS:
            exceeded.append(f"{seconds:.1f} s")
        if (megabytes := memory("VmHWM") - before) > MEGABYTES:
            exceeded.append(f"{megabytes:,.0f} MB")


def outcome(way: str, folder: Path) -> str:
    """What happens when a folder is read in a way: `good`, `PoetError`, or a description of what is wrong."""
    from poet_model import PoetError

    with limited() as exceeded, contextlib.redirect_stderr(io.StringIO()) as notes:
        try:
            WAYS[way](folder)
            ending = "good"
        except PoetError as error:
            message = str(error).replace(str(folder), "")
            is_short = "\n" not in message and len(message) <= LONGEST
            ending = "PoetError" if is_short else f"a message of {len(message):,} characters"
        except Exception as error:
            ending = f"other exception: {type(error).__name__}: {str(error)[:80]}"
    if exceeded:
        return f"too much: {', '.join(exceeded)}"
    if any(not line.startswith("note: ") for line in notes.getvalue().splitlines()):
        return f"other exception: {notes.getvalue()[:80]}"
    return ending


# The command


def in_a_process(way: str, folder: Path) -> str:
    """The outcome in a new process, which is ended if it hangs."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        signal.alarm(HANGS)
        resource.setrlimit(resource.RLIMIT_DATA, (8 << 30, 8 << 30))
        try:
            os.write(writing, outcome(way, folder).encode()[:1000])
        except BaseException:
            traceback.print_exc()
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as file:
        said = file.read().decode()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return f"too much: hangs for {HANGS} s" if os.WTERMSIG(status) == signal.SIGALRM else "crash"
    return said or "crash"


def main() -> None:
    """Prints the table of outcomes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--code", type=Path, default=Path(__file__).resolve().parents[1], metavar="CHECKOUT")
    parser.add_argument("--list", action="store_true", help="also print each case that does not end well")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    sys.path.insert(0, str(options.code.resolve()))
    kinds = ("good", "PoetError", "other exception", "a message", "too much", "crash", "a record")
    table = {way: Counter() for way in WAYS}
    with tempfile.TemporaryDirectory() as temporary:
        whole, folder = Path(temporary) / "whole", Path(temporary) / "folder"
        make_folder(whole)
        os.environ["POET_CACHE"] = temporary
        for way in WAYS:
            assert outcome(way, whole) == "good"  # also imports everything before the first fork
        for name, case in CASES.items():
            for way in WAYS:
                shutil.copytree(whole, folder)
                case.damage(folder)
                said = in_a_process(way, folder)
                if case.is_record and said == "PoetError":
                    said = "a record stops it"
                kind = next(kind for kind in kinds if said.startswith(kind))
                table[way][kind] += 1
                if options.list and kind not in kinds[:2]:
                    print(f"{way:6} {name}: {said}", flush=True)
                remove(folder)
    names = (
        "good",
        "PoetError",
        "other exception",
        "long message",
        "over 1 s or 200 MB",
        "crash",
        "stopped by a record",
    )
    print(f"{len(CASES)} folders")
    print("| way | " + " | ".join(names) + " |")
    print("|---" * (len(names) + 1) + "|")
    for way, counts in table.items():
        print(f"| {way} | " + " | ".join(str(counts[kind]) for kind in kinds) + " |")


def remove(path: Path) -> None:
    """Removes whatever a case has left in the place of the folder."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
