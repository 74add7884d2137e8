"""RGB-D folders and bags as sources of data synthesis (``synthesis.record.Source``).

Never changes: an image of a bag is known by its place in it ("NAME#12"), whatever it is read for; one that cannot be read costs
itself only.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..geometry.rigid import FloatArray
from ..geometry.transform_buffer import TransformError
from ..nodes.conversions import frame_from_messages, is_rectified
from ..scene.frame import RGBDFrame
from ..scene.sync import FrameSynchronizer, camera_content
from ..synthesis.record import Dropped, Picture
from ..synthesis.sources import SourceError, check_beside_depth
from .bag_reader import BagError, BagReader, pass_over
from .bag_transforms import BagTransforms
from .label_salvage import open_bag
from .rgbd_bag import RgbdTopics, find_topics
from .rgbd_folder import FolderError, pairs, read_pair, unpaired

SENSOR = "sensor"


class RgbdFolderSource:
    """Pairs of colour and depth images in a folder (``rgbd_folder.py``), by name.

    Dropped, by cause: what ``synthesis.sources.check_beside_depth`` says of the colour image, "depth_not_an_image", "bad_depth",
    "depth_of_other_size", "unknown_depth_unit", "no_intrinsics", "bad_intrinsics", "unreadable".

    Attributes:
        ignored: how many images there are that belong to no pair, by what they lack.
    """

    def __init__(self, path: Path, depth_unit_m: float | None = None) -> None:
        """
        Args:
            depth_unit_m: overrides the unit that the intrinsics name.

        Raises:
            SourceError: for a path that is no folder, or a folder without pairs.
        """
        if not path.is_dir():
            raise SourceError(f"{path} is no folder; give a folder of colour and depth images")
        try:
            self._pairs = pairs(path)
        except FolderError as error:
            raise SourceError(str(error)) from error
        self.path, self._unit_m = path, depth_unit_m
        self.ignored = unpaired(path)

    def __len__(self) -> int:
        return len(self._pairs)

    def items(self, start: int, stop: int) -> Iterator[Picture | Dropped]:
        """See ``record.Source``."""
        for index in range(start, min(stop, len(self))):
            name, color, depth = self._pairs[index]
            key = f"{self.path.resolve().name}/{name}"
            try:
                data = color.read_bytes()
                # OpenCV fills up what breaks off, and turns other colours into its own, without a word.
                check_beside_depth(data)
                frame = read_pair(index, (name, color, depth), self.path, self._unit_m).frame
                digest = hashlib.sha256(data + depth.read_bytes()).hexdigest()
            except Dropped as dropped:
                yield Dropped(dropped.cause, f"{color.name} {dropped.text}", key)
                continue
            except (FolderError, OSError) as error:
                yield Dropped(getattr(error, "cause", "unreadable"), str(error), key)
                continue
            yield _picture(key, frame, digest, None)


class BagSource:
    """Exposures of a bag with colour, depth and camera_info, in its order; of one that was cut off, as far as it goes.

    Dropped, by cause: "unreadable_image" (an encoding that is not understood, depth of another size than colour, a camera that
    cannot be), "no_gravity" (a gravity frame was named, and tf does not tell where it is).

    Attributes:
        ignored: what of a damaged bag is lost.
    """

    def __init__(self, path: Path, gravity_frame: str = "", slop_s: float = 0.02) -> None:
        """
        Args:
            gravity_frame: tf frame whose z axis points up; "" takes up from the support plane.
            slop_s: colour and depth further apart are of two exposures.

        Raises:
            SourceError: it cannot be read, lacks a topic, or holds no exposure.
        """
        self.path, self._gravity_frame = path, gravity_frame
        try:
            reader, lost = open_bag(path)
            with reader:
                self._topics = find_topics(reader)
                broken: Counter[str] = Counter()
                self._exposures = list(_exposures(reader, self._topics, slop_s, broken))
            self._transforms = BagTransforms(path) if gravity_frame else None
        except (BagError, FileNotFoundError) as error:
            raise SourceError(str(error)) from error
        self.ignored = Counter(f"loss ({text})" for text in lost)
        self.ignored.update({f"message of {topic} that cannot be decoded": count for topic, count in broken.items()})
        if not self._exposures:
            raise SourceError(f"{path} holds no pair of colour and depth images whose stamps fit together within {slop_s} s")

    def __len__(self) -> int:
        return len(self._exposures)

    def items(self, start: int, stop: int) -> Iterator[Picture | Dropped]:
        """See ``record.Source``. What was recorded before is skipped by the bag's index, not read."""
        wanted = self._exposures[start:stop]
        if not wanted:
            return
        key = f"{self.path.resolve().name}#"
        first, last = min(exposure.first_ns for exposure in wanted), max(exposure.last_ns for exposure in wanted)
        images: dict[tuple[str, int], Any] = {}
        index = start
        with open_bag(self.path)[0] as reader:
            for item in reader.messages([self._topics.color, self._topics.depth], pass_over, start_ns=first, stop_ns=last + 1):
                images[item.topic, item.log_ns] = item.message
                while index < start + len(wanted) and self._has(images, wanted[index - start]):
                    yield self._item(f"{key}{index}", wanted[index - start], images)
                    index += 1

    def _has(self, images: dict[tuple[str, int], Any], exposure: _Exposure) -> bool:
        return (self._topics.color, exposure.color_ns) in images and (self._topics.depth, exposure.depth_ns) in images

    def _item(self, key: str, exposure: _Exposure, images: dict[tuple[str, int], Any]) -> Picture | Dropped:
        color = images[self._topics.color, exposure.color_ns]
        depth = images[self._topics.depth, exposure.depth_ns]
        # Exposures come in order: nothing recorded before this one is asked for again.
        for topic, log_ns in [name for name in images if name[1] <= exposure.first_ns]:
            del images[topic, log_ns]
        try:
            frame = frame_from_messages(color, depth, exposure.info, is_rectified(self._topics.color))
        except ValueError as error:  # of the message, the camera or the frame
            return Dropped("unreadable_image", str(error), key)
        digest = hashlib.sha256(bytes(color.data) + bytes(depth.data)).hexdigest()
        try:
            return _picture(key, frame, digest, self._up(frame))
        except TransformError as error:
            return Dropped("no_gravity", f"gravity_frame: {error}", key)

    def _up(self, frame: RGBDFrame) -> FloatArray | None:
        if self._transforms is None:
            return None
        self._transforms.begin(frame.stamp_ns)
        return self._transforms.lookup(frame.frame_id, self._gravity_frame).rotation[:, 2]


@dataclass(frozen=True)
class _Exposure:
    """When a colour image and its depth were recorded, and the camera_info that is theirs."""

    color_ns: int
    depth_ns: int
    info: Any

    @property
    def first_ns(self) -> int:
        return min(self.color_ns, self.depth_ns)

    @property
    def last_ns(self) -> int:
        return max(self.color_ns, self.depth_ns)


def _exposures(reader: BagReader, topics: RgbdTopics, slop_s: float, broken: Counter[str]) -> Iterator[_Exposure]:
    """As ``rgbd_bag.read_bag_frames`` pairs them, without their pixels. Messages that cannot be decoded are counted by topic."""

    def count(topic: str, log_ns: int) -> None:
        broken[topic] += 1

    sync = FrameSynchronizer(slop_s)
    infos: dict[bytes, Any] = {}
    first_info = next(iter(reader.messages([topics.info], pass_over)), None)
    if first_info is not None:
        sync.add_info(first_info.message)
    for item in reader.messages([topics.color, topics.depth, topics.info], count):
        if item.topic == topics.info:
            # Most of them are alike; one of each is kept.
            triples = sync.add_info(infos.setdefault(camera_content(item.message), item.message), item.stamp_ns)
        else:
            add = sync.add_color if item.topic == topics.color else sync.add_depth
            triples = [triple] if (triple := add(item.stamp_ns, item.log_ns)) is not None else []
        for triple in triples:
            yield _Exposure(triple.color, triple.depth, triple.info)


def _picture(key: str, frame: RGBDFrame, digest: str, up: FloatArray | None) -> Picture:
    return Picture(
        key=key, color=frame.color, depth_m=frame.depth_m, camera=frame.camera, frame_id=frame.frame_id,
        stamp_ns=frame.stamp_ns, source_sha256=digest, up=up, up_source="" if up is None else "tf", depth_origin=SENSOR,
    )  # fmt: skip
