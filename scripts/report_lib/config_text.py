# SPDX-License-Identifier: Apache-2.0
"""The resolved config of a run as a flat dict: {"optimizer.lr": 0.001, ...}."""

import re
from typing import Any, Dict, Mapping, Optional

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    tomllib = None  # type: ignore[assignment]


def parse_config(text: str) -> Dict[str, Any]:
    """Raises ValueError if the text is no TOML."""
    return flatten(tomllib.loads(text)) if tomllib else parse_plain(text)


def flatten(table: Mapping[str, Any], prefix: str = "") -> Dict[str, Any]:
    flat: Dict[str, Any] = {}
    for name, value in table.items():
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = value
    return flat


def parse_plain(text: str) -> Dict[str, Any]:
    """The part of TOML that our own program writes: `[section]` headers and `key = value` on one line each."""
    flat: Dict[str, Any] = {}
    prefix = ""
    for line in text.splitlines():
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        header = re.fullmatch(r"\[([\w.-]+)\]", line)
        if header:
            prefix = header.group(1) + "."
            continue
        key, equals, value = line.partition("=")
        if not equals:
            raise ValueError(f"neither a section nor a setting: {line}")
        flat[prefix + key.strip()] = parse_value(value.strip())
    return flat


def parse_value(text: str) -> Any:
    if text.startswith("["):
        return [parse_value(part) for part in re.findall(r""""(?:[^"\\]|\\.)*"|'[^']*'|[^\s,\[\]]+""", text)]
    if text.startswith("'''"):
        return text[3:-3]
    if text.startswith("'"):
        return text[1:-1]
    if text.startswith('"'):
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    if text in ("true", "false"):
        return text == "true"
    try:
        return int(text.replace("_", ""))
    except ValueError:
        return float(text.replace("_", ""))


def number(config: Mapping[str, Any], key: str) -> Optional[float]:
    value = config.get(key)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
