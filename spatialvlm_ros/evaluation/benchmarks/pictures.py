"""Pictures of a local copy: in a cell, beside the table, several on one sheet, frames of a video, with boxes drawn in."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .item import BenchmarkDataError, Picture
from .tables import StoredCell

_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
# Each picture of a sheet fits in here.
_TILE_PX = (512, 384)
_COLOURS = ((230, 25, 75), (0, 130, 200), (60, 180, 75), (245, 130, 48), (145, 30, 180), (0, 128, 128))


def file_in(folders: Sequence[Path], name: str, where: str) -> Path:
    """The file of that relative name in the first folder that has it.

    Raises:
        BenchmarkDataError: none has it, or the name leads out of the folders.
    """
    for folder in folders:
        path = (folder / name).resolve()
        if not path.is_relative_to(folder.resolve()):
            raise BenchmarkDataError(f"{where}: the picture '{name}' lies outside of {folder}; such a copy is not read")
        if path.is_file():
            return path
    looked = ", ".join(str(folder) for folder in folders)
    raise BenchmarkDataError(f"{where}: the picture '{name}' is in none of {looked}; put the benchmark's pictures there")


def picture_of(cell: Any, folders: Sequence[Path], where: str) -> Callable[[], Picture]:
    """What shows the picture of a cell: {"bytes", "path"}, bytes, base64, or the name of a file.

    Raises:
        BenchmarkDataError: the cell holds no picture, or its file is not there. That its bytes are no image shows only later.
    """
    if isinstance(cell, StoredCell):
        return lambda: picture_of(cell.read(), folders, where)()
    if isinstance(cell, dict):
        inner = cell.get("bytes") or cell.get("path")
        if inner:
            return picture_of(inner, folders, where)
    if isinstance(cell, bytes) and cell:
        return lambda: decoded(cell, where)
    if isinstance(cell, str) and cell.lower().endswith(_SUFFIXES):
        path = file_in(folders, cell, where)
        return lambda: decoded(path.read_bytes(), str(path))
    if isinstance(cell, str) and cell.strip():
        return lambda: decoded(_base64(cell, where), where)
    raise BenchmarkDataError(f"{where}: the question has no picture in the copy; it has to be added as the benchmark's page says")


def _base64(text: str, where: str) -> bytes:
    try:
        return base64.b64decode(text.partition(",")[2] if text.startswith("data:") else text, validate=True)
    except binascii.Error as error:
        raise BenchmarkDataError(f"{where}: the picture is neither a file's name nor base64 ({error})") from error


def decoded(data: bytes, where: str) -> Picture:
    """(H, W, 3) RGB of an encoded image. Raises BenchmarkDataError."""
    import cv2

    color = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if color is None:
        raise BenchmarkDataError(f"{where}: {len(data)} bytes are no image that OpenCV reads; is the copy whole?")
    return np.ascontiguousarray(color[..., ::-1], dtype=np.uint8)


def sheet(pictures: Sequence[Picture]) -> Picture:
    """Several pictures on one, row by row, each with its number from 1 on. One alone is given back as it is."""
    import cv2

    if len(pictures) == 1:
        return pictures[0]
    columns = math.ceil(math.sqrt(len(pictures)))
    width, height = _TILE_PX
    whole = np.zeros((math.ceil(len(pictures) / columns) * height, columns * width, 3), np.uint8)
    for at, picture in enumerate(pictures):
        scale = min(width / picture.shape[1], height / picture.shape[0])
        size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
        row, column = divmod(at, columns)
        corner = row * height, column * width
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        whole[corner[0] : corner[0] + size[1], corner[1] : corner[1] + size[0]] = small
        _label(whole, str(at + 1), corner[1], corner[0], (0, 0, 0))
    return whole


def video_frames(path: Path, count: int) -> list[Picture]:
    """``count`` frames of a video, evenly from its first to its last; fewer where it is shorter. Raises BenchmarkDataError."""
    import cv2

    total = 0
    video = cv2.VideoCapture(str(path))
    # What a header says of its length is often wrong, and seeking is not exact: the film is run through twice.
    while video.grab():
        total += 1
    video.release()
    if not total:
        raise BenchmarkDataError(f"{path} is no video that OpenCV reads; is the copy whole?")
    wanted = set(np.linspace(0, total - 1, min(count, total), dtype=int).tolist())
    frames: list[Picture] = []
    video = cv2.VideoCapture(str(path))
    for at in range(total):
        if not video.grab():
            break
        if at in wanted:
            done, color = video.retrieve()
            if done:
                frames.append(np.ascontiguousarray(color[..., ::-1], dtype=np.uint8))
    video.release()
    if not frames:
        raise BenchmarkDataError(f"{path}: no frame of the video can be decoded; is the copy whole?")
    return frames


def with_boxes(picture: Picture, boxes: Sequence[Sequence[float]]) -> Picture:
    """A copy with each box (x0, y0, x1, y1), pixels, outlined and numbered from 0 on."""
    import cv2

    drawn = picture.copy()
    height, width = picture.shape[:2]
    thick = max(2, round(max(height, width) / 400))
    for number, box in enumerate(boxes):
        x0, x1 = (int(np.clip(x, 0, width - 1)) for x in (box[0], box[2]))
        y0, y1 = (int(np.clip(y, 0, height - 1)) for y in (box[1], box[3]))
        colour = _COLOURS[number % len(_COLOURS)]
        cv2.rectangle(drawn, (x0, y0), (x1, y1), colour, thick)
        _label(drawn, str(number), x0, y0, colour)
    return drawn


def _label(picture: Picture, text: str, x_px: int, y_px: int, colour: tuple[int, int, int]) -> None:
    import cv2

    scale = 0.8
    (width, height), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 2)
    cv2.rectangle(picture, (x_px, y_px), (x_px + width + 8, y_px + height + base + 4), colour, cv2.FILLED)
    cv2.putText(picture, text, (x_px + 4, y_px + height + 4), cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), 2, cv2.LINE_AA)
