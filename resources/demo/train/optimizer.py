"""Muon for matrices, AdamW for the rest, each process updating its share of the shared parameters in place."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from model import Parameters

_MUON_MOMENTUM, _MUON_DECAY = 0.95, 0.05
_ADAM_BETAS, _ADAM_EPSILON = (0.9, 0.98), 1e-8
#: Relative to the schedule's Muon learning rate of 0.02.
_MUON_RATE, _ADAM_RATE, _NORM_RATE = 0.02, 0.003, 0.006
_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


def orthogonalised(matrices: Tensor, steps: int = 5) -> Tensor:
    """The nearest semi-orthogonal matrices of a batch [n, rows, columns], by Newton-Schulz iterations."""
    a, b, c = _NEWTON_SCHULZ
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.transpose(1, 2) if tall else matrices
    x = x / (x.flatten(1).norm(dim=1).view(-1, 1, 1) + 1e-7)
    for _ in range(steps):
        gram = torch.bmm(x, x.transpose(1, 2))
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.transpose(1, 2) if tall else x


def _is_matrix(name: str) -> bool:
    return name.split(".")[-1] in {"q", "k", "v", "o", "gate_up", "down"}


def initial_state(parameters: Parameters) -> Parameters:
    """Zeroed moments: one per matrix, two for all others."""
    state: Parameters = {}
    for name, parameter in parameters.items():
        state[f"{name}:first"] = torch.zeros_like(parameter)
        if not _is_matrix(name):
            state[f"{name}:second"] = torch.zeros_like(parameter)
    return state


@dataclass
class Optimizer:
    """Updates parameters that several processes share; process `rank` owns every layer with its residue."""

    parameters: Parameters
    gradients: list[Parameters]
    state: Parameters
    rank: int

    def owned(self) -> list[str]:
        workers = len(self.gradients)

        def owner(name: str) -> int:
            layer = name.split(".")[0]
            return int(layer) % workers if layer.isdigit() else workers - 1

        return [name for name in self.parameters if owner(name) == self.rank]

    @torch.no_grad()
    def step(self, scale: float, count: int) -> None:
        """One update with the learning rates times `scale`; `count` is the number of this update, from 1."""
        for name in self.owned():
            gradient = sum(gradients[name] for gradients in self.gradients) / len(self.gradients)
            if _is_matrix(name):
                self._muon(name, gradient, scale)
            else:
                self._adam(name, gradient, scale, count)

    def _muon(self, name: str, gradient: Tensor, scale: float) -> None:
        parameter, momentum = self.parameters[name], self.state[f"{name}:first"]
        momentum.lerp_(gradient, 1 - _MUON_MOMENTUM)
        direction = gradient.lerp(momentum, _MUON_MOMENTUM)
        if name.endswith("gate_up"):
            experts, both, hidden = direction.shape
            matrices = direction.reshape(experts * 2, both // 2, hidden)
        else:
            matrices = direction if direction.dim() == 3 else direction.unsqueeze(0)
        update = orthogonalised(matrices).reshape(parameter.shape)
        aspect = max(1.0, matrices.shape[1] / matrices.shape[2]) ** 0.5
        rate = _MUON_RATE * scale
        parameter.mul_(1 - rate * _MUON_DECAY).add_(update, alpha=-rate * aspect)

    def _adam(self, name: str, gradient: Tensor, scale: float, count: int) -> None:
        parameter, first, second = self.parameters[name], self.state[f"{name}:first"], self.state[f"{name}:second"]
        first.lerp_(gradient, 1 - _ADAM_BETAS[0])
        second.lerp_(gradient.square(), 1 - _ADAM_BETAS[1])
        corrected = first / (1 - _ADAM_BETAS[0] ** count)
        scale_down = (second / (1 - _ADAM_BETAS[1] ** count)).sqrt_().add_(_ADAM_EPSILON)
        rate = (_NORM_RATE if "norm" in name else _ADAM_RATE) * scale
        parameter.addcdiv_(corrected, scale_down, value=-rate)
