# SPDX-License-Identifier: Apache-2.0
"""Linear layers of PyTorch whose products a recipe rounds and an emulated accumulator sums.

    import precipice_numerics.torch as pt
    numerics = pt.quantize_linears(model, "mxfp8")     # every torch.nn.Linear; weights stay the same tensors
    for x, y in batches:
        loss(model(x), y).backward(); optimizer.step(); optimizer.zero_grad()

Forward and backward pass have the bits of the program's linears with the same recipe, accumulator, seed and step:

    y = q(x) q(w)^T + b      dx = q(dy) q(w)      dw = q(dy)^T q(x)

each operand quantized from the float32 tensor, each product rounded as the recipe says, and gradients those of the exact
product (straight-through). The gradient of a bias is PyTorch's own sum. CPU and float32 only; meant for trying a recipe, not
for speed.
"""
from __future__ import annotations

import fnmatch
import weakref
from typing import Any, Iterable

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from . import _formats as formats
from ._arrays import whole
from ._products import Linear
from ._recipes import DelayedScales, Recipe

__all__ = ["Numerics", "QuantizedLinear", "cast", "quantize_linears"]

_layers: weakref.WeakSet[QuantizedLinear] = weakref.WeakSet()


def _end_steps(optimizer: torch.optim.Optimizer, *_: Any) -> None:
    """After an optimizer's step: the layers whose weights it has are a step further."""
    updated = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    moved = {id(layer.numerics): layer.numerics for layer in list(_layers) if id(layer.weight) in updated}
    for numerics in moved.values():
        numerics.end_step()


register_optimizer_step_post_hook(_end_steps)


class Numerics:
    """What the layers of a model share: the seed of stochastic rounding, the step, and delayed scales.

    The step of an optimizer that has their weights ends a step by itself; who updates weights by hand calls end_step().
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = whole("seed", seed, 0, 2**64 - 1)
        self.step = 0
        self.scales = DelayedScales()

    def end_step(self) -> None:
        """The next random words, and delayed scales from the amaxes of this step."""
        self.scales.end_step()
        self.step += 1

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint beside the model's."""
        return {"seed": self.seed, "step": self.step, "scales": self.scales.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """What state_dict() gave."""
        self.seed, self.step = state["seed"], state["step"]
        self.scales = DelayedScales()
        self.scales.load_state_dict(state["scales"])


def _numpy(tensor: torch.Tensor, name: str) -> Any:
    if tensor.device.type != "cpu" or tensor.dtype != torch.float32:
        raise TypeError(f"{name} is {tensor.dtype} on {tensor.device}; low precision is emulated on float32 tensors in the "
                        "CPU's memory: .float().cpu(), and no autocast")
    return tensor.detach().contiguous().numpy()


class _LinearFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, call: dict[str, Any],
                linear: Linear) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        ctx.call, ctx.linear = call, linear
        added = None if bias is None else _numpy(bias, "bias")
        return torch.from_numpy(linear.gemm("fprop", _numpy(x, "x"), _numpy(weight, "weight"), bias=added, **call))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, dy: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        given = _numpy(dy, "the gradient")
        dx = dw = db = None
        if ctx.needs_input_grad[0]:
            dx = torch.from_numpy(ctx.linear.gemm("dgrad", given, _numpy(weight, "weight"), **ctx.call))
        if ctx.needs_input_grad[1]:
            dw = torch.from_numpy(ctx.linear.gemm("wgrad", given, _numpy(x, "x"), **ctx.call))
        if ctx.needs_input_grad[2]:
            db = dy.reshape(-1, dy.shape[-1]).sum(0)
        return dx, dw, db, None, None


class QuantizedLinear(torch.nn.Linear):
    """torch.nn.Linear as a recipe computes it: x (..., in_features) -> (..., out_features), float32 on the CPU.

    recipe, accumulator: as Linear's of precipice_numerics; sums are float32's in the order of k unless another is named.
    numerics: seed, step and delayed scales, shared by the layers of a model; None: its own.
    site: the number of this matmul in the model: layers with one seed and different sites round with different words.

    In eval() mode random words are those of validation and delayed scales stay as they are. state_dict() is nn.Linear's.
    Raises ConfigError (a ValueError) for a recipe or an accumulator that is none, or that do not go together.

    >>> layer = QuantizedLinear(64, 32, recipe="fp8", accumulator="hopper-fp8")
    >>> layer(torch.zeros(2, 5, 64)).shape
    torch.Size([2, 5, 32])
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True, recipe: str | Recipe = "mxfp8",
                 accumulator: str = "fp32", *, numerics: Numerics | None = None, site: int = 0, device: Any = None) -> None:
        super().__init__(in_features, out_features, bias, device=device, dtype=torch.float32)
        self.numerics = Numerics() if numerics is None else numerics
        self.site = whole("site", site, 0, 2**30 - 1)
        self.linear = Linear(recipe, accumulator)
        _layers.add(self)

    @classmethod
    def from_linear(cls, linear: torch.nn.Linear, recipe: str | Recipe = "mxfp8", accumulator: str = "fp32", *,
                    numerics: Numerics | None = None, site: int = 0) -> QuantizedLinear:
        """A layer with the same weight and bias: the same tensors, not copies."""
        layer = cls(linear.in_features, linear.out_features, linear.bias is not None, recipe, accumulator,
                    numerics=numerics, site=site, device="meta")
        layer.weight, layer.bias = linear.weight, linear.bias
        return layer.train(linear.training)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        _layers.add(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        call = {"seed": self.numerics.seed, "step": self.numerics.step, "site": self.site,
                "evaluation": not self.training, "scales": self.numerics.scales}
        rows = x.unsqueeze(0) if x.dim() == 1 else x
        y = _LinearFunction.apply(rows, self.weight, self.bias, call, self.linear)
        return y.squeeze(0) if x.dim() == 1 else y

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, recipe={self.linear.recipe.text}, accumulator={self.linear.accumulator}"


def quantize_linears(model: torch.nn.Module, recipe: str | Recipe = "mxfp8", accumulator: str = "fp32", *, seed: int = 0,
                     skip: Iterable[str] = ()) -> Numerics:
    """Puts a QuantizedLinear in the place of every torch.nn.Linear of the model, around the same weights.

    skip: names of modules that stay, as patterns: ["lm_head", "blocks.0.*"]. Sites are numbered in the order of
    model.named_modules(). Subclasses of Linear stay as they are: others read their weights. Returns what the layers share.
    Raises ValueError where nothing was replaced.
    """
    patterns = [skip] if isinstance(skip, str) else list(skip)
    numerics = Numerics(seed)
    found = [(name, module) for name, module in model.named_modules(remove_duplicate=False)
             if type(module) is torch.nn.Linear and not any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)]
    if not found or found[0][0] == "":
        raise ValueError("the model has no torch.nn.Linear inside that is not skipped; of a single layer, "
                         "QuantizedLinear.from_linear() makes a new one")
    made: dict[int, QuantizedLinear] = {}  # a module may have several names
    for name, module in found:
        if id(module) not in made:
            made[id(module)] = QuantizedLinear.from_linear(module, recipe, accumulator, numerics=numerics, site=len(made))
        parent, _, attribute = name.rpartition(".")
        model.get_submodule(parent).register_module(attribute, made[id(module)])
    return numerics


class _CastFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, options: dict[str, Any]) -> torch.Tensor:
        return torch.from_numpy(formats.cast(x.detach(), **options))

    @staticmethod
    def backward(ctx: Any, dy: torch.Tensor) -> tuple[torch.Tensor, None]:
        return dy, None


def cast(x: torch.Tensor, format: str | formats.Format, rounding: str = "rne", overflow: str = "saturate",
         **options: Any) -> torch.Tensor:
    """precipice_numerics.cast() of a tensor, as a float32 tensor; its gradient goes straight through.

    >>> cast(torch.tensor([0.3, 500.0]), "e4m3")
    tensor([3.1250e-01, 4.4800e+02])
    """
    return _CastFunction.apply(x, {"format": format, "rounding": rounding, "overflow": overflow, **options})
