"""Plots of an evaluation as PNG bytes: who is how right, said against true, and whether deviations can be believed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np

from .vqa_metrics import BANDS
from .vqa_records import Prediction, VqaRecord, judge

_BAND_WORDS = {
    "in_50_to_200_percent": "50 to 200 %", "in_66.7_to_150_percent": "67 to 150 %", "within_25_percent": "±25 %",
    "in_90_to_110_percent": "90 to 110 %",
}  # fmt: skip
_BLIND = ("best constant", "text only", "colour shuffled", "depth shuffled")
_SHOWN_M = 2.0


def plots(
    records: Sequence[VqaRecord], answers: Mapping[str, Sequence[Prediction]], scores: Mapping[str, Mapping[str, Any]]
) -> dict[str, bytes]:
    """PNG bytes by title; a plot of nothing is left out."""
    found: dict[str, bytes | None] = {
        "Lengths within a band of the truth, share of all asked": _bands(scores),
        "Comparisons: share right by type": _verdicts(scores),
        "Lengths: said against true": _scatter(records, answers),
        "Stated probabilities against how often they held": _reliability(scores),
        "Stated deviations: share of errors within so many of them": _coverage(records, answers),
    }
    return {title: png for title, png in found.items() if png is not None}


def _figure(width: float, height: float) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _png(figure: Any) -> bytes:
    buffer = BytesIO()
    # Without the program's version in it, the same figures give the same bytes.
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _color(who: str, at: int) -> str:
    return "#b1bac4" if who == "best constant" else "#d0a36f" if who == "text only" else f"C{at}"


def _bands(scores: Mapping[str, Mapping[str, Any]]) -> bytes | None:
    shown = {who: score["numbers"] for who, score in scores.items() if score["numbers"].get("n")}
    if not shown:
        return None
    figure, axes = _figure(9, 3.4)
    width = 0.8 / len(shown)
    for at, (who, numbers) in enumerate(shown.items()):
        places = np.arange(len(BANDS)) + (at - (len(shown) - 1) / 2) * width
        values = [numbers[band] or 0.0 for band in BANDS]
        spread = np.abs(np.nan_to_num(np.array([numbers["ci95"][band] for band in BANDS])).T - values)
        axes.bar(places, values, width * 0.9, yerr=spread, label=who, color=_color(who, at), error_kw={"lw": 0.8})
    axes.set_xticks(range(len(BANDS)), [_BAND_WORDS[band] for band in BANDS])
    axes.set_ylim(0, 1)
    axes.legend(fontsize=8, frameon=False, ncols=3, loc="upper center", bbox_to_anchor=(0.5, 1.18))
    return _png(figure)


def _verdicts(scores: Mapping[str, Mapping[str, Any]]) -> bytes | None:
    shown: dict[str, dict[str, Any]] = {}
    for who, score in scores.items():
        parts = {name: item for name, item in score["by_relation"].items() if "accuracy" in item}
        if parts:
            shown[who] = parts
    if not shown:
        return None
    names = list(next(iter(shown.values())))
    figure, axes = _figure(9, 0.9 + 0.24 * len(names))
    for at, (who, parts) in enumerate(shown.items()):
        values = np.array([parts[name]["accuracy"] if name in parts else np.nan for name in names])
        marker = "|" if who in _BLIND else "o"
        axes.plot(values, np.arange(len(names)), marker, label=who, color=_color(who, at), ms=9 if marker == "|" else 5, mew=2)
    axes.set_yticks(range(len(names)), [name.replace("_", " ") for name in names], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.02)
    axes.grid(axis="y", lw=0.4)
    axes.legend(fontsize=8, frameon=False, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return _png(figure)


def _scatter(records: Sequence[VqaRecord], answers: Mapping[str, Sequence[Prediction]]) -> bytes | None:
    figure, axes = _figure(4.6, 4.4)
    drawn = False
    for at, (who, said) in enumerate(answers.items()):
        if who in _BLIND:
            continue
        pairs = [
            (record.value, record.value + judged.error)
            for record, answer in zip(records, said, strict=True)
            if record.unit == "m" and (judged := judge(record, answer)).gives
        ]
        if pairs:
            axes.plot(*np.array(pairs).T, ".", ms=3, alpha=0.5, label=who, color=f"C{at}")
            drawn = True
    if not drawn:
        return None
    axes.plot([-_SHOWN_M, _SHOWN_M], [-_SHOWN_M, _SHOWN_M], lw=0.8, color="#57606a")
    low, high = np.quantile([record.value for record in records if record.unit == "m"], (0.005, 0.995))
    axes.set(xlim=(low - 0.02, high + 0.02), ylim=(low - 0.02, high + 0.02), xlabel="true, m", ylabel="said, m")
    axes.legend(fontsize=8, frameon=False)
    return _png(figure)


def _reliability(scores: Mapping[str, Mapping[str, Any]]) -> bytes | None:
    figure, axes = _figure(4.6, 4.4)
    drawn = False
    for at, (who, score) in enumerate(scores.items()):
        bins = score["verdicts"].get("reliability", [])
        if bins and who not in _BLIND:
            axes.plot([item["said"] for item in bins], [item["true"] for item in bins], "o-", label=who, color=f"C{at}", ms=4)
            drawn = True
    if not drawn:
        return None
    axes.plot([0, 1], [0, 1], lw=0.8, color="#57606a")
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="probability stated", ylabel="share true")
    axes.legend(fontsize=8, frameon=False)
    return _png(figure)


def _coverage(records: Sequence[VqaRecord], answers: Mapping[str, Sequence[Prediction]]) -> bytes | None:
    from scipy.special import erf

    figure, axes = _figure(4.6, 4.4)
    limits = np.linspace(0, 4, 81)
    drawn = False
    for at, (who, said) in enumerate(answers.items()):
        sigmas = np.array([judge(record, answer).sigmas for record, answer in zip(records, said, strict=True)])
        sigmas = sigmas[~np.isnan(sigmas)]
        if len(sigmas) and who not in _BLIND:
            axes.plot(limits, [(sigmas <= limit).mean() for limit in limits], label=f"{who} ({len(sigmas)})", color=f"C{at}")
            drawn = True
    axes.plot(limits, erf(limits / np.sqrt(2)), "--", lw=0.8, color="#57606a", label="as it should be")
    axes.set(xlim=(0, 4), ylim=(0, 1), xlabel="stated standard deviations", ylabel="share of errors within")
    axes.legend(fontsize=8, frameon=False, loc="lower right")
    return _png(figure) if drawn else None
