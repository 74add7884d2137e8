"""``spatialvlm``: the command line. Each command is a thin reader of arguments over a module that does the work."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

from . import __version__, calm, cli_doctor  # noqa: F401 - first of all
from .recording import label_cli

# Exit codes: 0 done, 1 ran but the result is not good, 2 wrong arguments or input, 3 could not run.
_BAD_RESULT, _BAD_INPUT, _FAILED = 1, 2, 3


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="spatialvlm", description="Metric spatial sense for robots with an RGB-D camera.")
    parser.add_argument("--version", action="version", version=f"spatialvlm_ros {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="a simulated robot measured, rewarded and planned for by the real nodes")
    demo.add_argument("instruction", nargs="?", help="default: pick up the red block and put it on the green plate")
    demo.add_argument("--seed", type=int, default=0, help="seed of the scene (default: 0)")
    demo.add_argument("--out", type=Path, default=Path("out/demo"), help="where results go (default: out/demo)")
    demo.add_argument("--timeout", type=float, default=150.0, metavar="S", help="longest time for the task (default: 150)")
    demo.add_argument("--vlm", default="", metavar="MODEL", help="which model binds names, or off (default: spatial_node's own)")

    from .cli_synthesize import add_arguments

    add_arguments(commands.add_parser("synthesize", help="images, recordings or scenes of our own into spatial questions"))
    from .cli_train import add_ablations
    from .cli_train import add_arguments as add_train_arguments

    add_train_arguments(commands.add_parser("train", help="a model on spatial questions: fine-tuned, or ours from scratch"))
    from .cli_evaluate import add_arguments as add_evaluate_arguments
    from .cli_evaluate import add_bench_arguments

    add_evaluate_arguments(commands.add_parser("evaluate", help="a model's answers to a data set, beside baselines and controls"))
    add_bench_arguments(commands.add_parser("bench-model", help="names found and questions answered by a model, against truth"))
    add_ablations(commands.add_parser("bench-ablations", help="the paper's ablations at small scale, seeds side by side"))
    _add_ask(commands.add_parser("ask", help="a spatial question about one image of a folder or a bag"))

    cli_doctor.add_arguments(commands.add_parser("doctor", help="what is installed, and what a running camera really sends"))
    label_cli.add_arguments(commands.add_parser("label", help="dense metric rewards for recorded bags, image by image"))

    real = commands.add_parser("demo-real", help="real camera frames through the same spatial_node")
    real.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="RGB-D folders or bags (default: frames at hand)")
    real.add_argument("--out", type=Path, default=Path("out/demo"), help="where results go (default: out/demo)")
    real.add_argument("--depth-unit-m", type=float, help="metres of one count of depth, where the folder does not say")

    seeds = commands.add_parser("demo-seeds", help="the demo over several seeds, with statistics")
    seeds.add_argument("--seeds", type=int, default=10, metavar="N", help="seeds 0 to N-1 (default: 10)")
    seeds.add_argument("--out", type=Path, default=Path("out/demo-seeds"), help="where results go (default: out/demo-seeds)")
    seeds.add_argument("--benchmark", type=Path, help="also write the benchmark file, e.g. benchmarks/demo.json")
    seeds.add_argument("--vlm", default="", metavar="MODEL", help="which model binds names, or off (default: spatial_node's own)")

    bench = commands.add_parser("bench-engine", help="the engine against true scenes, real labels and a plain pipeline")
    bench.add_argument("--quick", action="store_true", help="a few scenes only: does it run, not how good is it")
    bench.add_argument("--seed", type=int, default=0, metavar="N", help="added to the seeds of all scenes (default: 0)")
    bench.add_argument("--workers", type=int, default=2, metavar="N", help="processes for the scenes (default: 2)")
    bench.add_argument("--out", type=Path, default=Path("out/engine"), help="where results go (default: out/engine)")
    bench.add_argument("--benchmark", type=Path, help="also write the benchmark file, e.g. benchmarks/engine.json")

    spoken = commands.add_parser("bench-language", help="questions read, reasoned about and answered, against truth")
    spoken.add_argument("--quick", action="store_true", help="a little of everything: does it run, not how good is it")
    spoken.add_argument("--seed", type=int, default=0, metavar="N", help="added to the seeds of all scenes (default: 0)")
    spoken.add_argument("--workers", type=int, default=2, metavar="N", help="processes for all but the timing (default: 2)")
    spoken.add_argument("--out", type=Path, default=Path("out/language"), help="where results go (default: out/language)")
    spoken.add_argument("--benchmark", type=Path, help="also write the benchmark file, e.g. benchmarks/language.json")

    made = commands.add_parser("bench-synthesis", help="data that is made of rendered and of real images, against truth")
    made.add_argument("--quick", action="store_true", help="a little of everything: does it run, not how good is it")
    made.add_argument("--seed", type=int, default=0, metavar="N", help="added to the seeds of all scenes (default: 0)")
    made.add_argument("--workers", type=int, default=2, metavar="N", help="processes for all but the timing (default: 2)")
    made.add_argument("--out", type=Path, default=Path("out/synthesis"), help="where results go (default: out/synthesis)")
    made.add_argument("--benchmark", type=Path, help="also write the benchmark file, e.g. benchmarks/synthesis.json")

    rewarded = commands.add_parser("bench-reward", help="dense rewards of simulated episodes, against truth")
    rewarded.add_argument("--quick", action="store_true", help="two episodes, small images: does it run, not how good is it")
    rewarded.add_argument("--seed", type=int, default=0, metavar="N", help="added to the seeds of all scenes (default: 0)")
    rewarded.add_argument("--workers", type=int, default=2, metavar="N", help="processes for the episodes (default: 2)")
    rewarded.add_argument("--out", type=Path, default=Path("out/reward"), help="where results go (default: out/reward)")
    rewarded.add_argument("--benchmark", type=Path, help="also write the benchmark file, e.g. benchmarks/reward.json")

    designs = commands.add_parser("bench-designs", help="two designs of the embedded model on the same small budget")
    designs.add_argument("--quick", action="store_true", help="a few scenes and seconds: does it run, not how good is it")
    designs.add_argument("--seed", type=int, default=0, metavar="N", help="of scenes and training (default: 0)")
    designs.add_argument("--cpu-seconds", type=float, default=600.0, metavar="S", help="of one core for each (default: 600)")
    designs.add_argument("--out", type=Path, default=Path("out/designs"), help="where results go (default: out/designs)")
    designs.add_argument("--benchmark", type=Path, help="also write the benchmark file, e.g. benchmarks/designs.json")

    labelled = commands.add_parser("bench-label", help="how fast recordings are labelled, and in how much memory")
    labelled.add_argument("--scenes", type=int, default=4, metavar="N", help="episodes of each long recording (default: 4)")
    labelled.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the scenes (default: 0)")
    labelled.add_argument("--out", type=Path, default=Path("out/label-bench"), help="where results go (default: out/label-bench)")
    labelled.add_argument("--benchmark", type=Path, help="also write the benchmark file, e.g. benchmarks/label.json")

    recorded = commands.add_parser("bench-reward-robosuite", help="dense rewards of recorded robosuite episodes, against truth")
    recorded.add_argument("--episodes", type=Path, default=Path("out/robosuite/episodes"), help="what the recorder left")
    recorded.add_argument("--workers", type=int, default=2, metavar="N", help="processes for the episodes (default: 2)")
    recorded.add_argument("--out", type=Path, default=Path("out/robosuite"), help="where results go (default: out/robosuite)")
    recorded.add_argument("--benchmark", type=Path, help="also write the benchmark file, e.g. benchmarks/reward_robosuite.json")

    learnt = commands.add_parser("bench-reward-learning", help="reinforcement learning with four rewards")
    learnt.add_argument("--steps", type=int, default=2000, metavar="N", help="of each run (default: 2000)")
    learnt.add_argument("--workers", type=int, default=2, metavar="N", help="processes for the runs (default: 2)")
    learnt.add_argument("--out", type=Path, default=Path("out/reward-learning"), help="where results go")
    learnt.add_argument("--benchmark", type=Path, help="also write the benchmark file, e.g. benchmarks/reward_learning.json")
    return parser


def _add_ask(ask: argparse.ArgumentParser) -> None:
    from .vlm.factory import DEFAULT_VLM
    from .vlm.factory import HELP as VLM_HELP

    ask.description = (
        "Answers a spatial question about one RGB-D image with its uncertainty, frame and trace. "
        "Exit code: 0 answered, 1 the image does not tell, 2 the question or the input cannot be read, 3 could not run."
    )
    ask.add_argument("question", help="e.g. 'Which of the cans is nearest to the gripper?'")
    source = ask.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--frame", type=Path, metavar="PATH", help="a pair of images: FOLDER/NAME, or a folder that holds one pair"
    )
    source.add_argument("--bag", type=Path, help="a bag with colour, depth aligned to it, and camera_info")
    ask.add_argument("--at", type=float, default=0.0, metavar="S", help="with --bag: seconds after its first image (default: 0)")
    ask.add_argument(
        "--robot", type=Path, metavar="YAML", help="with --bag: parameters of spatial_node (gripper, gravity, shape)"
    )
    ask.add_argument("--view", default="", metavar="FRAME", help="whose left, right, front and behind: a tf frame, or canonical")
    ask.add_argument(
        "--depth-unit-m", type=float, metavar="M", help="metres of one count of depth, where the folder does not say"
    )
    ask.add_argument("--depth-noise", metavar="NAME", help="structured_light, stereo, time_of_flight or exact (default: stereo)")
    ask.add_argument("--vlm", metavar="MODEL", help=VLM_HELP + f" Default: the robot file's, else {DEFAULT_VLM}.")
    ask.add_argument("--vlm-device", default="auto", metavar="NAME", help="where the model runs: auto, cpu, cuda (default: auto)")
    ask.add_argument("--vlm-download", action="store_true", help="fetch a hub model that is not on this machine yet")
    ask.add_argument("--json", action="store_true", help="everything as one JSON object, facts and expression tree included")
    ask.add_argument("--llm-url", metavar="URL", help="OpenAI-compatible server for questions that the grammar does not know")
    ask.add_argument("--llm-model", default="", metavar="NAME", help="the model's name on that server")
    ask.add_argument(
        "--llm-mode", choices=("tree", "friend"), default="tree", help="write a tree, or ask questions (default: tree)"
    )
    ask.add_argument("--llm-timeout", type=float, default=20.0, metavar="S", help="longest wait for one answer (default: 20)")


def _ask(options: argparse.Namespace) -> int:
    import json

    from .chat.endpoint import EndpointConfig
    from .evaluation.benchmark_file import plain
    from .reasoning.reasoner import Reasoner
    from .recording.ask import AskOptions, answer_document, ask
    from .vlm.factory import OFF
    from .vlm.options import VlmOptions

    reasoner = Reasoner()
    if options.llm_url is not None:
        reasoner = Reasoner(options.llm_mode, EndpointConfig(options.llm_url, options.llm_model, timeout_s=options.llm_timeout))
    asked = AskOptions(
        options.question,
        options.frame,
        options.bag,
        options.at,
        options.view,
        options.robot,
        options.depth_noise,
        options.depth_unit_m,
        reasoner,
        options.vlm,
        VlmOptions(device=options.vlm_device, timeout_s=options.llm_timeout, allow_download=options.vlm_download),
    )
    reply = ask(asked)
    answer, frame = reply.answer, reply.frame
    for text in reply.notes:
        print(f"note: {text}", file=sys.stderr)
    if options.json:
        print(json.dumps(plain(answer_document(reply)), ensure_ascii=False, indent=1, allow_nan=False))
    else:
        print(answer.text)
        print(f"frame {answer.frame_id or frame.frame_id}, image at {frame.stamp_ns * 1e-9:.3f} s, {answer.status.name}")
        print("\n".join(answer.trace))
        if reply.vlm != OFF:
            # A model that could not be opened says so itself.
            failed = reply.problem and reply.problem not in reply.vlm
            print(f"model: {reply.vlm}" + (f"; it failed: {reply.problem}" if failed else ""))
    return 0 if answer.answered else _BAD_RESULT


def _demo(options: argparse.Namespace) -> int:
    from .demo.run import INSTRUCTION, DemoOptions, episode_line, run_demo

    instruction = INSTRUCTION if options.instruction is None else options.instruction
    summary = run_demo(DemoOptions(options.out, options.seed, instruction, options.timeout, vlm=options.vlm))
    print(f"task {'succeeded' if summary['task_success'] else 'FAILED'} | {episode_line(summary)}")
    print(f"left in {options.out}: episode.mcap, summary.json, reward.png, overlay.mp4")
    return 0 if summary["task_success"] else _BAD_RESULT


def _demo_real(options: argparse.Namespace) -> int:
    from .demo.real import WHERE_TO_GET, RealOptions, default_paths, run_real

    paths = tuple(options.paths) or default_paths()
    if not paths:
        print(WHERE_TO_GET)
        return 0
    report = run_real(RealOptions(paths, options.out, options.depth_unit_m))
    lost = f", {len(report['left_out'])} left out" if report["left_out"] else ""
    print(f"{len(report['frames'])} frames{lost}; left in {options.out}: real.json, real/*.png")
    return _BAD_RESULT if report["left_out"] else 0


def _demo_seeds(options: argparse.Namespace) -> int:
    from .demo.seeds import run_seeds

    return 0 if run_seeds(options.seeds, options.out, options.benchmark, options.vlm) else _BAD_RESULT


def _bench_engine(options: argparse.Namespace) -> int:
    from .demo.real import labelled_frames
    from .evaluation.engine_accuracy import QUICK, Extent
    from .evaluation.engine_bench import EngineBenchOptions, run_engine_bench

    frames, inputs = labelled_frames()
    extent = QUICK if options.quick else Extent()
    bench = EngineBenchOptions(options.out, options.benchmark, extent, options.workers, options.seed, frames, inputs)
    return 0 if run_engine_bench(bench) else _BAD_RESULT


def _bench_language(options: argparse.Namespace) -> int:
    from .evaluation.language_bench import QUICK, LanguageBenchOptions, LanguageExtent, run_language_bench

    extent = QUICK if options.quick else LanguageExtent()
    bench = LanguageBenchOptions(options.out, options.benchmark, extent, options.workers, options.seed)
    return 0 if run_language_bench(bench) else _BAD_RESULT


def _bench_synthesis(options: argparse.Namespace) -> int:
    from .demo.real import default_paths
    from .evaluation.benchmark_file import sha256
    from .evaluation.synthesis_bench import QUICK, SynthesisBenchOptions, SynthesisExtent, run_synthesis_bench
    from .evaluation.synthesis_real import RealPictures
    from .recording.rgbd_folder import read_folder
    from .recording.synthesis_sources import BagSource, RgbdFolderSource
    from .share import share_directory
    from .synthesis.drawn_regions import DrawnRegions

    def real_pictures(path: Path) -> list[RealPictures]:
        if path.is_file() or (path / "metadata.yaml").exists():
            name, drawn = f"--from bag {path.name}", share_directory() / "config" / "regions" / f"{path.name}.json"
            plain = RealPictures(name, BagSource(path))
            if not drawn.is_file():
                return [plain]
            stages = (DrawnRegions(str(drawn)),)
            return [plain, RealPictures(f"{name} --gravity-frame world --regions", BagSource(path, "world"), stages=stages)]
        labels = {f"{path.name}/{item.name}": item.labels for item in read_folder(path) if item.labels is not None}
        return [RealPictures(f"--from rgbd {path.name}", RgbdFolderSource(path), labels)]

    paths = default_paths()
    files = [file for path in paths for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
    inputs = {f"{file.parent.name}/{file.name}": sha256(file) for file in files}
    extent = QUICK if options.quick else SynthesisExtent()
    real = [pictures for path in paths for pictures in real_pictures(path)]
    bench = SynthesisBenchOptions(options.out, options.benchmark, extent, options.workers, options.seed, real, inputs)
    return 0 if run_synthesis_bench(bench) else _BAD_RESULT


def _bench_reward(options: argparse.Namespace) -> int:
    from .evaluation.reward_bench import RewardBenchOptions, quick, run_reward_bench

    bench = RewardBenchOptions(options.out, options.benchmark, options.workers, options.seed)
    return 0 if run_reward_bench(quick(bench) if options.quick else bench) else _BAD_RESULT


def _bench_label(options: argparse.Namespace) -> int:
    from .recording.label_bench import LabelBenchOptions, run_label_bench

    bench = LabelBenchOptions(options.out, options.benchmark, options.scenes, options.seed)
    return 0 if run_label_bench(bench) else _BAD_RESULT


def _bench_reward_robosuite(options: argparse.Namespace) -> int:
    from .evaluation.robosuite_bench import RobosuiteOptions, run_robosuite

    bench = RobosuiteOptions(options.episodes, options.out, options.benchmark, options.workers)
    return 0 if run_robosuite(bench) else _BAD_RESULT


def _bench_reward_learning(options: argparse.Namespace) -> int:
    from .evaluation.reward_learning import LearningOptions, run_reward_learning

    bench = LearningOptions(options.out, options.benchmark, options.steps, workers=options.workers)
    return 0 if run_reward_learning(bench) else _BAD_RESULT


def _bench_designs(options: argparse.Namespace) -> int:
    from .evaluation.designs_bench import DesignOptions, bench_designs

    bench_designs(DesignOptions(options.seed, options.cpu_seconds, options.quick, options.out, options.benchmark))
    return 0


def _synthesize(options: argparse.Namespace) -> int:
    from .cli_synthesize import run

    return run(options)


def _train(options: argparse.Namespace) -> int:
    from .cli_train import run

    return run(options)


def _evaluate(options: argparse.Namespace) -> int:
    from .cli_evaluate import run

    return run(options)


def _bench_model(options: argparse.Namespace) -> int:
    from .cli_evaluate import run_bench

    return run_bench(options)


def _bench_ablations(options: argparse.Namespace) -> int:
    from .cli_train import run_ablations

    return run_ablations(options)


def _check(options: argparse.Namespace) -> None:
    """Raises ValueError for counts and times of a demo or benchmark that cannot be, OSError for a place it could not write to."""
    from .evaluation.benchmark_file import writable_folder

    for name in ("workers", "seeds", "frames", "scenes", "steps", "cpu_seconds", "timeout"):
        value = getattr(options, name, 1)
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"--{name.replace('_', '-')} is {value}; give a number above 0")
    if options.command.startswith("bench-"):
        writable_folder(options.out)
        if options.benchmark is not None:
            writable_folder(options.benchmark.parent)


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    options = _parser().parse_args(arguments)
    commands = {
        "demo": _demo,
        "ask": _ask,
        "doctor": cli_doctor.run,
        "label": label_cli.run,
        "synthesize": _synthesize,
        "train": _train,
        "bench-ablations": _bench_ablations,
        "evaluate": _evaluate,
        "demo-real": _demo_real,
        "demo-seeds": _demo_seeds,
        "bench-engine": _bench_engine,
        "bench-language": _bench_language,
        "bench-synthesis": _bench_synthesis,
        "bench-reward": _bench_reward,
        "bench-reward-robosuite": _bench_reward_robosuite,
        "bench-label": _bench_label,
        "bench-reward-learning": _bench_reward_learning,
        "bench-model": _bench_model,
        "bench-designs": _bench_designs,
    }
    command = commands[options.command]
    try:
        if options.command.startswith(("bench-", "demo")):
            _check(options)
        return command(options)
    except KeyboardInterrupt:
        # Where it came while a string was executed (a data class is made so), CPython has a mark left by which "python -m" ends
        # itself by the signal and not with our code. The next string that is executed takes it away.
        exec("")
        return 130
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return _BAD_INPUT
    except (RuntimeError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return _FAILED


def label_bag() -> int:
    """``ros2 run spatialvlm_ros label_bag``: the command "label" under a name of its own."""
    return main(["label", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
