"""What the model card says of the experts: load and specialisation, experts a token, and tokens beyond a capacity."""

from __future__ import annotations

import math
import random

import torch
import torch.nn.functional as F
from torch import Tensor

import routing
from batches import by_length, pack
from chat_layout import ChatLayout, Tokens
from grammar.mixture import stage_at
from grammar.sample import Sample, draw
from grammar.words import COLOURS, KEYS, PEOPLE, SHAPES, THINGS
from inference import Decoder
from members import importance, slots
from tables import table

#: Sequences of training's mixture for the load.
_MIXED = 400
#: Batches of training's size for the capacity.
_BATCHES, _BATCH_TOKENS = 24, 6144
_CAPACITIES = (1.0, 1.25, 1.5, 2.0)


def token_class(text: str) -> str:
    """The kind of token, for specialisation."""
    word = text.strip()
    if word.isdigit():
        return "digit"
    if word in {"+", "-", "*", "=", "<", ">", "#", "+-"}:
        return "operator"
    if text.startswith("<") and text.endswith(">"):
        return "special"
    if word in COLOURS or word in SHAPES:
        return "color or shape"
    if word in KEYS or word in THINGS or any(word == name for name, _ in PEOPLE):
        return "name or thing"
    return "word" if word and word[0].isalpha() else "punctuation"


def _classes(layout: ChatLayout) -> tuple[list[str], Tensor]:
    """The names of the token classes and the class of every token id."""
    of_token = [token_class(text) for text in layout.vocabulary()]
    names = sorted(set(of_token))
    return names, torch.tensor([names.index(name) for name in of_token])


def _mixture(layout: ChatLayout, count: int) -> list[Tokens]:
    """Sequences of training's last mixture, of prompts that it did not see."""
    stage, rng = stage_at(math.inf), random.Random(9)
    return [layout.training_tokens(draw(stage.draw, rng, "validation"), rng, None, stage) for _ in range(count)]


def load_table(decoder: Decoder, layout: ChatLayout, sets: dict[str, list[Sample]]) -> None:
    """Load and specialisation on whole reference exchanges, the same number of every task; only experts that ran count."""
    layers, experts = decoder.config["num_hidden_layers"], decoder.config["num_experts"]
    classes, class_of = _classes(layout)
    counts = torch.zeros(len(sets), layers, len(classes), experts)
    current = 0

    def count(layer: int, tokens: Tensor, ids: Tensor, weights: Tensor) -> None:
        flat = class_of[tokens].unsqueeze(1).expand_as(ids) * experts + ids
        counts[current, layer] += torch.bincount(flat[weights > 0], minlength=len(classes) * experts).view(len(classes), experts)

    decoder.probe = count
    for current, samples in enumerate(sets.values()):
        for sample in samples:
            decoder.logits(layout.reference_exchange(sample))
    # The balance that training aims at is that of its own mixture, on prompts it did not see.
    mixed = torch.zeros(layers, experts)

    def count_mixed(layer: int, tokens: Tensor, ids: Tensor, weights: Tensor) -> None:
        mixed[layer] += torch.bincount(ids[weights > 0], minlength=experts)

    decoder.probe = count_mixed
    for tokens in _mixture(layout, _MIXED):
        decoder.logits(tokens.ids)
    decoder.probe = None
    rows = []
    for layer in range(layers):
        by_task = counts[:, layer].sum(1)
        load = (by_task / by_task.sum(1, keepdim=True)).mean(0)
        joint = counts[:, layer].sum(0) / counts[:, layer].sum()
        of_class, of_expert = joint.sum(1, keepdim=True), joint.sum(0, keepdim=True)
        information = float((joint * (joint / (of_class * of_expert).clamp_min(1e-12)).clamp_min(1e-12).log2()).sum())
        entropy = float(-(of_class * of_class.clamp_min(1e-12).log2()).sum())
        purity = float((joint.max(0).values / of_expert.clamp_min(1e-12)).mean())
        rows.append([
            str(layer), _variation(mixed[layer]), _variation(load), f"{float(load.min() * experts):.2f} / {float(load.max() * experts):.2f}",
            f"{information:.2f} of {entropy:.2f}", f"{purity:.2f}", *map(_variation, by_task),
        ])
    head = ["layer", "load CV, training's mixture", "load CV, tasks in equal parts", "min / max over mean", "bits about the token class", "purity"]
    table([*head, *(f"CV in {task}" for task in sets)], rows)


def _variation(load: Tensor) -> str:
    return f"{float(load.std() / load.mean()):.2f}"


def allocation_table(decoder: Decoder, layout: ChatLayout, sets: dict[str, list[Sample]]) -> None:
    """Experts that run for a token and the share of its slots that is virtual, by token class, by task and by layer."""
    member = routing.allocating(decoder.config)
    layers = decoder.config["num_hidden_layers"]
    classes, class_of = _classes(layout)
    # [task, layer, class]: tokens, real slots, virtual slots.
    counts = torch.zeros(len(sets), layers, len(classes), 3)
    current, trained = 0, decoder.rule

    def count(probabilities: Tensor, tokens: Tensor, layer: int) -> tuple[Tensor, Tensor]:
        real, virtual = slots(member, importance(probabilities))
        figures = torch.stack((torch.ones_like(real), real, virtual), 1)
        counts[current, layer].index_add_(0, class_of[tokens], figures)
        return trained(probabilities, tokens, layer)

    decoder.rule = count
    for current, samples in enumerate(sets.values()):
        for sample in samples:
            decoder.logits(layout.reference_exchange(sample))
    decoder.rule = trained

    def row(name: str, figures: Tensor) -> list[str]:
        """`figures` [layers, 3]."""
        tokens, real, virtual = figures.sum(0).tolist()
        return [
            name, f"{100 * tokens / float(counts[..., 0].sum()):.1f} %", f"{real / tokens:.2f}", f"{100 * virtual / (real + virtual):.1f} %",
            *(f"{float(figures[layer, 1] / figures[layer, 0]):.2f}" for layer in range(layers)),
        ]

    rows = [row("all tokens", counts.sum((0, 2)))]
    rows += [row(name, counts.sum(0)[:, index]) for index, name in enumerate(classes) if counts[:, :, index, 0].sum() > 0]
    rows += [row(f"tokens of {task}", counts[index].sum(1)) for index, task in enumerate(sets)]
    table(["", "of all tokens", "experts a token", "virtual slots", *(f"experts in layer {layer}" for layer in range(layers))], rows)


def capacity_table(decoder: Decoder, layout: ChatLayout) -> None:
    """What a capacity does to batches like those of training: pairs of token and expert beyond it, and the loss."""
    drawn: list[Tokens] = []
    while sum(len(tokens.ids) for tokens in drawn) < _BATCHES * _BATCH_TOKENS:
        drawn = _mixture(layout, 2 * len(drawn) + 256)
    groups = by_length(drawn, _BATCH_TOKENS)
    trained, rows = decoder.rule, []
    for factor in (*_CAPACITIES, None):
        decoder.rule = trained if factor is None else routing.with_capacity(decoder.config, factor)
        pairs = torch.zeros(2)

        def count(layer: int, tokens: Tensor, ids: Tensor, weights: Tensor) -> None:
            pairs.add_(torch.tensor([float((weights == 0).sum()), float(weights.numel())]))

        decoder.probe, loss, counted, right = count, 0.0, 0, 0
        for group in groups:
            batch = pack(group)
            asked = batch.weights > 0
            logits, targets = decoder.batch_logits(batch.ids, batch.valid)[asked], batch.ids.roll(-1, 1)[asked]
            loss += float(F.cross_entropy(logits, targets, reduction="sum"))
            right += int((logits.argmax(-1) == targets).sum())
            counted += len(targets)
        name = "none" if factor is None else f"{factor:g}"
        rows.append([name, f"{100 * float(pairs[0] / pairs[1]):.1f} %", f"{loss / counted:.4f}", f"{100 * right / counted:.1f} %"])
    decoder.rule, decoder.probe = trained, None
    table(["capacity factor", "tokens that pass an expert by", "loss a token", "tokens guessed right"], rows)
