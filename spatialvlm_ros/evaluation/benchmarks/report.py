"""What a benchmark leaves behind: report.json, report.html, answers.jsonl, and a table for people."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from ..benchmark_file import machine, sha256, versions, write_json
from ..vqa_page import STYLE
from ..vqa_report import PACKAGES
from .item import Benchmark, Item, LoadOptions
from .run import MODEL, Asked, scores_of

_TABLES = (".json", ".jsonl", ".parquet", ".tsv")
_WRONG_SHOWN = 40


def report_of(
    benchmark: Benchmark, folder: Path, options: LoadOptions, items: Sequence[Item], asked: Asked, model: str, seed: int = 0
) -> dict[str, Any]:
    """Everything as JSON values."""
    tables = sorted(path for path in folder.rglob("*") if path.suffix in _TABLES and path.is_file())
    return {
        "benchmark": benchmark.name, "title": benchmark.title, "split": options.split or benchmark.splits[0],
        "licence_of_the_data": benchmark.licence, "sources_of_the_rules": list(benchmark.sources),
        "rules": list(benchmark.rules), "departures": list(benchmark.departures), "model": model,
        "data": {"path": folder.name, "sha256": {str(path.relative_to(folder)): sha256(path) for path in tables}},
        "limit": options.limit, "frames": options.frames, "seed": seed, "images": asked.images, "questions": len(items),
        "answered": sum(bool(text) for text in asked.texts), "problems": asked.problems,
        "scores": scores_of(benchmark, items, asked.texts, seed), "versions": versions(PACKAGES), "machine": machine(),
    }  # fmt: skip


def write_report(out: Path, report: Mapping[str, Any], benchmark: Benchmark, items: Sequence[Item], asked: Asked) -> None:
    """Write report.json, report.html and answers.jsonl into a folder."""
    write_json(out / "report.json", report)
    rows = []
    for item, text in zip(items, asked.texts, strict=True):
        mark = benchmark.mark(item, text)
        rows.append(
            {"key": item.key, "group": item.group, "prompt": item.prompt, "truth": item.truth, "said": text, "read": mark.read,
             "score": mark.score}
        )  # fmt: skip
    (out / "answers.jsonl").write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows), encoding="utf-8")
    (out / "report.html").write_text(page_text(report, rows), encoding="utf-8")


def print_scores(report: Mapping[str, Any]) -> None:
    """The totals, one line each who answered, and what to keep in mind."""
    print(f"\n{report['title']} ({report['split']}): {report['model']}")
    print(f"{report['images']} images, {report['questions']} questions, {report['answered']} answered")
    print(f"licence of the data: {report['licence_of_the_data']}")
    for who, score in report["scores"].items():
        totals = "  ".join(f"{name} {_percent(value)}" for name, value in score["overall"].items())
        print(f"{who:16}{totals}")
    for text, count in report["problems"].items():
        print(f"{count} questions without an answer: {text}")
    for text in report["departures"]:
        print(f"differs from the authors' run: {text}")


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %" if math.isfinite(value) else "-"


def page_text(report: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    """The whole page; all text of others is escaped."""
    lists = "".join(
        f"<h2>{title}</h2><ul>{''.join(f'<li>{escape(text)}</li>' for text in report[key])}</ul>"
        for title, key in (("Rules", "rules"), ("Where this differs from the authors' run", "departures"))
        if report[key]
    )
    failed = "".join(
        f'<p class="bad">{count} questions without an answer: {escape(text)}</p>' for text, count in report["problems"].items()
    )
    return "\n".join(
        (
            "<!DOCTYPE html>", '<html lang="en"><head><meta charset="utf-8">',
            f"<title>{escape(report['title'])}: {escape(report['model'])}</title><style>{STYLE}</style></head><body>",
            f"<h1>{escape(report['title'])}</h1><p>Model: <b>{escape(report['model'])}</b></p>",
            f"<p>{report['images']} images, {report['questions']} questions, {report['answered']} answered. Data: "
            f"{escape(report['licence_of_the_data'])}. In grey: 95 % interval by drawing images again.</p>{failed}",
            _totals(report["scores"]), "<h2>By group</h2>", _groups(report["scores"]), lists, _wrong(rows), "</body></html>",
        )
    ) + "\n"  # fmt: skip


def _totals(scores: Mapping[str, Mapping[str, Any]]) -> str:
    names = list(scores[MODEL]["overall"])
    heads = "".join(f"<th>{escape(name)}</th>" for name in names)
    rows = "".join(
        f"<tr><td>{escape(who)}</td>{''.join(_total(score['overall'], name) for name in names)}</tr>"
        for who, score in scores.items()
    )
    return f"<table><tr><th></th>{heads}</tr>{rows}</table>"


def _total(overall: Mapping[str, float], name: str) -> str:
    return f"<td>{_percent(overall.get(name, math.nan))}</td>"


def _groups(scores: Mapping[str, Mapping[str, Any]]) -> str:
    heads = "".join(f"<th>{escape(who)}</th>" for who in scores)
    rows = []
    for name, own in scores[MODEL]["by_group"].items():
        cells = "".join(f"<td>{_cell(score['by_group'][name])}</td>" for score in scores.values())
        rows.append(f"<tr><td>{escape(name)}</td><td>{own['n']}</td>{cells}</tr>")
    return f"<table><tr><th></th><th>asked</th>{heads}</tr>{''.join(rows)}</table>"


def _cell(part: Mapping[str, Any]) -> str:
    low, high = part["ci95"]
    return f'{_percent(part["score"])} <span class="ci">{100 * low:.0f}-{100 * high:.0f}</span>'


def _wrong(rows: Sequence[Mapping[str, Any]]) -> str:
    wrong = sorted((row for row in rows if row["score"] < 1), key=lambda row: row["score"])[:_WRONG_SHOWN]
    if not wrong:
        return ""
    cells = "".join(
        f'<tr><td class="t">{escape(row["prompt"])}</td><td class="t">{escape(row["truth"])}</td>'
        f'<td class="t">{escape(row["said"] or "no answer")}</td><td>{_percent(row["score"])}</td></tr>'
        for row in wrong
    )
    head = '<tr><th class="t">question</th><th class="t">truth</th><th class="t">said</th><th>score</th></tr>'
    return f"<h2>Some that were wrong</h2><table>{head}{cells}</table>"
