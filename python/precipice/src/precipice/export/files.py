# SPDX-License-Identifier: Apache-2.0
"""CSV and parquet: series.* with every value in a long table, runs.* with a row for each run."""

import io
import os
from pathlib import Path
from typing import Callable, List, Union

import pandas as pd

from precipice.export.sources import Source, load, long_table, run_table
from precipice.runs.run_files import ReportError
from precipice.safe_files import Folder


def to_csv(source: Source, out: Union[str, "os.PathLike[str]"]) -> List[Path]:
    """Writes out/series.csv and out/runs.csv: numbers with all their digits (repr), NaN as nan."""
    return write_tables(source, out, "csv", lambda frame: frame.to_csv(na_rep="nan", lineterminator="\n").encode("utf-8"))


def to_parquet(source: Source, out: Union[str, "os.PathLike[str]"]) -> List[Path]:
    """Writes out/series.parquet and out/runs.parquet. Needs pyarrow: pip install 'precipice[parquet]'."""
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise ReportError("parquet needs pyarrow: pip install 'precipice[parquet]'")
    return write_tables(source, out, "parquet", parquet_bytes)


def write_tables(
    source: Source, out: Union[str, "os.PathLike[str]"], ending: str, content: Callable[[pd.DataFrame], bytes]
) -> List[Path]:
    loaded = load(source)
    tables = {"series": long_table(loaded).set_index("run"), "runs": run_table(loaded)}
    with Folder.make(Path(out)) as folder:
        for name, frame in tables.items():
            folder.write(f"{name}.{ending}", content(frame))
    return [Path(out) / f"{name}.{ending}" for name in tables]


def parquet_bytes(frame: pd.DataFrame) -> bytes:
    """Columns of mixed kinds, as a setting that is a number in one run and a word in another, become text."""
    plain = frame.copy()
    for name in plain.columns:
        if plain[name].dtype == object and len({type(value) for value in plain[name]}) > 1:
            plain[name] = plain[name].map(str)
    target = io.BytesIO()
    plain.to_parquet(target, engine="pyarrow")
    return target.getvalue()
