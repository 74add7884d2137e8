"""Trees that a model proposes: over a real server by one that has learnt good and bad answers, and by set texts."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from bad_server import BadServer, bad_server
from hypothesis import given, settings
from hypothesis import strategies as st
from talks import ANGLE, NAMES, STRANGER, TALLER, TALLEST, TREE_TALKS, WITHIN, small_scene
from tiny_server import Script, TinyServer

from spatialvlm_ros.chat.endpoint import Endpoint, EndpointConfig, EndpointError
from spatialvlm_ros.expressions.evaluate import Evaluator
from spatialvlm_ros.expressions.operators import FOLDS, OPERATORS
from spatialvlm_ros.expressions.tree import MAX_DEPTH, Tree, names_of
from spatialvlm_ros.expressions.tree_json import json_schema, tree_from_json
from spatialvlm_ros.expressions.typing import check
from spatialvlm_ros.reasoning.proposer import Proposal, ProposalError, TreeProposer, system_prompt
from spatialvlm_ros.scene.relations import RELATIONS

QUESTION = "Is the red mug within 20 cm of the blue can?"


@pytest.fixture(scope="module")
def proposer(tiny_server: TinyServer) -> TreeProposer:
    return TreeProposer(Endpoint(tiny_server.config()))


@pytest.fixture(scope="module")
def foreign() -> Iterator[BadServer]:
    with bad_server() as server:
        yield server


def scripted(*texts: str) -> tuple[TreeProposer, Script]:
    script = Script(texts)
    return TreeProposer(script), script


def read(*texts: str) -> Tree:
    return scripted(*texts)[0].propose(QUESTION).tree


# ---------------------------------------------------------------- a real server


@pytest.mark.parametrize(
    ("question", "tree", "rounds"),
    [
        (QUESTION, WITHIN, 1),
        ("How much taller is the red mug than the blue can?", TALLER, 1),
        ("How tall is the green bowl?", STRANGER, 1),
        ("What is the tallest thing?", TALLEST, 2),
        ("Is the mug close to the can?", WITHIN, 2),
    ],
    ids=["at once", "fenced and thought", "a thing not there", "malformed, then repaired", "type error, then repaired"],
)
def test_a_model_on_a_real_server_proposes(proposer: TreeProposer, question: str, tree: dict[str, object], rounds: int) -> None:
    assert proposer.propose(question, NAMES) == Proposal(tree_from_json(tree), TREE_TALKS[question][-1], rounds)


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("Is the can heavy?", r"round 1: .*'answer'.*round 2: .*'weight' is not known"),
        ("How far is the moon?", r"round 1: there is no JSON object.*round 2: there is no JSON object"),
        ("How long are both together?", r"round 1: .*names no thing.*round 2: .*names no thing"),
    ],
    ids=["wrong schema twice", "prose twice", "its own number twice"],
)
def test_a_model_on_a_real_server_fails_twice(proposer: TreeProposer, question: str, said: str) -> None:
    with pytest.raises(ProposalError, match=said) as caught:
        proposer.propose(question, NAMES)
    assert caught.value.raws == TREE_TALKS[question] and len(caught.value.problems) == 2


def test_errors_of_the_server_come_through(foreign: BadServer) -> None:
    for way in ("html", "deny", "hang_up"):
        with pytest.raises(EndpointError):
            TreeProposer(Endpoint(EndpointConfig(foreign.url(way), "tiny"))).propose(QUESTION, NAMES)


# ---------------------------------------------------------------- what is sent


def test_the_prompt_names_what_the_checker_knows() -> None:
    prompt = system_prompt()
    left_out = {relation.name for relation in RELATIONS.values() if relation.of_all or relation.name.startswith("point_")}
    words = set("".join(letter if letter.isalnum() or letter == "_" else " " for letter in prompt).split())
    assert ({*RELATIONS, *OPERATORS, *FOLDS} - left_out) <= words
    assert len(prompt) < 3500


def test_the_examples_of_the_prompt_are_valid_trees() -> None:
    lines = [line for line in system_prompt().splitlines() if line.startswith('{"op": "') and "OP" not in line]
    trees = [line for line in lines if "FOLD" not in line]
    assert len(trees) == 3
    for line in trees:
        check(tree_from_json(json.loads(line)))


def test_the_schema_and_the_names_go_along(foreign: BadServer) -> None:
    """A server that echoes proposes the tree that stands in the question."""
    proposer = TreeProposer(Endpoint(EndpointConfig(foreign.url("echo"), "tiny")))
    proposal = proposer.propose(json.dumps(WITHIN), ['mug "big"', "can\nwith a line", "can with a line"])
    assert proposal.tree == tree_from_json(WITHIN)
    body = foreign.requests[-1].body
    assert body["response_format"]["json_schema"]["schema"] == json_schema()
    assert body["messages"][1]["content"].splitlines()[0] == 'Things in the scene: "mug \\"big\\"", "can with a line"'


def test_the_repair_tells_the_model_its_own_words_and_what_is_wrong() -> None:
    bad = json.dumps(ANGLE)
    proposer, script = scripted(bad, json.dumps(WITHIN))
    assert proposer.propose(QUESTION, NAMES).rounds == 2
    first, second = script.conversations
    assert second[: len(first)] == first
    repair = second[len(first)]
    assert repair["role"] == "user" and "'lt'" in repair["content"] and "rad" in repair["content"]


def test_a_huge_first_answer_is_not_sent_back_whole() -> None:
    proposer, script = scripted("word " * 100_000, json.dumps(WITHIN))
    proposer.propose(QUESTION, NAMES)
    assert sum(len(message["content"]) for message in script.conversations[1]) < 10_000


def test_a_crowded_scene_is_cut_in_the_prompt() -> None:
    proposer, script = scripted(json.dumps(WITHIN))
    proposer.propose(QUESTION, [f"thing {index} " + "x" * 300 for index in range(500)])
    assert len(script.conversations[0][1]["content"]) < 6000 and "440 more" in script.conversations[0][1]["content"]


# ---------------------------------------------------------------- what comes back


@pytest.mark.parametrize(
    "text",
    [
        "{tree}",
        "  {tree}\n",
        "```json\n{tree}\n```",
        "Sure! ```\n{tree}\n``` I hope that helps {{smile}}.",
        "The tree is {tree}.",
        '<think>maybe {{"op": 1}}</think>{tree}',
        "a template ate the start</think>\n{tree}",
        "<reasoning>x</reasoning>{tree}<think>and still thinking",
    ],
)
def test_the_tree_is_found_in_its_wrapping(text: str) -> None:
    assert read(text.format(tree=json.dumps(WITHIN))) == tree_from_json(WITHIN)


def refused(text: str) -> str:
    with pytest.raises(ProposalError) as caught:
        read(text, text)
    return caught.value.problems[0]


def deep(levels: int) -> str:
    return '{"op": "abs", "args": [' * levels + '{"op": "height", "args": ["can"]}' + "]}" * levels


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no JSON object"),
        ("[1, 2]", "no JSON object"),
        ("<think>" + json.dumps(WITHIN), "no JSON object"),
        (json.dumps(WITHIN)[:-2], "cannot be read"),
        ('{"op": "height", "args": ["can"], "args": ["mug"]}', "'args' stands twice"),
        ('{"value": NaN, "unit": "m"}', "NaN is no number"),
        ('{"value": 1e999, "unit": "m"}', "inf"),
        ('{"value": ' + "9" * 5000 + "}", "cannot be read"),
        ('{"value": 0.2, "unit": "m"}', "names no thing"),
        ('{"op": "gap", "args": ["can"]}', "gap"),
        ('{"op": "__import__", "args": ["os"]}', "not known"),
        ('{"op": ["lt"], "args": []}', "op"),
        ('{"op": "height", "args": ["can"], "run": "rm -rf /"}', "'run'"),
        (deep(MAX_DEPTH + 1), "levels deep"),
        (deep(200_000), "nested too deep"),
        (json.dumps({"op": "add", "args": [{"op": "height", "args": ["can"]}] * 30_000}), "nodes"),
    ],
)
def test_a_text_that_is_no_tree_is_refused_with_the_reason(text: str, said: str) -> None:
    problem = refused(text)
    assert said in problem and len(problem) <= 400


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from([*NAMES, "$x", "x", "m"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["op", "args", "over", "as", "of", "all", "things", "where", "value", "unit", "rank", "amount", "view"]
            ),
            inner | st.sampled_from([*OPERATORS, *FOLDS, *RELATIONS]),
            max_size=5,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=300)
@given(json_values)
def test_any_json_is_a_tree_or_an_error(value: object) -> None:
    text = json.dumps({"op": "and", "args": [value]} if not isinstance(value, dict) else value)
    try:
        tree = read(text, text)
    except ProposalError as error:
        assert len(error.problems) == 2
    else:
        check(tree)
        assert names_of(tree)


@settings(max_examples=300)
@given(st.text(alphabet=st.sampled_from('{}[]",:`\n\\<>/thinkop0$ \ud800'), max_size=200))
def test_any_text_is_a_tree_or_an_error(text: str) -> None:
    with pytest.raises(ProposalError):
        read(text, text)


def test_a_proposed_tree_can_be_measured(proposer: TreeProposer) -> None:
    """End to end: words, real server, tree, numbers."""
    tree = proposer.propose("How much taller is the red mug than the blue can?", NAMES).tree
    value = Evaluator(small_scene()).evaluate(tree).value
    assert value is not None and abs(value.value + 0.02) < 1e-3 and 0.0 < value.std < 0.01
