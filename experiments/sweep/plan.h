// SPDX-License-Identifier: Apache-2.0
// What `--dry-run` says a run will take, and what is refused before it begins: parameters, memory and disk by
// arithmetic (train/estimates/memory_estimate.h).
#pragma once

#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "experiments/console/machine_memory.h"
#include "train/estimates/memory_estimate.h"
#include "train/recipes/resolved_run.h"

namespace precipice {

// The machine has less memory than a run, or several at once, will need. The message names what is needed, what there
// is, the keys that are too large, and what would fit.
class NotEnoughMemory : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct RunPlan {
  std::int64_t parameters = 0;
  MemoryEstimate memory;
  double disk_bytes =
      0;  // journal and run.h5 (at most as large: it is compressed), two checkpoints and a third to come
};
RunPlan plan_run(const ResolvedRun& run);
// What this process held before it planned or ran anything: its libraries, which its forks share.
double library_bytes();

// Equal for runs that take the same memory and disk: the config without what these do not depend on.
std::string size_key(RunConfig config);

// "9.70 GB attention weights, 6.10 GB activations, ..."
std::string describe(const MemoryEstimate& memory);

// Why a run needs too much, or "": what it needs, what there is, the keys that are too large with values that fit.
std::string memory_problem(const ResolvedRun& run, const AvailableMemory& available);
// Opens the devices of these runs, before anything was trained (open_device()). Throws ConfigError where one cannot be had,
// or where `jobs` of the runs on a GPU, the largest, need more than it has free.
void open_devices(const std::vector<const RunConfig*>& runs, std::size_t jobs);
// As many of these runs, the largest of them and at least one, as the free memory of the GPU has room for at once, which is
// opened; all where none trains on one.
std::size_t runs_fitting_gpu(const std::vector<const RunConfig*>& runs);
// The same for so many free bytes.
std::size_t runs_fitting_gpu(const std::vector<const RunConfig*>& runs, double free);
// Why `jobs` of these runs need more than so many free bytes of a GPU, or "".
std::string gpu_memory_problem(const std::vector<const RunConfig*>& runs, std::size_t jobs, double free);
// Throws NotEnoughMemory where memory_problem() says something.
void require_memory(const ResolvedRun& run, const AvailableMemory& available);

// Free space where `path` is or will be; NaN when unknown.
double free_bytes(const std::filesystem::path& path);

// A remark where the data's file is not there yet: a plan needs only the vocabulary. Empty otherwise.
std::string data_remark(const RunConfig& config);
// What a run refuses at its start and a plan can see without reading much: an init.from that is missing, data of at most
// 64 MB that is bad. Throws what the run would throw. The device is not asked for: a plan may be for another machine.
void check_plan(const RunConfig& config);

}  // namespace precipice
