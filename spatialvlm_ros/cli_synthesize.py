"""``spatialvlm synthesize``: its arguments, and how they become a configuration. What is done stands in ``synthesis``."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the other commands read this file, too, and need none of it
    from .synthesis.pipeline import Part, PipelineConfig, Registry
    from .synthesis.run import RunReport

# Exit codes, as of all commands.
DONE, NOTHING_USABLE, BAD_INPUT, COULD_NOT_RUN = 0, 1, 2, 3
EVENED = ("polarity", "shortcuts", "priors", "kinds")
# Scenes of one seed do not meet those of the next.
_SCENES_PER_SEED = 10_000_000

_DESCRIPTION = """\
Makes spatial questions with answers from images: a data set that `datasets.load_dataset` opens and TRL trains on.
A run that is broken off, however, goes on with --resume and gives the same bytes. Exit code: 0 done (or this machine's share
is), 1 done but no image gave a pair, 2 wrong input or output folder, 3 could not run (a model or library is missing, the disk
is full, workers died), 130 interrupted.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Everything that the command understands."""
    parser.description = _DESCRIPTION
    parser.add_argument("paths", nargs="*", metavar="PATH", help="folders of images, RGB-D folders, or bags")
    parser.add_argument("--from", dest="source", required=True, choices=("images", "rgbd", "bag", "render"), help="what PATH is")
    parser.add_argument("--out", type=Path, required=True, help="folder of the data set")
    parser.add_argument("--dry-run", action="store_true", help="say what is there and what is missing; write nothing")
    _add_source(parser.add_argument_group("source"))
    _add_models(parser.add_argument_group("models", "a folder, or the id of a model that is on this machine"))
    _add_choice(parser.add_argument_group("questions"))
    _add_running(parser.add_argument_group("running"))
    _add_card(parser.add_argument_group("about the data set"))


def _add_source(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--count", type=int, default=100, help="render: how many scenes (default: 100)")
    group.add_argument("--image-width", type=int, default=640, metavar="PX", help="render: width of images (default: 640)")
    group.add_argument("--captions", choices=("name", "shape"), default="name", help="render: name is unique, shape is not")
    group.add_argument("--truth", action="store_true", help="render: answers of the true shapes, not measured ones")
    group.add_argument(
        "--depth-noise", default="", metavar="NAME", help="render: noise that is added; rgbd, bag: what kind of sensor it was"
    )
    group.add_argument("--depth-unit-m", type=float, metavar="M", help="rgbd: metres of one count of depth, if not said there")
    group.add_argument(
        "--regions",
        type=Path,
        metavar="FILE",
        help="what somebody drew: polygons or masks (synthesis/drawn_regions.py)",
    )
    group.add_argument("--gravity-frame", default="", metavar="FRAME", help="bag: tf frame whose z points up")


def _add_models(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--filter-model", metavar="MODEL", help="CLIP class: drops pictures that are no scenes")
    group.add_argument("--detector", metavar="MODEL", help="finds things (OWLv2, Grounding DINO class)")
    group.add_argument("--find", default="", metavar="NAMES", help="what the detector looks for, between commas")
    group.add_argument("--captioner", metavar="MODEL", help="names regions; without a detector also finds them (Florence-2)")
    group.add_argument("--segmenter", metavar="MODEL", help="boxes to masks (SAM class)")
    group.add_argument("--depth-model", metavar="MODEL", help="metric depth of pictures that have none (Depth Pro class)")
    group.add_argument("--horizontal-fov-deg", type=float, metavar="DEG", help="of pictures whose camera nobody knows")
    group.add_argument("--similarity-model", metavar="MODEL", help="CLIP class: tells which captions mean the same")
    group.add_argument("--device", default="auto", help="cpu, cuda, cuda:1 (default: auto)")
    group.add_argument("--batch-size", type=int, default=8, help="pictures a model takes at once (default: 8)")
    group.add_argument("--allow-download", action="store_true", help="fetch models that are not on this machine")


def _add_choice(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--seed", type=int, default=0, help="of wordings and choices, and of the scenes (default: 0)")
    group.add_argument(
        "--relations",
        default="paper",
        metavar="NAMES",
        help="paper (its 43), all, or names between commas (default: paper)",
    )
    group.add_argument("--exact-share", type=float, default=0.0, help="share of numbers that are not rounded (default: 0)")
    group.add_argument("--pairs-per-image", type=int, default=32, metavar="N", help="at most; 0 for all (default: 32)")
    group.add_argument(
        "--balance", default="polarity,shortcuts,priors", metavar="WORDS",
        help="what is evened out: polarity (yes as often as no), shortcuts (within what a glance at the image suggests), priors "
        "(within kinds of things), kinds (as many numbers as words), or none (default: polarity,shortcuts,priors)",
    )  # fmt: skip
    group.add_argument("--max-per-relation", type=int, default=0, metavar="N", help="pairs of one relation; 0 for no limit")
    group.add_argument("--max-pairs", type=int, default=0, metavar="N", help="about so many pairs in all; 0 for no limit")
    group.add_argument("--image-format", choices=("jpeg", "png"), default="jpeg", help="of the images (default: jpeg)")


def _add_running(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--workers", type=int, default=1, metavar="N", help="processes (default: 1)")
    group.add_argument("--resume", action="store_true", help="go on with what is in OUT")
    group.add_argument("--overwrite", action="store_true", help="remove the data set in OUT first; with --resume only another's")
    group.add_argument("--items-per-shard", type=int, default=0, metavar="N", help="images a file (default: by their number)")
    group.add_argument("--num-shards", type=int, default=1, metavar="N", help="machines that divide the work (default: 1)")
    group.add_argument("--shard-index", type=int, default=0, metavar="I", help="which of them this is, from 0")
    group.add_argument(
        "--ray", nargs="?", const="local", metavar="ADDRESS", help="on a Ray cluster: auto, HOST:PORT, or none for a local one"
    )
    group.add_argument("--gpus-per-worker", type=float, default=0.0, metavar="N", help="with --ray (default: 0)")
    group.add_argument("--discard-candidates", action="store_true", help="remove OUT/work's second copy of the images at the end")


def _add_card(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--format", choices=("parquet", "webdataset"), default="parquet", help="of the files (default: parquet)")
    group.add_argument("--audit", type=int, default=0, metavar="N", help="also a page of N random pairs to look at")
    group.add_argument("--title", default="Spatial questions and answers", help="heading of the card")
    group.add_argument("--license", default="unknown", help="of the data set: a hub's identifier, or words")
    group.add_argument("--source-note", default="", metavar="TEXT", help="where the images come from and under which terms")


# -- arguments to a configuration -------------------------------------------------------------------------------------------


def config_of(options: argparse.Namespace) -> PipelineConfig:
    """The configuration of parsed arguments. Raises ValueError for arguments that do not go together."""
    from .synthesis.catalog import RELATION_SETS
    from .synthesis.pipeline import PipelineConfig

    ask: dict[str, Any] = {"exact_share": options.exact_share, "image_format": options.image_format}
    ask["relations"] = options.relations if options.relations in RELATION_SETS else _words(options.relations)
    if options.source in ("rgbd", "bag") and options.depth_noise:
        ask["depth_noise"] = options.depth_noise
    if options.similarity_model:
        ask["similarity"] = _model(options, options.similarity_model)
    return PipelineConfig(
        source=_source(options),
        stages=tuple(_stages(options)),
        ask=ask,
        select=_select(options),
        seed=options.seed,
        items_per_shard=options.items_per_shard,
        file_format=options.format,
    )


def _source(options: argparse.Namespace) -> Part:
    from .synthesis.pipeline import Part

    if options.source == "render":
        if options.paths:
            raise ValueError(f"--from render makes its images itself and takes no PATH, got {', '.join(options.paths)}")
        if options.seed < 0:
            raise ValueError(f"seed {options.seed} must not be below 0")
        return Part(
            "render",
            {
                "seed": options.seed * _SCENES_PER_SEED, "count": options.count, "width_px": options.image_width,
                "noise": options.depth_noise, "truth": options.truth, "captions": options.captions,
            },
        )  # fmt: skip
    if not options.paths:
        raise ValueError(f"--from {options.source} needs a PATH")
    values: dict[str, Any] = {"paths": list(options.paths)}
    if options.source == "rgbd" and options.depth_unit_m is not None:
        values["depth_unit_m"] = options.depth_unit_m
    if options.source == "bag" and options.gravity_frame:
        values["gravity_frame"] = options.gravity_frame
    # A dry run shows what is there all the same, and says that depth is missing.
    if options.source == "images" and not options.depth_model and not options.dry_run:
        raise ValueError("plain images have no depth, and without it nothing can be measured: give --depth-model")
    return Part(options.source, values)


def _model(options: argparse.Namespace, model: str) -> dict[str, Any]:
    """Options of model_factories.ModelChoice."""
    values: dict[str, Any] = {"model": model, "device": options.device, "batch_size": options.batch_size}
    return {**values, **({"allow_download": True} if options.allow_download else {})}


def _stages(options: argparse.Namespace) -> list[Part]:
    from .synthesis.pipeline import Part

    stages = []
    if options.regions is not None:
        if options.source == "render":
            raise ValueError("--from render knows what its images show: leave --regions out")
        stages.append(Part("drawn", {"path": str(options.regions)}))
    if options.filter_model:
        stages.append(Part("filter", _model(options, options.filter_model)))
    finders = {name: getattr(options, name) for name in ("detector", "captioner", "segmenter") if getattr(options, name)}
    if finders:
        values: dict[str, Any] = {name: _model(options, model) for name, model in finders.items()}
        stages.append(Part("regions", {**values, **({"names": _words(options.find)} if options.find else {})}))
    if options.depth_model:
        fov = {} if options.horizontal_fov_deg is None else {"horizontal_fov_deg": options.horizontal_fov_deg}
        stages.append(Part("depth", {**_model(options, options.depth_model), **fov}))
    return stages


def _select(options: argparse.Namespace) -> dict[str, Any]:
    words = [] if options.balance == "none" else _words(options.balance)
    unknown = [word for word in words if word not in EVENED]
    if unknown:
        raise ValueError(f"--balance {', '.join(unknown)}: give some of {', '.join(EVENED)} between commas, or none")
    select: dict[str, Any] = {name: name in words for name in ("polarity", "shortcuts", "priors")}
    select |= {"pairs_per_image": options.pairs_per_image, "max_per_relation": options.max_per_relation}
    select |= {"max_pairs": options.max_pairs}
    return {**select, **({"qualitative_share": 0.5} if "kinds" in words else {})}


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def all_parts() -> Registry:
    """Sources and stages of all floors."""
    from .recording.synthesis_parts import RECORDED_SOURCES
    from .synthesis.catalog import registry

    return registry(RECORDED_SOURCES)


# -- the command ------------------------------------------------------------------------------------------------------------


def run(options: argparse.Namespace) -> int:
    """Do what the arguments ask for; returns the exit code. Raises as ``cli.main`` catches."""
    from .synthesis.preview import preview

    if options.audit < 0:
        raise ValueError(f"--audit {options.audit}: give 0 for no page, or how many pairs it shows")
    config, parts = config_of(options), all_parts()
    if options.dry_run:
        report = preview(config, parts, options.out)
        print("\n".join(report.lines))
        return COULD_NOT_RUN if report.missing else BAD_INPUT if report.wrong else DONE
    try:
        result = _synthesized(config, parts, options)
    except KeyboardInterrupt:
        print(f"interrupted; go on with the same command and --resume (finished shards are in {options.out})", file=sys.stderr)
        raise
    code = _told(result, options)
    if result.complete and result.pairs:
        print(_with_shortcuts(options.out))
    if result.complete and options.audit and result.pairs:
        from .synthesis.audit import write_audit

        print(f"to look at: {write_audit(options.out, options.audit, options.seed)}")
    return code


def _synthesized(config: PipelineConfig, parts: Registry, options: argparse.Namespace) -> RunReport:
    from .synthesis.card import CardNotes
    from .synthesis.output import Share
    from .synthesis.run import RunOptions, synthesize

    notes = CardNotes(options.title, options.license, options.source_note)
    share = Share(options.shard_index, options.num_shards)
    running = RunOptions(options.out, options.workers, options.resume, options.overwrite, share, notes)
    running.discard_candidates = options.discard_candidates
    if options.ray is not None:
        from .synthesis.ray_runner import run_on_ray

        running.runner = partial(run_on_ray, address=options.ray, gpus_per_worker=options.gpus_per_worker)
    return synthesize(config, parts, running)


def _with_shortcuts(out: Path) -> str:
    """Say on the card of a finished data set what its words alone give away; returns the sentence."""
    from .evaluation.synthesis_text_only import text_only_of_dataset, text_only_sentence
    from .synthesis.card import add_shortcuts

    figures = text_only_of_dataset(out)
    sentence = text_only_sentence(figures)
    add_shortcuts(out, figures, sentence)
    return sentence


def _told(result: RunReport, options: argparse.Namespace) -> int:
    """Say what came of a run. Returns the exit code."""
    if result.left_aside:
        print(f"left aside: {result.left_aside}", file=sys.stderr)
    for line in result.lost:
        print(f"not made: {line}", file=sys.stderr)
    if result.lost:
        print(f"{len(result.lost)} shards are missing; --resume tries them again", file=sys.stderr)
        return COULD_NOT_RUN
    if not result.complete:
        print(
            f"this share is done; {result.waits_for} of {result.shards} shards are other machines'. When they are in "
            f"{options.out}, too, run the same command with --resume and without --num-shards to put the data set together"
        )
        return DONE
    dropped = ", ".join(f"{cause} {count}" for cause, count in sorted(result.drops.items()))
    print(f"{result.pairs} pairs about {result.rows} of {result.items} images in {options.out}; dropped: {dropped or 'none'}")
    for cause, texts in sorted(result.drop_texts.items()):
        print(f"{cause}: {texts[0]}", file=sys.stderr)
    if result.pairs:
        return DONE
    print("no image gave a pair; the data set is empty", file=sys.stderr)
    return NOTHING_USABLE
