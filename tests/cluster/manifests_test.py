# SPDX-License-Identifier: Apache-2.0
"""What --emit k8s prints is what Kubernetes' own schemas take, and says of our exit codes what docs/CLUSTERS.md says."""

import json
import re
import unittest
from pathlib import Path

from cluster_case import PROGRAM, ROOT, SweepCase, run

PYTHON = ROOT / "build/cluster/bin/python"


@unittest.skipUnless(PYTHON.is_file(), "skipped: no build/cluster; scripts/setup --cluster")
class Kubernetes(SweepCase):
    def documents(self, text: str) -> list:
        path = self.folder / "manifest.yaml"
        path.write_text(text)
        done = run(PYTHON, Path(__file__).with_name("check_manifest.py"), path)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_the_schemas_take_it_and_the_policy_knows_the_exit_codes(self) -> None:
        files, job, merge = self.documents(self.emit("k8s", ("train.steps=2000",), "runs/some", "--tasks", "3", "--jobs", "2"))
        spec, pod = job["spec"], job["spec"]["template"]["spec"]
        self.assertEqual((spec["completionMode"], spec["completions"], spec["parallelism"]), ("Indexed", 3, 3))
        actions = {code: rule["action"] for rule in spec["podFailurePolicy"]["rules"] if "onExitCodes" in rule
                   for code in rule["onExitCodes"]["values"]}  # fmt: skip
        self.assertEqual(actions, {2: "FailIndex", 3: "FailIndex", 4: "FailIndex", 7: "Ignore", 130: "Ignore", 143: "Ignore"})
        for rule in spec["podFailurePolicy"]["rules"]:  # the API wants them in order
            values = rule.get("onExitCodes", {}).get("values", [])
            self.assertEqual(values, sorted(set(values)))
        self.assertIn("backoffLimitPerIndex", spec)  # without which FailIndex is refused
        self.assertEqual(pod["restartPolicy"], "Never")
        self.assertEqual(pod["containers"][0]["resources"]["requests"]["cpu"], 2)
        self.assertEqual(pod["containers"][0]["command"],
                         ["precipice", "sweep", "/sweep/tiny.toml", "train.steps=2000", "--out", "/runs/some", "--jobs", "2",
                          "--shard", "auto/3"])  # fmt: skip
        self.assertEqual(files["data"]["file0.toml"], (self.folder / "tiny.toml").read_text())
        self.assertTrue(merge["spec"]["suspend"])
        for document in (files, job, merge):
            # A pod's name is the job's with an index and five characters.
            self.assertRegex(document["metadata"]["name"], r"^[a-z0-9]([-a-z0-9]{0,50}[a-z0-9])?$")

    def test_files_arrive_as_they_are(self) -> None:
        (self.folder / "deep").mkdir()
        sweep, base = self.folder / "deep/Odd name (2).toml", self.folder / "base.toml"
        base.write_text("# tabs\tand \\ \"quotes\" 'two': {x} $(HOME)\n[train]\nsteps = 7\n")
        sweep.write_text('\n\n  include = "../base.toml"\n[sweep]\n  seed = [0, 1]\n\n\n')
        done = run(PROGRAM, "sweep", sweep, "precision.recipe=\"mxfp8:element=e5m3,block=16\",bf16", "--emit", "k8s",
                   "--out", self.folder / "runs/it's")  # fmt: skip
        self.assertEqual(done.returncode, 0, done.stderr)
        files, job, _ = self.documents(done.stdout)
        self.assertEqual(list(files["data"].values()), [sweep.read_text(), base.read_text()])
        items = job["spec"]["template"]["spec"]["volumes"][1]["configMap"]["items"]
        self.assertEqual([item["path"] for item in items], ["deep/Odd name (2).toml", "base.toml"])
        words = job["spec"]["template"]["spec"]["containers"][0]["command"]
        self.assertIn('precision.recipe="mxfp8:element=e5m3,block=16",bf16', words)
        self.assertIn("/runs/it's", words)
        self.assertEqual(job["metadata"]["name"], "precipice-odd-name-2")


# `hq submit` as crates/hyperqueue/src/client/commands/submit/command.rs of github.com/It4innovations/hyperqueue declares it
# (2026-08-03): no program of it can be had from the registries.
HQ_OPTIONS = {"nodes", "cpus", "resource", "time-request", "weight", "pin", "cwd", "stdout", "stderr", "env", "each-line",
              "from-json", "array", "priority", "time-limit", "stream", "task-dir", "crash-limit", "name", "max-fails", "job",
              "wait", "progress", "on-notify", "stdin", "directives"}  # fmt: skip


class HyperQueue(SweepCase):
    def test_the_script_is_one_of_a_shell_with_options_that_there_are(self) -> None:
        text = self.emit("hq", (), "hq", "--tasks", "5")
        path = self.folder / "hq.sh"
        path.write_text(text)
        self.assertEqual(run("bash", "-n", path).returncode, 0)
        submitted = text[text.index("hq submit") : text.index(" -- ")]
        self.assertLessEqual(set(re.findall(r" --([a-z-]+)", submitted)), HQ_OPTIONS)
        self.assertRegex(submitted, r"--array 0-4 --cpus 1 --resource mem=\d+ ")


if __name__ == "__main__":
    unittest.main()
