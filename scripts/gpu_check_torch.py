# SPDX-License-Identifier: Apache-2.0
"""What scripts/gpu_check asks of PyTorch, where it is there with CUDA: sums of FP8 numbers by the GPU's own instructions, and
steps of its bf16 autocast; and ncu's tables."""

import csv
import io
import random
import statistics
import struct
import time
from typing import Any, Callable, Dict, List, Tuple

SIZE = 128  # rows and columns of a product: 16,384 sums at a time
DEPTHS = (32, 64, 128, 256)
PRESETS = ("hopper-fp8", "hopper-fp8:promote=128", "ada-fp8", "blackwell-fp8", "fp32")
# By compute capability, with fast accumulation and without.
PRESETS_OF: Dict[Tuple[int, int], Dict[str, str]] = {
    (8, 9): {"fast": "ada-fp8"},
    (9, 0): {"fast": "hopper-fp8", "promoted": "hopper-fp8:promote=128"},
    (10, 0): {"fast": "blackwell-fp8"},
}
# layers, width, heads, context, batch: those of precipice bench step
MODELS = {"tiny 2x64": (2, 64, 2, 64, 16), "small 4x128": (4, 128, 4, 128, 16)}
VOCABULARY = 65


def torch_with_cuda() -> Any:
    import torch

    if not torch.cuda.is_available():
        raise ImportError("PyTorch finds no GPU")
    return torch


def capability() -> Tuple[int, int]:
    from gpu_check_parts import NotThere

    try:
        major, minor = torch_with_cuda().cuda.get_device_capability()
    except ImportError as reason:
        raise NotThere(f"PyTorch with CUDA: {reason}")
    return major, minor


def e4m3_value(code: int) -> float:
    """OCP E4M3: bias 7, no infinities, all ones is NaN."""
    sign, exponent, mantissa = -1.0 if code & 0x80 else 1.0, code >> 3 & 15, code & 7
    return sign * (mantissa * 2.0**-9 if exponent == 0 else (8 + mantissa) * 2.0 ** (exponent - 10))


def directed_row(kind: int, depth: int, draw: random.Random) -> List[int]:
    """Codes whose sums show where a unit aligns, cuts and keeps terms."""
    sign = [0x80 * draw.getrandbits(1) for _ in range(depth)]
    if kind == 0:  # anything but NaN
        return [draw.choice([code for code in range(256) if code & 0x7F != 0x7F]) for _ in range(depth)]
    if kind == 1:  # large numbers that cancel, tiny ones that are left
        row = [draw.randrange(1, 24) | s for s in sign]
        row[0], row[depth // 2] = 0x7E, 0xFE
        return row
    if kind == 2:  # one exponent, every mantissa: carries
        return [8 * 7 + draw.randrange(8) for _ in range(depth)]
    if kind == 3:  # subnormal and smallest normal numbers, zeros among them
        return [draw.randrange(16) | s for s in sign]
    row = [8 * draw.randrange(2, 7) + draw.randrange(8) for _ in range(depth)]  # one large, what is cut adds up
    row[draw.randrange(depth)] = 8 * 14 + draw.randrange(8)
    return row


def directed_operand(depth: int, seed: int) -> List[int]:
    draw = random.Random(seed)
    return [code for row in range(SIZE) for code in directed_row(row % 5, depth, draw)]


def sums_of_preset(gemm: Callable[[List[str], bytes], bytes], preset: str, x: List[int], w: List[int], depth: int) -> bytes:
    stdin = struct.pack(f"<{2 * SIZE * depth}f", *(e4m3_value(code) for code in x + w))
    return gemm(["--operands", "e4m3,e4m3", "--accumulator", preset, "--shape", f"{SIZE}x{SIZE}x{depth}"], stdin)


def sums_of_gpu(torch: Any, x: List[int], w: List[int], depth: int, fast: bool) -> bytes:
    def operand(codes: List[int]) -> Any:
        return torch.tensor(codes, dtype=torch.uint8, device="cuda").view(torch.float8_e4m3fn).view(SIZE, depth)

    one = torch.ones((), device="cuda")
    y = torch._scaled_mm(operand(x), operand(w).t(), scale_a=one, scale_b=one, out_dtype=torch.float32, use_fast_accum=fast)
    return bytes(y.contiguous().cpu().view(torch.uint8).flatten().tolist())


def count_same(a: bytes, b: bytes) -> int:
    return sum(a[i:i + 4] == b[i:i + 4] for i in range(0, len(a), 4)) if len(a) == len(b) else 0


def compare_sums(gemm: Callable[[List[str], bytes], bytes], keep: Callable[..., None]) -> Dict[str, Dict[str, Tuple[int, int]]]:
    """By mode and preset: how many of how many sums have the GPU's bits."""
    torch = torch_with_cuda()
    counted: Dict[str, Dict[str, Tuple[int, int]]] = {"fast": {}, "promoted": {}}
    for depth in DEPTHS:
        x, w = directed_operand(depth, 2 * depth), directed_operand(depth, 2 * depth + 1)
        presets = {preset: sums_of_preset(gemm, preset, x, w, depth) for preset in PRESETS}
        for mode in counted:
            there = sums_of_gpu(torch, x, w, depth, mode == "fast")
            for preset, here in presets.items():
                same, count = counted[mode].get(preset, (0, 0))
                counted[mode][preset] = (same + count_same(here, there), count + SIZE * SIZE)
        keep(sums=counted)
    return counted


def make_gpt(torch: Any, layers: int, width: int, heads: int, context: int) -> Any:
    nn, functional = torch.nn, torch.nn.functional

    class Block(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x: Any) -> Any:
            q, k, v = (t.unflatten(-1, (heads, -1)).transpose(1, 2) for t in self.qkv(self.norm1(x)).chunk(3, -1))
            y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.proj(y.transpose(1, 2).flatten(-2))
            return x + self.down(functional.gelu(self.up(self.norm2(x))))

    class Gpt(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.tokens, self.positions = nn.Embedding(VOCABULARY, width), nn.Embedding(context, width)
            self.blocks, self.norm = nn.Sequential(*(Block() for _ in range(layers))), nn.LayerNorm(width)

        def forward(self, tokens: Any) -> Any:
            x = self.tokens(tokens) + self.positions.weight
            return functional.linear(self.norm(self.blocks(x)), self.tokens.weight)

    return Gpt().cuda()


def autocast_step(torch: Any, layers: int, width: int, heads: int, context: int, batch: int) -> float:
    """Milliseconds of a step under bf16 autocast with fused attention, the median of seven times ten."""
    model = make_gpt(torch, layers, width, heads, context)
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    x, y = (torch.randint(VOCABULARY, (batch, context), device="cuda") for _ in range(2))

    def step() -> None:
        with torch.autocast("cuda", dtype=torch.bfloat16):
            loss = torch.nn.functional.cross_entropy(model(x).flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    times = []
    for _ in range(8):
        torch.cuda.synchronize()
        start = time.monotonic()
        for _ in range(10):
            step()
        torch.cuda.synchronize()
        times.append(100 * (time.monotonic() - start))
    return statistics.median(times[1:])


def autocast_steps() -> Dict[str, str]:
    torch = torch_with_cuda()
    return {name: f"{autocast_step(torch, *size):.2f} ms" for name, size in MODELS.items()}


def kernels_of_csv(text: str) -> Dict[str, Dict[str, float]]:
    """Sums of each metric by kernel, from ncu --csv: a line for each launch and metric below a line of names."""
    lines = text.splitlines()
    begin = next((i for i, line in enumerate(lines) if line.startswith('"ID"')), len(lines))
    kernels: Dict[str, Dict[str, float]] = {}
    for row in csv.DictReader(io.StringIO("\n".join(lines[begin:]))):
        try:
            value = float(str(row["Metric Value"]).replace(",", ""))
        except (KeyError, TypeError, ValueError):
            continue
        sums = kernels.setdefault(str(row["Kernel Name"])[:120], {"gpu__time_duration.sum": 0.0})
        sums[row["Metric Name"]] = sums.get(row["Metric Name"], 0.0) + value
        sums["launches"] = sums.get("launches", 0.0) + (row["Metric Name"] == "gpu__time_duration.sum")
    return kernels
