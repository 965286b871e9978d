# SPDX-License-Identifier: Apache-2.0
"""The page in a browser, at the width of a phone and of a desk: nothing is cut off and nothing overflows. Measured by a script
in a copy of the page, which headless Chromium runs; skipped where there is none."""

import html
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import fake_sweep
import h5py
import numpy as np
import support  # noqa: F401  makes the package importable

from precipice.report import making as report
from precipice.report.figures import style

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
LIMIT = 240  # seconds
PHONE, DESK = 400, 1400
ROOMY = 1.0  # pixels that rounding may take

MEASURE = """
addEventListener("load", () => {
  const root = document.documentElement, width = root.clientWidth, problems = [];
  const closed = root.scrollHeight;
  const name = e => e.tagName + (e.id ? "#" + e.id : "") + ": " + e.textContent.trim().slice(0, 60);
  const shown = e => !(e.closest("thead") && getComputedStyle(e.closest("thead")).position == "absolute");
  for (const details of document.querySelectorAll("details")) details.open = true;
  if (root.scrollWidth > width + ROOMY) problems.push("the page is " + root.scrollWidth + " wide");
  for (const e of document.body.querySelectorAll("*")) {
    if (e.closest("svg") && e.tagName != "svg" || !shown(e)) continue;
    const box = e.getBoundingClientRect();
    if (box.width && (box.left < -ROOMY || box.right > width + ROOMY)) problems.push("beyond the page: " + name(e));
    const style = getComputedStyle(e);
    if (style.overflowX != "visible" && e.tagName != "svg" && e.scrollWidth > e.clientWidth + ROOMY)
      problems.push("cut: " + name(e));
    if (style.textOverflow == "ellipsis") problems.push("shortened: " + name(e));
  }
  let scale = 9, pictures = 0, letters = 0;
  for (const picture of document.querySelectorAll("figure .panels > *")) {
    const view = picture.getBoundingClientRect();
    ++pictures;
    if (picture.tagName != "svg") continue;
    scale = Math.min(scale, view.width / (picture.viewBox.baseVal.width * 96 / 72));
    for (const letter of picture.querySelectorAll("use[href^='#DejaVu']")) {
      const box = letter.getBoundingClientRect();
      ++letters;
      if (box.left < view.left - ROOMY || box.right > view.right + ROOMY || box.top < view.top - ROOMY ||
          box.bottom > view.bottom + ROOMY) {
        problems.push("text outside its picture: " + picture.getAttribute("aria-label"));
        break;
      }
    }
  }
  parent.postMessage({name: window.name, width, closed, problems, scale, pictures, letters}, "*");
});
"""
TOO_WIDE = '<div style="width:2000px">wide</div>'
CUT = '<div style="overflow:hidden;width:3rem;white-space:nowrap">a sentence that does not fit</div>'
LONG = ("mxfp8:element=e5m3,block=16", "mxfp8:element=e4m3,block=16", "mxfp8:element=e5m2,block=32")


def make_sweep(folder: Path) -> None:
    """Long names, a label, many rates, outcomes of all kinds, and every probe."""
    rates = [10.0 ** (-4 + p / 2) for p in range(7)]
    for seed, recipe in enumerate(("bf16", *LONG)):
        for rate in rates:
            state = "diverged" if rate > 5e-2 and recipe in LONG else "untrained" if rate < 2e-4 else "done"
            losses = fake_sweep.loss_curve(rate, seed, 60, 30 if state == "diverged" else -1)
            config = fake_sweep.settings(recipe, rate, seed, 60, **{"precision.accumulator": "tensor-core:bits=14"})
            config = dict(sorted(config.items()))  # each section once
            at = 30 if state == "diverged" else -1
            run = fake_sweep.write_run(folder / f"{seed}-{rate:g}", config, losses, state, at, probes=rate == 1e-2)
            if rate == 1e-2:
                add_probes(run / "run.h5")
    (folder / "sweep.toml").write_text(
        'command = "precipice sweep a-rather-long-name-of-a-file.toml --out /somewhere/far/away/in/a/deep/directory/'
        + "x" * 120
        + '"\n'
    )
    with h5py.File(folder / "slice.h5", "w") as file:
        file["xcoordinates"], file["ycoordinates"] = np.linspace(-1, 1, 5), np.linspace(-1, 1, 4)
        file["train_loss"] = np.add.outer(np.linspace(-1, 1, 4) ** 2, np.linspace(-1, 1, 5) ** 2)


def add_probes(path: Path) -> None:
    steps, bins = np.arange(0, 60, 20), ["zero", *map(str, range(-20, 6)), "inf", "nan"]
    with h5py.File(path, "a") as file:
        fake_sweep.group(file, "critical", steps, {"critical_sharpness": np.array([50.0, 90.0, 150.0])})
        values = {f"{key}1e-3": np.array([0.2, 0.4, 0.5]) for key in ("exact_last_token_eps", "last_token_eps")}
        fake_sweep.group(file, "lbfgs", steps, values)
        counts = np.random.default_rng(0).integers(0, 9, (3, len(fake_sweep.SITES), len(bins)))
        fake_sweep.group(file, "histograms", steps, {"x": counts, "x_fprop": counts}, fake_sweep.SITES)
        file["histograms"].create_dataset("bin", data=bins, dtype=h5py.string_dtype())


class Browser(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        browser = next(filter(None, map(shutil.which, BROWSERS)), None)
        if browser is None:
            raise unittest.SkipTest("skipped: there is no Chromium (apt-get install chromium)")
        holder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(holder.cleanup)
        cls.folder = Path(holder.name)
        make_sweep(cls.folder / "sweep")
        with mock.patch.object(style, "PNG_DPI", 72), mock.patch.dict("os.environ", {"PRECIPICE": "/no/program"}):
            report.make_report(cls.folder / "sweep", cls.folder, lambda text: None)
        cls.results = cls.measure(browser)
        if "probe" not in cls.results:
            raise unittest.SkipTest(f"skipped: {browser} shows no page here")

    @classmethod
    def measure(cls, browser: str) -> dict:
        """By the name of the frame what the script found in it."""
        page = (cls.folder / "report.html").read_text(encoding="utf-8")
        script = f"<script>{MEASURE.replace('ROOMY', str(ROOMY))}</script></body>"
        (cls.folder / "page.html").write_text(page.replace("</body>", script), encoding="utf-8")
        (cls.folder / "probe.html").write_text(f"<!DOCTYPE html><body>{script}")
        for name, planted in (("wide", TOO_WIDE), ("cut", CUT)):
            (cls.folder / f"{name}.html").write_text(page.replace("</body>", planted + script), encoding="utf-8")
        frames = [("probe", "probe", PHONE), ("phone", "page", PHONE), ("desk", "page", DESK), ("wide", "wide", DESK)]
        frames.append(("cut", "cut", PHONE))
        tags = "".join(f'<iframe name="{n}" src="{f}.html" width="{w}" height="900"></iframe>' for n, f, w in frames)
        collect = "addEventListener('message', e => { found.push(e.data); document.title = JSON.stringify(found); });"
        (cls.folder / "frames.html").write_text(
            f"<!DOCTYPE html><head><title></title><script>const found = []; {collect}</script><body>{tags}</body>"
        )
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={cls.folder / 'profile'}"]
        command += [f"--window-size={DESK},1000", "--virtual-time-budget=30000", "--dump-dom"]
        done = subprocess.run(
            [*command, (cls.folder / "frames.html").as_uri()],
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
            env={**os.environ, "HOME": str(cls.folder)},
        )
        title = re.search(r"<title>(\[.*\])</title>", done.stdout)
        return {result["name"]: result for result in json.loads(html.unescape(title.group(1)))} if title else {}

    def test_nothing_is_cut_and_nothing_overflows_on_a_phone_and_on_a_desk(self) -> None:
        for name, width in (("phone", PHONE), ("desk", DESK)):
            result = self.results[name]
            self.assertEqual(result["problems"], [], name)
            self.assertLessEqual(abs(result["width"] - width), 20)
            self.assertGreater(result["pictures"], 15)
            self.assertGreater(result["letters"], 500)

    def test_text_in_pictures_keeps_three_quarters_of_its_size_on_a_phone(self) -> None:
        self.assertGreater(self.results["phone"]["scale"], 0.75)
        self.assertGreater(self.results["desk"]["scale"], 0.9)

    def test_the_page_with_its_details_folded_is_not_endless(self) -> None:
        self.assertLess(self.results["desk"]["closed"], 7000)
        self.assertLess(self.results["phone"]["closed"], 12000)

    def test_the_script_finds_what_it_looks_for(self) -> None:
        self.assertTrue(any("the page is 2" in problem for problem in self.results["wide"]["problems"]))
        self.assertTrue(any("beyond the page: DIV: wide" in problem for problem in self.results["wide"]["problems"]))
        self.assertTrue(any("cut: DIV: a sentence" in problem for problem in self.results["cut"]["problems"]))


if __name__ == "__main__":
    unittest.main()
