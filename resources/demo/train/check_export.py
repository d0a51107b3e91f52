"""Compares a checkpoint with transformers' Qwen3MoeForCausalLM and writes reference outputs for the program's tests.

Checked: logits of whole exchanges against this folder's decoder, greedy tokens of the sample, and the chat template
against the layout that training used. Any difference is an error. transformers knows top-k only: a member with a token-wise
number of slots is compared under the top-k of its configuration, and --trained-sample writes what this folder's decoder
says to the same prompts under the rule that it was trained with.

With --answers, this folder's decoder answers all items of the sets, for a comparison with another engine on all of them;
where transformers can run the member as it was trained, one pass over each exchange shows that it would choose each token
of the answer too.

Usage: python check_export.py --model DIR --sets DIR [--sample OUT.jsonl] [--trained-sample OUT.jsonl] [--answers OUT.jsonl] [--as-published]
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import routing
from evaluate import Evaluation
from grammar.sample import Sample
from members import ALLOCATION_KEY

_PER_TASK = 5
_LONGEST = 288
#: FP32 against FP32 with another order of summation.
_TOLERANCE = 1e-3


def _tasks(sets: Path) -> list[list[Sample]]:
    tasks = []
    for path in sorted(sets.glob("*.jsonl")):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        if lines and "thinking" in lines[0]:
            tasks.append([Sample(**line) for line in lines])
    return tasks


def _line(sample: Sample, think: bool, user: str, prompt: list[int], generated: list[int]) -> str:
    return json.dumps({
        "task": sample.task, "kind": sample.kind, "think": think, "user": user, "prompt_ids": prompt, "generated_ids": generated,
    }) + "\n"


def _user(sample: Sample, think: bool) -> str:
    return f"{sample.prompt} {'/think' if think else '/no_think'}"


def write_answers(evaluation: Evaluation, samples: list[Sample], out: Path) -> None:
    """Greedy ids of both modes under the trained rule, without those that do not end within the limit."""
    end = evaluation.tokenizer.token_to_id("<|im_end|>")
    lines = []
    for think in (True, False):
        users = [_user(sample, think) for sample in samples]
        prompts = [evaluation.layout.prompt(user, think) for user in users]
        generated = evaluation.decoder.generate(prompts, _LONGEST, evaluation.stop)
        for sample, user, prompt, ids in zip(samples, users, prompts, generated, strict=True):
            if len(ids) < _LONGEST:
                lines.append(_line(sample, think, user, prompt, [*ids, end]))
    print(f"{len(lines)} of {2 * len(samples)} answers end and are written")
    out.write_text("".join(lines))


def check_answers(model: torch.nn.Module, path: Path) -> None:
    """By induction over its tokens, an answer is what transformers decodes if each is the likeliest after those before."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        prompt, generated = line["prompt_ids"], line["generated_ids"]
        with torch.no_grad():
            likeliest = model(torch.tensor([prompt + generated])).logits[0].argmax(-1).tolist()
        if likeliest[len(prompt) - 1 : -1] != generated:
            raise ValueError(f"transformers answers otherwise to {line['user']!r}")
    print(f"{len(lines)} answers equal those of transformers")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, type=Path)
    parser.add_argument("--sets", required=True, type=Path)
    parser.add_argument("--sample", type=Path, help="write prompts and greedy ids of transformers here")
    parser.add_argument("--trained-sample", type=Path, help="write prompts and greedy ids of this folder's decoder here")
    parser.add_argument("--answers", type=Path, help="write prompts and greedy ids of this folder's decoder for all items here")
    parser.add_argument("--as-published", action="store_true", help="answers under the top-k of the configuration, as other programs run the member")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    evaluation = Evaluation(arguments.model)
    tokenizer = AutoTokenizer.from_pretrained(arguments.model)
    model = AutoModelForCausalLM.from_pretrained(arguments.model, dtype=torch.float32).eval()
    rng, tasks = random.Random(3), _tasks(arguments.sets)
    samples = [sample for task in tasks for sample in rng.sample(task, _PER_TASK)]

    largest, scale, lines = 0.0, 0.0, []
    stop, decoder = evaluation.stop, evaluation.decoder
    trained, decoder.rule = decoder.rule, routing.published(decoder.config)
    for sample in samples:
        for think in (True, False):
            user = _user(sample, think)
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
            ours = decoder.logits(output[0].tolist())
            largest = max(largest, float((ours - theirs).abs().max()))
            scale = max(scale, float(theirs.abs().max()))
            mine = decoder.generate([prompt], _LONGEST, stop)[0]
            if mine != [token for token in generated if token not in stop]:
                raise ValueError(f"greedy tokens differ for {user!r}")
            lines.append(_line(sample, think, user, prompt, generated))
    print(f"{len(lines)} prompts: greedy tokens equal, largest logit difference {largest:.2e} at scale {scale:.1f}")
    if largest > _TOLERANCE * scale:
        raise ValueError("logits differ from transformers")
    if not arguments.as_published:
        decoder.rule = trained
    if arguments.trained_sample:
        write_answers(evaluation, samples, arguments.trained_sample)
    if arguments.sample:
        arguments.sample.write_text("".join(lines))
    if arguments.answers:
        write_answers(evaluation, [sample for task in tasks for sample in task], arguments.answers)
        if arguments.as_published or ALLOCATION_KEY not in decoder.config:
            check_answers(model, arguments.answers)


if __name__ == "__main__":
    main()
