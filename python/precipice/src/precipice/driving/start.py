# SPDX-License-Identifier: Apache-2.0
"""`precipice train` and `precipice sweep` from Python. Run directories are the program's own: what was started here goes on
from a shell, and the other way round."""

import json
import os
import signal
import subprocess
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any, List, Mapping, Optional, Union

from precipice.driving.shown import Line, progress_text
from precipice.driving.words import assignments, flat, merged
from precipice.program import ProgramError, ask, find_program, path_argument
from precipice.runs.loading import LoadedRun, LoadedSweep, load_run, load_sweep
from precipice.safe_files import write_file

PathLike = Union[str, "os.PathLike[str]"]
Config = Union[PathLike, Mapping[str, Any]]
SOME_FAILED = 3  # of a sweep: exit code of the program
LOOK_EVERY = 1.0  # seconds; seldomer where a look takes long
MOST_LOOKING = 0.05  # of the time


def run(config: Config, settings: Optional[Mapping[str, Any]] = None, *, out: PathLike, show: bool = True, **more: Any) -> LoadedRun:
    """Trains one run into `out`, or goes on with it, and loads it. `config`: a TOML file, or settings as a mapping;
    `settings` over it, and further ones as arguments with two underscores for the point (optimizer__lr=1e-3). A run that
    diverged is a result, not an error. Raises ProgramError where the program refuses, with its words; after an interrupt the
    run has written a checkpoint, and the same call goes on."""
    start("train", config, merged(settings, more), Path(out), [], show)
    return load_run(out)


def sweep(
    config: Config,
    settings: Optional[Mapping[str, Any]] = None,
    *,
    out: PathLike,
    jobs: Optional[int] = None,
    show: bool = True,
    **more: Any,
) -> LoadedSweep:
    """Trains every combination of the values that `config` (a sweep's TOML file, or a mapping) and the settings list, into
    `out`, or goes on with them, and loads them: sweep("base.toml", {"precision.recipe": ["bf16", "fp8"], "seed": range(3)},
    out="runs/mine"). `jobs`: processes at once. Runs that failed are in the frame with their reason, and a warning says so.
    Raises ProgramError where the program refuses."""
    options = [] if jobs is None else [f"--jobs={jobs}"]
    start("sweep", config, merged(settings, more), Path(out), options, show)
    return load_sweep(out)


def start(command: str, config: Config, settings: Mapping[str, Any], out: Path, options: List[str], show: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="precipice-") as folder:
        if isinstance(config, Mapping):
            settings = {**flat(config), **settings}
            config = Path(folder) / "config.toml"
            write_file(config, "")
        words = [command, path_argument(Path(config)), *assignments(settings), f"--out={out}", "--quiet", *options]
        watch([str(find_program()), *words], out, show)


def watch(words: List[str], out: Path, show: bool) -> None:
    """Waits for the program and says how far it is. It has a session of its own: an interrupt reaches it once, from here."""
    process = subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    started, pause = time.monotonic(), LOOK_EVERY
    with Line(show) as line:
        try:
            while True:
                try:
                    _, said = process.communicate(timeout=pause)
                    break
                except subprocess.TimeoutExpired:
                    looked = time.monotonic()
                    line.say(status_text(out, started))
                    pause = max(LOOK_EVERY, (time.monotonic() - looked) / MOST_LOOKING)
            line.say(status_text(out))
        except BaseException:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.communicate()  # until it has written its checkpoint
            raise
    said = said.strip()
    if process.returncode == SOME_FAILED:
        warnings.warn(f"some runs failed: {said or out}", stacklevel=4)
    elif process.returncode != 0:
        raise ProgramError(said or f"{' '.join(words)} ended with {process.returncode}", process.returncode)


def status_text(out: Path, started: Optional[float] = None) -> str:
    """Nothing where no run has begun."""
    try:
        return progress_text(json.loads(ask(["status", "--json", path_argument(out)])), started)
    except (ProgramError, ValueError, OSError):
        return "starting"
