"""What every spatial vision-language model does: find named things on an image, and answer questions about it in words.

A model looks at an image once (``look``) and is then asked as often as wanted. It says which and what; how far is measured with
depth (scene/). Its own numbers are one more source beside depth, and carry a deviation learnt on held-out data.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ..geometry.rigid import FloatArray
from ..perception.appearance import Appearance
from ..scene.facts import METRE, PROBABILITY, Query, Status
from ..scene.frame import BoolArray, Region, RGBDFrame
from ..scene.noise import DepthNoise
from ..scene.scene import SceneObject


class VlmError(RuntimeError):
    """A model that cannot be had or does not answer. The text says what happened, with which value, and what to do."""


@dataclass(frozen=True)
class View:
    """What a model is shown.

    Attributes:
        color: (H, W, 3) uint8, RGB.
        frame: the same image with depth and intrinsics; None where there is no depth.
        proposals: regions that may be things, found without words (perception/tabletop.py); a model may choose among them, mend
            them or find its own.
        plane: (4,) (nx, ny, nz, d) support plane in the optical frame, normal up; NaN when none is known.
        up: (3,) unit vector against gravity in the optical frame; None when not known.
        robot: (H, W) bool, pixels known to be the robot itself; None when unknown.
        noise: of the depth camera, for models that measure; None when not known.
        things: by number of a proposal, what it measured as in the optical frame. Whoever made the view may add to it later; what
            is not in it a model measures itself.
        appearances: by number of a proposal, what it looks like beside this plane, without words of size. A model that looks for
            itself adds to it, for whoever made the view.
        mend_masks: whether a model that can is to mend the masks of the proposals that it chooses; not where nobody reads them.
    """

    color: npt.NDArray[np.uint8]
    frame: RGBDFrame | None = None
    proposals: tuple[Region, ...] = ()
    plane: FloatArray = field(default_factory=lambda: np.full(4, np.nan))
    up: FloatArray | None = None
    robot: BoolArray | None = None
    noise: DepthNoise | None = None
    things: dict[int, SceneObject] = field(default_factory=dict, compare=False, repr=False)
    appearances: dict[int, Appearance] = field(default_factory=dict, compare=False, repr=False)
    mend_masks: bool = True

    @property
    def described(self) -> dict[int, Appearance]:
        """``appearances`` by the ``id`` of the proposals' regions."""
        return {id(self.proposals[number]): look for number, look in self.appearances.items()}


@dataclass(frozen=True)
class Grounding:
    """Where a name is on an image.

    Attributes:
        name: as asked.
        regions: that answer to it, best first, each with its score in [0, 1] and ``label`` the name.
        present: probability that anything on the image answers to the name.
        several: probability that more than one thing does; NaN when the model does not say.
        proposals: index in ``View.proposals`` of each region, -1 for one that the model found itself.
        understood: whether the model knows the words at all. False means "not there" is no news.
        supposed: probability that the first region is what a question means by the name: who asks about a thing supposes that one
            is there, and one alone. NaN when the model does not say.
    """

    name: str
    regions: tuple[Region, ...]
    present: float
    several: float = math.nan
    proposals: tuple[int, ...] = ()
    understood: bool = True
    supposed: float = math.nan


@dataclass(frozen=True)
class Question:
    """A question in words; ``query`` is what it asks for, where that is known (its names are then those of the words).

    ``verbatim``: the words already say how to answer, and a backend adds none of its own. ``wordless``: only the number of the
    answer is read; a backend that has it without words may leave ``ModelAnswer.text`` empty.
    """

    text: str
    query: Query | None = None
    verbatim: bool = False
    wordless: bool = False


@dataclass(frozen=True)
class ModelAnswer:
    """What a model says.

    Attributes:
        text: in words, as said.
        status: OK; NOT_FOUND / AMBIGUOUS when it says so of a name; BAD_QUERY when its words hold no answer.
        value: in ``unit``, or the probability of "yes" (of the first thing, of the first side); NaN without one.
        std: one standard deviation of ``value``, learnt or from repeated answers; NaN for probabilities and when not known.
        samples: how many answers were averaged.
        alone_std: ``std`` without what a measurement that the model reads says of itself; NaN where that is the same.
    """

    text: str
    status: Status = Status.OK
    value: float = math.nan
    std: float = math.nan
    unit: str = METRE
    samples: int = 1
    alone_std: float = math.nan

    @property
    def is_probability(self) -> bool:
        return self.unit == PROBABILITY

    @property
    def own_std(self) -> float:
        """How sure the model is by itself, for who joins its value with a measurement; NaN for probabilities."""
        if self.is_probability:
            return math.nan
        return self.std if math.isnan(self.alone_std) else self.alone_std


@dataclass(frozen=True)
class Gripper:
    """Where the robot's gripper is, by the image alone.

    Attributes:
        present: probability that one is in sight.
        mask: (H, W) bool, its pixels.
        tip: (3,) point between its finger tips in the optical frame, metres.
        covariance: (3, 3) of that point, as learnt on held-out data.
    """

    present: float
    mask: BoolArray
    tip: FloatArray
    covariance: FloatArray


class Glance(ABC):
    """A model that has looked at one image. Not thread-safe."""

    @abstractmethod
    def ground(self, names: Sequence[str]) -> list[Grounding]:
        """One grounding a name, in order. Raises VlmError when the model fails, not when it finds nothing."""

    @abstractmethod
    def answer(self, questions: Sequence[Question]) -> list[ModelAnswer]:
        """One answer a question, in order; all at once. Raises VlmError when the model fails."""

    def gripper(self) -> Gripper | None:
        """The robot's gripper; None from models that do not look for it. Raises VlmError when the model fails."""
        return None


class SpatialVlm(ABC):
    """A vision-language model that knows space."""

    #: One line that differs whenever the output may: name, weights' hash, device, libraries.
    version: str

    @abstractmethod
    def look(self, view: View) -> Glance:
        """Encode an image, once. Raises VlmError."""

    @property
    def grounds(self) -> bool:
        """Whether it can find names on images."""
        return True

    @property
    def answers(self) -> bool:
        """Whether it answers questions in words."""
        return True

    @property
    def reads_depth(self) -> bool:
        """Whether its numbers start from the things' depth, so that they err together with what depth measures."""
        return False

    def joined_verdict(self, query: Query, margin: float, own: float) -> float | None:
        """Probability that a comparison holds, as fitted on held-out things to what depth and the model say together.

        Args:
            margin: depth's, in its standard deviations, above 0 where the comparison holds.
            own: the model's own probability that it does.

        Returns:
            None where nothing was fitted.
        """
        return None

    def close(self) -> None:  # noqa: B027 - most models hold nothing that has to be given back
        """Give back what it holds (connections, memory)."""
