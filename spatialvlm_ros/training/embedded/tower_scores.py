"""How well a tower finds what phrases mean on held-out scenes: right region, "not there", "several", masks, by kind of phrase."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch

from ...vlm.embedded.calibration import Calibration, fit, independent, log_odds, odds_of
from ...vlm.embedded.tokenizer import PhraseTokenizer
from ...vlm.embedded.tower import Regions, RegionTextTower, match
from ...vlm.embedded.witness import forms_say, testify
from .pool import REGION, THING, TRUTH, unpack_pictures
from .tower_validation import ValidationSet

FloatArray = npt.NDArray[np.float64]


def matches_of(tower: RegionTextTower, found: ValidationSet, batch: int = 128) -> tuple[list[FloatArray], FloatArray]:
    """For each query ``tower.match`` of its scene's regions, and (N,) IoU of mended masks with the things' in their windows."""
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
        phrases = tower.phrases(torch.from_numpy(tokenizer.encode(texts).ids))
        table = match(phrases, Regions(torch.cat(embeddings), ())).double().numpy()
    row = {text: number for number, text in enumerate(texts)}
    members = _members(found)
    return [table[row[query.text]][members[query.scene]] for query in found.queries], torch.cat(overlaps).double().numpy()


def _members(found: ValidationSet) -> list[npt.NDArray[np.intp]]:
    scenes = found.regions.scene.numpy()
    return [np.flatnonzero(scenes == number) for number in range(int(scenes.max()) + 1)]


def score(tower: RegionTextTower, found: ValidationSet, calibration: Calibration | None = None) -> dict[str, float]:
    """Shares and areas in [0, 1], see the names; without a calibration one is fitted on the set itself.

    Half of the set's names are of nothing, so that ``Calibration.prior_odds`` are left out.
    """
    (matches, overlaps), forms = matches_of(tower, found), forms_of(tower, found)
    calibration = replace(calibration or fit_on(found, matches, forms), prior_odds=1.0)
    members, testimony = _members(found), testimony_of(found)
    right: dict[str, list[bool]] = defaultdict(list)
    best: dict[bool, list[float]] = {True: [], False: []}
    several: dict[bool, list[float]] = {True: [], False: []}
    told: list[tuple[float, bool]] = []
    for query, values, said, form in zip(found.queries, matches, testimony, forms, strict=True):
        chances = calibration.probabilities(values, said, form)
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


def testimony_of(found: ValidationSet) -> list[FloatArray]:
    """For each query what colour and depth say of its scene's regions without a model."""
    members, looks = _members(found), found.looks.numpy()
    return [testify([query.text], looks[members[query.scene]])[0] for query in found.queries]


def forms_of(tower: RegionTextTower, found: ValidationSet) -> list[FloatArray]:
    """For each query what its scene's regions' forms say of its noun."""
    tokenizer = PhraseTokenizer(tower.config.words, tower.config.max_words)
    members, looks = _members(found), found.looks.numpy()
    return [forms_say([tokenizer.split(query.text)], looks[members[query.scene]])[0] for query in found.queries]


def fit_on(found: ValidationSet, matches: Sequence[FloatArray], forms: Sequence[FloatArray]) -> Calibration:
    """A calibration on all pairs of phrases and regions that are not open, and on all phrases about which nothing is open.

    Args:
        matches, forms: as ``matches_of`` and ``forms_of`` give them.
    """
    members, testimony = _members(found), testimony_of(found)
    values, answers = [], []
    for query, own, said, form in zip(found.queries, matches, testimony, forms, strict=True):
        closed = ~np.isin(members[query.scene], query.open)
        values.append(np.stack([log_odds(own), said, said == 0, form], axis=1)[closed])
        answers.append(np.isin(members[query.scene], query.answers)[closed])
    slope, witness, unheard, form_weight, offset = fit(np.concatenate(values), np.concatenate(answers)).tolist()
    calibration = Calibration(slope, offset, witness, unheard, form_weight)
    settled = [
        (independent(calibration.probabilities(own, said, form)), len(query.answers))
        for query, own, said, form in zip(found.queries, matches, testimony, forms, strict=True)
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
