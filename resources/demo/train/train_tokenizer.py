"""Trains the byte-level BPE vocabulary on the grammar and writes it with Qwen3's special tokens.

Usage: python train_tokenizer.py OUT_DIR
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from chat_layout import STOP_SENTENCE
from grammar.mixture import TASKS
from grammar.sample import draw

VOCABULARY = 640
#: Qwen's split pattern: every digit is a token of its own.
_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPECIAL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
THINK_TOKENS = ("<think>", "</think>")


def _texts(samples: int) -> Iterator[str]:
    """The share of a task here is the share of its words in the vocabulary, not in training."""
    rng = random.Random(11)
    shares = {"sums": 1, "stories": 4, "scenes": 3, "lookups": 3, "ordering": 1, "conversation": 3}
    frame = STOP_SENTENCE.replace("</think>", "") + "user\nassistant\nsystem\n /think /no_think\n\n"
    for i in range(samples):
        task = rng.choices(list(shares), list(shares.values()))[0]
        sample = draw(TASKS[task], rng, "train")
        yield f"{sample.prompt}\n{sample.thinking}\n\n{sample.answer}"
        if i % 5 == 0:
            yield frame


def train(samples: int = 60_000) -> Tokenizer:
    added = [*SPECIAL_TOKENS, *THINK_TOKENS]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(_PATTERN), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False, trim_offsets=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(added), initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False
    )
    tokenizer.train_from_iterator(_texts(samples), trainer)
    tokenizer.add_special_tokens([AddedToken(text, normalized=False, special=True) for text in SPECIAL_TOKENS])
    tokenizer.add_tokens([AddedToken(text, normalized=False, special=False) for text in THINK_TOKENS])
    if tokenizer.get_vocab_size() != VOCABULARY:
        raise ValueError(f"vocabulary has {tokenizer.get_vocab_size()} entries, {VOCABULARY} wanted")
    return tokenizer


if __name__ == "__main__":
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    train().save(str(out / "tokenizer.json"))
