"""
A real server with the chat protocol, `transformers serve`, on a tiny Llama that has learnt the conversations of the tests.

The conversations are written down by playing them through our own proposer and game with set replies, so whatever those two
send is what the model has learnt. Tokenizer and model are made and trained here, in a process of its own that this file's
`main` runs: torch stays out of the tests' process. To keep that short, each system prompt, which never changes, is one token.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from spatialvlm_ros.chat.endpoint import EndpointConfig

HOST = "127.0.0.1"
TRAIN_S, START_S, END_S = 70.0, 80.0, 10.0
VOCABULARY, HIDDEN, LAYERS, HEADS = 700, 128, 2, 4
MAX_STEPS, LEARNING_RATE = 500, 3e-3
# Of the least sure word: far enough from a coin's toss that rounding on another machine changes no answer.
LEAST_PROBABILITY = 0.9
PAD, END, ASSISTANT = "<|pad|>", "<|end|>", "<|assistant|>"
SPECIAL = [PAD, END, "<|system|>", "<|user|>", ASSISTANT]
TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}{{ part['text'] }}{% endfor %}{% endif %}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)

Message = dict[str, str]
Conversation = list[Message]


class Script:
    """Says set texts in turn and keeps each conversation up to the text it said."""

    def __init__(self, texts: Iterable[str]) -> None:
        self.texts = list(texts)
        self.conversations: list[Conversation] = []

    def chat(
        self, messages: Sequence[Mapping[str, str]], *, schema: Mapping[str, Any] | None, timeout_s: float | None = None
    ) -> str:
        text = self.texts[len(self.conversations)]
        self.conversations.append([*(dict(message) for message in messages), {"role": "assistant", "content": text}])
        return text


def written_down(play: Callable[[Script], object], texts: Sequence[str]) -> list[Conversation]:
    """Every conversation that `play` has with a model that says `texts`; how it ends does not matter here."""
    script = Script(texts)
    with contextlib.suppress(Exception):
        play(script)
    assert len(script.conversations) == len(texts), f"{len(texts)} texts are set, {len(script.conversations)} were asked for"
    return script.conversations


def environment() -> dict[str, str]:
    """Nothing is looked for on other machines, and threads do not fight for cores that the tests share with others."""
    offline = dict.fromkeys(("HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY", "HF_HUB_DISABLE_UPDATE_CHECK"), "1")
    return {**os.environ, **offline, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "CUDA_VISIBLE_DEVICES": ""}


def train(directory: Path, conversations: Sequence[Conversation]) -> Path:
    """Make a model folder below `directory` whose model says the last message of each conversation."""
    corpus, model = directory / "conversations.json", directory / "model"
    corpus.write_text(json.dumps(list(conversations)), encoding="utf-8")
    command = [sys.executable, __file__, str(corpus), str(model)]
    result = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=TRAIN_S, check=False)
    assert result.returncode == 0, f"the tiny model was not made; is the extra 'serve' installed?\n{result.stderr}"
    return model


class TinyServer:
    """`transformers serve` as a process."""

    def __init__(self, model: Path, log: Path) -> None:
        self.model, self.log = model, log
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            self.port = probe.getsockname()[1]
        program = "from transformers.cli.transformers import main; main()"
        arguments = ["serve", str(model), "--device", "cpu", "--host", HOST, "--port", str(self.port)]
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-c", program, *arguments], stdout=out, stderr=subprocess.STDOUT, env=environment()
            )

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def config(self, **changes: Any) -> EndpointConfig:
        return EndpointConfig(**{"url": self.url, "model": str(self.model), "max_tokens": 200, **changes})

    def wait(self) -> None:
        """Return as soon as it answers."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(urllib.error.URLError, ConnectionError), self._health() as answer:
                assert answer.status == 200
                return
            time.sleep(0.1)
        raise AssertionError(f"the server does not answer:\n{self.log.read_text(errors='replace')}")

    def _health(self) -> Any:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        return opener.open(f"{self.url}/health", timeout=5.0)

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """The process hangs: it holds its port and does nothing."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(END_S)

    def end(self) -> None:
        if self.process.poll() is None:
            self.kill()


# ---------------------------------------------------------------- the process that makes the model


def make_tokenizer(conversations: Sequence[Conversation]) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    plain = Tokenizer(models.BPE())
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    plain.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    messages = [message for talk in conversations for message in talk]
    said = dict.fromkeys(message["content"] for message in messages if message["role"] != "system")
    plain.train_from_iterator(said, trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=plain, eos_token=END, pad_token=PAD)
    tokenizer.add_tokens(sorted({message["content"] for message in messages if message["role"] == "system"}))
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def make_batch(tokenizer: Any, conversations: Sequence[Conversation]) -> dict[str, Any]:
    """All conversations side by side, (N, L); only the model's last words have labels."""
    import torch

    rows = []
    for talk in conversations:
        prompt = tokenizer.apply_chat_template(talk[:-1], add_generation_prompt=True, return_dict=True)["input_ids"]
        answer = tokenizer(talk[-1]["content"] + END, add_special_tokens=False)["input_ids"]
        rows.append((prompt, answer))
    shape = (len(rows), max(len(prompt) + len(answer) for prompt, answer in rows))
    tokens, labels = torch.full(shape, tokenizer.pad_token_id), torch.full(shape, -100)
    mask = torch.zeros(shape, dtype=torch.long)
    for row, (prompt, answer) in enumerate(rows):
        start, end = len(prompt), len(prompt) + len(answer)
        tokens[row, :end] = torch.tensor(prompt + answer)
        labels[row, start:end] = torch.tensor(answer)
        mask[row, :end] = 1
    return {"input_ids": tokens, "attention_mask": mask, "labels": labels}


def main(corpus: Path, directory: Path) -> None:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    conversations = json.loads(corpus.read_text(encoding="utf-8"))
    torch.manual_seed(0)
    tokenizer = make_tokenizer(conversations)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=HIDDEN,
        intermediate_size=2 * HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS,
        max_position_embeddings=4096,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(config)
    batch = make_batch(tokenizer, conversations)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=0.0)
    labels = batch.pop("labels")[:, 1:]
    for _ in range(MAX_STEPS):
        logits = model(**batch).logits[:, :-1]
        losses = torch.nn.functional.cross_entropy(logits.transpose(1, 2), labels, reduction="none")[labels >= 0]
        if losses.max() < -math.log(LEAST_PROBABILITY):
            break
        optimizer.zero_grad()
        losses.mean().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    else:
        raise SystemExit(f"after {MAX_STEPS} steps a word still has the loss {losses.max().item():.3f}")
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
