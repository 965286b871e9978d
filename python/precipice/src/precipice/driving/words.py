# SPDX-License-Identifier: Apache-2.0
"""Settings of Python as words of the command line, key=value, each value as TOML writes it."""

import json
import os
from typing import Any, Dict, List, Mapping, Optional


def assignments(settings: Mapping[str, Any]) -> List[str]:
    """{"optimizer.lr": 1e-3, "model": {"width": 64}} to ["optimizer.lr=0.001", "model.width=64"]. Raises TypeError for a value
    that no setting can have."""
    return [f"{key}={value_text(key, value)}" for key, value in flat(settings).items()]


def merged(settings: Optional[Mapping[str, Any]], more: Mapping[str, Any]) -> Dict[str, Any]:
    """Both in one, the latter over the former; in names of arguments two underscores stand for a point."""
    return {**flat(settings or {}), **{key.replace("__", "."): value for key, value in more.items()}}


def flat(settings: Mapping[str, Any], prefix: str = "") -> Dict[str, Any]:
    found: Dict[str, Any] = {}
    for key, value in settings.items():
        found.update(flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + str(key): value})
    return found


def value_text(key: str, value: Any) -> str:
    if hasattr(value, "tolist"):
        value = value.tolist()  # numpy's arrays and numbers
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (str, os.PathLike)):
        return json.dumps(os.fspath(value), ensure_ascii=False)  # the escapes of JSON are those of TOML's basic strings
    if isinstance(value, (list, tuple, range)):
        return "[" + ", ".join(value_text(key, each) for each in value) + "]"
    raise TypeError(f"{key}: a setting is a number, a word, true or false, or a list of these, not {type(value).__name__}")
