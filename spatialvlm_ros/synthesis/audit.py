"""A page of randomly drawn pairs with all that they come from, for people to judge a data set by.

Never changes: which pairs stand there depends on the data set, their number and the seed alone, and nothing is chosen by whether
it looks right. The page is one file without scripts and without anything from elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..geometry.camera import CameraError, CameraModel
from ..geometry.rigid import FloatArray
from ..scene.drawing import object_color
from .audit_page import Picture, Shown, page_text
from .audit_rows import Dataset, open_dataset
from .output import write_text
from .read_back import read_back
from .record import MaskRle

PAGE = "audit.html"
_WHOLE_WIDTH_PX, _CROP_WIDTH_PX, _CROP_HEIGHT_PX = 520, 520, 400
# Of the things' box, on each side of it; and no crop is smaller than this share of the picture.
_CROP_MARGIN, _LEAST_CROP = 0.25, 0.2
_MOST_ENLARGED = 3.0
_JPEG_QUALITY = 85
# Corners of a box as signs along its axes, and the edges between those that differ in one.
_SIGNS = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
_EDGES = [(i, j) for i in range(8) for j in range(i + 1, 8) if np.count_nonzero(_SIGNS[i] != _SIGNS[j]) == 1]
Pixels = npt.NDArray[np.uint8]


def write_audit(out: Path, count: int, seed: int) -> Path:
    """Write ``out``/audit.html with ``count`` pairs of the data set in ``out``, or all if there are no more. Returns its path.

    Raises:
        ValueError: ``out`` holds no whole data set, or ``count`` is below 1.
    """
    if count < 1:
        raise ValueError(f"{count} pairs to be looked at; give at least 1")
    data = open_dataset(out)
    chosen = drawn_pairs(data, count, seed)
    page = out / PAGE
    write_text(page, page_text(data, list(_shown(data, chosen)), seed))
    return page


def drawn_pairs(data: Dataset, count: int, seed: int) -> list[int]:
    """Numbers of ``count`` different pairs, each as likely as any other, in ascending order."""
    generator = np.random.default_rng([seed, 31])
    chosen = generator.choice(data.num_pairs, min(count, data.num_pairs), replace=False)
    return sorted(chosen.tolist())


def _shown(data: Dataset, chosen: list[int]) -> Iterator[Shown]:
    places: dict[Path, dict[int, list[tuple[int, int]]]] = {}
    for number in chosen:
        file, row, pair = data.place(number)
        places.setdefault(file, {}).setdefault(row, []).append((number, pair))
    for file, rows in places.items():
        for row, pairs in zip(sorted(rows), (rows[row] for row in sorted(rows)), strict=True):
            content = next(data.rows(file, [row]))
            for number, pair in pairs:
                yield shown(content, content["pairs"][pair], number)


def shown(row: Mapping[str, Any], pair: Mapping[str, Any], number: int) -> Shown:
    """One pair of a row with its pictures, ready for the page."""
    by_number = {thing["number"]: thing for thing in row["objects"]}
    things = [by_number[at] for at in pair["objects"]]
    value = float("nan") if pair["value"] is None else float(pair["value"])
    heard = read_back(pair["relation"], [thing["name"] for thing in things], pair["answer"])
    camera = camera_of(row)
    image = _decoded(row["images"][0]["bytes"])
    whole = _View.whole(image)
    pictures = [Picture("whole picture", *_encoded(_drawn(image, things, camera, whole)))]
    if things:
        crop = _View.around(image, [thing["box"] for thing in things])
        pictures.insert(0, Picture("what is asked about", *_encoded(_drawn(image, things, camera, crop))))
    return Shown(number, row, pair, things, heard, heard.agrees(pair["polarity"], value), pictures, camera is not None)


def camera_of(row: Mapping[str, Any]) -> CameraModel | None:
    """The camera of a row's picture; None where it is not recorded, or is none."""
    found = row.get("camera")
    if not found:
        return None
    try:
        return CameraModel(
            int(row["width"]), int(row["height"]), found["fx"], found["fy"], found["cx"], found["cy"],
            tuple(found.get("distortion") or ()), found.get("distortion_model") or "",
        )  # fmt: skip
    except (CameraError, KeyError, TypeError):
        return None


# -- drawing ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _View:
    """A part of a picture, ``scale`` times as large: (u0, v0, u1, v1) half open, pixels."""

    box: tuple[int, int, int, int]
    scale: float

    @staticmethod
    def whole(image: Pixels) -> _View:
        height, width = image.shape[:2]
        return _View((0, 0, width, height), min(1.0, _WHOLE_WIDTH_PX / width))

    @staticmethod
    def around(image: Pixels, boxes: list[list[int]]) -> _View:
        """The things' boxes with a margin, at a size that can be looked at."""
        height, width = image.shape[:2]
        corners = np.array(boxes, np.float64)
        low, high = corners[:, :2].min(axis=0), corners[:, 2:].max(axis=0)
        half = np.maximum((high - low) * (0.5 + _CROP_MARGIN), _LEAST_CROP / 2 * max(height, width))
        middle, size = (low + high) / 2, np.array([width, height])
        start = np.floor(np.clip(middle - half, 0, size)).astype(int)
        stop = np.ceil(np.clip(middle + half, 0, size)).astype(int)
        span = np.maximum(stop - start, 1)
        scale = min(_CROP_WIDTH_PX / span[0], _CROP_HEIGHT_PX / span[1], _MOST_ENLARGED)
        return _View((int(start[0]), int(start[1]), int(start[0] + span[0]), int(start[1] + span[1])), float(scale))

    def cut(self, image: npt.NDArray[np.uint8], *, smooth: bool = True) -> Pixels:
        import cv2

        u0, v0, u1, v1 = self.box
        size = max(1, round((u1 - u0) * self.scale)), max(1, round((v1 - v0) * self.scale))
        shrinks = cv2.INTER_AREA if self.scale < 1 else cv2.INTER_CUBIC
        cut = cv2.resize(np.ascontiguousarray(image[v0:v1, u0:u1]), size, interpolation=shrinks if smooth else cv2.INTER_NEAREST)
        return np.asarray(cut, np.uint8)

    def places(self, pixels: FloatArray) -> FloatArray:
        """Pixels (N, 2) of the picture in the cut-out; their centres are whole numbers."""
        return np.asarray((pixels + 0.5 - self.box[:2]) * self.scale - 0.5)


def _drawn(image: Pixels, things: list[dict[str, Any]], camera: CameraModel | None, view: _View) -> Pixels:
    """A cut-out with each thing's outline, its box in the image, the edges of its box in space, and its letter."""
    import cv2

    picture = view.cut(image)
    for place, thing in enumerate(things):
        color = object_color(place)
        mask = view.cut(_mask(thing).astype(np.uint8), smooth=False)
        outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, outlines, -1, (255, 255, 255), 3, cv2.LINE_AA)
        cv2.drawContours(picture, outlines, -1, color, 2, cv2.LINE_AA)
        box = view.places(np.array([thing["box"][:2], thing["box"][2:]], np.float64) - 0.5)
        _dashed(picture, box, color)
    for place, thing in enumerate(things):
        if camera is not None:
            _edges(picture, view.places(camera.project(corners_of(thing))), object_color(place))
    for place, thing in enumerate(things):
        corner = view.places(np.array([thing["box"][:2]], np.float64))[0]
        _letter(picture, "ABC"[place], corner, object_color(place))
    return picture


def corners_of(thing: Mapping[str, Any]) -> FloatArray:
    """(8, 3) corners of a recorded thing's box in the optical frame, metres."""
    axes = np.array(thing["axes"], np.float64).reshape(3, 3)
    return np.asarray((_SIGNS * np.array(thing["extents_m"])) @ axes.T + np.array(thing["centre_m"]))


def _mask(thing: Mapping[str, Any]) -> npt.NDArray[np.bool_]:
    mask = thing["mask"]
    return MaskRle(mask["height"], mask["width"], tuple(mask["counts"])).mask()


def _edges(picture: Pixels, corners: FloatArray, color: tuple[int, int, int]) -> None:
    import cv2

    # A corner just in front of the camera lies further off the image than OpenCV can count.
    if not np.isfinite(corners).all() or np.abs(corners).max() > 100 * max(picture.shape):
        return
    for width, shade in ((2, (255, 255, 255)), (1, color)):
        for i, j in _EDGES:
            ends = [(round(float(u)), round(float(v))) for u, v in corners[[i, j]]]
            cv2.line(picture, ends[0], ends[1], shade, width, cv2.LINE_AA)


def _dashed(picture: Pixels, box: FloatArray, color: tuple[int, int, int]) -> None:
    import cv2

    (u0, v0), (u1, v1) = np.round(box).astype(int).tolist()
    for u in range(u0, u1, 8):
        for v in (v0, v1):
            cv2.line(picture, (u, v), (min(u + 4, u1), v), color, 1)
    for v in range(v0, v1, 8):
        for u in (u0, u1):
            cv2.line(picture, (u, v), (u, min(v + 4, v1)), color, 1)


def _letter(picture: Pixels, letter: str, corner: FloatArray, color: tuple[int, int, int]) -> None:
    """A thing's letter on a plate of its colour, at the upper left corner of its box but inside the picture."""
    import cv2

    height, width = picture.shape[:2]
    u = int(np.clip(round(float(corner[0])), 0, max(0, width - 18)))
    v = int(np.clip(round(float(corner[1])) - 18, 0, max(0, height - 18)))
    cv2.rectangle(picture, (u, v), (u + 17, v + 17), color, -1)
    cv2.putText(picture, letter, (u + 3, v + 14), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA)


def _decoded(data: bytes) -> Pixels:
    """(H, W, 3) RGB."""
    import cv2

    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError(f"an image of the data set cannot be decoded ({len(data)} bytes)")
    return np.ascontiguousarray(image[..., ::-1], np.uint8)


def _encoded(picture: Pixels) -> tuple[bytes, int, int]:
    """JPEG with its width and height."""
    import cv2

    done, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    if not done:
        raise ValueError("a picture of the page cannot be encoded")
    return data.tobytes(), picture.shape[1], picture.shape[0]
