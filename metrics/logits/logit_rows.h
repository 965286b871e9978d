// SPDX-License-Identifier: Apache-2.0
// Loss, log Z, max |z| and logit sharpness of a batch from the one pass over its logits that cross-entropy makes
// anyway (precision/kernels/row_kernels.h). With e_i = exp(z_i - m), m = max z, S = sum of all e_i and B of all but the
// target's:
//   loss = log S + m - z_t,  log Z = m + log S
//   rise_eps = sum_{i != t} e_i expm1(eps (|z_i| + 1)) = sum_j eps^j / j! sum_{i != t} e_i (|z_i| + 1)^j
// so that three moments serve every epsilon; logit_sharpness.h goes on from there. The terms are fp32, their sums are
// kept in double: errors of loss and sharpness are below 1e-5 relative, mostly 1e-7 to 1e-6. Where the series would not
// do (eps (|z| + 1) above 1/32, all others below e^-60 of the largest, a masked logit), a row goes the exact way in
// double.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "metrics/logits/logit_sharpness.h"
#include "precision/kernels/row_kernels.h"

namespace precipice {

struct WholeLogitRow {
  std::span<const float> logits;
  std::int64_t target = 0;
};

class LogitRows {
 public:
  // Without epsilons no sharpness.
  LogitRows(std::int64_t batch, std::int64_t context, std::int64_t vocabulary, std::span<const double> epsilons);

  bool has_sharpness() const { return !epsilons_.empty(); }

  // Rows in any order and from several threads. e (V): e^(z - m), of which the gradient is made. Returns S.
  double observe(std::int64_t row, std::span<const float> logits, std::int64_t target, std::span<float> e);

  // The same in two halves, for rows whose sums somebody else has made: whether they suffice, and what they give. A row
  // whose sums do not suffice is wanted itself.
  bool suffices(const LogitRow& sums, float target_logit) const;
  double take(std::int64_t row, const LogitRow& sums, float target_logit, const WholeLogitRow& whole = {});

  // Of all rows, summed in their order.
  double mean_loss() const;
  LogitStatistics statistics() const;
  std::vector<BatchSharpness> sharpness() const;

 private:
  struct Row {
    double loss = 0, log_z = 0, max_logit = 0;
  };

  std::int64_t context_, vocabulary_;
  std::vector<double> epsilons_;
  double largest_epsilon_ = 0;
  std::vector<Row> rows_;
  std::vector<LogitSharpness> tokens_;  // (batch * context, epsilons)
};

// The logit sharpness around z - mean z (logit_sharpness.h) of a batch, (batch, context, vocabulary) row-major, in this
// pass: one result for each epsilon.
std::vector<BatchSharpness> centred_batch_sharpness(std::span<const float> logits,
                                                    std::span<const std::int64_t> targets, std::int64_t batch,
                                                    std::int64_t context, std::int64_t vocabulary,
                                                    std::span<const double> epsilons);

}  // namespace precipice
