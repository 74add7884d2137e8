"""The likeliest sentence of a decoder where only a few are allowed: what these have in common is read in one go.

Word by word the decoder would say the same, or something that is not allowed; but from the word on that tells the allowed ones
apart, the rest need only be checked, and a check of ten words costs little more than one word does.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .decoder import AnswerDecoder, Prompted


class _Saying:
    """One answer as far as it is said: ``words`` from the verdict on, of which the decoder has read ``read``.

    ``left`` are the sentences that it may still become, ``said`` is the one that it has become.
    """

    def __init__(self, verdict: int, allowed: Sequence[Sequence[int]], end: int, most: int) -> None:
        self.words, self.read = [verdict], 0
        self.left = [[*sentence, end] for sentence in allowed if len(sentence) < most]
        self.is_over = not self.left
        self.said: list[int] | None = None

    def chunk(self) -> list[int]:
        """The words to read next: those not read yet, and what all sentences that are left go on with."""
        return [] if self.is_over else self.words[self.read :] + self._common()[: self._most_common()]

    def _common(self) -> list[int]:
        at, first = len(self.words) - 1, self.left[0]
        length = next((n for n in range(at, len(first)) if any(other[n] != first[n] for other in self.left)), len(first))
        return first[at:length]

    def _most_common(self) -> int:
        # Nothing needs to be read behind <end>.
        common = self._common()
        return len(common) - 1 if len(self.words) - 1 + len(common) == len(self.left[0]) else len(common)

    def hear(self, likeliest: Sequence[int]) -> None:
        """Take in the decoder's likeliest word behind each word of the chunk."""
        if self.is_over:
            return
        common, heard = self._common(), list(likeliest[len(self.words) - self.read - 1 : len(self.chunk())])
        self.read = len(self.words) + self._most_common()
        if heard[: len(common)] != common:
            self.is_over = True
            return
        self.words += common
        if len(self.words) - 1 == len(self.left[0]):
            self.is_over, self.said = True, self.left[0][:-1]
            return
        at = len(self.words) - 1
        self.left = [sentence for sentence in self.left if sentence[at] == heard[len(common)]]
        self.words.append(heard[len(common)])
        self.is_over = not self.left
        if self.left and len(self.left[0]) == len(self.words) - 1:
            self.is_over, self.said = True, self.left[0][:-1]


@torch.no_grad()
def sentences_among(
    decoder: AnswerDecoder, prompted: Prompted, verdicts: Tensor, allowed: Sequence[Sequence[Sequence[int]]]
) -> list[list[int] | None]:
    """As ``AnswerDecoder.sentences``, with None for a sentence that is none of those allowed.

    Args:
        allowed: for each row word numbers of sentences without the verdict and <end>.
    """
    end, device = decoder.vocabulary.id("<end>"), verdicts.device
    most = decoder.config.max_answer - 1
    rows = [_Saying(verdict, some, end, most) for verdict, some in zip(verdicts.tolist(), allowed, strict=True)]
    memory, keep, pointed = prompted.memory, prompted.keep, decoder.pointer(prompted.things)
    while not all(row.is_over for row in rows):
        chunks = [row.chunk() for row in rows]
        longest = max(map(len, chunks))
        words = torch.tensor([[*chunk, *[0] * (longest - len(chunk))] for chunk in chunks], device=device)
        places = torch.tensor([row.read for row in rows], device=device)[:, None] + torch.arange(longest, device=device)
        own = torch.arange(longest, device=device) < torch.tensor([len(chunk) for chunk in chunks], device=device)[:, None]
        causal = torch.ones(longest, longest, dtype=torch.bool, device=device).tril()
        before = keep[:, None, None, :].expand(-1, 1, longest, -1)
        mask = torch.cat([before, causal & own[:, None, None, :]], -1)
        places = places.clamp(max=decoder.config.max_answer - 1)
        logits, memory = decoder.continued(words, places, pointed, memory, mask)
        keep = torch.cat([keep, own], 1)
        for row, likeliest in zip(rows, logits.argmax(-1).tolist(), strict=True):
            row.hear(likeliest)
    return [row.said for row in rows]
