"""Pictures to make questions of: a folder of images, and scenes that we render ourselves.

Never changes: the order of a folder is that of its files' names, a bad file costs itself only and is named with the cause, and
nothing is converted in silence that would change what the picture shows or measures. RGB-D folders and bags are read above this
floor (``recording``).
"""

from __future__ import annotations

import hashlib
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..scene.noise import PRESETS, DepthNoise
from ..simulation.depth_noise import FAMILIES, add_noise
from ..simulation.exact_things import exact_scene
from ..simulation.random_scene import RandomScene, SceneSampling, random_scene
from ..simulation.raycast import Rendering, frame_of, render
from .record import Dropped, NamedRegion, Picture

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm", ".avif")
_NEAREST_MODEL = {"correlated_stereo": "stereo", "tof_multipath": "time_of_flight", "kinect_quantised": "structured_light"}
_ORIENTATION = 0x0112  # EXIF's tag
_SIXTEEN_BIT = ("I", "I;16", "I;16B", "I;16L", "I;16N", "F")
CAPTIONS = ("name", "shape")


class SourceError(ValueError):
    """A source that gives no pictures at all. The text names the value and the cure."""


class ImageFolderSource:
    """Colour images of a folder and the folders in it, by name. EXIF orientation is applied.

    Dropped, by cause: "unreadable", "not_an_image", "truncated_file", "animated", "too_large", "too_small", "sixteen_bit",
    "cmyk", "transparent", "odd_colours".

    Attributes:
        ignored: how many files there are whose names are not an image's, as "files .txt".
    """

    def __init__(self, path: Path, *, max_pixels: int = 50_000_000, max_side_px: int = 2048, min_side_px: int = 32) -> None:
        """
        Args:
            max_pixels: a larger image is dropped before it is decoded.
            max_side_px: a larger one is scaled down to this; 0 leaves it as it is.
            min_side_px: a smaller one is dropped.

        Raises:
            SourceError: for a path that is no folder, or a folder without a file that is named like an image.
        """
        if not path.is_dir():
            raise SourceError(f"{path} is no folder; give a folder of images")
        files = sorted((file for file in path.rglob("*") if file.is_file()), key=lambda file: file.relative_to(path).as_posix())
        self.path = path
        self._files = tuple(file for file in files if file.suffix.lower() in SUFFIXES)
        others = [file.suffix.lower() for file in files if file.suffix.lower() not in SUFFIXES]
        self.ignored = Counter(f"files {suffix}" if suffix else "files of no kind" for suffix in others)
        if not self._files:
            raise SourceError(f"{path} holds no images ({len(files)} other files); looked for {', '.join(SUFFIXES)}")
        self._limits = max_pixels, max_side_px, min_side_px

    def __len__(self) -> int:
        return len(self._files)

    def items(self, start: int, stop: int) -> Iterator[Picture | Dropped]:
        """See ``record.Source``."""
        for index in range(start, min(stop, len(self))):
            file = self._files[index]
            key = file.relative_to(self.path).as_posix()
            try:
                yield self._picture(index, key, file)
            except Dropped as dropped:
                yield Dropped(dropped.cause, dropped.text, key)

    def _picture(self, index: int, key: str, file: Path) -> Picture:
        try:
            data = file.read_bytes()
        except OSError as error:
            raise Dropped("unreadable", f"cannot be read: {error}") from error
        color = decoded(data, *self._limits)
        digest = hashlib.sha256(data).hexdigest()
        return Picture(key, color, None, None, "camera_optical_frame", index * 1_000_000_000, digest)


def decoded(data: bytes, max_pixels: int, max_side_px: int, min_side_px: int) -> npt.NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB of an encoded image, upright.

    Raises:
        Dropped: with a cause of those that ``ImageFolderSource`` names.
    """
    from PIL import Image, ImageOps

    image = ImageOps.exif_transpose(_loaded(data, max_pixels, max_side_px, min_side_px)).convert("RGB")
    if max_side_px and max(image.size) > max_side_px:
        image.thumbnail((max_side_px, max_side_px), Image.Resampling.LANCZOS)
    return np.ascontiguousarray(np.asarray(image, dtype=np.uint8))


def check_beside_depth(data: bytes, max_pixels: int = 50_000_000, min_side_px: int = 2) -> None:
    """Raise Dropped for an encoded image that is no colour image to measured depth, whatever a lenient reader makes of it.

    Its pixels must lie as the sensor's do: one that is to be turned when it is shown does not tell whether its depth is, too.

    Raises:
        Dropped: with a cause of those that ``ImageFolderSource`` names, or "turned".
    """
    turned = _loaded(data, max_pixels, 0, min_side_px).getexif().get(_ORIENTATION, 1)
    if turned not in (0, 1):
        raise Dropped(
            "turned", f"is to be turned (EXIF orientation {turned}), and nobody knows whether its depth is: save it upright"
        )


def _loaded(data: bytes, max_pixels: int, max_side_px: int, min_side_px: int) -> Any:
    """Pillow's image, all of it read; of its own colours, and not turned yet. Raises Dropped."""
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise ImportError("reading images needs Pillow: pip install pillow") from error
    with warnings.catch_warnings():
        # Pillow warns from 90 million pixels on, whatever our own limit is; the size is looked at below.
        warnings.simplefilter("ignore")
        try:
            image: Any = Image.open(BytesIO(data))
        except Image.DecompressionBombError as error:
            raise Dropped("too_large", f"is too large to be decoded: {error}") from error
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
            raise Dropped("not_an_image", f"is no image ({len(data)} bytes)") from error
        _check(image, max_pixels, min_side_px)
        try:
            if max_side_px and max(image.size) > max_side_px:
                # A JPEG is decoded at an eighth, a quarter or half of its size where that is enough.
                image.draft("RGB", (max_side_px, max_side_px))
            image.load()
        except (OSError, ValueError, SyntaxError, EOFError) as error:
            raise Dropped("truncated_file", f"breaks off or is damaged: {error}") from error
    _check_transparency(image)
    return image


def _check(image: Any, max_pixels: int, min_side_px: int) -> None:
    """Raise Dropped for what the header alone tells."""
    width, height = image.size
    if width * height > max_pixels:
        raise Dropped("too_large", f"has {width} x {height} pixels, more than {max_pixels}")
    if min(width, height) < min_side_px:
        raise Dropped("too_small", f"has {width} x {height} pixels; the shorter side must have {min_side_px}")
    # A camera's JPEG with a preview behind it (MPO) has two images in it as well.
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
        raise Dropped("animated", f"holds {image.n_frames} images, not one")
    if image.mode in _SIXTEEN_BIT:
        raise Dropped("sixteen_bit", f"has pixels of mode '{image.mode}', whose range of values is not known (a depth image?)")
    if image.mode == "CMYK":
        raise Dropped("cmyk", "has printing colours (CMYK), which have no RGB without their profile; save it as RGB")
    if image.mode not in ("RGB", "L", "P", "RGBA", "LA", "PA"):
        raise Dropped("odd_colours", f"has pixels of mode '{image.mode}'; 8-bit RGB or grey is understood")


def _check_transparency(image: Any) -> None:
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        least = image.convert("RGBA").getextrema()[3][0]
        if least < 255:
            raise Dropped("transparent", f"is see-through in places (alpha down to {least}); what is behind is not known")


@dataclass(frozen=True)
class RenderSource:
    """Scenes by seed, rendered with true masks and true names.

    Attributes:
        seed: of the first one; the others follow.
        count: how many.
        sampling: what they are drawn from; None for the usual ones.
        noise: a family of ``depth_noise``, or "" for exact depth.
        truth: facts are those of the shapes themselves, not measured on the depth image.
        captions: "name" for colour and shape, which no two things of a scene share; "shape" for the shape alone, so that names
            are as ambiguous as those of detectors.
        min_pixels, min_visible_share: a thing of which less is seen is no region; what it looks like cannot be told.
        truth_std_m: how exactly true facts are called; two standard deviations of it decide a comparison.
    """

    seed: int
    count: int
    sampling: SceneSampling | None = None
    noise: str = ""
    truth: bool = False
    captions: str = "name"
    min_pixels: int = 150
    min_visible_share: float = 0.3
    truth_std_m: float = 0.001

    def __post_init__(self) -> None:
        if self.noise and self.noise not in FAMILIES:
            raise SourceError(f"depth noise '{self.noise}' is not known; use one of {', '.join(FAMILIES)}, or none")
        if self.captions not in CAPTIONS:
            raise SourceError(f"captions '{self.captions}' is not one of {', '.join(CAPTIONS)}")
        if self.count < 1 or self.seed < 0:
            raise SourceError(f"seed {self.seed} and count {self.count} must be at least 0 and 1")

    def __len__(self) -> int:
        return self.count

    def items(self, start: int, stop: int) -> Iterator[Picture | Dropped]:
        """See ``record.Source``."""
        for index in range(start, min(stop, self.count)):
            yield self._picture(self.seed + index)

    def _picture(self, seed: int) -> Picture:
        scene = random_scene(seed, self.sampling)
        rendering = render(scene)
        numbers, hidden = self._in_sight(rendering)
        depth = rendering.depth_m
        if self.noise:
            depth = add_noise(depth, scene.camera, self.noise, seed=seed)
        frame = frame_of(scene, rendering, depth, stamp_ns=seed * 1_000_000_000)
        truth = exact_scene(scene, numbers, frame, std_m=self.truth_std_m) if self.truth else None
        digest = hashlib.sha256(rendering.color.tobytes() + depth.tobytes()).hexdigest()
        return Picture(
            key=f"render/seed-{seed}", color=rendering.color, depth_m=depth, camera=scene.camera, frame_id=frame.frame_id,
            stamp_ns=frame.stamp_ns, source_sha256=digest, up=scene.world_from_camera.rotation[2], up_source="renderer",
            regions=tuple(self._region(scene, rendering, number) for number in numbers), depth_origin="renderer",
            noise=_noise_model(self.noise), truth=truth, drops={"region_hidden": len(hidden)} if hidden else {},
            also_in_sight=tuple(self._caption(scene, number) for number in hidden),
        )  # fmt: skip

    def _in_sight(self, rendering: Rendering) -> tuple[list[int], list[int]]:
        """Indices of the things that are seen well enough, and of those of which too little is seen."""
        seen = np.bincount(rendering.labels[rendering.labels > 0], minlength=len(rendering.full_pixels) + 1)[1:]
        shares = seen / np.maximum(rendering.full_pixels, 1)
        enough = (seen >= self.min_pixels) & (shares >= self.min_visible_share)
        return np.flatnonzero(enough).tolist(), np.flatnonzero(~enough & (seen > 0)).tolist()

    def _caption(self, scene: RandomScene, number: int) -> str:
        thing = scene.things[number]
        return thing.name if self.captions == "name" else thing.shape

    def _region(self, scene: RandomScene, rendering: Rendering, number: int) -> NamedRegion:
        return NamedRegion(rendering.labels == number + 1, self._caption(scene, number), 1.0, "renderer")


def _noise_model(family: str) -> DepthNoise:
    """What the engine is told of a family's noise: its own preset, or the nearest one."""
    if not family:
        return PRESETS["exact"]
    return PRESETS[_NEAREST_MODEL.get(family, family)]
