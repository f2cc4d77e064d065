"""A copy of the project with a small model and a few poems, and the means to paste something in it."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from conftest import POEMS, ROOT, SHIPPED

from poet_model import PoetConfig, PoetModel, PoetTokenizer
from poet_model.corpus import load_corpus
from poet_model.corpus.held_out import write_held_out

NOT_COPIED = shutil.ignore_patterns(".*", "runs", "shared", "model.safetensors", "test-artifacts")
TINY = {
    "model": {"hidden_size": 16, "num_layers": 1},
    "training": {"epochs": 2, "batch_size": 16, "eval_every": 40, "checkpoint_every": 1, "log_every": 20},
}


def made_up(count: int, seed: int, characters: str) -> list[dict]:
    """Records of quatrains in random characters, each with 春 in it."""
    rng = random.Random(seed)
    lines = [["".join(rng.choices(characters, k=5)) for _ in range(4)] for _ in range(count)]
    return [
        {"title": a[:2], "author": "李白", "paragraphs": [f"{a}，春{b[1:]}。", f"{c}，{d}。"]}
        for a, b, c, d in lines
    ]


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Path:
    """A cache in which the npm package of the poems, already downloaded, has a few made-up ones."""
    folder = tmp_path_factory.mktemp("cache")
    characters = "".join(PoetTokenizer.load(SHIPPED).characters[2:600])
    with tarfile.open(folder / "chinese-poetry-2.0.1.tgz", "w:gz") as archive:
        for seed, name in enumerate(("poet.tang.0", "poet.song.0", "唐诗三百首")):
            data = json.dumps(made_up(160, seed, characters), ensure_ascii=False).encode()
            info = tarfile.TarInfo(f"package/dist/quantangshi/{name}.json")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return folder


@pytest.fixture(scope="session")
def small_model(tmp_path_factory, cache) -> Path:
    """A model folder with 2,000 of the shipped characters, its authors and records, and few weights."""
    folder = tmp_path_factory.mktemp("small") / "model"
    shutil.copytree(SHIPPED, folder, ignore=shutil.ignore_patterns("model.safetensors", "held_out.json"))
    shipped = PoetTokenizer.load(SHIPPED)
    tokenizer = PoetTokenizer(shipped.characters[:2000], shipped.authors)
    import torch

    torch.manual_seed(0)
    config = PoetConfig(vocab_size=len(tokenizer), hidden_size=16, num_layers=2)
    PoetModel(config, tokenizer).save_pretrained(folder)
    write_held_out(folder, load_corpus(str(cache / "chinese-poetry-2.0.1.tgz"), use_cache=False))
    return folder


@pytest.fixture
def project(tmp_path, small_model) -> Path:
    """A copy of the project with a small model, and the files that a reader has besides."""
    folder = tmp_path / "project"
    shutil.copytree(ROOT, folder, ignore=NOT_COPIED)
    shutil.rmtree(folder / "assets" / "tang-lstm")
    for name in ("assets/tang-lstm", "runs/candidate"):
        shutil.copytree(small_model, folder / name)
    (folder / "tiny.json").write_text(json.dumps(TINY), encoding="utf-8")
    (folder / "my.txt").write_text("\n".join(POEMS) + "\n", encoding="utf-8")
    poem = json.dumps([{"title": "春曉", "author": "孟浩然", "paragraphs": [POEMS[1]]}], ensure_ascii=False)
    for name in ("val_poems", "test_poems", "VAL", "TEST"):
        (folder / f"{name}.json").write_text(poem, encoding="utf-8")
    return folder


def paste(steps: list[dict], project: Path, cache: Path) -> list[str]:
    """Pastes the steps, none of which may fail; returns the places of all that was pasted."""
    own_cache = project.parent / "cache"
    shutil.copytree(cache, own_cache)
    environment = {"POET_CACHE": str(own_cache), "HF_TOKEN": "hf_writer", "OMP_NUM_THREADS": "1"}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # for hf
    done = subprocess.run(
        [sys.executable, ROOT / "tests" / "paste.py", project],
        input=json.dumps(steps),
        capture_output=True,
        encoding="utf-8",
        env=os.environ | environment,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    print(*sorted(result["seconds"], reverse=True)[:12], sep="\n")
    assert not result["failed"], "\n\n".join(result["failed"])
    return [where for _, where, _ in result["seconds"]]
