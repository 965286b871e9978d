// SPDX-License-Identifier: Apache-2.0
// The one declaration of every interval: name, default, help.
#include "train/config/metric_intervals.h"

#include <utility>

namespace precipice {
namespace {

std::vector<MetricInterval>& known_intervals() {
  static std::vector<MetricInterval> intervals{
      {"sharpness", 10, "Steps between logit sharpness values; 0: never."},
      {"tensors", 10, "Steps between rows of tensor statistics; 0: never."},
      {"attention", 10, "Steps between rows of attention, head, activation and norm statistics; 0: never."},
      {"critical", 200, "Steps between critical sharpness values (5 to 12 forward passes each); 0: never."},
      {"sam", 200, "Steps between SAM sharpness values (one forward pass); 0: never."},
      {"noise", 200, "Steps between gradient noise scales (one forward and backward pass); 0: never."},
      {"edge", 0, "Steps between edge-of-stability ratios (20 forward and backward passes); 0: never."},
      {"gradient_error", 200,
       "Steps between comparisons with the fp32 gradient (a forward and backward pass); 0: never."},
      {"lbfgs", 0,
       "Steps between logit sharpness values as 10 iterations of L-BFGS find them, beside the exact ones; 0: never."},
      {"histograms", 0, "Steps between exponent histograms of the operands, by site; 0: never."},
      {"fp32_sharpness", 0,
       "Steps between logit sharpness values of the same weights in fp32, beside the run's own (one forward pass: "
       "every 20 "
       "steps it takes 2 to 3 % of a step); 0: never.",
       true},
      {"centred_sharpness", 0,
       "Steps between logit sharpness values of the centred logits, which no drift of log Z moves; 0: never.", true},
      {"hessian", 0,
       "Steps between the Hessian's largest eigenvalue and trace in fp32 (up to 60 products, each about two forward "
       "and "
       "backward passes); 0: never.",
       true},
      {"gradient_bias", 0,
       "Steps between biases of the gradient along the fp32 gradient (a forward and backward pass, which "
       "gradient_error_every shares); 0: never.",
       true},
  };
  return intervals;
}

}  // namespace

const std::vector<MetricInterval>& metric_intervals() {
  return known_intervals();
}

std::map<std::string, std::int64_t> usual_intervals() {
  std::map<std::string, std::int64_t> intervals;
  for (const MetricInterval& interval : known_intervals()) intervals[interval.name] = interval.usual;
  return intervals;
}

AddedInterval::AddedInterval(MetricInterval interval) {
  known_intervals().push_back(std::move(interval));
}

AddedInterval::~AddedInterval() {
  known_intervals().pop_back();
}

}  // namespace precipice
