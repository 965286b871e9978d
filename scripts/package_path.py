# SPDX-License-Identifier: Apache-2.0
"""Lets a script import the Python package of this tree, python/precipice, installed or not."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python/precipice/src"))
