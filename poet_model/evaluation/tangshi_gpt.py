"""Measures perplexity by the protocol of another project, tangshi-gpt, on its test poems.

dengfeng-ai/tangshi-gpt (GitHub) is a GPT of six layers; it reports a perplexity of 48.64.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..corpus import PoemRecord, sources
from ..corpus.poems import ContentHash
from .perplexity import perplexity_record, score
from .progress import SILENT, Progress

if TYPE_CHECKING:
    from ..model import PoetModel


def measure_by_protocol(model: PoetModel, path: str | Path, progress: Progress = SILENT) -> dict[str, Any]:
    """The perplexity as tangshi-gpt counts it.

    Our model is scored on title, `<sep>`, poem and `<eos>`, with an empty form and author. Its nats are
    divided by the number of tokens that tangshi-gpt counts. These include `<sos>` and line breaks, which cost
    no nats here because they are determined by the rest. Every poem is scored whole and unchanged, except
    that a space in a title becomes our `，`.

    Args:
        path: test_poems.json of that project.
        progress: is told of each scored token.

    Returns:
        An entry for the section `external` of metrics.json: `perplexity` and its interval `low` to `high`;
        `tokens`, as that project counts them; `our_tokens`, as we count them; `poems`, their number; and
        `content`, the ContentHash of the poems, to tell files of the same size apart.

    Raises:
        CorpusError: the file is missing or contains no poems.
    """
    raw = [(poem.text, poem.title) for poem in sources.read_source(str(path)) if poem.text]
    poems = [PoemRecord(text.replace("\n", ""), title.replace(" ", "，")) for text, title in raw]
    progress.stage(f"the perplexity of {len(poems):,} poems by the protocol of tangshi-gpt")
    scored = score(model, poems, with_title=True, progress=progress)
    tokens = np.array([len(title) + len(text) + 3 for text, title in raw])
    return {
        **perplexity_record(scored.poem_nats, tokens),
        "tokens": int(tokens.sum()),
        "our_tokens": scored.tokens,
        "poems": len(raw),
        "content": ContentHash(poems).hexdigest(),
    }
