"""What the programs print to be pasted works when it is pasted, whatever the names and the poems are."""

from __future__ import annotations

import shlex

import pytest
from pasted_documents import plan
from pasted_fixtures import made_up, paste

FOLDER = 'runs/it\'s "mine" & yours'  # a name in which everything has to be quoted


def steps(*commands: list[str], status: int = 0) -> list[dict]:
    """The steps that paste these commands, given as words; they must end with this exit status."""
    blocks = "".join(f"```bash\n{shlex.join(words)}\n```\n" for words in commands)
    return [step | {"where": "typed", "status": status} for step in plan(blocks, "typed")]


@pytest.fixture
def own_poems(project):
    """The folder FOLDER in a copy of the project, with poems that have no 春 in two encodings."""
    folder = project / FOLDER
    folder.mkdir(parents=True)
    lines = "".join(
        f"{''.join(r['paragraphs'])}\n" for r in made_up(60, 7, "山水雲月天風花雨江人白日青遠")
    ).replace("春", "紅")
    (folder / "poems.txt").write_text(lines, encoding="utf-8")
    (folder / "gb.txt").write_text(lines, encoding="gb18030")
    return folder


def test_what_the_programs_print_can_be_pasted(project, own_poems, cache, hub):
    corpus, output, course = (f"{FOLDER}/{name}" for name in ("poems.txt", "model", "course"))
    prepared, index = f"{FOLDER}/poems.jsonl", f"{FOLDER}/index"
    find = ["python", "-m", "poet_model.novelty", "find", "山水雲月天", "--folder", index]
    failed = paste(
        [
            *steps(["python", "train.py", "--corpus", corpus, "--output", output]),
            *steps(["python", "-m", "poet_model.corpus", corpus, "--output", prepared]),
            *steps(
                [
                    "python",
                    "-m",
                    "poet_model.from_scratch",
                    "train",
                    "--preset",
                    "tiny",
                    "--corpus",
                    corpus,
                    "--output",
                    course,
                ]
            ),
            *steps(find, status=2),  # there is no index yet
        ],
        project,
        cache,
    )
    assert not failed, "\n\n".join(failed)


def test_the_commands_of_a_card_can_be_pasted():
    pass
