# SPDX-License-Identifier: Apache-2.0
"""Makes sweeps of invented numbers in the layout of metrics/log/run_file.h, for the tests of the report and a look at it:
python tests/scripts/fake_sweep.py DIR
"""

import hashlib
import json
import math
import sys
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

import h5py
import numpy as np

INITIAL_LOSS = math.log(64)
FLOOR = 2.1
SITES = [
    f"h.{layer}.{kind}"
    for layer in range(2)
    for kind in ("attn.qkv", "attn.qk", "attn.pv", "attn.proj", "mlp.up", "mlp.down")
] + ["lm_head"]


def toml_text(value: Any) -> str:
    """Quotes text as the program does: literally where that is possible."""
    return f"'{value}'" if isinstance(value, str) and "'" not in value else json.dumps(value)


def config_text(settings: Dict[str, Any]) -> str:
    """`key = value` under `[section]` headers, as the program writes it."""
    lines = [f"{key} = {toml_text(value)}" for key, value in settings.items() if "." not in key]
    section = ""
    for key, value in settings.items():
        if "." not in key:
            continue
        if key.split(".")[0] != section:
            section = key.split(".")[0]
            lines += ["", f"[{section}]"]
        lines.append(f"{key.split('.')[1]} = {toml_text(value)}")
    return "\n".join(lines) + "\n"


def settings(recipe: str, rate: float, seed: int, steps: int, **more: Any) -> Dict[str, Any]:
    base = {
        "seed": seed,
        "threads": 1,
        "model.layers": 2,
        "model.width": 64,
        "model.heads": 2,
        "model.context": 64,
        "init.seed": seed,
        "data.source": "synthetic",
        "data.path": "",
        "data.seed": seed,
        "precision.recipe": recipe,
        "precision.x": "",
        "optimizer.kind": "adamw",
        "optimizer.lr": rate,
        "train.steps": steps,
        "train.batch": 16,
        "metrics.epsilons": [1e-3, 5e-4],
    }
    base.update(more)
    return base


def group(
    file: h5py.File, name: str, steps: Sequence[int], series: Dict[str, np.ndarray], sites: Optional[List[str]] = None
) -> None:
    folder = file.create_group(name)
    folder["step"] = np.asarray(steps, dtype=np.int64)
    if sites:
        folder.create_dataset("site", data=sites, dtype=h5py.string_dtype())
    for key, values in series.items():
        folder[key] = np.asarray(values, dtype=np.float64)


def loss_curve(rate: float, seed: int, steps: int, diverge_at: int = -1, spike_at: int = -1) -> np.ndarray:
    """Falls towards the floor, best near rate 1e-2; runs up from diverge_at on."""
    noise = np.random.default_rng(seed + int(1e7 * rate)).normal(0, 0.03, steps)
    step = np.arange(steps)
    speed = 1 / (1 + math.log10(rate / 1e-2) ** 2)
    loss = FLOOR + 0.15 / speed + (INITIAL_LOSS - FLOOR - 0.15 / speed) * np.exp(-step * speed / 60) + noise
    if 0 <= diverge_at < steps:
        loss[diverge_at:] += 0.05 * (step[diverge_at:] - diverge_at)
    if 0 <= spike_at < steps:
        loss[spike_at] += 1.0
    return loss


def write_run(
    directory: Path,
    config: Dict[str, Any],
    losses: Sequence[float],
    state: str = "done",
    diverged_at: int = -1,
    reason: str = "",
    evals: Optional[Dict[int, float]] = None,
    probes: bool = True,
    floor: float = FLOOR,
    status: Optional[Dict[str, Any]] = None,
) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    losses = np.asarray(losses, dtype=np.float64)
    steps = np.arange(len(losses))
    (directory / "config.toml").write_text(config_text(config))
    status_text = {
        "state": state,
        "step": len(losses),
        "steps": config["train.steps"],
        "reason": reason,
        "invocation": "precipice train fake.toml",
        **(status or {}),
    }
    (directory / "status.json").write_text(json.dumps(status_text))
    if evals is None:
        evals = {int(s): float(losses[s]) + 0.02 for s in steps[::50]}
        if state == "done" and len(losses):
            evals[len(losses)] = float(np.mean(losses[-20:])) + 0.02
    with h5py.File(directory / "run.h5", "w") as file:
        group(
            file,
            "metrics",
            steps,
            {"train_loss": losses, "learning_rate": np.full(len(losses), config["optimizer.lr"])},
        )
        group(file, "eval", list(evals), {"validation_loss": np.array(list(evals.values()))})
        if probes:
            write_probes(file, config, losses)
        file["config"] = config_text(config)
        for name, value in {
            "schema_version": "1",
            "run_id": directory.name,
            "commit": "0123abc",
            "isa": "avx2",
            "carrier": "bf16, fp32",
            "status": state,
            "divergence_step": diverged_at,
            "divergence_reason": reason,
            "entropy_floor": floor,
        }.items():
            file.attrs[name] = value
    return directory


def write_probes(file: h5py.File, config: Dict[str, Any], losses: np.ndarray) -> None:
    steps = np.arange(0, len(losses), 10)
    coarse = {"bf16": 1.0, "fp8": 1.3, "e8m3": 2.5}.get(config["precision.recipe"], 1.5)
    wobble = np.random.default_rng(config["seed"]).normal(1, 0.05, len(steps))
    sharpness = coarse * wobble * (0.2 + 0.5 * np.sqrt(steps / max(len(losses), 1)))
    group(
        file,
        "sharpness",
        steps,
        {
            f"{variant}{mean}_eps{eps}": sharpness * scale
            for eps in ("1e-3", "5e-4")
            for variant, scale in (("last_token", 1.0), ("all_tokens", 0.8))
            for mean in ("", "_mean_loss")
        },
    )
    share = np.zeros((len(steps), len(SITES)))
    tiny = np.full((len(steps), len(SITES)), np.nan)
    if config["precision.recipe"] == "fp8":
        share[:] = 1e-5 * 10 ** np.linspace(0, 3, len(SITES)) * (1 + steps[:, None] / 100)
        tiny = share * 0.1
    group(
        file,
        "tensors",
        steps,
        {
            "x_saturated": share,
            "x_underflowed": share * 3,
            "dy_saturated": tiny,
            "dy_underflowed": tiny * 50,
            "w_saturated": share * 0,
            "w_underflowed": share * 0.02,
            "x_amax": share + 1,
        },
        SITES,
    )


def write_sweep(
    directory: Path,
    recipes: Sequence[str] = ("bf16", "fp8", "e8m3"),
    rates: Sequence[float] = (1e-3, 1e-2, 1e-1),
    seeds: int = 3,
    steps: int = 300,
) -> Path:
    for recipe in recipes:
        for rate in rates:
            for seed in range(seeds):
                dies = rate >= 1e-1 and (recipe == "e8m3" or recipe == "fp8" and seed == 1)
                at = 40 + 25 * seed if dies else -1
                losses = loss_curve(rate, seed, steps, at, spike_at=150 if seed == 2 else -1) + 0.1 * (recipe == "e8m3")
                write_run(
                    directory / f"{recipe}-{rate:g}-{seed}",
                    settings(recipe, rate, seed, steps),
                    losses[: at + 60] if dies else losses,
                    "diverged" if dies else "done",
                    at,
                    "loss risen" if dies else "",
                )
    (directory / "sweep.toml").write_text('command = "precipice sweep fake.toml --out fake"\n')
    return directory


def publish(directory: Path) -> None:
    """Completes a run's status.json to what the program itself writes, with the hash of run.h5."""
    status = {
        "state": "done",
        "step": 0,
        "steps": 0,
        "pid": 0,
        "process_start": 0,
        "host": "",
        "heartbeat": 1,
        "reason": "",
        "divergence_step": -1,
        "final_loss": "nan",
        "run_file_sha256": hashlib.sha256((directory / "run.h5").read_bytes()).hexdigest(),
        "run_file_before": "",
        "wall_seconds": 0.0,
        "steps_per_second": 0.0,
        "invocation": "",
        "exit_code": 0,
        **json.loads((directory / "status.json").read_text()),
    }
    with h5py.File(directory / "run.h5") as file:
        status["divergence_step"] = int(file.attrs["divergence_step"])
    (directory / "status.json").write_text(json.dumps(status))


def write_program_sweep(
    directory: Path, recipes: Sequence[str], rates: Sequence[float], seeds: int, steps: int, missing: Sequence[int] = ()
) -> List[str]:
    """A sweep that the program itself reads; e8m3 diverges at the highest rate, but for the last seed. Runs whose number is
    in `missing` were never begun. Returns the ids."""
    ids = []
    record = 'command = "precipice sweep fake.toml --out fake"\nbase = []\naxes = ["precision.recipe", "optimizer.lr", "seed"]\n'
    for recipe in recipes:
        for rate in rates:
            for seed in range(seeds):
                name = hashlib.sha256(f"{recipe} {rate} {seed}".encode()).hexdigest()[:10]
                ids.append(name)
                values = f'{{"precision.recipe" = "{recipe}", "optimizer.lr" = {rate}, "seed" = {seed}}}'
                record += f'\n[[runs]]\nid = "{name}"\nvalues = {values}\n'
                if len(ids) - 1 in missing:
                    continue
                dies = recipe == "e8m3" and rate == max(rates) and seed < seeds - 1
                at = steps // 2 + 5 * seed if dies else -1
                losses = loss_curve(rate, seed, steps, spike_at=steps - 20 if seed == 0 and not dies else -1)
                if dies:
                    losses = np.append(losses[:at], np.nan)
                write_run(
                    directory / name,
                    settings(recipe, rate, seed, steps),
                    losses,
                    "diverged" if dies else "done",
                    at,
                    "non-finite loss" if dies else "",
                )
                publish(directory / name)
    (directory / "sweep.toml").write_text(record)
    return ids


if __name__ == "__main__":
    write_sweep(Path(sys.argv[1]), rates=(1e-3, 3e-3, 1e-2, 1e-1), steps=400)
