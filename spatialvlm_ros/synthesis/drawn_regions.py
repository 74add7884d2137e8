"""Regions that somebody drew, or that a data set came with: read from a file, for pictures on which no grounder finds its way.

    {"origin": "drawn by hand",
     "pictures": {
       "BAG#0": {"things": [{"name": "blue tissue box", "polygon": [[349, 257], [482, 257], [447, 391]]},
                            {"name": "red book", "mask": "masks/0.png", "value": 20}],
                 "also_in_sight": ["brown box"]}}}

Keys are those of pictures, as the data set's ``key`` says them. A polygon's corners are pixels (u, v) of the image, its edge
belongs to it. A mask is an image of the picture's size beside the file; without ``value`` all that is not 0 belongs to the thing.
Never changes: a picture that the file does not name is dropped and counted, so that nothing else is taken for what was drawn.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..scene.frame import BoolArray
from .record import Dropped, NamedRegion, Picture

NAME = "drawn"
_LEAST_CORNERS = 3


class DrawnRegions:
    """The stage that gives pictures the regions of a file. It depends on the bytes of the file and of all masks that it names.

    Dropped, by cause: "not_drawn" (the file does not name the picture), "mask_unreadable" (a mask that is no image or of another
    size than the picture).

    Raises:
        ValueError: no such file, no JSON, or not of the form above; the sentence names the place in it.
    """

    name = NAME

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        content = _content(self._path)
        self._origin = str(content.get("origin", "file"))
        self._pictures = {key: _checked(self._path, key, value) for key, value in content["pictures"].items()}
        digest = hashlib.sha256(self._path.read_bytes())
        for mask in sorted({thing["mask"] for things, _ in self._pictures.values() for thing in things if "mask" in thing}):
            file = self._path.parent / mask
            digest.update(file.read_bytes() if file.is_file() else b"")
        self.version = f"1; sha256 {digest.hexdigest()[:16]}"

    def __call__(self, picture: Picture, generator: np.random.Generator) -> Picture:
        if picture.key not in self._pictures:
            raise Dropped("not_drawn", f"{self._path} draws nothing for '{picture.key}'", picture.key)
        things, others = self._pictures[picture.key]
        shape = picture.color.shape[:2]
        regions = [NamedRegion(self._mask(thing, shape, picture.key), thing["name"], 1.0, self._origin) for thing in things]
        return replace(picture, regions=tuple(regions), also_in_sight=(*picture.also_in_sight, *others))

    def _mask(self, thing: Mapping[str, Any], shape: tuple[int, ...], key: str) -> BoolArray:
        import cv2

        if "polygon" in thing:
            drawn = np.zeros(shape, np.uint8)
            cv2.fillPoly(drawn, [np.rint(np.array(thing["polygon"], np.float64)).astype(np.int32)], 1)
            return drawn > 0
        file = self._path.parent / thing["mask"]
        values = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
        if values is None:
            raise Dropped("mask_unreadable", f"{file} is no image", key)
        if values.shape != shape:
            raise Dropped("mask_unreadable", f"{file} is {values.shape}, the picture {shape}: one number a pixel is needed", key)
        return np.asarray(values == thing["value"] if "value" in thing else values != 0)


def missing_regions(path: str) -> str:
    """What is wrong with a file of regions, "" for nothing. For the dry run."""
    try:
        DrawnRegions(path)
    except ValueError as error:
        return str(error)
    return ""


def _content(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"regions {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise ValueError(f"regions {path}: no JSON ({error})") from error
    if not isinstance(content, dict) or not isinstance(content.get("pictures"), dict):
        raise ValueError(f'regions {path}: expected {{"pictures": {{KEY: {{"things": [...]}}}}}}')
    return content


def _checked(path: Path, key: str, value: Any) -> tuple[list[dict[str, Any]], list[str]]:
    """(things, captions of what else is in sight) of one picture."""
    where = f"regions {path}, picture '{key}'"
    things = value.get("things") if isinstance(value, dict) else None
    others = value.get("also_in_sight", []) if isinstance(value, dict) else None
    if not isinstance(things, list) or not isinstance(others, list) or not all(isinstance(one, str) for one in others):
        raise ValueError(f'{where}: expected {{"things": [...], "also_in_sight": [names]}}')
    for number, thing in enumerate(things):
        problem = _problem(path, thing)
        if problem:
            raise ValueError(f"{where}, thing {number}: {problem}")
    return things, others


def _problem(path: Path, thing: Any) -> str:
    """Why something is no drawn thing, "" when it is one."""
    if not isinstance(thing, dict) or not isinstance(thing.get("name"), str) or not thing["name"].strip():
        return "a thing has a name"
    if ("polygon" in thing) == ("mask" in thing):
        return "a thing has either a polygon or a mask"
    if "mask" in thing:
        # Within the file's folder: what a file names must not reach for other files of the machine.
        if not isinstance(thing["mask"], str) or not _is_inside(path.parent / thing["mask"], path.parent):
            return f"mask {thing['mask']!r} is no file beside it"
        value = thing.get("value", 0)
        return "" if isinstance(value, int) and not isinstance(value, bool) else f"value {value!r} is no whole number"
    try:
        corners = np.array(thing["polygon"], np.float64)
    except (TypeError, ValueError):
        return "a polygon is a list of [u, v]"
    if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < _LEAST_CORNERS or not np.isfinite(corners).all():
        return f"a polygon has at least {_LEAST_CORNERS} corners [u, v], finite numbers"
    # Beyond any image; the library that fills polygons counts in 32 bits.
    return "" if np.abs(corners).max() < 1 << 20 else "a corner lies far outside of any image"


def _is_inside(file: Path, folder: Path) -> bool:
    return folder.resolve() in file.resolve().parents
