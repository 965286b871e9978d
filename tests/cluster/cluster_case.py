# SPDX-License-Identifier: Apache-2.0
"""What the tests of clusters share: a small sweep, its runs on this machine alone, and the question whether another way
of running it has lost or repeated anything."""

import json
import os
import re
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path
from typing import Dict, List, Sequence, Set, Tuple

from private_slurm import PrivateSlurm, missing_programs

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("PRECIPICE", ROOT / "build/release/precipice")).resolve()
# 4400 parameters: a run of 1000 steps is 2.3 s of one processor.
CONFIG = """[model]
layers = 1
width = 16
heads = 1
context = 16
[train]
batch = 2
steps = 1000
eval_every = 500
eval_batches = 1
checkpoint_every = 100
[data]
tokens = 5000
[sweep]
"precision.recipe" = ["bf16", "fp8"]
seed = "range(0,4)"
"""
needs_slurm = unittest.skipIf(missing_programs(), f"skipped: no {', '.join(missing_programs())}; scripts/setup --cluster")


def run(*words: object, **options: object) -> subprocess.CompletedProcess:
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=1200, check=False,
                          **options)  # fmt: skip


def kill_all(processes: Set[int]) -> None:
    for process in processes:
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            pass


class SweepCase(unittest.TestCase):
    folder: Path
    locals: Dict[Tuple[str, ...], Path]  # finished sweeps of this machine alone, by their settings

    @classmethod
    def setUpClass(cls) -> None:
        if not os.access(PROGRAM, os.X_OK):
            raise unittest.SkipTest(f"{PROGRAM} is not built")
        holder = tempfile.TemporaryDirectory(prefix="precipice_cluster_", ignore_cleanup_errors=True)
        cls.addClassCleanup(holder.cleanup)
        cls.folder = Path(holder.name)
        cls.locals = {}
        (cls.folder / "tiny.toml").write_text(CONFIG)

    def sweep(self, *words: str, out: str) -> subprocess.CompletedProcess:
        return run(PROGRAM, "sweep", self.folder / "tiny.toml", *words, "--out", self.folder / out)

    def local(self, settings: Sequence[str]) -> Path:
        key = tuple(settings)
        if key not in self.locals:
            name = f"local{len(self.locals)}"
            done = self.sweep(*settings, "--quiet", out=name)
            self.assertIn(done.returncode, (0, 3), done.stderr)
            self.locals[key] = self.folder / name
        return self.locals[key]

    def emit(self, engine: str, settings: Sequence[str], out: str, *words: str) -> str:
        done = self.sweep(*settings, "--emit", engine, *words, out=out)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def runs(self, directory: Path) -> List[dict]:
        done = run(PROGRAM, "status", directory, "--json")
        return json.loads(done.stdout)["runs"] if done.returncode == 0 else []

    def count(self, directory: Path, *states: str) -> int:
        return sum(each["state"] in states for each in self.runs(directory))

    def has_begun(self, directory: Path, steps: int = 100) -> bool:
        """Whether some run is at work and has a checkpoint behind it."""
        return any(each["state"] == "running" and each["step"] > steps for each in self.runs(directory))

    def assert_whole(self, directory: Path, settings: Sequence[str]) -> None:
        """Every run of the sweep was finished once, and has the bytes that it has on this machine alone."""
        expected = {each["id"]: each for each in self.runs(self.local(settings))}
        found = {each["id"]: each for each in self.runs(directory)}
        self.assertEqual({i: each["state"] for i, each in found.items()}, {i: each["state"] for i, each in expected.items()})
        for name, each in expected.items():
            if each["state"] == "failed":
                continue
            run_file = directory / name / "run.h5"
            self.assertEqual(run_file.read_bytes(), (self.local(settings) / name / "run.h5").read_bytes(), name)
            log = (directory / name / "log.txt").read_text()
            ends = re.findall(rf"^run: .*  {each['state']}\b", log, re.MULTILINE)
            self.assertEqual(len(ends), 1, f"{name} was finished {len(ends)} times:\n{log}")
        some = next(name for name, each in expected.items() if each["state"] != "failed")
        compared = run(ROOT / "scripts/compare_runs", directory / some, self.local(settings) / some)
        self.assertEqual((compared.returncode, compared.stdout.splitlines()[-1:]), (0, ["the same"]), compared.stderr)
        verified = run(PROGRAM, "verify", directory)
        self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)


class SlurmCase(SweepCase):
    """One Slurm for the tests of a class; a sweep's directory and name for each test."""

    slurm: PrivateSlurm
    cores = 4

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.slurm = PrivateSlurm(cls.folder / "slurm", cls.cores)
        cls.slurm.__enter__()
        cls.addClassCleanup(cls.slurm.stop)

    def setUp(self) -> None:
        self.name = self._testMethodName[len("test_") :]
        self.out = self.folder / self.name
        self.addCleanup(self.slurm.call, "scancel", f"--user={os.getuid()}", check=False)

    def script(self, settings: Sequence[str], tasks: int, *changes: Tuple[str, str]) -> Path:
        """What --emit slurm prints, as a person has changed it."""
        text = self.emit("slurm", settings, self.name, "--tasks", str(tasks))
        for old, new in changes:
            self.assertIn(old, text)
            text = text.replace(old, new)
        path = self.folder / f"{self.name}.sh"
        path.write_text(text)
        return path

    def submit(self, script: Path) -> Tuple[str, str]:
        return self.numbers(self.slurm.call("bash", script))

    @staticmethod
    def numbers(said: str) -> Tuple[str, str]:
        """Of the array and of the job that merges."""
        found = re.match(r"job (\d+): .*\. Job (\d+) merges", said)
        assert found, said
        return found.group(1), found.group(2)

    def log(self, array: str) -> str:
        return "".join(path.read_text(errors="replace") for path in sorted(self.out.glob(f"slurm/{array}_*.log")))

    def assert_merged(self, merge: str) -> None:
        self.slurm.wait(merge, 60)
        self.assertEqual(set(self.slurm.states(merge).values()), {"COMPLETED"}, self.log(merge))
        self.assertTrue((self.out / "index.h5").is_file())
