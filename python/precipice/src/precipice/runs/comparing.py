# SPDX-License-Identifier: Apache-2.0
"""Two runs, or two sweeps, set against each other: in which settings they differ, from which step on their series do, and by
how much. Tests and intervals are the program's: `precipice merge` and the report have them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Union

import numpy as np
import pandas as pd

from precipice.runs.loading import KEYS, LoadedRun, LoadedSweep, load_run, load_sweep
from precipice.runs.results import is_run

Comparable = Union[LoadedRun, LoadedSweep, str, Path]


@dataclass
class Comparison:
    """`settings`: keys of the config that differ, with both values. `series`: a row for each series that both runs have:
    common steps, the first step at which the values differ in a bit, the largest difference, mean and last of b less a.
    Of two sweeps `series` is empty and `runs` has a row for each pair of runs of equal settings: states, final losses,
    and that of b less that of a. `equal`: every bit of every common series is (of sweeps: every final loss and state)."""

    settings: pd.DataFrame
    series: pd.DataFrame
    runs: pd.DataFrame
    equal: bool
    only_in_a: List[str]  # series, or runs, without a counterpart
    only_in_b: List[str]

    def __repr__(self) -> str:
        parts = [f"equal: {self.equal}"]
        for name in ("settings", "series", "runs"):
            frame = getattr(self, name)
            if name == "series" and len(frame):
                frame = frame[frame["first_difference"].notna()]
            if len(frame):
                parts.append(f"{name}:\n{frame.to_string(max_rows=20)}")
        for name, only in (("a", self.only_in_a), ("b", self.only_in_b)):
            if only:
                parts.append(f"only in {name}: {', '.join(only[:10])}{' ...' if len(only) > 10 else ''}")
        return "\n".join(parts)


def compare(a: Comparable, b: Comparable) -> Comparison:
    """Two runs or two sweeps, loaded or by their directories. Raises TypeError for a run against a sweep, ReportError for a
    directory without either."""
    first, second = loaded(a), loaded(b)
    if isinstance(first, LoadedRun) and isinstance(second, LoadedRun):
        return compare_runs(first, second)
    if isinstance(first, LoadedSweep) and isinstance(second, LoadedSweep):
        return compare_sweeps(first, second)
    raise TypeError("one is a run and the other a sweep; compare two runs, or two sweeps")


def loaded(source: Comparable) -> Union[LoadedRun, LoadedSweep]:
    if isinstance(source, (LoadedRun, LoadedSweep)):
        return source
    return load_run(source) if is_run(Path(source)) else load_sweep(source)


def compare_runs(a: LoadedRun, b: LoadedRun) -> Comparison:
    first, second = a.series(), b.series()
    by = ["group", "series", "site"]
    names = [set(map(tuple, frame[by].drop_duplicates().to_numpy())) for frame in (first, second)]
    joined = first.merge(second, on=[*by, "step"], suffixes=("_a", "_b"))
    rows = [series_row(dict(zip(by, key)), part) for key, part in joined.groupby(by, sort=False)]
    frame = pd.DataFrame(rows, columns=[*by, "steps", "first_difference", "largest", "mean", "last"])
    frame["first_difference"] = frame["first_difference"].astype("Int64")
    lone = [sorted("/".join(filter(None, key)) for key in mine - other) for mine, other in (names, names[::-1])]
    same_steps = len(joined) == len(first) == len(second)
    equal = same_steps and not lone[0] and not lone[1] and bool(frame["first_difference"].isna().all())
    return Comparison(settings_frame(a.config, b.config), frame, pd.DataFrame(), equal, *lone)


def series_row(named: Dict[str, Any], part: pd.DataFrame) -> Dict[str, Any]:
    """Two values are the same where their bits are, so NaN is the same as NaN, and 0 is not -0."""
    a, b = part["value_a"].to_numpy(), part["value_b"].to_numpy()
    differs = (a.view(np.uint64) != b.view(np.uint64)) & ~(np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        apart = b - a
    known = apart[np.isfinite(apart)]
    return {
        **named,
        "steps": len(part),
        "first_difference": int(part["step"].to_numpy()[differs].min()) if differs.any() else None,
        "largest": float(np.abs(known).max()) if len(known) else np.nan,
        "mean": float(known.mean()) if len(known) else np.nan,
        "last": float(known[-1]) if len(known) else np.nan,
    }


def settings_frame(a: Dict[str, Any], b: Dict[str, Any]) -> pd.DataFrame:
    keys = [key for key in dict.fromkeys([*a, *b]) if a.get(key) != b.get(key) or (key in a) != (key in b)]
    rows = {"a": [str(a.get(key, "")) for key in keys], "b": [str(b.get(key, "")) for key in keys]}
    return pd.DataFrame(rows, index=pd.Index(keys, name="key"))


def compare_sweeps(a: LoadedSweep, b: LoadedSweep) -> Comparison:
    """Runs are paired by their ids where the sweeps share any, else by format, learning rate and seed."""
    by = ["run"] if set(a.runs.index) & set(b.runs.index) else list(KEYS)
    wanted = list(dict.fromkeys([*by, *KEYS, "state", "final_loss"]))
    first, second = (sweep.runs.reset_index()[wanted] for sweep in (a, b))
    if by == ["run"]:
        second = second.drop(columns=list(KEYS))
    joined = first.merge(second, on=by, how="outer", suffixes=("_a", "_b"), indicator=True)
    paired = joined[joined["_merge"] == "both"].drop(columns="_merge").reset_index(drop=True)
    paired["difference"] = paired["final_loss_b"] - paired["final_loss_a"]
    lone = [named_runs(joined[joined["_merge"] == side], by) for side in ("left_only", "right_only")]
    losses = paired["final_loss_a"].to_numpy(), paired["final_loss_b"].to_numpy()
    same = np.array_equal(*losses, equal_nan=True) and bool((paired["state_a"] == paired["state_b"]).all())
    settings = settings_frame(common_config(a), common_config(b))
    return Comparison(settings, pd.DataFrame(), paired, same and not lone[0] and not lone[1], *lone)


def named_runs(rows: pd.DataFrame, by: List[str]) -> List[str]:
    return [", ".join(str(row[key]) for key in by) for _, row in rows.iterrows()]


def common_config(sweep: LoadedSweep) -> Dict[str, Any]:
    """The settings that all runs of a sweep have in common."""
    configs = [run.config for run in sweep.results.runs if run.config]
    if not configs:
        return {}
    return {key: value for key, value in configs[0].items() if all(config.get(key) == value for config in configs[1:])}
