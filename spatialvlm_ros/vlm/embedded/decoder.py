"""The decoder: things as tokens and a question in words to a verdict, a number with its deviation, and a sentence.

A small transformer. Its prompt is: a token for each thing, one for each pair, the question with pointers for names, how long the
answer shall be, and <ask>. At <ask> it says the first word of the answer, which is the verdict (yes, no, a pointer, a side, or
"a number"), and the density of the number; behind it follows the sentence. Never changes: a number's density is over metres on a
signed logarithmic scale; the prompt sees itself whole, the answer sees what is before it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .decoder_density import Density
from .decoder_geometry import PAIR_LENGTHS, THING_LENGTHS, field, pair_lengths, thing_lengths
from .decoder_words import MAX_THINGS, POINTERS, VERDICT_PAIRS, Words
from .object_tokens import FIELDS, NUM_FEATURES

PAIRS = ((0, 1), (0, 2), (1, 2))
NUM_LENGTHS = MAX_THINGS * len(THING_LENGTHS) + len(PAIRS) * len(PAIR_LENGTHS)
_PREFIX = MAX_THINGS + len(PAIRS)
# Least spread of the last component of a number's density, of asinh(value / scale_m).
_TAIL = 0.2
_LENGTHS = ("position", "height", "box", "extents", "size", "reach")
_DEVIATIONS = ("std", "box_std", "extents_std", "size_std", "shared")
_OTHERS = ("cross", "sight", "points", "kind")


@dataclass(frozen=True)
class DecoderConfig:
    """Sizes of a decoder.

    Attributes:
        words: its vocabulary.
        dim, layers, heads: of the transformer.
        max_question, max_answer: most words of each; a longer question is cut, unless that leaves out a pointer.
        components: of the number's density.
        scale_m: lengths below are told apart linearly, those above by their logarithm.
        copies: whether a number starts at one that stands between the things' tokens, which the decoder points at; without, it is
            decoded from nothing.
    """

    words: tuple[str, ...]
    dim: int = 128
    layers: int = 2
    heads: int = 4
    max_question: int = 40
    max_answer: int = 32
    components: int = 3
    scale_m: float = 0.01
    copies: bool = True

    def __post_init__(self) -> None:
        if self.dim % self.heads or min(self.dim, self.layers, self.heads, self.components, self.max_answer) < 1:
            raise ValueError(f"dim {self.dim} must be a multiple of heads {self.heads}, and all sizes must be above 0")
        if not self.scale_m > 0:
            raise ValueError(f"scale_m {self.scale_m} must be above 0")

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self) | {"words": list(self.words)}

    @staticmethod
    def from_json(data: dict[str, Any]) -> DecoderConfig:
        """Raises ValueError for fields that are unknown or missing."""
        unknown = set(data) - {one.name for one in fields(DecoderConfig)}
        if unknown or "words" not in data:
            raise ValueError(f"a decoder's configuration has no {', '.join(sorted(unknown)) or 'words'}")
        return DecoderConfig(**{**data, "words": tuple(data["words"])})


@dataclass(frozen=True)
class Prompted:
    """What a decoder says at <ask>.

    Attributes:
        logits: (B, V) of the answer's first word.
        density: of the number.
        memory: keys and values of the prompt (B, heads, L, dim / heads) of each layer, for the sentence.
        keep: (B, L) bool: the words of the prompt that are there.
        things: (B, MAX_THINGS, dim) the things' tokens, for pointers.
    """

    logits: Tensor
    density: Density
    memory: list[tuple[Tensor, Tensor]]
    keep: Tensor
    things: Tensor


class _Layer(nn.Module):
    """Pre-norm attention and MLP."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm, self.mlp_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.up, self.down = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)

    def forward(
        self, x: Tensor, mask: Tensor, memory: tuple[Tensor, Tensor] | None, last: int = 0
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """What becomes of the ``last`` words of x (B, L, dim), 0 for all of them, and keys and values of all that was read."""
        dim, normed = x.shape[-1], self.attention_norm(x)
        if last:
            x, queries = x[:, -last:], _rows_of(self.qkv, normed[:, -last:], 0, dim)
            parts = (queries, *_rows_of(self.qkv, normed, dim, 3 * dim).chunk(2, -1))
        else:
            parts = self.qkv(normed).chunk(3, -1)
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        if memory is not None:
            k, v = torch.cat([memory[0], k], 2), torch.cat([memory[1], v], 2)
        # In full precision: on a CPU the gradient of attention in halves takes four times as long.
        mixed = F.scaled_dot_product_attention(q.float(), k.float(), v.float(), attn_mask=mask)
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(self.mlp_norm(x)))), (k, v)


def _rows_of(layer: nn.Linear, x: Tensor, first: int, end: int) -> Tensor:
    """Some of the outputs of a linear layer."""
    return F.linear(x, layer.weight[first:end], layer.bias[first:end])


def _senses(words: Words) -> Tensor:
    """(V,) 1 for the first word of each pair of verdicts, -1 for the second, to begin with."""
    senses = torch.zeros(len(words))
    for first, second in VERDICT_PAIRS:
        senses[words.id(first)], senses[words.id(second)] = 1.0, -1.0
    return senses


def _mlp(inputs: int, dim: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, dim), nn.GELU(), nn.Linear(dim, dim))


class AnswerDecoder(nn.Module):
    """See the module's text. ``temperature`` (verdict pairs,) and ``std_factor`` () are fitted on held-out measurements."""

    temperature: Tensor
    std_factor: Tensor

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.vocabulary = Words(config.words)
        dim = config.dim
        lengths = sum(FIELDS[name].stop - FIELDS[name].start for name in _LENGTHS)
        deviations = sum(FIELDS[name].stop - FIELDS[name].start for name in _DEVIATIONS)
        others = sum(FIELDS[name].stop - FIELDS[name].start for name in _OTHERS)
        self.thing = _mlp(2 * (lengths + len(THING_LENGTHS)) + deviations + others, dim)
        self.pair = _mlp(4 * len(PAIR_LENGTHS), dim)
        self.words = nn.Embedding(len(config.words), dim)
        self.places = nn.Embedding(_PREFIX + config.max_question + 2 + config.max_answer, dim)
        self.pointer = nn.Linear(dim, dim)
        self.layers = nn.ModuleList(_Layer(dim, config.heads) for _ in range(config.layers))
        self.norm = nn.LayerNorm(dim)
        # What <ask> starts from: neighbouring words of the question, and all things; attention refines it.
        self.wording = nn.Conv1d(dim, 2 * dim, 3, padding=1)
        self.summary = nn.Linear(2 * dim + _PREFIX * dim, dim)
        self.margin = nn.Linear(dim, 2 * len(PAIRS) * len(PAIR_LENGTHS))
        self.sense = nn.Parameter(_senses(self.vocabulary))
        self.alike = nn.Parameter(torch.ones(()))
        self.copy = nn.Linear(dim, 2 * NUM_LENGTHS)
        self.number = nn.Linear(dim, 4 * config.components + 2)
        self.register_buffer("temperature", torch.ones(len(VERDICT_PAIRS)))
        self.register_buffer("std_factor", torch.ones(()))
        ids = [self.vocabulary.id(pointer) for pointer in POINTERS]
        self.register_buffer("pointer_ids", torch.tensor(ids), persistent=False)
        for part in (self.words, self.places):
            nn.init.normal_(part.weight, std=0.05)
        nn.init.zeros_(self.number.weight)
        nn.init.zeros_(self.number.bias)

    # -- prompt ---------------------------------------------------------------------------------------------------------

    def prompt(self, objects: Tensor, present: Tensor, question: Tensor) -> Prompted:
        """Read things and questions.

        Args:
            objects: (B, MAX_THINGS, NUM_FEATURES) float32, rows of ``object_tokens``.
            present: (B, MAX_THINGS) bool, which of them there are.
            question: (B, L) int64 word numbers, 0 behind the end; the last two columns are <brief> or <full>, and <ask>.

        Raises:
            ValueError: shapes that do not fit.
        """
        self._check(objects, present, question)
        objects = torch.where(present[..., None], objects, torch.zeros_like(objects))
        own, own_std = thing_lengths(objects)
        first, second = (list(side) for side in zip(*PAIRS, strict=True))
        # Tokens that no question of the batch has are left out: nothing would attend to them.
        slots = 1 + max((at for at in range(MAX_THINGS) if bool(present[:, at].any())), default=0)
        used = [*range(slots), *(MAX_THINGS + at for at, pair in enumerate(PAIRS) if max(pair) < slots)]
        pairs, pairs_std = pair_lengths(objects[:, first], objects[:, second])
        both = present[:, first] & present[:, second]
        things = self.thing(_thing_inputs(objects, own))
        between = self.pair(_pair_inputs(pairs, pairs_std))
        prefix = torch.cat([things, between], 1)[:, used]
        keep = torch.cat([torch.cat([present, both], 1)[:, used], question != 0], 1)
        length = question.shape[1]
        # The two last words stand at the same places behind questions of any length.
        at_end = self.places.weight[_PREFIX + self.config.max_question :][:2]
        places = torch.cat([self.places.weight[[*used, *range(_PREFIX, _PREFIX + length - 2)]], at_end])
        embedded = self._embedded(question, self.pointer(things))
        x = torch.cat([prefix, embedded], 1) + places
        x = torch.cat([x[:, :-1], x[:, -1:] + self._summed(embedded, question != 0, things, between, present, both)], 1)
        mask = keep[:, None, None, :]
        memory = []
        for number, layer in enumerate(self.layers, 1):
            # Of the last layer nothing but <ask> is read on.
            x, kept = layer(x, mask, None, last=1 if number == len(self.layers) else 0)
            memory.append(kept)
        # Millimetres are lost in halves of a number's bits.
        with torch.autocast(x.device.type, enabled=False):
            last = self.norm(x[:, -1].float())
            lengths = torch.cat([own.flatten(1), pairs.flatten(1)], 1)
            deviations = torch.cat([own_std.flatten(1), pairs_std.flatten(1)], 1)
            known = [present.repeat_interleave(len(THING_LENGTHS), 1), both.repeat_interleave(len(PAIR_LENGTHS), 1)]
            compared = self.margin(last).unflatten(1, (2, pairs.flatten(1).shape[1]))
            density = self._density(last, compared, lengths, deviations, torch.cat(known, 1))
            logits = last @ self.words.weight.T + self._leaning(compared, pairs / pairs_std.clamp_min(1e-4), known[1])
            return Prompted(logits, density, memory, keep, things)

    def _summed(self, embedded: Tensor, keep: Tensor, things: Tensor, between: Tensor, present: Tensor, both: Tensor) -> Tensor:
        """(B, 1, dim) what <ask> starts from."""
        words = (embedded * keep[..., None]).transpose(1, 2)
        # The question apart from the two words behind it: they are neighbours only where nothing is padded.
        parts = torch.cat([self.wording(part) for part in (words[..., :-2], words[..., -2:])], -1)
        heard = (F.gelu(parts) * keep[:, None]).sum(-1) / keep.sum(1, keepdim=True).sqrt() / 2
        seen = torch.cat([things * present[..., None], between * both[..., None]], 1).flatten(1)
        return self.summary(torch.cat([heard, seen], 1))[:, None]

    def _leaning(self, compared: Tensor, margins: Tensor, there: Tensor) -> Tensor:
        """(B, V) what margins in deviations, which the decoder points at, add to the words of verdicts."""
        shares = _shares(compared, there)
        margin = ((shares[:, 0] - shares[:, 1]) * margins.flatten(1).clamp(-8, 8)).sum(-1)
        return margin[:, None] * self.sense

    def _check(self, objects: Tensor, present: Tensor, question: Tensor) -> None:
        count = len(objects)
        if objects.shape != (count, MAX_THINGS, NUM_FEATURES) or present.shape != (count, MAX_THINGS) or question.ndim != 2:
            raise ValueError(
                f"tokens {tuple(objects.shape)}, present {tuple(present.shape)} and questions {tuple(question.shape)} must be "
                f"(B, {MAX_THINGS}, {NUM_FEATURES}), (B, {MAX_THINGS}) and (B, words)"
            )
        if len(question) != count or not 3 <= question.shape[1] <= self.config.max_question + 2:
            raise ValueError(
                f"{tuple(question.shape)} questions do not fit {count} rows of 1 .. {self.config.max_question} words"
            )

    def _embedded(self, ids: Tensor, pointed: Tensor) -> Tensor:
        """Words, pointers with what they point at: ``pointed`` (B, MAX_THINGS, dim)."""
        return self.words(ids) + (ids[..., None] == self.pointer_ids).to(pointed.dtype) @ pointed

    def _density(self, last: Tensor, compared: Tensor, lengths: Tensor, deviations: Tensor, there: Tensor) -> Density:
        components, scale = self.config.components, self.config.scale_m
        raw = self.number(last)
        weight, moved, wider, turned = raw[:, : 4 * components].unflatten(1, (4, components)).unbind(1)
        if self.config.copies:
            # "How far left" and "is it left" point at the same length with the same sign.
            alike = F.pad(self.alike * compared, (NUM_LENGTHS - compared.shape[-1], 0))
            shares = _shares(self.copy(last).unflatten(1, (2, NUM_LENGTHS)) + alike, there)
            value = ((shares[:, 0] - shares[:, 1]) * lengths).sum(-1)
            std = (shares.sum(1) * deviations).sum(-1).clamp_min(2e-4)
        else:
            value, std = torch.zeros_like(raw[:, 0]), torch.full_like(raw[:, 0], 0.05)
            turned = 20 * turned
        start = torch.asinh(value / scale)
        unit = std / (value**2 + scale**2).sqrt()
        # Components start apart, or they would stay one.
        apart = torch.linspace(-0.5, 0.5, components, device=last.device)
        location = start[:, None] + unit[:, None] * (4 * moved + apart) + turned
        spread = unit[:, None] * torch.exp((wider + apart).clamp(-3, 4)) * 0.6 + 1e-3 + F.softplus(raw[:, -1:] - 6)
        # The last one is never narrow: what is far off costs its distance in this, and no wrong answer costs without bounds.
        spread = spread + _TAIL * (torch.arange(components, device=last.device) == components - 1)
        return Density(weight.log_softmax(-1), location, spread, scale, value)

    # -- sentence -------------------------------------------------------------------------------------------------------

    def sentence_logits(self, prompted: Prompted, answer: Tensor) -> Tensor:
        """(B, T, V) of the word behind each word of the answers (B, T), the first of which is the verdict; for training."""
        length = answer.shape[1]
        causal = torch.ones(length, length, dtype=torch.bool, device=answer.device).tril()
        before = prompted.keep[:, None, None, :].expand(-1, 1, length, -1)
        mask = torch.cat([before, causal.expand(len(answer), 1, -1, -1)], -1)
        places = torch.arange(length, device=answer.device)
        return self.continued(answer, places, self.pointer(prompted.things), prompted.memory, mask)[0]

    def continued(
        self,
        words: Tensor,
        places: Tensor,
        pointed: Tensor,
        memory: list[tuple[Tensor, Tensor]],
        mask: Tensor,
        read: Tensor | None = None,
    ) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """Read on in answers.

        Args:
            words: (B, T) int64 that come next. places: (T,) or (B, T) int64, their places in the answer.
            pointed: (B, MAX_THINGS, dim) what pointers point at. memory: of what was read before, L words.
            mask: (B, 1, T or 1, L + T) bool, what each word sees.
            read: (B,) int64 the one word of each answer behind which the next is wanted; None for all.

        Returns:
            (B, T, V) logits of the word behind each, or (B, 1, V) behind those of ``read``, and the memory of L + T words.
        """
        x = self._embedded(words, pointed) + self.places(places + (_PREFIX + self.config.max_question + 2))
        kept = []
        for layer, before in zip(self.layers, memory, strict=True):
            x, both = layer(x, mask, before)
            kept.append(both)
        x = x if read is None else x[torch.arange(len(x), device=x.device), read][:, None]
        return self.norm(x).float() @ self.words.weight.T, kept

    @torch.no_grad()
    def sentences(self, prompted: Prompted, verdicts: Tensor) -> list[list[int]]:
        """Word numbers of the likeliest sentence behind each verdict (B,), without the verdict and <end>."""
        end = self.vocabulary.id("<end>")
        words, memory, keep = verdicts[:, None], prompted.memory, prompted.keep
        said: list[Tensor] = []
        pointed = self.pointer(prompted.things)
        done = torch.zeros(len(verdicts), dtype=torch.bool, device=verdicts.device)
        for place in range(self.config.max_answer - 1):
            keep = torch.cat([keep, torch.ones_like(keep[:, :1])], 1)
            at = torch.tensor([place], device=verdicts.device)
            logits, memory = self.continued(words, at, pointed, memory, keep[:, None, None, :])
            words = logits[:, -1].argmax(-1, keepdim=True)
            words = torch.where(done[:, None], torch.full_like(words, end), words)
            said.append(words)
            done = done | (words[:, 0] == end)
            if bool(done.all()):
                break
        rows = torch.cat(said, 1).tolist() if said else [[] for _ in verdicts]
        return [row[: row.index(end)] if end in row else row for row in rows]


def _shares(scores: Tensor, there: Tensor) -> Tensor:
    """(B, 2, M) shares of lengths and of lengths with the other sign (B, 2, M scores); none of those that are not ``there``."""
    return scores.masked_fill(~there[:, None], -1e4).flatten(1).softmax(-1).unflatten(1, scores.shape[1:])


def _squashed(lengths: Tensor) -> Tensor:
    """Lengths of millimetres to metres as numbers of order 1, twice as many."""
    return torch.cat([torch.asinh(lengths / 0.003) / 4, torch.asinh(lengths / 0.1)], -1)


def _log_std(deviations: Tensor) -> Tensor:
    return (deviations.clamp_min(1e-4).log() + 5.5) / 2


def _thing_inputs(objects: Tensor, own: Tensor) -> Tensor:
    lengths = torch.cat([*(field(objects, name) for name in _LENGTHS), own], -1)
    deviations = torch.cat([field(objects, name) for name in _DEVIATIONS], -1)
    others = torch.cat([field(objects, name) for name in _OTHERS], -1)
    return torch.cat([_squashed(lengths), _log_std(deviations), others], -1)


def _pair_inputs(pairs: Tensor, deviations: Tensor) -> Tensor:
    return torch.cat([_squashed(pairs), torch.asinh(pairs / deviations.clamp_min(1e-4)) / 2, _log_std(deviations)], -1)
