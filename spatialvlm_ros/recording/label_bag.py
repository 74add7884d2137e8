"""A new bag of rewards and facts at the stamps of the images; the bag that they come from is never touched.

Played beside the original (``ros2 bag play original labels.mcap``) it is as if the nodes had run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..nodes.reward_node import reward_to_msg
from ..nodes.scene_messages import facts_to_msg
from .bag_reader import fallback_types
from .bag_writer import BagWriter
from .label_rows import LabelledFrame

REWARD_TOPIC, FACTS_TOPIC = "/spatialvlm/reward", "/spatialvlm/facts"
_REWARD, _FACTS = "spatialvlm_msgs/msg/Reward", "spatialvlm_msgs/msg/SpatialFactArray"


class BagOutput:
    """Writes ``labels.mcap``: of each image its facts, then its reward, recorded at the image's stamp."""

    def __init__(self, path: Path) -> None:
        self._bag = BagWriter(path)
        self._bag.add_topic(FACTS_TOPIC, _FACTS)
        self._bag.add_topic(REWARD_TOPIC, _REWARD)
        # Not rclpy's serialization: it leaves the bytes between fields as they happen to be in memory.
        self._types: Any = fallback_types()

    def add(self, frame: LabelledFrame) -> None:
        stamp_ns = frame.sample.stamp_ns
        facts = facts_to_msg(list(frame.facts), stamp_ns, frame.frame_id)
        self._bag.write(FACTS_TOPIC, stamp_ns, bytes(self._types.serialize_cdr(facts, _FACTS)))
        reward = reward_to_msg(frame.sample, frame.frame_id)
        self._bag.write(REWARD_TOPIC, stamp_ns, bytes(self._types.serialize_cdr(reward, _REWARD)))

    def close(self) -> None:
        self._bag.close()
