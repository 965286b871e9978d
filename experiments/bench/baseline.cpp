// SPDX-License-Identifier: Apache-2.0
#include "experiments/bench/baseline.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "metrics/files/files.h"
#include "precision/base/check.h"
#include "precision/kernels/isa.h"
#include "train/run/provenance.h"

namespace precipice {
namespace {

constexpr std::uint64_t kLargestFile = 64u << 20;
constexpr std::size_t kLeastRepetitions = 3;

std::string how(int threads, bool quick) {
  return fmt::format("{} {}{}", threads, threads == 1 ? "thread" : "threads", quick ? ", quick" : "");
}

}  // namespace

Baseline read_baseline(const std::filesystem::path& path) {
  try {
    const auto json = nlohmann::json::parse(read_file(path, kLargestFile));
    Baseline baseline{json.at("cpu_model"), json.at("isa"), json.at("threads"), json.at("quick"), {}};
    for (const auto& row : json.at("rows"))
      baseline.rows.push_back({row.at("work"), row.at("reference"), row.at("ratio_min"), row.at("ratio_median"),
                               row.at("ratio_max"), row.at("repetitions")});
    return baseline;
  } catch (const nlohmann::json::exception& error) {
    throw DataError(fmt::format("{}: no output of `precipice bench --json`: {}", path.string(), error.what()));
  }
}

Comparison compare_with(const Baseline& baseline, const BenchReport& report) {
  Comparison result;
  if (baseline.cpu_model != cpu_model() || baseline.isa != active_isa())
    result.notes.push_back(fmt::format("the baseline was made on {} ({}), this is {} ({})", baseline.cpu_model,
                                       baseline.isa, cpu_model(), active_isa()));
  if (baseline.threads != report.threads || baseline.quick != report.quick)
    result.notes.push_back(fmt::format("the baseline was made with {}, this with {}",
                                       how(baseline.threads, baseline.quick), how(report.threads, report.quick)));
  for (const BenchRow& row : report.rows) {
    const auto was = std::find_if(baseline.rows.begin(), baseline.rows.end(), [&](const Baseline::Row& r) {
      return r.work == row.work && r.reference == row.reference;
    });
    if (was == baseline.rows.end()) {
      result.notes.push_back(fmt::format("the baseline has no row {} over {}", row.work, row.reference));
      continue;
    }
    if (std::min(row.ours.size(), static_cast<std::size_t>(was->repetitions)) < kLeastRepetitions) {
      result.notes.push_back(fmt::format("{} over {} has too few repetitions for a spread", row.work, row.reference));
      continue;
    }
    ++result.compared;
    if (row.ratio() > was->largest && row.lowest() > was->median)
      result.slower.push_back(fmt::format("{} over {}: {:.2f} ({:.2f} to {:.2f}), it was {:.2f} (up to {:.2f})",
                                          row.work, row.reference, row.ratio(), row.lowest(), row.highest(),
                                          was->median, was->largest));
  }
  return result;
}

}  // namespace precipice
