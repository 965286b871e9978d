// SPDX-License-Identifier: Apache-2.0
// Hands a job to Slurm: writes its script into the sweep's directory and runs it, which submits it.
#pragma once

#include <string>

#include "experiments/emit/cluster_job.h"

namespace precipice {

// What the script says: the jobs' numbers, and how to follow and end them. Throws ConfigError where sbatch is not to be
// found, OutputError where it refuses the job, with its words, or the script cannot be written.
std::string submit_to_slurm(const ClusterJob& job);

}  // namespace precipice
