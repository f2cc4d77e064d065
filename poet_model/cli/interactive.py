"""Session: a poem written in turn by the user and the model, line by line, on any terminal or from a pipe."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ..errors import InvalidValueError
from ..generation.stream import PoemStream
from ..prosody.lines import LINE_ENDS, SHAPES, split_lines, with_line_ends
from ..script import fold_characters, is_hanzi
from .conversation import Conversation
from .poem_view import poem_view
from .reading import judged
from .written import Writing

HELP = """Write a line, and the model answers with the next. It completes a line that you only begin.
  Enter   the model writes the next line        /swap  another candidate for its last line
  /undo   takes the last line back              /end   finishes (so does Ctrl-D)"""
COMMANDS = ("/swap", "/undo", "/end", "/help")
MOST_TRIES = 40  # seeds, to find a line that has not been seen


@dataclass
class Turn:
    """What one turn added to the poem.

    Attributes:
        before: the poem before it, with the beginning of the line if the user gave one.
        undone: the poem without it.
        text: the poem after it.
        seen: what the model has offered in this turn; empty for a turn of the user.
    """

    before: str
    undone: str
    text: str
    seen: set[str] = field(default_factory=set)


class Session:
    """One poem, from its start to its end.

    Args:
        writing: the model and the options, which hold for the whole poem.
        as_json: whether the finished poem is written as JSON.
    """

    def __init__(self, writing: Writing, as_json: bool = False):
        self._writing, self._as_json = writing, as_json
        self._turns: list[Turn] = []
        self._seed = writing.seed
        self._talk = Conversation(in_script=writing.shown, keeps_stdout_free=as_json)
        first = self._stream(writing.start)  # refuses what cannot be met before the first line
        self._form = first.poem.requested_form if writing.options.get("impose_form", True) else ""

    def run(self) -> int:
        """Talks until the poem is finished, and writes it to stdout.

        Returns:
            The exit status: 130 after Ctrl-C, otherwise 0.

        Raises:
            PoetError: the start does not fit the options.
        """
        status = 0
        self._talk.say(HELP)
        try:
            if self._writing.start:
                self._accept(self._writing.start, is_whole_line=False)
            while self._turn():
                pass
        except KeyboardInterrupt:
            self._talk.say("")
            status = 130
        self._finish()
        return status

    @property
    def text(self) -> str:
        """The poem so far, in the model's script. Its last line may be only begun."""
        return self._turns[-1].text if self._turns else ""

    def _turn(self) -> bool:
        """One input of the user; whether the session goes on."""
        number = len(split_lines(self.text)) + 1
        prompt = "the poem is complete; Enter ends it> " if self._is_full() else f"{number}> "
        try:
            typed = self._talk.ask(prompt)
        except EOFError:
            return False
        words = fold_characters(typed).strip()
        if words.startswith("/"):
            return self._command(words)
        if not words and self._is_full():
            return False
        with self._talk.errors():
            if words:
                self._accept(words)
            else:
                self._answer(self.text, self.text)
        return True

    def _command(self, words: str) -> bool:
        fitting = [name for name in COMMANDS if name.startswith(words.lower()) and len(words) > 1]
        if fitting == ["/end"]:
            return False
        if fitting == ["/swap"]:
            self._swap()
        elif fitting == ["/undo"]:
            self._undo()
        else:
            self._talk.say(HELP)
        return True

    def _accept(self, typed: str, is_whole_line: bool = True) -> None:
        """Adds what the user typed, one line or more, and lets the model answer.

        Args:
            typed: what the user typed.
            is_whole_line: whether a line without a mark is whole. With a form, its length tells.

        Raises:
            PoetError: the poem would break a rule; nothing is added then.
        """
        if not any(map(is_hanzi, typed)):
            raise InvalidValueError("a line is written in Chinese characters; /help shows the commands")
        if self._is_full():
            raise InvalidValueError("the poem is complete; press Enter, or /undo a line")
        before = self.text
        typed = self._writing.model.tokenizer.normalize(with_line_ends(typed))
        begun = before + typed
        text = self._stream(self._ended(begun) if is_whole_line or self._form else begun).poem.text
        if text[-1] in LINE_ENDS:
            self._turns.append(Turn(before, before, text))
            if not self._is_full():
                self._answer(text, text)
        else:
            self._answer(text, before)

    def _ended(self, text: str) -> str:
        """The text with a mark at its end, unless the form says that its last line is only begun."""
        lines = split_lines(text)
        if lines[-1][-1] in LINE_ENDS or (self._form and len(lines[-1]) != SHAPES[self._form][1]):
            return text
        return text + LINE_ENDS[(len(lines) - 1) % 2]

    def _answer(self, before: str, undone: str) -> None:
        """Lets the model write the rest of a line, or the next one."""
        turn = Turn(before, undone, before)
        if line := self._candidate(turn):
            self._turns.append(replace(turn, text=before + line, seen={line}))
        else:
            self._talk.say("the model would end the poem here; write a line to go on, or /end it")

    def _swap(self) -> None:
        if not self._turns or not self._turns[-1].seen:
            self._talk.say("the last line is not the model's; /undo takes it back")
            return
        turn = self._turns[-1]
        with self._talk.errors():
            if line := self._candidate(turn):
                turn.text = turn.before + line
                turn.seen.add(line)
            else:
                self._talk.say("no other line was found; /undo takes this one back")

    def _undo(self) -> None:
        if not self._turns:
            self._talk.say("there is no line to take back")
            return
        turn = self._turns.pop()
        self._talk.say(f"taken back: {turn.text[len(turn.undone) :]}")

    def _candidate(self, turn: Turn) -> str:
        """A line that the model has not offered in this turn yet; '' if there is none. It is shown."""
        for _ in range(MOST_TRIES):
            stream = self._stream(turn.before)
            self._seed += 1
            line = _next_line(stream, len(turn.before))
            if line and line not in turn.seen:
                whole = turn.before[len(turn.undone) :] + line
                self._talk.say(f"{len(split_lines(turn.undone)) + 1}: {whole}")
                return line
            if not line:
                break
        return ""

    def _stream(self, start: str) -> PoemStream:
        """The stream of a poem that begins so. It has the start in the model's script, if it fits.

        Raises:
            PoetError: the start breaks a rule.
        """
        options = self._writing.options | {"seed": self._seed}
        stream = self._writing.model.stream(start, **options)
        if start:
            next(stream)  # the first piece is the start
        return stream

    def _is_full(self) -> bool:
        lines = split_lines(self.text)
        return bool(self._form) and len(lines) == SHAPES[self._form][0] and self.text[-1] in LINE_ENDS

    def _finish(self) -> None:
        """Writes the poem, and shows how it scans."""
        writing, text = self._writing, self.text
        if not text:
            return
        poem = replace(self._stream(text).poem, seed=writing.seed)
        if self._as_json:
            print(writing.json_of(poem))
        elif not self._talk.is_on_stdout:
            print(writing.shown(str(poem)))
        view = poem_view(judged(writing.shown(text)), self._talk.stream)
        self._talk.say(f"\n{view}")


def _next_line(stream: PoemStream, given: int) -> str:
    """The characters of a stream after the given ones, as far as the end of a line."""
    for _ in stream:
        line = stream.poem.text[given:]
        if line and line[-1] in LINE_ENDS:
            break
    stream.close()
    return stream.poem.text[given:]
