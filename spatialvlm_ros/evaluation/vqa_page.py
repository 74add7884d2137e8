"""report.html of an evaluation: one file that opens anywhere. All text of others is escaped."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from .vqa_records import Prediction, VqaRecord

STYLE = """
:root { color-scheme: light; }
body { margin: 0 auto; max-width: 1180px; padding: 24px; background: #fff; color: #1b1f24;
       font: 15px/1.45 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { font-size: 24px; margin: 0 0 4px; } h2 { font-size: 17px; margin: 30px 0 8px; }
.dim { color: #57606a; } .bad { color: #cf222e; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 3px 14px 3px 0; text-align: right; border-bottom: 1px solid #eaeef2; vertical-align: top; white-space: nowrap; }
th:first-child, td:first-child, td.t, th.t { text-align: left; white-space: normal; }
th { font-weight: 600; color: #57606a; font-size: 13px; }
.ci { color: #57606a; font-size: 12px; } .plots { display: flex; flex-wrap: wrap; gap: 18px 28px; align-items: flex-start; }
figure { margin: 0; } figcaption { font-weight: 600; font-size: 14px; margin-bottom: 4px; } figure img { max-width: 100%; }
"""
_NUMBERS = (
    ("gives_a_number", "gives a number"), ("in_50_to_200_percent", "50 to 200 %"), ("in_66.7_to_150_percent", "67 to 150 %"),
    ("within_25_percent", "±25 %"), ("in_90_to_110_percent", "90 to 110 %"),
)  # fmt: skip


def page_text(report: Mapping[str, Any], plots: Mapping[str, bytes], wrong: Sequence[tuple[VqaRecord, Prediction]]) -> str:
    """The whole page of a report as `vqa_report.report_of` makes it."""
    scores = report["scores"]
    pictures = "".join(_figure(title, png) for title, png in plots.items())
    parts = [
        "<!DOCTYPE html>", '<html lang="en"><head><meta charset="utf-8">',
        f"<title>Evaluation: {escape(report['model'])}</title><style>{STYLE}</style></head><body>",
        "<h1>Evaluation</h1>", _head(report), "<h2>Lengths</h2>", _numbers_table(scores), "<h2>Comparisons</h2>",
        _verdicts_table(scores), f'<h2>Plots</h2><div class="plots">{pictures}</div>', "<h2>By type</h2>",
        _by_part(scores, "by_relation"), "<h2>By distance of the things from the camera</h2>", _by_part(scores, "by_distance"),
        _wrong_table(wrong), "</body></html>",
    ]  # fmt: skip
    return "\n".join(parts) + "\n"


def _figure(title: str, png: bytes) -> str:
    data = base64.b64encode(png).decode()
    return f'<figure><figcaption>{escape(title)}</figcaption><img alt="" src="data:image/png;base64,{data}"></figure>'


def _head(report: Mapping[str, Any]) -> str:
    lines = [
        f"Model: <b>{escape(report['model'])}</b>",
        f"Data: {escape(report['data']['path'])}, {report['images']} images, {report['questions']} questions. "
        f"Depth at hand for {report['images_with_depth']} images{escape(report['depth_note'])}.",
        "Shares are of all that was asked: no answer is a wrong answer. In grey: 95 % interval by drawing images again. The best "
        "constant and the text-only model learn from the other half of these very images. Shuffled colours and depths are "
        "those of another image of the same size; they count only for the questions that could be asked of them, and where those "
        "are not all, the model's row beside them is of the same ones.",
    ]
    if report["truth_from"].get("depth"):
        lines.append(
            f"{report['truth_from']['depth']} truths were measured by our own engine on the same depth: beside them its row "
            "tells how well names are bound, not how well lengths are measured."
        )
    lines += [
        f'<span class="bad">The model failed {count} times: {escape(text)}</span>' for text, count in report["problems"].items()
    ]
    return "".join(f"<p>{line}</p>" for line in lines)


def _percent(value: float | None) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{100 * value:.1f} %"


def _interval(item: Mapping[str, Any], name: str) -> str:
    low, high = item.get("ci95", {}).get(name, (None, None))
    if low is None or not math.isfinite(low):
        return ""
    return f' <span class="ci">{100 * low:.0f}-{100 * high:.0f}</span>'


def _length(value: float | None) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{100 * value:.1f} cm"


def _numbers_table(scores: Mapping[str, Mapping[str, Any]]) -> str:
    heads = "".join(f"<th>{escape(words)}</th>" for _, words in _NUMBERS)
    rows = []
    for who, score in scores.items():
        item = score["numbers"]
        if not item.get("n"):
            continue
        cells = "".join(f"<td>{_percent(item[name])}{_interval(item, name)}</td>" for name, _ in _NUMBERS)
        mse = "-" if item["mse"] is None else f"{item['mse']:.4f}"
        rows.append(
            f"<tr><td>{escape(who)}</td><td>{item['n']}</td>{cells}<td>{_length(item['mae'])}</td>"
            f"<td>{_length(item['mae_missing_as_zero'])}</td><td>{mse}</td><td>{_percent(item.get('share_with_a_std'))}</td>"
            f"<td>{_percent(item.get('coverage_1'))}</td><td>{_percent(item.get('coverage_2'))}</td></tr>"
        )
    more = "<th>error</th><th>error, none as 0</th><th>MSE, m²</th><th>with sigma</th><th>in 1 sigma</th><th>in 2 sigma</th>"
    return f"<table><tr><th></th><th>asked</th>{heads}{more}</tr>{''.join(rows)}</table>"


def _verdicts_table(scores: Mapping[str, Mapping[str, Any]]) -> str:
    rows = []
    for who, score in scores.items():
        item = score["verdicts"]
        if not item.get("n"):
            continue
        brier, ece = item.get("brier"), item.get("ece")
        rows.append(
            f"<tr><td>{escape(who)}</td><td>{item['n']}</td><td>{_percent(item['gives_a_verdict'])}</td>"
            f"<td>{_percent(item['accuracy'])}{_interval(item, 'accuracy')}</td><td>{_percent(item['exact_match'])}</td>"
            f"<td>{'-' if brier is None else f'{brier:.3f}'}</td><td>{'-' if ece is None else f'{ece:.3f}'}</td></tr>"
        )
    heads = "<th>asked</th><th>gives a verdict</th><th>right (tolerant judge)</th><th>exact match</th><th>Brier</th><th>ECE</th>"
    return f"<table><tr><th></th>{heads}</tr>{''.join(rows)}</table>"


def _by_part(scores: Mapping[str, Mapping[str, Any]], key: str) -> str:
    """One row a type or distance, one column each who answered: right of comparisons, within 25 % of lengths."""
    names = list(dict.fromkeys(name for score in scores.values() for name in score[key]))
    heads = "".join(f"<th>{escape(who)}</th>" for who in scores)
    rows = []
    for name in names:
        cells = "".join(f"<td>{_part_cell(score[key].get(name, {}))}</td>" for score in scores.values())
        asked = next(score[key][name] for score in scores.values() if name in score[key])
        rows.append(f"<tr><td>{escape(name.replace('_', ' '))}</td><td>{_asked(asked)}</td>{cells}</tr>")
    note = '<p class="dim">Comparisons: share right. Numbers: share within 25 % and mean error.</p>'
    return f"{note}<table><tr><th></th><th>asked</th>{heads}</tr>{''.join(rows)}</table>"


def _asked(item: Mapping[str, Any]) -> int:
    return int(item["n"] if "n" in item else sum(part["n"] for part in item.values()))


def _part_cell(item: Mapping[str, Any]) -> str:
    if "numbers" in item or "verdicts" in item:
        return "<br>".join(_part_cell(part) for part in item.values())
    if "accuracy" in item:
        return _percent(item["accuracy"]) + _interval(item, "accuracy")
    if "within_25_percent" in item:
        return f"{_percent(item['within_25_percent'])}{_interval(item, 'within_25_percent')}, {_length(item['mae'])}"
    return "-"


def _wrong_table(wrong: Sequence[tuple[VqaRecord, Prediction]]) -> str:
    rows = []
    for record, said in wrong:
        true = record.answer or record.polarity or f"{record.value:.3f} {record.unit}"
        told = said.text or (f"{said.value:.3f}" if math.isfinite(said.value) else f"no answer ({said.status.name.lower()})")
        rows.append(
            f'<tr><td>{escape(record.image)}</td><td class="t">{escape(record.question)}</td><td class="t">{escape(true)}</td>'
            f'<td class="t">{escape(told)}</td></tr>'
        )
    if not rows:
        return ""
    head = '<tr><th>image</th><th class="t">question</th><th class="t">truth</th><th class="t">said</th></tr>'
    return f"<h2>Some that were wrong</h2><table>{head}{''.join(rows)}</table>"
