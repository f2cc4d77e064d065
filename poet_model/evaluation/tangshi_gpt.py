"""Perplexity by the protocol of another project, tangshi-gpt, on its test poems.

dengfeng-ai/tangshi-gpt (GitHub), a GPT of six layers, states a perplexity of 48.64.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..corpus import PoemRecord, sources
from .perplexity import perplexity_record, score


def measure_by_protocol(model, path: str | Path) -> dict:
    """Perplexity as tangshi-gpt counts it.

    Our nats over title, `<sep>`, poem and `<eos>`, form and author empty, divided by that project's own
    number of tokens: `<sos>` and line breaks, which it counts too, are determined by the rest. Every poem
    counts, whole and as it stands; the space in a title is our `，`.

    Args:
        path: its test_poems.json.

    Returns:
        An entry for the section `external` of metrics.json: `perplexity` with its interval, `low` and `high`;
        `tokens`, as that project counts them; `our_tokens`; `poems`.

    Raises:
        CorpusError: the file is missing or holds no poems.
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
