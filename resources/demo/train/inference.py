"""Greedy decoding of an exported checkpoint, many prompts at once, in FP32 arithmetic with a key-value cache.

The evaluation uses this and not transformers because it has to swap the routing rule and to be quick on two cores;
`check_export.py` compares the two token by token.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from routing import Rule, trained

#: Called with (layer, tokens, expert ids, weights) for every routed row.
Probe = Callable[[int, Tensor, Tensor, Tensor], None]

#: Prompts decoded together, and the share of finished rows from which on the cache is compacted.
_GROUP, _FINISHED_SHARE = 256, 0.25


@dataclass
class _Cache:
    keys: list[Tensor]
    values: list[Tensor]


class Decoder:
    """A checkpoint folder, ready to generate."""

    def __init__(self, folder: Path) -> None:
        self.config = json.loads((folder / "config.json").read_text())
        tensors = {name: value.float() for name, value in load_file(folder / "model.safetensors").items()}
        self._tensors = tensors
        experts = range(self.config["num_experts"])
        layers = range(self.config["num_hidden_layers"])

        def stacked(layer: int, part: str) -> Tensor:
            return torch.stack([tensors[f"model.layers.{layer}.mlp.experts.{expert}.{part}.weight"] for expert in experts])

        self._gate_up = [torch.cat((stacked(layer, "gate_proj"), stacked(layer, "up_proj")), 1) for layer in layers]
        self._down = [stacked(layer, "down_proj") for layer in layers]
        dim = self.config["head_dim"]
        frequency = self.config["rope_theta"] ** (-torch.arange(0, dim, 2) / dim)
        angle = torch.outer(torch.arange(self.config["max_position_embeddings"]), frequency).repeat(1, 2)
        self._cosine, self._sine = angle.cos(), angle.sin()
        self.rule: Rule = trained(self.config)
        self.probe: Probe | None = None

    def _norm(self, x: Tensor, name: str) -> Tensor:
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.config["rms_norm_eps"]) * self._tensors[name]

    def _rotate(self, x: Tensor, positions: Tensor) -> Tensor:
        half = x.shape[-1] // 2
        turned = torch.cat((-x[..., half:], x[..., :half]), -1)
        return x * self._cosine[positions].unsqueeze(2) + turned * self._sine[positions].unsqueeze(2)

    def _experts(self, layer: int, x: Tensor, tokens: Tensor) -> Tensor:
        probabilities = F.linear(x, self._tensors[f"model.layers.{layer}.mlp.gate.weight"]).softmax(-1)
        ids, weights = self.rule(probabilities, tokens, layer)
        if self.probe is not None:
            self.probe(layer, tokens, ids, weights)
        # Pairs sorted by expert: one gather, two products an expert, one scatter.
        order = torch.argsort(ids.reshape(-1), stable=True)
        bounds = torch.bincount(ids.reshape(-1), minlength=self.config["num_experts"]).cumsum(0).tolist()
        rows = order // ids.shape[1]
        taken = x.index_select(0, rows)
        both = taken.new_empty(len(order), self._gate_up[layer].shape[1])
        outputs = torch.empty_like(taken)
        spans = [(expert, start, end) for expert, (start, end) in enumerate(zip([0, *bounds], bounds, strict=False)) if end > start]
        for expert, start, end in spans:
            torch.mm(taken[start:end], self._gate_up[layer][expert].t(), out=both[start:end])
        gate, up = both.chunk(2, -1)
        inner = F.silu(gate) * up
        for expert, start, end in spans:
            torch.mm(inner[start:end], self._down[layer][expert].t(), out=outputs[start:end])
        outputs *= weights.reshape(-1).index_select(0, order).unsqueeze(1)
        return torch.zeros_like(x).index_add_(0, rows, outputs)

    def _forward(self, ids: Tensor, positions: Tensor, present: Tensor, cache: _Cache) -> Tensor:
        """Hidden states of `ids` [batch, time]; writes keys and values at `positions`. Rows not `present` are padding."""
        batch, time = ids.shape
        heads, kv_heads, dim = (self.config[key] for key in ("num_attention_heads", "num_key_value_heads", "head_dim"))
        span = int(positions.max()) + 1
        mask = (torch.arange(span) <= positions.unsqueeze(2)).unsqueeze(1)
        x = F.embedding(ids, self._tensors["model.embed_tokens.weight"])
        rows = torch.arange(batch).unsqueeze(1)
        for layer in range(self.config["num_hidden_layers"]):
            at = f"model.layers.{layer}."
            normed = self._norm(x, at + "input_layernorm.weight")
            q, k, v = (
                F.linear(normed, self._tensors[f"{at}self_attn.{part}_proj.weight"]).view(batch, time, -1, dim) for part in "qkv"
            )
            q = self._rotate(self._norm(q, at + "self_attn.q_norm.weight"), positions)
            k = self._rotate(self._norm(k, at + "self_attn.k_norm.weight"), positions)
            cache.keys[layer][rows, positions] = k
            cache.values[layer][rows, positions] = v
            keys = cache.keys[layer][:, :span].transpose(1, 2).repeat_interleave(heads // kv_heads, 1)
            values = cache.values[layer][:, :span].transpose(1, 2).repeat_interleave(heads // kv_heads, 1)
            mixed = F.scaled_dot_product_attention(q.transpose(1, 2), keys, values, attn_mask=mask)
            x = x + F.linear(mixed.transpose(1, 2).reshape(batch, time, -1), self._tensors[at + "self_attn.o_proj.weight"])
            normed = self._norm(x, at + "post_attention_layernorm.weight")
            routed = torch.zeros_like(x)
            routed[present] = self._experts(layer, normed[present], ids[present])
            x = x + routed
        return x

    def _logits(self, x: Tensor) -> Tensor:
        return F.linear(self._norm(x, "model.norm.weight"), self._tensors["model.embed_tokens.weight"])

    @torch.no_grad()
    def generate(self, prompts: list[list[int]], most: int, stop: set[int]) -> list[list[int]]:
        """Greedy continuations, each up to and without its first id in `stop`, or `most` ids long."""
        results: list[list[int]] = [[] for _ in prompts]
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        for start in range(0, len(order), _GROUP):
            self._generate_group([(i, prompts[i]) for i in order[start : start + _GROUP]], most, stop, results)
        return results

    def _generate_group(self, group: list[tuple[int, list[int]]], most: int, stop: set[int], results: list[list[int]]) -> None:
        lengths = torch.tensor([len(prompt) for _, prompt in group])
        width = int(lengths.max())
        limit = min(width + most, self.config["max_position_embeddings"])
        shape = (len(group), limit, self.config["num_key_value_heads"], self.config["head_dim"])
        layers = self.config["num_hidden_layers"]
        cache = _Cache([torch.zeros(shape) for _ in range(layers)], [torch.zeros(shape) for _ in range(layers)])
        ids = torch.zeros(len(group), width, dtype=torch.long)
        for row, (_, prompt) in enumerate(group):
            ids[row, : len(prompt)] = torch.tensor(prompt)
        positions = torch.arange(width).expand(len(group), width)
        x = self._forward(ids, positions, positions < lengths.unsqueeze(1), cache)
        logits = self._logits(x[torch.arange(len(group)), lengths - 1])
        where: list[int | None] = [index for index, _ in group]
        for _ in range(most):
            chosen = logits.argmax(-1)
            for row, token in enumerate(chosen.tolist()):
                if where[row] is None or token in stop or int(lengths[row]) >= limit:
                    where[row] = None
                else:
                    results[where[row]].append(token)
            alive = [row for row, index in enumerate(where) if index is not None]
            if not alive:
                return
            if len(alive) < (1 - _FINISHED_SHARE) * len(where):
                kept = torch.tensor(alive)
                where, lengths, chosen = [where[row] for row in alive], lengths[kept], chosen[kept]
                cache = _Cache([keys[kept] for keys in cache.keys], [values[kept] for values in cache.values])
            # A finished row stays where it is until it is dropped; what it computes is not used.
            next_positions = lengths.clamp_max(limit - 1).unsqueeze(1)
            running = torch.tensor([index is not None for index in where]).unsqueeze(1)
            x = self._forward(chosen.unsqueeze(1), next_positions, running, cache)
            lengths = lengths + running.squeeze(1)
            logits = self._logits(x[:, 0])

    @torch.no_grad()
    def batch_logits(self, ids: Tensor, valid: Tensor) -> Tensor:
        """Logits at every position of a right-padded batch, [batch, time, vocabulary]; rule and probe see its valid rows at once."""
        batch, time = ids.shape
        shape = (batch, time, self.config["num_key_value_heads"], self.config["head_dim"])
        layers = self.config["num_hidden_layers"]
        cache = _Cache([torch.zeros(shape) for _ in range(layers)], [torch.zeros(shape) for _ in range(layers)])
        return self._logits(self._forward(ids, torch.arange(time).expand(batch, time), valid, cache))

    def logits(self, sequence: list[int]) -> Tensor:
        """Logits at every position of one sequence, [time, vocabulary]."""
        ids = torch.tensor([sequence])
        return self.batch_logits(ids, torch.ones_like(ids, dtype=torch.bool))[0]
