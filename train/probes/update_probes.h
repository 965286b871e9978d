// SPDX-License-Identifier: Apache-2.0
// Probes of a step's update, each at steps of its own interval (MetricsConfig), all in the emulated precision:
//   critical     metrics/curvature/critical_step.h along the optimizer's own update d (decay included):
//                eta_c = s learning rate, critical_sharpness = 2 / eta_c; training is unstable above 2 / learning rate.
//                Forward passes only.
//   sam          L(w + rho g / |g|) - L(w), rho = 0.05 (Foret et al. 2021, arXiv 2010.01412), one forward pass
//   noise        metrics/tensors/noise_scale.h from up to kMicroBatches parts of the batch, one forward and backward
//                pass
//   edge         lambda_max(P^-1 H) against the threshold of the optimizer (Cohen et al. 2022, arXiv 2207.14484):
//                AdamW (2 + 2 b1) / ((1 - b1) eta), P = (1 - b1^t) diag(sqrt(v_hat) + eps);
//                SGD (2 + 2 momentum) / eta, P = 1; power iteration of kEdgeIterations products, each two gradients
// Weights and everything else that training reads are put back bit by bit.
#pragma once

#include <span>
#include <vector>

#include "metrics/log/series.h"
#include "metrics/tensors/noise_scale.h"
#include "optim/optimizer.h"
#include "train/probes/probed_step.h"

namespace precipice {

inline constexpr double kSamRadius = 0.05;
inline constexpr std::int64_t kMicroBatches = 4;
inline constexpr int kEdgeIterations = 10;

class UpdateProbes {
 public:
  // `first_group`: of the rows; the groups follow one another in the order above.
  UpdateProbes(const RunConfig& config, std::uint16_t first_group);

  std::vector<SeriesGroup> groups() const;
  // At the weights before the update; `gradients` unscaled.
  void before_update(const ProbedStep& step, const TensorVector& gradients, std::vector<SeriesRow>& rows);
  // After it, or after it was skipped.
  void after_update(const ProbedStep& step, bool applied, Optimizer& optimizer, std::vector<SeriesRow>& rows);
  // What a run resumed after these rows goes on with.
  void restore(std::span<const SeriesRow> rows);

 private:
  std::vector<double> critical_values(const ProbedStep& step, bool applied);
  std::vector<double> sam_values(const ProbedStep& step, const TensorVector& gradients) const;
  std::vector<double> noise_values(const ProbedStep& step);
  std::vector<double> edge_values(const ProbedStep& step, Optimizer& optimizer) const;
  void remember(const SeriesRow& row);

  MetricsConfig config_;
  std::uint16_t first_group_;
  std::int64_t micro_batch_;       // sequences; 0: the batch cannot be divided
  TensorVector before_;            // weights, from before_update to after_update
  double last_critical_size_ = 0;  // eta_c, where the next search begins; 0: none yet
  NoiseAverage noise_;
};

}  // namespace precipice
