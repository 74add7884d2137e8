"""The game of the blind model and its measuring friend: over a real server, and by set texts for what models do wrong."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
from bad_server import BadServer, bad_server
from stopwatch import quickest_s
from talks import FRIEND_TALKS, MAX_QUESTIONS, NAMES, friend
from tiny_server import Script, TinyServer

from spatialvlm_ros.chat.endpoint import Endpoint, EndpointConfig, EndpointError
from spatialvlm_ros.reasoning.friend import FriendError, FriendGame, FriendResult

HOW_FAR, HOW_TALL = "How far is the red mug from the blue can?", "How tall is the blue can?"
LADDER = "Would a ruler of 30 cm reach from the mug to the can and up to its top?"


@pytest.fixture(scope="module")
def game(tiny_server: TinyServer) -> FriendGame:
    return FriendGame(Endpoint(tiny_server.config()), friend, MAX_QUESTIONS)


@pytest.fixture(scope="module")
def foreign() -> Iterator[BadServer]:
    with bad_server() as server:
        yield server


def played(*texts: str, answer: Callable[[str], str] = friend, most: int = MAX_QUESTIONS) -> tuple[FriendResult, Script]:
    script = Script(texts)
    return FriendGame(script, answer, most).play("How far?", NAMES), script


def ended(*texts: str, answer: Callable[[str], str] = friend, most: int = MAX_QUESTIONS) -> FriendError:
    with pytest.raises(FriendError) as caught:
        played(*texts, answer=answer, most=most)
    return caught.value


# ---------------------------------------------------------------- a real server


def test_a_model_on_a_real_server_asks_twice_and_concludes(game: FriendGame) -> None:
    result = game.play(LADDER, NAMES)
    assert result.asked == ((HOW_FAR, friend(HOW_FAR)), (HOW_TALL, friend(HOW_TALL)))
    assert "0.200 m" in result.asked[0][1] and "0.120 m" in result.asked[1][1]
    assert result.answer_text == FRIEND_TALKS[LADDER][-1].removeprefix("ANSWER: ")
    assert result.text == f"{result.answer_text} (the model's own words, from {result.num_measured} measured answers)"


def test_a_refused_question_can_be_put_in_other_words(game: FriendGame) -> None:
    """The model on the real server also sets a word in bold and makes up its friend's reply, which counts for nothing."""
    result = game.play("Is the can taller than the mug?", NAMES)
    odd, can, mug = result.asked
    with pytest.raises(ValueError, match="known") as caught:
        friend(odd[0])
    assert odd[1][:80] == " ".join(str(caught.value).split())[:80]
    assert can == (HOW_TALL, friend(HOW_TALL)) and mug[1] == friend("How tall is the red mug?") != "0.30 m"
    assert result.answer_text == "Yes, by 2 cm." and result.num_measured == 2


def test_an_answer_before_any_question_is_sent_back(game: FriendGame) -> None:
    result = game.play("Is it wide?", NAMES)
    assert result.answer_text == "It is 10 cm wide." and len(result.asked) == 1


@pytest.mark.parametrize(
    ("question", "said", "facts"),
    [
        ("Is it far?", "broke the rules after a reminder, with 'Not at all.'", 0),
        ("Is it tall?", "asked twice: 'how tall is the red mug'", 1),
        ("Is it there?", f"asked more than {MAX_QUESTIONS} questions; raise max_questions", 3),
    ],
    ids=["no rules", "repeats", "too many"],
)
def test_a_model_on_a_real_server_spoils_the_game(game: FriendGame, question: str, said: str, facts: int) -> None:
    with pytest.raises(FriendError) as caught:
        game.play(question, NAMES)
    assert said in str(caught.value) and len(caught.value.asked) == facts


def test_errors_of_the_server_come_through(foreign: BadServer) -> None:
    for way in ("html", "deny", "hang_up"):
        with pytest.raises(EndpointError):
            FriendGame(Endpoint(EndpointConfig(foreign.url(way), "tiny")), friend).play(LADDER, NAMES)


# ---------------------------------------------------------------- the rules


@pytest.mark.parametrize(
    "text",
    [
        "ANSWER: It is 2 m.",
        "answer:It is 2 m.",
        "**Answer:** It is 2 m.",
        "- ANSWER : It is 2 m.  ",
        "Well.\n\nANSWER: It is 2 m.\nBye!",
        "<think>ASK: how?</think>\nANSWER: It is 2 m.",
    ],
)
def test_forms_of_a_line(text: str) -> None:
    assert played(f"ASK: {HOW_FAR}", text)[0].answer_text == "It is 2 m."


@pytest.mark.parametrize("text", ["", "ASK:", "ANSWER: **", "I ask: how far?", "QUESTION: How far?", "<think>ANSWER: 2 m"])
def test_what_is_no_line_gets_one_reminder(text: str) -> None:
    _, script = played(text, f"ASK: {HOW_FAR}", "ANSWER: 2 m")
    assert script.conversations[1][-2]["role"] == "user" and '"ASK:"' in script.conversations[1][-2]["content"]
    assert "after a reminder" in str(ended(text, text))
    error = ended(text, f"ASK: {HOW_FAR}", text)
    assert "after a reminder" in str(error) and error.asked == ((HOW_FAR, friend(HOW_FAR)),)


def test_the_model_is_told_the_rules_the_names_and_the_replies() -> None:
    _, script = played(f"ASK: {HOW_FAR}", "ANSWER: 2 m")
    rules, question, asked, reply, _ = script.conversations[-1]
    assert rules["role"] == "system" and f"{MAX_QUESTIONS} questions" in rules["content"]
    assert "How far?" in question["content"] and '"red mug"' in question["content"]
    assert asked == {"role": "assistant", "content": f"ASK: {HOW_FAR}"}
    assert reply == {"role": "user", "content": friend(HOW_FAR)}


def test_the_last_question_is_announced() -> None:
    _, script = played(f"ASK: {HOW_FAR}", f"ASK: {HOW_TALL}", "ANSWER: 2 m", most=2)
    assert "last question" not in script.conversations[1][-2]["content"]
    assert "last question" in script.conversations[2][-2]["content"]


def test_what_the_model_makes_up_after_its_line_is_forgotten() -> None:
    _, script = played(f"ASK: {HOW_FAR}\nFriend: 7 m\nANSWER: 7 m", "ANSWER: 2 m")
    assert not any("7 m" in message["content"] for message in script.conversations[-1])


def test_long_texts_are_cut_on_both_sides() -> None:
    heard: list[str] = []

    def wordy(question: str) -> str:
        heard.append(question)
        return "word " * 10_000

    result, script = played("ASK: " + "how " * 10_000, "ANSWER: " + "far " * 10_000, answer=wordy)
    assert len(heard[0]) <= 300 and len(result.asked[0][1]) <= 500 and len(result.answer_text) <= 1000
    assert sum(len(message["content"]) for message in script.conversations[-1][:-1]) < 5000


@pytest.mark.parametrize(
    "text", [" " * 400_000, "\n" * 400_000, "ASK " * 100_000, "ASK: " + "* " * 200_000, "*" * 400_000, "</think>" * 50_000]
)
def test_a_malicious_text_costs_no_time(text: str) -> None:
    assert quickest_s(lambda: ended(text, text, answer=lambda question: "no"), 1.0) < 2.0


def test_a_failure_of_the_friend_itself_is_not_hidden() -> None:
    def broken(question: str) -> str:
        raise RuntimeError("camera is off")

    with pytest.raises(RuntimeError, match="camera is off"):
        played(f"ASK: {HOW_FAR}", answer=broken)


class Slow:
    """A model that takes its time and notes how much it was given."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.given_s = seconds, list[float]()

    def chat(
        self, messages: Sequence[Mapping[str, str]], *, schema: Mapping[str, Any] | None, timeout_s: float | None = None
    ) -> str:
        assert timeout_s is not None and schema is None
        self.given_s.append(timeout_s)
        time.sleep(self.seconds)
        return f"ASK: How tall is thing {len(self.given_s)}?"


def test_a_game_ends_in_time() -> None:
    model = Slow(0.1)
    with pytest.raises(FriendError, match=r"longer than 0\.25 s; raise deadline_s") as caught:
        FriendGame(model, lambda question: "1 m", 50, deadline_s=0.25).play("How far?")
    assert len(caught.value.asked) == len(model.given_s) == 3
    assert model.given_s == sorted(model.given_s, reverse=True) and model.given_s[0] <= 0.25


def test_refusals_are_no_facts_to_conclude_from() -> None:
    error = ended("ASK: Is it nice?", "ANSWER: Yes.", "ANSWER: Yes!")
    assert "after a reminder" in str(error) and len(error.asked) == 1


@pytest.mark.parametrize(("most", "deadline_s"), [(0, 1.0), (1, 0.0), (1, float("nan"))])
def test_a_game_without_questions_or_time_is_refused(most: int, deadline_s: float) -> None:
    with pytest.raises(ValueError, match="questions and time"):
        FriendGame(Script([]), friend, most, deadline_s)
