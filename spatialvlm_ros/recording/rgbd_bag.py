"""RGB-D frames out of a bag, through the same conversions as the live path. Topics are found by type and encoding."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..nodes.conversions import DEPTH_ENCODINGS, frame_from_messages, is_rectified
from ..scene.frame import RGBDFrame
from ..scene.sync import FrameSynchronizer
from .bag_reader import BagError, BagReader, pass_over
from .label_salvage import open_bag
from .label_topics import best_camera, candidates


@dataclass(frozen=True)
class RgbdTopics:
    """Topic names of one camera in a bag."""

    color: str
    depth: str
    info: str


def find_topics(reader: BagReader) -> RgbdTopics:
    """The camera's topics. Raises BagError naming what is missing and what there is."""
    color, depth = _images(reader)
    infos = [topic for topic, kind in reader.topics().items() if kind.endswith("CameraInfo")]
    missing = [word for word, found in (("colour", color), ("depth", depth), ("camera_info", infos)) if not found]
    if missing:
        listed = ", ".join(f"{topic} ({kind})" for topic, kind in sorted(reader.topics().items())) or "nothing"
        raise BagError(f"{reader.path} has no {' and no '.join(missing)} topic; it holds {listed}")
    # Of several cameras, or with pictures that somebody drew, the topics that belong together.
    best = best_camera([found for found in candidates(reader) if found.topic in {*color, *depth, *infos}])
    if best is not None:
        return RgbdTopics(*(one.topic for one in best))
    return RgbdTopics(color[0], depth[0], max(infos, key=lambda topic: _common_prefix(topic, depth[0])))


def read_bag_frames(
    path: Path,
    slop_s: float = 0.02,
    tell: Callable[[str], None] = lambda text: None,
    bad_frame: Callable[[int, str], None] | None = None,
) -> Iterator[tuple[int, RGBDFrame]]:
    """(index, frame) of each exposure, in the bag's order. Images without a partner within ``slop_s`` are left out.

    A bag that was cut off is read as far as it goes, and messages that cannot be decoded are passed over; ``tell`` is called
    with what is lost. Images that do not fit together cost themselves only where ``bad_frame`` is given, which is called with
    their index and what is wrong. Raises BagError as find_topics does, and without ``bad_frame`` another ValueError for such
    images.
    """
    reader, lost = open_bag(path)
    with reader:
        for text in lost:
            tell(text)
        topics = find_topics(reader)
        sync = FrameSynchronizer(slop_s)
        # Recorders often write camera_info after the images that it belongs to.
        first_info = next(iter(reader.messages([topics.info], pass_over)), None)
        if first_info is not None:
            sync.add_info(first_info.message)
        index = 0
        told: set[str] = set()

        def broken(topic: str, log_ns: int) -> None:
            if topic not in told:
                told.add(topic)
                tell(f"one or more messages of {topic} cannot be decoded, the first of {log_ns * 1e-9:.3f} s")

        for item in reader.messages([topics.color, topics.depth, topics.info], broken):
            if item.topic == topics.info:
                triples = sync.add_info(item.message, item.stamp_ns)
            else:
                add = sync.add_color if item.topic == topics.color else sync.add_depth
                triples = [triple] if (triple := add(item.stamp_ns, item.message)) is not None else []
            for triple in triples:
                try:
                    frame = frame_from_messages(triple.color, triple.depth, triple.info, is_rectified(topics.color))
                except ValueError as error:
                    if bad_frame is None:
                        raise
                    bad_frame(index, str(error))
                else:
                    yield index, frame
                index += 1


def _images(reader: BagReader) -> tuple[list[str], list[str]]:
    """Colour and depth topics: raw ones by the encoding of their first message, compressed ones by name."""
    color: list[str] = []
    depth: list[str] = []
    for topic in reader.topics_of("sensor_msgs/msg/Image"):
        first = next(iter(reader.messages([topic], pass_over)), None)
        if first is not None:
            (depth if first.message.encoding in DEPTH_ENCODINGS else color).append(topic)
    for topic in reader.topics_of("sensor_msgs/msg/CompressedImage"):
        (depth if topic.endswith("compressedDepth") else color).append(topic)
    return color, depth


def _common_prefix(a: str, b: str) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
