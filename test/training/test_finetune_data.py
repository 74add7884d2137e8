"""What fine-tuning reads: conversations of many forms, held-out images, mixtures, noise on lengths; and what it refuses."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from spatialvlm_ros.synthesis.read_back import read_back
from spatialvlm_ros.synthesis.writer import table_writer
from spatialvlm_ros.training.chat_data import ChatData, DataError, open_chat_data
from spatialvlm_ros.training.conversation import BadRow, normalised, rounds, window
from spatialvlm_ros.training.label_noise import moved_length, noisy_answer, query_of
from spatialvlm_ros.training.mixture import schedule, shares_of
from spatialvlm_ros.training.samples import Samples, held_out_order

QUESTION, ANSWER = {"role": "user", "content": "How far?"}, {"role": "assistant", "content": "Near."}


@pytest.fixture(scope="module")
def opened(vqa: Path, cache: Path) -> ChatData:
    return open_chat_data(vqa, held_out_share=0.3, cache_dir=cache)


def captions(folder: Path, rows: list[dict[str, Any]]) -> Path:
    """A data set as others publish them: JSON lines with images beside it."""
    folder.mkdir()
    for at in range(len(rows)):
        Image.fromarray(np.full((8, 8, 3), 20 * at, np.uint8)).save(folder / f"{at}.png")
    lines = [json.dumps({"file_name": f"{at}.png", **row}) for at, row in enumerate(rows)]
    (folder / "metadata.jsonl").write_text("\n".join(lines))
    return folder


# -- conversations ----------------------------------------------------------------------------------------------------------


def test_contents_of_all_forms_become_parts() -> None:
    """Plain strings, parts with keys they do not need, and images that nobody placed."""
    system = {"role": "system", "content": "You help."}
    found = normalised([system, QUESTION, ANSWER], 2)
    assert found[1]["content"] == [{"type": "image"}, {"type": "image"}, {"type": "text", "text": "How far?"}]
    placed = {"role": "user", "content": [{"type": "image", "text": None}, {"type": "text", "text": "How far?"}]}
    assert normalised([placed, ANSWER], 1)[0]["content"] == [{"type": "image"}, {"type": "text", "text": "How far?"}]


@pytest.mark.parametrize(
    ("messages", "images", "cause"),
    [
        ([], 0, "no_messages"),
        (None, 1, "no_messages"),
        ([QUESTION], 0, "no_answer"),
        ([QUESTION, {"role": "assistant", "content": " "}], 0, "no_answer"),
        ([ANSWER, QUESTION], 0, "no_question"),
        ([{"role": "tool", "content": ""}], 0, "unknown_role"),
        ([{"role": "user", "content": [{"type": "video"}]}, ANSWER], 0, "unknown_part"),
        ([{"role": "user", "content": [{"type": "image"}]}, ANSWER], 0, "images_differ"),
        ([QUESTION, ANSWER, {"role": "user", "content": [{"type": "image"}]}, ANSWER], 1, "late_image"),
    ],
)
def test_rows_that_teach_nothing_are_told_apart(messages: Any, images: int, cause: str) -> None:
    with pytest.raises(BadRow) as error:
        normalised(messages, images)
    assert error.value.cause == cause


@given(st.integers(1, 9), st.integers(0, 9), st.integers(0, 99))
def test_windows_hold_whole_rounds_with_the_images_first(count: int, most: int, seed: int) -> None:
    """No question without its answer, none twice, never more than asked for."""
    turns = [
        turn
        for at in range(count)
        for turn in ({"role": "user", "content": f"q{at}"}, {"role": "assistant", "content": f"a{at}"})
    ]
    whole = normalised(turns, 1)
    found = window(whole, most, np.random.default_rng(seed))
    texts = ["".join(part.get("text", "<image>") for part in turn["content"]) for turn in found]
    assert len(rounds(found)) == (min(count, most) if most else count)
    assert texts[0].startswith("<image>q") and "".join(texts).count("<image>") == 1
    pairs = [(texts[at].removeprefix("<image>")[1:], texts[at + 1][1:]) for at in range(0, len(texts), 2)]
    assert all(one == other for one, other in pairs) and len(set(pairs)) == len(pairs)


# -- noise on lengths -------------------------------------------------------------------------------------------------------


def test_noise_moves_what_is_said_by_its_deviation(opened: ChatData) -> None:
    """Read back from the words, the error has the spread that was asked for; all else stays; the same seed, the same words."""
    pairs = [pair for row in opened.rows for pair in row["pairs"]]
    numbers = [pair for pair in pairs if pair["unit"] == "m"]
    assert len(numbers) > 20
    std_m = 0.2
    moved = []
    for seed in range(40):
        for pair in numbers:
            text = noisy_answer(pair, std_m, seed, "picture")
            said = read_back(pair["relation"], query_of(pair).names, text)
            assert not said.problem, (text, said.problem)
            signed = pair["relation"].endswith("_difference")
            moved.append(said.value - pair["value"] if signed else np.nan)
    known = np.array(moved)[np.isfinite(moved)]
    assert len(known) > 200
    # People's rounding adds to it.
    assert 0.9 * std_m < known.std() < 1.25 * std_m
    assert abs(known.mean()) < 0.1 * std_m
    first = [noisy_answer(pair, std_m, 7, "picture") for pair in numbers]
    assert first == [noisy_answer(pair, std_m, 7, "picture") for pair in numbers]
    assert first != [noisy_answer(pair, std_m, 8, "picture") for pair in numbers]
    others = [pair for pair in pairs if pair["unit"] != "m"]
    assert others and all(noisy_answer(pair, std_m, 0, "picture") == pair["answer"] for pair in others)
    assert all(noisy_answer(pair, 0.0, 0, "picture") == pair["answer"] for pair in pairs)


@given(st.floats(-2, 2), st.floats(0, 1), st.floats(-4, 4))
def test_nothing_is_shorter_than_nothing(value_m: float, std_m: float, deviate: float) -> None:
    assert moved_length(abs(value_m), std_m, deviate, signed=False) >= 0
    assert moved_length(value_m, std_m, deviate, signed=True) == value_m + std_m * deviate


def test_answers_that_are_judged_on_are_never_noisy(opened: ChatData) -> None:
    """Noise is for training alone, and leaves the questions as they are."""
    order = schedule([len(opened.train)], [1.0], 6, 0)
    plain, noisy = (Samples([opened], order, questions=0, noise_std_m=std_m, seed=0) for std_m in (0.0, 0.3))
    told = [[turn["content"] for turn in one.sample(0)["messages"]] for one in (plain, noisy)]
    assert told[0][0::2] == told[1][0::2] and told[0][1::2] != told[1][1::2]


# -- mixtures ---------------------------------------------------------------------------------------------------------------


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.integers(1, 20), st.floats(0.05, 10)), min_size=1, max_size=4), st.integers(1, 120), st.integers(0, 9)
)
def test_shares_hold_at_every_moment_and_no_row_is_seen_twice_before_all_are(
    sets: list[tuple[int, float]], length: int, seed: int
) -> None:
    sizes, shares = [size for size, _ in sets], shares_of([weight for _, weight in sets], [True] * len(sets), None)
    turns = schedule(sizes, shares, length, seed)
    assert turns == schedule(sizes, shares, length, seed) and len(turns) == length
    for at in (length // 2, length):
        drawn = Counter(turn.data_set for turn in turns[:at])
        assert all(abs(drawn[number] - share * at) < len(sizes) for number, share in enumerate(shares))
    seen = Counter((turn.data_set, turn.epoch, turn.row) for turn in turns)
    assert max(seen.values()) == 1 and all(turn.row < sizes[turn.data_set] for turn in turns)


def test_the_spatial_share_is_of_all_spatial_sets_together() -> None:
    """5 % as the paper has it, divided by weight among them."""
    assert shares_of([3, 1, 2], [True, True, False], 0.05) == pytest.approx([0.0375, 0.0125, 0.95])
    assert shares_of([3, 1], [True, True], 1.0) == [0.75, 0.25]
    for weights, spatial, share, text in (
        ([1], [True], 0.05, "anything else"), ([1], [False], 0.05, "spatial questions"), ([0], [True], None, "above 0"),
        ([1], [True], 1.5, "1.5"), ([float("nan")], [True], None, "above 0"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=text):
            shares_of(weights, spatial, share)
    with pytest.raises(ValueError, match="no rows to train on"):
        schedule([0], [1.0], 3, 0)


# -- data sets --------------------------------------------------------------------------------------------------------------


def test_an_image_is_held_out_everywhere_or_nowhere(opened: ChatData, vqa: Path, cache: Path) -> None:
    """By the image alone: another run with a larger share holds out these and more."""
    assert opened.spatial and not opened.dropped and len(opened.train) + len(opened.held_out) == 12
    assert not set(opened.train) & set(opened.held_out)
    more = open_chat_data(vqa, held_out_share=0.6, cache_dir=cache)
    assert set(opened.held_out) < set(more.held_out)
    assert len(held_out_order([more], [1.0], 3)) == 3
    judged = Samples([more], held_out_order([more], [1.0], 3), questions=2, noise_std_m=0.0, seed=0, held_out=True)
    assert {len(rounds(judged.sample(at)["messages"])) for at in range(3)} == {2}


def test_a_webdataset_is_read_as_the_parquet_files_are(vqa: Path, tmp_path: Path, cache: Path) -> None:
    """What 'synthesize --format webdataset' writes, of the same rows."""
    (tmp_path / "tar" / "data").mkdir(parents=True)
    with table_writer(tmp_path / "tar" / "data" / "train-00000-of-00001.tar", "webdataset") as writer:
        for file in sorted((vqa / "data").glob("*.parquet")):
            writer.write(pq.read_table(file))
    tar, rows = (open_chat_data(folder, held_out_share=0.3, cache_dir=cache) for folder in (tmp_path / "tar", vqa))
    assert tar.spatial and tar.train == rows.train and tar.held_out == rows.held_out
    for row in (0, 1):
        for noise_m in (0.0, 0.1):
            assert tar.messages(row, noise_m, 3)[0] == rows.messages(row, noise_m, 3)[0]


def test_data_sets_of_others_and_their_bad_rows(tmp_path: Path, cache: Path) -> None:
    """JSON lines beside images; a row without an answer is counted, and one whose image breaks gives way to the next."""
    good = {"messages": [QUESTION, ANSWER]}
    folder = captions(tmp_path / "captions", [good, {"messages": [QUESTION]}, good, good])
    data = open_chat_data(folder, held_out_share=0.0, cache_dir=cache)
    assert not data.spatial and data.train == [0, 2, 3] and data.dropped == {"no_answer": 1}
    messages, images = data.messages(0, 0.5)
    assert len(images) == 1 and messages[0]["content"][0] == {"type": "image"}
    (folder / "0.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    samples = Samples([data], schedule([3], [1.0], 3, 0), questions=0, noise_std_m=0.0, seed=0)
    assert all(samples.sample(at)["images"][0].size == (8, 8) for at in range(3))
    assert data.dropped["broken_image"] == 1, "once, though it was met in more places than one"
    for place in range(9):
        Samples([data], schedule([3], [1.0], 9, 1), questions=0, noise_std_m=0.0, seed=0).sample(place)
    assert data.dropped == {"no_answer": 1, "broken_image": 1}
    for name in ("2.png", "3.png"):
        (folder / name).write_bytes(b"")
    with pytest.raises(DataError, match="can be read"):
        samples.sample(0)


def test_folders_that_are_no_data_sets(tmp_path: Path, cache: Path, vqa: Path) -> None:
    """Each refusal says what to do."""
    empty, pickled, columns, cut = (tmp_path / name for name in ("empty", "pickled", "columns", "cut"))
    for folder in (empty, pickled, columns, cut):
        folder.mkdir()
    (pickled / "rows.pkl").write_bytes(b"\x80\x04.")
    (columns / "rows.jsonl").write_text('{"text": "no messages"}\n')
    file = next((vqa / "data").glob("*.parquet"))
    (cut / file.name).write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    for folder, text in (
        (tmp_path / "nowhere", "is no folder"), (empty, "holds no data"), (pickled, "could run any code"),
        (columns, "no column 'messages'"), (cut, "cannot open"),
    ):  # fmt: skip
        with pytest.raises(DataError, match=text):
            open_chat_data(folder, held_out_share=0.1, cache_dir=cache)
    useless = captions(tmp_path / "useless", [{"messages": [QUESTION]}])
    with pytest.raises(DataError, match="none of the 1 rows"):
        open_chat_data(useless, held_out_share=0.0, cache_dir=cache)


def test_images_are_known_again_by_their_bytes(tmp_path: Path, cache: Path) -> None:
    """Rows without a source's hash go by the image: the same one is on the same side in every set."""
    good = {"messages": [QUESTION, ANSWER]}
    sides = []
    for name in ("one", "two"):
        folder = captions(tmp_path / name, [good] * 8)
        data = open_chat_data(folder, held_out_share=0.5, cache_dir=cache)
        sides.append(data.held_out)
    assert sides[0] == sides[1] and 0 < len(sides[0]) < 8


def test_an_image_of_a_folder_is_on_one_side_in_our_rows_and_in_those_of_others(tmp_path: Path, cache: Path) -> None:
    """Our rows hold it encoded again and know it by its file; others' rows hold the file."""
    files = captions(tmp_path / "others", [{"messages": [QUESTION, ANSWER]}] * 8)
    others = open_chat_data(files, held_out_share=0.5, cache_dir=cache)
    rows = []
    for at in range(8):
        file = files / f"{at}.png"
        source = hashlib.sha256(file.read_bytes()).hexdigest()
        rows.append({"key": f"a/{at}.png", "source_sha256": source, "messages": [QUESTION, ANSWER]})
    ours = captions(tmp_path / "ours", rows)
    for at in range(8):
        Image.open(files / f"{at}.png").resize((4, 4)).save(ours / f"{at}.png")
    assert 0 < len(others.held_out) < 8
    assert open_chat_data(ours, held_out_share=0.5, cache_dir=cache).held_out == others.held_out


def test_a_row_of_several_images_is_held_out_when_one_of_them_is(tmp_path: Path, cache: Path) -> None:
    """Images that are held out in rows of their own are trained on in no other."""
    import datasets

    single = captions(tmp_path / "single", [{"messages": [QUESTION, ANSWER]}] * 8)
    held_out = set(open_chat_data(single, held_out_share=0.4, cache_dir=cache).held_out)
    assert 0 < len(held_out) < 7
    pairs = [(one, other) for one in range(8) for other in range(8) if one != other]
    columns = {
        "images": [[{"path": None, "bytes": (single / f"{at}.png").read_bytes()} for at in pair] for pair in pairs],
        "messages": [[QUESTION, ANSWER]] * len(pairs),
    }
    several = datasets.Dataset.from_dict(columns).cast_column("images", datasets.Sequence(datasets.Image()))
    (tmp_path / "several").mkdir()
    several.to_parquet(tmp_path / "several" / "rows.parquet")
    data = open_chat_data(tmp_path / "several", held_out_share=0.4, cache_dir=cache)
    assert {pairs[row] for row in data.held_out} == {pair for pair in pairs if held_out & set(pair)} and data.train
