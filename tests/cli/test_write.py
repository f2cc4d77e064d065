"""`poet write`: the poems of `generate`, on every terminal, and errors in the words of a shell."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import sys

import pytest
from commands import OnTerminal, Stdin, run, start

import poet_model
from poet_model import prosody
from poet_model.cli.write import EXAMPLES, main, make_parser
from poet_model.cli.write_options import NAMES, errors_in_words, options_of
from poet_model.cli.written import Writing
from poet_model.generation.options import DEFAULTS, GenerationConfig
from poet_model.script import to_simplified
from poet_model.terminal import CLOSED_PIPE

posix = pytest.mark.skipif(os.name == "nt", reason="needs POSIX")


@pytest.fixture(scope="module")
def model():
    return poet_model.load(backend="numpy")


def refused(capsys, *words: str) -> str:
    """The last line that a command says which ends with status 2; it has written nothing else."""
    try:
        status = main(words)
    except SystemExit as error:
        status = error.code
    out, errors = capsys.readouterr()
    assert (status, out) == (2, "") and "Traceback" not in errors
    return errors.strip().splitlines()[-1]


def test_the_poem_is_that_of_generate(model, capsys):
    words = ["春", "--form", "五絕", "--tones", "--rhyme", "--seed", "22"]
    assert main(words) == 0
    poem = model.generate("春", form="五絕", tones=True, rhyme=True, seed=22)
    assert capsys.readouterr() == (f"{poem}\n", "")


def written(model, capsys, *words: str) -> str:
    """What the command writes, without loading the model again."""
    given = make_parser().parse_args(words)
    writing = Writing(model, given.start, options_of(given, model.tokenizer), given.seed, given.simplified)
    writing.write_json(given.num) if given.json else writing.write(given.num, given.scan)
    return capsys.readouterr().out


def test_a_poem_without_a_form_is_that_of_generate(model, capsys):
    assert written(model, capsys, "明月", "--seed", "5") == f"{model.generate('明月', seed=5)}\n"


def test_every_option_reaches_generate(model, capsys):
    settings = {
        "form": "五絕",
        "tones": "L2",
        "template": "T2",
        "rhyme": "東",
        "acrostic": "春江",
        "telestich": "風東",
        "keywords": "夜",
        "title": "早春",
        "author": "杜甫",
        "best_of": 2,
        "temperature": 0.7,
        "top_k": 30,
        "top_p": 0.9,
        "frequency_penalty": 1.0,
        "guidance_scale": 1.5,
        "max_length": 100,
        "min_p": 0.01,
        "typical_p": 0.95,
        "mmi_lambda": 0.5,
        "seed": 3,
    }
    words = [word for name, value in settings.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    expected = model.generate(look_ahead=False, distinct_rhymes=True, **settings)
    assert written(model, capsys, *words, "--no-look-ahead", "--distinct-rhymes") == f"{expected}\n"
    expected = model.generate(form="五律", parallel=True, seed=3)
    assert written(model, capsys, "--form", "五律", "--parallel", "--seed", "3") == f"{expected}\n"


def test_no_option_of_generate_is_missing():
    ours = {action.dest for action in make_parser()._actions}
    assert set(NAMES) | {"seed"} == DEFAULTS.keys() | GenerationConfig.__dataclass_fields__.keys()
    assert set(NAMES) <= ours


def test_the_examples_work(model):
    lines = [line.strip() for line in EXAMPLES.splitlines() if line.startswith("  poet write")]
    for line in lines:
        words = shlex.split(re.split(r"  +| \| ", line)[0])[2:]
        given = make_parser().parse_args(words)
        assert next(model.stream(given.start, **options_of(given, model.tokenizer))), line
    assert len(lines) >= 6


def test_several_poems_are_parted_by_an_empty_line(model, capsys):
    shown = written(model, capsys, "--form", "五絕", "--num", "3", "--seed", "7")
    poems = [model.generate(form="五絕", seed=seed) for seed in (7, 8, 9)]
    assert shown == "\n".join(f"{poem}\n" for poem in poems)


def test_json_has_all_there_is_to_know(model, capsys):
    words = ["春", "--form", "七絕", "--title", "早春", "--num", "2", "--seed", "7", "--json"]
    first, second = map(json.loads, written(model, capsys, *words).splitlines())
    poem = model.generate("春", form="七絕", title="早春", seed=7)
    assert first["mean_log_prob"] == pytest.approx(sum(poem.log_probs) / len(poem.log_probs), rel=1e-4)
    assert (first["text"], first["form"], first["seed"]) == (poem.text, "七絕", 7)
    assert (first["title"], first["author"], second["seed"]) == ("早春", "", 8)
    assert first["scansion"] == prosody.scan(poem.text).record()


def test_simplified_script_and_the_verdict(model, capsys):
    words = ["风", "--form", "七絕", "--rhyme", "东", "--seed", "2", "--simplified", "--scan"]
    shown = written(model, capsys, *words)
    poem = model.generate("風", form="七絕", rhyme="東", seed=2)
    assert shown.startswith(f"{to_simplified(str(poem))}\n  七绝 · ")
    assert "押东韵" in shown and "rhymes in 东" in shown


def test_the_start_comes_from_stdin(model, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", Stdin("\ufeff明月\r\n"))
    assert main(["-", "--form", "五絕", "--seed", "4"]) == 0
    assert capsys.readouterr().out == f"{model.generate('明月', form='五絕', seed=4)}\n"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("春".encode("gbk"), "stdin is not UTF-8 text (byte 0); convert it first, as in `iconv -f GB18030"),
        ("春".encode("utf-16"), "iconv -f UTF-16 -t UTF-8 FILE | poet write -`"),
        (b"a\0", "stdin is not text (byte 1 is zero)"),
        (b"", "stdin is empty"),
        (b"\n", "stdin is empty"),
    ],
)
def test_stdin_that_is_no_text(capsys, monkeypatch, given, said):
    monkeypatch.setattr(sys, "stdin", Stdin(given))
    assert said in refused(capsys, "-")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--rhyme 春", "'春' is none (春 rhymes in 真)"),
        ("--rhyme 春", "if '春' is the start, put it first: poet write 春 … --rhyme"),
        ("春 --rhyme", "--rhyme needs a form; give --form, one of 五絕 七絕 五律 七律"),
        ("春 --best-of 3", "--best-of needs a form"),
        ("春 --form 七絕 --template T1", "--template needs tones"),
        ("春 --form 詞", "--form must be one of"),
        ("風風風 --form 七絕 --tones L0", "it would work with --tones or --tones L2"),
        ("風風風風風 --form 五絕 --tones --rhyme", "no --tones"),
        ("--acrostic 春江花月夜 --form 五絕", "use --form 五律"),
        ("--top-k -1", "--top-k must be 0 or more, got -1"),
        ("--author Whitman", "or leave --author empty"),
        ("春 --max-length 0", "--max-length must be"),
        ("😀", "'😀' is not among the characters"),
    ],
)
def test_what_cannot_be_written_is_said_in_the_words_of_a_shell(model, words, said):
    given = make_parser().parse_args(words.split())
    with pytest.raises(poet_model.InvalidValueError) as error, errors_in_words():
        Writing(model, given.start, options_of(given, model.tokenizer), seed=0).write(1)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("春 --form 五絕 --rhyme 春", "error: --rhyme takes a group of 平水韻 in a level tone"),
        ("--tones 春", "put it first: 春 … --tones"),
        ("--top-k x", "argument --top-k: invalid int value: 'x'"),
        ("--num 0", "error: --num must be 1 or more, got 0"),
        ("--seed -1", "error: --seed must be"),
        ("--seed 9223372036854775807 --num 2", "error: --seed must be"),
        ("--json --scan", "not allowed with argument"),
        ("--interactive --num 2", "--interactive writes one poem"),
        ("--interactive -", "give the start itself"),
        ("--model /nowhere/at/all", "/nowhere/at/all"),
        ("--model README.md", "README.md is a file; give the folder"),
        ("--no-such-option", "unrecognized arguments: --no-such-option"),
    ],
)
def test_bad_input_is_one_sentence(capsys, words, said):
    assert said in refused(capsys, *words.split())


def test_an_original_poem_needs_the_index(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("POET_CACHE", str(tmp_path))
    assert refused(capsys, "--original").endswith("build one with `poet judge --index build`")


@posix
def test_on_a_terminal_it_streams_and_says_the_seed(model):
    terminal = OnTerminal(["write", "春", "--form", "七律"])
    assert terminal.end() == 0
    *lines, said = terminal.shown.splitlines()
    seed = int(said.split("--seed ")[1].split(")")[0])
    assert "\n".join(lines) == str(model.generate("春", form="七律", seed=seed))
    assert len(terminal.pieces) > 20
    assert terminal.pieces[0].decode() == "春"


@posix
def test_a_terminal_shows_several_poems_as_a_file_gets_them(model, capsys):
    words = ["--num", "2", "--seed", "7", "--simplified", "--scan", "--max-length", "20"]
    terminal = OnTerminal(["write", *words], environment={"NO_COLOR": "1"})
    assert terminal.end() == 0
    assert terminal.shown == written(model, capsys, *words)


@posix
@pytest.mark.parametrize("encoding", ["cp936", "ascii"])
def test_a_poem_is_written_in_any_encoding(model, encoding):
    poem = str(model.generate("春", form="五絕", seed=1))
    environment = {"PYTHONIOENCODING": encoding}
    if encoding == "ascii":
        environment = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    status, out, errors = run(["write", "春", "--form", "五絕", "--seed", "1"], environment=environment)
    assert (status, errors) == (0, b"")
    assert out.decode(encoding) == f"{poem}\n".encode(encoding, "backslashreplace").decode(encoding)


@posix
def test_a_reader_that_has_enough_ends_it():
    process = start(["write", "--num", "100000", "--max-length", "8"])
    assert process.stdout.readline()
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert (process.wait(60), errors) == (CLOSED_PIPE, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_one_sentence():
    with open("/dev/full", "wb") as full:
        status, _, errors = run(["write", "--max-length", "8"], stdout=full)
    assert status == 2 and errors.startswith(b"error: the output cannot be") and errors.count(b"\n") == 1


@posix
def test_ctrl_c_while_it_writes():
    process = start(["write", "--num", "100000", "--json"])
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, b"\nstopped\n")
