"""Gathers what a GPU machine without a network lacks, to train there with tools/offline_train.py.

    python tools/offline_bundle.py --output bundle

That is: Tang and Song, prepared and compressed, Song without the poems that Tang holds out; the test poems of
tangshi-gpt, to be measured by its protocol; the wheels of the packages that such a machine lacks.
"""

from __future__ import annotations

import argparse
import bz2
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterable
from pathlib import Path

from offline_contents import FORMAT, MANIFEST_NAME, SONG, TANG, TANGSHI_GPT
from offline_pieces import ROOT, digest

from poet_model.command_parser import HelpFormatter
from poet_model.errors import CheckpointError, CorpusError, InvalidValueError, PoetError
from poet_model.folders import replaced_folder
from poet_model.terminal import on_any_terminal
from poet_model.training.packages import NEEDED

MAX_BYTES = 36 << 20  # of all files of a bundle
TANGSHI_GPT_FOLDER = ROOT.parent / "shared" / "data" / "tangshi_gpt"  # used if it exists
# the packages needed for training that an image made for PyTorch already has
THERE = {"torch", "huggingface_hub", "safetensors", "tokenizers", "numpy", "accelerate", "tqdm"}
THERE |= {"Jinja2"}  # torch needs it
# pip matches each tag literally: a newer tag does not include older ones
PLATFORMS = (
    "manylinux_2_28_x86_64",
    "manylinux_2_27_x86_64",
    "manylinux_2_17_x86_64",
    "manylinux2014_x86_64",
)


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line; `None` means sys.argv."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], formatter_class=HelpFormatter)
    add = parser.add_argument
    add("--output", type=Path, default=Path("bundle"), help="folder of the bundle")
    add("--tang", default="tang", help="the corpus whose style to learn, as for train.py --corpus")
    add("--song", default="song", help="a further corpus to learn from, as for train.py --corpus")
    add(
        "--tangshi-gpt",
        type=Path,
        metavar="FOLDER",
        help="folder with val_poems.json and test_poems.json of dengfeng-ai/tangshi-gpt, to compare with it",
    )
    add("--python", default="3.12", help="Python version of the other machine")
    return parser.parse_args(arguments)


def prepare(tang_source: str, song_source: str, excluded: list[str]) -> dict:
    """Prepares both corpora. Song keeps no poem of Tang's valid or test split, nor a near-copy of one.

    Args:
        excluded: files of poems to keep out of both.

    Returns:
        `tang` and `song`, each a corpus.Corpus.
    """
    from poet_model.corpus.prepare import load_corpus
    from poet_model.corpus.sources import NAMED_SOURCES

    is_named = tang_source in NAMED_SOURCES  # only the named sources (tang, song, …) are cached
    tang = load_corpus(tang_source, excluded, use_cache=is_named)
    if not tang.splits["valid"]:
        raise CorpusError(
            f"--tang {tang_source} has {tang.report.kept:,} poems, none of them in the valid split (about 2 "
            "in 100 are); give a few hundred poems or more"
        )
    with tempfile.TemporaryDirectory() as temporary:
        if is_named:
            held_out = [f"{tang_source}:valid", f"{tang_source}:test"]
        else:
            path = Path(temporary) / "held_out.jsonl"
            poems = (poem for part in ("valid", "test") for poem in tang.splits[part])
            lines = [json.dumps({"text": poem.text}, ensure_ascii=False) for poem in poems]
            path.write_text("\n".join(lines), encoding="utf-8")
            held_out = [str(path)]
        song = load_corpus(
            song_source, [*held_out, *excluded], use_cache=is_named and song_source in NAMED_SOURCES
        )
    return {"tang": tang, "song": song}


def compressed(corpus) -> bytes:
    """A prepared corpus, compressed with bz2: Song takes 20.6 MiB, against 26 with gzip; xz is slow."""
    from poet_model.corpus import write_corpus

    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "corpus.jsonl"
        write_corpus(path, corpus)
        return bz2.compress(path.read_bytes())


def requirements(names: Iterable[str]) -> list[str]:
    """The lines of requirements.txt for some packages, with their pins."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pinned = {match[0].lower(): line.strip() for line in lines if (match := re.match(r"[\w.-]+", line))}
    return [pinned[name.lower()] for name in names]


def fetch_wheels(wanted: list[str], python: str, folder: Path) -> dict[str, list[str]]:
    """Downloads wheels with pip; returns the names of the modules in each file.

    Raises:
        InvalidValueError: pip found none, or there is no network.
    """
    platforms = [word for platform in PLATFORMS for word in ("--platform", platform)]
    command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "-q", "--no-deps"]
    command += ["--only-binary=:all:", "--implementation", "cp", "--python-version", python, *platforms]
    done = subprocess.run(
        [*command, "-d", str(folder), *wanted], capture_output=True, encoding="utf-8", errors="replace"
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise InvalidValueError(
            f"pip could not download wheels of {', '.join(wanted)} for Python {python} ({reason}); check "
            "--python and the network"
        )
    return {path.name: modules_of(path) for path in sorted(folder.glob("*.whl"))}


def modules_of(wheel: Path) -> list[str]:
    """The top-level modules in a wheel."""
    names = zipfile.ZipFile(wheel).namelist()
    packages = {name.split("/")[0] for name in names if re.fullmatch(r"\w+/__init__\.py", name)}
    return sorted(
        packages | {name.split(".")[0] for name in names if re.fullmatch(r"\w+\.(\S+\.so|py)", name)}
    )


def write_bundle(output: Path, contents: dict[str, bytes], about: dict, *, max_bytes: int = MAX_BYTES) -> int:
    """Writes the files and their manifest, replacing an earlier bundle; returns their total size in bytes.

    Args:
        contents: the bytes of each file, by its name.
        about: what the manifest says besides its format and the list of files.
        max_bytes: the most bytes that all files, the manifest included, may have.

    Raises:
        InvalidValueError: more than `max_bytes`.
        CheckpointError: the folder holds something else, or cannot be written.
    """
    if output.is_dir() and any(output.iterdir()) and not (output / MANIFEST_NAME).is_file():
        raise CheckpointError(f"{output} is not empty and is not a bundle; give a new folder")
    listed = {name: {"bytes": len(data), "sha256": digest(data)} for name, data in contents.items()}
    manifest = {"format": FORMAT, **about, "files": listed}
    contents = contents | {MANIFEST_NAME: (json.dumps(manifest, indent=2) + "\n").encode("utf-8")}
    if (total := sum(map(len, contents.values()))) > max_bytes:
        raise InvalidValueError(
            f"the bundle would have {total / 2**20:.1f} MiB, more than the {max_bytes >> 20} MiB allowed; "
            "give smaller corpora (--tang, --song)"
        )
    try:
        with replaced_folder(output) as fresh:
            for name, data in contents.items():
                (fresh / name).write_bytes(data)
        for path in output.iterdir():
            if path.name not in contents and path.is_file():
                path.unlink()  # from the previous bundle, such as a wheel for another Python
    except PoetError:
        raise
    except OSError as error:
        raise CheckpointError(
            f"{output} cannot be written ({error.strerror}); give another folder"
        ) from error
    return total


def gather(options: argparse.Namespace) -> int:
    """Makes the bundle that the options describe; returns its bytes."""
    if options.output.exists() and not options.output.is_dir():
        raise InvalidValueError(f"--output {options.output} is a file; give a folder")
    folder = options.tangshi_gpt or TANGSHI_GPT_FOLDER
    judged_by = [folder / f"{name}_poems.json" for name in ("val", "test")]
    if not all(path.is_file() for path in judged_by):
        if options.tangshi_gpt:
            raise InvalidValueError(
                f"--tangshi-gpt {folder} does not hold val_poems.json and test_poems.json; give the folder "
                "with these files of dengfeng-ai/tangshi-gpt, or leave it out"
            )
        print("note: the bundle has no tangshi-gpt poems to compare on (--tangshi-gpt FOLDER adds them)")
        judged_by = []
    print("fetching wheels, preparing and compressing Tang and Song: a minute or so …", flush=True)
    with tempfile.TemporaryDirectory() as temporary:  # first, since it fails fastest
        wanted = requirements(name for name in NEEDED.values() if name not in THERE)
        wheels = fetch_wheels(wanted, options.python, Path(temporary))
        contents = {name: (Path(temporary) / name).read_bytes() for name in wheels}
    corpora = prepare(options.tang, options.song, [str(path) for path in judged_by])
    contents |= {TANG: compressed(corpora["tang"]), SONG: compressed(corpora["song"])}
    test = judged_by[-1].read_bytes() if judged_by else b""
    if test:
        contents[TANGSHI_GPT] = bz2.compress(test)
    poems = {
        name: {
            "source": corpus.report.source,
            "poems": corpus.report.splits,
            "characters": corpus.report.characters,
            "excluded": corpus.report.excluded,
        }
        for name, corpus in corpora.items()
    }
    about = {"python": options.python, "wheels": wheels, "corpora": poems}
    about["tangshi_gpt_characters"] = len(test.decode("utf-8"))  # to estimate the time of measuring
    return write_bundle(options.output, contents, about)


@on_any_terminal
def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    options = parse_arguments(arguments)
    started = time.perf_counter()
    try:
        total = gather(options)
    except PoetError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped by SIGINT; no bundle was written", file=sys.stderr)
        return 128 + signal.SIGINT
    seconds = time.perf_counter() - started
    print(f"{options.output}: {total / 2**20:.1f} MiB in {seconds:.0f} s, for Python {options.python}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
