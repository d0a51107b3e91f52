"""Measures an exported checkpoint on evaluation sets and prints the model card's tables.

Usage: python evaluate.py --model DIR --sets DIR [--parts modes,kinds,budget,routing,following,load] [--limit N]
An answer counts only if its whole text equals the reference. Intervals are Wilson's at 95 %.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer

import routing
from chat_layout import ChatLayout
from expert_tables import allocation_table, capacity_table, load_table
from grammar.sample import Sample
from inference import Decoder
from members import ALLOCATION_KEY, CAPACITY_KEY
from tables import table, wilson

BUDGETS = (0, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192)
RULES = ("top-1", "top-2", "top-3", "top-4", "top-6", "top-8", "random-4", "hash-4")
BUDGET_TASKS = ("sums", "stories", "scenes", "lookups")
_LONGEST = 288
#: Items a task for the routing rules: a rule that breaks the model costs the full length of every answer.
_ROUTED = 200
#: Reference exchanges a task for what is said of the experts.
_EXCHANGES = 100


@dataclass(frozen=True)
class Run:
    """One generation: the ids between the tags (None: no closed block), and the answer."""

    thinking: list[int] | None
    answer: str
    right: bool


def accuracy(runs: Iterable[Run]) -> str:
    outcomes = [run.right for run in runs]
    return wilson(sum(outcomes), len(outcomes)) if outcomes else "-"


class Evaluation:
    def __init__(self, model: Path) -> None:
        self.tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
        self.layout = ChatLayout(self.tokenizer)
        self.decoder = Decoder(model)
        ids = {text: self.tokenizer.token_to_id(text) for text in ("<|im_end|>", "<|endoftext|>", "<think>", "</think>")}
        self.stop = {ids["<|im_end|>"], ids["<|endoftext|>"]}
        self._open, self._close = ids["<think>"], ids["</think>"]

    def _judge(self, sample: Sample, thinking: list[int] | None, answer: list[int]) -> Run:
        text = self.tokenizer.decode(answer, skip_special_tokens=False).strip()
        return Run(thinking, text, text == sample.answer)

    def _split(self, sample: Sample, generated: list[int]) -> Run:
        """Parses what the model wrote after the generation prompt."""
        if generated[:1] == [self._open] and self._close in generated:
            end = generated.index(self._close)
            return self._judge(sample, generated[1:end], generated[end + 1 :])
        return self._judge(sample, None, generated)

    def thinking(self, samples: list[Sample], flag: str = " /think") -> list[Run]:
        prompts = [self.layout.prompt(sample.prompt + flag, think=True) for sample in samples]
        return [self._split(*pair) for pair in zip(samples, self.decoder.generate(prompts, _LONGEST, self.stop), strict=True)]

    def direct(self, samples: list[Sample], flag: str = " /no_think") -> list[Run]:
        """The program's no-thinking mode: the empty block is part of the prompt."""
        prompts = [self.layout.prompt(sample.prompt + flag, think=False) for sample in samples]
        answers = self.decoder.generate(prompts, 64, self.stop)
        return [self._judge(sample, [], answer) for sample, answer in zip(samples, answers, strict=True)]

    def cut(self, samples: list[Sample], full: list[Run], budget: int) -> list[Run]:
        """`budget` counts every token between the tags, as the program does; 0 is the no-thinking mode."""
        if budget == 0:
            return self.direct(samples)
        runs = list(full)
        affected = [i for i, run in enumerate(full) if run.thinking is None or len(run.thinking) >= budget]
        prompts = []
        for i in affected:
            prompt = self.layout.prompt(samples[i].prompt + " /think", think=True)
            inside = full[i].thinking
            kept = self.layout.encode("\n") if inside is None else inside[:budget]
            prompts.append([*prompt, self._open, *kept, *self.layout.encode_stop()])
        for i, answer in zip(affected, self.decoder.generate(prompts, 64, self.stop), strict=True):
            runs[i] = self._judge(samples[i], full[i].thinking, answer)
        return runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, type=Path)
    parser.add_argument("--sets", required=True, type=Path)
    parser.add_argument("--parts", default="modes,kinds,budget,routing,following,load")
    parser.add_argument("--limit", type=int, default=10**6, help="items a task")
    parser.add_argument("--failures", type=int, default=0, help="wrong thinking answers to print a task")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    parts = set(arguments.parts.split(","))
    evaluation = Evaluation(arguments.model)
    sets: dict[str, list[Sample]] = {}
    for path in sorted(arguments.sets.glob("*.jsonl")):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        if lines and "thinking" in lines[0]:
            sets[path.stem] = [Sample(**line) for line in lines][: arguments.limit]

    full: dict[str, list[Run]] = {}
    direct: dict[str, list[Run]] = {}
    if parts & {"modes", "kinds", "budget"}:
        wanted = sets if parts & {"modes", "kinds"} else BUDGET_TASKS
        full = {task: evaluation.thinking(sets[task]) for task in wanted}
    if parts & {"modes", "kinds"}:
        direct = {task: evaluation.direct(samples) for task, samples in sets.items()}
    if "modes" in parts:
        print("### By mode\n")
        rows = []
        for task in sets:
            lengths = [len(run.thinking) for run in full[task] if run.thinking is not None] or [0]
            rows.append([task, str(len(sets[task])), accuracy(full[task]), accuracy(direct[task]), f"{sum(lengths) / len(lengths):.0f} ({max(lengths)})"])
        table(["task", "items", "thinking", "no thinking", "thinking tokens, mean (max)"], rows)
    if "kinds" in parts:
        print("### By kind\n")
        rows = []
        for task, samples in sets.items():
            for kind in sorted({sample.kind for sample in samples}):
                at = [i for i, sample in enumerate(samples) if sample.kind == kind]
                rows.append([task, kind, str(len(at)), accuracy(full[task][i] for i in at), accuracy(direct[task][i] for i in at)])
        table(["task", "kind", "items", "thinking", "no thinking"], rows)
    if "budget" in parts:
        print("### By thinking budget\n")

        def budget_row(task: str) -> list[str]:
            runs = [evaluation.cut(sets[task], full[task], budget) for budget in BUDGETS] + [full[task]]
            return [task, *(f"{100 * sum(run.right for run in cut) / len(cut):.1f}" for cut in runs)]

        table(["task", *map(str, BUDGETS), "unlimited"], (budget_row(task) for task in BUDGET_TASKS))
    if "following" in parts:
        print("### Following the mode\n")
        rng = random.Random(5)
        mixed = [rng.choice(samples) for samples in sets.values() for _ in range(20)]
        plain, silent = evaluation.thinking(mixed, flag=""), evaluation.thinking(mixed, flag=" /no_think")
        flagged, bare = evaluation.thinking(mixed), evaluation.direct(mixed, flag="")
        against = evaluation.direct(mixed, flag=" /think")
        rows = [
            ["`/think`: a closed block that is not empty", wilson(sum(bool(run.thinking) and len(run.thinking) > 4 for run in flagged), len(mixed))],
            ["no flag: a closed block that is not empty", wilson(sum(bool(run.thinking) and len(run.thinking) > 4 for run in plain), len(mixed))],
            ["`/no_think`: an empty block, written by the model", wilson(sum(run.thinking is not None and len(run.thinking) <= 1 for run in silent), len(mixed))],
            ["no thinking, no flag: no tag in the answer", wilson(sum("think>" not in run.answer for run in bare), len(mixed))],
            ["empty block in the prompt beside `/think`: no tag in the answer", wilson(sum("think>" not in run.answer for run in against), len(mixed))],
        ]
        table([f"{len(mixed)} prompts", "share"], rows)
    if "routing" in parts:
        print("### By routing at inference (thinking, the first 200 items)\n")
        trained, config = evaluation.decoder.rule, evaluation.decoder.config

        def routing_row(name: str) -> list[str]:
            evaluation.decoder.rule = trained if name == "trained" else routing.parse(name, config["norm_topk_prob"])
            return [name, *(accuracy(evaluation.thinking(sets[task][:_ROUTED])) for task in BUDGET_TASKS)]

        table(["routing", *BUDGET_TASKS], map(routing_row, ("trained", *RULES) if ALLOCATION_KEY in config else RULES))
        evaluation.decoder.rule = trained
    if "load" in parts:
        print(f"### Load and specialisation ({_EXCHANGES} reference exchanges a task)\n")
        exchanges = {task: samples[:_EXCHANGES] for task, samples in sets.items() if task != "unseen"}
        load_table(evaluation.decoder, evaluation.layout, exchanges)
        if ALLOCATION_KEY in evaluation.decoder.config:
            print("### Experts a token, under the rule it was trained with\n")
            allocation_table(evaluation.decoder, evaluation.layout, exchanges)
        if CAPACITY_KEY in evaluation.decoder.config:
            print("### Capacity, in batches of training's mixture and size\n")
            capacity_table(evaluation.decoder, evaluation.layout)
    for task, runs in full.items():
        wrong = [(sample, run) for sample, run in zip(sets[task], runs, strict=True) if not run.right]
        for sample, run in wrong[: arguments.failures]:
            thought = evaluation.tokenizer.decode(run.thinking or [])
            print(f"--- {task} {sample.kind}\n{sample.prompt}\n>> {thought}\n== {run.answer!r}, expected {sample.answer!r}")


if __name__ == "__main__":
    main()
