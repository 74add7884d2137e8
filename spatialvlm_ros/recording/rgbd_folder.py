"""RGB-D images in a folder: colour and aligned depth by name, intrinsics and unit beside them.

Understood: pairs of files whose names are equal but for "color" (or "rgb") and "depth"; intrinsics from
``<name>-intrinsics.json`` or ``intrinsics.json`` with fx, fy, cx, cy and depth_unit ("mm" or "m"), and, unless the images are
rectified, distortion (OpenCV's coefficients k1, k2, p1, p2, k3 ...) and distortion_model (as in CameraInfo; plumb_bob); a label
image by "label" where there is one. A unit is never guessed: 16 bits of 0.1 mm read as millimetres would be a wrong number that
looks right.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..geometry.camera import CameraModel
from ..scene.frame import FrameError, RGBDFrame, depth_to_metres
from ..synthesis.record import Dropped
from ..synthesis.sources import check_beside_depth

_IMAGES = (".png", ".jpg", ".jpeg", ".pgm", ".ppm", ".tif", ".tiff", ".bmp")
_OTHER_DISTORTIONS = frozenset({"coeffs", "coefficients", "dist", "dist_coeffs", "distortion_coefficients", "D", "d", "k1"})
_UNITS_M = {"mm": 0.001, "m": 1.0, "0.1mm": 0.0001}


class FolderError(ValueError):
    """A folder that cannot be read; the text says which file is missing or wrong.

    Attributes:
        cause: short and stable, words joined by "_": what is wrong, to be counted by.
    """

    def __init__(self, text: str, cause: str = "unreadable_pair") -> None:
        super().__init__(text)
        self.cause = cause


@dataclass(frozen=True)
class FolderFrame:
    """One image pair. ``labels`` (H, W) are the numbers of a label image, None where there is none."""

    name: str
    frame: RGBDFrame
    labels: npt.NDArray[np.generic] | None


def pairs(folder: Path) -> list[tuple[str, Path, Path]]:
    """(name, colour file, depth file), sorted by name. Raises FolderError when there is none."""
    files, colors, depths = _images_in(folder)
    found = [(name, colors[name], depths[name]) for name in sorted(colors) if name in depths]
    if not found:
        raise FolderError(f"{folder} holds no pair of images named alike but for 'color' and 'depth' ({len(files)} images in it)")
    return found


def unpaired(folder: Path) -> Counter[str]:
    """How many colour and depth images of a folder have no partner, by what they lack."""
    _, colors, depths = _images_in(folder)
    return +Counter({"without depth": len(colors.keys() - depths), "without colour": len(depths.keys() - colors)})


def _images_in(folder: Path) -> tuple[list[Path], dict[str, Path], dict[str, Path]]:
    """All images of a folder, and the colour and the depth images among them by what their names have in common."""
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in _IMAGES)
    depths = {_stem(path, "depth"): path for path in files if "depth" in path.stem.lower()}
    colors = {_stem(path, "colou?r|rgb"): path for path in files if re.search("colou?r|rgb", path.stem.lower())}
    return files, colors, depths


def read_folder(folder: Path, depth_unit_m: float | None = None) -> Iterator[FolderFrame]:
    """All pairs of a folder, stamped 1 s apart. ``depth_unit_m`` overrides the unit that the intrinsics name.

    Raises:
        FolderError: naming the file and the cure.
    """
    for index, (name, color, depth) in enumerate(pairs(folder)):
        yield _read(index, name, color, depth, folder, depth_unit_m)


def read_one(path: Path, depth_unit_m: float | None = None) -> FolderFrame:
    """One pair: of a folder that holds no other, or named as ``folder/name``, or by its colour or depth file.

    Raises:
        FolderError: naming the pairs there are.
    """
    folder, wanted = (path, "") if path.is_dir() else (path.parent, path.name)
    if not folder.is_dir():
        raise FolderError(f"{path} does not exist: {folder} is no folder")
    found = pairs(folder)
    chosen = [pair for pair in found if not wanted or wanted in (pair[0], pair[1].name, pair[2].name)]
    if len(chosen) != 1:
        names = ", ".join(name for name, _, _ in found[:12])
        problem = f"{path} names no pair of images" if wanted else f"{folder} holds {len(found)} pairs of images"
        raise FolderError(f"{problem}; there are {names}: give one as {folder / found[0][0]}")
    return _read(0, *chosen[0], folder, depth_unit_m)


def read_pair(index: int, pair: tuple[str, Path, Path], folder: Path, depth_unit_m: float | None = None) -> FolderFrame:
    """One of ``pairs(folder)``, stamped as the ``index``-th. Raises FolderError as ``read_folder`` does."""
    return _read(index, *pair, folder, depth_unit_m)


def _stem(path: Path, word: str) -> str:
    return re.sub(rf"[-_.]?({word})[-_.]?", "-", path.stem, flags=re.IGNORECASE).strip("-")


def _image(path: Path, *, color: bool) -> npt.NDArray[Any]:
    """Pixels as cv2 reads them. Raises FolderError."""
    import cv2

    pixels: npt.NDArray[Any] | None = cv2.imread(str(path), cv2.IMREAD_COLOR if color else cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise FolderError(f"{path} is not an image that can be read", "not_an_image" if color else "depth_not_an_image")
    return pixels


def _check_color(path: Path) -> None:
    """Raises FolderError for what OpenCV reads without a word: it fills up what breaks off, and turns away from the depth."""
    try:
        check_beside_depth(path.read_bytes(), min_side_px=1)
    except Dropped as dropped:
        raise FolderError(f"{path} {dropped.text}", dropped.cause) from None
    except ImportError:
        return  # without Pillow, which comes with the extras, OpenCV's word has to do


def _read(index: int, name: str, color_path: Path, depth_path: Path, folder: Path, unit_m: float | None) -> FolderFrame:
    _check_color(color_path)
    bgr, raw = _image(color_path, color=True), _image(depth_path, color=False)
    size = (int(bgr.shape[1]), int(bgr.shape[0]))
    if raw.shape[:2] != bgr.shape[:2]:
        raise FolderError(
            f"{depth_path} is {raw.shape[1]} x {raw.shape[0]}, {color_path.name} is {size[0]} x {size[1]}: align depth to colour",
            "depth_of_other_size",
        )
    camera, named_unit_m = _intrinsics(folder, name, size)
    unit = unit_m if unit_m is not None else named_unit_m
    if unit is not None and not (math.isfinite(unit) and unit > 0):
        raise FolderError(f"a depth unit of {unit} m cannot be; give metres of one count, e.g. 0.001", "unknown_depth_unit")
    if unit is None:
        raise FolderError(
            f'the unit of {depth_path} is not known; give --depth-unit-m, or "depth_unit": "mm" in its intrinsics',
            "unknown_depth_unit",
        )
    rgb = np.ascontiguousarray(bgr[..., ::-1])
    try:
        metres = depth_to_metres(raw, unit)
    except FrameError as error:
        raise FolderError(f"{depth_path}: {error}", "bad_depth") from None
    frame = RGBDFrame((index + 1) * 1_000_000_000, rgb, metres, camera, "camera_optical_frame")
    label_path = color_path.with_name(re.sub("colou?r|rgb", "label", color_path.name, flags=re.IGNORECASE))
    has_labels = label_path != color_path and label_path.exists()
    return FolderFrame(name, frame, _image(label_path, color=False) if has_labels else None)


def _distortion(values: Mapping[str, Any]) -> tuple[tuple[float, ...], str]:
    """Coefficients and model of an intrinsics file. Raises ValueError for what other tools write and nobody reads here."""
    for key in _OTHER_DISTORTIONS & values.keys():
        found = values[key]
        if any(found) if isinstance(found, list) else found:
            raise ValueError(f"'{key}' is not read; rename it to 'distortion' (k1, k2, p1, p2, k3), or rectify the images")
    coefficients = tuple(float(value) for value in values.get("distortion") or ())
    return (coefficients, str(values.get("distortion_model") or "plumb_bob")) if any(coefficients) else ((), "")


def _intrinsics(folder: Path, name: str, size: tuple[int, int]) -> tuple[CameraModel, float | None]:
    """Camera and depth unit in metres (None: not said)."""
    tried = [folder / f"{name}-intrinsics.json", folder / f"{name}.intrinsics.json", folder / "intrinsics.json"]
    path = next((path for path in tried if path.exists()), None)
    if path is None:
        example = '{"fx": 525.0, "fy": 525.0, "cx": 319.5, "cy": 239.5, "depth_unit": "mm"}'
        raise FolderError(f"no intrinsics for '{name}'; write {tried[-1]} with e.g. {example}", "no_intrinsics")
    try:
        values: dict[str, Any] = json.loads(path.read_text())
        fx, fy, cx, cy = (float(values[key]) for key in ("fx", "fy", "cx", "cy"))
        camera = CameraModel(*size, fx, fy, cx, cy, *_distortion(values))
    except (ValueError, KeyError, TypeError) as error:
        raise FolderError(f"{path}: {error!r}; expected fx, fy, cx, cy in pixels", "bad_intrinsics") from None
    said = (values.get("width", size[0]), values.get("height", size[1]))
    if said != size:
        text = f"{path} is for {said[0]} x {said[1]} pixels, '{name}' has {size[0]} x {size[1]}: give the intrinsics of this size"
        raise FolderError(text, "bad_intrinsics")
    unit = values.get("depth_unit")
    if unit is not None and str(unit) not in _UNITS_M:
        raise FolderError(f"{path}: depth_unit is '{unit}'; known are {', '.join(_UNITS_M)}", "unknown_depth_unit")
    return camera, None if unit is None else _UNITS_M[unit]
