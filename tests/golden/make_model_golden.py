#!/usr/bin/env python3
"""Makes the small random checkpoints under tests/golden/models and, with Hugging Face transformers, what they compute.

Needs torch, transformers 5, safetensors and numpy (PyPI); the tests need none of them. Run from anywhere:

    python tests/golden/make_model_golden.py [CASE ...]

Every case is a directory as transformers saves it, beside golden.safetensors. For each prompt length N:
    prompt.N      (N)                       token ids
    greedy.N      (32)                      greedy continuation
    logits.N      (vocab)                   after the prompt
    last.N        (vocab)                   after all but the last greedy token
    experts.N     (moe layers, N + 31, k)   chosen experts of prompt and continuation, by descending weight
    weights.N     (moe layers, N + 31, k)   their weights
and of the prompt of 7 tokens: all_logits.7 (7, vocab), probabilities.7 (moe layers, 7, experts).
All arithmetic is in f32 on the weights as stored. Prompts are drawn until no choice of an expert or of a greedy token hangs
on rounding: that decides nothing about the engine and would make the comparison of ids meaningless.
"""
import copy
import json
import pathlib
import shutil
import sys

import numpy
import torch
from safetensors.numpy import save_file
from transformers import AutoModelForCausalLM, Qwen3Config, Qwen3ForCausalLM, Qwen3MoeConfig, Qwen3MoeForCausalLM

ROOT = pathlib.Path(__file__).resolve().parent / "models"
PROMPT_LENGTHS = (1, 7, 40, 130)
GREEDY_TOKENS = 32
SELECTION_MARGIN = 1e-5  # between the last chosen and the first expert not chosen, as probability
ORDER_MARGIN = 3e-6      # between neighbours among the chosen
GREEDY_MARGIN = 1e-3     # between the two likeliest tokens, of the largest logit

BASE = dict(vocab_size=211, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4,
            num_key_value_heads=2, head_dim=8, max_position_embeddings=256, tie_word_embeddings=False)
MOE = dict(BASE, num_experts=12, num_experts_per_tok=3, moe_intermediate_size=16, norm_topk_prob=True)
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64, "rope_theta": 5000.0}

# name → configuration, how it is stored. "legacy" rewrites config.json as transformers 4 spelled it.
CASES = {
    "moe-128-top-8": dict(config=dict(MOE, num_experts=128, num_experts_per_tok=8, moe_intermediate_size=8,
                                      rope_parameters={"rope_type": "default", "rope_theta": 1000000.0}),
                          type=torch.bfloat16, legacy=True),
    "moe-raw-weights": dict(config=dict(MOE, norm_topk_prob=False, tie_word_embeddings=True), type=torch.float32),
    "moe-mlp-only-layers": dict(config=dict(MOE, num_hidden_layers=4, mlp_only_layers=[0, 2]), type=torch.float16),
    "moe-sparse-step-2": dict(config=dict(MOE, num_hidden_layers=4, decoder_sparse_step=2), type=torch.bfloat16,
                              legacy=True),
    "moe-top-1": dict(config=dict(MOE, num_experts_per_tok=1, norm_topk_prob=False), type=torch.float32),
    "moe-yarn-legacy": dict(config=dict(MOE, rope_parameters=YARN), type=torch.float32, legacy=True),
    "moe-yarn-parameters": dict(config=dict(MOE, head_dim=16, rope_parameters=dict(
        YARN, beta_fast=16.0, beta_slow=2.0, mscale=1.2, mscale_all_dim=0.8, truncate=False)), type=torch.bfloat16),
    "moe-attention-bias": dict(config=dict(MOE, attention_bias=True, num_key_value_heads=1), type=torch.float16),
    "moe-sharded": dict(config=dict(MOE, hidden_size=40, head_dim=10, num_key_value_heads=4), type=torch.float32,
                        shard="100KB"),
    "moe-fused": dict(config=dict(MOE), type=torch.bfloat16, fused=True),
    "dense-tied-sharded": dict(config=dict(BASE, tie_word_embeddings=True, hidden_size=64, head_dim=16,
                                           num_hidden_layers=4), type=torch.bfloat16, dense=True, shard="40KB"),
    "dense-f16": dict(config=dict(BASE, attention_bias=True), type=torch.float16, dense=True, legacy=True),
}


def randomise(model, generator):
    """Values that keep the signal's size through the layers and make every parameter matter."""
    for name, parameter in model.named_parameters():
        if name.endswith("norm.weight"):
            values = 0.5 + torch.rand(parameter.shape, generator=generator)
        elif name.endswith(".bias"):
            values = torch.rand(parameter.shape, generator=generator) - 0.5
        else:
            gain = 2.0 if name.endswith("mlp.gate.weight") else 1.0
            values = gain * torch.randn(parameter.shape, generator=generator) / parameter.shape[-1] ** 0.5
        parameter.data.copy_(values)


def spell_as_transformers_4(directory):
    path = directory / "config.json"
    config = json.loads(path.read_text())
    rope = config.pop("rope_parameters")
    config["rope_theta"] = rope.pop("rope_theta")
    config["rope_scaling"] = None if rope["rope_type"] == "default" else rope
    if "num_local_experts" in config:
        config["num_experts"] = config.pop("num_local_experts")
    config["torch_dtype"] = config.pop("dtype")
    path.write_text(json.dumps(config, indent=2) + "\n")


class Routers:
    """Listens to every router of a model."""

    def __init__(self, model):
        self.outputs = []
        for layer in model.model.layers:
            if hasattr(layer.mlp, "gate"):
                layer.mlp.gate.register_forward_hook(lambda module, inputs, output: self.outputs.append(output))

    def take(self):
        outputs, self.outputs = self.outputs, []
        return outputs


def margins_are_clear(outputs, k):
    for logits, _, _ in outputs:
        top = torch.softmax(logits, -1).sort(-1, descending=True).values[:, : k + 1]
        gaps = top[:, :-1] - top[:, 1:]
        if (gaps[:, -1] < SELECTION_MARGIN).any() or (gaps < ORDER_MARGIN).any():
            return False
    return True


def run_prompt(model, routers, prompt, k):
    """Greedy continuation and all that is recorded, or None when a choice hangs on rounding."""
    ids = prompt.tolist()
    logits = None
    for _ in range(GREEDY_TOKENS):
        logits = model(torch.tensor([ids]), use_cache=False).logits[0]
        outputs = routers.take()
        best = logits[-1].topk(2)
        if best.values[0] - best.values[1] < GREEDY_MARGIN * logits[-1].abs().max():
            return None
        if not margins_are_clear(outputs, k):
            return None
        if len(ids) == len(prompt):
            first = logits
        ids.append(int(best.indices[0]))
    return dict(first=first, last=logits[-1], greedy=ids[len(prompt):], outputs=outputs)


def make_golden(model, config, generator):
    routers = Routers(model)
    k = getattr(config, "num_experts_per_tok", 0)
    golden = {}
    for length in PROMPT_LENGTHS:
        for attempt in range(2000):
            prompt = torch.randint(config.vocab_size, (length,), generator=generator)
            result = run_prompt(model, routers, prompt, k)
            if result is not None:
                break
        else:
            sys.exit(f"no prompt of {length} tokens has clear margins")
        golden[f"prompt.{length}"] = prompt.to(torch.int32)
        golden[f"greedy.{length}"] = torch.tensor(result["greedy"], dtype=torch.int32)
        golden[f"logits.{length}"] = result["first"][-1]
        golden[f"last.{length}"] = result["last"]
        if result["outputs"]:
            golden[f"experts.{length}"] = torch.stack([ids for _, _, ids in result["outputs"]]).to(torch.int16)
            golden[f"weights.{length}"] = torch.stack([weights for _, weights, _ in result["outputs"]])
        if length == 7:
            golden["all_logits.7"] = result["first"]
            if result["outputs"]:
                golden["probabilities.7"] = torch.stack([torch.softmax(l, -1)[:7] for l, _, _ in result["outputs"]])
    return {name: numpy.ascontiguousarray(value.numpy()) for name, value in golden.items()}, attempt


def make_case(name, case, seed):
    directory = ROOT / name
    shutil.rmtree(directory, ignore_errors=True)
    generator = torch.Generator().manual_seed(seed)
    config_class, model_class = (Qwen3Config, Qwen3ForCausalLM) if case.get("dense") else (Qwen3MoeConfig,
                                                                                           Qwen3MoeForCausalLM)
    model = model_class(config_class(**copy.deepcopy(case["config"]), eos_token_id=None))
    randomise(model, generator)
    model.to(case["type"]).save_pretrained(directory, max_shard_size=case.get("shard", "1GB"),
                                           save_original_format=not case.get("fused", False))
    if case.get("legacy"):
        spell_as_transformers_4(directory)
    # Read back, so that the file and its spelling are what is measured.
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager",
                                                 experts_implementation="eager").eval()
    golden, attempts = make_golden(model, model.config, generator)
    save_file(golden, directory / "golden.safetensors")
    size = sum(file.stat().st_size for file in directory.iterdir())
    print(f"{name}: {size / 1024:.0f} KiB, {attempts + 1} draws of the longest prompt", flush=True)


ROPE_CASES = [
    {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}},
    {"rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0}, "head_dim": 128},
    {"rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768},
     "rope_theta": 1000000.0, "head_dim": 128, "max_position_embeddings": 131072},
    {"rope_scaling": {"type": "yarn", "factor": 2.0}, "rope_theta": 10000.0, "max_position_embeddings": 4096},
    {"rope_parameters": {"rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 128,
                         "rope_theta": 500.0, "truncate": False}},
    {"rope_parameters": {"rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 128,
                         "attention_factor": 0.75}},
    {"rope_parameters": {"rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 128,
                         "mscale": 1.5, "mscale_all_dim": 0.5, "beta_fast": 20, "beta_slow": 3}, "rope_theta": 20000.0},
    {"rope_parameters": {"rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 128, "mscale": 1.5}},
    {"rope_parameters": {"rope_type": "yarn", "factor": 1.0, "original_max_position_embeddings": 128}},
    {"rope_parameters": {"rope_type": "yarn", "factor": None, "original_max_position_embeddings": 64},
     "max_position_embeddings": 256},
    {"rope_parameters": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 1,
                         "beta_fast": 1.0, "beta_slow": 1.0}},
    {"rope_scaling": None, "rope_theta": 123456.0},
    {},
]


def make_rotary():
    """The frequencies and the factor on cos and sin that transformers derives from many spellings of the settings."""
    from transformers.models.qwen3_moe.modeling_qwen3_moe import Qwen3MoeRotaryEmbedding

    results = []
    for settings in ROPE_CASES:
        fields = dict(MOE, **copy.deepcopy(settings))
        rotary = Qwen3MoeRotaryEmbedding(Qwen3MoeConfig(**copy.deepcopy(fields)))
        fields["architectures"] = ["Qwen3MoeForCausalLM"]
        results.append({"config": fields, "inverse_frequencies": rotary.inv_freq.tolist(),
                        "attention_scaling": float(rotary.attention_scaling)})
    path = ROOT.parent / "rotary.json"
    path.write_text("[\n" + ",\n".join(json.dumps(result) for result in results) + "\n]\n")
    print(f"rotary.json: {path.stat().st_size / 1024:.0f} KiB")


def main():
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    ROOT.mkdir(exist_ok=True)
    names = sys.argv[1:] or ["rotary", *CASES]
    for name in names:
        if name == "rotary":
            make_rotary()
        else:
            make_case(name, CASES[name], seed=1000 + list(CASES).index(name))


if __name__ == "__main__":
    main()
