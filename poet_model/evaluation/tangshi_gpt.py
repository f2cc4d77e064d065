"""Measures perplexity by the protocol of another project, tangshi-gpt, on its test poems.

dengfeng-ai/tangshi-gpt (GitHub) is a GPT of six layers; it reports a perplexity of 48.64.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..corpus import PoemRecord, sources
from .perplexity import perplexity_record, score


def measure_by_protocol(model, path: str | Path) -> dict:
    """The perplexity as tangshi-gpt counts it.

    Our model is scored on title, `<sep>`, poem and `<eos>`, with an empty form and author. Its nats are
    divided by the number of tokens that tangshi-gpt counts. These include `<sos>` and line breaks, which cost
    no nats here because they are determined by the rest. Every poem is scored whole and unchanged, except
    that a space in a title becomes our `，`.

    Args:
        path: test_poems.json of that project.

    Returns:
        An entry for the section `external` of metrics.json: `perplexity` and its interval `low` to `high`;
        `tokens`, as that project counts them; `our_tokens`, as we count them; `poems`, their number.

    Raises:
        CorpusError: the file is missing or contains no poems.
    """
    raw = [poem for poem in sources.read_source(str(path)) if poem.text]
    poems = [PoemRecord(poem.text.replace("\n", ""), poem.title.replace(" ", "，")) for poem in raw]
    scored = score(model, poems, with_title=True)
    tokens = np.array([len(poem.title) + len(poem.text) + 3 for poem in raw])
    return {
        **perplexity_record(scored.poem_nats, tokens),
        "tokens": int(tokens.sum()),
        "our_tokens": scored.tokens,
        "poems": len(raw),
    }
