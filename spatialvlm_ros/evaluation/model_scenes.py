"""The rendered scenes that models are tested on, with their truth. Synthetic.

The renderer is the one that the measured object tokens of our decoder's training came from, with other seeds and with all six
families of depth noise in it; only our vision tower never learnt from it. Two domains: "in", scenes as the engine's benchmark
draws them; and "out", the same kinds of things in other colours, light and camera.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ..geometry.rigid import FloatArray
from ..scene.frame import RGBDFrame
from ..simulation.depth_noise import add_noise
from ..simulation.random_scene import RandomScene, SceneSampling, Texture, random_scene
from ..simulation.random_things import COLORS
from ..simulation.raycast import Rendering, frame_of, render
from .engine_accuracy import model_of
from .engine_render import IN_FAMILY, MIN_PIXELS, OUT_OF_FAMILY
from .engine_scenes import tilted
from .engine_solids import Solid
from .engine_truth import TrueScene
from .model_words import CARTON, Named, named_of

IN, OUT = "in", "out"
# What the results have to be read with.
NOTES = (
    "The renderer of the test scenes is the one that the measured object tokens of the embedded model's decoder came from, there "
    "with other seeds and with all six families of depth noise; only the model's vision tower never learnt from it.",
    "Split 'in': scenes as the engine's benchmark draws them. Split 'out': other colours, light and camera; its families of "
    "depth noise are not new to the decoder.",
)
SAMPLING = {
    IN: SceneSampling(),
    OUT: SceneSampling(
        num_things=(5, 12), crowding=0.6, share_stacked=0.3, camera_distance_m=(0.5, 1.4), pitch_deg=(-75.0, -18.0),
        roll_deg=(-20.0, 20.0), clutter=(1, 4), wall_probability=0.8,
    ),
}  # fmt: skip
# People name a thing of which at least half is seen.
LEAST_VISIBLE, ASKED_PIXELS = 0.5, 300
_PATTERNS = ("stripes", "band", "tiles", "grain", "speckle")


@dataclass(frozen=True)
class TestScene:
    """One image with all that is true about it.

    Attributes:
        key: names the image.
        noise: the preset of depth noise that the engine is set to.
        labels: (H, W) int32: number of the thing in ``things`` + 1, below 1 nothing that is asked for.
        things: what is in sight, in words; index by index the solids of ``truth``.
        background: what else may be meant by words, though nobody asks for it.
        robot: (H, W) bool, where the robot is; None where there is none. For judging only: no model is told.
        asked: indices of the things that are seen well enough to be asked for.
        up: (3,) in the optical frame as tf or an IMU gives it, half a degree off; None where nobody does.
    """

    __test__ = False  # not a class of tests, whatever pytest makes of its name

    key: str
    noise: str
    frame: RGBDFrame
    labels: npt.NDArray[np.int32]
    things: tuple[Named, ...]
    asked: tuple[int, ...]
    truth: TrueScene
    up: FloatArray | None
    background: tuple[Named, ...] = ()
    robot: npt.NDArray[np.bool_] | None = None

    def with_images(
        self, color: npt.NDArray[np.uint8] | None = None, depth_m: npt.NDArray[np.float32] | None = None
    ) -> TestScene:
        """The same scene, and the same truth, seen with the colour or the depth of another image: a control."""
        frame = replace(
            self.frame,
            color=self.frame.color if color is None else color,
            depth_m=self.frame.depth_m if depth_m is None else depth_m,
        )
        return replace(self, frame=frame)


def scene_of(seed: int, domain: str, width_px: int = 640) -> TestScene:
    """The scene of a seed. Raises KeyError for an unknown domain."""
    scene = random_scene(seed, sized(SAMPLING[domain], width_px))
    families = tuple(IN_FAMILY if domain == IN else OUT_OF_FAMILY)
    if domain == OUT:
        scene = otherwise_dressed(scene)
    rendering = render(scene)
    color = rendering.color if domain == IN else spoiled(rendering.color, seed)
    family = families[seed % len(families)]
    depth = add_noise(rendering.depth_m, scene.camera, family, seed=seed)
    frame = replace(frame_of(scene, rendering, depth_m=depth), color=color)
    return _with_truth(scene, rendering, frame, f"{domain}/{seed}", model_of(family))


def sized(sampling: SceneSampling, width_px: int) -> SceneSampling:
    """The same at another resolution."""
    share = width_px / 640
    fx = (sampling.fx_px[0] * share, sampling.fx_px[1] * share)
    return replace(sampling, width_px=(width_px, width_px), height_px=(round(480 * share),) * 2, fx_px=fx)


def _with_truth(scene: RandomScene, rendering: Rendering, frame: RGBDFrame, key: str, noise: str) -> TestScene:
    pixels = np.bincount(rendering.labels[rendering.labels > 0].ravel(), minlength=len(scene.things) + 1)[1:]
    numbers = [number for number in range(1, len(scene.things) + 1) if pixels[number - 1] > 0]
    things = [scene.things[number - 1] for number in numbers]
    solids = tuple(Solid(thing.name, thing.shape, thing.vertices_world(), thing.mesh.triangles) for thing in things)
    truth = TrueScene(solids, scene.support_height_m, scene.world_from_camera)
    renumbered = np.zeros(len(scene.things) + 1, np.int32)
    renumbered[numbers] = np.arange(1, len(numbers) + 1)
    labels = renumbered[np.maximum(rendering.labels, 0)]
    share = frame.camera.width * frame.camera.height / (640 * 480)
    visible = pixels / np.maximum(rendering.full_pixels, 1)
    least = max(ASKED_PIXELS * share, MIN_PIXELS)
    asked = [i for i, n in enumerate(numbers) if pixels[n - 1] >= least and visible[n - 1] >= LEAST_VISIBLE]
    named = tuple(named_of(thing.name, thing.shape) for thing in things)
    up = tilted(truth.up, np.random.default_rng((scene.seed, 7)))
    cartons = (CARTON,) if any(part.kind == "carton" for part in scene.structure) else ()
    return TestScene(key, noise, frame, labels, named, tuple(asked), truth, up, cartons)


# -- out of the domain ------------------------------------------------------------------------------------------------------


def otherwise_dressed(scene: RandomScene) -> RandomScene:
    """The scene with other patterns on everything and another light. Colours keep their names: a pattern's second colour covers
    less than the first, and light is tinted by at most a sixth.
    """
    rng = np.random.default_rng([scene.seed, 73])
    things = tuple(replace(thing, texture=_texture(rng, 0.45)) for thing in scene.things)
    structure = tuple(replace(part, texture=_texture(rng, 0.9)) for part in scene.structure)
    tint = rng.uniform(0.84, 1.16, 3)
    light = replace(
        scene.light,
        ambient=float(rng.uniform(0.2, 0.8)),
        tint=np.asarray(tint / tint.mean()),
        exposure=scene.light.exposure * float(rng.uniform(0.6, 1.35)),
        radius_m=scene.light.radius_m * float(rng.uniform(0.3, 2.0)),
    )
    return replace(scene, things=things, structure=structure, light=light)


def _texture(rng: np.random.Generator, most: float) -> Texture:
    second = np.array(list(COLORS.values())[int(rng.integers(len(COLORS)))], np.uint8)
    pattern = _PATTERNS[int(rng.integers(len(_PATTERNS)))]
    return Texture(pattern, float(rng.uniform(0.004, 0.03)), float(rng.uniform(0.1, most)), second, float(rng.uniform(0, 0.7)))


def spoiled(color: npt.NDArray[np.uint8], seed: int) -> npt.NDArray[np.uint8]:
    """The picture (H, W, 3) as a poor camera hands it on: blurred, noisy, another contrast, packed as JPEG."""
    import cv2

    rng = np.random.default_rng([seed, 79])
    picture = cv2.GaussianBlur(color, (0, 0), float(rng.uniform(0.4, 1.4))).astype(np.float32)
    picture = 255 * (picture / 255) ** float(rng.uniform(0.8, 1.25))
    picture += rng.normal(0, float(rng.uniform(2, 8)), color.shape).astype(np.float32)
    whole = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    packed = cv2.imencode(".jpg", whole[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(45, 90))])[1]
    opened = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
    return np.ascontiguousarray(opened[..., ::-1])
