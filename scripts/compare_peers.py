# SPDX-License-Identifier: Apache-2.0
"""Training steps of the same small GPT in PyTorch and in precipice, interleaved on this machine: ratios, medians, spread.

The model is nanoGPT's (learned positions, LayerNorm, exact GELU, tied head, AdamW, clipping), vocabulary 65. Each repetition
times a few steps of every peer in this process and then `precipice bench step`'s own trainers in theirs, so that a drifting
machine moves all. Peers that are not installed are said to be absent.
"""
import argparse
import contextlib
import json
import math
import statistics
import subprocess
import time

import torch
from torch import nn
from torch.nn import functional as F

SIZES = {"tiny": (2, 64, 2, 64, 16), "small": (4, 128, 4, 128, 16), "mid": (6, 384, 6, 256, 8)}
VOCABULARY = 65


class Attention(nn.Module):
    def __init__(self, width, heads, linear):
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = linear(width, 3 * width), linear(width, width)

    def forward(self, x):
        batch, length, width = x.shape
        q, k, v = (t.view(batch, length, self.heads, width // self.heads).transpose(1, 2)
                   for t in self.qkv(x).split(width, dim=2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.proj(y.transpose(1, 2).contiguous().view(batch, length, width))


class Block(nn.Module):
    def __init__(self, width, heads, linear):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads, linear)
        self.up, self.gelu, self.down = linear(width, 4 * width), nn.GELU(), linear(4 * width, width)

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.down(self.gelu(self.up(self.norm2(x))))


class Gpt(nn.Module):
    def __init__(self, layers, width, heads, context, linear=nn.Linear):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(VOCABULARY, width), nn.Embedding(context, width)
        self.blocks = nn.ModuleList(Block(width, heads, linear) for _ in range(layers))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, VOCABULARY, bias=False)
        self.head.weight = self.tokens.weight
        for parameter in self.parameters():
            if parameter.dim() >= 2:
                nn.init.normal_(parameter, 0, 0.02)

    def forward(self, x):
        h = self.tokens(x) + self.positions(torch.arange(x.shape[1]))
        for block in self.blocks:
            h = block(h)
        return self.head(self.norm(h))


def trainer(size, linear=nn.Linear, autocast=False, compiled=False):
    """A function that takes one training step."""
    layers, width, heads, context, batch = SIZES[size]
    torch.manual_seed(0)
    model = Gpt(layers, width, heads, context, linear)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1)
    x, y = torch.randint(VOCABULARY, (batch, context)), torch.randint(VOCABULARY, (batch, context))
    run = torch.compile(model) if compiled else model
    cast = torch.autocast("cpu", dtype=torch.bfloat16) if autocast else contextlib.nullcontext()

    def step():
        with cast:
            loss = F.cross_entropy(run(x).view(-1, VOCABULARY), y.view(-1))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.item()

    return step


def rounding_linear(round_forward, round_backward):
    """nn.Linear whose six operands are rounded by a peer's function, straight through."""

    class Product(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, w, b):
            qx, qw = round_forward(x.detach().contiguous()), round_forward(w.detach().contiguous())
            ctx.save_for_backward(qx, qw)
            return F.linear(qx, qw, b)

        @staticmethod
        def backward(ctx, dy):
            qx, qw = ctx.saved_tensors
            q = round_backward(dy.contiguous())
            flat = q.reshape(-1, q.shape[-1])
            return q @ qw, flat.t() @ qx.reshape(-1, qx.shape[-1]), dy.reshape(-1, dy.shape[-1]).sum(0)

    class Linear(nn.Linear):
        def forward(self, x):
            return Product.apply(x, self.weight, self.bias)

    return Linear


def native_cast(dtype, largest):
    def rounded(x):
        scale = largest / x.abs().max().clamp(min=1e-12)
        return (x * scale).to(dtype).to(torch.float32) / scale

    return rounded


def peers(size):
    """Name -> step, for what is installed."""
    found = {"PyTorch eager fp32": trainer(size), "PyTorch bf16 autocast": trainer(size, autocast=True)}
    found["PyTorch native float8 casts"] = trainer(
        size, rounding_linear(native_cast(torch.float8_e4m3fn, 448.0), native_cast(torch.float8_e5m2, 57344.0)))
    try:
        from qtorch import FloatingPoint
        from qtorch.quant import float_quantize
        for rounding in ("nearest", "stochastic"):
            found[f"QPyTorch {rounding}"] = trainer(size, rounding_linear(
                lambda x, r=rounding: float_quantize(x, exp=4, man=3, rounding=r),
                lambda x, r=rounding: float_quantize(x, exp=5, man=2, rounding=r)))
    except Exception as error:  # its extension is compiled on import
        print(f"compare_peers: QPyTorch is absent: {type(error).__name__}")
    try:
        from pychop.tch.lightchop import LightChop_
        forward, backward = LightChop_(exp_bits=4, sig_bits=3, rmode=1), LightChop_(exp_bits=5, sig_bits=2, rmode=1)
        found["pychop nearest"] = trainer(size, rounding_linear(forward, backward))
    except Exception as error:
        print(f"compare_peers: pychop is absent: {type(error).__name__}")
    try:
        from torchao.float8 import Float8LinearConfig, convert_to_float8_training
        layers, width, heads, context, batch = SIZES[size]
        model = convert_to_float8_training(Gpt(layers, width, heads, context), config=Float8LinearConfig(emulate=True),
                                           module_filter_fn=lambda module, name: "head" not in name)
        x, y = torch.randint(VOCABULARY, (batch, context)), torch.randint(VOCABULARY, (batch, context))
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1)

        def step():
            loss = F.cross_entropy(model(x).view(-1, VOCABULARY), y.view(-1))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()

        step()
        found["torchao float8, emulated"] = step
    except Exception as error:
        print(f"compare_peers: torchao is absent: {type(error).__name__}")
    return found


def seconds(step, steps):
    start = time.perf_counter()
    for _ in range(steps):
        step()
    return (time.perf_counter() - start) / steps


def ours(binary, size):
    """Seconds a step of our recipes and of the same model in torch's C++ modules."""
    out = subprocess.run([binary, "bench", "step", "--size", size, "--quick", "--json"], check=True,
                         capture_output=True, text=True).stdout
    times = {}
    for row in json.loads(out)["rows"]:
        name = row["work"].split(" step,")[0]
        times.setdefault("precipice " + name, statistics.median(row["seconds_ours"]) / row["units"])
        if row["reference"].startswith("torch modules"):
            times.setdefault(row["reference"], statistics.median(row["seconds_reference"]) / row["units"])
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="build/release/precipice")
    parser.add_argument("--sizes", default="tiny,small,mid")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--compile", action="store_true", help="torch.compile as a peer, too")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for size in arguments.sizes.split(","):
        found = peers(size)
        if arguments.compile:
            found["PyTorch compiled fp32"] = trainer(size, compiled=True)
        steps = {"tiny": 20, "small": 4, "mid": 2}[size]
        for step in found.values():
            seconds(step, 2)
        times = {}
        for _ in range(arguments.repetitions):
            for name, step in found.items():
                times.setdefault(name, []).append(seconds(step, steps))
            for name, value in ours(arguments.binary, size).items():
                times.setdefault(name, []).append(value)
        base = times["PyTorch eager fp32"]
        print(f"\n{size} {SIZES[size]}: time of a step over PyTorch eager fp32's "
              f"({1e3 * statistics.median(base):.2f} ms), 1 thread, {arguments.repetitions} repetitions")
        for name, values in times.items():
            ratios = [value / reference for value, reference in zip(values, base)]
            print(f"  {name:<34} {statistics.median(ratios):6.2f}   {min(ratios):.2f} to {max(ratios):.2f}")
    assert math.isfinite(sum(base))


if __name__ == "__main__":
    main()
