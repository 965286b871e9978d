// SPDX-License-Identifier: Apache-2.0
#include "metrics/logits/logit_ascent.h"

#include <nlopt.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "metrics/logits/logistic.h"
#include "precision/base/check.h"
#include "precision/base/special_numbers.h"
#include "precision/rounding/random_streams.h"

namespace precipice {
namespace {

constexpr int kCorrections = 10;  // of the inverse Hessian, as in SciPy's L-BFGS-B

// The loss of one token as a function of what is added to its logits, relative to the loss at nothing:
//   D = log(sum_{i != t} e^{z_i + d_i} / sum_{i != t} e^{z_i}) - d_t,  rise = softplus(u + D) - softplus(u)
class TokenRise {
 public:
  template <class Real>
  TokenRise(std::span<const Real> logits, std::int64_t target)
      : logits_(logits.begin(), logits.end()), target_(static_cast<std::size_t>(target)), weights_(logits.size()) {
    PRECIPICE_CHECK(target >= 0 && target_ < logits.size(), "target ", target, " of ", logits.size());
    bad_ = std::isinf(logits_[target_]);
    for (std::size_t i = 0; i < logits_.size(); ++i) {
      bad_ = bad_ || !(logits_[i] < kInfinity);
      if (i != target_) max_ = std::max(max_, logits_[i]);
    }
    log_sum_ = std::log(add_weights({}, 0));
    u_ = (max_ - logits_[target_]) + log_sum_;
  }

  bool is_bad() const { return bad_; }
  bool can_rise() const { return max_ > -kInfinity; }
  double loss() const { return softplus(u_); }
  const std::vector<double>& logits() const { return logits_; }

  // The rise at d, and its derivatives.
  double operator()(std::span<const double> d, std::span<double> gradient) {
    double shift = -kInfinity;
    for (std::size_t i = 0; i < d.size(); ++i)
      if (i != target_) shift = std::max(shift, (logits_[i] - max_) + d[i]);
    const double sum = add_weights(d, shift);
    const double change = shift + (std::log(sum) - log_sum_) - d[target_];
    const double slope = sigmoid(u_ + change);
    for (std::size_t i = 0; i < gradient.size(); ++i) gradient[i] = slope * (weights_[i] / sum);
    if (!gradient.empty()) gradient[target_] = -slope;
    return softplus_rise(u_, change);
  }

 private:
  // weights_[i] = exp(z_i + d_i - max - shift) of the non-targets; their sum.
  double add_weights(std::span<const double> d, double shift) {
    double sum = 0;
    for (std::size_t i = 0; i < logits_.size(); ++i) {
      if (i == target_ || logits_[i] == -kInfinity) continue;
      weights_[i] = std::exp((logits_[i] - max_) + (d.empty() ? 0.0 : d[i]) - shift);
      sum += weights_[i];
    }
    return sum;
  }

  std::vector<double> logits_;
  std::size_t target_;
  std::vector<double> weights_;
  double max_ = -kInfinity, log_sum_ = 0, u_ = 0;
  bool bad_ = false;
};

// What NLopt calls: the rise at a point of the whole space or of the subspace.
struct Search {
  TokenRise& rise;
  const RandomSubspace* subspace;
  std::vector<double> half_widths;
  int budget;  // evaluations
  double highest = 0;
  int evaluations = 0;

  double evaluate(std::span<const double> x, std::span<double> gradient) {
    // NLopt looks at its own limit between line searches only; what comes after it does not count.
    const bool counts = evaluations < budget;
    evaluations += counts;
    // The optimizer steps over the box's sides by an ulp.
    std::vector<double> point(x.begin(), x.end());
    for (std::size_t i = 0; i < point.size(); ++i) point[i] = std::clamp(point[i], -half_widths[i], half_widths[i]);
    double value = 0;
    if (subspace == nullptr) {
      value = rise(point, gradient);
    } else {
      std::vector<double> full(gradient.empty() ? 0 : subspace->size());
      value = rise(subspace->combination(point), full);
      if (!gradient.empty()) std::copy_n(subspace->products(full).begin(), gradient.size(), gradient.begin());
    }
    if (counts) highest = std::max(highest, value);
    return value;
  }
};

double nlopt_value(unsigned size, const double* x, double* gradient, void* search) {
  return static_cast<Search*>(search)->evaluate({x, size}, {gradient, gradient == nullptr ? 0 : size});
}

std::vector<double> half_widths_of(const TokenRise& rise, const RandomSubspace* subspace, double epsilon) {
  std::vector<double> z = rise.logits();
  for (double& value : z)
    if (value == -kInfinity) value = 0;
  std::vector<double> widths = box_half_widths(subspace == nullptr ? z : subspace->coordinates(z), epsilon);
  for (std::size_t i = 0; subspace == nullptr && i < widths.size(); ++i)
    if (rise.logits()[i] == -kInfinity) widths[i] = 0;
  return widths;
}

void maximize(Search& search) {
  const auto size = static_cast<unsigned>(search.half_widths.size());
  const std::unique_ptr<nlopt_opt_s, decltype(&nlopt_destroy)> optimizer(nlopt_create(NLOPT_LD_LBFGS, size),
                                                                         nlopt_destroy);
  PRECIPICE_CHECK(optimizer != nullptr, "NLopt: no memory");
  std::vector<double> low;
  for (const double width : search.half_widths) low.push_back(-width);
  nlopt_set_lower_bounds(optimizer.get(), low.data());
  nlopt_set_upper_bounds(optimizer.get(), search.half_widths.data());
  nlopt_set_max_objective(optimizer.get(), nlopt_value, &search);
  nlopt_set_vector_storage(optimizer.get(), kCorrections);
  nlopt_set_maxeval(optimizer.get(), search.budget);
  std::vector<double> x(size);
  double best = 0;
  // However it ends, a failed line search included: what counts is the highest value that was evaluated.
  nlopt_optimize(optimizer.get(), x.data(), &best);
}

template <class Real>
LogitAscent ascend(std::span<const Real> logits, std::int64_t target, double epsilon, const RandomSubspace* subspace,
                   int iterations) {
  PRECIPICE_CHECK(subspace == nullptr || subspace->size() == logits.size(), "a subspace of another size");
  TokenRise rise(logits, target);
  if (rise.is_bad()) return {{kNaN, kNaN, kNaN}, 0};
  if (!rise.can_rise()) return {};
  Search search{rise, subspace, half_widths_of(rise, subspace, epsilon), 1 + iterations};
  if (epsilon > 0) maximize(search);
  return {{rise.loss(), search.highest, 100 * search.highest / (1 + rise.loss())}, search.evaluations};
}

SharpnessSummary summary_of(const std::vector<LogitSharpness>& tokens) {
  double loss = 0, rise = 0, sharpness = 0;
  for (const LogitSharpness& token : tokens) loss += token.loss, rise += token.rise, sharpness += token.sharpness;
  const auto n = static_cast<double>(tokens.size());
  return {sharpness / n, 100 * (rise / n) / (1 + loss / n)};
}

}  // namespace

LogitAscent ascend_logits(std::span<const float> logits, std::int64_t target, double epsilon,
                          const RandomSubspace* subspace, int iterations) {
  return ascend(logits, target, epsilon, subspace, iterations);
}

LogitAscent ascend_logits(std::span<const double> logits, std::int64_t target, double epsilon,
                          const RandomSubspace* subspace, int iterations) {
  return ascend(logits, target, epsilon, subspace, iterations);
}

std::vector<BatchAscent> last_token_ascent(std::span<const float> logits, std::span<const std::int64_t> targets,
                                           std::int64_t batch, std::int64_t context, std::int64_t vocabulary,
                                           std::span<const double> epsilons, const RandomSubspace* subspace) {
  PRECIPICE_CHECK(batch > 0 && context > 0 && vocabulary > 0, batch, " x ", context, " x ", vocabulary);
  const auto tokens = static_cast<std::size_t>(batch * context), width = static_cast<std::size_t>(vocabulary);
  PRECIPICE_CHECK(targets.size() == tokens && logits.size() == tokens * width, logits.size(), " logits");
  std::vector<BatchAscent> results;
  for (const double epsilon : epsilons) {
    std::vector<LogitSharpness> found, exact;
    double evaluations = 0;
    for (auto t = static_cast<std::size_t>(context) - 1; t < tokens; t += static_cast<std::size_t>(context)) {
      const std::span<const float> row = logits.subspan(t * width, width);
      const LogitAscent ascent = ascend_logits(row, targets[t], epsilon, subspace);
      found.push_back(ascent.found);
      exact.push_back(logit_sharpness(row, targets[t], epsilon));
      evaluations += ascent.evaluations;
    }
    BatchAscent result{summary_of(found), summary_of(exact)};
    const double whole = result.exact.mean_of_metrics;
    result.fraction = subspace == nullptr && whole > 0 ? result.found.mean_of_metrics / whole : kNaN;
    result.evaluations = evaluations / static_cast<double>(batch);
    results.push_back(result);
  }
  return results;
}

SeriesGroup ascent_group(std::span<const double> epsilons, std::int64_t subspace) {
  SeriesGroup group{"lbfgs", {}, {}};
  const std::string where = subspace > 0 ? join_parts(" in ", subspace, " random dimensions") : "";
  for (const double epsilon : epsilons) {
    const std::string name = epsilon_name(epsilon), at = " at eps " + name;
    group.series.push_back(
        {"last_token_eps" + name, "1", "logit sharpness that L-BFGS finds" + where + at + ", mean over last tokens"});
    group.series.push_back({"last_token_mean_loss_eps" + name, "1",
                            "logit sharpness that L-BFGS finds" + where + at + " of the mean loss over last tokens"});
    group.series.push_back(
        {"exact_last_token_eps" + name, "1", "exact logit sharpness" + at + ", mean over the same tokens"});
    group.series.push_back(
        {"fraction_eps" + name, "1", "fraction of the exact logit sharpness that L-BFGS finds" + at});
    group.series.push_back({"evaluations_eps" + name, "1", "evaluations of loss and gradient per token" + at});
  }
  return group;
}

std::vector<double> ascent_values(std::span<const BatchAscent> ascents) {
  std::vector<double> values;
  for (const BatchAscent& a : ascents)
    values.insert(values.end(), {a.found.mean_of_metrics, a.found.metric_of_mean, a.exact.mean_of_metrics, a.fraction,
                                 a.evaluations});
  return values;
}

RandomSubspace logit_subspace(std::int64_t vocabulary, std::int64_t dimension, std::uint64_t seed) {
  return RandomSubspace(vocabulary, dimension, random_key(kLogitSubspaceStream, seed));
}

}  // namespace precipice
