# SPDX-License-Identifier: Apache-2.0
"""Runs of precipice in Python: loads, draws, exports and starts them."""
