"""The likeliest sentence of a decoder where only a few are allowed: where these differ, it says which way to go on.

Word by word the decoder would say the same, or something that is not allowed. What the allowed ones have in common is read in one
go, and nothing is read once a single one is left.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .decoder import AnswerDecoder, Prompted


class _Saying:
    """One answer as far as it is said: ``words`` from the verdict on, of which the decoder has read ``read``.

    ``left`` are the sentences that it may still become, with <end>.
    """

    def __init__(self, verdict: int, allowed: Sequence[Sequence[int]], end: int, most: int) -> None:
        self.words, self.read = [verdict], 0
        self.left = [[*sentence, end] for sentence in dict.fromkeys(map(tuple, allowed)) if len(sentence) < most]
        self._go_on()

    @property
    def is_over(self) -> bool:
        return len(self.left) < 2

    @property
    def said(self) -> list[int] | None:
        """The sentence without <end>; None where none was allowed."""
        return self.left[0][:-1] if self.left else None

    def _go_on(self) -> None:
        """Say what all sentences that are left have in common."""
        while not self.is_over:
            following = {sentence[len(self.words) - 1] for sentence in self.left}
            if len(following) > 1:
                return
            self.words.append(following.pop())

    def chunk(self) -> list[int]:
        """The words to read next."""
        return [] if self.is_over else self.words[self.read :]

    def hear(self, likelihood: npt.NDArray[np.float32]) -> None:
        """Take in how likely each word (V,) is behind those that were read."""
        at = len(self.words) - 1
        following = sorted({sentence[at] for sentence in self.left})
        word = following[int(likelihood[following].argmax())]
        self.read = len(self.words)
        self.words.append(word)
        self.left = [sentence for sentence in self.left if sentence[at] == word]
        self._go_on()


@torch.no_grad()
def sentences_among(
    decoder: AnswerDecoder, prompted: Prompted, verdicts: Tensor, allowed: Sequence[Sequence[Sequence[int]]]
) -> list[list[int] | None]:
    """As ``AnswerDecoder.sentences``, with the likeliest word at each place among those that lead to an allowed sentence.

    Args:
        allowed: for each row word numbers of sentences without the verdict and <end>. None is said where none of them is short
            enough for the decoder.
    """
    end, device = decoder.vocabulary.id("<end>"), verdicts.device
    most = decoder.config.max_answer - 1
    rows = [_Saying(verdict, some, end, most) for verdict, some in zip(verdicts.tolist(), allowed, strict=True)]
    memory, keep, pointed = prompted.memory, prompted.keep, decoder.pointer(prompted.things)
    open_rows = [row for row in rows if not row.is_over]
    if len(open_rows) < len(rows):
        memory, keep, pointed = _those(rows, memory, keep, pointed)
    while open_rows:
        chunks = [row.chunk() for row in open_rows]
        lengths = torch.tensor([len(chunk) for chunk in chunks], device=device)
        longest = max(map(len, chunks))
        words = torch.tensor([[*chunk, *[0] * (longest - len(chunk))] for chunk in chunks], device=device)
        places = torch.tensor([row.read for row in open_rows], device=device)[:, None] + torch.arange(longest, device=device)
        own = torch.arange(longest, device=device) < lengths[:, None]
        causal = torch.ones(longest, longest, dtype=torch.bool, device=device).tril()
        before = keep[:, None, None, :].expand(-1, 1, longest, -1)
        mask = torch.cat([before, causal & own[:, None, None, :]], -1)
        logits, memory = decoder.continued(words, places.clamp(max=most), pointed, memory, mask, read=lengths - 1)
        keep = torch.cat([keep, own], 1)
        for row, likelihood in zip(open_rows, logits[:, 0].cpu().numpy(), strict=True):
            row.hear(likelihood)
        memory, keep, pointed = _those(open_rows, memory, keep, pointed)
        open_rows = [row for row in open_rows if not row.is_over]
    return [row.said for row in rows]


def _those(
    rows: Sequence[_Saying], memory: list[tuple[Tensor, Tensor]], keep: Tensor, pointed: Tensor
) -> tuple[list[tuple[Tensor, Tensor]], Tensor, Tensor]:
    """What belongs to the rows that go on."""
    going = [at for at, row in enumerate(rows) if not row.is_over]
    if len(going) == len(rows):
        return memory, keep, pointed
    return [(keys[going], values[going]) for keys, values in memory], keep[going], pointed[going]
