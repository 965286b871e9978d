# SPDX-License-Identifier: Apache-2.0
"""What `sweep --emit` prints, where there is no scheduler: the scripts are run with stand-ins for its commands.
tests/cluster runs them under real ones."""

import os
import signal
import subprocess
import time
import unittest
from pathlib import Path

import support

from precipice.program import PROGRAM

TINY = "[model]\nlayers = 1\nwidth = 16\nheads = 1\ncontext = 16\n[train]\nbatch = 2\nsteps = 20\n[data]\ntokens = 5000\n"
# Says what it was given, and ends as END says; waits for a signal where END is "wait".
STAND_IN = """#!/bin/bash
printf '[%s]' "$(basename "$0")" "$@" >> "$SAID"; echo >> "$SAID"
trap 'echo "[USR2]" >> "$SAID"; exit 7' USR2
trap 'echo "[TERM]" >> "$SAID"; exit 143' TERM
[[ $(basename "$0") == sbatch ]] && echo 41
[[ $(basename "$0") == precipice ]] || exit 0
[[ $END != wait ]] || while :; do sleep 0.05; done
exit "$END"
"""


class Emit(support.ProgramCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        (cls.folder / "it's tiny.toml").write_text(TINY)
        (cls.folder / "bin").mkdir()
        for name in ("precipice", "sbatch", "scontrol"):
            path = cls.folder / "bin" / name
            path.write_text(STAND_IN)
            path.chmod(0o755)

    def sweep(self, *words: str, **environment: str) -> subprocess.CompletedProcess:
        return subprocess.run([str(PROGRAM), "sweep", str(self.folder / "it's tiny.toml"), *words], capture_output=True,
                              text=True, check=False, cwd=self.folder, env={**os.environ, **environment})  # fmt: skip

    def script(self, *words: str) -> Path:
        done = self.sweep("seed=0,1", *words, "--out", "runs/a b")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        path = self.folder / "script.sh"
        path.write_text(done.stdout.replace(str(PROGRAM.resolve()), str(self.folder / "bin/precipice")))
        return path

    def start(self, script: Path, end: str, **environment: str) -> subprocess.Popen:
        said = self.folder / "said"
        said.unlink(missing_ok=True)
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return subprocess.Popen(["bash", str(script)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                env={**os.environ, "PATH": path, "SAID": str(said), "END": end, **environment})  # fmt: skip

    def said(self) -> list:
        return (self.folder / "said").read_text().splitlines() if (self.folder / "said").exists() else []

    def test_a_task_gets_its_words_and_its_code_decides(self) -> None:
        script = self.script("--emit", "slurm", "--tasks", "3", 'precision.recipe="mxfp8:element=e5m3,block=16",bf16')
        command = ("[precipice][sweep]" + f"[{self.folder}/it's tiny.toml]" + "[seed=0,1]"
                   + '[precision.recipe="mxfp8:element=e5m3,block=16",bf16]' + f"[--out][{self.folder}/runs/a b]"
                   + "[--jobs][1][--shard][auto/3][--for][55m]")  # fmt: skip
        task = {"SLURM_ARRAY_TASK_ID": "2", "SLURM_ARRAY_JOB_ID": "40"}
        requeue = "[scontrol][requeue][40_2]"
        for end, code, lines in (("0", 0, [command]), ("3", 3, [command]), ("4", 4, [command]), ("143", 143, [command]),
                                 ("7", 0, [command, requeue])):  # fmt: skip
            with self.subTest(end):
                running = self.start(script, end, **task)
                self.assertEqual((running.communicate()[0], running.returncode), ("", code))
                self.assertEqual(self.said(), lines)
        # A task that never gets on is not asked for again without end.
        running = self.start(script, "7", SLURM_RESTART_COUNT="100", **task)
        running.communicate()
        self.assertEqual((running.returncode, self.said()), (7, [command]))

    def test_a_warning_reaches_the_program_and_is_waited_for(self) -> None:
        script = self.script("--emit", "slurm", "--tasks", "3")
        for number, lines, code in ((signal.SIGUSR2, ["[USR2]", "[scontrol][requeue][40_0]"], 0),
                                    (signal.SIGTERM, ["[TERM]"], 143)):  # fmt: skip
            with self.subTest(number):
                running = self.start(script, "wait", SLURM_ARRAY_TASK_ID="0", SLURM_ARRAY_JOB_ID="40")
                while not self.said():
                    time.sleep(0.01)
                running.send_signal(number)
                running.communicate()
                self.assertEqual((running.returncode, self.said()[1:]), (code, lines))

    def test_the_script_submits_itself_and_what_comes_after_it(self) -> None:
        script = self.script("--emit", "slurm", "--tasks", "3")
        running = self.start(script, "0")
        output = running.communicate()[0]
        self.assertEqual(running.returncode, 0)
        self.assertIn("job 41: 3 tasks. Job 41 merges and reports after them.\n", output)
        self.assertIn("squeue --jobs=41", output)
        array, merge = self.said()
        self.assertEqual(array, f"[sbatch][--parsable][{script}]")
        self.assertIn("[--dependency=afterany:41]", merge)
        self.assertTrue(merge.endswith(f"[{script}][merge]"))
        self.assertTrue((self.folder / "runs/a b/slurm").is_dir())

    def test_the_sizes_of_an_array_are_the_users(self) -> None:
        text = self.script("--emit", "slurm", "--jobs", "2").read_text()
        self.assertIn("#SBATCH --array=0-0\n", text)  # two runs of twenty steps
        self.assertIn("#SBATCH --cpus-per-task=2\n", text)
        self.assertRegex(text, r"# Cost: \d+s of one process in all, about \d+s a task, by .* ms a step")
        refused = self.sweep("--emit", "slurm", "--tasks", "9", "--max-array", "8", "--out", "runs/x")
        self.assertEqual(refused.returncode, 2)
        self.assertIn("--tasks = 9: more than --max-array, 8", refused.stderr)
        refused = self.sweep("--emit", "pbs", "--out", "runs/x")
        self.assertEqual(refused.returncode, 2)
        self.assertIn("slurm", refused.stderr)

    def test_nothing_is_written_and_nothing_left_is_said(self) -> None:
        self.assertEqual(self.sweep("--emit", "k8s", "--out", "runs/none").returncode, 0)
        self.assertFalse((self.folder / "runs/none").exists())
        self.assertEqual(self.sweep("--out", "runs/done", "--quiet").returncode, 0)
        done = self.sweep("--emit", "slurm", "--out", "runs/done")
        self.assertEqual((done.returncode, done.stdout), (0, "# nothing is left to run in runs/done\n"))

    def test_without_sbatch_one_sentence_says_so(self) -> None:
        refused = self.sweep("--slurm", "--out", "runs/s", PATH="/nowhere")
        self.assertEqual(refused.returncode, 2)
        self.assertEqual(len(refused.stderr.splitlines()), 1)
        self.assertIn("sbatch is not in PATH", refused.stderr)
        self.assertFalse((self.folder / "runs/s").exists())

    def test_every_script_is_one(self) -> None:
        for engine in ("slurm", "hq", "parallel"):
            checked = subprocess.run(["bash", "-n", str(self.script("--emit", engine))], capture_output=True, text=True)
            self.assertEqual((checked.returncode, checked.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main()
