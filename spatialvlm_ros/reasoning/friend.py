"""
The paper's game: a language model that does not see the scene asks a friend who measures it, and concludes.

For models that cannot write trees. The friend is our own engine, so each fact in the game is measured; the conclusion is the
model's, and nobody has checked it. What never changes: the protocol is one line of plain text a turn, the game is bounded in
questions and in time, there is no conclusion before a fact is known, and the facts stand beside the answer.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from .model_text import cut, listed, without_thinking

_MAX_QUESTION_CHARS = 300
_MAX_REPLY_CHARS = 500
_MAX_ANSWER_CHARS = 1000
# Models like to set such a word in bold or to put it into a list.
_MOVE = re.compile(r"^[ \t*_#>-]*(?P<move>ASK|ANSWER)[ \t*_]*:(?P<said>.*)$", re.IGNORECASE | re.MULTILINE)
_MARKUP = " \t*_"

_RULES = """You answer a spatial question about a real scene. You do not see it; a friend measures it for you.
Each turn you write one line and nothing else, either
ASK: one simple question about one or two things, e.g. How far is the red mug from the plate? / How tall is the can?
or
ANSWER: your conclusion in one sentence, with unit.
Ask first: never answer from guesses. At most {most} questions, none twice.
If the friend does not understand, ask in other words.
If the facts do not suffice, say so in your answer."""
_REMINDER = 'That was not understood. Write one line that begins with "ASK:" or with "ANSWER:".'
_ASK_FIRST = 'Nothing has been measured yet. Write one line that begins with "ASK:".'
_LAST = "\nThat was your last question. Write your ANSWER line now."


class Chat(Protocol):
    """A model that answers messages, as endpoint.Endpoint does."""

    def chat(
        self, messages: Sequence[Mapping[str, str]], *, schema: Mapping[str, Any] | None, timeout_s: float | None = None
    ) -> str:
        """Return the model's text."""
        ...


Exchanges = tuple[tuple[str, str], ...]


class FriendError(Exception):
    """The game ended without an answer. `asked` has the questions and replies so far."""

    def __init__(self, text: str, asked: Exchanges = ()) -> None:
        super().__init__(text)
        self.asked = asked


@dataclass(frozen=True)
class FriendResult:
    """The model's conclusion and what it knew.

    Attributes:
        answer_text: the model's own words. They carry no standard deviation, because nothing in them is measured.
        asked: each question with the friend's reply, in order. Replies are measured or refuse the question.
        num_measured: how many of them do not refuse; at least 1.
    """

    answer_text: str
    asked: Exchanges
    num_measured: int

    @property
    def text(self) -> str:
        """The answer for people, marked as what it is."""
        return f"{self.answer_text} (the model's own words, from {self.num_measured} measured answers)"


class FriendGame:
    """Plays with one model and one friend."""

    def __init__(self, endpoint: Chat, answer: Callable[[str], str], max_questions: int = 8, deadline_s: float = 60.0) -> None:
        """
        Args:
            endpoint: the model.
            answer: the friend: a question to a measured reply. A ValueError of it refuses the question; its text goes to the
                model, which may put it in other words.
            max_questions: at least 1.
            deadline_s: for the model's share of a game; the friend's own time counts, but is not cut.
        """
        if max_questions < 1 or not deadline_s > 0:
            raise ValueError(f"a game needs questions and time (got max_questions {max_questions}, deadline_s {deadline_s})")
        self.endpoint, self.answer = endpoint, answer
        self.max_questions, self.deadline_s = max_questions, deadline_s

    def play(self, question: str, names: Sequence[str] = ()) -> FriendResult:
        """Let the model answer `question`; `names` are things that it may ask about.

        Raises:
            EndpointError: the model's server fails.
            FriendError: the model breaks the rules twice, repeats itself, asks too much, or time is over.
        """
        return _Round(self, question, names).play()


class _Round:
    """One game."""

    def __init__(self, game: FriendGame, question: str, names: Sequence[str]) -> None:
        self._game = game
        self._ends_s = time.monotonic() + game.deadline_s
        things = f"\nThings in the scene: {listed(names)}" if names else ""
        self._messages = [
            {"role": "system", "content": _RULES.format(most=game.max_questions)},
            {"role": "user", "content": f"Question: {question}{things}"},
        ]
        self._asked: dict[str, tuple[str, str]] = {}
        self._num_measured = 0
        self._is_reminded = False

    def play(self) -> FriendResult:
        while True:
            move, said = self._move()
            if move == "ANSWER" and self._num_measured:
                return FriendResult(said, self._exchanges(), self._num_measured)
            if move == "ASK":
                self._ask(said)
            else:
                self._remind(_ASK_FIRST if move else _REMINDER)

    def _move(self) -> tuple[str, str]:
        """The model's next move and its text; no move where the line is none. Only the line itself is remembered."""
        left_s = self._ends_s - time.monotonic()
        if left_s <= 0:
            raise self._end(f"took longer than {self._game.deadline_s:g} s; raise deadline_s or take a faster model")
        text = self._game.endpoint.chat(self._messages, schema=None, timeout_s=left_s)
        found = _MOVE.search(without_thinking(text))
        # A model that also writes its friend's replies has made them up.
        move, said = ("", "") if found is None else (found["move"].upper(), cut(found["said"].strip(_MARKUP), _MAX_ANSWER_CHARS))
        line = f"{move}: {said}" if move and said else cut(text, _MAX_ANSWER_CHARS)
        self._messages.append({"role": "assistant", "content": line})
        return (move, said) if said else ("", line)

    def _ask(self, question: str) -> None:
        key = " ".join(re.findall(r"\w+", question.lower()))
        if key in self._asked:
            raise self._end(f"asked twice: {cut(question, 100)!r}; another model may do better")
        if len(self._asked) == self._game.max_questions:
            most = self._game.max_questions
            raise self._end(f"asked more than {most} questions; raise max_questions or ask something simpler")
        question = cut(question, _MAX_QUESTION_CHARS)
        try:
            reply = self._game.answer(question)
            self._num_measured += 1
        except ValueError as error:
            reply = str(error)
        self._asked[key] = (question, cut(reply, _MAX_REPLY_CHARS))
        last = _LAST if len(self._asked) == self._game.max_questions else ""
        self._messages.append({"role": "user", "content": cut(reply, _MAX_REPLY_CHARS) + last})

    def _remind(self, text: str) -> None:
        """Tell the rules once more; the second breach ends the game."""
        if self._is_reminded:
            said = cut(self._messages[-1]["content"], 100)
            raise self._end(f"broke the rules after a reminder, with {said!r}; another model may do better")
        self._is_reminded = True
        self._messages.append({"role": "user", "content": text})

    def _exchanges(self) -> Exchanges:
        return tuple(self._asked.values())

    def _end(self, what: str) -> FriendError:
        return FriendError(f"the language model {what}", self._exchanges())
