"""Small copies of public benchmarks, made by us: true types of files, columns and folders, with plain colours for pictures."""

from __future__ import annotations

import base64
import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

# RGB of the picture of which a letter is the right option.
COLOURS = {"A": (220, 30, 30), "B": (30, 200, 30), "C": (30, 30, 220), "D": (230, 220, 30)}


def picture(letter: str, width_px: int = 96, height_px: int = 64) -> np.ndarray:
    """(H, W, 3) uint8, RGB."""
    return np.full((height_px, width_px, 3), COLOURS[letter], np.uint8)


def encoded(letter: str, suffix: str = ".png") -> bytes:
    done, data = cv2.imencode(suffix, np.ascontiguousarray(picture(letter)[..., ::-1]))
    assert done
    return bytes(data)


def base64_of(letter: str) -> str:
    return base64.b64encode(encoded(letter, ".jpg")).decode()


def cell(letter: str, name: str = "0.png") -> dict[str, Any]:
    """As `datasets` stores a picture in parquet."""
    return {"bytes": encoded(letter), "path": name}


def write(path: Path, data: bytes | str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)


def lines(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    write(path, "".join(json.dumps(row) + "\n" for row in rows))


def parquet(path: Path, rows: Sequence[Mapping[str, Any]], row_group_size: int = 2) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), path, row_group_size=row_group_size)


def embspatial(folder: Path) -> None:
    """Four questions; the picture is that of the right letter but for the last."""
    relations, sources = ("left", "under", "close", "left"), ("mp3d", "ai2thor", "scannet", "mp3d")
    rows = [
        {
            "data_source": sources[at], "scene_id": f"s{at}", "question_id": f"q_{at}", "question": f"Where is the cup ({at})?",
            "relation": relations[at], "image": base64_of("ABCA"[at]), "answer": at,
            "answer_options": ["left of it", "under it", "close to it", "above it"],
            "objects": [{"name": "cup", "bbox": [1, 2, 3, 4]}],
        }
        for at in range(4)
    ]  # fmt: skip
    write(folder / "embspatial_bench.json", json.dumps(rows))


def realworldqa(folder: Path, kind: str = "parquet") -> None:
    """A choice with its options in the question, yes or no, and a number; or the same choice as TSV."""
    question = "Which way?\n\nA. Left\nB. Right\nC. Ahead\nPlease answer with the letter."
    rows = [
        {"image": cell("B"), "question": question, "answer": "B"},
        {"image": cell("A"), "question": "Is there a car?", "answer": "Yes"},
        {"image": cell("C"), "question": "How many cars?", "answer": "3"},
    ]
    if kind == "parquet":
        parquet(folder / "data" / "test-00000-of-00001.parquet", rows)
        return
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "RealWorldQA.tsv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, delimiter="\t")
        table.writerow(["index", "image", "question", "A", "B", "C", "D", "answer"])
        table.writerow([0, base64_of("B"), "Which way\nis it?", "Left", "Right", "Ahead", "", "B"])


def omnispatial(folder: Path) -> None:
    rows = [
        {"id": "0_0", "task_type": "Dynamic_Reasoning", "sub_task_type": "Manipulation", "answer": 1},
        {"id": "0_1", "task_type": "Dynamic_Reasoning", "sub_task_type": "Motion_Analysis", "answer": 0},
        {"id": "0_0", "task_type": "Perspective_Taking", "sub_task_type": "Egocentric", "answer": 2},
    ]
    for row in rows:
        row |= {"question": f"What about {row['id']}?", "options": ["one", "two", "three"]}
    write(folder / "data.json", json.dumps(rows))
    write(folder / "Dynamic_Reasoning" / "0.png", encoded("B"))
    write(folder / "Perspective_Taking" / "0.png", encoded("C"))


def mindcube(folder: Path) -> None:
    ids = ("among_group1_q0", "around_x_q1", "rotation_y_q2", "translation_z_q3")
    rows = []
    for at, key in enumerate(ids):
        names = [f"other_all_image/{key}/{view}.png" for view in range(at % 3 + 2)]
        for view, name in enumerate(names):
            write(folder / name, encoded("ABCD"[view]))
        question = f"From view 1, what is behind? A. Chair B. Lamp C. Door D. Desk ({at})"
        rows.append({"id": key, "category": [], "question": question, "images": names, "gt_answer": "ABCD"[at]})
    lines(folder / "raw" / "MindCube_tinybench.jsonl", rows)


def video(path: Path, letters: str) -> None:
    """A film of one second and more, each letter's colour five frames long."""
    path.parent.mkdir(parents=True, exist_ok=True)
    film = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 10.0, (96, 64))
    for letter in letters:
        for _ in range(5):
            film.write(np.ascontiguousarray(picture(letter)[..., ::-1]))
    film.release()


def vsi_bench(folder: Path) -> None:
    kinds = (
        ("object_rel_direction_easy", "A"), ("object_rel_direction_hard", "B"), ("object_rel_distance", "C"),
        ("object_counting", "4"), ("room_size_estimation", "20.0"),
    )  # fmt: skip
    rows = [
        {
            "id": at, "dataset": "scannet", "scene_name": "scene0000_00", "question_type": kind, "question": f"What ({at})?",
            "options": ["A. one", "B. two", "C. three", "D. four"] if truth.isalpha() else None, "ground_truth": truth,
        }
        for at, (kind, truth) in enumerate(kinds)
    ]  # fmt: skip
    parquet(folder / "test-00000-of-00001.parquet", rows)
    video(folder / "scannet" / "scene0000_00.mp4", "ABCD")


def q_spatial(folder: Path) -> None:
    def row(value: float, unit: str, kind: str, **more: Any) -> dict[str, Any]:
        asked = {"question": "How far is it?", "answer_value": value, "answer_unit": unit, "question_type": kind}
        return {**asked, "image_path": f"{value}.jpg", "image": None, **more}

    plus = [
        row(96.0, "cm", "distance", image=cell("A")),
        row(2.0, "m", "height", image=cell("B")),
        row(3.0, "ft", "gap", image=cell("C")),
    ]
    parquet(folder / "data" / "QSpatial_plus-00000-of-00001.parquet", plus)
    picture_name = "QSpatial_scannet/images/scene0.png"
    scannet = [row(50.0, "cm", "distance", image_path=picture_name)]
    table = pa.Table.from_pylist(scannet, schema=pq.read_schema(folder / "data" / "QSpatial_plus-00000-of-00001.parquet"))
    pq.write_table(table, folder / "data" / "QSpatial_scannet-00000-of-00001.parquet")
    write(folder / picture_name, encoded("D"))


def robospatial(folder: Path, kind: str = "json") -> None:
    area = "[(0.1, 0.1), (0.5, 0.1), (0.5, 0.6), (0.1, 0.6)]"
    rows = [
        {"category": "configuration", "question": "Is the cup left of the bowl? Answer yes or no.", "answer": "Yes"},
        {"category": "compatibility", "question": "Can the box fit there? Answer yes or no.", "answer": "No"},
        {"category": "context", "question": "Pinpoint several points left of the bowl.", "answer": area},
    ]
    if kind == "json":
        for at, row in enumerate(rows):
            row |= {"img": f"images/img_{at}.png", "depth_image": None, "mask": None}
            write(folder / f"images/img_{at}.png", encoded("ABC"[at]))
        write(folder / "annotations.json", json.dumps(rows))
        return
    for at, row in enumerate(rows):
        parquet(folder / "data" / f"{row['category']}-00000-of-00001.parquet", [{**row, "img": cell("ABC"[at])}])


def spatialrgpt(folder: Path) -> None:
    asked = (
        (
            "qualitative",
            "left_predicate",
            "Is Region [1] to the left of Region [0]?",
            "Yes, Region [1] is to the left of Region [0].",
        ),
        ("qualitative", "tall_choice", "Who is taller, Region [0] or Region [1]?", "With more height is Region [0]."),
        ("quantitative", "width_data", "What is the width of Region [0]?", "The width of Region [0] is 10.0 inches."),
        ("quantitative", "distance_data", "How far is Region [0] from Region [1]?", "They are 2.0 meters apart."),
        (
            "quantitative",
            "direction",
            "If you are at Region [0], where is Region [1]?",
            "Region [1] is around 12 o'clock from Region [0].",
        ),
    )
    rows = [
        {
            "id": f"row{at}", "image_info": {"file_path": "SUNRGBD/kv2/0.jpg", "height": 64, "width": 96}, "text_q": question,
            "bbox": [[4, 20, 40, 60], [50, 20, 90, 60]], "rle": [], "qa_info": {"type": kind, "category": category},
            "conversations": [{"from": "human", "value": question}, {"from": "gpt", "value": truth}],
        }
        for at, (kind, category, question, truth) in enumerate(asked)
    ]  # fmt: skip
    write(folder / "SpatialRGPT-Bench_v1.json", json.dumps(rows))
    write(folder / "SUNRGBD/kv2/0.jpg", encoded("A", ".jpg"))


MAKERS = {
    "spatialrgpt": spatialrgpt, "q-spatial": q_spatial, "embspatial": embspatial, "vsi-bench": vsi_bench, "mindcube": mindcube,
    "omnispatial": omnispatial, "robospatial": robospatial, "realworldqa": realworldqa,
}  # fmt: skip
