"""Trains the model in processes of one thread each, which share parameters and gradients in memory.

Single-threaded processes beat one process with several threads as soon as anything else runs on the machine. The learning
rate follows the share of the tokens that have been seen: the clock decides nothing, so that a run is the same on a busy
machine, after an interruption and when repeated, and that all members see the same data.

Usage: python train.py --tokenizer DIR --out DIR [--member demo|demo-top1|demo-any] [--tokens N] [--steps N] [--resume]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.multiprocessing as mp
from tokenizers import Tokenizer

from batches import BatchStream
from chat_layout import ChatLayout
from members import MEMBERS
from model import Parameters, Rotary, Shape, initial_parameters, training_loss
from optimizer import Optimizer, initial_state

_WARM_UP, _CONSTANT_SHARE = 80, 0.4
_LOAD_MEMORY = 0.95
_LOG_EVERY, _SAVE_SECONDS = 20, 180.0


@dataclass(frozen=True)
class Options:
    tokenizer: str
    out: str
    tokens: int
    steps: int
    seed: int
    workers: int
    device: str
    batch_tokens: int
    member: str
    balance_weight: float
    spread_weight: float


#: Options in which a resumed run may differ from its beginning; the others are its recipe.
_FREE_OPTIONS = frozenset({"tokenizer", "out", "steps", "device"})


@dataclass
class Progress:
    """Everything a resume needs beside the tensors."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0


@dataclass
class Shared:
    """Tensors in shared memory; `cursors`, `loads` and `figures` have one row a process."""

    parameters: Parameters
    state: Parameters
    gradients: list[Parameters]
    load_share: torch.Tensor
    cursors: torch.Tensor
    loads: torch.Tensor
    figures: torch.Tensor


def rate_scale(step: int, share: float) -> float:
    """Warm-up by steps, then constant, then linear to zero by share of the tokens."""
    decay = min(1.0, (1.0 - share) / (1.0 - _CONSTANT_SHARE))
    return min(1.0, (step + 1) / _WARM_UP) * max(0.0, decay)


def _new_shared(shape: Shape, options: Options, saved: dict[str, Any] | None) -> Shared:
    parameters = saved["parameters"] if saved else initial_parameters(shape, options.seed)
    even = torch.full((shape.layers, shape.experts), 1.0 / shape.experts)
    shared = Shared(
        parameters, saved["state"] if saved else initial_state(parameters),
        [{name: torch.zeros_like(value) for name, value in parameters.items()} for _ in range(options.workers)],
        saved["load_share"] if saved else even, saved["cursors"] if saved else torch.full((options.workers, 3), -1.0, dtype=torch.float64),
        torch.zeros(options.workers, shape.layers, shape.experts), torch.zeros(options.workers, 4, dtype=torch.float64),
    )
    for group in (shared.parameters, shared.state, *shared.gradients):
        for name, value in group.items():
            group[name] = value.to(options.device).share_memory_()
    shared.load_share, shared.loads = shared.load_share.to(options.device), shared.loads.to(options.device)
    for value in (shared.load_share, shared.cursors, shared.loads, shared.figures):
        value.share_memory_()
    return shared


def _save(path: Path, shared: Shared, cursors: torch.Tensor, progress: Progress, options: Options) -> None:
    """Written beside the old file first: an interruption never leaves half a checkpoint. `cursors` are those of the last
    step; the shared ones may have moved on."""
    partial = path.with_suffix(".partial")
    torch.save({
        "parameters": shared.parameters, "state": shared.state, "load_share": shared.load_share, "cursors": cursors,
        "progress": asdict(progress), "options": asdict(options),
    }, partial)
    os.replace(partial, path)


def _work(rank: int, shape: Shape, options: Options, shared: Shared, progress: Progress, barrier: Any) -> None:
    torch.set_num_threads(1)
    stream = BatchStream(ChatLayout(Tokenizer.from_file(f"{options.tokenizer}/tokenizer.json")), options.seed, rank, options.batch_tokens)
    if shared.cursors[rank, 0] >= 0:
        stream.resume(int(shared.cursors[rank, 0]), int(shared.cursors[rank, 1]), float(shared.cursors[rank, 2]))
    rotary, member = Rotary(shape, options.device), MEMBERS[options.member]
    leaves = {name: value.requires_grad_(True) for name, value in shared.parameters.items()}
    for name, leaf in leaves.items():
        leaf.grad = shared.gradients[rank][name]
    optimizer = Optimizer({name: leaf.detach() for name, leaf in leaves.items()}, shared.gradients, shared.state, rank)
    out = Path(options.out)
    log = (out / "loss.jsonl").open("a") if rank == 0 else None
    began, seconds_before, tokens_before = time.monotonic(), progress.seconds, progress.tokens
    saved_at, logged_at, tokens_logged = began, began, progress.tokens
    recent: list[tuple[float, float, float]] = []
    while True:
        for gradient in shared.gradients[rank].values():
            gradient.zero_()
        batch = stream.next(progress.tokens).to(options.device)
        losses = training_loss(
            leaves, shape, member, rotary, batch.ids, batch.weights, batch.valid, shared.load_share, options.balance_weight, options.spread_weight
        )
        losses.total.backward()
        shared.loads[rank] = losses.load
        shared.figures[rank] = torch.tensor(
            [losses.text, losses.balance, float(batch.valid.sum()), losses.experts], dtype=torch.float64
        )
        shared.cursors[rank] = torch.tensor([stream.pool, stream.position, stream.pool_tokens], dtype=torch.float64)
        barrier.wait()
        progress.seconds = seconds_before + time.monotonic() - began
        progress.tokens += int(shared.figures[:, 2].sum())
        recent.append(tuple(shared.figures[:, (0, 1, 3)].mean(0).tolist()))
        rate = rate_scale(progress.step, progress.tokens / options.tokens)
        optimizer.step(rate, progress.step + 1)
        progress.step += 1
        cursors = shared.cursors.clone()
        if rank == 0:
            load = shared.loads.sum(0)
            shared.load_share.lerp_(load / load.sum(1, keepdim=True), 1 - _LOAD_MEMORY)
        barrier.wait()
        done = progress.tokens >= options.tokens or progress.step >= options.steps
        now = time.monotonic()
        if rank == 0 and log is not None and (progress.step % _LOG_EVERY == 0 or done):
            text, balance, experts = (sum(values) / len(recent) for values in zip(*recent, strict=True))
            variation = (shared.load_share.std(1) / shared.load_share.mean(1)).max()
            left = (options.tokens - progress.tokens) * (now - began) / (progress.tokens - tokens_before)
            log.write(json.dumps({
                "step": progress.step, "tokens": progress.tokens, "loss": round(text, 4), "balance": round(balance, 4),
                "load_cv": round(float(variation), 3), "experts": round(experts, 3), "rate": round(rate, 4),
                "tokens_per_s": round((progress.tokens - tokens_logged) / (now - logged_at)), "minutes_left": round(left / 60, 1),
            }) + "\n")
            log.flush()
            logged_at, tokens_logged = now, progress.tokens
        if len(recent) >= _LOG_EVERY and progress.step % _LOG_EVERY == 0:
            recent.clear()
        # Only behind a line of the log: a resumed run then writes the lines that an uninterrupted one writes.
        if rank == 0 and (done or (progress.step % _LOG_EVERY == 0 and now - saved_at > _SAVE_SECONDS)):
            _save(out / "state.pt", shared, cursors, progress, options)
            saved_at = now
            if not math.isfinite(text_now := float(shared.figures[:, 0].mean())):
                raise FloatingPointError(f"loss is {text_now} at step {progress.step}")
        if done:
            return


def _check_recipe(saved: dict[str, Any], options: Options, progress: Progress) -> None:
    """A run goes on with the recipe that it began with. The number of tokens may change while the rate does not depend
    on it, since the run is then the one that would have begun with the new number."""
    for name, value in asdict(options).items():
        if name in _FREE_OPTIONS or saved[name] == value:
            continue
        if name == "tokens" and progress.tokens <= _CONSTANT_SHARE * min(value, saved[name]):
            continue
        raise ValueError(f"--{name.replace('_', '-')} {value}: the run in {options.out} began with {saved[name]}")


def _cut_log(path: Path, step: int) -> None:
    """Drops the lines written after the state was saved: their steps come again."""
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if json.loads(line)["step"] <= step))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", required=True, help="folder with tokenizer.json")
    parser.add_argument("--out", required=True, help="folder for state.pt and loss.jsonl")
    parser.add_argument("--tokens", type=int, default=20_000_000, help="tokens to train on; the schedule ends with them")
    parser.add_argument("--steps", type=int, default=10**9, help="stop after this many steps even if tokens are left")
    parser.add_argument("--resume", action="store_true", help="go on from OUT/state.pt with the same recipe")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--workers", type=int, default=1, help="processes of one thread each; a GPU is used by one")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--batch-tokens", type=int, default=6144, help="tokens a process and step")
    parser.add_argument("--member", choices=list(MEMBERS), default="demo", help="how a token gets its experts")
    parser.add_argument("--balance-weight", type=float, default=0.1)
    parser.add_argument("--spread-weight", type=float, default=0.05)
    arguments = vars(parser.parse_args())
    resume = arguments.pop("resume")
    options = Options(**arguments)
    if options.device == "cuda" and options.workers != 1:
        parser.error("--device cuda needs --workers 1")
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    shape = Shape()
    saved = torch.load(out / "state.pt", map_location="cpu") if resume else None
    progress = Progress(**saved["progress"]) if saved else Progress()
    if saved:
        _check_recipe(saved["options"], options, progress)
        _cut_log(out / "loss.jsonl", progress.step)
    else:
        (out / "loss.jsonl").unlink(missing_ok=True)
    shared = _new_shared(shape, options, saved)
    context = mp.get_context("spawn")
    barrier = context.Barrier(options.workers)
    if options.workers == 1:
        _work(0, shape, options, shared, progress, barrier)
    else:
        mp.spawn(_work, (shape, options, shared, progress, barrier), nprocs=options.workers, start_method="spawn")


if __name__ == "__main__":
    main()
