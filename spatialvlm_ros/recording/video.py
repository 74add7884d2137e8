"""Frames into a video file: H.264 in MP4, or GIF. Each frame is shown when it was taken, so a dropped one is seen as a still."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
_GIF_WIDTH = 480
_GIF_FPS = 10.0


class SizeError(ValueError):
    """A frame of another size than the first; the file goes on without it."""


def write_video(path: str | Path, frames: Iterable[tuple[int, Picture]], *, speed: float = 1.0, overwrite: bool = False) -> int:
    """Write (stamp_ns, (H, W, 3) uint8 RGB) frames to ``path`` (.mp4 or .gif); how many were written.

    All frames have one size; an odd edge loses a pixel, because yuv420p has half the colour pixels. Raises FileExistsError,
    ImportError that says what to install, and ValueError for another suffix or for no frames at all.
    """
    path = Path(path)
    writers = {".mp4": _write_mp4, ".gif": _write_gif}
    if path.suffix not in writers:
        raise ValueError(f"a video is written to .mp4 or .gif, not to '{path.name}'")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists; choose another name or ask for overwriting")
    if not speed > 0:
        raise ValueError(f"speed is {speed}; it must be above 0")
    # Finished beside its place and then moved: a video that ended half way is not left behind.
    partial = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        count = writers[path.suffix](partial, frames, speed)
        if count == 0:
            raise ValueError(f"there is no frame to write to {path}")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return count


class Mp4Writer:
    """Takes frames in the order of their stamps; ``close`` completes the file. One thread encodes: the same bytes everywhere.

    Raises ImportError that says what to install, SizeError for a frame of another size than the first.
    """

    def __init__(self, path: Path, *, speed: float = 1.0) -> None:
        try:
            import av
        except ImportError as error:
            raise ImportError("MP4 videos need the package 'av': pip install 'spatialvlm_ros[recording]'") from error
        self.count = 0
        self._container: Any = av.open(str(path), "w")
        self._speed = speed
        self._stream: Any = None
        self._first_ns, self._last_ms = 0, -1

    def add(self, stamp_ns: int, picture: Picture) -> None:
        """(H, W, 3) uint8 RGB, shown at its stamp."""
        import av

        even = np.ascontiguousarray(picture[: picture.shape[0] // 2 * 2, : picture.shape[1] // 2 * 2])
        if self._stream is None:
            self._begin(stamp_ns, even)
        elif (self._stream.height, self._stream.width) != even.shape[:2]:
            raise SizeError(
                f"a frame of {even.shape[1]} x {even.shape[0]} pixels in a video of {self._stream.width} x {self._stream.height}"
            )
        frame = av.VideoFrame.from_ndarray(even, format="rgb24")
        # an encoder refuses two frames at one time
        self._last_ms = max(self._last_ms + 1, round((stamp_ns - self._first_ns) * 1e-6 / self._speed))
        frame.pts, frame.time_base = self._last_ms, Fraction(1, 1000)
        self._container.mux(self._stream.encode(frame))
        self.count += 1

    def _begin(self, stamp_ns: int, picture: Picture) -> None:
        self._first_ns = stamp_ns
        options = {"crf": "20", "preset": "veryfast", "x264-params": "threads=1"}
        self._stream = self._container.add_stream("h264", rate=30, options=options)
        self._stream.height, self._stream.width = picture.shape[:2]
        self._stream.pix_fmt = "yuv420p"  # what every player understands
        self._stream.codec_context.time_base = Fraction(1, 1000)
        self._stream.codec_context.thread_count = 1

    def close(self) -> None:
        """A second call does nothing."""
        if self._container is None:
            return
        if self._stream is not None:
            self._container.mux(self._stream.encode())
        self._container.close()
        self._container = None


def _write_mp4(path: Path, frames: Iterable[tuple[int, Picture]], speed: float) -> int:
    writer = Mp4Writer(path, speed=speed)
    try:
        for stamp_ns, picture in frames:
            writer.add(stamp_ns, picture)
    finally:
        writer.close()
    return writer.count


def _write_gif(path: Path, frames: Iterable[tuple[int, Picture]], speed: float) -> int:
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError("GIFs need the package 'pillow': pip install pillow") from error
    pictures: list[Any] = []
    times_ms: list[int] = []
    first_ns: int | None = None
    for stamp_ns, picture in frames:
        first_ns = stamp_ns if first_ns is None else first_ns
        time_ms = round((stamp_ns - first_ns) * 1e-6 / speed)
        if times_ms and time_ms - times_ms[-1] < 1000 / _GIF_FPS:
            continue  # a GIF of every frame is larger than the MP4 by far
        image = Image.fromarray(picture)
        if image.width > _GIF_WIDTH:
            image = image.resize((_GIF_WIDTH, round(image.height * _GIF_WIDTH / image.width)), Image.Resampling.LANCZOS)
        pictures.append(image.quantize(128))
        times_ms.append(time_ms)
    if pictures:
        shown_ms = [after - before for before, after in itertools.pairwise(times_ms)] + [1000]
        pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=shown_ms, loop=0, optimize=True)
    return len(pictures)
