"""Goes on training the embedded model with a user's own images: the tower on their regions and names, the decoder on their pairs.

What the model knew is kept by learning rendered scenes in turns with the user's. Words that it does not know yet become words of
its vocabulary. Never changes: same model, data and seed, same weights; captions of other images are never wrong names, for nobody
said so.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...vlm.embedded.decoder import AnswerDecoder
from ...vlm.embedded.decoder_words import NUMBER, Words
from ...vlm.embedded.model import SpatialVlmModel
from ...vlm.embedded.tokenizer import PhraseTokenizer
from ...vlm.embedded.tower import RegionTextTower, match
from ..chat_data import DataError
from .pool import THING, RegionShard, pack_pictures
from .render import Renderer
from .tower_data import DataConfig, make_shard
from .tower_phrases import draw_phrases
from .train_decoder import decoder_losses
from .train_tower import TowerRun, TowerTraining, train_step
from .user_data import UserData, UserImage, UserQuestion, batch_of
from .vocabulary import CONCEPTS

Say = Callable[[str], None]


@dataclass(frozen=True)
class UserTraining:
    """How the model goes on learning.

    Attributes:
        steps: of the tower, every other one on rendered scenes; and of the decoder.
        images: of a step.
        replayed_scenes: rendered for the tower; 0 learns from the user's alone, and forgets.
        tower_rate, decoder_rate: highest learning rates, of AdamW along a half cosine.
        new_words: at most so many unknown words of captions become known.
    """

    steps: int = 300
    images: int = 16
    replayed_scenes: int = 512
    tower_rate: float = 3e-4
    decoder_rate: float = 1e-4
    new_words: int = 500
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.steps, self.images) < 1 or min(self.replayed_scenes, self.new_words, self.seed) < 0:
            raise ValueError(f"steps {self.steps} and images {self.images} must be from 1 up, the other numbers from 0 up")


def train_on(model: SpatialVlmModel, data: UserData, training: UserTraining, say: Say) -> tuple[SpatialVlmModel, dict[str, Any]]:
    """A model that learnt from a user's data, and figures on held-out images before and after.

    Figures: "names", share of captions whose region scores best among those of its image; "numbers", mean negative log density of
    lengths, nats; "verdicts", share of comparisons that are right; each {"before", "after"}, None where nothing was held out.
    """
    tower, added = with_words(model.tower, unknown_words(model.tower, data)[: training.new_words])
    if added:
        say(f"{len(added)} new words: {', '.join(added[:8])}{' ...' if len(added) > 8 else ''}")
    before = names_right(tower, data.held_out)
    tower = _train_tower(tower, data.train, training, say)
    figures: dict[str, Any] = {"names": {"before": before, "after": names_right(tower, data.held_out)}, "new_words": added}
    decoder = model.decoder
    if decoder is not None:
        figures |= {name: {"before": value} for name, value in answers_right(decoder, data.held_out).items()}
        decoder = _train_decoder(decoder, data.train, training, say)
        for name, value in answers_right(decoder, data.held_out).items():
            figures[name]["after"] = value
    config = copy.deepcopy(model.config)
    config.tower = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(tower.config).items()}
    grown = SpatialVlmModel(config)
    grown.tower.load_state_dict(tower.state_dict())
    grown.gripper.load_state_dict(model.gripper.state_dict())
    if decoder is not None and grown.decoder is not None:
        grown.decoder.load_state_dict(decoder.state_dict())
    return grown.eval(), figures


# -- tower ------------------------------------------------------------------------------------------------------------------


def unknown_words(tower: RegionTextTower, data: UserData) -> list[str]:
    """Words of captions that a tower does not know, in the order of the alphabet."""
    tokenizer = PhraseTokenizer(tower.config.words, tower.config.max_words)
    captions = [caption for image in (*data.train, *data.held_out) for caption in image.captions]
    return sorted({word for unknown in tokenizer.encode(captions).unknown for word in unknown})


def with_words(tower: RegionTextTower, words: Sequence[str]) -> tuple[RegionTextTower, list[str]]:
    """A copy of a tower that knows more words; what it said of the old ones it says still."""
    new = [word for word in words if word not in tower.config.words]
    torch.manual_seed(len(tower.config.words))
    grown = RegionTextTower(replace(tower.config, words=(*tower.config.words, *new)))
    state = dict(tower.state_dict())
    table = grown.phrases.words.weight.detach().clone()
    table[: len(tower.config.words)] = state["phrases.words.weight"]
    grown.load_state_dict({**state, "phrases.words.weight": table})
    return grown.eval(), new


def _train_tower(tower: RegionTextTower, images: Sequence[UserImage], training: UserTraining, say: Say) -> RegionTextTower:
    settings = TowerTraining(
        seed=training.seed, steps=training.steps, rate=training.tower_rate, warm_up=max(1, training.steps // 10), decay=0.01,
        bfloat16=False, average=0.99,
    )  # fmt: skip
    # The proposals are the user's masks themselves, which teach nothing about mending; attributes are not known.
    own = replace(settings, mask_weight=0.0, attribute_weight=0.0)
    optimizer = torch.optim.AdamW(tower.parameters(), lr=settings.rate, betas=(0.9, 0.98), weight_decay=settings.decay)
    run = TowerRun(tower, copy.deepcopy(tower), optimizer)
    tokenizer = PhraseTokenizer(tower.config.words, tower.config.max_words)
    replayed = _replayed(training, say)
    _keep_norms(tower)
    every = max(1, training.steps // 5)
    for step in range(training.steps):
        rng = np.random.default_rng([training.seed, 11, step])
        if replayed is not None and step % 2:
            first = int(rng.integers(max(1, len(replayed) - 96)))
            batch = replayed.rows(torch.arange(first, min(len(replayed), first + 96)))
            losses = train_step(run, settings, tokenizer, rng, batch, draw_phrases)
        else:
            chosen = [images[int(at)] for at in rng.integers(len(images), size=training.images)]
            losses = train_step(run, own, tokenizer, rng, shard_of(chosen), _captions_of(chosen))
        run.step += 1
        if run.step % every == 0:
            say(f"tower, step {run.step} of {training.steps}: matching loss {losses['match']:.4f}")
    run.averaged.eval()
    return run.averaged


def _replayed(training: UserTraining, say: Say) -> RegionShard | None:
    """Rendered scenes that the tower may have learnt from already."""
    if not training.replayed_scenes:
        return None
    say(f"rendering {training.replayed_scenes} scenes to keep what it knows")
    config = DataConfig(seed=training.seed, scenes=training.replayed_scenes, batch=min(32, training.replayed_scenes))
    return make_shard(Renderer(), config, 0)[0]


def _keep_norms(tower: nn.Module) -> None:
    """Learn with the statistics that the tower has: those of a few images are none."""
    tower.train()
    for module in tower.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def shard_of(images: Sequence[UserImage]) -> RegionShard:
    """Regions of some images; of their concepts nothing is known."""
    pictures = torch.cat([image.pictures for image in images])
    count = len(pictures)
    own = pictures[:, 7] > 0.5
    inside = (pictures[:, :3] != 0).any(dim=1) | own
    scene = torch.cat([torch.full((len(image.pictures),), at, dtype=torch.int32) for at, image in enumerate(images)])
    return RegionShard(
        **pack_pictures(pictures, own, inside), scalars=torch.cat([image.scalars for image in images]),
        concepts=torch.full((count, len(CONCEPTS)), -1, dtype=torch.int8), kind=torch.full((count,), THING, dtype=torch.uint8),
        scene=scene,
    )  # fmt: skip


def _captions_of(images: Sequence[UserImage]) -> Callable[[np.random.Generator, RegionShard, int], tuple[list[str], Tensor]]:
    """Phrases of a batch of images: all captions that occur in it, with their truth."""

    def draw(rng: np.random.Generator, batch: RegionShard, count: int) -> tuple[list[str], Tensor]:
        return caption_truth(images, count, rng)

    return draw


def caption_truth(images: Sequence[UserImage], count: int, rng: np.random.Generator) -> tuple[list[str], Tensor]:
    """At most ``count`` captions, and (P, N) whether the regions of the images answer to them: 1, 0 or NaN for open.

    True of a region with the same caption. False of a region of an image that has the caption, too, unless one's words are all
    among the other's: "mug" may be true of the "red mug". Open in other images.
    """
    phrases = list(dict.fromkeys(caption for image in images for caption in image.captions))
    if len(phrases) > count:
        phrases = [phrases[int(at)] for at in np.sort(rng.permutation(len(phrases))[:count])]
    rows = []
    for phrase in phrases:
        words = set(phrase.lower().split())
        row: list[float] = []
        for image in images:
            there = phrase in image.captions
            for caption in image.captions:
                others = set(caption.lower().split())
                near = words <= others or others <= words
                row.append(1.0 if caption == phrase else 0.0 if there and not near else np.nan)
        rows.append(row)
    return phrases, torch.tensor(rows, dtype=torch.float32)


@torch.no_grad()
def names_right(tower: RegionTextTower, images: Sequence[UserImage]) -> float | None:
    """Share of captions whose region, or one that is called the same, scores best in its image; None without any choice."""
    tokenizer = PhraseTokenizer(tower.config.words, tower.config.max_words)
    right = total = 0
    for image in images:
        if len(set(image.captions)) < 2:
            continue
        ids = torch.from_numpy(tokenizer.encode(image.captions).ids)
        best = match(tower.phrases(ids), tower.regions(image.pictures, image.scalars)).argmax(dim=1).tolist()
        right += sum(image.captions[at] == caption for at, caption in zip(best, image.captions, strict=True))
        total += len(image.captions)
    return right / total if total else None


# -- decoder ----------------------------------------------------------------------------------------------------------------


def _asked(images: Sequence[UserImage]) -> list[tuple[UserImage, UserQuestion]]:
    return [(image, question) for image in images for question in image.asked]


def _train_decoder(decoder: AnswerDecoder, images: Sequence[UserImage], training: UserTraining, say: Say) -> AnswerDecoder:
    asked = _asked(images)
    if not asked:
        say("no question of the data can be read by the decoder; it stays as it is")
        return decoder
    decoder = copy.deepcopy(decoder).train()
    optimizer = torch.optim.AdamW(decoder.parameters(), lr=training.decoder_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, training.steps)
    every = max(1, training.steps // 5)
    for step in range(training.steps):
        rng = np.random.default_rng([training.seed, 13, step])
        chosen = [asked[int(at)] for at in rng.integers(len(asked), size=8 * training.images)]
        losses = decoder_losses(decoder, batch_of(chosen, decoder.vocabulary, decoder.config.max_question))
        loss = losses["verdict"] + 0.4 * losses["number"]
        if not bool(torch.isfinite(loss)):
            raise DataError(f"the decoder's loss of step {step} is {float(loss)}: a number in the data may be out of all bounds")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(decoder.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if (step + 1) % every == 0:
            say(f"decoder, step {step + 1} of {training.steps}: loss {float(loss.detach()):.4f}")
    decoder.eval()
    return decoder


@torch.no_grad()
def answers_right(decoder: AnswerDecoder, images: Sequence[UserImage]) -> dict[str, float | None]:
    """ "numbers" and "verdicts", see ``train_on``; the verdict is the likelier one of those that exclude each other."""
    asked = _asked(images)
    found: dict[str, float | None] = {"numbers": None, "verdicts": None}
    words: Words = decoder.vocabulary
    numbers = [one for one in asked if one[1].verdict == NUMBER]
    others = [one for one in asked if one[1].verdict != NUMBER]
    if numbers:
        losses = decoder_losses(decoder, batch_of(numbers, words, decoder.config.max_question))
        found["numbers"] = float(losses["number"])
    if others:
        batch = batch_of(others, words, decoder.config.max_question)
        said = decoder.prompt(*(torch.from_numpy(each) for each in (batch.objects, batch.present, batch.question)))
        right = [_is_right(said.logits[row], int(verdict), words) for row, verdict in enumerate(batch.verdict)]
        found["verdicts"] = float(np.mean(right))
    return found


def _is_right(logits: Tensor, verdict: int, words: Words) -> bool:
    from ...vlm.embedded.decoder_words import VERDICT_PAIRS

    pair = next(pair for pair in VERDICT_PAIRS if words.words[verdict] in pair)
    other = words.id(pair[0] if pair[1] == words.words[verdict] else pair[1])
    return bool(logits[verdict] > logits[other])
