#!/usr/bin/env python3
"""Makes tests/golden/perplexity.json: what Hugging Face transformers finds for LICENSE under the demo model.

Needs torch, transformers 5 and safetensors (PyPI); the tests need none of them. Run from anywhere:

    python tests/golden/make_perplexity_golden.py

The loop is that of "Perplexity of fixed-length models" in the documentation of transformers, in f32 on the weights as
stored; a token is counted where one stands before it in its window. Of each case the first windows only.
"""
import json
import math
import pathlib

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODEL = ROOT / "resources" / "demo"
CASES = [dict(window=128, stride=64, windows=8), dict(window=96, stride=96, windows=5)]


def score(model, ids, window, stride, windows):
    nll, tokens, reached = 0.0, 0, 0
    for begin in range(0, len(ids), stride)[:windows]:
        end = min(begin + window, len(ids))
        scored = max(reached, begin + 1)
        with torch.no_grad():
            logits = model(torch.tensor([ids[begin:end]])).logits[0].double()
        logprobs = torch.log_softmax(logits, dim=-1)
        for position in range(scored, end):
            nll -= logprobs[position - 1 - begin, ids[position]].item()
        tokens += end - scored
        reached = end
        if end == len(ids):
            break
    return dict(window=window, stride=stride, windows=windows, tokens=tokens, nll=nll, perplexity=math.exp(nll / tokens))


def main():
    model = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32).eval()
    ids = AutoTokenizer.from_pretrained(MODEL)((ROOT / "LICENSE").read_text(encoding="utf-8"))["input_ids"]
    golden = dict(tokens=len(ids), cases=[score(model, ids, **case) for case in CASES])
    (ROOT / "tests" / "golden" / "perplexity.json").write_text(json.dumps(golden, indent=1) + "\n")
    print(json.dumps(golden, indent=1))


if __name__ == "__main__":
    main()
