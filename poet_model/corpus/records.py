"""RawPoem: one record of a source as it was written, and how a file's text is read as records."""

from __future__ import annotations

import ast
import contextlib
import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import CorpusError, quoted
from ..prosody.lines import read_lines

# the names of fields and columns, compared in lower case; the first that a record has is read
TEXT_KEYS = (
    *("paragraphs", "para", "content", "text", "poem", "body", "lines", "verses"),
    *("内容", "內容", "正文", "原文", "诗文", "詩文", "诗句", "詩句", "诗", "詩"),
)
LINES_KEYS = ("paragraphs", "para", "lines", "verses")  # a list under one of these is always a single poem
TITLE_KEYS = (
    *("title", "rhythmic", "chapter", "题目", "題目", "标题", "標題", "诗名", "詩名", "诗题", "詩題"),
    *("篇名", "词牌", "詞牌", "名称", "名稱"),
)
AUTHOR_KEYS = ("author", "poet", "writer", "作者", "诗人", "詩人", "词人", "詞人")
NO_POEM = "not a poem record"
_HEADING = re.compile(
    r"[（(【\[]?(?:其|第)?(?:[一二三四五六七八九十百廿卅]+|\d+)(?:首|章|解|[闋阕]|[疊叠])?[】\])）]?[、.．:：]?"
)


@dataclass(frozen=True)
class RawPoem:
    """One record of a source, not yet cleaned.

    Attributes:
        title: the title, or ''.
        author: the author's name, or ''.
        text: the text, with line breaks where the source has them; None if the record is not a poem.
        reason: why `text` is None.
    """

    title: str
    author: str
    text: str | None
    reason: str = NO_POEM


def read_json(text: str, path: Path) -> list[RawPoem]:
    """The records of a JSON file: records, strings, columns, or any nesting of these.

    Raises:
        CorpusError: the text is not valid JSON.
    """
    try:
        return list(_from_json(json.loads(text)))
    except (ValueError, RecursionError) as error:
        raise CorpusError(
            f"{path} is not valid JSON ({error}); repair it, leave it out, or rename it to .jsonl if "
            "each line is a separate record"
        ) from error


def read_json_lines(text: str, path: Path) -> Iterator[RawPoem]:
    """The records of a file with one JSON value per line.

    Raises:
        CorpusError: a line is not valid JSON.
    """
    for number, line in enumerate(split_at_breaks(text), 1):
        if line.strip():
            try:
                yield from list(_from_json([json.loads(line)]))
            except (ValueError, RecursionError) as error:
                raise CorpusError(
                    f"{path} line {number} is not valid JSON ({error}); repair it or leave it out"
                ) from error


def read_table(text: str, path: Path, delimiters: str = ",;\t") -> Iterator[RawPoem]:
    """The records of a CSV or TSV file, by the names of the columns in its first row.

    Args:
        text: the file's text.
        path: its path, for errors.
        delimiters: the characters that may separate columns; the first with which the first row names a
            column of poems does.

    Raises:
        CorpusError: no column is known to hold poems, or a row cannot be read.
    """
    header = next((line for line in split_at_breaks(text) if line.strip()), "")
    delimiter = next((d for d in delimiters if _names_columns(_cells(header, d))), None)
    if delimiter is None:
        columns = max((_cells(header, d) for d in delimiters), key=len)
        raise CorpusError(
            f"{path} has the columns {quoted(', '.join(columns))}, of which none is "
            f"known to hold poems; expected a first row that names one {', '.join(TEXT_KEYS[:6])} or 内容, "
            "and others title or author; add or rename them, or leave the file out"
        )
    rows = csv.reader(io.StringIO(text.lstrip("\r\n"), newline=""), delimiter=delimiter, strict=True)
    try:
        names = next(rows)
        for row in rows:
            if len(row) == len(names):
                yield from _from_object(dict(zip(names, row, strict=True)))
            elif any(cell.strip() for cell in row):
                yield RawPoem("", "", None, "a row with more or fewer cells than columns")
    except csv.Error as error:
        raise CorpusError(
            f"{path} is not a valid table ({error} in line {rows.line_num}); repair it, or leave it out"
        ) from error


def is_table(text: str) -> bool:
    """Whether the first line with text names the columns of a table, all of them well known."""
    header = next((line for line in split_at_breaks(text) if line.strip()), "")
    known = {*TEXT_KEYS, *TITLE_KEYS, *AUTHOR_KEYS, "朝代", "dynasty", "id"}
    for delimiter in ",;\t|":
        cells = [_key(cell) for cell in _cells(header, delimiter)]
        if len(cells) > 1 and _names_columns(cells) and known.issuperset(cells):
            return True
    return False


def _cells(line: str, delimiter: str) -> list[str]:
    return next(csv.reader([line], delimiter=delimiter), [])


def _names_columns(cells: Iterable[str]) -> bool:
    return any(_key(cell) in TEXT_KEYS for cell in cells)


def _key(name: str) -> str:
    return name.strip().lower()


def read_label(line: str) -> tuple[str, str]:
    """The field that a line such as `作者：王之渙` has ("title", "author", or "" for none), and the rest."""
    label, colon, rest = line.replace("：", ":", 1).partition(":")
    kinds = dict.fromkeys(TITLE_KEYS, "title") | dict.fromkeys(AUTHOR_KEYS, "author")
    kind = kinds.get(_key(label), "") if colon else ""
    return (kind, rest.strip()) if kind else ("", line)


def split_at_breaks(text: str) -> list[str]:
    """Splits text at \\n, \\r\\n and \\r only; str.splitlines would also split at U+2028 and the like."""
    return re.split(r"\r\n?|\n", text)


def _from_json(value: object, author: str = "") -> Iterator[RawPoem]:
    """The records in a JSON value; `author` is that of a collection which holds it."""
    if isinstance(value, Mapping):
        yield from _from_object(value, author)
    elif isinstance(value, str):
        yield RawPoem("", author, value)
    elif strings := _strings(value):
        yield from _from_strings(strings, author)
    elif isinstance(value, list) and value:
        for item in value:
            yield from _from_json(item, author)
    else:
        yield RawPoem("", "", None)


def _from_object(record: Mapping[str, object], author: str = "") -> Iterator[RawPoem]:
    fields = {_key(name): value for name, value in record.items()}
    title = next((fields[key] for key in TITLE_KEYS if key in fields), "")
    by = next((fields[key] for key in AUTHOR_KEYS if key in fields), author)
    key = next((key for key in TEXT_KEYS if key in fields), "")
    body = _as_value(fields[key]) if key else None
    if isinstance(body, Mapping) and not _is_column(body):
        yield from _from_object(body, _name(by))
    elif isinstance(body, Mapping) or (isinstance(body, list) and isinstance(title, list)):
        yield from _from_columns(title, by, body)
    elif isinstance(body, str):
        yield RawPoem(_name(title), _name(by), body)
    elif body == []:
        yield RawPoem(_name(title), _name(by), "")
    elif (lines := _strings(body)) and (_name(title) or key in LINES_KEYS or not are_poems(lines)):
        yield from split_at_headings(_name(title), _name(by), lines)
    elif isinstance(body, list) and body and all(isinstance(item, Mapping | str) for item in body):
        yield from _from_json(body, _name(by))
    elif "data" in fields and (names := _strings(fields.get("columns"))):
        for row in fields["data"] if isinstance(fields["data"], list) else []:
            is_row = isinstance(row, list) and len(row) == len(names)
            yield from _from_object(dict(zip(names, row, strict=True)) if is_row else {})
    elif not key and (inner := [v for v in record.values() if isinstance(v, Mapping | list) and v]):
        for value in inner:
            yield from _from_json(value, _name(by))
    else:
        yield RawPoem("", "", None)


def _from_columns(titles: object, authors: object, bodies: object) -> Iterator[RawPoem]:
    """The records of a table that is stored by columns: `{"title": […], "text": […]}`, as of pandas."""
    texts, names, poets = map(_as_column, (bodies, titles, authors))
    for row, body in texts.items():
        yield from _from_object({"text": body, "title": names.get(row), "author": poets.get(row)})


def _as_value(body: object) -> object:
    """The list that a string spells, as a table does that was written from lists; else `body` itself."""
    if isinstance(body, str) and re.match(r"""\s*\[\s*['"]""", body):
        with contextlib.suppress(ValueError, SyntaxError, MemoryError, RecursionError):
            return ast.literal_eval(body.strip())
    return body


def _as_column(values: object) -> Mapping[Any, Any]:
    if isinstance(values, list):
        return dict(enumerate(values))
    return values if isinstance(values, Mapping) else {}


def _is_column(column: Mapping[str, object]) -> bool:
    return all(name.isdecimal() for name in column)


def _from_strings(strings: Sequence[str], author: str) -> Iterator[RawPoem]:
    """The records of a list of strings: each a poem, or all of them the lines of a single poem."""
    if are_poems(strings):
        yield from (RawPoem("", author, text) for text in strings)
    else:
        yield from split_at_headings("", author, strings)


def are_poems(strings: Sequence[str]) -> bool:
    """Whether at least half of the strings hold three lines of verse or more, so that each is a poem."""
    return 2 * sum(len(read_lines(text)) >= 3 for text in strings) >= len(strings) > 0


def _strings(value: object) -> list[str]:
    """The value if it is a list of strings, else []."""
    return value if isinstance(value, list) and all(isinstance(item, str) for item in value) else []


def _name(value: object) -> str:
    return value if isinstance(value, str) else ""


def split_at_headings(title: str, author: str, lines: Sequence[str]) -> Iterator[RawPoem]:
    """The poems of one record: a line such as 其二 or （二） begins the next, and joins its title."""
    heading, verse = "", []
    for line in [*lines, None]:
        if line is not None and not (line.strip() and _HEADING.fullmatch(line.strip())):
            verse.append(line)
            continue
        if verse or line is None:
            yield RawPoem(f"{title} {heading}".strip(), author, "\n".join(verse))
        heading, verse = line or "", []
