#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Losses and gradient norms of a GPT made of PyTorch's own modules, on exported weights and batches.

    precipice train tests/golden/gpt_tiny.toml train.steps=0 --out /tmp/gpt_tiny
    precipice export /tmp/gpt_tiny --step 0 --out /tmp/weights.h5
    precipice batches tests/golden/gpt_tiny.toml --steps 100 --out /tmp/batches.h5
    python tests/golden/make_gpt_golden.py tests/golden/gpt_tiny.toml /tmp/weights.h5 /tmp/batches.h5 > tests/golden/gpt_tiny.json

Needs torch, numpy and h5py in Python; the tests need only the JSON file. The model is written from the architecture's
description (Radford et al. 2019, as nanoGPT configures it), with torch.nn modules and torch.optim.AdamW.
"""
import json
import math
import sys
import tomllib

import h5py
import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    def __init__(self, width, heads, bias):
        super().__init__()
        self.ln_1 = nn.LayerNorm(width, bias=bias)
        self.attn = nn.ModuleDict({"c_attn": nn.Linear(width, 3 * width, bias=bias),
                                   "c_proj": nn.Linear(width, width, bias=bias)})
        self.ln_2 = nn.LayerNorm(width, bias=bias)
        self.mlp = nn.ModuleDict({"c_fc": nn.Linear(width, 4 * width, bias=bias),
                                  "c_proj": nn.Linear(4 * width, width, bias=bias)})
        self.heads = heads

    def attend(self, x):
        batch, length, width = x.shape
        q, k, v = (part.view(batch, length, self.heads, -1).transpose(1, 2)
                   for part in self.attn["c_attn"](x).split(width, dim=2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.attn["c_proj"](y.transpose(1, 2).reshape(batch, length, width))

    def forward(self, x):
        x = x + self.attend(self.ln_1(x))
        return x + self.mlp["c_proj"](F.gelu(self.mlp["c_fc"](self.ln_2(x))))


class Gpt(nn.Module):
    def __init__(self, model, vocabulary):
        super().__init__()
        width, bias = model["width"], model["bias"]
        self.transformer = nn.ModuleDict({
            "wte": nn.Embedding(vocabulary, width),
            "wpe": nn.Embedding(model["context"], width),
            "h": nn.ModuleList(Block(width, model["heads"], bias) for _ in range(model["layers"])),
            "ln_f": nn.LayerNorm(width, bias=bias)})
        self.lm_head = nn.Linear(width, vocabulary, bias=False)
        if model.get("tied_head", True):
            self.lm_head.weight = self.transformer["wte"].weight

    def forward(self, tokens):
        t = self.transformer
        x = t["wte"](tokens) + t["wpe"](torch.arange(tokens.shape[1]))
        for block in t["h"]:
            x = block(x)
        return self.lm_head(t["ln_f"](x))


def factor(step, steps, warmup, final):
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))


def train(model, config, weights_path, batches_path):
    """Trains the model on the weights and batches, and prints its losses and gradient norms as JSON."""
    torch.set_num_threads(1)
    with h5py.File(weights_path) as file:
        model.load_state_dict({name: torch.from_numpy(file[name][()]) for name in file})
    optimizer_config = config["optimizer"]
    decay = [p for p in model.parameters() if p.dim() >= 2]
    rest = [p for p in model.parameters() if p.dim() < 2]
    optimizer = torch.optim.AdamW([{"params": decay, "weight_decay": optimizer_config["weight_decay"]},
                                   {"params": rest, "weight_decay": 0.0}],
                                  lr=1.0, betas=(0.9, 0.95), eps=1e-8, foreach=False)
    losses, norms = [], []
    with h5py.File(batches_path) as file:
        steps = config["train"]["steps"]
        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = optimizer_config["lr"] * factor(step, steps, config["schedule"]["warmup_steps"], 0.1)
            x, y = (torch.from_numpy(file[name][step]) for name in ("x", "y"))
            logits = model(x).flatten(0, 1)
            loss = F.cross_entropy(logits, y.flatten())
            optimizer.zero_grad()
            (loss + config["train"].get("z_loss", 0.0) * logits.logsumexp(-1).square().mean()).backward()
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), optimizer_config["clip_norm"])
            optimizer.step()
            losses.append(loss.item())
            norms.append(norm.item())
    json.dump({"torch": torch.__version__, "train_loss": losses, "grad_norm": norms}, sys.stdout, indent=0)


def main(config_path, weights_path, batches_path):
    config = tomllib.load(open(config_path, "rb"))
    train(Gpt(config["model"], config["data"]["vocabulary"]), config, weights_path, batches_path)


if __name__ == "__main__":
    main(*sys.argv[1:4])
