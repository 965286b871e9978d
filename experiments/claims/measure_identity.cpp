// SPDX-License-Identifier: Apache-2.0
// Claims that runs are the same in every bit: all stored rows but those of the quantizers themselves, and the weights of
// the last checkpoint. NaN equals NaN of the same bits, and -0 is not +0.
#include <fmt/format.h>

#include <bit>
#include <cmath>

#include "experiments/claims/measure.h"
#include "precision/base/check.h"
#include "train/run/run_directory.h"

namespace precipice::claims {
namespace {

template <class Float, class Bits>
bool same_bits(std::span<const Float> a, std::span<const Float> b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (std::bit_cast<Bits>(a[i]) != std::bit_cast<Bits>(b[i])) return false;
  return true;
}

// Groups about what quantizers did to operands, not about what was trained: recipes that train alike may round the same
// value at different places, so that one counts and measures what the other finds rounded.
bool is_of_quantizers(const std::string& group) {
  return group == "tensors" || group == "histograms";
}

// "" where all rows are the same.
std::string different_rows(const AnalysedRun& a, const AnalysedRun& b) {
  if (a.columns.size() != b.columns.size()) return "they log different groups";
  for (const auto& [name, group] : a.columns) {
    if (is_of_quantizers(name)) continue;
    const auto other = b.columns.find(name);
    if (other == b.columns.end()) return fmt::format("one has no group {}", name);
    if (group.steps != other->second.steps) return fmt::format("group {} has rows of different steps", name);
    for (const auto& [series, values] : group.series) {
      const auto same = other->second.series.find(series);
      if (same == other->second.series.end()) return fmt::format("one has no series {}/{}", name, series);
      if (!same_bits<double, std::uint64_t>(values, same->second)) return fmt::format("{}/{} differs", name, series);
    }
  }
  return "";
}

// "" where the last weights are the same, or neither run has kept any.
std::string different_weights(const AnalysedRun& a, const AnalysedRun& b, bool& kept) {
  const RunDirectory here(a.directory), there(b.directory);
  const std::vector<std::int64_t> steps = here.checkpoint_steps(), other_steps = there.checkpoint_steps();
  kept = !steps.empty() && !other_steps.empty();
  if (!kept) return "";
  if (steps.back() != other_steps.back()) return "their last checkpoints are of different steps";
  const Checkpoint first = here.load_checkpoint(steps.back(), a.id).value();
  const Checkpoint second = there.load_checkpoint(steps.back(), b.id).value();
  if (first.arrays.size() != second.arrays.size()) return "their checkpoints hold different arrays";
  for (std::size_t i = 0; i < first.arrays.size(); ++i)
    if (first.arrays[i].name != second.arrays[i].name ||
        !same_bits<float, std::uint32_t>(first.arrays[i].values, second.arrays[i].values))
      return fmt::format("{} differs after the last step", first.arrays[i].name);
  return "";
}

}  // namespace

Measured measure_identity(const Claim& claim, std::span<const RunPair> pairs) {
  Measured measured = cannot_be_judged(claim, "");
  measured.result.pairs = static_cast<std::int64_t>(pairs.size());
  std::int64_t same = 0, without_weights = 0;
  for (const RunPair& pair : pairs) {
    bool kept = false;
    std::string difference;
    try {
      difference = different_rows(*pair.first, *pair.second);
      if (difference.empty()) difference = different_weights(*pair.first, *pair.second, kept);
    } catch (const DataError& error) {
      return cannot_be_judged(claim, error.what());
    }
    same += difference.empty(), without_weights += !kept;
    if (!difference.empty() && measured.result.reason.empty())
      measured.result.reason = fmt::format("seed {}: {}", pair.first->seeds, difference);
  }
  measured.result.effect = static_cast<double>(same) / static_cast<double>(pairs.size());
  measured.result.effect_unit = "share of pairs that are the same in every bit";
  measured.result.verdict = same == measured.result.pairs ? Verdict::Identical : Verdict::Different;
  if (same == measured.result.pairs && without_weights > 0)
    measured.result.reason = fmt::format("of logged rows; {} pairs have kept no weights", without_weights);
  return measured;
}

}  // namespace precipice::claims
