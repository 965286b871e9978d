# SPDX-License-Identifier: Apache-2.0
"""Says whether A and B give the same run.h5, bit for bit, and if not, which series differs first.

A and B are two run directories, or two builds of the program. Builds train the configs of CONFIGS, a few steps each: both
models, every family of scaling, stochastic rounding, stored formats, emulated sums, all probes, and a run that is
interrupted and resumed. What names the build or the machine itself (commit, versions, compiler) may differ and is said,
and so is what only tells a viewer how to draw the file: run.h5 of earlier versions has no such attributes.

Exit status 0: the same; 1: something differs; 2: A or B cannot be read or run.
"""

import argparse
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Optional, Set, Tuple

import h5py
import numpy as np

import package_path  # noqa: F401  makes precipice importable
from precipice.safe_files import regular, write_file

PROVENANCE = {"command", "commit", "compiler", "cpu_model", "cublas_version", "gpu_model", "hdf5_version", "libtorch_version", "onednn_version",
              "program_version"}
HINTS = {"NX_class", "default"}  # what a viewer opens on (metrics/hdf5/nexus_hints.h); groups' attributes are not compared
DIMENSION_SCALES = {"REFERENCE_LIST", "DIMENSION_LIST"}  # addresses in the file, of which steps belong to which series
TINY = ["model.width=32", "model.heads=2", "model.layers=2", "model.context=32", "train.batch=4", "train.steps=12",
        "train.eval_every=6", "train.checkpoint_every=4", "data.tokens=20000", "metrics.tensors_every=4"]
PROBES = "every probe"  # stands for every metrics.*_every=3 that both builds know
LLAMA = ["model.kind=llama", "model.kv_heads=1", "model.qk_norm=rmsnorm"]
CONFIGS: Dict[str, List[str]] = {
    "fp32": ["precision.recipe=fp32"],
    "bf16, GPT with biases": ["precision.recipe=bf16", "model.bias=true"],
    "bf16, Llama, probes": ["precision.recipe=bf16", *LLAMA, PROBES],
    "current scaling, probes": ["precision.recipe=fp8", PROBES],
    "delayed scaling, Llama": ["precision.recipe=te-delayed", *LLAMA],
    "scales per row": ["precision.recipe=torchao-rowwise"],
    "blocks of fp32 scales": ["precision.recipe=deepseek-v3"],
    "MXFP8, Llama": ["precision.recipe=mxfp8", *LLAMA],
    "NVFP4, transform": ["precision.recipe=nvfp4:rht=true"],
    "stochastic rounding": ["precision.recipe=custom", "precision.x=e4m3", "precision.w=e4m3", "precision.dy=e5m2",
                            "precision.rounding=sr", "precision.dy_rounding=sr", "precision.random_bits=8"],
    "stored formats": ["precision.recipe=ms-amp-o2"],
    "emulated sums": ["precision.recipe=fp8", "precision.accumulator=tensor-core:bits=14"],
    "rules, bf16 between the matmuls": ["precision.recipe=fp8", "precision.vector=bf16",
                                        "precision.rules=layers=0 -> high; attn.* steps=6: -> rounding=sr random_bits=8"],
    "Lion, dynamic loss scale": ["precision.recipe=bf16", "optimizer.kind=lion", "loss_scale.kind=dynamic",
                                 "loss_scale.window=4"],
    "SGD, clipped": ["precision.recipe=bf16", "optimizer.kind=sgd", "optimizer.clip_norm=0.1"],
    "fp8, resumed": ["precision.recipe=fp8", "train.steps=60"],
}


class Difference(NamedTuple):
    step: float  # of the first value that differs; -1: it has none
    what: str


def file_of(run: Path) -> Path:
    return run / "run.h5" if run.is_dir() else run


def objects(file: h5py.File) -> Dict[str, h5py.Dataset]:
    found: Dict[str, h5py.Dataset] = {}
    file.visititems(lambda name, item: found.__setitem__(name, item) if isinstance(item, h5py.Dataset) else None)
    return found


def raw(dataset: h5py.Dataset) -> np.ndarray:
    values = dataset[()]
    return values if isinstance(values, np.ndarray) else np.array(values)


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and (a.tolist() == b.tolist() if a.dtype == object
                                                          else a.tobytes() == b.tobytes())


def first_step(file: h5py.File, name: str, a: np.ndarray, b: np.ndarray) -> Tuple[float, str]:
    """Step and words of the first row of a series that differs."""
    steps = file.get(f"{name.rpartition('/')[0]}/step")
    if steps is None or a.ndim == 0 or a.shape != b.shape or a.dtype != b.dtype or len(steps) != len(a):
        return -1, f"{name}: {a.dtype}{list(a.shape)} and {b.dtype}{list(b.shape)}"
    row = next(i for i in range(len(a)) if a[i].tobytes() != b[i].tobytes())
    at = np.unravel_index(next(i for i, (x, y) in enumerate(zip(np.ravel(a[row]), np.ravel(b[row])))
                               if x.tobytes() != y.tobytes()), np.shape(a[row]))
    place = "" if not at else f", column {','.join(str(i) for i in at)}"
    step = float(steps[row])
    return step, f"{name} at step {step:.0f}{place}: {a[row][at]!r} and {b[row][at]!r}"


def attribute_differences(name: str, a: h5py.AttributeManager, b: h5py.AttributeManager) -> Iterator[str]:
    for key in sorted((set(a) | set(b)) - DIMENSION_SCALES):
        there, here = a.get(key), b.get(key)
        if there is None or here is None or not same_bits(np.asarray(there), np.asarray(here)):
            yield f"attribute {key} of /{name}: {there!r} and {here!r}"


def differences(first: Path, second: Path) -> Tuple[List[Difference], List[str]]:
    """What differs, earliest step first, and what differs of the build or machine."""
    found: List[Difference] = []
    named: List[str] = []
    with h5py.File(regular(file_of(first)), "r") as a, h5py.File(regular(file_of(second)), "r") as b:
        for text in attribute_differences("", a.attrs, b.attrs):
            if text.split()[1] in PROVENANCE | HINTS:
                named.append(text)
            else:
                found.append(Difference(-1, text))
        there, here = objects(a), objects(b)
        for name in sorted(set(there) | set(here)):
            if name not in there or name not in here:
                found.append(Difference(-1, f"{name} is in one file only"))
                continue
            found += [Difference(-1, text) for text in attribute_differences(name, there[name].attrs, here[name].attrs)]
            values = raw(there[name]), raw(here[name])
            if not same_bits(*values):
                found.append(Difference(*first_step(a, name, *values)))
    return sorted(found, key=lambda d: (d.step < 0, d.step)), named


def intervals_of(program: Path) -> Set[str]:
    listed = subprocess.run([str(program), "config", "metrics."], capture_output=True, text=True)
    keys = set(re.findall(r"metrics\.\w+_every", listed.stdout))
    if not keys:
        raise OSError(f"{program} config metrics. names no interval: {listed.stderr.strip()}")
    return keys


def train(program: Path, config: Path, settings: List[str], out: Path, resumed: bool) -> None:
    last = {setting.partition("=")[0]: setting for setting in [*TINY, *settings]}
    command = [str(program), "train", str(config), *last.values(), "--out", str(out), "--quiet"]
    if resumed:
        running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        while running.poll() is None and not list(out.glob("ckpt/*.ckpt")):
            time.sleep(0.005)
        running.send_signal(signal.SIGINT)
        running.communicate()
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode not in (0, 3):
        raise OSError(f"{' '.join(command)}\nends with {done.returncode}: {done.stderr.strip()}")


def compare_programs(first: Path, second: Path, only: Optional[str]) -> int:
    status = 0
    probes = intervals_of(first) & intervals_of(second)
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "tiny.toml"
        write_file(config, "")
        for number, (name, settings) in enumerate(CONFIGS.items()):
            if only and only not in name:
                continue
            if PROBES in settings:
                settings = [one for one in settings if one != PROBES] + [f"{key}=3" for key in sorted(probes)]
            runs = [Path(folder) / f"{number}{side}" for side in "ab"]
            for program, run in zip((first, second), runs):
                train(program, config, settings, run, "resumed" in name)
            found, _ = differences(*runs)
            print(f"{name}: {'the same' if not found else 'DIFFERENT, first ' + found[0].what}", flush=True)
            status |= bool(found)
    return status


def compare_directories(first: Path, second: Path) -> int:
    found, named = differences(first, second)
    for difference in found[:10]:
        print(difference.what)
    if len(found) > 10:
        print(f"and {len(found) - 10} more")
    for text in named:
        print(f"of another build, machine or layout: {text}")
    print("the same" if not found else "different")
    return bool(found)


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/compare_runs", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("a", type=Path, metavar="A")
    parser.add_argument("b", type=Path, metavar="B")
    parser.add_argument("--only", help="of builds: only configs whose name contains this")
    options = parser.parse_args()
    try:
        if options.a.is_dir() or options.a.suffix == ".h5":
            return compare_directories(options.a, options.b)
        return compare_programs(options.a.resolve(), options.b.resolve(), options.only)
    except (OSError, KeyError) as error:
        print(f"compare_runs: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
