// SPDX-License-Identifier: Apache-2.0
// The schedulers that a sweep's job can be written down for. Each is a pure function from the job to a script or a
// manifest that a person reads and changes, in a file of its own.
#pragma once

#include <string>
#include <vector>

#include "experiments/emit/cluster_job.h"

namespace precipice {

std::string slurm_script(const ClusterJob& job);         // slurm.cpp
std::string kubernetes_manifest(const ClusterJob& job);  // kubernetes.cpp
std::string hyperqueue_script(const ClusterJob& job);    // hyperqueue.cpp
std::string parallel_script(const ClusterJob& job);      // parallel.cpp

struct Engine {
  const char* word;
  const char* help;
  std::string (*text)(const ClusterJob& job);
};
inline constexpr Engine kEngines[] = {
    {"slurm", "a job array, and a job that merges and reports after it", slurm_script},
    {"k8s", "a Kubernetes Indexed Job, and a Job that merges", kubernetes_manifest},
    {"hq", "a HyperQueue task array", hyperqueue_script},
    {"parallel", "one command line of GNU parallel", parallel_script},
};

}  // namespace precipice
