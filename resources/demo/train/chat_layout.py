"""Puts an exchange into Qwen3's chat format and says how much each token counts in the loss.

The pieces are tokenised one by one at the places where the program joins them (end of the prompt, end of a cut think
block), so that training sees exactly the ids that the program feeds.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from tokenizers import Tokenizer

from grammar.mixture import Stage
from grammar.sample import Sample

#: The sentence with which Qwen3 closes a think block whose budget is used up.
STOP_SENTENCE = (
    "Considering the limited time by the user, I have to give the solution based on the thinking directly now.\n</think>\n\n"
)
_SYSTEM_PROMPTS = ("You are a helpful assistant.", "You are the demo model of Mixoscope.", "Answer the question.", "Be short.")

_FLAGGED_SHARE, _CUT_SHARE = 0.7, 0.35
_FLAG_WEIGHT, _OPEN_WEIGHT = 0.2, 0.3
_DIRECT_WEIGHT, _CUT_WEIGHT = 3.0, 3.0


@dataclass
class Tokens:
    """Ids with the loss weight of each."""

    ids: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)

    def add(self, ids: list[int], weight: float) -> None:
        self.ids.extend(ids)
        self.weights.extend([weight] * len(ids))


class ChatLayout:
    """Renders samples with one tokenizer."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._stop = self.encode(STOP_SENTENCE)
        self._open = self.encode("<think>\n")
        self._close = self.encode("\n</think>\n\n")
        self._empty = self.encode("<think>\n\n</think>\n\n")
        self._end = self.encode("<|im_end|>\n")

    def encode(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def prompt(self, user: str, think: bool, history: str = "") -> list[int]:
        """The ids the program starts from; without thinking the empty block belongs to the prompt."""
        text = f"{history}<|im_start|>user\n{user}<|im_end|>\n<|im_start|>assistant\n"
        return self.encode(text if think else f"{text}<think>\n\n</think>\n\n")

    def vocabulary(self) -> list[str]:
        """The text of every token id."""
        return [self._tokenizer.decode([i], skip_special_tokens=False) for i in range(self._tokenizer.get_vocab_size())]

    def reference_exchange(self, sample: Sample) -> list[int]:
        """A question with its reference thinking and answer, as the program would have written it."""
        return self.encode(
            f"<|im_start|>user\n{sample.prompt} /think<|im_end|>\n<|im_start|>assistant\n"
            f"<think>\n{sample.thinking}\n</think>\n\n{sample.answer}<|im_end|>\n"
        )

    def encode_stop(self) -> list[int]:
        """What the program feeds when the budget is used up."""
        return list(self._stop)

    def training_tokens(self, sample: Sample, rng: random.Random, earlier: Sample | None, stage: Stage) -> Tokens:
        """One training sequence: the mode, the flags, the cut and the history are drawn here."""
        history = f"<|im_start|>system\n{rng.choice(_SYSTEM_PROMPTS)}<|im_end|>\n" if rng.random() < 0.04 else ""
        if earlier is not None:
            flag = rng.choice(("", " /think", " /no_think"))
            history += f"<|im_start|>user\n{earlier.prompt}{flag}<|im_end|>\n<|im_start|>assistant\n{earlier.answer}<|im_end|>\n"
        tokens = Tokens()
        if rng.random() < stage.direct_share(sample):
            roll = rng.random()
            flagged = roll < _FLAGGED_SHARE
            flag = " /no_think" if flagged else " /think" if roll > 1 - stage.overruled else ""
            user = sample.prompt + flag
            tokens.add(self.prompt(user, True, history), 0.0)
            tokens.add(self._empty, _FLAG_WEIGHT if flagged else 0.0)
            answer_weight = _DIRECT_WEIGHT
        else:
            user = f"{sample.prompt} /think" if rng.random() < 0.5 else sample.prompt
            tokens.add(self.prompt(user, True, history), 0.0)
            tokens.add(self._open, _OPEN_WEIGHT)
            thinking = self.encode(sample.thinking)
            if rng.random() < _CUT_SHARE:
                tokens.add(thinking[: rng.randrange(len(thinking))], 1.0)
                tokens.add(self._stop, 0.0)
                answer_weight = _CUT_WEIGHT
            else:
                tokens.add(thinking, 1.0)
                tokens.add(self._close, 1.0)
                answer_weight = 1.0
        if sample.task == "conversation":
            answer_weight = 1.0
        tokens.add(self.encode(sample.answer), answer_weight)
        tokens.add(self._end, 1.0)
        tokens.weights[-1] = 0.0
        return tokens
