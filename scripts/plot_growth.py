# SPDX-License-Identifier: Apache-2.0
"""How the time of a step grows with layers, width and sequences, from `precipice bench growth --json` on standard input:

    build/release/precipice bench growth --json | .venv/bin/python scripts/plot_growth.py docs/growth.svg
"""
import io
import json
import re
import statistics
import sys
from pathlib import Path

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "precipice"  # equal data, equal bytes
import matplotlib.pyplot as plt  # noqa: E402

import package_path  # noqa: F401  makes precipice importable
from precipice.safe_files import write_file  # noqa: E402


def series(rows):
    """{direction: [(factor, seconds a step, seconds that the arithmetic explains)]}"""
    found = {}
    for row in rows:
        name, factor = re.fullmatch(r"fp8 step, (\w+) x (\d+)", row["work"]).groups()
        found.setdefault(name, []).append((int(factor), statistics.median(row["seconds_ours"]) / row["units"],
                                           statistics.median(row["seconds_reference"]) / row["units"]))
    return found


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: plot_growth.py OUT.svg < growth.json")
    found = series(json.load(sys.stdin)["rows"])
    figure, axes = plt.subplots(1, len(found), figsize=(3.2 * len(found), 3), sharey=True, layout="constrained")
    for axis, (name, points) in zip(axes, found.items()):
        factors = [point[0] for point in points]
        axis.loglog(factors, [1e3 * point[1] for point in points], "o-", color="C0", label="measured")
        axis.loglog(factors, [1e3 * point[2] for point in points], "--", color="0.5", label="smallest size x arithmetic")
        axis.set_xlabel(f"{name}, times the smallest")
        axis.set_xticks(factors, [str(factor) for factor in factors])
        axis.minorticks_off()
    axes[0].set_ylabel("ms a training step (fp8)")
    axes[0].legend(frameon=False, fontsize=8)
    drawing = io.BytesIO()
    figure.savefig(drawing, format="svg", metadata={"Date": None})
    write_file(Path(sys.argv[1]), drawing.getvalue())


if __name__ == "__main__":
    main()
