# SPDX-License-Identifier: Apache-2.0
"""The page of the report: one HTML file with the figures in it."""
