// SPDX-License-Identifier: Apache-2.0
#include "metrics/logits/logit_rows.h"

#include <algorithm>
#include <cmath>

#include "metrics/logits/logistic.h"
#include "precision/base/check.h"
#include "precision/calls/assumption.h"

namespace precipice {
namespace {

// (1/32)^3 / 4! is 1.3e-6: what the series of expm1 leaves out there, relative.
constexpr double kLargestBox = 1.0 / 32;
// The exponential takes terms below e^-87.3 as 0: 2^17 of them are 2e-7 of this.
constexpr double kSmallestOthers = 1e-26;

bool sums_suffice(const LogitRow& sums, float target, double largest_epsilon) {
  const double reach = std::max(std::abs(double{sums.low}), std::abs(double{sums.high})) + 1;
  return std::isfinite(sums.others) && std::isfinite(target) && sums.others >= kSmallestOthers &&
         reach * largest_epsilon <= kLargestBox;
}

LogitSharpness sharpness_of(const LogitRow& sums, double target, double epsilon) {
  static_assert(kLogitMoments == 3);
  const double rise_of_others =
      epsilon * (sums.moments[0] + epsilon / 2 * (sums.moments[1] + epsilon / 3 * sums.moments[2]));
  const double u = (sums.high - target) + std::log(sums.others);
  const double d = std::log1p(rise_of_others / sums.others) + epsilon * (std::abs(target) + 1);
  const double loss = softplus(u), rise = softplus_rise(u, d);
  return {loss, rise, 100 * rise / (1 + loss)};
}

}  // namespace

LogitRows::LogitRows(std::int64_t batch, std::int64_t context, std::int64_t vocabulary,
                     std::span<const double> epsilons)
    : context_(context),
      vocabulary_(vocabulary),
      epsilons_(epsilons.begin(), epsilons.end()),
      rows_(static_cast<std::size_t>(batch * context)),
      tokens_(rows_.size() * epsilons_.size()) {
  PRECIPICE_CHECK(batch > 0 && context > 0 && vocabulary > 0, batch, " x ", context, " x ", vocabulary);
  for (const double epsilon : epsilons_) largest_epsilon_ = std::max(largest_epsilon_, epsilon);
}

double LogitRows::observe(std::int64_t row, std::span<const float> logits, std::int64_t target, std::span<float> e) {
  PRECIPICE_CHECK(static_cast<std::int64_t>(logits.size()) == vocabulary_ && e.size() == logits.size(), logits.size(),
                  " logits, ", vocabulary_, " words");
  PRECIPICE_CHECK(target >= 0 && target < vocabulary_, "target ", target, " of ", vocabulary_);
  LogitRow sums;
  row_kernels().logit_row(logits.data(), vocabulary_, target, has_sharpness(), e.data(), sums);
  return take(row, sums, logits[static_cast<std::size_t>(target)], {logits, target});
}

bool LogitRows::suffices(const LogitRow& sums, float target_logit) const {
  return has_loss(sums) && (epsilons_.empty() || sums_suffice(sums, target_logit, largest_epsilon_));
}

double LogitRows::take(std::int64_t row, const LogitRow& sums, float z, const WholeLogitRow& whole) {
  const double total = sums.others + sums.target;
  Row& result = rows_[static_cast<std::size_t>(row)];
  // The target itself is the largest: log1p keeps what is left of a small loss.
  result.loss = z == sums.high ? std::log1p(sums.others) : std::log(total) + (double{sums.high} - z);
  if (std::isfinite(total)) {
    result.log_z = sums.high + std::log(total);
    result.max_logit = std::max(std::abs(sums.low), std::abs(sums.high));
  } else {
    const LogitStatistics odd = logit_statistics(whole.logits, vocabulary_);
    result.log_z = odd.log_z, result.max_logit = odd.max_logit;
  }
  const bool is_near = sums_suffice(sums, z, largest_epsilon_);
  for (std::size_t k = 0; k < epsilons_.size(); ++k)
    tokens_[static_cast<std::size_t>(row) * epsilons_.size() + k] =
        is_near ? sharpness_of(sums, z, epsilons_[k]) : logit_sharpness(whole.logits, whole.target, epsilons_[k]);
  return total;
}

double LogitRows::mean_loss() const {
  double sum = 0;
  for (const Row& row : rows_) sum += row.loss;
  return sum / static_cast<double>(rows_.size());
}

LogitStatistics LogitRows::statistics() const {
  LogitStatistics result;
  for (const Row& row : rows_) {
    result.log_z += row.log_z;
    result.max_logit = std::isnan(row.max_logit) || row.max_logit > result.max_logit ? row.max_logit : result.max_logit;
  }
  result.log_z /= static_cast<double>(rows_.size());
  return result;
}

std::vector<BatchSharpness> LogitRows::sharpness() const {
  SharpnessMeans means(epsilons_.size(), context_);
  for (std::size_t row = 0; row < rows_.size(); ++row)
    means.add(std::span(tokens_).subspan(row * epsilons_.size(), epsilons_.size()));
  return means.result();
}

std::vector<BatchSharpness> centred_batch_sharpness(std::span<const float> logits,
                                                    std::span<const std::int64_t> targets, std::int64_t batch,
                                                    std::int64_t context, std::int64_t vocabulary,
                                                    std::span<const double> epsilons) {
  LogitRows rows(batch, context, vocabulary, epsilons);
  const auto width = static_cast<std::size_t>(vocabulary);
  PRECIPICE_CHECK(
      logits.size() == targets.size() * width && targets.size() == static_cast<std::size_t>(batch * context),
      logits.size(), " logits, ", targets.size(), " targets");
  std::vector<float> centred(width), e(width);
  for (std::size_t row = 0; row < targets.size(); ++row) {
    centre_logits(logits.subspan(row * width, width), centred);
    rows.observe(static_cast<std::int64_t>(row), centred, targets[row], e);
  }
  return rows.sharpness();
}

}  // namespace precipice
