"""Compares a checkpoint with transformers' Qwen3MoeForCausalLM and writes reference outputs for the program's tests.

Checked: logits of whole exchanges against this folder's decoder, greedy tokens of the sample, and the chat template
against the layout that training used. Any difference is an error.

Usage: python check_export.py --model DIR --sets DIR [--sample OUT.jsonl]
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from evaluate import Evaluation
from grammar.sample import Sample

_PER_TASK = 5
_LONGEST = 288
#: FP32 against FP32 with another order of summation.
_TOLERANCE = 1e-3


def _samples(sets: Path) -> list[Sample]:
    rng = random.Random(3)
    chosen: list[Sample] = []
    for path in sorted(sets.glob("*.jsonl")):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        if lines and "thinking" in lines[0]:
            chosen.extend(Sample(**line) for line in rng.sample(lines, _PER_TASK))
    return chosen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, type=Path)
    parser.add_argument("--sets", required=True, type=Path)
    parser.add_argument("--sample", type=Path, help="write prompt and greedy ids here")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    evaluation = Evaluation(arguments.model)
    tokenizer = AutoTokenizer.from_pretrained(arguments.model)
    model = AutoModelForCausalLM.from_pretrained(arguments.model, dtype=torch.float32).eval()
    samples = _samples(arguments.sets)

    largest, scale, lines = 0.0, 0.0, []
    stop = evaluation.stop
    for sample in samples:
        for think in (True, False):
            user = f"{sample.prompt} {'/think' if think else '/no_think'}"
            prompt = evaluation.layout.prompt(user, think)
            rendered = tokenizer.apply_chat_template(
                [{"role": "user", "content": user}], add_generation_prompt=True, enable_thinking=think, return_dict=False
            )
            if list(rendered) != prompt:
                raise ValueError(f"the chat template and the layout differ for {user!r}")
            with torch.no_grad():
                output = model.generate(torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt)), do_sample=False, max_new_tokens=_LONGEST)
                generated = output[0, len(prompt) :].tolist()
                theirs = model(output).logits[0]
            ours = evaluation.decoder.logits(output[0].tolist())
            largest = max(largest, float((ours - theirs).abs().max()))
            scale = max(scale, float(theirs.abs().max()))
            mine = evaluation.decoder.generate([prompt], _LONGEST, stop)[0]
            if mine != [token for token in generated if token not in stop]:
                raise ValueError(f"greedy tokens differ for {user!r}")
            lines.append({"task": sample.task, "kind": sample.kind, "think": think, "user": user, "prompt_ids": prompt, "generated_ids": generated})
    print(f"{len(lines)} prompts: greedy tokens equal, largest logit difference {largest:.2e} at scale {scale:.1f}")
    if largest > _TOLERANCE * scale:
        raise ValueError("logits differ from transformers")
    if arguments.sample:
        arguments.sample.write_text("".join(json.dumps(line) + "\n" for line in lines))


if __name__ == "__main__":
    main()
