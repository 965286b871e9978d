# SPDX-License-Identifier: Apache-2.0
"""What lies in the directories of runs and sweeps, read as data that somebody else may have made."""
