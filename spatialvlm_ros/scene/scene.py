"""Things in space, and the set of them that one image shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import numpy as np
import numpy.typing as npt

from ..geometry.rigid import FloatArray, RigidTransform
from .facts import Source, Status
from .frame import BoolArray, RGBDFrame
from .hidden_half import turned_surface
from .nearest import NearestPairs
from .noise import DepthNoise

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

Worked = TypeVar("Worked")


class of_shape(Generic[Worked]):
    """As cached_property, for what depends on the place and shape of a thing: known to all that ``called`` makes of it, too."""

    def __init__(self, work: Callable[[SceneObject], Worked]) -> None:
        self._work, self._name, self.__doc__ = work, work.__name__, work.__doc__

    @overload
    def __get__(self, thing: None, kind: type[SceneObject]) -> of_shape[Worked]: ...

    @overload
    def __get__(self, thing: SceneObject, kind: type[SceneObject]) -> Worked: ...

    def __get__(self, thing: SceneObject | None, kind: type[SceneObject]) -> of_shape[Worked] | Worked:
        if thing is None:
            return self
        known = _worked_out(thing)
        if self._name not in known:
            known[self._name] = self._work(thing)
        found: Worked = known[self._name]
        return found


def _worked_out(thing: SceneObject) -> dict[str, Any]:
    """By name, what has been worked out of the shape of a thing."""
    found: dict[str, Any] = thing.__dict__.setdefault("_of_shape", {})
    return found


@dataclass(frozen=True)
class SceneObject:
    """One thing. All coordinates are in the scene's frame, metres.

    Attributes:
        id: stable while it is tracked; > 0 for things on the image (value of their pixels in the scene's labels).
        label: what it looks like ("red block"), or the name it was asked for by.
        score: in [0, 1], how well it answers to its label.
        centre: (3,) middle of the box around it.
        covariance: (3, 3) of the centre, with the scale error.
        axes: (3, 3) rotation, columns are the box's axes; the third is up where up is known.
        extents: (3,) full edge lengths along ``axes``.
        extents_std: (3,) one standard deviation of each edge length.
        surface_point: (3,) mean of the visible surface; NaN when none is visible.
        points: (N, 3) float32 visible surface points, thinned; (0, 3) for a thing known by tf only.
        point_std_m: typical standard deviation of one surface point along its ray.
        visible_share: estimated visible share of its front, in [0, 1]; NaN when unknown.
        truncated: touches the edge of the image.
        num_points: valid depth pixels before thinning.
        last_seen_ns: stamp of the image that it was last measured on.
        scale_std: relative error of the distance from the camera that all things of an image share; 0 for a thing known by tf.
        lean: (3,) correlation of the error of each edge length with that of the centre along the same axis: 1 where the low face
            is known (a foot on the table) and the high one is not, 0 where both are known equally well, or it is not told.
        suspect: probability that it is two things taken for one, as far as its own pixels tell.
        turns: (N,) bool, which of ``points`` half a turn about the third axis, up, puts where the hidden half may be; None where
            up is not known or nothing is known of that, and the hidden half is what a mirror in the centre would show.
        sides: (2, 2) logarithm of how many times more or less its surface errs at the low and at the high end of each level axis
            than the deviations of its centre and its edges tell.
        rim_m: how wide the rim of it is whose pixels are no points, as none of them is trusted; what is known to swell has none.
    """

    id: int
    label: str
    score: float
    centre: FloatArray
    covariance: FloatArray
    axes: FloatArray
    extents: FloatArray
    extents_std: FloatArray
    surface_point: FloatArray
    points: npt.NDArray[np.float32]
    point_std_m: float
    visible_share: float
    truncated: bool
    num_points: int
    last_seen_ns: int
    source: Source = Source.DEPTH
    status: Status = Status.OK
    scale_std: float = 0.0
    lean: FloatArray = field(default_factory=lambda: np.zeros(3))
    suspect: float = 0.0
    sides: FloatArray = field(default_factory=lambda: np.zeros((2, 2)))
    turns: BoolArray | None = None
    rim_m: float = 0.0

    @of_shape
    def own_covariance(self) -> FloatArray:
        """(3, 3) of the centre without the scale error, which all things on the image and their support share."""
        own: FloatArray = self.covariance - self.scale_std**2 * np.outer(self.centre, self.centre)
        return own

    @of_shape
    def extents_covariance(self) -> FloatArray:
        """(3,) covariance of each edge length with the centre along the same axis, square metres."""
        along = np.einsum("ji,jk,ki->i", self.axes, self.own_covariance, self.axes)
        covariance: FloatArray = self.lean * np.sqrt(np.maximum(along, 0.0)) * self.extents_std
        return covariance

    @of_shape
    def surface(self) -> FloatArray:
        """(M, 3) points of the whole surface: those seen come first, then those that no one sees, as far as they can be told.

        The centre alone for a thing without a surface.
        """
        if self.turns is None or not len(self.points):
            return self.mirrored
        points = self.points.astype(np.float64)
        return turned_surface(points, self.centre, self.axes, self.extents, self.turns, self.rim_m)

    @of_shape
    def mirrored(self) -> FloatArray:
        """(2 N, 3) the points that are seen and their mirror images through the centre: as wide behind as in front.

        A box, a can and a ball are their own mirror images. The centre alone for a thing without a surface.
        """
        if not len(self.points):
            return self.centre[None]
        seen = self.points.astype(np.float64)
        return np.concatenate([seen, 2 * self.centre - seen])

    @of_shape
    def surface_tree(self) -> cKDTree:
        """Finds the nearest of ``surface``."""
        from scipy.spatial import cKDTree

        return cKDTree(self.surface)

    @of_shape
    def surface_reach(self) -> FloatArray:
        """(3,) how far ``surface`` reaches from the centre along each of its axes, metres."""
        reach: FloatArray = np.abs((self.surface - self.centre) @ self.axes).max(axis=0)
        return reach

    @property
    def shape_of(self) -> object:
        """The same object for one thing as it was measured once, whatever it is called and whenever it was seen."""
        return _worked_out(self)

    def called(
        self,
        *,
        id: int | None = None,
        label: str | None = None,
        score: float | None = None,
        last_seen_ns: int | None = None,
    ) -> SceneObject:
        """The same thing with another number, label, score or stamp. What is worked out of the shape of one is known of both."""
        new = {"id": id, "label": label, "score": score, "last_seen_ns": last_seen_ns}
        _worked_out(self)
        other = object.__new__(SceneObject)
        other.__dict__.update(self.__dict__)
        other.__dict__.update((name, value) for name, value in new.items() if value is not None)
        return other

    def length_along(self, direction: FloatArray) -> float:
        """How long the box is along a unit vector (3,), metres."""
        return float(np.abs(direction @ self.axes) @ self.extents)

    def side_log(self, direction: FloatArray) -> float:
        """The logarithm of ``sides`` towards a unit vector (3,): of the ends that it leads to, by how far; 0 straight up."""
        ends = direction @ self.axes[:, :2]
        low, high = self.sides[:, 0], self.sides[:, 1]
        return float(ends**2 @ np.where(ends > 0, high, low))

    def sides_along(self, axes: FloatArray) -> FloatArray:
        """What ``sides`` would be for other axes (3, 3) of its box."""
        return np.array([[self.side_log(-axis), self.side_log(axis)] for axis in axes[:, :2].T])

    def corners(self) -> FloatArray:
        """(8, 3) corners of its box."""
        signs = np.array(np.meshgrid([-0.5, 0.5], [-0.5, 0.5], [-0.5, 0.5])).T.reshape(-1, 3)
        corners: FloatArray = (signs * self.extents) @ self.axes.T + self.centre
        return corners


@dataclass(frozen=True)
class Binding:
    """What a name stands for on one image: a thing, or the reason why there is none.

    ``text`` is a sentence for people when ``thing`` is None, e.g. which things a name could mean. ``answering`` are all things
    that answer to the name as a description, for "how many" and "which is nearest"; None when the words mean nothing here.
    """

    status: Status
    thing: SceneObject | None = None
    text: str = ""
    answering: tuple[SceneObject, ...] | None = None


def not_looked_for(reason: str) -> str:
    """What is said of names on an image on which nothing is looked for, with why it is not."""
    return f"things are not looked for: {reason}"


def bind_by_number(name: str, things: Sequence[SceneObject]) -> Binding:
    """The thing of an id, for names like "#3"."""
    thing = next((thing for thing in things if f"#{thing.id}" == name), None)
    if thing is None:
        return Binding(Status.NOT_FOUND, text=f"no thing has number {name}; there are " + ", ".join(f"#{t.id}" for t in things))
    return Binding(thing.status, thing.called(label=name))


@dataclass(frozen=True)
class Canonical:
    """The gravity-aligned frame: x forward, y left, z up, origin on the support plane below the camera.

    Attributes:
        tilt_std_rad: standard deviation of up about each level axis.
        source: "plane", "tf" or "imu" (how up was found).
        turn: how much the frame turns about up for each radian by which up errs about x: forward is the camera's sight made
            level, and of a steep sight little is left to make level.
    """

    scene_from_canonical: RigidTransform
    tilt_std_rad: float
    source: str
    turn: float = 0.0

    @property
    def up(self) -> FloatArray:
        """(3,) unit vector in the scene's frame."""
        return self.scene_from_canonical.rotation[:, 2]

    @property
    def tilt_axes(self) -> FloatArray:
        """(2, 3) vectors in the scene's frame about which the frame turns, times how much, as up errs about x and about y."""
        forward, left, up = self.scene_from_canonical.rotation.T
        return np.stack([forward + self.turn * up, left])


@dataclass(frozen=True)
class Scene:
    """Everything found on one image, in the camera's optical frame ``frame_id``.

    Attributes:
        canonical: the gravity-aligned frame, or None with ``canonical_reason``.
        support_plane: (4,) (nx, ny, nz, d) with n up and n . p + d = height of p above it, metres; NaN when none.
        bindings: what each asked name stands for.
        views: pose in the scene's frame of each tf frame that a query may be seen from, or the reason why it is not known.
        viewer: (right, away), unit vectors (3,) in the scene's frame of who looks; None for the camera.
        scale_std: relative error of depth that the image's things and its support plane share.
        frame: the image itself, for what only the whole cloud tells; None when not kept.
        robot: (H, W) bool, pixels of the robot itself; None when unknown.
        noise: of the depth that its things were measured with; None when not kept.
        pairs: nearest points of its things, and of those that stood there on the images before.
        draw_labels: makes ``labels``, which few ask for.
    """

    stamp_ns: int
    frame_id: str
    objects: tuple[SceneObject, ...]
    canonical: Canonical | None
    canonical_reason: str
    support_plane: FloatArray
    depth_coverage: float
    bindings: Mapping[str, Binding] = field(default_factory=dict)
    draw_labels: Callable[[], npt.NDArray[np.int32]] | None = field(default=None, compare=False, repr=False)
    views: Mapping[str, RigidTransform | str] = field(default_factory=dict)
    viewer: tuple[FloatArray, FloatArray] | None = None
    scale_std: float = 0.0
    frame: RGBDFrame | None = None
    robot: BoolArray | None = None
    noise: DepthNoise | None = None
    pairs: NearestPairs = field(default_factory=NearestPairs, compare=False, repr=False)

    @cached_property
    def labels(self) -> npt.NDArray[np.int32] | None:
        """(H, W) int32, object id of each pixel, 0 nothing, -1 support plane; None when not kept. Not to be written to."""
        return None if self.draw_labels is None else self.draw_labels()

    @cached_property
    def worked_out(self) -> dict[object, tuple[object, Any]]:
        """What has been worked out of it once, for whoever asks again; see ``relation.once``."""
        return {}

    def seen_from(self, view: str) -> Scene | str:
        """The scene with left, right, front and behind of a view, or the reason why that is not known.

        A tf frame looks along its x axis with y to its left (REP 103); the image's own frame and one whose name ends in
        "optical_frame" look along z with x to their right; "canonical" and "" are the camera's.
        """
        if view in ("", "canonical"):
            if view and self.canonical is None:
                return f"the canonical frame is not known: {self.canonical_reason}"
            return self
        pose = self.views.get(view, f"no transform to frame '{view}' was asked for on this image")
        if isinstance(pose, str):
            return pose
        axes = pose.rotation
        optical = view == self.frame_id or view.endswith("optical_frame")
        right, away = (axes[:, 0], axes[:, 2]) if optical else (-axes[:, 1], axes[:, 0])
        if self.canonical is not None:
            up = self.canonical.up
            away = away - (away @ up) * up
            if float(np.linalg.norm(away)) < 0.05:
                return f"frame '{view}' looks straight up or down, so that nothing is left or right of it"
            away = away / np.linalg.norm(away)
            right = np.cross(away, up)
        return replace(self, viewer=(right, away))

    def find(self, name: str) -> Binding:
        """The thing that a name stands for; NOT_FOUND for a name that was not asked for."""
        return self.bindings.get(name) or Binding(Status.NOT_FOUND, text=f"'{name}' was not looked for on this image")

    def height_above_support(self, points: npt.ArrayLike) -> FloatArray:
        """Signed height (...,) of points (..., 3) in metres; NaN without a support plane."""
        heights: FloatArray = np.asarray(points, dtype=np.float64) @ self.support_plane[:3] + self.support_plane[3]
        return heights


_SAME_AXES = np.eye(3)


def moved_by(thing: SceneObject, transform: RigidTransform) -> SceneObject:
    """The thing in another frame; itself where that is the same, as for a camera that does not move."""
    if not transform.translation.any() and np.array_equal(transform.rotation, _SAME_AXES):
        return thing
    return replace(
        thing,
        centre=transform.apply(thing.centre),
        covariance=transform.rotate_covariance(thing.covariance),
        axes=transform.rotation @ thing.axes,
        surface_point=transform.apply(thing.surface_point),
        points=transform.apply(thing.points).astype(np.float32),
    )
