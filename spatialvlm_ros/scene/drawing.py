"""A scene and its facts drawn on the colour image: for ~/debug_image, videos and reports, which must look the same."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from ..geometry.rigid import FloatArray, RigidTransform
from .facts import METRE, SpatialFact, Status
from .frame import RGBDFrame
from .scene import Scene, SceneObject

# RGB; distinct for the common kinds of colour blindness (Okabe and Ito 2008)
_PALETTE = ((0, 114, 178), (230, 159, 0), (0, 158, 115), (204, 121, 167), (86, 180, 233), (213, 94, 0), (240, 228, 66))
_LINE = (255, 230, 60)
_TABLE = (90, 200, 120)


def object_color(object_id: int) -> tuple[int, int, int]:
    """RGB of an object: the same for as long as its id lives."""
    return _PALETTE[object_id % len(_PALETTE)]


def draw_scene(frame: RGBDFrame, scene: Scene, facts: Iterable[SpatialFact] = ()) -> npt.NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB: table tint, outlines and names of things, a line and a number for each measured distance.

    Facts are drawn when their points are in the image's own frame, or in that of a view.
    """
    import cv2

    picture = frame.color.copy()
    if scene.labels is not None:
        table = scene.labels == -1
        picture[table] = (0.8 * picture[table] + 0.2 * np.array(_TABLE)).astype(np.uint8)
        for thing in scene.objects:
            mask = (scene.labels == thing.id).astype(np.uint8) if thing.id > 0 else np.zeros((1, 1), np.uint8)
            outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
            cv2.drawContours(picture, outlines, -1, object_color(thing.id), 2, cv2.LINE_AA)
    for fact in facts:
        points = points_in_scene(scene, fact)
        if points is not None and fact.unit == METRE and fact.status.has_value:
            _draw_distance(picture, frame, fact, points)
    for thing in scene.objects:
        if thing.extents.any():
            _draw_name(picture, frame, thing)
    return picture


def points_in_scene(scene: Scene, fact: SpatialFact) -> FloatArray | None:
    """(2, 3) subject's and object's point in the scene's frame, metres.

    None for a fact whose points are in a frame that the scene does not know. Nobody broadcasts the frame "canonical" of such
    views, so what is drawn must not refer to it.
    """
    points = np.stack([fact.subject_point, fact.object_point])
    if fact.frame_id == scene.frame_id:
        return points
    if fact.query.view == "canonical":
        return None if scene.canonical is None else scene.canonical.scene_from_canonical.apply(points)
    pose = scene.views.get(fact.frame_id)
    return pose.apply(points) if isinstance(pose, RigidTransform) else None


def _draw_name(picture: npt.NDArray[np.uint8], frame: RGBDFrame, thing: SceneObject) -> None:
    pixels = frame.camera.project(thing.corners())
    if not np.isfinite(pixels).all():
        return
    u = int(np.clip(pixels[:, 0].mean(), 0, frame.camera.width))
    v = int(np.clip(pixels[:, 1].min() - 6, 12, frame.camera.height))
    hidden = "" if thing.status is Status.OK else f" ({thing.status.name.lower()})"
    put_text(picture, thing.label + hidden, (u, v), object_color(thing.id), centred=True)


def _draw_distance(picture: npt.NDArray[np.uint8], frame: RGBDFrame, fact: SpatialFact, points: FloatArray) -> None:
    import cv2

    ends = frame.camera.project(points)
    # A point just in front of the camera lies further off the image than OpenCV can count.
    if not np.isfinite(ends).all() or np.abs(ends).max() > 100 * max(picture.shape):
        return
    a, b = ((int(round(u)), int(round(v))) for u, v in ends)
    cv2.line(picture, a, b, _LINE, 2, cv2.LINE_AA)
    for end in (a, b):
        cv2.circle(picture, end, 4, _LINE, -1, cv2.LINE_AA)
    middle = ((a[0] + b[0]) // 2 + 8, (a[1] + b[1]) // 2)
    put_text(picture, f"{fact.value:.3f} m +- {fact.std:.3f}", middle, _LINE)


def put_text(
    picture: npt.NDArray[np.uint8], text: str, place: tuple[int, int], color: tuple[int, int, int], centred: bool = False
) -> None:
    """Text with a dark outline at (u, v) of its lower left corner, or of its lower middle; kept inside the image."""
    import cv2

    scale = 0.45
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    u = place[0] - width // 2 if centred else place[0]
    u = int(np.clip(u, 2, max(2, picture.shape[1] - width - 2)))
    v = int(np.clip(place[1], height + 2, picture.shape[0] - 4))
    light = tuple(int(0.5 * c + 127) for c in color)
    # The same thin glyphs around: OpenCV 5 draws thick ones wider, which would leave a shadow beside the text.
    for du, dv in ((-1, -1), (-1, 1), (1, -1), (1, 1)):
        cv2.putText(picture, text, (u + du, v + dv), cv2.FONT_HERSHEY_SIMPLEX, scale, (20, 20, 20), 1, cv2.LINE_AA)
    cv2.putText(picture, text, (u, v), cv2.FONT_HERSHEY_SIMPLEX, scale, light, 1, cv2.LINE_AA)


def draw_box(picture: npt.NDArray[np.uint8], frame: RGBDFrame, thing: SceneObject) -> None:
    """The edges of a thing's box, in its colour, in place."""
    import cv2

    # corners() counts in binary over (x, y, z): an edge joins corners that differ in one bit
    pixels = frame.camera.project(thing.corners())
    if not np.isfinite(pixels).all():
        return
    corners = thing.corners()
    for i, j in _edges(corners, thing):
        a, b = (tuple(int(round(c)) for c in pixels[k]) for k in (i, j))
        cv2.line(picture, a, b, object_color(thing.id), 1, cv2.LINE_AA)


def _edges(corners: npt.NDArray[np.float64], thing: SceneObject) -> list[tuple[int, int]]:
    signs = np.sign((corners - thing.centre) @ thing.axes)
    return [(i, j) for i in range(8) for j in range(i + 1, 8) if np.count_nonzero(signs[i] != signs[j]) == 1]


__all__ = ["draw_box", "draw_scene", "object_color", "points_in_scene", "put_text"]
