"""What the documents tell a reader to type works when it is pasted, in the order in which it stands."""

from __future__ import annotations

import pytest
from conftest import ROOT
from pasted_documents import REPLACED, SKIPPED, kind_of, plan, snippets
from pasted_fixtures import paste

from poet_model import PoetModel

DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
    "poet_model/from_scratch/README.md",
    "assets/tang-lstm/README.md",
]


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in DOCUMENTS if name != "README.md"])  # see test_readme.py
def test_a_document_can_be_pasted(name, project, cache, small_model, hub):
    if name == "assets/tang-lstm/README.md":  # its reader has found it on the Hub
        PoetModel.from_pretrained(small_model).push_to_hub("user/tang-lstm", token="hf_writer")
    steps = plan((ROOT / name).read_text(encoding="utf-8"), name)
    if any(step["run"] for step in steps):
        paste(steps, project, cache)


def test_both_languages_have_the_same_commands_in_the_text():
    english, chinese = (
        [s.text for s in snippets((ROOT / name).read_text(encoding="utf-8"), name)]
        for name in ("README.md", "README.zh.md")
    )
    shell = [[text for text in texts if kind_of(text) == "shell"] for texts in (english, chinese)]
    assert shell[0] == shell[1] and len(shell[0]) > 20


@pytest.mark.parametrize("rule", [*SKIPPED, *REPLACED], ids=lambda rule: f"{rule.documents} {rule.pattern}")
def test_every_exception_is_still_needed(rule):
    found = [
        snippet for name in DOCUMENTS for snippet in snippets((ROOT / name).read_text(encoding="utf-8"), name)
    ]
    assert any(map(rule.applies, found))
