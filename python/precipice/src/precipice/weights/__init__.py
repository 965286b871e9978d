# SPDX-License-Identifier: Apache-2.0
"""Weights of runs for nanoGPT's and Hugging Face's classes."""
