# SPDX-License-Identifier: Apache-2.0
"""The report: figures and one HTML page from the files of a sweep. Reads run.h5, status.json and TOML, nothing else."""
