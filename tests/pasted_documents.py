"""The commands and snippets of the documents, in the order in which a reader pastes them.

A new snippet needs nothing here: it is found and run. Only what cannot run in a test as it stands has an
entry in SKIPPED or REPLACED, with the reason; test_pasted.py fails if an entry matches nothing any more.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

PROGRAMS = (
    "poet",
    "python",
    "python3",
    "make",
    "pip",
    "hf",
    "git",
    "npm",
    "accelerate",
    "torchrun",
    "iconv",
    ".",
)
# names that a call in running text may begin with; `model` and `generate` are those of the snippets before it
CALLED = ("PoetModel", "NumpyPoetModel", "CharLM", "model", "prosody", "generate")
FENCE = re.compile(r"```(\w*)$")
LANGUAGES = {"python": "python", "bash": "shell", "sh": "shell", "console": "shell"}


@dataclass(frozen=True)
class Snippet:
    """One thing to paste.

    Attributes:
        where: the document and the line.
        kind: "python", "shell" or "text".
        text: a block of Python, one command of a shell, or a block that is neither.
    """

    where: str
    kind: str
    text: str


@dataclass(frozen=True)
class Rule:
    """What happens to the snippets of `documents` in which `pattern` is found.

    Attributes:
        documents: a regular expression of their names.
        pattern: a regular expression.
        why: the reason, for the reader of this file.
        replacement: of the pattern; None skips the snippet.
    """

    documents: str
    pattern: str
    why: str
    replacement: str | None = None

    def applies(self, snippet: Snippet) -> bool:
        document = snippet.where.rpartition(":")[0]
        return bool(re.search(self.documents, document) and re.search(self.pattern, snippet.text))


# The options of a skipped command of ours are parsed nevertheless.
SKIPPED = [
    Rule("README", r"^app\.py  ", "a list of the files"),
    Rule("derivation", "", "excerpts of the code; test_derivation.py compares them with it"),
    Rule("README", r"^\$ poet write", "test_readme.py compares these poems"),
    Rule("cli", "", "examples of the parsers; tests/cli/test_commands.py gives them to their commands"),
    Rule("", r"^(poet [a-z]+|python -m poet_model)$", "names a command"),
    Rule("README|environment", "^poet app --", "the page is opened by app.py"),
    Rule("README", r"^python3 -m venv", "makes an environment"),
    Rule("README", r"^\. \.venv/bin/activate$", "activates it"),
    Rule("README", r"^python tests/install_browser\.py$", "downloads a browser"),
    Rule("README", r"^python -m pytest$", "all tests, this one among them"),
    Rule("from_scratch", r"^python -m pytest tests/", "runs with all tests"),
    Rule("README|space", "^hf auth login$", "asks for a token"),
    Rule(
        "README|prosody|corpus|space|SECURITY",
        r"^python benchmarks/(prosody_bar|guarantee|traditional_forms|visitors)",
        "minutes",
    ),
    Rule("CONTRIBUTING", r"^POET_INSTALL=1 ", "installs packages; runs otherwise with all tests"),
    Rule("CONTRIBUTING|SECURITY", r"^POET_STOPS=87 ", "minutes; runs with all tests, but stops less often"),
    Rule("SECURITY", r"^python tests/hostile_folders\.py", "a minute; test_hostile.py does the same"),
    Rule("prosody", r"^python tools/(prosody_use|make_prosody_table)", "needs thousands of real poems"),
    Rule("README", "^accelerate launch --multi_gpu", "needs GPUs"),
    Rule("README", "^(accelerate|torchrun) .*--cpu", "several processes; see tests/training/test_train.py"),
    Rule("retrain", r"^python tools/offline_(bundle|train|unpack)", "minutes; run in tests/tools"),
    Rule("retrain", r"^POET_MODEL=.* python app\.py$", "the README has it, too"),
    Rule("space", r"^python train\.py --push-to-hub", "the README has it, too; measuring takes its time"),
    Rule("retrain|space", r"^python train\.py$", "names a command"),
    Rule("environment", "^docker ", "needs a container engine; see tests/test_container.py"),
    Rule("CONTRIBUTING|corpus", r"^python -m poet_model\.(evaluation MODEL|corpus)$", "names a command"),
    Rule("from_scratch", r"experiments\.…|^train --preset tiny$", "names what is there in full elsewhere"),
    Rule("bulk", r"engine ray|^ray ", "starts Ray; see tests/bulk/test_bulk_ray.py"),
    Rule("bulk", r"^python benchmarks/bulk", "minutes"),
    Rule("peers", r"^python benchmarks/peers", "hours; see tests/benchmarks/test_peers.py"),
    Rule("prosody", r"^python (tools/make_couplet_space|benchmarks/couplets)", "needs whole corpora"),
    Rule("bulk", r'^\{"num": 500', "requests, which are no commands"),
    Rule("from_scratch", r"from_scratch\.char_lm$", "the old name, without a mode"),
]
_TINY = " --preset tiny.json --cpu --precision no"
_COURSE = "python -m poet_model.from_scratch train --preset tiny"
REPLACED = [
    Rule("", r"^python train\.py(?!.*--(help|push-to-hub)).*", "tiny", rf"\g<0>{_TINY} --no-measure"),
    Rule("", r"^python train\.py.*--push-to-hub.*", "tiny; what is pushed is measured", rf"\g<0>{_TINY}"),
    Rule("", r"^(python -m poet_model\.evaluation|poet evaluate) .+", "few poems", r"\g<0> --poems 2"),
    Rule("README", "^poet judge poem.txt$", "a file that is there", "poet judge my.txt"),
    Rule("CONTRIBUTING|SECURITY", r"^(python tools/fuzz_requests\.py --count) 3000$", "minutes", r"\g<1> 20"),
    Rule("bulk", r"^(poet bulk.*) --num \S+", "few poems", r"\g<1> --num 8"),
    Rule("from_scratch", "^train --preset mini (.*)500$", "a mode; tiny", rf"{_COURSE} \g<1>1"),
]


def snippets(text: str, name: str) -> Iterator[Snippet]:
    """Everything to paste in a document, in order.

    Args:
        text: the document, in Markdown.
        name: its name.
    """
    language, block, start = None, [], 0
    for number, line in enumerate(text.splitlines(), 1):
        fence = FENCE.match(line)
        if language is None and fence:
            language, block, start = fence[1], [], number + 1
        elif language is not None and line == "```":
            yield from _of_block(LANGUAGES.get(language, "text"), block, name, start)
            language = None
        elif language is not None:
            block.append(line)
        else:
            for span in re.findall(r"`([^`]+)`", line):
                if kind := kind_of(span):
                    yield from _of_block(kind, [span], name, number)


def _of_block(kind: str, lines: list[str], name: str, start: int) -> Iterator[Snippet]:
    if kind != "shell":
        yield Snippet(f"{name}:{start}", kind, "\n".join(lines))
        return
    for number, line in enumerate(lines, start):
        for command in commands(line):
            yield Snippet(f"{name}:{number}", kind, command)


def commands(line: str) -> list[str]:
    """The single commands of a line of a shell, without its comment."""
    found: list[list[str]] = [[]]
    for word in shlex.split(line, comments=True):
        if word == "&&":
            found.append([])
        else:
            found[-1].append(word if word in (">", "|") else shlex.quote(word))
    return [" ".join(words) for words in found if words]


def printed(text: str) -> list[dict]:
    """The steps, as those of `plan`, for what a program prints to be pasted.

    These are the indented lines that begin with a program, the lines from an import of the package to the
    next empty line, and the commands and calls in backquotes.
    """
    markdown = re.sub(r"^    (?=python |make )(.*)$", r"```bash\n\1\n```", text, flags=re.MULTILINE)
    markdown = re.sub(r"^from poet_model(.+\n)+", "```python\n\\g<0>```\n", markdown, flags=re.MULTILINE)
    return plan(markdown, "printed")


def kind_of(span: str) -> str | None:
    """Whether some code in running text is a command ("shell"), a call ("python"), or neither (None)."""
    words = [word for word in span.split() if not re.match(r"[A-Z_]+=", word)]
    if len(words) > 1 and (words[0] in PROGRAMS or re.match(r"(train|continue|test|generate) --", span)):
        return "shell"
    try:
        node = ast.parse(span, mode="eval").body
    except SyntaxError:
        return None
    if not isinstance(node, ast.Call):
        return None
    while isinstance(node, ast.Call | ast.Attribute):
        node = node.func if isinstance(node, ast.Call) else node.value
    return "python" if isinstance(node, ast.Name) and node.id in CALLED and "…" not in span else None


def plan(text: str, name: str) -> list[dict]:
    """The steps that paste.py runs for a document: what stands there, and what is run (None: nothing).

    A command that stands in the document more than once is run once.
    """
    steps, seen = [], set()
    for snippet in snippets(text, name):
        if snippet.text in seen:
            continue
        seen.add(snippet.text)
        run: str | None = snippet.text
        if any(rule.applies(snippet) for rule in SKIPPED):
            run = None
        elif rule := next((rule for rule in REPLACED if rule.applies(snippet)), None):
            run = re.sub(rule.pattern, rule.replacement, run)
        elif snippet.kind == "text":
            raise ValueError(f"{snippet.where}: give the block a language, or add it to SKIPPED")
        steps.append({"where": snippet.where, "kind": snippet.kind, "text": snippet.text, "run": run})
    return steps
