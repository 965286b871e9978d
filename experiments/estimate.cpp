// SPDX-License-Identifier: Apache-2.0
#include "experiments/estimate.h"

#include <sys/resource.h>
#include <sys/statvfs.h>

#include <limits>

#include "train/run.h"
#include "train/tokens.h"
#include "train/trainer.h"

namespace precipice {
namespace {

double rows_of(const RunConfig& config, const SeriesGroup& group) {
  const auto every = [&](std::int64_t interval) {
    return interval > 0 ? static_cast<double>(config.train.steps) / static_cast<double>(interval) + 1 : 1;
  };
  if (group.name == "eval") return every(config.train.eval_every);
  if (group.name == "sharpness") return every(config.metrics.sharpness_every);
  if (group.name == "tensors") return every(config.metrics.tensors_every);
  for (const char* name : {"attention", "heads", "activations", "norms"})
    if (group.name == name) return every(config.metrics.attention_every);
  if (group.name == "critical") return every(config.metrics.critical_every);
  if (group.name == "sam") return every(config.metrics.sam_every);
  if (group.name == "noise") return every(config.metrics.noise_every);
  if (group.name == "edge") return every(config.metrics.edge_every);
  if (group.name == "lbfgs") return every(config.metrics.lbfgs_every);
  if (group.name == "histograms") return every(config.metrics.histograms_every);
  for (const char* name : {"gradient_error", "parameter_errors"})
    if (group.name == name) return every(config.metrics.gradient_error_every);
  return static_cast<double>(config.train.steps);
}

double log_bytes(const RunConfig& config, const std::vector<SeriesGroup>& groups) {
  constexpr double kRowOverhead = 32, kFileOverhead = 200e3;  // headers of rows; of datasets, for run.h5
  double bytes = kFileOverhead;
  for (const SeriesGroup& group : groups)
    bytes += 2 * rows_of(config, group) * (kRowOverhead + 8.0 * static_cast<double>(group.row_width()));
  return bytes;
}

}  // namespace

RunEstimate estimate_run(const RunConfig& config) {
  RunEstimate estimate;
  estimate.step_seconds = measure_step_seconds(config);
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  estimate.memory_bytes = 1024.0 * static_cast<double>(usage.ru_maxrss);  // Linux counts in KiB

  const auto tokens = open_tokens(config);
  const Trainer trainer(config, *tokens);
  estimate.parameters = trainer.num_parameters();
  const bool compensated = parse_stored_formats(config.optimizer.state).weights.kahan;
  const double arrays = (config.optimizer.kind == "adamw" ? 3 : 2) + (compensated ? 1 : 0);  // weights and state
  estimate.disk_bytes = log_bytes(config, trainer.groups()) + 2 * 4 * arrays * static_cast<double>(estimate.parameters);
  return estimate;
}

double free_bytes(const std::filesystem::path& path) {
  std::filesystem::path existing = std::filesystem::absolute(path);
  while (!std::filesystem::exists(existing) && existing.has_relative_path()) existing = existing.parent_path();
  struct statvfs info {};
  if (statvfs(existing.c_str(), &info) != 0) return std::numeric_limits<double>::quiet_NaN();
  return static_cast<double>(info.f_bavail) * static_cast<double>(info.f_frsize);
}

}  // namespace precipice
