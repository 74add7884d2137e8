"""Judges a decoder on measured things against the truth, beside the engine's numbers and the best constant; and calibrates it.

Never changes: all three are judged on the same groups of things; a comparison is right or wrong only beyond a stated margin.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ...scene.relations import RELATIONS, Kind
from ...vlm.embedded.decoder import AnswerDecoder
from ...vlm.embedded.decoder_answers import number_of, pair_probabilities
from ...vlm.embedded.decoder_words import NUMBER, POINTERS, VERDICT_PAIRS
from ...vlm.embedded.deviations import fit as fit_weights
from ...vlm.embedded.verdicts import dimension_of, fit
from .answers_data import Batch, PosedThings, Questions, usable
from .answers_data import number_of as number_name
from .answers_data_text import TYPES, QuestionTable
from .train_decoder import by_length, prompted_by

Array = npt.NDArray[np.float64]
MARGIN_M = 0.02
_BATCH = 512
# Share of the errors within one and within two deviations, and how far off the latter may be here, so that it is less than three
# parts in a hundred off on other scenes.
_IN_ONE, _IN_TWO, _TOLERANCE = 0.68, 0.95, 0.01


@dataclass(frozen=True)
class Said:
    """What a decoder says to questions.

    Attributes:
        relation, group: (Q,) of each, as in ``Batch``.
        value, std: (Q,) metres; of all questions, comparisons too.
        probability: (Q,) that the relation holds (is the first, is on the first side); NaN for lengths.
        kind_right: (Q,) whether the answer is of the kind that the question asks for, the words alone deciding.
        true: (Q,) metres: the length, or the margin of the comparison as asked.
        raw: (Q,) difference of the logits behind ``probability``, and ``pair`` (Q,) which of VERDICT_PAIRS it is of, -1 for none.
    """

    relation: npt.NDArray[np.int64]
    group: npt.NDArray[np.int64]
    value: Array
    std: Array
    probability: Array
    kind_right: npt.NDArray[np.bool_]
    true: Array
    raw: Array
    pair: npt.NDArray[np.int64]


def ask(
    decoder: AnswerDecoder,
    things: PosedThings,
    table: QuestionTable,
    count: int,
    seed: int,
    *,
    blind: bool = False,
    types: Collection[str] = TYPES,
) -> Said:
    """Ask ``count`` questions of each type.

    Args:
        blind: with the things' tokens shuffled over the questions, a control: what the words alone tell.
        types: that are asked.
    """
    questions = Questions(table, decoder.vocabulary, decoder.config.max_answer)
    generator = np.random.default_rng((seed, 11))
    parts: list[Said] = []
    for at, name in enumerate(TYPES):
        if name not in types or not len(usable(things, name)) or not len(table.rows[at]):
            continue
        batch = questions.draw(things, generator, count, types=np.full(count, at, np.int64))
        if blind:
            turned = generator.permutation(count)
            batch = Batch(**{**vars(batch), "objects": batch.objects[turned], "present": batch.present[turned]})
        for part in by_length(batch, max(1, count // _BATCH)):
            parts.append(_said(decoder, part, things))
    names = Said.__dataclass_fields__
    return Said(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def _said(decoder: AnswerDecoder, batch: Batch, things: PosedThings) -> Said:
    with torch.inference_mode():
        prompted = prompted_by(decoder, batch)
        value, std = number_of(decoder, prompted)
        chances = pair_probabilities(decoder, prompted.logits).numpy().astype(np.float64)
        shares = prompted.logits.softmax(-1).numpy()
        logits = prompted.logits.numpy().astype(np.float64)
    count = len(batch.relation)
    ids = np.array([[decoder.vocabulary.id(word) for word in pair] for pair in VERDICT_PAIRS])
    kinds = np.stack([shares[:, decoder.vocabulary.id(NUMBER)], *(shares[:, pair].sum(1) for pair in ids)], 1)
    pair = np.array([next((at for at, row in enumerate(ids) if word in row), -1) for word in batch.verdict])
    rows = np.arange(count)
    probability = np.where(pair >= 0, chances[rows, pair], np.nan)
    raw = np.where(pair >= 0, logits[rows, ids[pair, 0]] - logits[rows, ids[pair, 1]], 0.0)
    # A choice's first thing need not be the first pointer's.
    first = np.array([decoder.vocabulary.id(POINTERS[0])] * count)
    turned = (pair == 1) & ((batch.verdict == first) != batch.holds)
    probability, raw = np.where(turned, 1 - probability, probability), np.where(turned, -raw, raw)
    true = np.zeros(count)
    for at in np.unique(batch.relation):
        name, sign = number_name(TYPES[at])
        chosen = batch.relation == at
        true[chosen] = sign * things.true[name][batch.group[chosen]]
    return Said(
        batch.relation, batch.group, np.array(value), np.array(std), probability, kinds.argmax(1) == pair + 1, true, raw, pair
    )


def table_of(said: Said, things: PosedThings) -> dict[str, dict[str, Any]]:
    """By type: the decoder's errors beside the engine's on the same groups, and the best constant's. Metres and shares."""
    rows: dict[str, dict[str, Any]] = {}
    for at, chosen in _by_type(said):
        name, sign = number_name(TYPES[at])
        engine = things.said[name][said.group[chosen]].astype(np.float64) if things.said else None
        true = said.true[chosen]
        row: dict[str, Any] = {"questions": int(chosen.sum()), "kind_right": float(said.kind_right[chosen].mean())}
        if RELATIONS[TYPES[at]].kind is Kind.ESTIMATE:
            row |= {f"decoder_{key}": value for key, value in _errors(said.value[chosen], said.std[chosen], true).items()}
            if engine is not None:
                row |= {f"engine_{key}": value for key, value in _errors(sign * engine[:, 0], engine[:, 1], true).items()}
            row["constant_mae_m"] = float(np.abs(true - np.median(true)).mean())
        else:
            row |= {f"decoder_{key}": value for key, value in _verdicts(said.probability[chosen], true).items()}
            if engine is not None:
                z = sign * engine[:, 0] / np.maximum(engine[:, 1], 1e-9)
                chance = np.array([0.5 * (1 + math.erf(each / math.sqrt(2))) for each in z])
                row |= {f"engine_{key}": value for key, value in _verdicts(chance, true).items()}
            beyond = np.abs(true) > MARGIN_M
            row["constant_right"] = float(max((true[beyond] > 0).mean(), (true[beyond] < 0).mean())) if beyond.any() else math.nan
        rows[TYPES[at]] = row
    return rows


def _by_type(said: Said) -> Iterator[tuple[int, npt.NDArray[np.bool_]]]:
    for at in np.unique(said.relation):
        yield int(at), said.relation == at


def _errors(value: Array, std: Array, true: Array) -> dict[str, float]:
    known = np.isfinite(value)
    error, std, true = np.abs(value - true)[known], std[known], true[known]
    share = np.abs(error) / np.maximum(np.abs(true), 1e-6)
    far = np.abs(true) > 0.01
    return {
        "mae_m": float(error.mean()), "median_m": float(np.median(error)), "p90_m": float(np.quantile(error, 0.9)),
        "within_1_std": float((error <= std).mean()), "within_2_std": float((error <= 2 * std).mean()),
        "within_10_percent": float((share[far] <= 0.1).mean()) if far.any() else math.nan,
        "std_m": float(np.median(std)),
    }  # fmt: skip


def _verdicts(chance: Array, true: Array) -> dict[str, float]:
    """``right``: share of right answers beyond the margin, by the likelier one; ``decided`` as ``Truth``'s band decides."""
    known = np.isfinite(chance)
    chance, true = chance[known], true[known]
    beyond, holds = np.abs(true) > MARGIN_M, true > 0
    right = (chance > 0.5) == holds
    decided = (chance >= 0.9772) | (chance <= 0.0228)
    return {
        "right": float(right[beyond].mean()) if beyond.any() else math.nan,
        "right_all": float(right.mean()),
        "decided": float(decided.mean()),
        "wrong_of_decided": float((~right[decided]).mean()) if decided.any() else math.nan,
        "log_loss": float(-np.log(np.clip(np.where(holds, chance, 1 - chance), 1e-6, 1)).mean()),
    }


def calibrate(decoder: AnswerDecoder, said: Said) -> dict[str, float]:
    """Fit the decoder's temperatures and its factor of deviations to answers on held-out things; what was fitted, by name."""
    fitted: dict[str, float] = {}
    grid = np.exp(np.linspace(np.log(0.4), np.log(4.0), 61))
    for at, words in enumerate(VERDICT_PAIRS):
        chosen = (said.pair == at) & (np.abs(said.true) > 1e-6)
        if not chosen.any():
            continue
        sign = np.where(said.true[chosen] > 0, 1.0, -1.0) * said.raw[chosen]
        losses = [np.logaddexp(0, -sign / temperature).mean() for temperature in grid]
        decoder.temperature[at] = float(grid[int(np.argmin(losses))])
        fitted[f"temperature {words[0]}"] = float(decoder.temperature[at])
    numbers = said.pair < 0
    z = np.abs(said.value - said.true)[numbers] / np.maximum(said.std[numbers], 1e-9)
    factors = float(decoder.std_factor) * np.exp(np.linspace(np.log(0.4), np.log(3.0), 121))
    scales = factors / float(decoder.std_factor)
    # Errors have heavier tails than any one deviation tells. Two of them are what verdicts are made of: they come first.
    misses = [_missed(z / scale) for scale in scales]
    decoder.std_factor.fill_(float(factors[misses.index(min(misses))]))
    fitted["std_factor"] = float(decoder.std_factor)
    return fitted


def _missed(z: Array) -> tuple[float, float]:
    """By how much the share within two deviations is further off than it may be, then how far off that within one is."""
    two = abs(float((z <= 2).mean()) - _IN_TWO)
    return max(two - _TOLERANCE, 0.0), abs(float((z <= 1).mean()) - _IN_ONE)


def fit_verdicts(said: Said, things: PosedThings) -> dict[str, list[float]]:
    """By dimension, the weights that join a calibrated decoder's verdicts with depth's margins; see vlm/embedded/verdicts.py."""
    parts: dict[str, list[tuple[Array, Array, npt.NDArray[np.bool_]]]] = {}
    for at, chosen in _by_type(said):
        dimension = dimension_of(TYPES[at])
        if dimension:
            name, sign = number_name(TYPES[at])
            asked = chosen & (np.abs(said.true) > 1e-6)
            engine = things.said[name][said.group[asked]].astype(np.float64)
            margin = sign * engine[:, 0] / np.maximum(engine[:, 1], 1e-9)
            parts.setdefault(dimension, []).append((margin, said.probability[asked], said.true[asked] > 0))
    joined = {name: [np.concatenate(column) for column in zip(*found, strict=True)] for name, found in parts.items()}
    return {name: [round(weight, 6) for weight in fit(*columns)] for name, columns in joined.items()}


def fit_deviations(said: Said, things: PosedThings) -> list[float]:
    """The weights that join a calibrated decoder's deviations of lengths with depth's; see vlm/embedded/deviations.py."""
    return list(fit_weights(*_lengths(said, things)))


def joined_shares(said: Said, things: PosedThings, weights: Sequence[float]) -> dict[str, float]:
    """Shares of the errors of measured lengths within one and two deviations as such weights join them."""
    *parts, error = _lengths(said, things)
    stds = np.abs(error) / np.sqrt(np.square(np.array(weights)[:, None] * np.array(parts)).sum(axis=0))
    return {f"joined_within_{many}_std": float((stds[np.isfinite(stds)] <= many).mean()) for many in (1, 2)}


def _lengths(said: Said, things: PosedThings) -> tuple[Array, Array, Array, Array]:
    """(N,) of all lengths: deviations by the decoder and by depth, NaN where that has none, how far the decoder's is from the one
    measured, and its error."""
    parts = []
    for at, asked in _by_type(said):
        if RELATIONS[TYPES[at]].kind is Kind.ESTIMATE:
            name, sign = number_name(TYPES[at])
            measured, depth_std = things.said[name][said.group[asked]].astype(np.float64).T
            value = said.value[asked]
            parts.append((said.std[asked], depth_std, np.abs(value - sign * measured), value - said.true[asked]))
    own, depth, apart, error = (np.concatenate(column) for column in zip(*parts, strict=True))
    return own, depth, apart, error


def summary(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Means over types, and the worst type of comparisons."""
    lengths = [row for row in rows.values() if "decoder_mae_m" in row]
    verdicts = {name: row for name, row in rows.items() if "decoder_right" in row}
    found = {"kind_right": float(np.mean([row["kind_right"] for row in rows.values()]))}
    for who in ("decoder", "engine"):
        if any(f"{who}_mae_m" in row for row in lengths):
            for key in ("mae_m", "median_m", "within_1_std", "within_2_std", "within_10_percent"):
                found[f"{who}_{key}"] = float(np.mean([row[f"{who}_{key}"] for row in lengths]))
        if any(f"{who}_right" in row for row in verdicts.values()):
            for key in ("right", "right_all", "decided", "wrong_of_decided", "log_loss"):
                found[f"{who}_{key}"] = _mean([row[f"{who}_{key}"] for row in verdicts.values()])
            found[f"{who}_worst_right"] = float(min(row[f"{who}_right"] for row in verdicts.values()))
    found["constant_mae_m"] = float(np.mean([row["constant_mae_m"] for row in lengths]))
    return found


def _mean(values: list[float]) -> float:
    """Of those that are known; NaN without any."""
    known = [value for value in values if math.isfinite(value)]
    return sum(known) / len(known) if known else math.nan
