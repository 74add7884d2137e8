"""Question to answer: the grammar first, a language model for what the grammar does not know, if one is set up.

Two steps, because an image is between them: ``plan`` makes the tree, whose names and views the image is searched for;
``answer`` gives it a value on the scene. A model that cannot write trees may play the friend game instead (``converse``): it asks
simple questions of its own until it can conclude.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from ..chat.endpoint import Endpoint, EndpointConfig
from ..chat.http_post import EndpointError
from ..expressions.evaluate import Evaluator
from ..expressions.leaves import Measure
from ..expressions.tree import ExpressionError, Tree, names_of, to_text, views_of, with_view
from ..geometry.rigid import RigidTransform
from ..language.answers import measure_with_error
from ..language.questions import NotUnderstoodError, QuestionError
from ..scene.facts import Status
from ..scene.scene import Scene
from .answer import Answer, answer_of
from .friend import FriendError, FriendGame
from .grammar import parse
from .proposer import ProposalError, TreeProposer

OFF, TREE, FRIEND = "off", "tree", "friend"
MODES = (OFF, TREE, FRIEND)


@dataclass(frozen=True)
class Plan:
    """What is going to be measured for a question. ``notes`` are the first lines of the trace."""

    question: str
    tree: Tree
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """What has to be looked for on the image."""
        return names_of(self.tree)

    @property
    def views(self) -> tuple[str, ...]:
        """The frames that its relations are seen from."""
        return views_of(self.tree)


class Reasoner:
    """See the module. Thread-safe: it keeps nothing between questions.

    Args:
        mode: what a language model does with questions that the grammar does not know: "off", "tree" or "friend".
        endpoint: where it is; needed unless "off".
        measure: what gives facts; the registry by default, or ``model_facts.with_model``.
    """

    def __init__(self, mode: str = OFF, endpoint: EndpointConfig | None = None, measure: Measure = measure_with_error) -> None:
        if mode not in MODES:
            raise ValueError(f"mode of the language model is '{mode}'; use one of {', '.join(MODES)}")
        if mode != OFF and endpoint is None:
            raise ValueError(f"mode '{mode}' needs the URL of an OpenAI-compatible server")
        self.mode, self._measure = mode, measure
        self._endpoint = None if endpoint is None else Endpoint(endpoint)

    def measuring(self, measure: Measure) -> Reasoner:
        """The same with another source of facts."""
        return Reasoner(self.mode, None if self._endpoint is None else self._endpoint.config, measure)

    @staticmethod
    def prepare() -> None:
        """Build the grammar's tables now, which takes a second, and not with the first question."""
        parse("How far is the cup from the can?")

    def plan(self, question: str, known: Collection[str] = (), view: str = "") -> Plan:
        """The tree of a question.

        Args:
            known: names of things that are in sight or were named before; they decide between readings.
            view: whose left, right, front and behind where the question does not say; a tf frame or "canonical".

        Raises:
            QuestionError: for what neither the grammar nor the model can read.
        """
        notes: tuple[str, ...] = (f"question: {question.strip()}",)
        try:
            tree = parse(question, known)
        except NotUnderstoodError as refused:
            if self.mode != TREE:
                raise
            tree, note = self._proposed(question, sorted(known), refused)
            notes = (*notes, note)
        tree = with_view(tree, view)
        return Plan(question.strip(), tree, (*notes, f"tree: {to_text(tree)}"))

    def reads(self, question: str, known: Collection[str] = ()) -> bool:
        """Whether the grammar alone knows what to do with a question: answer it, or refuse it for a reason of its own."""
        try:
            parse(question, known)
        except NotUnderstoodError:
            return False
        except QuestionError:
            return True
        return True

    def _proposed(self, question: str, names: Sequence[str], refused: NotUnderstoodError) -> tuple[Tree, str]:
        try:
            proposal = TreeProposer(self._model).propose(question, names)
        except (EndpointError, ProposalError) as error:
            raise NotUnderstoodError(f"{refused} The language model did not help: {error}", refused.forms) from error
        rounds = "" if proposal.rounds == 1 else f" in {proposal.rounds} rounds"
        return proposal.tree, f"read by the model {self._model.config.model}{rounds}"

    @property
    def _model(self) -> Endpoint:
        if self._endpoint is None:
            raise ValueError("no language model is set up")
        return self._endpoint

    def answer(self, plan: Plan, scene: Scene, output: tuple[str, RigidTransform] | None = None) -> Answer:
        """The answer on a scene that was searched for ``plan.names`` and ``plan.views``. Never raises on what a scene may hold.

        Args:
            output: (frame name, output_from_scene) for the points of facts.
        """
        try:
            evaluation = Evaluator(scene, output, measure=self._measure).evaluate(plan.tree)
        except ExpressionError as error:
            return Answer(plan.question, str(error), Status.BAD_QUERY, trace=plan.notes)
        return answer_of(plan.question, evaluation, plan.notes)

    def converse(self, question: str, ask: Callable[[Plan], Answer], known: Collection[str] = (), view: str = "") -> Answer:
        """The friend game: a model asks what ``ask`` answers, until it says an answer in its own words.

        Args:
            known, view: as of ``plan``, for each question of the model.

        Raises:
            QuestionError: when the model comes to no answer.
        """
        replies: list[Answer] = []
        by_grammar = Reasoner(measure=self._measure)

        def reply(asked: str) -> str:
            answer = ask(by_grammar.plan(asked, known, view))
            if not answer.answered:
                raise ValueError(answer.text)
            replies.append(answer)
            return answer.text

        try:
            result = FriendGame(self._model, reply).play(question, sorted(known))
        except (EndpointError, FriendError) as error:
            raise NotUnderstoodError(f"the language model came to no answer: {error}") from error
        lines = [f"question: {question.strip()}", f"asked by the model {self._model.config.model}:"]
        for asked, told in result.asked:
            lines += [f"  {asked}", f"    {told}"]
        facts = {fact.query: fact for answer in replies for fact in answer.facts}
        return Answer(question, result.text, Status.OK, "words", facts=tuple(facts.values()), trace=tuple(lines))
