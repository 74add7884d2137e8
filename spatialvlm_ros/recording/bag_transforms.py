"""The tf of a bag, at the stamps of its images: what a node hears live, without waiting for it."""

from __future__ import annotations

import contextlib
from pathlib import Path

from ..geometry.rigid import RigidTransform
from ..geometry.transform_buffer import LONGEST_GAP_S, TransformBuffer
from ..nodes.conversions import stamp_to_ns, transform_from_msg
from .bag_reader import pass_over
from .label_salvage import open_bag
from .label_topics import TF_TYPES

_STATIC = "tf_static"
_LONGEST_BAG_S = 1e9


class BagTransforms:
    """All transforms of a bag, as far as it can be read; those that cannot be used are left out.

    Raises BagError or FileNotFoundError for a file that is no bag.
    """

    def __init__(self, path: Path) -> None:
        self._buffer = TransformBuffer(_LONGEST_BAG_S, LONGEST_GAP_S)
        self.stamp_ns = 0
        with open_bag(path)[0] as reader:
            topics = [topic for topic, kind in reader.topics().items() if kind in TF_TYPES]
            for item in reader.messages(topics, pass_over):
                for transform in item.message.transforms:
                    with contextlib.suppress(ValueError):
                        self._buffer.set_transform(
                            transform.header.frame_id,
                            transform.child_frame_id,
                            stamp_to_ns(transform.header.stamp),
                            transform_from_msg(transform.transform),
                            static=item.topic.endswith(_STATIC),
                        )

    def begin(self, stamp_ns: int) -> None:
        """A new image with its stamp."""
        self.stamp_ns = stamp_ns

    def lookup(self, target: str, source: str) -> RigidTransform:
        """``target_from_source`` at the image's stamp. Raises TransformError."""
        return self._buffer.lookup(target, source, self.stamp_ns)
