"""Famous poems are judged as the handbooks of verse judge them."""

from pathlib import Path

import pytest

from poet_model import prosody
from poet_model.prosody.lines import form_of
from poet_model.prosody.scansion import scan
from poet_model.prosody.templates import L1, L2, LEVELS
from poet_model.script import to_simplified

ROWS = Path(__file__).with_name("famous_poems.tsv").read_text(encoding="utf-8").splitlines()
FAMOUS = [row.split("\t") for row in ROWS if not row.startswith("#")]


def faults_of(text):
    return " ".join(dict.fromkeys(f"{fault.line}{fault.kind}" for fault in scan(text).faults))


@pytest.mark.parametrize(
    ("text", "level", "rhyme", "faults"), [row[1:] for row in FAMOUS], ids=[row[0] for row in FAMOUS]
)
def test_famous_poems_are_judged_as_by_the_handbooks(text, level, rhyme, faults):
    found = scan(text)
    assert found.form
    assert LEVELS[max(found.level, L1)] == level
    assert found.rhyme.status + "".join(found.rhyme.groups) + found.rhyme.first_line == rhyme
    assert faults_of(text) == faults


def test_there_are_forty_of_all_forms_and_of_many_verdicts():
    assert len({text for _, text, *_ in FAMOUS}) == len(FAMOUS) >= 40
    assert {form_of(text) for _, text, *_ in FAMOUS} == set(prosody.FORMS)
    assert {level for _, _, level, *_ in FAMOUS} == {"L1", "L2", "L3", "L4", "L5"}
    kinds = {fault[1:] for *_, faults in FAMOUS for fault in faults.split()}
    assert kinds >= set(["救", "拗", "孤平", "三平尾", "三仄尾", "失粘", "失對", "出韻", "平仄"])


@pytest.mark.parametrize("row", [row for row in FAMOUS if row[2] <= "L2"], ids=lambda row: row[0])
def test_simplified_they_are_judged_alike(row):
    there, here = scan(row[1]), scan(to_simplified(row[1]))
    assert (here.form, here.rhyme.status, here.level <= L2) == (there.form, there.rhyme.status, True)
