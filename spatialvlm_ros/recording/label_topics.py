"""Which topics of a bag are the camera, and why: by type, by what their first messages hold, and by how they fit together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..nodes.conversions import DEPTH_ENCODINGS, depth_image_to_metres, image_to_rgb
from .bag_reader import BagError, BagReader

COLOR, DEPTH, INFO = "colour", "depth", "camera_info"
TF_TYPES = ("tf2_msgs/msg/TFMessage", "tf/msg/tfMessage")
_IMAGE, _COMPRESSED, _INFO = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage", "sensor_msgs/msg/CameraInfo"
# Pictures that were drawn or computed, not taken.
_DRAWN = ("debug", "segmentation", "mask", "overlay", "label", "annotated", "infra", "confidence", "colorized")


@dataclass(frozen=True)
class Candidate:
    """A topic that could be part of the camera, by its first message. ``problem`` says why it cannot."""

    topic: str
    kind: str
    count: int
    encoding: str = ""
    size: tuple[int, int] = (0, 0)
    frame_id: str = ""
    compressed: bool = False
    problem: str = ""

    def __str__(self) -> str:
        size = f" {self.size[0]} x {self.size[1]}" if self.size[0] else ""
        frame = f" in frame '{self.frame_id}'" if self.frame_id else ""
        return f"{self.topic}: {self.kind}, {self.encoding}{size}{frame}, {self.count} messages"


@dataclass(frozen=True)
class CameraTopics:
    """The chosen topics with the reasons for them, one sentence each."""

    color: Candidate
    depth: Candidate
    info: Candidate
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Wanted:
    """Topics that the user names; empty ones are found."""

    color: str = ""
    depth: str = ""
    info: str = ""


def candidates(reader: BagReader) -> list[Candidate]:
    """Every topic of images or camera_info, in the order of their names."""
    counts = reader.counts()
    found = []
    for topic, kind in sorted(reader.topics().items()):
        if kind not in (_IMAGE, _COMPRESSED, _INFO):
            continue
        count = counts.get(topic, 0)
        name = INFO if kind == _INFO else _guessed_kind(topic)
        problem = f"{topic} holds no message"
        if count:
            found.append(_look(reader, topic, kind, count))
        else:
            found.append(Candidate(topic, name, 0, problem=problem))
    return found


def _guessed_kind(topic: str) -> str:
    return DEPTH if "depth" in topic.lower() else COLOR


def _look(reader: BagReader, topic: str, kind: str, count: int) -> Candidate:
    """A topic by its first message."""
    try:
        first: Any = next(reader.messages([topic])).message
    except (StopIteration, BagError) as error:
        return Candidate(topic, _guessed_kind(topic), count, problem=str(error) or f"{topic} holds no message that can be read")
    frame_id = str(first.header.frame_id)
    if kind == _INFO:
        return Candidate(topic, INFO, count, "", (int(first.width), int(first.height)), frame_id)
    compressed = kind == _COMPRESSED
    encoding = str(first.format if compressed else first.encoding)
    is_depth = encoding.startswith(DEPTH_ENCODINGS) or "compressedDepth" in f"{encoding} {topic}"
    name = DEPTH if is_depth else COLOR
    try:
        pixels: Any = depth_image_to_metres(first) if is_depth else image_to_rgb(first)
    except ValueError as error:
        # Something of depth in an encoding that is not understood is missed as depth, not as a picture.
        name = DEPTH if is_depth else _guessed_kind(topic)
        return Candidate(topic, name, count, encoding, frame_id=frame_id, compressed=compressed, problem=f"{topic}: {error}")
    size = (int(pixels.shape[1]), int(pixels.shape[0]))
    return Candidate(topic, name, count, encoding, size, frame_id, compressed)


def choose(path: Any, found: Sequence[Candidate], wanted: Wanted) -> CameraTopics:
    """The camera among the candidates. Raises BagError naming what is missing, what there is, and what to do."""
    usable = {kind: _usable(path, found, kind, name) for kind, name in _names(wanted).items()}
    missing = [kind for kind, some in usable.items() if not some]
    if missing:
        raise BagError(_missing(path, found, missing))
    color, depth, info = _best(usable)
    _check_alignment(path, color, depth, info)
    reasons = (
        f"colour {color}: {_why(color, depth, usable[COLOR], wanted.color)}",
        f"depth {depth}: {_why(depth, color, usable[DEPTH], wanted.depth)}",
        f"camera_info {info}: " + ("named by you" if wanted.info else "of depth's size and frame, nearest to its name"),
    )
    return CameraTopics(color, depth, info, reasons)


def best_camera(found: Sequence[Candidate]) -> tuple[Candidate, Candidate, Candidate] | None:
    """Colour, depth and camera_info that fit best to each other; None where one kind has none that can be used."""
    usable = {kind: _usable("", found, kind, "") for kind in (COLOR, DEPTH, INFO)}
    return _best(usable) if all(usable.values()) else None


def _best(usable: Mapping[str, Sequence[Candidate]]) -> tuple[Candidate, Candidate, Candidate]:
    pairs = [(color, depth) for color in usable[COLOR] for depth in usable[DEPTH]]
    color, depth = max(pairs, key=lambda pair: _fit(*pair))
    return color, depth, max(usable[INFO], key=lambda candidate: _info_fit(candidate, depth))


def _names(wanted: Wanted) -> dict[str, str]:
    return {COLOR: wanted.color, DEPTH: wanted.depth, INFO: wanted.info}


def _usable(path: Any, found: Sequence[Candidate], kind: str, name: str) -> list[Candidate]:
    if not name:
        return [candidate for candidate in found if candidate.kind == kind and not candidate.problem]
    named = [candidate for candidate in found if candidate.topic == name]
    if not named:
        listed = ", ".join(c.topic for c in found if c.kind == kind) or "none"
        raise BagError(f"{path} has no topic {name}, which was named for {kind}; topics of that kind: {listed}")
    if named[0].problem:
        raise BagError(f"{path}: {named[0].problem}")
    if named[0].kind != kind:
        raise BagError(f"{path}: {named[0]} cannot serve as {kind}")
    return named


def _missing(path: Any, found: Sequence[Candidate], missing: Sequence[str]) -> str:
    problems = [c.problem for c in found if c.problem and c.kind in missing]
    listed = "; ".join(str(candidate) for candidate in found if not candidate.problem) or "no images and no camera_info"
    text = f"{path} has no {' and no '.join(missing)} topic that can be used"
    text += f" ({'; '.join(problems)})" if problems else ""
    cures = {
        COLOR: "record the camera's colour image, raw (rgb8 or bgr8) or compressed",
        DEPTH: "record depth aligned to colour (realsense: align_depth.enable:=true), raw 16UC1 or 32FC1, or compressedDepth",
        INFO: "record the camera_info beside the aligned depth",
    }
    return f"{text}; it holds {listed}. Cure: {'; '.join(cures[kind] for kind in missing)}"


def _fit(color: Candidate, depth: Candidate) -> tuple[Any, ...]:
    """How well two topics make one camera; the greater the better. Raw before compressed: JPEG changes colours."""
    return (
        color.size == depth.size, color.frame_id == depth.frame_id, not _drawn(color.topic), not _drawn(depth.topic),
        "aligned" in depth.topic, "depth" in depth.topic, not color.compressed, not depth.compressed,
        min(color.count, depth.count), _common_prefix(color.topic, depth.topic), [-ord(c) for c in color.topic + depth.topic],
    )  # fmt: skip


def _info_fit(info: Candidate, depth: Candidate) -> tuple[Any, ...]:
    prefix = _common_prefix(info.topic, depth.topic)
    return info.size == depth.size, info.frame_id == depth.frame_id, prefix, [-ord(c) for c in info.topic]


def _drawn(topic: str) -> bool:
    return any(word in topic.lower() for word in _DRAWN)


def _common_prefix(a: str, b: str) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _why(chosen: Candidate, partner: Candidate, rivals: Sequence[Candidate], named: str) -> str:
    if named:
        return "named by you"
    others = [rival for rival in rivals if rival.topic != chosen.topic]
    text = f"same size and frame as {partner.topic}"
    if not others:
        return f"{text}; no other topic of its kind"
    return f"{text}; preferred to " + ", ".join(f"{other.topic} ({_against(other, chosen, partner)})" for other in others)


def _against(other: Candidate, chosen: Candidate, partner: Candidate) -> str:
    """Why another topic was not chosen."""
    if other.size != partner.size:
        return f"{other.size[0]} x {other.size[1]} pixels"
    if other.frame_id != partner.frame_id:
        return f"in frame '{other.frame_id}'"
    if _drawn(other.topic) and not _drawn(chosen.topic):
        return "its name says that it was not taken by a camera"
    if other.compressed and not chosen.compressed:
        return "compressed"
    return "its name fits less well"


def _check_alignment(path: Any, color: Candidate, depth: Candidate, info: Candidate) -> None:
    if color.size != depth.size:
        raise BagError(
            f"{path}: colour {color.topic} is {color.size[0]} x {color.size[1]} but depth {depth.topic} is {depth.size[0]} x "
            f"{depth.size[1]}: depth must be aligned to colour; record the aligned topic (realsense: "
            "align_depth.enable:=true, topic aligned_depth_to_color/image_raw)"
        )
    if color.frame_id != depth.frame_id:
        raise BagError(
            f"{path}: colour {color.topic} is in frame '{color.frame_id}' but depth {depth.topic} in '{depth.frame_id}': use "
            "depth that is aligned to colour, which carries colour's frame"
        )
    if info.size != depth.size:
        raise BagError(
            f"{path}: camera_info {info.topic} is for {info.size[0]} x {info.size[1]} but the images are {depth.size[0]} x "
            f"{depth.size[1]}: record the camera_info of the aligned depth, or name it by --info"
        )
