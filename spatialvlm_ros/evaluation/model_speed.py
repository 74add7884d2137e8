"""Time and memory of ten questions about one image, beside a Llava-class model of the same size.

Its weights are random: only time is compared. All take turns on the same images, so that what else the machine does meets all.
"""

from __future__ import annotations

import resource
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..engine import RobotState, SpatialEngine
from ..synthesis.record import generator_of
from ..vlm.interface import Question, SpatialVlm
from .engine_speed import fresh
from .model_exam import Exam, exam_of
from .model_fallback import WordsOnly
from .model_scenes import IN, TestScene, scene_of
from .vqa_run import engine_config, view_of

QUESTIONS = 10
_PARAMETERS = 6_700_000
# (image side, patch side) of the baseline, px: Llava 1.5's own, and a thriftier one.
SIGHTS = {"224 px, patches of 16": (224, 16), "336 px, patches of 14": (336, 14)}
_QUESTION_TOKENS, _ANSWER_TOKENS, _VOCABULARY = 16, 8, 2048


def run_speed(_: int, spec: str, seeds: Sequence[int], width_px: int, threads: Sequence[int]) -> dict[str, Any]:
    """All timings, each model's with the number of ``threads`` that it is quickest with; for a process of its own."""
    import torch

    from .model_source import opened

    vlm = opened(spec)
    scenes = [scene_of(seed, IN, width_px) for seed in seeds]
    tens = [ten_of(exam_of(scene)) for scene in scenes]
    scenes = [scene for scene, exam in zip(scenes, tens, strict=True) if exam is not None]
    exams = [exam for exam in tens if exam is not None]
    if not exams:
        raise ValueError(f"none of the {len(tens)} scenes from seed {seeds[0]} on has {QUESTIONS} questions; time more scenes")
    parameters = parameters_of(vlm)
    baselines = {name: LlavaClass(parameters, *sight) for name, sight in SIGHTS.items()}
    jobs: dict[str, Callable[[TestScene, Exam], Any]] = {"engine": Engine(vlm).answer, **_model_jobs(vlm)}
    jobs |= {name: model.answer for name, model in baselines.items()}
    by_threads = []
    for count in threads:
        torch.set_num_threads(count)
        by_threads.append({name: {**figures, "threads": count} for name, figures in _timed(jobs, scenes, exams).items()})
    ms = {name: min((some[name] for some in by_threads), key=lambda figures: figures["p50"]) for name in jobs}
    return {
        "questions": QUESTIONS, "images": len(scenes),
        "images_with_too_few_questions": len(tens) - len(exams), "parameters": parameters,
        "baseline_parameters": {name: model.num_parameters for name, model in baselines.items()}, "ms": ms,
        "ratio_of_p50": {
            name: {sight: ms[name]["p50"] / ms[sight]["p50"] for sight in SIGHTS} for name in ms if name not in SIGHTS
        },
    }  # fmt: skip


def ten_of(exam: Exam) -> Exam | None:
    """The exam with ten of its questions, each of another type, drawn at random; None for one that asks for fewer types."""
    first = {record.relation: at for at, record in reversed(list(enumerate(exam.records)))}
    if len(first) < QUESTIONS:
        return None
    rng = generator_of(89, exam.records[0].image, "ten questions")
    chosen = rng.choice(sorted(first.values()), QUESTIONS, replace=False)
    return replace(
        exam, records=tuple(exam.records[at] for at in chosen), queries=tuple(exam.queries[at] for at in chosen),
        parts=tuple(exam.parts[at] for at in chosen),
    )  # fmt: skip


def parameters_of(vlm: SpatialVlm) -> int:
    """How many parameters a model has; the spike's number where it holds no network of its own (words, a server)."""
    count = getattr(getattr(vlm, "model", None), "num_parameters", None)
    return int(count()) if callable(count) else _PARAMETERS


def _timed(
    jobs: Mapping[str, Callable[[TestScene, Exam], Any]], scenes: Sequence[TestScene], exams: Sequence[Exam]
) -> dict[str, dict[str, float]]:
    """Milliseconds of each job on each image, which it has not seen before; the first image, seen once more, warms all up."""
    taken: dict[str, list[float]] = {name: [] for name in jobs}
    for scene, exam in [(scenes[0], exams[0]), *zip(scenes, exams, strict=True)]:
        for name, job in jobs.items():
            unseen = scene.with_images(color=scene.frame.color.copy(), depth_m=scene.frame.depth_m.copy())
            started = time.perf_counter()
            job(unseen, exam)
            taken[name].append(1e3 * (time.perf_counter() - started))
    return {name: _spread(values[1:]) for name, values in taken.items()}


def _spread(values: Sequence[float]) -> dict[str, float]:
    p50, p95 = np.quantile(values, (0.5, 0.95))
    return {"p50": float(p50), "p95": float(p95), "max": float(np.max(values))}


@dataclass
class Engine:
    """The whole way: an image to things, names bound by the model, ten answers."""

    vlm: SpatialVlm

    def answer(self, scene: TestScene, exam: Exam) -> None:
        config = engine_config(scene.noise)
        engine = SpatialEngine(config, vlm=None if isinstance(self.vlm, WordsOnly) else self.vlm)
        names = dict.fromkeys(name for query in exam.queries for name in query.names)
        observed = engine.observe(fresh(scene.frame), names, RobotState(up=scene.up))
        engine.measure_all(observed, exam.queries)


def _model_jobs(vlm: SpatialVlm) -> dict[str, Callable[[TestScene, Exam], Any]]:
    """The model's own answers in words; regions are found anew for each image, as part of its time."""

    def own(scene: TestScene, exam: Exam) -> None:
        glance = vlm.look(view_of(scene.frame, scene.up, engine_config(scene.noise)))
        glance.answer([Question(record.question, query) for record, query in zip(exam.records, exam.queries, strict=True)])

    def ground(scene: TestScene, exam: Exam) -> None:
        glance = vlm.look(view_of(scene.frame, scene.up, engine_config(scene.noise)))
        glance.ground(exam.all_names[:QUESTIONS])

    return {"own answers": own, "grounding": ground} if vlm.answers else {"grounding": ground}


class LlavaClass:
    """A Llava model with random weights, its size the nearest to ``parameters``; it encodes an image once for all questions."""

    def __init__(self, parameters: int, image_px: int, patch_px: int) -> None:
        import torch
        from transformers import LlavaForConditionalGeneration

        torch.manual_seed(0)
        self._image_px, self._tokens = image_px, (image_px // patch_px) ** 2
        configs = [_llava_config(width, image_px, patch_px) for width in range(64, 1025, 32)]
        sizes = []
        for config in configs:
            with torch.device("meta"):
                sizes.append(sum(weight.numel() for weight in LlavaForConditionalGeneration(config).parameters()))
        best = int(np.argmin(np.abs(np.array(sizes) - parameters)))
        self.num_parameters = sizes[best]
        self._model: Any = LlavaForConditionalGeneration(configs[best]).eval()

    def answer(self, scene: TestScene, _: Exam) -> None:
        """Ten questions of 16 tokens about a colour image, answered with eight tokens each."""
        import cv2
        import torch

        small = cv2.resize(scene.frame.color, (self._image_px, self._image_px), interpolation=cv2.INTER_AREA)
        pixels = torch.from_numpy(small.astype(np.float32).transpose(2, 0, 1)[None] / 127.5 - 1)
        image_token = self._model.config.image_token_id
        # The cache's argument has another name from one version of transformers to the next; both work.
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            prompt = torch.full((1, self._tokens), image_token)
            past = self._model(input_ids=prompt, pixel_values=pixels, use_cache=True, logits_to_keep=1).past_key_values
            past.batch_repeat_interleave(QUESTIONS)
            tokens = torch.arange(QUESTIONS * _QUESTION_TOKENS).reshape(QUESTIONS, -1) % (_VOCABULARY - 8)
            for _step in range(_ANSWER_TOKENS):
                said = self._model(input_ids=tokens, past_key_values=past, use_cache=True, logits_to_keep=1)
                past, tokens = said.past_key_values, said.logits[:, -1:].argmax(-1)


def _llava_config(width: int, image_px: int, patch_px: int) -> Any:
    from transformers import CLIPVisionConfig, LlavaConfig, Qwen2Config

    heads = max(width // 32, 1)
    sight = CLIPVisionConfig(
        hidden_size=width, intermediate_size=4 * width, num_hidden_layers=6, num_attention_heads=heads,
        image_size=image_px, patch_size=patch_px, projection_dim=width,
    )  # fmt: skip
    text = Qwen2Config(
        vocab_size=_VOCABULARY, hidden_size=width, intermediate_size=3 * width, num_hidden_layers=6,
        num_attention_heads=heads, num_key_value_heads=heads, max_position_embeddings=2048,
    )  # fmt: skip
    return LlavaConfig(vision_config=sight, text_config=text, image_token_index=_VOCABULARY - 1, vision_feature_layer=-1)


def run_memory(_: int, scene: TestScene, exam: Exam, spec: str) -> dict[str, float]:
    """Peak memory, MB, of a process that opens a model and sits one exam; and before it had one. For a process of its own."""
    from .model_judge import sit
    from .model_source import opened

    before = _peak_mb()
    vlm = opened(spec)
    sit(scene, exam, vlm)
    return {"peak_mb": _peak_mb(), "peak_mb_before_the_model": before}


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
