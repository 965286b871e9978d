# SPDX-License-Identifier: Apache-2.0
"""Starts the program and shows what it is doing."""
