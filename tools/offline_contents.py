"""A bundle as the other machine finds it: every file checked before it is used. Standard library only."""

from __future__ import annotations

import bz2
import json
import re
from dataclasses import dataclass
from pathlib import Path

from offline_pieces import digest

from poet_model.errors import CheckpointError, CorpusError
from poet_model.files import read_json

MANIFEST_NAME = "manifest.json"
FORMAT = 1
TANG, SONG, TANGSHI_GPT = "tang.jsonl.bz2", "song.jsonl.bz2", "tangshi_gpt_test.json.bz2"
_AGAIN = "make or copy the bundle again (tools/offline_bundle.py)"


@dataclass(frozen=True)
class Bundle:
    """A checked bundle.

    Attributes:
        folder: where it lies.
        manifest: what MANIFEST_NAME says.
        identity: SHA-256 of the manifest, and so of all that it names.
    """

    folder: Path
    manifest: dict
    identity: str

    def characters(self, name: str) -> int:
        """Characters of a corpus (`tang`, `song`) in all its splits."""
        return sum(self.manifest["corpora"][name]["characters"].values())

    def extract(self, target: Path) -> dict[str, Path]:
        """Uncompresses corpora and test file into `target`; their paths by `tang`, `song`, `tangshi_gpt`.

        Raises:
            CorpusError: the numbers of poems differ from the manifest, or Song's training poems include
                validation or test poems of Tang.
        """
        paths, corpora = {}, {}
        for name, file in (("tang", TANG), ("song", SONG), ("tangshi_gpt", TANGSHI_GPT)):
            if file in self.manifest["files"]:
                paths[name] = target / file.removesuffix(".bz2")
                data = bz2.decompress((self.folder / file).read_bytes())
                paths[name].write_bytes(data)
                if name != "tangshi_gpt":
                    corpora[name] = self._texts(name, data)
        held_out = set(corpora["tang"]["valid"]) | set(corpora["tang"]["test"])
        if shared := held_out.intersection(corpora["song"]["train"]):
            raise CorpusError(
                f"{self.folder}: {len(shared)} of Tang's validation and test poems are among Song's training "
                f"poems ({min(shared)[:12]}…), so the results would be invalid; {_AGAIN}"
            )
        return paths

    def _texts(self, name: str, data: bytes) -> dict[str, list[str]]:
        """The poems' texts by split; a prepared corpus is a report, then a line a poem (see write_corpus)."""
        texts: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
        try:
            for line in data.decode("utf-8").rstrip("\n").split("\n")[1:]:
                part, text, *_ = json.loads(line)
                texts[part].append(text)
        except (ValueError, KeyError) as error:
            raise CorpusError(
                f"{self.folder}: {name} is not a prepared corpus ({error}); {_AGAIN}"
            ) from error
        found = {part: len(poems) for part, poems in texts.items()}
        if found != self.manifest["corpora"][name]["poems"]:
            raise CorpusError(
                f"{self.folder}: {name} has other numbers of poems ({found}) than its manifest says "
                f"({self.manifest['corpora'][name]['poems']}); {_AGAIN}"
            )
        return texts


def read_bundle(folder: Path) -> Bundle:
    """The bundle in a folder, each file of which has the size and the SHA-256 that the manifest says.

    Raises:
        CheckpointError: no bundle, one of another format, or a damaged one.
    """
    path = folder / MANIFEST_NAME
    if not path.is_file():
        raise CheckpointError(f"--bundle {folder} is not a bundle; make one with tools/offline_bundle.py")
    manifest = read_json(path, dict, _AGAIN)
    if manifest.get("format") != FORMAT:
        raise CheckpointError(f"{path} has format {manifest.get('format')!r}, expected {FORMAT}; {_AGAIN}")
    files, corpora = manifest.get("files"), manifest.get("corpora")
    kinds = (dict, files), (dict, corpora), (dict, manifest.get("wheels"))
    if not all(isinstance(value, kind) for kind, value in kinds) or not {TANG, SONG} <= files.keys():
        raise CheckpointError(f"{path} is not the manifest of a bundle; {_AGAIN}")
    for name, said in files.items():
        if not re.fullmatch(r"[\w.+-]+", name):
            raise CheckpointError(f"{path} lists {name!r}, which no file in a bundle can be called; {_AGAIN}")
        try:
            data = (folder / name).read_bytes()
        except OSError as error:
            raise CheckpointError(f"{folder / name} cannot be read ({error.strerror}); {_AGAIN}") from error
        if {"bytes": len(data), "sha256": digest(data)} != said:
            raise CheckpointError(
                f"{folder / name} is damaged or from another bundle: its size ({len(data):,} bytes) or "
                f"SHA-256 is not that of the manifest; {_AGAIN}"
            )
    return Bundle(folder, manifest, digest(path.read_bytes()))
