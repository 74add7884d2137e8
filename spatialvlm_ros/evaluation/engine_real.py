"""Labelled frames of a real camera through the engine: what is found, where, and how large, with pictures.

Truth is what the labels say: the pixels of a thing, and the box of their own depth, read in another way than the engine does.
Errors of centres and extents are thus between two readings of one depth image: what the sensor itself gets wrong is in neither.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..geometry.rigid import FloatArray
from ..scene.drawing import draw_box, draw_scene, put_text
from ..scene.frame import BoolArray, RGBDFrame
from ..scene.scene import Scene
from ..simulation.exact_things import smallest_rectangle
from .engine_scenes import Observer

FAMILY = "structured_light"
# Labelled things with fewer pixels are scraps of a label.
MIN_LABEL_PIXELS = 200
# Share of a thing's points left out at either end of an axis: pixels between it and what lies behind.
LABEL_TRIM = 0.01
STANDS_M = 0.015


@dataclass(frozen=True)
class LabelledFrame:
    """Labels (H, W): 0 no depth, 1-9 table, 20-29 first object, 30-39 second ..."""

    name: str
    frame: RGBDFrame
    labels: npt.NDArray[np.generic]


@dataclass(frozen=True)
class LabelledBox:
    """Middle (3,) in the optical frame, and extents (3,): longer level side, shorter one, height, metres."""

    middle: FloatArray
    extents: FloatArray


def table_plane(points: FloatArray) -> tuple[FloatArray, float]:
    """(normal towards the camera (3,), offset) of points (N, 3) on a table: total least squares, twice without the far ones."""
    kept = points
    for limit in (0.02, 0.008, None):
        middle = kept.mean(axis=0)
        normal = np.linalg.svd((kept - middle)[:: max(1, len(kept) // 5000)], full_matrices=False)[2][2]
        normal = normal if normal @ middle < 0 else -normal
        offset = -float(normal @ middle)
        if limit is not None:
            kept = points[np.abs(points @ normal + offset) < limit]
    return normal, offset


def labelled_box(points: FloatArray, normal: FloatArray, offset: float) -> LabelledBox:
    """Box of a thing's own points (N, 3) on a table: the smallest rectangle of their level positions, and their heights.

    It holds what is seen; a thing whose back is hidden even from above is deeper than its labelled box.
    """
    first = np.cross(normal, [0.0, 0.0, 1.0])
    first /= np.linalg.norm(first)
    basis = np.stack([first, np.cross(normal, first), normal])
    local = points @ basis.T + np.array([0.0, 0.0, offset])
    low, high = np.quantile(local, (LABEL_TRIM, 1 - LABEL_TRIM), axis=0)
    level = local[((local >= low) & (local <= high)).all(axis=1), :2]
    middle, _, size = smallest_rectangle(level)
    bottom = 0.0 if low[2] < STANDS_M else float(low[2])
    extents = np.array([size.max(), size.min(), high[2] - bottom])
    centre = np.append(middle, (bottom + high[2]) / 2 - offset)
    return LabelledBox(basis.T @ centre, extents)


def run_real_frames(frames: Iterable[LabelledFrame], pictures: Path) -> list[dict[str, Any]]:
    """Figures of each frame; leaves ``pictures``/NAME.png."""
    import cv2

    pictures.mkdir(parents=True, exist_ok=True)
    observer, entries = Observer(FAMILY), []
    for item in frames:
        scene = observer.observe(item.frame)
        entries.append(judge_labels(item, scene))
        cv2.imwrite(str(pictures / f"{item.name.replace('/', '-')}.png"), _picture(item, scene)[..., ::-1])
    return entries


def judge_labels(item: LabelledFrame, scene: Scene) -> dict[str, Any]:
    """Every labelled thing against the best overlapping found one; pixels without depth belong to nobody."""
    labels, depth = item.labels.astype(np.int64), item.frame.depth_m
    cloud = item.frame.camera.back_project(depth).astype(np.float64)
    valid = np.isfinite(depth) & (labels != 0)
    normal, offset = table_plane(cloud[valid & (labels < 10)])
    found = scene.labels if scene.labels is not None else np.zeros(labels.shape, np.int32)
    things, used = [], set()
    for number in np.unique(labels[labels >= 20] // 10):
        own = valid & (labels // 10 == number)
        if np.count_nonzero(own) <= MIN_LABEL_PIXELS:
            continue
        overlap, best = _best(own, found, valid)
        used.add(best)
        entry: dict[str, Any] = {"label": int(number), "pixels": int(np.count_nonzero(own)), "iou": overlap, "found_as": best}
        thing = next((thing for thing in scene.objects if thing.id == best), None)
        if thing is not None and overlap >= 0.5:
            truth = labelled_box(cloud[own], normal, offset)
            extents = np.append(np.sort(thing.extents[:2])[::-1], thing.extents[2])
            entry |= {
                "centre_error_m": float(np.linalg.norm(thing.centre - truth.middle)),
                "centre_sigmas": float(np.sqrt(_mahalanobis(thing.centre - truth.middle, thing.covariance) / 3)),
                "extents_m": extents,
                "labelled_extents_m": truth.extents,
                "extents_error": np.abs(extents - truth.extents) / truth.extents,
            }
        things.append(entry)
    tilt = float("nan") if scene.canonical is None else float(np.rad2deg(np.arccos(np.clip(scene.canonical.up @ normal, -1, 1))))
    seen = {thing.id for thing in scene.objects if thing.num_points}
    return {"name": item.name, "tilt_to_labelled_table_deg": tilt, "things": things, "false_things": len(seen - used)}


def _mahalanobis(offset: FloatArray, covariance: FloatArray) -> float:
    return float(offset @ np.linalg.solve(covariance, offset))


def _best(own: BoolArray, found: npt.NDArray[np.int32], valid: BoolArray) -> tuple[float, int]:
    """IoU and id of the found thing that overlaps most; (0, 0) when none does."""
    best = (0.0, 0)
    for number in np.unique(found[own]):
        if number > 0:
            mask = (found == number) & valid
            best = max(best, (float(np.count_nonzero(mask & own) / np.count_nonzero(mask | own)), int(number)))
    return best


def summarise(entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Pooled over all frames."""
    things = [thing for entry in entries for thing in entry["things"]]
    boxed = [thing for thing in things if "centre_error_m" in thing]
    errors = np.array([thing["extents_error"] for thing in boxed]).reshape(-1, 3)
    centres = np.array([thing["centre_error_m"] for thing in boxed])
    return {
        "frames": len(entries),
        "things": len(things),
        "recall_iou_75": float(np.mean([thing["iou"] >= 0.75 for thing in things])) if things else float("nan"),
        "iou_worst": min((thing["iou"] for thing in things), default=float("nan")),
        "false_things": sum(entry["false_things"] for entry in entries),
        "centre_error_median_m": float(np.median(centres)) if len(centres) else float("nan"),
        "centre_error_worst_m": float(centres.max()) if len(centres) else float("nan"),
        "extents_error_median": float(np.median(errors)) if len(errors) else float("nan"),
        "extents_error_median_by_axis": np.median(errors, axis=0) if len(errors) else [],
        "tilt_worst_deg": max((entry["tilt_to_labelled_table_deg"] for entry in entries), default=float("nan")),
    }


def _picture(item: LabelledFrame, scene: Scene) -> npt.NDArray[np.uint8]:
    """What was found and its boxes in colour, the labels' outlines in white."""
    import cv2

    picture = draw_scene(item.frame, scene)
    for thing in scene.objects:
        draw_box(picture, item.frame, thing)
    labels = item.labels.astype(np.int64)
    for number in np.unique(labels[labels >= 20] // 10):
        mask = (labels // 10 == number).astype(np.uint8)
        outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        cv2.drawContours(picture, outlines, -1, (255, 255, 255), 1)
    put_text(picture, f"{item.name}: labels white", (8, 20), (255, 255, 255))
    return picture
