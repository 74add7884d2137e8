"""Rendered scenes of another renderer with proposals of the real segmenter: what the tower is chosen and calibrated on.

Open3D's ray caster (simulation/raycast.py) with noise of its own shares no code with the renderer that training uses. Seeds are
FIRST_SEED and on; those that benchmarks test with are others.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ...perception.appearance import describe_each
from ...perception.tabletop import TabletopConfig, TabletopSegmenter
from ...scene.frame import RGBDFrame
from ...scene.noise import PRESETS
from ...simulation.depth_noise import FAMILIES, add_noise
from ...simulation.random_scene import RandomScene, SceneSampling, random_scene
from ...simulation.random_things import COLORS, SHAPES
from ...simulation.raycast import frame_of, render
from ...vlm.embedded.config import filled
from ...vlm.embedded.crops import Images, assemble, mask_boxes, prepare_images, sample_masks, sample_windows, windows
from ...vlm.embedded.witness import looks_of
from .pool import NOTHING, THING, RegionShard, join, pack_pictures

FIRST_SEED = 500_000
MIN_PIXELS = 150
MIN_IOU = 0.5
# Which of the segmenter's noise presets describes a family best that it has none for.
_NEAREST = {"correlated_stereo": "stereo", "tof_multipath": "time_of_flight", "kinect_quantised": "structured_light"}
# Nouns that people use for the same thing, by the shape's name in simulation/random_things.py.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "block": ("block", "cube", "brick"),
    "box": ("box", "carton", "package"),
    "book": ("book",),
    "can": ("can", "tin", "cylinder"),
    "bottle": ("bottle",),
    "mug": ("mug", "cup"),
    "cup": ("cup", "beaker"),
    "bowl": ("bowl",),
    "plate": ("plate", "dish"),
    "ball": ("ball", "sphere"),
    "cone": ("cone",),
    "roll": ("roll", "ring", "tape roll"),
    "bracket": ("bracket",),
}
# Shapes that may go by each other's names.
AKIN = (
    frozenset(("block", "box", "book")),
    frozenset(("mug", "cup", "bowl")),
    frozenset(("can", "bottle", "cup", "roll")),
    frozenset(("plate", "bowl")),
    frozenset(("bracket", "block")),
)
COLOR_SYNONYMS: dict[str, tuple[str, ...]] = {
    "red": ("crimson",),
    "grey": ("gray",),
    "turquoise": ("teal", "cyan"),
    "purple": ("violet",),
}
AKIN_COLORS = (
    frozenset(("blue", "turquoise")), frozenset(("green", "turquoise")), frozenset(("red", "orange")), frozenset(("red", "pink")),
    frozenset(("pink", "purple")), frozenset(("orange", "brown")), frozenset(("red", "brown")), frozenset(("yellow", "orange")),
    frozenset(("white", "grey")), frozenset(("grey", "black")), frozenset(("black", "brown")), frozenset(("blue", "purple")),
)  # fmt: skip


@dataclass(frozen=True)
class ValidationQuery:
    """A phrase about one scene: the regions of the set that answer to it, and those that people might argue about."""

    scene: int
    text: str
    answers: tuple[int, ...]
    open: tuple[int, ...] = ()
    kind: str = "name"


@dataclass(frozen=True)
class ValidationSet:
    """Regions of scenes, and phrases about them.

    Attributes:
        names: of the regions' things, "" for a region that is none.
        looks: (N, 17 + K) float32 of ``witness.looks_of``, what depth and colour say of the regions without a model.
    """

    regions: RegionShard
    queries: tuple[ValidationQuery, ...]
    names: tuple[str, ...]
    looks: Tensor

    def save(self, path: Path) -> None:
        from safetensors.torch import save_file

        notes = {"queries": json.dumps([vars(query) for query in self.queries]), "names": json.dumps(self.names)}
        path.parent.mkdir(parents=True, exist_ok=True)
        tensors = {**self.regions.tensors(), "looks": self.looks}
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, notes)

    @classmethod
    def load(cls, path: Path) -> ValidationSet:
        from safetensors import safe_open

        with safe_open(path, framework="pt") as file:
            notes = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
        looks = tensors.pop("looks")
        queries = tuple(filled(ValidationQuery, entry) for entry in json.loads(notes["queries"]))
        return cls(RegionShard(**tensors), queries, tuple(json.loads(notes["names"])), looks)


def akin(first: str, second: str) -> bool:
    """Whether two shapes may go by one name."""
    return first == second or any({first, second} <= group for group in AKIN)


def akin_colors(first: str, second: str) -> bool:
    """Whether two colours of simulation/random_things.py may be taken for each other."""
    return first == second or any({first, second} <= group for group in AKIN_COLORS)


def build_validation(seeds: Iterable[int], sampling: SceneSampling | None = None) -> ValidationSet:
    """Render, segment and cut; the same seeds give the same set."""
    shards: list[RegionShard] = []
    queries: list[ValidationQuery] = []
    names: list[str] = []
    looks: list[npt.NDArray[np.float32]] = []
    for seed in seeds:
        scene = random_scene(seed, sampling)
        if scene.support not in ("table", "floor"):
            continue
        seen = observe(scene, seed)
        if seen is None:
            continue
        queries += queries_about(scene, seen.owners, len(shards), len(names), np.random.default_rng([seed, 5]))
        names += [_name(scene, owner) for owner in seen.owners]
        shards.append(cut_shard(seen))
        looks.append(seen.looks)
    return ValidationSet(join(shards), tuple(queries), tuple(names), torch.from_numpy(np.concatenate(looks)))


def _name(scene: RandomScene, owner: int) -> str:
    """Of a proposal's thing; "" for none, "piece of" it for a piece."""
    if owner == -1:
        return ""
    return scene.things[owner].name if owner >= 0 else f"piece of {scene.things[-2 - owner].name}"


@dataclass(frozen=True)
class Observed:
    """An image of a scene as the segmenter sees it.

    Attributes:
        masks, truths: (N, H, W) bool, proposals and the things they show.
        owners: the thing of each proposal, -1 for none, -2 - i for a piece of thing i.
        up: (3,) normal of the plane in the optical frame. height_m: of the camera above it.
        looks: (N, 17 + K) float32, ``witness.looks_of`` the proposals.
    """

    frame: RGBDFrame
    masks: npt.NDArray[np.bool_]
    truths: npt.NDArray[np.bool_]
    owners: list[int]
    up: npt.NDArray[np.float64]
    height_m: float
    looks: npt.NDArray[np.float32]


def observe(scene: RandomScene, seed: int) -> Observed | None:
    """Render a scene, lay noise over it, and segment; None where no table is found."""
    rng = np.random.default_rng([seed, 9])
    rendering = render(scene)
    family = str(rng.choice(FAMILIES))
    frame = frame_of(scene, rendering, depth_m=add_noise(rendering.depth_m, scene.camera, family, seed))
    up = scene.world_from_camera.rotation[2] if rng.random() < 0.7 else None
    noise = PRESETS[_NEAREST.get(family, family)]
    segmentation = TabletopSegmenter(TabletopConfig(noise=noise)).segment(frame, up=up)
    if segmentation.plane is None or not segmentation.regions:
        return None
    masks = np.stack([region.mask for region in segmentation.regions])
    owners, truths = _owners(masks, rendering.labels)
    plane = segmentation.plane
    looks = looks_of(describe_each(frame, segmentation.regions, plane))
    return Observed(frame, masks, truths, owners, np.asarray(plane.normal), plane.d, looks)


def _owners(masks: npt.NDArray[np.bool_], labels: npt.NDArray[np.int32]) -> tuple[list[int], npt.NDArray[np.bool_]]:
    """The thing of each mask (N, H, W), -1 for none, -2 - i for a piece of thing i; and the things' masks (N, H, W)."""
    owners, truths = [], np.zeros_like(masks)
    for row, mask in enumerate(masks):
        inside = labels[mask]
        inside = inside[inside > 0]
        number = int(np.bincount(inside).argmax()) if len(inside) else 0
        truth = labels == number if number else np.zeros_like(mask)
        union = np.count_nonzero(mask | truth)
        good = number > 0 and np.count_nonzero(truth) >= MIN_PIXELS and np.count_nonzero(mask & truth) >= MIN_IOU * union
        piece = len(inside) > 0.5 * np.count_nonzero(mask) and np.count_nonzero(truth & mask) > 0.5 * len(inside)
        owners.append(number - 1 if good else -1 - number if piece else -1)
        truths[row] = truth if good else False
    return owners, truths


def images_of(seen: Observed) -> Images:
    """The image ready to be sampled."""
    up = torch.tensor(seen.up, dtype=torch.float32)[None]
    color, xyz = torch.from_numpy(seen.frame.color)[None], torch.from_numpy(seen.frame.xyz)[None]
    return prepare_images(color, xyz, up, torch.tensor([seen.height_m]))


def cut_shard(seen: Observed) -> RegionShard:
    """The proposals of one image as a shard without concepts."""
    images, masks = images_of(seen), torch.from_numpy(seen.masks)
    image = torch.zeros(len(masks), dtype=torch.long)
    middle, side = windows(mask_boxes(masks))
    patches = sample_windows(images, image, middle, side)
    pictures, scalars = assemble(patches, sample_masks(masks, middle, side))
    packed = pack_pictures(pictures, sample_masks(torch.from_numpy(seen.truths), middle, side), patches.inside)
    kind = torch.tensor([THING if owner >= 0 else NOTHING for owner in seen.owners], dtype=torch.uint8)
    no_concepts = torch.full((len(masks), 1), -1, dtype=torch.int8)
    return RegionShard(**packed, scalars=scalars, concepts=no_concepts, kind=kind, scene=image.to(torch.int32))


def queries_about(
    scene: RandomScene, owners: Sequence[int], number: int, first: int, rng: np.random.Generator
) -> list[ValidationQuery]:
    """Names, synonyms, colours and nouns of the things that have a region, and as many phrases that nothing answers to."""
    things = []
    for owner in owners:
        # Whether a piece of a thing answers to its name is open.
        thing = scene.things[owner if owner >= 0 else -2 - owner] if owner != -1 else None
        things.append((owner, thing.name.split()[0] if thing else "", thing.shape if thing else ""))
    found: list[ValidationQuery] = []

    def ask(text: str, kind: str, color: str, shape: str) -> None:
        yes = [
            first + i for i, (o, c, s) in enumerate(things) if o >= 0 and (not color or c == color) and (not shape or s == shape)
        ]
        near = [
            first + i
            for i, (o, c, s) in enumerate(things)
            if o != -1 and (not color or akin_colors(c, color)) and (not shape or akin(s, shape))
        ]
        found.append(ValidationQuery(number, text, tuple(yes), tuple(i for i in near if i not in yes), kind))

    for owner, color, shape in things:
        if owner < 0:
            continue
        ask(f"{color} {shape}", "name", color, shape)
        ask(f"{rng.choice((color, *COLOR_SYNONYMS.get(color, ())))} {rng.choice(SYNONYMS[shape])}", "synonym", color, shape)
        ask(f"{color} {rng.choice(('object', 'thing'))}", "color", color, "")
        ask(str(rng.choice(SYNONYMS[shape])), "noun", "", shape)
        other, also = str(rng.choice(list(COLORS))), str(rng.choice(list(SHAPES)))
        ask(f"{other} {shape}", "other color", other, shape)
        ask(f"{color} {also}", "other noun", color, also)
    return found
