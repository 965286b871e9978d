# SPDX-License-Identifier: Apache-2.0
"""Runs for other tools: TensorBoard, CSV, parquet, Weights & Biases, MLflow, trackio. run.h5 stays the record."""
