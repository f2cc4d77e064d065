"""What the programs print to be pasted works when it is pasted, whatever the names and the poems are."""

from __future__ import annotations

import shlex
from itertools import pairwise
from pathlib import Path

import pytest
from pasted_documents import plan, printed
from pasted_fixtures import made_up, paste

FOLDER = 'runs/it\'s "mine" & yours'  # a name in which everything has to be quoted
CORPUS, OUTPUT = f"{FOLDER}/poems.txt", f"{FOLDER}/model"


def typed(*words: str, **settings: object) -> dict:
    """The step that types these words; `settings` are its other entries."""
    (step,) = plan(f"```bash\n{shlex.join(words)}\n```\n", "typed")
    return step | {"where": "typed"} | settings


@pytest.fixture
def own_poems(project) -> Path:
    """A copy of the project with a folder of poems that have no 春, in two encodings."""
    (project / FOLDER).mkdir(parents=True)
    records = made_up(60, 7, "山水雲月天風花雨江人白日青遠")
    text = "".join(f"{''.join(record['paragraphs'])}\n" for record in records).replace("春", "紅")
    (project / CORPUS).write_text(text, encoding="utf-8")
    (project / FOLDER / "gb.txt").write_text(text, encoding="gb18030")
    return project


@pytest.mark.slow
def test_what_the_programs_print_can_be_pasted(own_poems, cache, hub):
    find = ("python", "-m", "poet_model.novelty", "find", "山水雲月天", "--folder", f"{FOLDER}/index")
    course = ("python", "-m", "poet_model.from_scratch", "train", "--preset", "tiny", "--corpus", CORPUS)
    train = ("python", "train.py", "--corpus")
    steps = [
        typed(*train, CORPUS, "--output", OUTPUT),
        typed("python", "-m", "poet_model.corpus", CORPUS, "--output", f"{FOLDER}/poems.jsonl"),
        typed(*course, "--output", f"{FOLDER}/course"),
        typed(*find, status=2, mended=True),  # there is no index yet
        typed(*train, f"{FOLDER}/gb.txt", "--output", OUTPUT, status=2),
    ]
    places = paste([*steps, typed(*train, "utf8.txt", "--output", OUTPUT)], own_poems, cache)
    followed = [before for before, after in pairwise(places) if after.startswith("printed")]
    assert followed.count("typed") == len(steps) + 1  # each has printed something


@pytest.mark.slow
def test_the_card_of_a_new_model_can_be_pasted(own_poems, cache, hub):
    push = ("--push-to-hub", "user/tang-lstm")
    steps = [
        typed("python", "train.py", "--corpus", CORPUS, "--output", OUTPUT, *push),
        typed("python", "-m", "poet_model.evaluation", OUTPUT, "--corpus", CORPUS),
        {"where": "typed", "kind": "document", "text": f"{OUTPUT}/README.md", "run": ""},
    ]
    paste(steps, own_poems, cache)
    card = (own_poems / OUTPUT / "README.md").read_text(encoding="utf-8")
    assert len([step for step in plan(card, "card") if step["kind"] == "shell"]) >= 2


def test_what_is_printed_is_found():
    text = "    python train.py --corpus 'a b'\n\nfrom poet_model import x\nprint(x)\n\nuse `pip install .`"
    assert [step["text"] for step in printed(text)] == [
        "python train.py --corpus 'a b'",
        "from poet_model import x\nprint(x)",
        "pip install .",
    ]
