#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Losses and gradient norms of a Llama made of PyTorch's own modules, on exported weights and batches.

    precipice train tests/golden/llama_tiny.toml train.steps=0 --out /tmp/llama_tiny
    precipice export /tmp/llama_tiny --step 0 --out /tmp/weights.h5
    precipice batches tests/golden/llama_tiny.toml --steps 100 --out /tmp/batches.h5
    python tests/golden/make_llama_golden.py tests/golden/llama_tiny.toml /tmp/weights.h5 /tmp/batches.h5 \
        > tests/golden/llama_tiny.json

and the same for llama_knobs. Needs torch, numpy and h5py in Python; the tests need only the JSON files. The model is
written from the architecture's description (Touvron et al. 2023) with torch.nn modules; rotary positions are complex
products, and key heads are repeated instead of shared.
"""
import sys
import tomllib

import torch
from torch import nn
from torch.nn import functional as F

from make_gpt_golden import train


def rotated(x, theta):
    """x (B, H, T, D): pairs (i, i + D/2) turned as complex numbers, in double."""
    length, half = x.shape[2], x.shape[3] // 2
    angles = torch.outer(torch.arange(length), theta ** (-torch.arange(half, dtype=torch.float64) / half))
    pairs = torch.complex(x[..., :half].double(), x[..., half:].double())
    turned = pairs * torch.polar(torch.ones_like(angles), angles)
    return torch.cat([turned.real, turned.imag], dim=-1).float()


class Attention(nn.Module):
    def __init__(self, model):
        super().__init__()
        width, self.heads = model["width"], model["heads"]
        self.groups, self.theta = model.get("kv_heads", self.heads), model.get("rope_theta", 10000.0)
        self.size = width // self.heads
        self.q_proj = nn.Linear(width, width, bias=False)
        self.k_proj = nn.Linear(width, self.groups * self.size, bias=False)
        self.v_proj = nn.Linear(width, self.groups * self.size, bias=False)
        self.o_proj = nn.Linear(width, width, bias=False)
        self.q_norm = self.k_norm = nn.Identity()
        if model.get("qk_norm") == "rmsnorm":
            self.q_norm, self.k_norm = (nn.RMSNorm(self.size, eps=model["norm_eps"]) for _ in range(2))

    def forward(self, x):
        q, k, v = (project(x).unflatten(-1, (-1, self.size)).transpose(1, 2)
                   for project in (self.q_proj, self.k_proj, self.v_proj))
        q, k = rotated(self.q_norm(q), self.theta), rotated(self.k_norm(k), self.theta)
        k, v = (part.repeat_interleave(self.heads // self.groups, dim=1) for part in (k, v))
        return self.o_proj(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.gate_proj = nn.Linear(width, hidden, bias=False)
        self.up_proj = nn.Linear(width, hidden, bias=False)
        self.down_proj = nn.Linear(hidden, width, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, model):
        super().__init__()
        width, eps = model["width"], model.get("norm_eps", 1e-5)
        self.input_layernorm = nn.RMSNorm(width, eps=eps)
        self.self_attn = Attention(model)
        self.post_attention_layernorm = nn.RMSNorm(width, eps=eps)
        self.mlp = Mlp(width, model.get("hidden", -(-8 * width // 96) * 32))

    def forward(self, x):
        x = x + self.self_attn(self.input_layernorm(x))
        return x + self.mlp(self.post_attention_layernorm(x))


class Llama(nn.Module):
    def __init__(self, model, vocabulary):
        super().__init__()
        width = model["width"]
        self.model = nn.ModuleDict({
            "embed_tokens": nn.Embedding(vocabulary, width),
            "layers": nn.ModuleList(Layer(model) for _ in range(model["layers"])),
            "norm": nn.RMSNorm(width, eps=model.get("norm_eps", 1e-5))})
        self.lm_head = nn.Linear(width, vocabulary, bias=False)
        if model.get("tied_head", False):
            self.lm_head.weight = self.model["embed_tokens"].weight
        self.cap = model.get("softcap", 0.0)

    def forward(self, tokens):
        x = self.model["embed_tokens"](tokens)
        for layer in self.model["layers"]:
            x = layer(x)
        logits = self.lm_head(self.model["norm"](x))
        return self.cap * torch.tanh(logits / self.cap) if self.cap else logits


def main(config_path, weights_path, batches_path):
    config = tomllib.load(open(config_path, "rb"))
    train(Llama(config["model"], config["data"]["vocabulary"]), config, weights_path, batches_path)


if __name__ == "__main__":
    main(*sys.argv[1:4])
