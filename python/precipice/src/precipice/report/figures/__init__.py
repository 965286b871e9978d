# SPDX-License-Identifier: Apache-2.0
"""Figures of the report: each module draws one kind from a Sweep."""
