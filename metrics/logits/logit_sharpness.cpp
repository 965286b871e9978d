// SPDX-License-Identifier: Apache-2.0
// The closed form of logit_sharpness.h: long rows by logit_sums.h, one exponential per logit; short ones, wide boxes
// and rows in double with one more per epsilon.
#include "metrics/logits/logit_sharpness.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "metrics/logits/logistic.h"
#include "metrics/logits/logit_sums.h"
#include "precision/base/check.h"
#include "precision/base/special_numbers.h"

namespace precipice {
namespace {

// max over i != target of f(z_i), and log of the sum of exp(f(z_i) - max): two numbers, so that large maxima can be
// subtracted before the small logarithms are added.
struct LogSum {
  double max = -kInfinity;
  double log_excess = 0;
};

template <class Real, class F>
LogSum log_sum_of_others(std::span<const Real> logits, std::size_t target, const F& f) {
  LogSum result;
  for (std::size_t i = 0; i < logits.size(); ++i)
    if (i != target) result.max = std::max(result.max, f(logits[i]));
  double sum = 0;
  for (std::size_t i = 0; i < logits.size(); ++i)
    if (i != target) sum += std::exp(f(logits[i]) - result.max);
  result.log_excess = std::log(sum);
  return result;
}

// What one token gives at every epsilon.
template <class Real>
class Token {
 public:
  Token(std::span<const Real> logits, std::int64_t target)
      : logits_(logits), target_(static_cast<std::size_t>(target)) {
    PRECIPICE_CHECK(target >= 0 && target_ < logits.size(), "target ", target, " of ", logits.size());
    const auto is_bad = [](Real z) { return !(z < std::numeric_limits<Real>::infinity()); };
    bad_ = std::isinf(logits_[target_]) || std::any_of(logits_.begin(), logits_.end(), is_bad);
    base_ = log_sum_of_others(logits_, target_, [](Real z) { return static_cast<double>(z); });
  }

  LogitSharpness at(double epsilon) const {
    if (bad_) return {kNaN, kNaN, kNaN};
    if (base_.max == -kInfinity) return {};
    const double target = logits_[target_];
    const double u = (base_.max - target) + base_.log_excess;
    // Masked logits stay where they are: 0 times infinity would make them NaN.
    const LogSum corner = log_sum_of_others(logits_, target_, [epsilon](Real z) {
      return z == -std::numeric_limits<Real>::infinity() ? -kInfinity : z + epsilon * (std::abs(double{z}) + 1);
    });
    const double d =
        (corner.max - base_.max) + (corner.log_excess - base_.log_excess) + epsilon * (std::abs(target) + 1);
    const double loss = softplus(u);
    const double rise = softplus_rise(u, d);
    return {loss, rise, 100 * rise / (1 + loss)};
  }

 private:
  std::span<const Real> logits_;
  std::size_t target_;
  bool bad_ = false;
  LogSum base_;
};

// Rows of this length and more, with narrow boxes, take one pass for all epsilons.
constexpr std::size_t kLongRow = 64;

struct LongRow {
  RowExtremes extremes{};
  double base_max = -kInfinity, base = 0;
  std::array<double, kMaxBoxes> rises{};
};

bool is_long_row(std::span<const float> logits, std::int64_t target, std::span<const double> epsilons, LongRow& row) {
  if (logits.size() < kLongRow || epsilons.empty() || epsilons.size() > kMaxBoxes) return false;
  row.extremes = row_extremes(logits);
  if (row.extremes.is_bad || !(row.extremes.low <= row.extremes.high)) return false;
  const double size = std::max(std::abs(double{row.extremes.low}), std::abs(double{row.extremes.high})) + 1;
  if (size * *std::max_element(epsilons.begin(), epsilons.end()) > kMaxBox) return false;
  const auto t = static_cast<std::size_t>(target);
  return !std::isinf(logits[t]);
}

// What is_long_row said yes to; one result per epsilon.
void long_row_sharpness(std::span<const float> logits, std::int64_t target, std::span<const double> epsilons,
                        LongRow& row, std::span<LogitSharpness> results) {
  const auto t = static_cast<std::size_t>(target);
  const auto before = logits.first(t), after = logits.subspan(t + 1);
  row.base_max = row.extremes.high;
  if (double{logits[t]} == row.base_max) {
    row.base_max = -kInfinity;
    for (const auto part : {before, after})
      if (!part.empty()) row.base_max = std::max(row.base_max, double{row_extremes(part).high});
    if (row.base_max == -kInfinity) return;  // all others are masked: nothing can rise
  }
  const std::span<double> rises(row.rises.data(), epsilons.size());
  for (const auto part : {before, after}) add_logit_sums(part, row.base_max, epsilons, row.base, rises);
  const double z = logits[t];
  const double u = (row.base_max - z) + std::log(row.base), loss = softplus(u);
  for (std::size_t k = 0; k < epsilons.size(); ++k) {
    const double d = std::log1p(rises[k] / row.base) + epsilons[k] * (std::abs(z) + 1);
    const double rise = std::log1p(sigmoid(u) * std::expm1(d));  // d <= 2 kMaxBox
    results[k] = {loss, rise, 100 * rise / (1 + loss)};
  }
}

std::vector<LogitSharpness> row_sharpness(std::span<const float> logits, std::int64_t target,
                                          std::span<const double> epsilons) {
  PRECIPICE_CHECK(target >= 0 && static_cast<std::size_t>(target) < logits.size(), "target ", target, " of ",
                  logits.size());
  std::vector<LogitSharpness> results(epsilons.size());
  LongRow row;
  if (is_long_row(logits, target, epsilons, row)) {
    long_row_sharpness(logits, target, epsilons, row, results);
    return results;
  }
  const Token<float> token(logits, target);
  for (std::size_t k = 0; k < epsilons.size(); ++k) results[k] = token.at(epsilons[k]);
  return results;
}

}  // namespace

LogitSharpness logit_sharpness(std::span<const float> logits, std::int64_t target, double epsilon) {
  return row_sharpness(logits, target, {&epsilon, 1})[0];
}

LogitSharpness logit_sharpness(std::span<const double> logits, std::int64_t target, double epsilon) {
  return Token<double>(logits, target).at(epsilon);
}

std::vector<BatchSharpness> batch_sharpness(std::span<const float> logits, std::span<const std::int64_t> targets,
                                            std::int64_t batch, std::int64_t context, std::int64_t vocabulary,
                                            std::span<const double> epsilons) {
  PRECIPICE_CHECK(batch > 0 && context > 0 && vocabulary > 0, batch, " x ", context, " x ", vocabulary);
  const auto tokens = static_cast<std::size_t>(batch * context), width = static_cast<std::size_t>(vocabulary);
  PRECIPICE_CHECK(targets.size() == tokens && logits.size() == tokens * width, logits.size(), " logits");
  SharpnessMeans means(epsilons.size(), context);
  for (std::size_t t = 0; t < tokens; ++t)
    means.add(row_sharpness(logits.subspan(t * width, width), targets[t], epsilons));
  return means.result();
}

void centre_logits(std::span<const float> logits, std::span<float> centred) {
  constexpr float kMasked = -std::numeric_limits<float>::infinity();
  double sum = 0, count = 0;
  for (const float z : logits) {
    sum += z == kMasked ? 0.0 : z;
    count += z == kMasked ? 0.0 : 1.0;
  }
  const double mean = sum / count;
  for (std::size_t i = 0; i < logits.size(); ++i)
    centred[i] = logits[i] == kMasked ? kMasked : static_cast<float>(logits[i] - mean);
}

void SharpnessMeans::Mean::add(const LogitSharpness& token) {
  loss += token.loss, rise += token.rise, sharpness += token.sharpness;
  ++count;
}

SharpnessSummary SharpnessMeans::Mean::summary() const {
  const auto n = static_cast<double>(count);
  return {sharpness / n, 100 * (rise / n) / (1 + loss / n)};
}

void SharpnessMeans::add(std::span<const LogitSharpness> token) {
  PRECIPICE_CHECK(token.size() == all_.size(), token.size(), " sharpnesses, ", all_.size(), " epsilons");
  ++tokens_;
  for (std::size_t e = 0; e < all_.size(); ++e) {
    all_[e].add(token[e]);
    if (tokens_ % context_ == 0) last_[e].add(token[e]);
  }
}

std::vector<BatchSharpness> SharpnessMeans::result() const {
  std::vector<BatchSharpness> result;
  for (std::size_t e = 0; e < all_.size(); ++e) result.push_back({last_[e].summary(), all_[e].summary()});
  return result;
}

std::string epsilon_name(double epsilon) {
  std::array<char, 32> buffer;
  const auto end =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), epsilon, std::chars_format::scientific).ptr;
  std::string text(buffer.data(), end);
  const std::size_t digits = text.find('e') + 2;
  while (text[digits] == '0' && digits + 1 < text.size()) text.erase(digits, 1);
  return text;
}

SeriesGroup sharpness_group(std::span<const double> epsilons, const std::string& name, const std::string& what) {
  SeriesGroup group{name, {}, {}};
  for (const double epsilon : epsilons) {
    const std::string eps = epsilon_name(epsilon);
    for (const char* tokens : {"last_token", "all_tokens"}) {
      const std::string where = tokens == std::string("last_token") ? "last tokens" : "all tokens";
      group.series.push_back(
          {join_parts(tokens, "_eps", eps), "1", join_parts(what, " at eps ", eps, ", mean over ", where)});
      group.series.push_back({join_parts(tokens, "_mean_loss_eps", eps), "1",
                              join_parts(what, " at eps ", eps, " of the mean loss over ", where)});
    }
  }
  return group;
}

std::vector<double> sharpness_values(std::span<const BatchSharpness> sharpness) {
  std::vector<double> values;
  for (const BatchSharpness& s : sharpness)
    for (const SharpnessSummary& summary : {s.last_token, s.all_tokens})
      values.insert(values.end(), {summary.mean_of_metrics, summary.metric_of_mean});
  return values;
}

}  // namespace precipice
