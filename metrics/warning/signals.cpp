// SPDX-License-Identifier: Apache-2.0
#include "metrics/warning/signals.h"

#include <fnmatch.h>

#include <algorithm>
#include <cmath>

#include "precision/base/special_numbers.h"

namespace precipice {
namespace {

// Series are named by what they hold, whatever group they are in: group "*".
constexpr SignalRule kTable[] = {
    {"train loss", "metrics", "train_loss", Reduction::None, true},
    {"loss variance", "metrics", "train_loss", Reduction::Variance, true},
    {"gradient norm", "metrics", "grad_norm", Reduction::None, true},
    {"gradient norm variance", "metrics", "grad_norm", Reduction::Variance, true},
    {"update ratio", "metrics", "update_ratio", Reduction::None, true},
    {"weight norm", "metrics", "param_norm"},
    {"max |logit|", "metrics", "max_logit"},
    {"|log Z|", "metrics", "log_z", Reduction::Absolute},
    {"logit sharpness, *", "sharpness", "*"},
    {"logit sharpness by L-BFGS, *", "lbfgs", "last_token*"},
    {"saturation of x", "tensors", "x_saturated"},
    {"saturation of w", "tensors", "w_saturated"},
    {"saturation of dy", "tensors", "dy_saturated"},
    {"overflow of x", "tensors", "x_overflowed"},
    {"overflow of dy", "tensors", "dy_overflowed"},
    {"underflow of x", "tensors", "x_underflowed"},
    {"underflow of dy", "tensors", "dy_underflowed"},
    {"amax of x", "tensors", "x_amax"},
    {"amax of dy", "tensors", "dy_amax"},
    {"SQNR of x", "tensors", "x_sqnr", Reduction::Least},
    {"SQNR of w", "tensors", "w_sqnr", Reduction::Least},
    {"SQNR of dy", "tensors", "dy_sqnr", Reduction::Least},
    {"*", "*", "*attention_logit*"},
    {"*", "*", "*entropy*", Reduction::Least},
    {"*", "*", "*kurtosis*"},
    {"zeta", "gradient_error", "zeta_norm"},
    {"zeta of the worst parameter", "parameter_errors", "zeta_norm"},
    {"gradient cosine", "gradient_error", "gradient_cosine", Reduction::Least},
    {"critical sharpness", "critical", "critical_sharpness"},
    {"SAM sharpness", "sam", "sam_sharpness"},
    {"noise scale", "noise", "gradient_noise_scale"},
    {"*", "heads", "*_spectral_norm"},
    {"edge of stability", "edge", "edge_of_stability_ratio"},
};

// A series' name in words: "x_kurtosis" is "kurtosis of x", "last_token_mean_loss_eps1e-3" is "last tokens, of the mean
// loss, eps 1e-3".
std::string in_words(std::string series) {
  for (const std::string operand : {"x", "w", "dy", "q", "k", "v"})
    if (series.starts_with(operand + "_")) series = series.substr(operand.size() + 1) + " of " + operand;
  for (const auto& [part, words] : {std::pair<std::string, std::string>{"_mean_loss", ", of the mean loss"},
                                    {"_eps", ", eps "},
                                    {"last_token", "last tokens"}})
    if (const std::size_t at = series.find(part); at != std::string::npos) series.replace(at, part.size(), words);
  std::replace(series.begin(), series.end(), '_', ' ');
  return series;
}

std::string name_of(const SignalRule& rule, const std::string& series) {
  std::string name = rule.name;
  if (const std::size_t star = name.find('*'); star != std::string::npos) name.replace(star, 1, in_words(series));
  return name;
}

// Of a rule that no series meets.
std::string name_of(const SignalRule& rule) {
  std::string name = rule.name == std::string("*") ? rule.pattern : rule.name;
  std::erase(name, '*');
  while (name.ends_with(' ') || name.ends_with(',') || name.ends_with('_')) name.pop_back();
  return in_words(name.starts_with('_') ? name.substr(1) : name);
}

double reduced(std::span<const double> sites, Reduction reduction) {
  double worst = kNaN;
  for (double value : sites) {
    if (reduction == Reduction::Least) value = -value;
    if (reduction == Reduction::Absolute) value = std::abs(value);
    if (!std::isnan(value)) worst = std::isnan(worst) ? value : std::max(worst, value);
  }
  return worst;
}

double variance_of(std::span<const double> values) {
  const auto n = static_cast<double>(values.size());
  double mean = 0, squares = 0;
  for (const double v : values) mean += v / n;
  for (const double v : values) squares += (v - mean) * (v - mean);
  return squares / (n - 1);  // NaN or infinite where a value is
}

}  // namespace

bool matches(const std::string& pattern, const std::string& text) {
  return ::fnmatch(pattern.c_str(), text.c_str(), 0) == 0;
}

SignalChoice choose_signals(const std::map<std::string, std::set<std::string>>& available) {
  SignalChoice choice;
  std::set<std::pair<std::string, std::string>> taken;
  for (const SignalRule& rule : kTable) {
    bool is_present = false;
    for (const auto& [group, names] : available) {
      if (!matches(rule.group, group)) continue;
      for (const std::string& series : names) {
        if (!matches(rule.pattern, series)) continue;
        is_present = true;
        // A pattern never takes again what a rule above it has; two rules by name may share a series.
        const bool by_name = std::string(rule.pattern).find('*') == std::string::npos;
        if (!by_name && taken.contains({group, series})) continue;
        taken.insert({group, series});
        choice.signals.push_back({name_of(rule, series), group, series, rule.reduction, rule.is_baseline});
      }
    }
    if (!is_present) choice.absent.push_back(name_of(rule));
  }
  return choice;
}

SignalSeries signal_of(const SeriesColumns& columns, const Signal& signal) {
  const std::vector<double>* values = find_series(columns, signal.group, signal.series);
  if (values == nullptr) return {};
  const ColumnGroup& group = columns.at(signal.group);
  const std::size_t width = group.width();
  SignalSeries result{group.steps, {}};
  const std::span<const double> all(*values);
  for (std::size_t row = 0; row < group.steps.size(); ++row) {
    if (signal.reduction != Reduction::Variance)
      result.values.push_back(reduced(all.subspan(row * width, width), signal.reduction));
    else
      result.values.push_back(
          row + 1 < kVarianceWindow ? kNaN : variance_of(all.subspan(row + 1 - kVarianceWindow, kVarianceWindow)));
  }
  return result;
}

}  // namespace precipice
