# SPDX-License-Identifier: Apache-2.0
"""The parts of scripts/gpu_check: what each runs, and what it takes for a failure."""

import json
import os
import re
import shutil
import struct
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

import gpu_check_torch
import package_path  # noqa: F401  makes precipice importable
from precipice.safe_files import write_file

# Small enough for a step of milliseconds. Of two sequences: what PyTorch sums of them are two numbers, whose order is no matter.
DATA = ["data.tokens=200000", "data.vocabulary=65", "train.eval_every=0"]
TINY = ["model.layers=2", "model.width=64", "model.heads=2", "model.context=64", "train.batch=16", *DATA]
# Weights and steps large enough for losses to tell recipes apart in three steps.
SMALLER = ["model.layers=1", "model.width=32", "model.heads=2", "model.context=32", "train.batch=4", "init.std=0.1",
           "optimizer.lr=0.01", "schedule.warmup_steps=1", *DATA]
EQUAL = ["model.layers=1", "model.width=32", "model.heads=2", "model.context=16", "train.batch=2", *DATA]
EMULATED = {"bf16, fp32 sums": ["precision.recipe=bf16", "precision.accumulator=every:format=fp32"],
            "fp8, 14 bits in groups": ["precision.recipe=fp8", "precision.accumulator=tensor-core:bits=14"],
            "mxfp8, chunks of bf16": ["precision.recipe=mxfp8", "precision.accumulator=chunk:size=8,format=bf16,rounding=sr"]}
CURVES = ["bf16", "fp8", "mxfp8", "nvfp4"]
BENCHES = ["roofline", "quantize", "scaling", "gemm", "attention", "optimizer", "step"]
TAIL = 4000  # characters of an output that are kept
# A loss of the first three steps may differ by so much of itself: sums come in another order, and where that tips a rounding
# over, an operand moves by its format's spacing. Products summed from the last k to the first, on the CPU, moved the losses of
# five of 39 recipes, by 0.0001 of themselves at most; recipes are 0.002 apart.
LOSS_TOLERANCE = 0.001


class NotThere(Exception):
    """What a part needs and this machine lacks."""


class Options(NamedTuple):
    root: Path
    quick: bool


class Result(NamedTuple):
    verdict: str
    note: str
    data: Dict[str, Any] = {}


class Context:
    """Where a part works, until when, and where its result goes."""

    def __init__(self, options: Options, work: Path, result_file: Path, deadline: float) -> None:
        self.options, self.work, self.result_file, self.deadline = options, work, result_file, deadline
        self.kept: Dict[str, Any] = {}

    def left(self) -> float:
        return max(self.deadline - time.monotonic(), 0.1)

    def keep(self, **data: Any) -> None:
        """What there is so far: it stays where the part is ended by its limit."""
        self.kept.update(data)
        write_file(self.result_file, json.dumps(self.kept))

    def write(self, result: Result) -> None:
        write_file(self.result_file, json.dumps({"verdict": result.verdict, "note": result.note, **self.kept, **result.data}))

    def run(self, words: List[str], stdin: bytes = b"", own: bool = True) -> "subprocess.CompletedProcess[bytes]":
        """`own`: one of this project's programs, with the libraries that were packed with them."""
        environment = program_environment(self.options.root) if own else dict(os.environ)
        return subprocess.run(words, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
                              cwd=self.work, timeout=self.left())

    def precipice(self, *words: str, stdin: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
        return self.run([str(program(self.options.root)), *words], stdin)


def program(root: Path, name: str = "precipice") -> Path:
    packed = root / "bin" / name
    if packed.exists():
        return packed
    return root / "build/release" / (name if name == "precipice" else f"tests/{name}")


def torch_folder() -> Optional[Path]:
    spec = find_spec("torch")
    return Path(spec.origin).parent if spec and spec.origin else None


def program_environment(root: Path) -> Dict[str, str]:
    environment = dict(os.environ)
    torch = torch_folder()
    if (root / "lib").is_dir() and torch:
        folders = [root / "lib", torch / "lib", *sorted(torch.parent.glob("nvidia/*/lib"))]
        environment["LD_LIBRARY_PATH"] = ":".join(str(folder) for folder in folders)
    return environment


def tail(done: "subprocess.CompletedProcess[bytes]") -> str:
    return (done.stdout + done.stderr).decode(errors="replace")[-TAIL:]


def last_line(done: "subprocess.CompletedProcess[bytes]") -> str:
    lines = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"exit status {done.returncode}"


def tool(name: str) -> str:
    for candidate in (shutil.which(name), f"/usr/local/cuda/bin/{name}", f"/opt/nvidia/bin/{name}"):
        if candidate and os.access(candidate, os.X_OK):
            return candidate
    raise NotThere(f"no {name}")


# Runs


def read_journal(path: Path) -> Tuple[List[Dict[str, Any]], List[Tuple[int, int, bytes]]]:
    """Groups of series, and rows (group, step, bytes of binary64 numbers) of metrics.jnl (metrics/log/journal.h)."""
    data, at = path.read_bytes(), 8
    groups: List[Dict[str, Any]] = []
    rows: List[Tuple[int, int, bytes]] = []
    while at + 16 <= len(data):
        length, _, step = struct.unpack_from("<IIq", data, at)
        payload, at = data[at + 16:at + 16 + length], at + 16 + length
        if not groups:
            groups = json.loads(payload)["groups"]
            continue
        place = 0
        while place < len(payload):
            group = struct.unpack_from("<H", payload, place)[0]
            of = groups[group]
            size = 8 * len(of["series"]) * max(1, len(of["sites"])) * max(1, len(of.get("bins", [])))
            rows.append((group, step, payload[place + 2:place + 2 + size]))
            place += 2 + size
    return groups, rows


def losses_of(run: Path) -> List[float]:
    groups, rows = read_journal(run / "metrics.jnl")
    column = [series["name"] for series in groups[0]["series"]].index("train_loss")
    return [struct.unpack_from("<d", row, 8 * column)[0] for group, _, row in rows if group == 0]


def run_name(run: Path) -> str:
    config = (run / "config.toml").read_text()
    recipe = re.search(r"^recipe = '(.*)'", config, re.MULTILINE)
    seed = re.search(r"^seed = (\d+)", config, re.MULTILINE)
    assert recipe and seed, run
    return f"{recipe[1]}, seed {seed[1]}"


def train_sweep(context: Context, name: str, device: str, jobs: int, words: List[str]) -> Dict[str, Path]:
    """A sweep's run directories by recipe and seed; those that failed have no losses."""
    config, out = context.work / f"{name}.toml", context.work / name
    write_file(config, "")
    done = context.precipice("sweep", str(config), f"device={device}", *words, "--jobs", str(jobs), "--quiet", "--out", str(out))
    if done.returncode not in (0, 3):
        raise RuntimeError(last_line(done))
    return {run_name(run): run for run in sorted(out.iterdir()) if (run / "config.toml").exists()}


def jobs_here(most: int) -> int:
    return max(1, min(most, os.cpu_count() or 1))


def recipe_names(context: Context) -> List[str]:
    names = [line.split()[0] for line in context.precipice("recipes").stdout.decode().splitlines() if re.match(r"\S+ {2,}\S", line)]
    return names[:3] if context.options.quick else names


def usual_size(context: Context) -> List[str]:
    return EQUAL if context.options.quick else TINY


def train_recipes(context: Context, device: str) -> Dict[str, List[float]]:
    words = [*SMALLER, "train.steps=3", "precision.recipe=" + ",".join(recipe_names(context))]
    runs = train_sweep(context, f"recipes_{device}", device, jobs_here(8), words)
    return {name: losses_of(run) if (run / "metrics.jnl").exists() else [] for name, run in runs.items()}


def train_equal(context: Context, device: str) -> Dict[str, List[str]]:
    """Rows of the runs with emulated accumulators, in hexadecimal."""
    result = {}
    for number, (name, words) in enumerate(EMULATED.items()):
        run = context.work / f"equal_{device}_{number}"
        config = context.work / "equal.toml"
        write_file(config, "")
        steps = f"train.steps={3 if context.options.quick else 20}"
        done = context.precipice("train", str(config), f"device={device}", *EQUAL, *words, steps, "--quiet", "--out", str(run))
        if done.returncode != 0:
            raise RuntimeError(f"{name}: {last_line(done)}")
        result[name] = [f"{group} {step} {row.hex()}" for group, step, row in read_journal(run / "metrics.jnl")[1]]
    return result


def train_curves(context: Context, device: str) -> Dict[str, List[float]]:
    recipes_of, seeds, steps = (CURVES[:2], 2, 4) if context.options.quick else (CURVES, 3, 200)
    runs = train_sweep(context, f"curves_{device}", device, jobs_here(12), [
        *usual_size(context), f"train.steps={steps}", "precision.recipe=" + ",".join(recipes_of), f"seed=range(0,{seeds})"])
    return {name: losses_of(run) for name, run in runs.items()}


def make_references(options: Options, folder: Path) -> Dict[str, Any]:
    context = Context(options, folder, folder / "result.json", time.monotonic() + 3600)
    return {"quick": options.quick, "recipes": train_recipes(context, "cpu"), "equal": train_equal(context, "cpu"),
            "curves": train_curves(context, "cpu")}


def references(context: Context, name: str) -> Any:
    for path in (context.options.root / "references.json", context.options.root / "build/gpu_references.json"):
        if path.exists():
            known = json.loads(path.read_text())
            if known["quick"] != context.options.quick:
                raise NotThere(f"{path.name} was made {'with' if known['quick'] else 'without'} --quick")
            return known[name]
    raise NotThere("no references: scripts/gpu_check --make-references build/gpu_references.json makes them")


# The parts


def device(context: Context) -> Result:
    found = context.precipice("devices").stdout.decode()
    context.keep(devices=found)
    try:
        context.keep(nvidia_smi=tail(context.run([tool("nvidia-smi"), "-q"], own=False)))
    except NotThere as reason:
        context.keep(nvidia_smi=str(reason))
    line = next((line[6:] for line in found.splitlines() if line.startswith("cuda  ")), "precipice devices says nothing")
    if "compute capability" not in line or "libtorch_cuda.so opens" not in found:
        return Result("failed", line)
    done = context.precipice("bench", "roofline", "--device", "cuda", "--quick", "--json")
    if done.returncode != 0:
        return Result("failed", last_line(done))
    return Result("passed", line, {"roofline": json.loads(done.stdout)})


def catch_tests(context: Context, name: str, quick: str) -> Result:
    """A test program's cases for GPUs; those that were skipped found none, which is a failure here."""
    spec = quick if context.options.quick else "[.cuda]"
    done = context.run([str(program(context.options.root, name)), spec])
    text = (done.stdout + done.stderr).decode(errors="replace")
    summary = re.search(r"^(All tests passed.*|test cases:.*)", text, re.MULTILINE)
    note = summary[1] if summary else last_line(done)
    skipped = re.search(r"skipped: (.*)", text)
    if skipped:
        return Result("failed", f"skipped: {skipped[1]}", {"output": text[-TAIL:]})
    passed = done.returncode == 0 and "All tests passed" in text
    return Result("passed" if passed else "failed", note, {"output": text[-TAIL:]})


def kernel_tests(context: Context) -> Result:
    return catch_tests(context, "cuda_tests", "on the GPU\\, what a kernel call cannot do comes back as a reason")


def product_tests(context: Context) -> Result:
    return catch_tests(context, "precision_tests", "[.cuda]")


def recipes(context: Context) -> Result:
    expected = references(context, "recipes")
    losses = train_recipes(context, "cuda")
    context.keep(losses=losses)
    worst, bad = 0.0, []
    for name, there in expected.items():
        here = losses.get(name, [])
        apart = [abs(a - b) / abs(b) for a, b in zip(here, there)]
        worst = max([worst, *apart])
        if len(here) != len(there) or not all(x <= LOSS_TOLERANCE for x in apart):
            bad.append(name)
    note = f"{len(expected)} recipes, losses at most {100 * worst:.3f} % apart"
    return Result("failed", f"{', '.join(bad)}; {note}") if bad else Result("passed", note)


def equal_runs(context: Context) -> Result:
    expected = references(context, "equal")
    rows = train_equal(context, "cuda")
    notes = []
    for name, there in expected.items():
        here = rows.get(name, [])
        if here == there:
            continue
        first = next((b.split()[1] for a, b in zip(here, there) if a != b), "none")
        notes.append(f"{name}: {len(here)} rows of {len(there)}, the first that differs is of step {first}")
    context.keep(rows=rows if notes else {})
    same = f"{len(expected)} runs, {sum(len(there) for there in expected.values())} rows, every byte the CPU's"
    return Result("failed", "; ".join(notes)) if notes else Result("passed", same)


def sanitizer(context: Context) -> Result:
    sanitize = tool("compute-sanitizer")
    write_file(context.work / "one.toml", "")
    summaries = {}
    for check in ("memcheck", "initcheck", "racecheck", "synccheck"):
        done = context.run([sanitize, "--tool", check, "--error-exitcode", "9", str(program(context.options.root)), "train",
                            "one.toml", "device=cuda", *EQUAL, "train.steps=1", "precision.recipe=mxfp8", "--quiet", "--out", check])
        context.keep(**{check: tail(done)})
        summary = re.search(r"(?:ERROR|RACECHECK) SUMMARY: (.*)", tail(done))
        summaries[check] = f"{check}: {summary[1] if summary else last_line(done)}"
        if done.returncode != 0:
            return Result("failed", summaries[check])
    return Result("passed", "; ".join(summaries.values()))


def final_loss(losses: List[float]) -> float:
    last = losses[-max(1, len(losses) // 4):]
    return sum(last) / len(last)


def curves(context: Context) -> Result:
    expected = references(context, "curves")
    losses = train_curves(context, "cuda")
    context.keep(losses=losses)
    bad, worst = [], 0.0
    for recipe in sorted({name.rsplit(",", 1)[0] for name in expected}):
        own = {name: final_loss(there) for name, there in expected.items() if name.rsplit(",", 1)[0] == recipe}
        spread = max(own.values()) - min(own.values())
        for name, there in own.items():
            apart = abs(final_loss(losses[name]) - there) if losses.get(name) else float("inf")
            worst = max(worst, apart / spread)
            if not apart <= spread:
                bad.append(f"{name}: {apart:.4f} from the CPU's, whose seeds are {spread:.4f} apart")
    note = f"{len(expected)} runs, at most {100 * worst:.1f} % of the seeds' spread from the CPU's"
    return Result("failed", "; ".join(bad)) if bad else Result("passed", note)


def bench(context: Context) -> Result:
    rows: List[Dict[str, Any]] = []
    wanted = BENCHES[1:3] if context.options.quick else BENCHES
    for part in wanted:
        words = ["--size", "tiny"] if part == "step" and context.options.quick else []
        done = context.precipice("bench", part, "--device", "cuda", "--quick", "--json", *words)
        if done.returncode != 0:
            return Result("failed", f"{part}: {last_line(done)}", {"rows": rows})
        rows += json.loads(done.stdout)["rows"]
        context.keep(rows=rows)
    try:
        torch = gpu_check_torch.autocast_steps()
    except ImportError as reason:
        torch = {"not there": str(reason)}
    context.keep(torch_autocast=torch)
    steps = ", ".join(f"{row['work']} {row['ratio_median']:.2f}" for row in rows if "step" in row["work"])
    return Result("passed", f"{len(rows)} rows; {steps or 'no step'}; PyTorch's autocast: {torch}")


def runs_at_once(context: Context) -> Result:
    counts, steps = ([1, 2], 3) if context.options.quick else ([1, 4, 16, 32], 60)
    rates = {}
    for count in counts:
        start = time.monotonic()
        runs = train_sweep(context, f"at_once_{count}", "cuda", count, [
            *usual_size(context), f"train.steps={steps}", "precision.recipe=fp8", f"seed=range(0,{count})"])
        seconds = time.monotonic() - start
        status = [json.loads((run / "status.json").read_text()) for run in runs.values()]
        bad = next((one["reason"] or one["state"] for one in status if one["step"] != steps), "")
        if bad:
            return Result("failed", f"{count} at once: {bad}")
        rates[count] = {"steps_per_second": sum(one["steps_per_second"] for one in status), "wall_seconds": seconds}
        context.keep(runs_at_once=rates)
    text = ", ".join(f"{count}: {rate['steps_per_second']:.0f} step/s in {rate['wall_seconds']:.1f} s" for count, rate in rates.items())
    return Result("passed", text)


def graphs(context: Context) -> Result:
    """A tiny run launch by launch, and by a CUDA graph: the same rows, and steps a second."""
    steps = 6 if context.options.quick else 300
    config = context.work / "graphs.toml"
    write_file(config, "")
    rows: Dict[str, List[Tuple[int, int, bytes]]] = {}
    rates, notes = {}, {}
    for use in ("never", "always"):
        run = context.work / f"graphs_{use}"
        done = context.precipice("train", str(config), "device=cuda", *usual_size(context), f"train.steps={steps}",
                                 "precision.recipe=fp8", "precision.dy_rounding=sr", "--graphs", use, "--quiet", "--out", str(run))
        if done.returncode != 0:
            return Result("failed", f"--graphs {use}: {last_line(done)}")
        rows[use] = read_journal(run / "metrics.jnl")[1]
        rates[use] = json.loads((run / "status.json").read_text())["steps_per_second"]
        notes[use] = [line for line in (run / "log.txt").read_text().splitlines() if line.startswith("training steps are")]
    context.keep(graphs={"steps_per_second": rates, "log": notes["always"]})
    if not any("one CUDA graph" in line for line in notes["always"]):
        return Result("failed", "; ".join(notes["always"]) or "log.txt says nothing of a graph")
    if rows["never"] != rows["always"]:
        first = next((a[1] for a, b in zip(rows["never"], rows["always"]) if a != b), "none")
        return Result("failed", f"a replayed step has other bytes; the first row that differs is of step {first}")
    return Result("passed", f"{len(rows['always'])} rows, every byte the same; {rates['never']:.0f} step/s launch by launch, "
                            f"{rates['always']:.0f} by a graph")


def accumulators(context: Context) -> Result:
    capability = gpu_check_torch.capability()
    counted = gpu_check_torch.compare_sums(lambda words, stdin: context.precipice("gemm", *words, stdin=stdin).stdout, context.keep)
    expected = gpu_check_torch.PRESETS_OF.get(capability)
    text = "; ".join(f"{mode}: " + ", ".join(f"{preset} {same} of {count}" for preset, (same, count) in presets.items())
                     for mode, presets in counted.items())
    if expected is None:
        return Result("passed", f"no preset is for capability {capability}; {text}")
    whole = all(counted[mode][preset][0] == counted[mode][preset][1] for mode, preset in expected.items())
    return Result("passed" if whole else "failed", text)


def top_kernels(context: Context) -> Result:
    ncu = tool("ncu")
    write_file(context.work / "one.toml", "")
    done = context.run([ncu, "--clock-control", "none", "--csv", "--metrics", "gpu__time_duration.sum,dram__bytes.sum",
                        "--launch-count", "600", str(program(context.options.root)), "train", "one.toml", "device=cuda", *TINY,
                        "train.steps=1", "precision.recipe=fp8", "--quiet", "--out", "ncu"])
    kernels = gpu_check_torch.kernels_of_csv(done.stdout.decode(errors="replace"))
    if not kernels:
        return Result("failed", last_line(done), {"output": tail(done)})
    top = sorted(kernels.items(), key=lambda entry: -entry[1]["gpu__time_duration.sum"])[:12]
    return Result("passed", f"{len(kernels)} kernels, most in {top[0][0]}", {"kernels": dict(top)})
