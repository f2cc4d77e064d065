"""Decodes a text, or says what it is instead. It does not know where the text comes from."""

from __future__ import annotations

import codecs

from ..errors import CorpusError


def decoded(data: bytes, name: object, remedy: str) -> str:
    """The text, which may begin with a byte order mark.

    Args:
        data: the bytes.
        name: the name of the file, for errors.
        remedy: what the user should do if it is no text; `ENCODING` in it becomes the likely encoding.

    Raises:
        CorpusError: it is not UTF-8, or has a zero byte, as UTF-16 without a mark and binary files have.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        is_utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        what = f"{name} is not UTF-8 text (byte {error.start})"
        remedy = remedy.replace("ENCODING", "UTF-16" if is_utf16 else "GB18030")
        raise CorpusError(f"{what}; {remedy}") from error
    if "\0" in text:
        what = f"{name} is not text (byte {data.index(0)} is zero)"
        raise CorpusError(f"{what}; {remedy.replace('ENCODING', 'UTF-16')}")
    return text
