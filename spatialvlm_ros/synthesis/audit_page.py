"""The audit page as HTML: counts and drops above, then a card for each pair.

Everything that comes from the data is escaped: captions and keys are text of others.
"""

from __future__ import annotations

import base64
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from ..scene.drawing import object_color
from ..scene.facts import COUNT, PROBABILITY, RADIAN
from ..scene.relations import RELATIONS, Kind
from .audit_rows import Dataset
from .read_back import ReadBack
from .record import KINDS, POLARITIES

_POLARITY_WORDS = {"": "number", "first": "first", "second": "second", "yes": "yes", "no": "no", "unsure": "unsure"}

_STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1240px; padding: 24px; background: #fff; color: #1b1f24;
       font: 15px/1.45 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { font-size: 24px; margin: 0 0 4px; } h2 { font-size: 17px; margin: 28px 0 8px; }
p { margin: 4px 0; } .dim { color: #57606a; }
code, .num { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: 13px; }
table { border-collapse: collapse; } th, td { padding: 3px 10px 3px 0; text-align: left; vertical-align: top; }
th { font-weight: 600; color: #57606a; font-size: 13px; } td.r, th.r { text-align: right; }
.counts td, .counts th { border-bottom: 1px solid #eaeef2; } .counts td.zero { color: #b1bac4; }
.tables { display: flex; flex-wrap: wrap; gap: 12px 56px; align-items: flex-start; }
.card { border: 1px solid #d0d7de; border-radius: 8px; margin: 22px 0; padding: 16px 18px; break-inside: avoid; }
.card.wrong { border-color: #cf222e; border-width: 2px; }
.pictures { display: flex; flex-wrap: wrap; gap: 14px; margin: 12px 0; }
figure { margin: 0; } figure img { display: block; max-width: 100%; height: auto; border: 1px solid #d0d7de; }
figcaption { color: #57606a; font-size: 12px; }
.q { font-size: 19px; font-weight: 600; } .a { font-size: 19px; color: #0550ae; }
.tag { display: inline-block; border-radius: 10px; padding: 1px 9px; margin-right: 6px; font-size: 13px; background: #eaeef2; }
.yes, .first { background: #dafbe1; } .no, .second { background: #ffebe9; } .unsure { background: #fff8c5; }
.good { color: #1a7f37; } .bad { color: #cf222e; font-weight: 600; }
.plate { color: #fff; font-weight: 700; border-radius: 3px; padding: 0 6px; font-size: 13px; }
.things td, .things th { border-bottom: 1px solid #eaeef2; } .foot { font-size: 13px; color: #57606a; }
@media print { body { max-width: none; } }
"""


@dataclass(frozen=True)
class Picture:
    """A JPEG with its size and what it shows."""

    caption: str
    jpeg: bytes
    width: int
    height: int


@dataclass(frozen=True)
class Shown:
    """One pair for the page.

    Attributes:
        number: among all pairs of the data set.
        row, pair, things: as they stand in the file; ``things`` in the order in which the question names them.
        heard: what the answer was understood as, from its words alone.
        agrees: whether that is what was measured.
        has_boxes: whether boxes in space were drawn.
    """

    number: int
    row: Mapping[str, Any]
    pair: Mapping[str, Any]
    things: Sequence[Mapping[str, Any]]
    heard: ReadBack
    agrees: bool
    pictures: Sequence[Picture]
    has_boxes: bool


def page_text(data: Dataset, pairs: Sequence[Shown], seed: int) -> str:
    """The whole page."""
    title = f"{len(pairs)} of {data.num_pairs} pairs"
    wrong = sum(not shown.agrees for shown in pairs)
    verdict = (
        '<span class="good">every answer here reads back as what was measured</span>'
        if not wrong
        else f'<span class="bad">{wrong} of the answers here do not read back as what was measured</span>'
    )
    parts = [
        "<!DOCTYPE html>", '<html lang="en"><head><meta charset="utf-8">',
        f"<title>Audit: {escape(title)}</title><style>{_STYLE}</style></head><body>", f"<h1>Audit: {escape(title)}</h1>",
        f'<p class="dim">{data.num_rows} pictures; drawn at random with seed {seed}, each pair as likely as any other. '
        f"Outline: pixels of the thing. Dashed: its box in the image. Thin edges: its box in space.</p><p>{verdict}.</p>",
        _origin(data.provenance), _counts(data.counts), _drops(data.provenance), "<h2>Pairs</h2>",
        *(_card(shown) for shown in pairs), "</body></html>",
    ]  # fmt: skip
    return "\n".join(parts) + "\n"


# -- header -----------------------------------------------------------------------------------------------------------------


def _origin(provenance: Mapping[str, Any]) -> str:
    if not provenance:
        return '<p class="dim">Where it comes from is not recorded here (no provenance.json).</p>'
    config, images = provenance["config"], provenance["images"]
    options = ", ".join(f"{name}={value}" for name, value in sorted(config["source"]["options"].items()))
    stages = ", ".join(f"{name} {' / '.join(found)}" for name, found in provenance["stages"].items())
    return (
        f"<p>Source: <code>{escape(config['source']['name'])}({escape(options)})</code>, seed {config['seed']}. "
        f"Pictures found {images['found']}, with pairs {images['with_pairs']}, in the data set {images['in_data_set']}; "
        f"{provenance['pairs']} of {provenance['candidate_pairs']} candidate pairs kept.</p>"
        f'<p class="dim">Stages: {escape(stages) or "none recorded"}.</p>'
    )


def _counts(counts: Counter[tuple[str, str, str]]) -> str:
    total = max(counts.total(), 1)
    kinds: Counter[str] = Counter()
    relations: dict[str, Counter[str]] = {}
    for (relation, kind, polarity), count in counts.items():
        kinds[kind] += count
        relations.setdefault(relation, Counter())[polarity] += count
    polarities: Counter[str] = sum(relations.values(), Counter())
    shares = "".join(f"<tr><td>{kind}</td>{_cells(kinds[kind], total)}</tr>" for kind in KINDS)
    words = "".join(
        f"<tr><td>{_POLARITY_WORDS[word]}</td>{_cells(polarities[word], total)}</tr>" for word in POLARITIES if polarities[word]
    )
    head = "".join(f'<th class="r">{_POLARITY_WORDS[word]}</th>' for word in POLARITIES)
    order = [name for name in RELATIONS if name in relations] + sorted(set(relations) - set(RELATIONS))
    rows = [f"<tr><td>{escape(name)}</td>{_polarity_cells(relations[name])}</tr>" for name in order]
    half = (len(rows) + 1) // 2
    tables = "".join(
        f'<table class="counts"><tr><th>relation</th>{head}<th class="r">all</th></tr>{"".join(part)}</table>'
        for part in (rows[:half], rows[half:])
        if part
    )
    return (
        '<h2>Counts</h2><div class="tables">'
        f'<table class="counts"><tr><th>kind</th><th class="r">pairs</th><th class="r">share</th></tr>{shares}</table>'
        f'<table class="counts"><tr><th>answer</th><th class="r">pairs</th><th class="r">share</th></tr>{words}</table></div>'
        f'<h2>By type and polarity</h2><div class="tables">{tables}</div>'
    )


def _cells(count: int, total: int) -> str:
    return f'<td class="r num">{count}</td><td class="r num">{100 * count / total:.1f} %</td>'


def _polarity_cells(found: Counter[str]) -> str:
    cells = [f'<td class="r num{"" if found[word] else " zero"}">{found[word] or "·"}</td>' for word in POLARITIES]
    return "".join(cells) + f'<td class="r num">{found.total()}</td>'


def _drops(provenance: Mapping[str, Any]) -> str:
    if not provenance:
        return ""
    images, parts = provenance["dropped_images"], provenance["dropped_within_images"]
    texts = provenance.get("dropped_image_texts", {})
    left = "".join(
        f'<tr><td>{escape(cause)}</td><td class="r num">{count}</td><td class="dim">{escape(" ".join(texts.get(cause, [])[:1]))}'
        "</td></tr>"
        for cause, count in images.items()
    )
    right = "".join(f'<tr><td>{escape(cause)}</td><td class="r num">{count}</td></tr>' for cause, count in parts.items())
    tables = [
        f'<table class="counts"><tr><th>{what}</th><th class="r">dropped</th>{extra}</tr>{rows}</table>'
        if rows
        else f'<p class="dim">No {what} dropped.</p>'
        for what, rows, extra in (("pictures", left, "<th>for instance</th>"), ("regions, captions and facts", right, ""))
    ]
    return f'<h2>Drops by cause</h2><div class="tables">{"".join(tables)}</div>'


# -- cards ------------------------------------------------------------------------------------------------------------------


def _card(shown: Shown) -> str:
    pair, row = shown.pair, shown.row
    polarity = pair["polarity"]
    tags = [
        f'<span class="tag">{escape(pair["relation"])}</span>', f'<span class="tag">{escape(pair["kind"])}</span>',
        f'<span class="tag {escape(polarity)}">{escape(_POLARITY_WORDS.get(polarity, polarity))}</span>',
    ]  # fmt: skip
    if pair["status"] != "ok":
        tags.append(f'<span class="tag unsure">{escape(pair["status"])}</span>')
    figures = "".join(_figure(picture) for picture in shown.pictures)
    stages = ", ".join(f"{stage['name']} {stage['version']}" for stage in row["stages"])
    up = f"up by {escape(row['canonical'])}" if row["canonical"] else "up not known"
    return (
        f'<section class="card{"" if shown.agrees else " wrong"}"><p class="q">{escape(pair["question"])}</p>'
        f'<p class="a">{escape(pair["answer"])}</p><p>{"".join(tags)}{_measured(pair)}</p>{_heard(shown)}'
        f'<div class="pictures">{figures}</div>{_things(shown)}'
        f'<p class="foot">pair {shown.number} · <code>{escape(row["key"])}</code> · '
        f"frame <code>{escape(row['frame_id'])}</code> · "
        f"{row['stamp_ns'] * 1e-9:.3f} s · facts from {escape(pair['source'])} · {up} · "
        f"question template {pair['question_index']}, answer template {pair['answer_index']}, numbers {escape(pair['style'])} · "
        f"cue of the image: {escape(pair['cue'] or 'none')} · source sha256 {escape(row['source_sha256'][:12])}"
        f"{'' if shown.has_boxes else ' · no camera recorded, so no box in space is drawn'}</p>"
        f'<p class="foot">stages: {escape(stages)}</p></section>'
    )


def _figure(picture: Picture) -> str:
    data = base64.b64encode(picture.jpeg).decode("ascii")
    return (
        f'<figure><img src="data:image/jpeg;base64,{data}" width="{picture.width}" height="{picture.height}" '
        f'alt="{escape(picture.caption)}"><figcaption>{escape(picture.caption)}</figcaption></figure>'
    )


def _measured(pair: Mapping[str, Any]) -> str:
    """The number before rounding."""
    extra = "".join(f" · {word} {pair[word]}" for word in ("amount", "view") if pair[word])
    kind = RELATIONS[pair["relation"]].kind if pair["relation"] in RELATIONS else None
    of = "" if pair["unit"] != PROBABILITY else " that it holds" if kind is Kind.PREDICATE else " of the first"
    return f'before rounding: <span class="num">{_number(pair["value"], pair["std"], pair["unit"])}</span>{of}{escape(extra)}'


def _number(value: float | None, std: float | None, unit: str) -> str:
    if value is None:
        return "none"
    if unit == PROBABILITY:
        return f"probability {value:.4f}"
    if unit == COUNT:
        return f"{value:.0f}"
    if unit == RADIAN:
        return f"{math.degrees(value):.1f} deg" + ("" if std is None else f" ± {math.degrees(std):.1f} deg")
    return f"{value:.4f} {unit}" + ("" if std is None else f" ± {std:.4f} {unit}")


def _heard(shown: Shown) -> str:
    heard = shown.heard
    if heard.problem:
        said = f"nothing ({heard.problem})"
    elif heard.polarity:
        said = f"“{heard.polarity}”"
    else:
        said = f"{_number(heard.value, None, heard.unit)} ({heard.low:.4g} to {heard.high:.4g})"
    word, css = ("as measured", "good") if shown.agrees else ("NOT what was measured", "bad")
    return f'<p class="foot">the words of the answer read back as {escape(said)}: <span class="{css}">{word}</span></p>'


def _things(shown: Shown) -> str:
    """What the question is about, and what was measured of it."""
    rows = []
    for place, thing in enumerate(shown.things):
        color = "#{:02x}{:02x}{:02x}".format(*object_color(place))
        centre, extents, std = (thing[key] for key in ("centre_m", "extents_m", "centre_std_m"))
        rows.append(
            f'<tr><td><span class="plate" style="background:{color}">{"ABC"[place]}</span></td><td>{escape(thing["name"])}</td>'
            f"<td>{escape(thing['caption'])}</td><td>{escape(thing['origin'])} {_unknown(thing['score'], '.2f')}</td>"
            f'<td class="r num">{thing["num_points"]}</td><td class="num">{_vector(centre)}</td>'
            f'<td class="num">{_vector(std)}</td><td class="num">{_vector(extents)}</td></tr>'
        )
    return (
        '<table class="things"><tr><th></th><th>name in the question</th><th>caption</th><th>said by, score</th>'
        '<th class="r">points</th><th>centre x y z, m</th><th>± m</th><th>size along its axes, m</th></tr>'
        f"{''.join(rows)}</table>"
    )


def _vector(values: Sequence[float]) -> str:
    return " ".join(f"{value:.3f}" for value in values)


def _unknown(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
