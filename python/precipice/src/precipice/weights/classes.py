# SPDX-License-Identifier: Apache-2.0
"""Which class of nanoGPT or Hugging Face's transformers computes what a run's model computes, with which settings, and under
which names it keeps the weights.

Sources: nanoGPT, model.py (GPTConfig; exact GELU, eps 1e-5, MLP of 4 widths); transformers, models/gpt2/modeling_gpt2.py (its
Conv1D keeps (in, out), and it always has biases), models/llama and models/qwen3 (Llama with norms of queries and keys).
"""

from dataclasses import dataclass
from typing import Any, Dict, List, Tuple

import numpy as np

from precipice.weights.weights import Weights

CONV1D = ("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")
NANOGPT_EPS = 1e-5


@dataclass
class Target:
    """`class_name` with `config` as keyword arguments of its config class, and `arrays` as its state_dict."""

    library: str  # nanogpt or transformers
    class_name: str
    config_class: str
    model_type: str  # of Hugging Face's config.json
    config: Dict[str, Any]
    arrays: Dict[str, np.ndarray]


def target_of(weights: Weights, library: str = "") -> Target:
    """`library`: nanogpt or transformers; by default nanogpt for a GPT and transformers for a Llama. Raises ValueError naming
    what of the model no class of that library has."""
    library = library or {"gpt": "nanogpt", "llama": "transformers"}[weights.kind]
    makers = {("gpt", "nanogpt"): nanogpt, ("gpt", "transformers"): gpt2, ("llama", "transformers"): llama}
    if library not in ("nanogpt", "transformers"):
        raise ValueError(f"no library {library}; there are nanogpt and transformers")
    if (weights.kind, library) not in makers:
        raise ValueError(f"{library} has no {weights.kind}; transformers has")
    return makers[weights.kind, library](weights)


def refuse(weights: Weights, class_name: str, needed: List[Tuple[str, Any]]) -> None:
    """`needed`: attributes and the values that the class takes for granted; one that is not there is at its default."""
    for name, value in needed:
        found = weights.attributes.get(name, value)
        if found != value:
            raise ValueError(f"{class_name} cannot compute this model: {name} is {found}, and the class has {value}")


def common_needs(weights: Weights) -> List[Tuple[str, Any]]:
    return [("softcap", 0.0), ("norm_placement", "pre")]


def gpt_needs(weights: Weights) -> List[Tuple[str, Any]]:
    a = weights.attributes
    same = [("kv_heads", a["heads"]), ("positions", "learned"), ("norm", "layernorm"), ("qk_norm", "none")]
    return [*common_needs(weights), *same, ("activation", "gelu"), ("tied_head", 1)]


def nanogpt(weights: Weights) -> Target:
    a = weights.attributes
    refuse(weights, "nanoGPT's GPT", [*gpt_needs(weights), ("norm_eps", NANOGPT_EPS), ("hidden", 4 * a["width"])])
    config = {
        "block_size": a["context"],
        "vocab_size": a["vocabulary"],
        "n_layer": a["layers"],
        "n_head": a["heads"],
        "n_embd": a["width"],
        "dropout": 0.0,
        "bias": bool(a["bias"]),
    }
    return Target("nanogpt", "GPT", "GPTConfig", "", config, dict(weights.arrays))


def gpt2(weights: Weights) -> Target:
    a = weights.attributes
    refuse(weights, "GPT2LMHeadModel", gpt_needs(weights))
    arrays = {}
    for name, array in weights.arrays.items():
        arrays[name] = np.ascontiguousarray(array.T) if name.endswith(CONV1D) else array
        bias = name.replace(".weight", ".bias")
        if ".h." in name or ".ln_f." in name:
            outputs = array.shape[0]
            arrays.setdefault(bias, weights.arrays.get(bias, np.zeros(outputs, dtype=np.float32)))
    config = {
        "vocab_size": a["vocabulary"],
        "n_positions": a["context"],
        "n_embd": a["width"],
        "n_layer": a["layers"],
        "n_head": a["heads"],
        "n_inner": a["hidden"],
        "activation_function": "gelu",
        "layer_norm_epsilon": a["norm_eps"],
        "resid_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "attn_pdrop": 0.0,
        "tie_word_embeddings": True,
        "bos_token_id": None,
        "eos_token_id": None,
    }
    return Target("transformers", "GPT2LMHeadModel", "GPT2Config", "gpt2", config, arrays)


def llama(weights: Weights) -> Target:
    """Qwen3 where queries and keys have norms."""
    a = weights.attributes
    name = "LlamaForCausalLM" if a.get("qk_norm", "none") == "none" else "Qwen3ForCausalLM"
    same = [("positions", "rotary"), ("norm", "rmsnorm"), ("activation", "swiglu"), ("bias", 0)]
    if name.startswith("Qwen3"):
        same.append(("qk_norm", "rmsnorm"))
    refuse(weights, name, [*common_needs(weights), *same])
    config = {
        "vocab_size": a["vocabulary"],
        "hidden_size": a["width"],
        "intermediate_size": a["hidden"],
        "num_hidden_layers": a["layers"],
        "num_attention_heads": a["heads"],
        "num_key_value_heads": a["kv_heads"],
        "head_dim": a["head_size"],
        "max_position_embeddings": a["context"],
        "rms_norm_eps": a["norm_eps"],
        "rope_theta": a["rope_theta"],  # where versions before 5 look, and below where 5 does
        "rope_parameters": {"rope_type": "default", "rope_theta": a["rope_theta"]},
        "hidden_act": "silu",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "tie_word_embeddings": bool(a["tied_head"]),
        "bos_token_id": None,
        "eos_token_id": None,
    }
    kind = "llama" if name.startswith("Llama") else "qwen3"
    return Target("transformers", name, name.replace("ForCausalLM", "Config"), kind, config, dict(weights.arrays))
