"""What an evaluation leaves behind: report.json, report.html, and a table for people."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..synthesis.audit_rows import Dataset
from .benchmark_file import machine, sha256, versions, write_json
from .vqa_page import page_text
from .vqa_plots import plots
from .vqa_run import ENGINE, MODEL, Evaluated, worst_answers

PACKAGES = ("torch", "transformers", "numpy", "scipy", "opencv-python-headless", "opencv-python")
_WRONG_SHOWN = 40


def report_of(found: Evaluated, model: str, dataset: Dataset, depth_note: str = "", seed: int = 0) -> dict[str, Any]:
    """Everything as JSON values; ``depth_note`` says why images have no depth."""
    files = {str(file.relative_to(dataset.path)): sha256(file) for file in dataset.files}
    return {
        "model": model,
        "data": {"path": dataset.path.name, "sha256": files, "config_sha256": dataset.provenance.get("config_sha256")},
        "seed": seed,
        "images": found.images,
        "images_with_depth": found.with_depth,
        "depth_note": depth_note,
        "questions": len(found.records),
        "truth_from": found.truth_from,
        "problems": found.problems,
        "scores": found.scores,
        "versions": versions(PACKAGES),
        "machine": machine(),
    }


def write_report(out: Path, report: Mapping[str, Any], found: Evaluated) -> None:
    """Write report.json and report.html into a folder."""
    write_json(out / "report.json", report)
    who = MODEL if MODEL in found.answers else ENGINE
    page = page_text(
        report,
        plots(found.records, found.answers, {who: found.scores[who] for who in found.answers}),
        worst_answers(found, who, _WRONG_SHOWN),
    )
    (out / "report.html").write_text(page, encoding="utf-8")


def print_scores(report: Mapping[str, Any]) -> None:
    """The most important figures, one line each who answered."""
    print(f"\n{report['model']}\n{report['images']} images, {report['questions']} questions")
    print(f"{'':26}{'asked':>7}{'number':>9}{'in 50-200 %':>13}{'±25 %':>9}{'error':>11}{'verdict':>10}{'right':>9}{'exact':>9}")
    for who, score in report["scores"].items():
        numbers, verdicts = score["numbers"], score["verdicts"]
        error = numbers.get("mae")
        right = f"{_percent(verdicts.get('accuracy'))}{_percent(verdicts.get('exact_match'))}"
        cells = (
            f"{_percent(numbers.get('gives_a_number'))}{_percent(numbers.get('in_50_to_200_percent'), 13)}"
            f"{_percent(numbers.get('within_25_percent'))}{'-' if error is None else f'{100 * error:8.1f} cm':>11}"
            f"{_percent(verdicts.get('gives_a_verdict'), 10)}{right}"
        )
        print(f"{who:26}{score['questions']:7}{cells}")
    for text, count in report["problems"].items():
        print(f"the model failed {count} times: {text}")


def _percent(part: float | None, width: int = 9) -> str:
    return f"{'-':>{width}}" if part is None else f"{100 * part:{width - 2}.1f} %"
