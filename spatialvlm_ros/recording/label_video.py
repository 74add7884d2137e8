"""Videos of labelled episodes, overlay_000.mp4 and so on: drawn as the demo's, of what was measured while it is measured."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from ..geometry.transform_buffer import TransformBuffer
from .label_rows import LabelledFrame
from .overlay import Drawn, compose
from .video import Mp4Writer, SizeError


class VideoOutput:
    """Takes labelled images with their material; one file an episode, in which each image is shown when it was taken.

    An image of another size than the first of its episode is left out and counted in ``left_out``, by cause.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer: Mp4Writer | None = None
        self._episode = -1
        self.left_out: Counter[str] = Counter()

    def add(self, frame: LabelledFrame) -> None:
        material = frame.material
        assert material is not None, "images for videos carry what they were labelled from"
        # These load rclpy, which takes time and starts threads.
        from ..nodes.reward_node import reward_to_msg
        from ..nodes.scene_messages import facts_to_msg, scene_to_msg

        if self._writer is None or frame.episode_index != self._episode:
            self.close()
            self._episode = frame.episode_index
            self._writer = Mp4Writer(self._folder / f"overlay_{frame.episode_index:03d}.mp4")
        stamp_ns = frame.sample.stamp_ns
        transforms = TransformBuffer()
        if material.output is not None:
            output_frame, output_from_camera = material.output
            transforms.set_transform(output_frame, material.frame.frame_id, stamp_ns, output_from_camera, static=True)
        drawn = Drawn(
            scene_to_msg(material.scene), facts_to_msg(list(frame.facts), stamp_ns, frame.frame_id).facts,
            reward_to_msg(frame.sample, frame.frame_id), material.frame.camera, transforms,
        )  # fmt: skip
        try:
            self._writer.add(stamp_ns, compose(material.frame.color, stamp_ns, material.frame.frame_id, drawn))
        except SizeError as error:
            self.left_out[str(error)] += 1

    def losses(self) -> list[str]:
        """Sentences on what the videos lack."""
        return [f"video: {count} x {cause}" for cause, count in sorted(self.left_out.items())]

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
