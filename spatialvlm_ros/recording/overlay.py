"""The video of an episode: the camera's image with boxes, the measured distance, the stage and the potential."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..geometry.camera import CameraModel
from ..geometry.rigid import RigidTransform
from ..geometry.transform_buffer import TransformBuffer, TransformError
from ..scene.drawing import draw_box, object_color, put_text
from ..scene.facts import Query, Source, Status
from ..scene.frame import RGBDFrame
from ..scene.scene import SceneObject
from .bag_reader import BagError, BagReader
from .episode import FACTS_TYPE, REWARD_TYPE, color_topic, query_of
from .video import write_video

Picture = npt.NDArray[np.uint8]
_SCENE_TYPE, _INFO_TYPE, _TF_TYPE = "spatialvlm_msgs/msg/Scene", "sensor_msgs/msg/CameraInfo", "tf2_msgs/msg/TFMessage"
_MIN_WIDTH = 640
_STRIP_HEIGHT = 56
_LINE, _BAR, _HELD, _DONE, _DARK = (255, 230, 60), (0, 158, 115), (230, 159, 0), (213, 94, 0), (28, 28, 30)


@dataclass
class _Recorded:
    """Everything but images, by image stamp."""

    scenes: dict[int, Any] = field(default_factory=dict)
    facts: dict[int, list[Any]] = field(default_factory=dict)
    rewards: dict[int, Any] = field(default_factory=dict)
    cameras: dict[str, CameraModel] = field(default_factory=dict)
    transforms: TransformBuffer = field(default_factory=lambda: TransformBuffer(cache_s=1e9))


@dataclass
class Drawn:
    """What is drawn on one image, as messages; None or nothing where it is not known. ``camera`` is the image's."""

    scene: Any
    facts: list[Any]
    reward: Any
    camera: CameraModel | None
    transforms: TransformBuffer


def render_overlay(
    bag: str | Path, output: str | Path, *, query: Query | None = None, speed: float = 1.0, overwrite: bool = False
) -> int:
    """Write the video of a bag to .mp4 or .gif; how many frames it has.

    It shows the images that were measured (all of them where the bag holds no scenes). ``query`` names the distance to draw;
    without it, it is the one that the reward uses, else the first one of the gripper. Raises BagError for a bag without
    colour images, and what write_video raises.
    """
    return write_video(output, overlay_frames(bag, query=query), speed=speed, overwrite=overwrite)


def overlay_frames(bag: str | Path, *, query: Query | None = None) -> Iterator[tuple[int, Picture]]:
    """(stamp_ns, (H, W, 3) uint8 RGB) of each frame of the video."""
    from ..nodes.conversions import color_to_rgb, decode_compressed_color, image_to_array

    with BagReader(bag) as reader:
        topic = color_topic(reader)
        if topic is None:
            raise BagError(f"{bag} holds no colour images; record the camera's color/image_raw as well")
        recorded = _read(reader)
        for entry in reader.messages([topic]):
            if recorded.scenes and entry.stamp_ns not in recorded.scenes:
                continue
            message = entry.message
            if entry.type.endswith("CompressedImage"):
                color = decode_compressed_color(message)
            else:
                color = color_to_rgb(image_to_array(message), message.encoding)
            stamp_ns, frame_id = entry.stamp_ns, message.header.frame_id
            drawn = Drawn(
                recorded.scenes.get(stamp_ns), recorded.facts.get(stamp_ns, []), recorded.rewards.get(stamp_ns),
                recorded.cameras.get(frame_id), recorded.transforms,
            )  # fmt: skip
            yield stamp_ns, compose(color, stamp_ns, frame_id, drawn, query)


def _read(reader: BagReader) -> _Recorded:
    recorded = _Recorded()
    topics = [t for kind in (_SCENE_TYPE, FACTS_TYPE, REWARD_TYPE, _INFO_TYPE, _TF_TYPE) for t in reader.topics_of(kind)]
    for entry in reader.messages(topics):
        message = entry.message
        if entry.type == _SCENE_TYPE:
            recorded.scenes[entry.stamp_ns] = message
        elif entry.type == REWARD_TYPE:
            recorded.rewards[entry.stamp_ns] = message
        elif entry.type == FACTS_TYPE:
            measured = [fact for fact in message.facts if fact.source != Source.GROUND_TRUTH]
            recorded.facts.setdefault(entry.stamp_ns, []).extend(measured)
        elif entry.type == _INFO_TYPE:
            _keep_camera(recorded, message)
        else:
            _keep_transforms(recorded.transforms, message, static="static" in entry.topic)
    return recorded


def _keep_camera(recorded: _Recorded, info: Any) -> None:
    k, d = info.k, tuple(float(c) for c in info.d)
    model = info.distortion_model if any(d) else ""
    try:
        camera = CameraModel(int(info.width), int(info.height), float(k[0]), float(k[4]), float(k[2]), float(k[5]), d, model)
    except ValueError:
        return  # a camera that is not calibrated has no geometry to draw
    recorded.cameras[info.header.frame_id] = camera


def _keep_transforms(buffer: TransformBuffer, message: Any, *, static: bool) -> None:
    from ..nodes.conversions import stamp_to_ns, transform_from_msg

    for entry in message.transforms:
        try:
            transform, stamp_ns = transform_from_msg(entry.transform), stamp_to_ns(entry.header.stamp)
            buffer.set_transform(entry.header.frame_id, entry.child_frame_id, stamp_ns, transform, static=static)
        except ValueError:
            continue  # one bad transform must not cost the video


# -- drawing ------------------------------------------------------------------------------------------------------------


def compose(color: Picture, stamp_ns: int, frame_id: str, drawn: Drawn, query: Query | None = None) -> Picture:
    """One frame: the image (H, W, 3) uint8 RGB, enlarged to be legible, with its geometry, above a strip with the reward."""
    import cv2

    factor = max(1, math.ceil(_MIN_WIDTH / color.shape[1]))
    picture = cv2.resize(color, None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR) if factor > 1 else color.copy()
    picture = np.ascontiguousarray(picture, dtype=np.uint8)
    reward, camera, scene = drawn.reward, drawn.camera, drawn.scene
    fact = _choose_fact(drawn.facts, reward, query)
    if camera is not None and (camera.height, camera.width) == color.shape[:2]:
        frame = RGBDFrame(
            stamp_ns, picture, np.full(picture.shape[:2], np.nan, np.float32), _scaled(camera, factor), frame_id
        )  # fmt: skip
        if scene is not None and scene.header.frame_id == frame_id:
            for message in scene.objects:
                _draw_object(picture, frame, message)
        if fact is not None:
            _draw_distance(picture, frame, fact, drawn.transforms)
    strip = np.full((_STRIP_HEIGHT, picture.shape[1], 3), _DARK, np.uint8)
    _draw_strip(strip, reward, fact)
    return np.vstack([picture, strip])


def _scaled(camera: CameraModel, factor: int) -> CameraModel:
    """The camera of the image enlarged by ``factor``; pixel centres stay centres."""
    half = (factor - 1) / 2
    return CameraModel(
        camera.width * factor, camera.height * factor, camera.fx * factor, camera.fy * factor,
        camera.cx * factor + half, camera.cy * factor + half, camera.distortion, camera.distortion_model,
    )  # fmt: skip


def _object(message: Any) -> SceneObject | None:
    """The thing of a SceneObject message as far as it can be drawn; None without a place."""
    p, q, e, s = message.pose.position, message.pose.orientation, message.extents, message.surface_point
    try:
        pose = RigidTransform.from_quaternion((p.x, p.y, p.z), (q.x, q.y, q.z, q.w))
    except ValueError:
        return None
    return SceneObject(
        int(message.id), message.label, float(message.score), pose.translation,
        np.asarray(message.covariance, np.float64).reshape(3, 3), pose.rotation, np.array([e.x, e.y, e.z]), np.zeros(3),
        np.array([s.x, s.y, s.z]), np.zeros((0, 3), np.float32), math.nan, float(message.visible_share),
        bool(message.truncated), int(message.num_points), 0,
    )  # fmt: skip


def _draw_object(picture: Picture, frame: RGBDFrame, message: Any) -> None:
    thing = _object(message)
    if thing is None or not np.isfinite(thing.extents).all() or not thing.extents.any():
        return
    corners = frame.camera.project(thing.corners())
    if not np.isfinite(corners).all():
        return
    draw_box(picture, frame, thing)
    hidden = "" if message.status in (Status.OK, Status.UNKNOWN) else f" ({Status(message.status).name.lower()})"
    place = (int(corners[:, 0].mean()), int(corners[:, 1].min()) - 5)
    put_text(picture, thing.label + hidden, place, object_color(thing.id), centred=True)


def _choose_fact(facts: list[Any], reward: Any, query: Query | None) -> Any:
    """The distance to draw: asked for, or used by the reward's stage, or the gripper's first one; None without any."""
    by_query = {query_of(fact): fact for fact in facts if fact.unit == "m" and fact.object}
    if query is not None:
        return by_query.get(query)
    # The whole name of a term, its stage and its query: "distance(a, b)" is a part of "distance(a, b) seen from base_link", too.
    terms = {term.name for term in reward.terms} if reward is not None else set()
    stage = reward.stage if reward is not None else ""  # an image can have facts and no reward: before the task, or one lost
    used = [fact for known, fact in by_query.items() if terms & {f"{stage}/{keep}{known}" for keep in ("", "keep ")}]
    of_gripper = [
        fact for known, fact in by_query.items() if known.relation == "distance" and "gripper" in (known.subject, known.object)
    ]
    return next(iter([*used, *of_gripper]), None)


def _draw_distance(picture: Picture, frame: RGBDFrame, fact: Any, transforms: TransformBuffer) -> None:
    import cv2

    points = np.array([[p.x, p.y, p.z] for p in (fact.subject_point, fact.object_point)])
    if not (np.isfinite(points).all() and math.isfinite(fact.value)):
        return
    if fact.header.frame_id != frame.frame_id:
        try:
            points = transforms.lookup(frame.frame_id, fact.header.frame_id, frame.stamp_ns).apply(points)
        except TransformError:
            return
    ends = frame.camera.project(points)
    limit = 4 * max(picture.shape)
    if not np.isfinite(ends).all() or np.abs(ends).max() > limit:
        return
    a, b = ((int(round(u)), int(round(v))) for u, v in ends)
    cv2.line(picture, a, b, _LINE, 2, cv2.LINE_AA)
    for end in (a, b):
        cv2.circle(picture, end, 4, _LINE, -1, cv2.LINE_AA)
    put_text(picture, _distance_text(fact), ((a[0] + b[0]) // 2 + 8, (a[1] + b[1]) // 2), _LINE)


def _distance_text(fact: Any) -> str:
    return f"{fact.value:.3f} m +- {fact.std:.3f}" if math.isfinite(fact.value) else "not measured"


def _draw_strip(strip: Picture, reward: Any, fact: Any) -> None:
    """Stage and distance above, the potential as a bar below."""
    import cv2

    width = strip.shape[1]
    if fact is not None:
        text = f"{query_of(fact)}  {_distance_text(fact)}"
        size = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.45, 1)[0][0]
        put_text(strip, text, (width - size - 8, 20), _LINE)
    if reward is None:
        return
    held = reward.status == 2
    stage = f"{reward.stage}  {reward.stage_index + 1}/{reward.num_stages}" if reward.stage else "no task"
    stage += "  SUCCESS" if reward.success else "  held" if held else ""
    put_text(strip, stage, (8, 20), _DONE if reward.success else (230, 230, 230))
    if not math.isfinite(reward.potential):
        return
    left, right, top, bottom = 8, width - 118, 34, 48
    cv2.rectangle(strip, (left, top), (right, bottom), (75, 75, 78), -1)
    end = left + round((right - left) * min(1.0, max(0.0, reward.potential)))
    cv2.rectangle(strip, (left, top), (end, bottom), _HELD if held else _DONE if reward.success else _BAR, -1)
    best = left + round((right - left) * min(1.0, max(0.0, reward.progress)))
    cv2.line(strip, (best, top - 2), (best, bottom + 2), (255, 255, 255), 1)
    put_text(strip, f"potential {reward.potential:.2f}", (right + 8, 46), (230, 230, 230))
