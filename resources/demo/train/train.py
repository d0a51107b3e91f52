"""Trains the model in processes of one thread each, which share parameters and gradients in memory.

Two single-threaded processes beat one with two threads as soon as anything else runs on the machine. The learning rate
follows the share of the time budget that is used up, so that a run on a busy machine still ends with its rate at zero;
a resumed run spreads what is left of the schedule over its new budget.

Usage: python train.py --tokenizer DIR --out DIR --minutes M [--member demo|demo-top1|demo-any] [--resume [--rewind SHARE]] [--steps N]
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
    minutes: float
    steps: int
    seed: int
    workers: int
    device: str
    batch_tokens: int
    member: str
    balance_weight: float
    spread_weight: float


@dataclass
class Progress:
    """Everything a resume needs beside the tensors. `share` is the part of the schedule that is done."""

    step: int = 0
    tokens: float = 0.0
    seconds: float = 0.0
    share: float = 0.0


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
    """Warm-up by steps, then constant, then linear to zero by share of the budget."""
    decay = min(1.0, (1.0 - share) / (1.0 - _CONSTANT_SHARE))
    return min(1.0, (step + 1) / _WARM_UP) * max(0.0, decay)


def _new_shared(shape: Shape, options: Options, saved: dict[str, Any] | None) -> Shared:
    parameters = saved["parameters"] if saved else initial_parameters(shape, options.seed)
    even = torch.full((shape.layers, shape.experts), 1.0 / shape.experts)
    shared = Shared(
        parameters, saved["state"] if saved else initial_state(parameters),
        [{name: torch.zeros_like(value) for name, value in parameters.items()} for _ in range(options.workers)],
        saved["load_share"] if saved else even, saved["cursors"] if saved else torch.full((options.workers, 3), -1.0, dtype=torch.float64),
        torch.zeros(options.workers, shape.layers, shape.experts), torch.zeros(options.workers, 5, dtype=torch.float64),
    )
    for group in (shared.parameters, shared.state, *shared.gradients):
        for name, value in group.items():
            group[name] = value.to(options.device).share_memory_()
    shared.load_share, shared.loads = shared.load_share.to(options.device), shared.loads.to(options.device)
    for value in (shared.load_share, shared.cursors, shared.loads, shared.figures):
        value.share_memory_()
    return shared


def _save(path: Path, shared: Shared, progress: Progress, options: Options) -> None:
    """Written beside the old file first: an interruption never leaves half a checkpoint."""
    partial = path.with_suffix(".partial")
    torch.save({
        "parameters": shared.parameters, "state": shared.state, "load_share": shared.load_share, "cursors": shared.cursors,
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
    began, share_before, seconds_before = time.monotonic(), progress.share, progress.seconds
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
            [losses.text, losses.balance, float(batch.valid.sum()), time.monotonic() - began, losses.experts], dtype=torch.float64
        )
        shared.cursors[rank] = torch.tensor([stream.pool, stream.position, stream.pool_tokens], dtype=torch.float64)
        barrier.wait()
        # The first process's clock decides, or the processes would take different rates.
        progress.seconds = seconds_before + float(shared.figures[0, 3])
        progress.share = min(1.0, share_before + (1.0 - share_before) * float(shared.figures[0, 3]) / (60.0 * options.minutes))
        progress.tokens += float(shared.figures[:, 2].sum())
        recent.append(tuple(shared.figures[:, (0, 1, 4)].mean(0).tolist()))
        optimizer.step(rate_scale(progress.step, progress.share), progress.step + 1)
        progress.step += 1
        if rank == 0:
            load = shared.loads.sum(0)
            shared.load_share.lerp_(load / load.sum(1, keepdim=True), 1 - _LOAD_MEMORY)
        barrier.wait()
        done = progress.share >= 1.0 or progress.step >= options.steps
        now = time.monotonic()
        if rank == 0 and log is not None and (progress.step % _LOG_EVERY == 0 or done):
            text, balance, experts = (sum(values) / len(recent) for values in zip(*recent, strict=True))
            variation = (shared.load_share.std(1) / shared.load_share.mean(1)).max()
            left = 60.0 * options.minutes - (now - began)
            log.write(json.dumps({
                "step": progress.step, "tokens": int(progress.tokens), "loss": round(text, 4), "balance": round(balance, 4),
                "load_cv": round(float(variation), 3), "experts": round(experts, 3), "rate": round(rate_scale(progress.step, progress.share), 4),
                "tokens_per_s": round((progress.tokens - tokens_logged) / (now - logged_at)), "minutes_left": round(left / 60, 1),
            }) + "\n")
            log.flush()
            logged_at, tokens_logged = now, progress.tokens
        if len(recent) >= _LOG_EVERY and progress.step % _LOG_EVERY == 0:
            recent.clear()
        if rank == 0 and (done or now - saved_at > _SAVE_SECONDS):
            _save(out / "state.pt", shared, progress, options)
            saved_at = now
            if not math.isfinite(text_now := float(shared.figures[:, 0].mean())):
                raise FloatingPointError(f"loss is {text_now} at step {progress.step}")
        if done:
            return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", required=True, help="folder with tokenizer.json")
    parser.add_argument("--out", required=True, help="folder for state.pt and loss.jsonl")
    parser.add_argument("--minutes", type=float, required=True, help="time budget of this run; the schedule ends with it")
    parser.add_argument("--steps", type=int, default=10**9, help="stop after this many steps even if time is left")
    parser.add_argument("--resume", action="store_true", help="go on from OUT/state.pt")
    parser.add_argument("--rewind", type=float, help="with --resume: go back to this share of the schedule, to train a finished state further")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--workers", type=int, default=2, help="processes of one thread each; a GPU is used by one")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--batch-tokens", type=int, default=3072, help="tokens a process and step")
    parser.add_argument("--member", choices=list(MEMBERS), default="demo", help="how a token gets its experts")
    parser.add_argument("--balance-weight", type=float, default=0.1)
    parser.add_argument("--spread-weight", type=float, default=0.05)
    arguments = vars(parser.parse_args())
    resume, rewind = arguments.pop("resume"), arguments.pop("rewind")
    options = Options(**arguments)
    if options.device == "cuda" and options.workers != 1:
        parser.error("--device cuda needs --workers 1")
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    shape = Shape()
    saved = torch.load(out / "state.pt", map_location="cpu") if resume else None
    progress = Progress(**saved["progress"]) if saved else Progress()
    if rewind is not None:
        progress.share = rewind
    if not resume:
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
