"""Folders of images, good and bad, and rendered scenes."""

from __future__ import annotations

import struct
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import SMALL, rendered
from PIL import Image

from spatialvlm_ros.simulation.random_scene import random_scene
from spatialvlm_ros.synthesis.record import Dropped, Picture
from spatialvlm_ros.synthesis.sources import ImageFolderSource, RenderSource, SourceError


def noise_image(width: int = 64, height: int = 48, mode: str = "RGB") -> Image.Image:
    channels = {"RGB": 3, "RGBA": 4, "CMYK": 4}[mode]
    return Image.fromarray(np.random.default_rng(1).integers(0, 255, (height, width, channels), dtype=np.uint8), mode)


def items(path: Path, **options: Any) -> dict[str, Picture | Dropped]:
    source = ImageFolderSource(path, **options)
    found = list(source.items(0, len(source)))
    assert len(found) == len(source)
    return {item.key: item for item in found}


def causes(path: Path, **options: Any) -> dict[str, str]:
    return {key: item.cause if isinstance(item, Dropped) else "" for key, item in items(path, **options).items()}


def huge_png() -> bytes:
    """A PNG whose header claims 60000 x 60000 pixels."""
    stream = BytesIO()
    noise_image().save(stream, "PNG")
    data = bytearray(stream.getvalue())
    data[16:24] = struct.pack(">II", 60000, 60000)
    import zlib

    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    return bytes(data)


def test_bad_files_cost_themselves_only_and_are_named_by_cause(tmp_path: Path) -> None:
    noise_image().save(tmp_path / "good.png")
    stream = BytesIO()
    noise_image(640, 480).save(stream, "JPEG")
    (tmp_path / "cut.jpg").write_bytes(stream.getvalue()[: len(stream.getvalue()) // 2])
    noise_image(mode="CMYK").save(tmp_path / "print.jpg")
    Image.fromarray(np.arange(64 * 48, dtype=np.uint16).reshape(48, 64)).save(tmp_path / "depth.png")
    noise_image(1, 1).save(tmp_path / "dot.png")
    noise_image().save(tmp_path / "film.gif", save_all=True, append_images=[noise_image().rotate(90)], duration=100)
    (tmp_path / "huge.png").write_bytes(huge_png())
    (tmp_path / "text.jpg").write_text("not an image at all")
    (tmp_path / "empty.png").write_bytes(b"")
    noise_image(mode="RGBA").save(tmp_path / "glass.png")
    Image.new("1", (64, 48)).save(tmp_path / "fax.png")
    assert causes(tmp_path) == {
        "cut.jpg": "truncated_file", "depth.png": "sixteen_bit", "dot.png": "too_small", "empty.png": "not_an_image",
        "fax.png": "odd_colours", "film.gif": "animated", "glass.png": "transparent", "good.png": "", "huge.png": "too_large",
        "print.jpg": "cmyk", "text.jpg": "not_an_image",
    }  # fmt: skip


def test_every_shortened_jpeg_is_noticed(tmp_path: Path) -> None:
    stream = BytesIO()
    noise_image(160, 120).save(stream, "JPEG")
    data = stream.getvalue()
    for share in (0.05, 0.3, 0.6, 0.9, 0.99):
        (tmp_path / f"{share}.jpg").write_bytes(data[: int(len(data) * share)])
    assert set(causes(tmp_path).values()) <= {"truncated_file", "not_an_image"}


def test_a_picture_lies_the_right_way_up(tmp_path: Path) -> None:
    upright = np.zeros((40, 60, 3), np.uint8)
    upright[:20], upright[20:, :30], upright[20:, 30:] = (250, 10, 10), (10, 250, 10), (10, 10, 250)
    turned = Image.fromarray(np.rot90(upright, 1).copy())
    tag = Image.Exif()
    tag[0x0112] = 6  # to be turned clockwise
    turned.save(tmp_path / "turned.png", exif=tag)
    (item,) = items(tmp_path).values()
    assert isinstance(item, Picture) and np.array_equal(item.color, upright)


def test_large_pictures_are_scaled_and_opaque_alpha_is_none(tmp_path: Path) -> None:
    noise_image(400, 200).save(tmp_path / "large.jpg")
    opaque = np.full((48, 64, 4), 255, np.uint8)
    Image.fromarray(opaque).save(tmp_path / "opaque.png")
    Image.fromarray(np.full((48, 64), 77, np.uint8)).save(tmp_path / "grey.png")
    found = items(tmp_path, max_side_px=100)
    assert {key: item.color.shape for key, item in found.items() if isinstance(item, Picture)} == {
        "grey.png": (48, 64, 3), "large.jpg": (50, 100, 3), "opaque.png": (48, 64, 3),
    }  # fmt: skip
    assert causes(tmp_path, max_pixels=10_000)["large.jpg"] == "too_large"


def test_a_folder_has_one_order_and_can_be_started_anywhere(tmp_path: Path) -> None:
    for name in ("b/x.png", "a.png", "b/c.PNG", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"") if name.endswith("txt") else noise_image().save(tmp_path / name, "PNG")
    source = ImageFolderSource(tmp_path)
    everything = [item for item in source.items(0, 3) if isinstance(item, Picture)]
    assert [item.key for item in everything] == ["a.png", "b/c.PNG", "b/x.png"]
    assert source.ignored == {"files .txt": 1}
    (last,) = source.items(2, 99)
    assert isinstance(last, Picture) and last.key == "b/x.png" and last.stamp_ns == everything[2].stamp_ns
    assert last.source_sha256 == everything[2].source_sha256 and last.depth_m is None and last.camera is None


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is no folder"):
        ImageFolderSource(tmp_path / "nowhere")
    with pytest.raises(SourceError, match="holds no images"):
        ImageFolderSource(tmp_path)


def test_a_rendered_picture_has_the_true_masks_and_names_of_its_seed() -> None:
    source = RenderSource(40, 3, SMALL, min_pixels=60)
    first, second = source.items(1, 3)
    assert isinstance(first, Picture) and isinstance(second, Picture)
    assert (first.key, second.key) == ("render/seed-41", "render/seed-42")
    names = {thing.name for thing in random_scene(41, SMALL).things}
    assert {region.caption for region in first.regions} <= names and len(first.regions) >= 2
    assert np.array_equal(np.sum([region.mask for region in first.regions], axis=0) > 1, np.zeros((240, 320), np.bool_))
    assert {region.caption for region in first.regions} | set(first.also_in_sight) <= names


def test_noise_changes_depth_and_nothing_else() -> None:
    exact, noisy = rendered(41), rendered(41, noise="stereo")
    assert exact.depth_m is not None and noisy.depth_m is not None
    assert np.array_equal(exact.color, noisy.color) and not np.array_equal(exact.depth_m, noisy.depth_m, equal_nan=True)
    assert exact.noise is not None and noisy.noise is not None and exact.noise.floor_m < noisy.noise.floor_m
    assert exact.source_sha256 != noisy.source_sha256


def test_true_things_belong_to_the_regions() -> None:
    picture = rendered(41, truth=True)
    assert picture.truth is not None and picture.camera is not None
    for thing, region in zip(picture.truth.objects, picture.regions, strict=True):
        assert thing.label == region.caption
        inside = picture.camera.project(thing.points[:: max(1, len(thing.points) // 50)].astype(np.float64))
        u0, v0 = inside.min(axis=0)
        u1, v1 = inside.max(axis=0)
        rows, columns = np.nonzero(region.mask)
        assert u0 - 2 <= columns.min() and columns.max() <= u1 + 8 and v0 - 8 <= rows.min() and rows.max() <= v1 + 8


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"noise": "lidar"}, "not known"),
        ({"captions": "poem"}, "not one of"),
        ({"count": 0}, "at least"),
        ({"seed": -1}, "at least"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], text: str) -> None:
    with pytest.raises(SourceError, match=text):
        RenderSource(**{"seed": 0, "count": 1, **options})
