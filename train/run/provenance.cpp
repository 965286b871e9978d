// SPDX-License-Identifier: Apache-2.0
#include "train/run/provenance.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/headeronly/version.h>

#include <fstream>
#include <set>

#include "metrics/hdf5/hdf5_version.h"
#include "precipice_version.h"
#include "precision/accumulator/accumulator_presets.h"
#include "precision/gemm/gemm.h"
#include "precision/gemm/onednn.h"
#include "precision/kernels/isa.h"
#include "precision/kernels/quantize_kernels.h"

namespace precipice {

std::string program_version() {
  return PRECIPICE_VERSION;
}
std::string program_commit() {
  return PRECIPICE_COMMIT;
}

std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name") && line.find(": ") != std::string::npos) return line.substr(line.find(": ") + 2);
  return "unknown";
}

std::map<std::string, std::string> provenance() {
  return {
      {"program_version", program_version()}, {"commit", program_commit()},     {"compiler", __VERSION__},
      {"libtorch_version", TORCH_VERSION},    {"hdf5_version", hdf5_version()}, {"onednn_version", onednn_version()},
      {"onednn_isa", onednn_isa()},           {"cpu_model", cpu_model()},       {"isa", active_isa()}};
}

std::string accumulators_of(const PrecisionSchedule& schedule) {
  std::set<std::string> found;
  for (const PrecisionPolicy& policy : schedule.policies)
    for (std::size_t i = 0; i < policy.num_sites(); ++i)
      for (const GemmPrecision* gemm : {&policy.at(i).fprop, &policy.at(i).dgrad, &policy.at(i).wgrad})
        if (gemm->arithmetic.accumulator.kind != AccumulatorKind::Fp32)
          found.insert(name_and_numbers(gemm->arithmetic.accumulator));
  return fmt::format("{}", fmt::join(found, "; "));
}

std::string carriers_of(const PrecisionSchedule& schedule, const MatmulCpu& matmuls) {
  std::set<std::string> found;
  for (const PrecisionPolicy& policy : schedule.policies)
    for (std::size_t i = 0; i < policy.num_sites(); ++i)
      for (const GemmPrecision* gemm : {&policy.at(i).fprop, &policy.at(i).dgrad, &policy.at(i).wgrad}) {
        const bool emulated = gemm->arithmetic.accumulator.kind != AccumulatorKind::Fp32;
        const bool bf16 = runs_on_bf16(gemm->first, gemm->second, gemm->arithmetic, matmuls);
        found.insert(emulated ? "emulated" : bf16 ? "bf16" : "fp32");
      }
  std::string names;
  for (const std::string& name : found) names += (names.empty() ? "" : ", ") + name;
  return names;
}

}  // namespace precipice
