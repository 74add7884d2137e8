"""Settles the factors of ``engine_trust``'s trees on what deviations are for: those of relations between things.

Errors of a thing are a mixture, and the difference of two mixtures is none of the same shape: where one and two deviations hold
75 % and 94 % of the errors of things, they hold 72 % and 93 % of those of unrelated pairs. So factors that make things hold what
they should leave relations short of it. Here whole images are measured, their relations set beside the truth, and the factors of
each kind of deviation chosen with which what one and two deviations hold of the relations is least off, in shares of the
tolerances: first where noise is as its law says, then how much more it takes where the support shows another one
(``DepthNoise.unlike``), then for exact depth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..geometry.rigid import FloatArray
from ..perception.tabletop import TabletopConfig, TabletopSegmenter
from ..scene.canonical import canonical_from_up
from ..scene.hidden_handle import with_hidden_handle
from ..scene.measure import MeasureConfig, measure_with_evidence
from ..scene.nearest import NearestPairs
from ..scene.noise import PRESETS, noise_on_plane
from ..scene.relations import RELATIONS
from ..scene.scene import Scene, SceneObject
from ..scene.trust import Evidence, trusted
from ..scene.trust_trees import SUMS, TrustTrees
from .engine_accuracy import ACCURACY, STACKS, Extent, is_stacks
from .engine_facts import truth_of
from .engine_render import EXACT, IN_FAMILY, OUT_OF_FAMILY, Rendered, noisy_frame, render_scene
from .engine_scores import QUANTITIES, SIGMA_SHARES, SIGMA_TOLERANCES
from .trust_match import match

FAMILIES = {**IN_FAMILY, **OUT_OF_FAMILY, EXACT: EXACT}
# Of the kinds of quantities, those that hang on how well things are measured, and the relations of each that are asked: one of
# two opposites, and none about all things or the whole cloud.
_KINDS = ("distance", "gap", "size", "level difference", "direction")
_LEFT_OUT = ("nearest", "right_difference", "front_difference")
ASKED = {kind: tuple(name for name in QUANTITIES[kind] if name not in _LEFT_OUT) for kind in _KINDS}
# All but the last of the sums are of factors.
_FACTORS = len(SUMS) - 1
# The step by which each factor's logarithm is changed to see what comes of it, how often that is done anew, the logarithms that
# are tried around what was found, one factor after the other and over again, and how much all that is off counts beside
# the worse of each kind.
_STEP, _ROUNDS, _TRIED, _SWEEPS, _ALL_COUNT = 0.1, 2, np.linspace(-0.4, 0.4, 81), 3, 0.1


@dataclass(frozen=True)
class Related:
    """One image whose relations are asked.

    Attributes:
        family: of its noise.
        scene: with no things.
        things: as they are measured before evidence counts, with that.
        asked: (kind's index, relation, indices of things) of each question.
        error: (Q,) of the answers, SI.
    """

    family: str
    scene: Scene
    things: tuple[tuple[SceneObject, Evidence | None], ...]
    asked: tuple[tuple[int, str, tuple[int, ...]], ...]
    error: FloatArray


def related_images(seed: int, extent: Extent, families: Mapping[str, str] = FAMILIES) -> list[Related]:
    """One rendered scene with each family of noise, by the preset that is stated."""
    rendered = render_scene(seed, extent.sized(STACKS if is_stacks(seed) else ACCURACY))
    found = (_related(rendered, family, preset) for family, preset in families.items())
    return [image for image in found if image is not None]


def _related(rendered: Rendered, family: str, preset: str) -> Related | None:
    frame, noise = noisy_frame(rendered, family), PRESETS[preset]
    found = TabletopSegmenter(TabletopConfig(noise=noise)).segment(frame)
    if found.plane is None:
        return None
    plane = found.plane.coefficients
    canonical = canonical_from_up(found.plane.normal, plane, found.plane.tilt_std_rad, "plane")
    if canonical is None:
        return None
    told = noise_on_plane(frame, plane, found.plane.inliers, noise)
    things, numbers = [], []
    for region in found.regions:
        measured = measure_with_evidence(frame, region, canonical, plane, told, MeasureConfig())
        index, _ = match(rendered, region, frame)
        if measured is not None and index is not None:
            things.append(measured)
            numbers.append(index)
    scene = Scene(0, "", (), canonical, "", plane, 1.0, scale_std=noise.scale, noise=told)
    asked = tuple(_questions(len(things)))
    values = _measured(scene, things, asked, None)[0]
    truths = np.array([truth_of(rendered, None, name, tuple(numbers[i] for i in which)) for _, name, which in asked])
    error = values - truths
    angles = np.array([name == "direction" for _, name, _ in asked], bool)
    error = np.where(angles, (error + np.pi) % (2 * np.pi) - np.pi, error)
    return Related(family, scene, tuple(things), asked, error)


def _questions(count: int) -> list[tuple[int, str, tuple[int, ...]]]:
    """Each relation of each kind of all things, or of all pairs of them."""
    pairs = [(a, b) for a in range(count) for b in range(a + 1, count)]
    return [
        (number, name, which)
        for number, names in enumerate(ASKED.values())
        for name in names
        for which in (pairs if RELATIONS[name].arity == 2 else [(a,) for a in range(count)])
    ]


def _measured(
    scene: Scene,
    things: Sequence[tuple[SceneObject, Evidence | None]],
    asked: Sequence[tuple[int, str, tuple[int, ...]]],
    trees: TrustTrees | None,
) -> tuple[FloatArray, FloatArray]:
    """(Q,) values and standard deviations with the evidence counted by these trees; None for those of the package."""
    objects = stated(things, trees)
    whole = replace(scene, objects=tuple(objects), pairs=NearestPairs())
    found = [RELATIONS[name].measure(whole, *(objects[i] for i in which)) for _, name, which in asked]
    return np.array([one.value for one in found], np.float64), np.array([one.std for one in found], np.float64)


def stated(things: Sequence[tuple[SceneObject, Evidence | None]], trees: TrustTrees | None) -> list[SceneObject]:
    """Things with the deviations that are stated of them, by their evidence and these trees; None for those of the package."""
    return [with_hidden_handle(trusted(thing, shown, trees)) for thing, shown in things]


def stds_of(images: Sequence[Related], trees: TrustTrees) -> FloatArray:
    """(Q,) standard deviations of all answers, SI."""
    stds = [_measured(image.scene, image.things, image.asked, trees)[1] for image in images]
    return np.concatenate(stds) if stds else np.zeros(0)


def held_of(kinds: FloatArray, error: FloatArray, std: FloatArray) -> FloatArray:
    """(K, 2) what one and two deviations (Q,) hold of the errors (Q,) of each kind that is among ``kinds`` (Q,)."""
    sigmas = np.abs(error) / np.maximum(std, 1e-6)
    return np.array([[np.mean(sigmas[kinds == kind] <= count) for count in (1, 2)] for kind in np.unique(kinds)])


def off(held: FloatArray) -> float:
    """How far what is held (K, 2) is off, in shares of the tolerances: the worse of the two of each kind.

    A kind whose errors are such a mixture that no factor gives both (gaps) is one of all here, and does not settle the others.
    """
    shares = np.abs(held - SIGMA_SHARES) / SIGMA_TOLERANCES
    return float(shares.max(axis=1).mean() + _ALL_COUNT * shares.mean())


def settled(trees: TrustTrees, images: Sequence[Related]) -> tuple[TrustTrees, list[str]]:
    """The trees with their factors settled, and sentences about what is held then."""
    sentences = []
    for name, families, changed in (
        ("the noise of the presets", tuple(IN_FAMILY), everywhere),
        ("noise of another law", tuple(OUT_OF_FAMILY), elsewhere),
        ("exact depth", (EXACT,), of_exact),
    ):
        some = [image for image in images if image.family in families]
        if not any(image.asked for image in some):
            continue
        trees = _settled(trees, some, changed)
        shares = held_of(_kinds(some), _errors(some), stds_of(some, trees))
        told = ", ".join(f"{kind} {one:.1%} {two:.1%}" for kind, (one, two) in zip(ASKED, shares, strict=False))
        sentences.append(f"{name}: one and two deviations hold of {told}")
    return trees, sentences


def _settled(trees: TrustTrees, images: Sequence[Related], changed: Callable[[TrustTrees, FloatArray], TrustTrees]) -> TrustTrees:
    """The trees changed by the four logarithms with which the relations on some images hold what is least off."""
    kinds, error, least = _kinds(images), _errors(images), 1e-9
    for _ in range(_ROUNDS):
        start = np.log(np.maximum(stds_of(images, trees), least))
        steps = [np.log(np.maximum(stds_of(images, changed(trees, row)), least)) - start for row in _STEP * np.eye(_FACTORS)]
        by = np.zeros(_FACTORS)
        for index in (*range(_FACTORS),) * _SWEEPS:
            others = (by[i] / _STEP * steps[i] for i in range(_FACTORS) if i != index)
            rest = start + sum(others, np.zeros(len(start)))
            tried = [off(held_of(kinds, error, np.exp(rest + at / _STEP * steps[index]))) for at in _TRIED]
            by[index] = _TRIED[int(np.argmin(tried))]
        trees = changed(trees, by)
    return trees


def _kinds(images: Sequence[Related]) -> FloatArray:
    return np.array([kind for image in images for kind, _, _ in image.asked], np.float64)


def _errors(images: Sequence[Related]) -> FloatArray:
    return np.concatenate([image.error for image in images])


def everywhere(trees: TrustTrees, by: FloatArray) -> TrustTrees:
    """With factors of centre, edges, height and sides whose logarithms are larger by that (4,)."""
    start = trees.start.copy()
    start[:_FACTORS] = np.round(start[:_FACTORS] + by, 5)
    return replace(trees, start=start)


def elsewhere(trees: TrustTrees, by: FloatArray) -> TrustTrees:
    """The same where noise is wholly another one than its law says."""
    return replace(trees, elsewhere=np.round(trees.elsewhere + by, 5))


def of_exact(trees: TrustTrees, by: FloatArray) -> TrustTrees:
    """The same for exact depth, which the last tree of each sum asks for, and whose first leaf it comes to."""
    added = trees.added.copy()
    last = trees.first[1 : _FACTORS + 1] - 1
    added[last, 0] = np.round(added[last, 0] + by, 5)
    return replace(trees, added=added)
