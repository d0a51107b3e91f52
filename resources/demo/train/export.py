"""Writes a trained state as a Hugging Face checkpoint in BF16, and the hashes of its files.

Usage: python export.py --state STATE.pt --tokenizer DIR --out DIR
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer

from members import ALLOCATION_KEY, CAPACITY_KEY, MEMBERS, Member, allocation
from model import Parameters, Shape

CHECKPOINT_FILES = ("config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
_LAYER_NAMES = {
    "attention_norm": "input_layernorm", "q": "self_attn.q_proj", "k": "self_attn.k_proj", "v": "self_attn.v_proj",
    "q_norm": "self_attn.q_norm", "k_norm": "self_attn.k_norm", "o": "self_attn.o_proj",
    "expert_norm": "post_attention_layernorm", "router": "mlp.gate",
}


def published_tensors(parameters: Parameters) -> Parameters:
    """The tensors under the names of the published Qwen3-MoE checkpoints, one per expert and projection."""
    tensors: Parameters = {"model.embed_tokens.weight": parameters["embed"], "model.norm.weight": parameters["norm"]}
    for name, value in parameters.items():
        layer, _, part = name.partition(".")
        if part in _LAYER_NAMES:
            tensors[f"model.layers.{layer}.{_LAYER_NAMES[part]}.weight"] = value
        elif part == "gate_up":
            for expert, matrix in enumerate(value):
                gate, up = matrix.chunk(2)
                tensors[f"model.layers.{layer}.mlp.experts.{expert}.gate_proj.weight"] = gate
                tensors[f"model.layers.{layer}.mlp.experts.{expert}.up_proj.weight"] = up
        elif part == "down":
            for expert, matrix in enumerate(value):
                tensors[f"model.layers.{layer}.mlp.experts.{expert}.down_proj.weight"] = matrix
    return {name: value.detach().to(torch.bfloat16).contiguous() for name, value in tensors.items()}


def config(shape: Shape, member: Member, balance_weight: float, bos: int, eos: int) -> dict[str, Any]:
    """A member that allocates slots opens elsewhere as plain top-k with its largest number of them."""
    training = {ALLOCATION_KEY: allocation(member)} if member.allocates else {}
    if member.capacity is not None:
        training[CAPACITY_KEY] = member.capacity
    return training | {
        "architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe", "attention_bias": False, "attention_dropout": 0.0,
        "bos_token_id": bos, "eos_token_id": eos, "decoder_sparse_step": 1, "head_dim": shape.head_dim, "hidden_act": "silu",
        "hidden_size": shape.hidden, "initializer_range": 0.02, "intermediate_size": 4 * shape.hidden,
        "max_position_embeddings": shape.positions, "max_window_layers": shape.layers, "mlp_only_layers": [],
        "moe_intermediate_size": shape.expert_hidden, "norm_topk_prob": member.renormalise, "num_attention_heads": shape.heads,
        "num_experts": shape.experts, "num_experts_per_tok": member.most, "num_hidden_layers": shape.layers,
        "num_key_value_heads": shape.kv_heads, "output_router_logits": False, "rms_norm_eps": shape.epsilon, "rope_scaling": None,
        "rope_theta": shape.rope_theta, "router_aux_loss_coef": balance_weight, "sliding_window": None, "tie_word_embeddings": True,
        "torch_dtype": "bfloat16", "use_cache": True, "use_sliding_window": False, "vocab_size": shape.vocabulary,
    }


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def export(state: dict[str, Any], tokenizer_file: Path, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    options = state["options"]
    shape, member = Shape(), MEMBERS[options["member"]]
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    end, start, stop = (tokenizer.token_to_id(text) for text in ("<|endoftext|>", "<|im_start|>", "<|im_end|>"))
    if None in (end, start, stop):
        raise ValueError(f"{tokenizer_file}: a chat token is missing")
    save_file(published_tensors(state["parameters"]), out / "model.safetensors", metadata={"format": "pt"})
    (out / "model.safetensors").chmod(0o644)
    _write_json(out / "config.json", config(shape, member, options["balance_weight"], end, stop))
    _write_json(out / "generation_config.json", {
        "bos_token_id": end, "pad_token_id": end, "eos_token_id": [stop, end], "do_sample": False,
    })
    (out / "tokenizer.json").write_bytes(tokenizer_file.read_bytes())  # They may be the same file.
    _write_json(out / "tokenizer_config.json", {
        "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": None, "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>",
        "unk_token": None, "additional_special_tokens": ["<|im_start|>", "<|im_end|>"], "model_max_length": shape.positions,
        "clean_up_tokenization_spaces": False, "add_prefix_space": False, "add_bos_token": False,
        "chat_template": (Path(__file__).parent / "chat_template.jinja").read_text(),
    })
    sums = [f"{hashlib.sha256((out / name).read_bytes()).hexdigest()}  {name}\n" for name in CHECKPOINT_FILES]
    (out / "SHA256SUMS").write_text("".join(sums))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--state", required=True, type=Path)
    parser.add_argument("--tokenizer", required=True, type=Path)
    parser.add_argument("--out", required=True, type=Path)
    arguments = parser.parse_args()
    export(torch.load(arguments.state, map_location="cpu"), arguments.tokenizer / "tokenizer.json", arguments.out)


if __name__ == "__main__":
    main()
