"""``spatialvlm train``: its arguments, and how they become a configuration. What is done stands in ``training``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the other commands read this file, too, and need none of it
    from .training.finetune_config import FinetuneConfig

# Exit codes, as of all commands.
DONE, NOT_BETTER, BAD_INPUT, COULD_NOT_RUN = 0, 1, 2, 3
EMBEDDED, SCRATCH = "embedded", "scratch"

_DESCRIPTION = """\
Trains a model on data sets in chat format, such as `spatialvlm synthesize` writes. What was broken off goes on with --resume.
Exit code: 0 done, 1 done but not better on held-out images than before (or the loss was no number), 2 wrong input or output
folder, 3 could not run (a library, a device or memory is missing), 130 interrupted.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Everything that the command understands. What was not given is None or false, or NOT_GIVEN where --config may give it."""
    _add_all(parser)
    parser.set_defaults(**dict.fromkeys(_file_defaults(), NOT_GIVEN))


def _add_all(parser: argparse.ArgumentParser) -> None:
    parser.description = _DESCRIPTION
    parser.add_argument(
        "--from", dest="base", required=True, metavar="MODEL",
        help="folder or hub id of an image-text-to-text model; embedded: the one that is shipped; scratch: its class, untrained",
    )  # fmt: skip
    parser.add_argument(
        "--data", action="append", default=[], metavar="DIR[:WEIGHT]", help="a data set, and how often it is drawn; repeatable"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the trained model")
    parser.add_argument(
        "--config", type=Path, metavar="YAML", help="values for the options below, e.g. config/training/lora.yaml"
    )
    parser.add_argument("--resume", action="store_true", help="go on with what is in OUT")
    parser.add_argument("--overwrite", action="store_true", help="remove the run in OUT first")
    _add_what(parser.add_argument_group("what learns"))
    _add_data(parser.add_argument_group("data"))
    _add_course(parser.add_argument_group("course"))
    about = (
        "of the options above these alone are read: --data, --out, --steps, --batch-size, --learning-rate, --held-out-share and "
        "--seed; the images of DATA are read again where they came from, with their depth"
    )
    _add_embedded(parser.add_argument_group("with --from embedded or scratch", about))


def _add_what(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--method", choices=("lora", "full"), default="lora", help="adapters, or all parameters (default: lora)")
    group.add_argument("--vision", choices=("frozen", "trained"), default="frozen", help="the vision encoder (default: frozen)")
    group.add_argument("--lora-rank", type=int, default=16, metavar="N", help="(default: 16)")
    group.add_argument("--lora-alpha", type=int, default=32, metavar="N", help="(default: 32)")
    group.add_argument("--lora-dropout", type=float, default=0.05, metavar="P", help="(default: 0.05)")
    group.add_argument("--merge", action="store_true", help="leave a whole model instead of adapters")
    group.add_argument("--revision", help="commit, tag or branch of a hub id")
    group.add_argument("--allow-download", action="store_true", help="fetch a model that is not on this machine")


def _add_data(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--label-noise-std-m", type=float, default=0.0, metavar="M", help="noise on lengths in training answers (default: 0)"
    )
    group.add_argument(
        "--spatial-share",
        type=float,
        metavar="P",
        help="of spatial questions among all; the paper's is about 0.05 (default: by weight)",
    )
    group.add_argument("--image-size-px", type=int, default=512, metavar="PX", help="longest edge; 0 as they are (default: 512)")
    group.add_argument("--questions", type=int, default=8, metavar="N", help="of one image at once; 0 for all (default: 8)")
    group.add_argument("--max-tokens", type=int, default=2048, metavar="N", help="of one conversation (default: 2048)")
    group.add_argument(
        "--held-out-share", type=float, default=0.05, metavar="P", help="of the images, for evaluation (default: 0.05)"
    )
    group.add_argument(
        "--held-out-most", type=int, default=64, metavar="N", help="conversations that are judged on (default: 64)"
    )


def _add_course(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--steps", type=int, default=0, metavar="N", help="(default: by epochs)")
    group.add_argument("--epochs", type=float, default=1.0, metavar="X", help="(default: 1)")
    group.add_argument("--batch-size", type=int, default=4, metavar="N", help="conversations at once on a device (default: 4)")
    group.add_argument("--accumulation", type=int, default=1, metavar="N", help="batches a step (default: 1)")
    group.add_argument("--learning-rate", type=float, default=0.0, metavar="X", help="(default: 2e-4 for lora, 2e-5 for full)")
    group.add_argument("--warmup-share", type=float, default=0.03, metavar="P", help="of the steps (default: 0.03)")
    group.add_argument("--gradient-checkpointing", action="store_true", help="less memory, more time")
    group.add_argument("--checkpoint-every", type=int, default=0, metavar="N", help="steps (default: a tenth of all)")
    group.add_argument("--keep-checkpoints", action="store_true", help="keep them when the run is done")
    group.add_argument("--device", default="auto", help="auto, cpu, cuda (default: auto)")
    group.add_argument(
        "--dtype", choices=("auto", "float32", "float16", "bfloat16"), default="auto", help="of the weights (default: auto)"
    )
    group.add_argument("--seed", type=int, default=0, help="of order, noise and adapters (default: 0)")
    group.add_argument("--cache", type=Path, metavar="DIR", help="where `datasets` keeps what it has read (default: its own)")


def _add_embedded(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--replayed-scenes", type=int, default=512, metavar="N", help="rendered, to keep what the model knows (default: 512)"
    )
    group.add_argument("--scratch-steps", type=int, default=4000, metavar="N", help="scratch: on rendered scenes (default: 4000)")


def add_ablations(parser: argparse.ArgumentParser) -> None:
    """Everything that ``spatialvlm bench-ablations`` understands."""
    parser.add_argument("--quick", action="store_true", help="a little of everything: does it run, not how good is it")
    parser.add_argument("--config", type=Path, metavar="YAML", help="the plan (default: config/training/ablations.yaml)")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="processes (default: 2)")
    parser.add_argument("--out", type=Path, default=Path("out/ablations"), help="where results go (default: out/ablations)")
    parser.add_argument("--benchmark", type=Path, help="also write the benchmark file, e.g. benchmarks/ablations.json")


def run_ablations(options: argparse.Namespace) -> int:
    """Run the plan; 0 when all gates are met, 1 when not. Raises as ``cli.main`` catches."""
    from .evaluation.ablation_bench import AblationBenchOptions, run_ablation_bench
    from .share import config_file

    config = options.config or config_file("training", "ablations.yaml")
    bench = AblationBenchOptions(options.out, options.benchmark, config, options.workers, options.quick)
    return DONE if run_ablation_bench(bench) else NOT_BETTER


# -- arguments to a configuration -------------------------------------------------------------------------------------------

# What the embedded model's figures count.
_FIGURES = {
    "names": "share of names found", "numbers": "negative log density of lengths (less is better)",
    "verdicts": "share of comparisons right",
}  # fmt: skip
NOT_GIVEN = object()
"""Stands for an option that the command line left open, which even the default, given on purpose, does not."""
# Options that a file may not give: they are about one run on one machine.
_NOT_IN_FILES = ("base", "data", "out", "config", "resume", "overwrite", "allow_download", "keep_checkpoints", "cache", "command")


def with_file(options: argparse.Namespace) -> argparse.Namespace:
    """The options with the values of --config for those that were not given, and the defaults for those that it leaves open.

    Raises:
        ValueError: the file is no YAML mapping of such options.
        OSError: it cannot be read.
    """
    known = _file_defaults()
    content = {} if options.config is None else _read_file(options.config, known)
    merged = {name: content.get(name, known.get(name)) if value is NOT_GIVEN else value for name, value in vars(options).items()}
    return argparse.Namespace(**merged)


def _read_file(path: Path, known: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a file. Raises as ``with_file``."""
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OSError(f"{path} cannot be read ({error.strerror}); check the path of --config") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no YAML: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} must map options to values, such as 'method: full'")
    unknown = sorted(str(name) for name in content if name not in known)
    if unknown:
        raise ValueError(f"{path} gives {', '.join(unknown)}; known are {', '.join(sorted(known))}")
    return content


def _file_defaults() -> dict[str, Any]:
    """The options that a file may give, as they are when nothing gives them."""
    parser = argparse.ArgumentParser()
    _add_all(parser)
    found = vars(parser.parse_args(["--from", "", "--out", ""]))
    return {name: value for name, value in found.items() if name not in _NOT_IN_FILES}


def config_of(options: argparse.Namespace) -> FinetuneConfig:
    """The configuration of parsed arguments. Raises ValueError for arguments that do not go together."""
    from .training.adapters import LoraOptions
    from .training.finetune_config import FinetuneConfig, data_choice

    names = (
        "base", "method", "vision", "revision", "label_noise_std_m", "spatial_share", "image_size_px", "questions", "max_tokens",
        "steps", "epochs", "batch_size", "accumulation", "learning_rate", "warmup_share", "held_out_share", "held_out_most",
        "checkpoint_every", "merge", "gradient_checkpointing", "seed", "device", "dtype",
    )  # fmt: skip
    values: dict[str, Any] = {name: getattr(options, name) for name in names}
    lora = LoraOptions(options.lora_rank, options.lora_alpha, options.lora_dropout)
    try:
        return FinetuneConfig(data=tuple(data_choice(text) for text in options.data), lora=lora, **values)
    except TypeError as error:
        raise ValueError(f"an option has a value of the wrong kind ({error})") from error


# -- the command ------------------------------------------------------------------------------------------------------------


def run(options: argparse.Namespace) -> int:
    """Do what the arguments ask for; returns the exit code. Raises as ``cli.main`` catches."""
    from .perception.models.errors import ModelDeviceError, ModelError, ModelMemoryError

    try:
        return _run(with_file(options))
    except KeyboardInterrupt:
        print(f"interrupted; go on with the same command and --resume (checkpoints are in {options.out})", file=sys.stderr)
        raise
    except ImportError:
        raise
    except (ModelDeviceError, ModelMemoryError) as error:
        raise RuntimeError(str(error)) from error
    except ModelError as error:
        raise ValueError(str(error)) from error


def _is_embedded(base: str) -> bool:
    """Whether the model to begin with is of the embedded model's class."""
    import json

    if base in (EMBEDDED, SCRATCH):
        return True
    try:
        found = json.loads((Path(base).expanduser() / "config.json").read_text(encoding="utf-8"))
        return bool(found["model_type"] == "spatialvlm")
    except (OSError, ValueError, KeyError, TypeError):
        return False


# What is read with --from embedded or scratch, of the options that a file may give.
_OF_EMBEDDED = ("steps", "batch_size", "learning_rate", "held_out_share", "seed", "replayed_scenes", "scratch_steps")


def _refuse_unread(options: argparse.Namespace) -> None:
    """Raises ValueError for what the embedded model's training does not know: nobody should believe that it had an effect."""
    from .training.finetune_config import data_choice

    known = {**_file_defaults(), "device": "cpu" if options.device == "cpu" else "auto"}  # it is trained on the CPU
    unread = [name for name in known if name not in _OF_EMBEDDED and getattr(options, name) != known[name]]
    if unread:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in unread)
        raise ValueError(f"{names}: not known to --from {options.base}; leave it out (--help lists what is read)")
    weighted = [text for text in options.data if data_choice(text).weight != 1]
    if weighted:
        raise ValueError(f"--data {weighted[0]} has a weight; --from {options.base} draws from all data sets alike: leave it out")


def _run_embedded(options: argparse.Namespace) -> int:
    from .cli_synthesize import all_parts
    from .training.embedded.user_run import EmbeddedRun, run_embedded
    from .training.embedded.user_training import UserTraining
    from .training.finetune_config import data_choice

    _refuse_unread(options)
    if not options.data:
        raise ValueError("there is nothing to train on: give --data, or use 'make train-embedded' for rendered scenes alone")
    training = UserTraining(
        steps=options.steps or UserTraining.steps, images=4 * options.batch_size, replayed_scenes=options.replayed_scenes,
        tower_rate=options.learning_rate or UserTraining.tower_rate, seed=options.seed,
    )  # fmt: skip
    paths = tuple(data_choice(text).path for text in options.data)
    run = EmbeddedRun(options.base, paths, training, options.held_out_share, options.scratch_steps)
    report = run_embedded(
        run, options.out, all_parts(), resume=options.resume, overwrite=options.overwrite, cache_dir=options.cache
    )
    for name, one in report.figures.items():
        if isinstance(one, dict) and one["before"] is not None:
            print(f"{_FIGURES.get(name, name)} on held-out images: {one['before']:.3f} before, {one['after']:.3f} after")
    if report.dropped:
        print(f"not used: {', '.join(f'{cause} {count}' for cause, count in report.dropped.items())}")
    if report.is_better is None:
        print("no image was held out, so nobody knows whether it is better; give a larger --held-out-share")
    if report.is_better is not False:
        print(f"the model is in {report.out}; judge it with: spatialvlm evaluate --model {report.out} --data DIR")
        return DONE
    print("not good: on held-out images the model is no better than before, or one of these figures fell", file=sys.stderr)
    return NOT_BETTER


def _run(options: argparse.Namespace) -> int:
    from .training.finetune import Diverged, finetune

    if _is_embedded(options.base):
        return _run_embedded(options)
    config = config_of(options)
    try:
        report = finetune(
            config,
            options.out,
            resume=options.resume,
            overwrite=options.overwrite,
            keep_checkpoints=options.keep_checkpoints,
            allow_download=options.allow_download,
            cache_dir=options.cache,
        )
    except Diverged as error:
        print(f"not good: {error}", file=sys.stderr)
        return NOT_BETTER
    where = "held-out images" if report.held_out else "training images (none were held out)"
    dropped = ", ".join(f"{cause} {count}" for cause, count in sorted(report.dropped.items())) or "none"
    print(f"loss on {where}: {report.before:.4f} before, {report.after:.4f} after {report.steps} steps; rows dropped: {dropped}")
    if report.is_better:
        adapted = config.method == "lora" and not config.merge
        model = f"{config.base} --adapter {report.out}" if adapted else str(report.out)
        print(f"the model is in {report.out}; judge it with: spatialvlm evaluate --model {model} --data DIR")
        return DONE
    print("not good: the model is no better than before; more steps or another --learning-rate may help", file=sys.stderr)
    return NOT_BETTER
