# SPDX-License-Identifier: Apache-2.0
"""The resolved config of a run as a flat dict: {"optimizer.lr": 0.001, ...}."""

from typing import Any, Dict, Mapping, Optional

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10: the same reader as a package of scripts/requirements.txt
    import tomli as tomllib  # type: ignore[no-redef]


def parse_config(text: str) -> Dict[str, Any]:
    """Raises ValueError if the text is no TOML."""
    return flatten(tomllib.loads(text))


def flatten(table: Mapping[str, Any], prefix: str = "") -> Dict[str, Any]:
    flat: Dict[str, Any] = {}
    for name, value in table.items():
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = value
    return flat


def number(config: Mapping[str, Any], key: str) -> Optional[float]:
    value = config.get(key)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
