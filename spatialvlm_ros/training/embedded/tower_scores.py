"""How well a tower finds what phrases mean on held-out scenes: right region, "not there", "several", masks, by kind of phrase."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from ...vlm.embedded.calibration import Calibration, fit, independent, log_odds, odds_of
from ...vlm.embedded.other_colors import other_colors_say
from ...vlm.embedded.tokenizer import PhraseTokenizer
from ...vlm.embedded.tower import Regions, RegionTextTower, match
from ...vlm.embedded.witness import forms_say, testify
from .pool import REGION, THING, TRUTH, unpack_pictures
from .tower_validation import ValidationSet

FloatArray = npt.NDArray[np.float64]


class Evidence(NamedTuple):
    """What speaks for each region (N,) of its scene that a query means it: see ``Calibration.probabilities``."""

    log_match: FloatArray
    testimony: FloatArray
    forms: FloatArray
    colors: FloatArray


def evidence_of(tower: RegionTextTower, found: ValidationSet, batch: int = 128) -> tuple[list[Evidence], FloatArray]:
    """What speaks for the regions of each query's scene, and (N,) IoU of mended masks with the things' in their windows."""
    tokenizer = PhraseTokenizer(tower.config.words, tower.config.max_words)
    embeddings, overlaps = [], []
    tower.eval()
    with torch.no_grad():
        for first in range(0, len(found.regions), batch):
            part = found.regions.rows(torch.arange(first, min(len(found.regions), first + batch)))
            pictures, truth = unpack_pictures(part)
            regions = tower.regions(pictures, part.scalars)
            mended = tower.masks(pictures, regions.maps) > 0
            overlaps.append((mended & truth).sum((1, 2)) / (mended | truth).sum((1, 2)).clamp_min(1))
            embeddings.append(regions.embedding)
        texts = list(dict.fromkeys(query.text for query in found.queries))
        ids, every = torch.from_numpy(tokenizer.encode(texts).ids), Regions(torch.cat(embeddings), ())
        table = match(tower.phrases(ids), every).double().numpy()
        colors = other_colors_say(tower, ids, every)
    row = {text: number for number, text in enumerate(texts)}
    members, looks = _members(found), found.looks.numpy()
    evidence = []
    for query in found.queries:
        own, number = members[query.scene], row[query.text]
        said, form = testify([query.text], looks[own])[0], forms_say([tokenizer.split(query.text)], looks[own])[0]
        evidence.append(Evidence(table[number][own], said, form, colors[number][own]))
    return evidence, torch.cat(overlaps).double().numpy()


def _members(found: ValidationSet) -> list[npt.NDArray[np.intp]]:
    scenes = found.regions.scene.numpy()
    return [np.flatnonzero(scenes == number) for number in range(int(scenes.max()) + 1)]


def score(tower: RegionTextTower, found: ValidationSet, calibration: Calibration | None = None) -> dict[str, float]:
    """Shares and areas in [0, 1], see the names; without a calibration one is fitted on the set itself.

    Half of the set's names are of nothing, so that ``Calibration.prior_odds`` are left out.
    """
    evidence, overlaps = evidence_of(tower, found)
    calibration = replace(calibration or fit_on(found, evidence), prior_odds=1.0)
    members = _members(found)
    right: dict[str, list[bool]] = defaultdict(list)
    best: dict[bool, list[float]] = {True: [], False: []}
    several: dict[bool, list[float]] = {True: [], False: []}
    told: list[tuple[float, bool]] = []
    for query, each in zip(found.queries, evidence, strict=True):
        chances = calibration.probabilities(*each)
        present, more = calibration.present_and_several(chances)
        if not query.open:
            best[bool(query.answers)].append(present)
            told.append((present, bool(query.answers)))
            if query.answers:
                several[len(query.answers) > 1].append(more)
        if len(query.answers) == 1 and not query.open:
            right[query.kind].append(int(members[query.scene][chances.argmax()]) in query.answers)
    things = (found.regions.kind == THING).numpy()
    before = _proposal_overlap(found)
    result = {f"right {kind}": float(np.mean(values)) for kind, values in sorted(right.items())}
    result |= {"present auroc": auroc(best[True], best[False]), "several auroc": auroc(several[True], several[False])}
    result |= {"present error": calibration_error(told), "slope": calibration.slope, "witness": calibration.witness}
    result |= {"mask iou": float(overlaps[things].mean()), "proposal iou": float(before[things].mean())}
    return result


def fit_on(found: ValidationSet, evidence: Sequence[Evidence]) -> Calibration:
    """A calibration on all pairs of phrases and regions that are not open, and on all phrases about which nothing is open.

    Args:
        evidence: as ``evidence_of`` gives it.
    """
    members = _members(found)
    values, answers = [], []
    for query, (own, said, form, color) in zip(found.queries, evidence, strict=True):
        closed = ~np.isin(members[query.scene], query.open)
        values.append(np.stack([log_odds(own), said, said == 0, form, color], axis=1)[closed])
        answers.append(np.isin(members[query.scene], query.answers)[closed])
    slope, witness, unheard, forms, colors, offset = fit(np.concatenate(values), np.concatenate(answers)).tolist()
    calibration = Calibration(slope, offset, witness, unheard, forms, colors)
    settled = [
        (independent(calibration.probabilities(*each)), len(query.answers))
        for query, each in zip(found.queries, evidence, strict=True)
        if not query.open
    ]
    present = fit([[odds_of(one)] for (one, _), _ in settled], [count > 0 for _, count in settled])
    several = fit([[odds_of(more)] for (_, more), _ in settled], [count > 1 for _, count in settled])
    return replace(
        calibration,
        present_slope=float(present[0]),
        present_offset=float(present[1]),
        several_slope=float(several[0]),
        several_offset=float(several[1]),
    )


def _proposal_overlap(found: ValidationSet) -> FloatArray:
    region, truth = (found.regions.flags & REGION) > 0, (found.regions.flags & TRUTH) > 0
    overlap: FloatArray = ((region & truth).sum((1, 2)) / (region | truth).sum((1, 2)).clamp_min(1)).double().numpy()
    return overlap


def auroc(positives: Sequence[float], negatives: Sequence[float]) -> float:
    """Chance that a positive ranks above a negative, ties count half; NaN without both."""
    from scipy.stats import rankdata

    if not positives or not negatives:
        return float("nan")
    ranks = rankdata([*positives, *negatives])[: len(positives)]
    return float((ranks.sum() - len(positives) * (len(positives) + 1) / 2) / (len(positives) * len(negatives)))


def calibration_error(pairs: Sequence[tuple[float, bool]], bins: int = 10) -> float:
    """Expected calibration error: mean distance of stated probability and frequency over equal bins, weighted by their counts."""
    if not pairs:
        return float("nan")
    stated, true = np.array([p for p, _ in pairs]), np.array([t for _, t in pairs], float)
    number = np.minimum((stated * bins).astype(int), bins - 1)
    gaps = [abs(stated[number == i].sum() - true[number == i].sum()) for i in range(bins)]
    return float(np.sum(gaps) / len(pairs))
