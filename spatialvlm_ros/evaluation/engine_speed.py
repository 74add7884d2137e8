"""Time of one core: an image to things, all relations between them, and what a plain Open3D pipeline takes for the same image.

Engine and baselines take turns on the same images, so that what else the machine does meets all. Every run gets an image that
nobody has looked at: nothing that was worked out for the last run carries over but the rays of the camera's pixels, which the
camera model keeps, as it does from image to image in life. Engine and baselines alike find those ready.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from ..scene.facts import Query
from ..scene.frame import RGBDFrame
from ..scene.relations import RELATIONS
from ..scene.scene import Scene
from ..simulation.random_scene import SceneSampling
from .engine_accuracy import Extent
from .engine_render import noisy_frame, render_scene
from .engine_scenes import Observer

FAMILY = "structured_light"
REPEATS = 3
# Scenes looked at for each image that is timed.
LOOKED_AT = 3


@dataclass(frozen=True)
class Pipeline:
    """A user's Open3D pipeline: the table by RANSAC, outliers off the rest, clusters, a box each. Lengths in metres.

    The cloud ends at ``max_depth_m`` along the optical axis, where the engine stops looking. With ``voxel_m`` it is thinned
    before anything else, and what counts neighbours is set for the thinner cloud.
    """

    max_depth_m: float = 3.0
    voxel_m: float = 0.0
    plane_m: float = 0.01
    plane_iterations: int = 1000
    outlier_neighbours: int = 50
    outlier_std_ratio: float = 1.2
    cluster_m: float = 0.01
    cluster_min_points: int = 20
    box_min_points: int = 150


PLAIN = Pipeline()
VOXELS = Pipeline(voxel_m=0.005, outlier_neighbours=20, cluster_m=0.015, cluster_min_points=8, box_min_points=15)


def run_speed(_: int, extent: Extent, first_seed: int) -> dict[str, Any]:
    """All timings, pinned to one core; for a process of its own, before it loads its libraries."""
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    observer = Observer(FAMILY)
    frames = frames_with(8, extent.timed, extent, first_seed, observer)
    warm = observer.observe(frames[0], names_of(8))
    observer.engine.facts(warm, pair_queries(warm))
    return {
        "noise": FAMILY,
        "pixels": [extent.sized(SceneSampling()).width_px[0], extent.sized(SceneSampling()).height_px[0]],
        "against_open3d": _against_baseline(frames, extent.baseline),
        "by_relation_us": _by_relation(frames[0]),
        "by_objects": {
            str(n): _engine_only(frames_with(n, max(1, extent.timed // 3), extent, first_seed, observer)) for n in extent.counts
        },
    }


def frames_with(count: int, number: int, extent: Extent, first_seed: int, observer: Observer) -> list[RGBDFrame]:
    """Images on which the engine finds ``count`` things, or those that come nearest: time goes with what is measured."""
    sampling = SceneSampling(
        num_things=(count, count), share_stacked=0.0, crowding=min(1.0, 0.2 + count / 40), wall_probability=0.3,
        camera_distance_m=(0.6, 1.0) if count <= 8 else (0.9, 1.5), pitch_deg=(-60.0, -35.0), roll_deg=(-5.0, 5.0),
    )  # fmt: skip
    seen = []
    for seed in range(first_seed, first_seed + LOOKED_AT * number):
        frame = noisy_frame(render_scene(seed, extent.sized(sampling)), FAMILY)
        found = sum(1 for thing in observer.observe(frame).objects if thing.num_points)
        seen.append((abs(found - count), seed, frame))
    return [frame for _, _, frame in sorted(seen, key=lambda item: item[:2])[:number]]


def names_of(count: int) -> list[str]:
    """Names of the first things of a fresh engine, with some to spare."""
    return [f"#{number}" for number in range(1, 2 * count + 1)]


def pair_queries(scene: Scene) -> list[Query]:
    """Every relation of two things over every pair of things, each pair once: opposites are relations of their own."""
    names = [f"#{thing.id}" for thing in scene.objects if thing.num_points]
    return [
        Query(relation.name, a, b, amount=0.3 if relation.takes_amount else 0.0)
        for relation in RELATIONS.values()
        if relation.arity == 2 and not relation.of_all
        for a, b in combinations(names, 2)
    ]


def _timed(job: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    result = job()
    return 1e3 * (time.perf_counter() - started), result


def fresh(frame: RGBDFrame) -> RGBDFrame:
    """The same image as it would come in: own arrays, nothing worked out yet."""
    return replace(frame, color=frame.color.copy(), depth_m=frame.depth_m.copy())


def _engine_frame(frame: RGBDFrame, names: Sequence[str]) -> tuple[float, float, int, int]:
    """Milliseconds for the scene and for the facts, number of things and of facts that have a value.

    Of an engine of its own: one that has seen images before goes on counting its things, and what is asked by the numbers of
    the first ones is refused, which takes no time.
    """
    unseen, observer = fresh(frame), Observer(FAMILY)
    observe_ms, scene = _timed(lambda: observer.observe(unseen, names))
    queries = pair_queries(scene)
    facts_ms, facts = _timed(lambda: observer.engine.facts(scene, queries))
    measured = sum(1 for fact in facts if fact.status.has_value)
    return observe_ms, facts_ms, sum(1 for thing in scene.objects if thing.num_points), measured


def _against_baseline(frames: Sequence[RGBDFrame], with_baseline: int) -> dict[str, Any]:
    names, engine, ratios = names_of(8), [], []
    baselines: dict[str, tuple[Pipeline, list[dict[str, float]]]] = {"baseline": (PLAIN, []), "baseline_voxels": (VOXELS, [])}
    for index, frame in enumerate(frames):
        mine = [_engine_frame(frame, names) for _ in range(REPEATS)]
        engine.extend(mine)
        if index < with_baseline:
            for pipeline, runs in baselines.values():
                runs.append(open3d_pipeline(fresh(frame), pipeline))
            ratios.append(float(np.median([a + b for a, b, _, _ in mine])) / baselines["baseline"][1][-1]["total_ms"])
    figures = _summary(engine)
    for key, (pipeline, runs) in baselines.items():
        figures[key] = {
            "parameters": asdict(pipeline),
            "images": len(runs),
            "boxes": float(np.mean([run["boxes"] for run in runs])),
        }
        figures[key] |= {f"{step}_p50": float(np.median([run[step] for run in runs])) for step in runs[0] if step.endswith("_ms")}
    figures["ratio_of_medians"] = figures["frame_ms_p50"] / figures["baseline"]["total_ms_p50"]
    figures["ratio_of_medians_voxels"] = figures["frame_ms_p50"] / figures["baseline_voxels"]["total_ms_p50"]
    figures["ratio_worst_image"] = max(ratios)
    return figures


def _engine_only(frames: Sequence[RGBDFrame]) -> dict[str, float]:
    return _summary([_engine_frame(frame, names_of(48)) for frame in frames for _ in range(2)])


def _summary(rows: Sequence[tuple[float, float, int, int]]) -> dict[str, Any]:
    table: npt.NDArray[np.float64] = np.array(rows, np.float64)
    total = table[:, 0] + table[:, 1]
    return {
        "images": len(rows),
        "things_mean": float(table[:, 2].mean()),
        "facts_mean": float(table[:, 3].mean()),
        "observe_ms_p50": float(np.median(table[:, 0])),
        "observe_ms_p95": float(np.quantile(table[:, 0], 0.95)),
        "facts_ms_p50": float(np.median(table[:, 1])),
        "frame_ms_p50": float(np.median(total)),
        "frame_ms_p95": float(np.quantile(total, 0.95)),
        "facts_per_s": float(table[:, 3].sum() / max(table[:, 1].sum() / 1e3, 1e-9)),
    }


def _by_relation(frame: RGBDFrame) -> dict[str, float]:
    """Microseconds of one fact of each relation of two things, each on a scene that nothing was asked of before."""
    observer = Observer(FAMILY)
    first = observer.observe(frame, names_of(8))
    found: dict[str, float] = {}
    for name in dict.fromkeys(query.relation for query in pair_queries(first)):
        queries = [query for query in pair_queries(first) if query.relation == name]
        scene = replace(first)
        found[name] = 1e3 * _timed(lambda scene=scene, queries=queries: observer.engine.facts(scene, queries))[0] / len(queries)  # type: ignore[misc]
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def open3d_pipeline(frame: RGBDFrame, pipeline: Pipeline = PLAIN) -> dict[str, float]:
    """Milliseconds of each step of a baseline on an image, and the number of boxes it ends with."""
    import open3d as o3d

    def cloud_of() -> Any:
        points = frame.camera.back_project(frame.depth_m)[frame.depth_m < pipeline.max_depth_m]
        cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(points.astype(np.float64)))
        return cloud.voxel_down_sample(pipeline.voxel_m) if pipeline.voxel_m else cloud

    cloud_ms, cloud = _timed(cloud_of)
    plane_ms, (_, inliers) = _timed(lambda: cloud.segment_plane(pipeline.plane_m, 3, pipeline.plane_iterations))

    def filtered() -> Any:
        rest = cloud.select_by_index(inliers, invert=True)
        return rest.remove_statistical_outlier(pipeline.outlier_neighbours, pipeline.outlier_std_ratio)[0]

    outliers_ms, clean = _timed(filtered)
    clusters_ms, clusters = _timed(lambda: np.asarray(clean.cluster_dbscan(pipeline.cluster_m, pipeline.cluster_min_points)))

    def boxes_of() -> list[Any]:
        found = []
        for number in range(int(clusters.max(initial=-1)) + 1):
            members = np.flatnonzero(clusters == number)
            if len(members) >= pipeline.box_min_points:
                found.append(clean.select_by_index(members).get_oriented_bounding_box())
        return found

    boxes_ms, boxes = _timed(boxes_of)
    steps = {
        "cloud_ms": cloud_ms,
        "plane_ms": plane_ms,
        "outliers_ms": outliers_ms,
        "clusters_ms": clusters_ms,
        "boxes_ms": boxes_ms,
    }
    return {**steps, "total_ms": sum(steps.values()), "boxes": float(len(boxes))}
