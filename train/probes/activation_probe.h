// SPDX-License-Identifier: Apache-2.0
// What the layers of a model look like at one step, collected while its forward pass runs
// (metrics/tensors/activation_statistics.h has the formulas), and two properties of its weights:
//   attention    (step, layer)  max_attention_logit, attention_entropy
//   heads        (step, head)   q_spectral_norm, k_spectral_norm: largest singular value of a head's W^Q and W^K
//                               (D, C), sqrt(lambda_max(W W^T)) from the dense D x D matrix in double: exact, and no
//                               state that a checkpoint would have to keep (arXiv 2510.04212: grows before bf16 attention fails)
//   activations  (step, site)   x_kurtosis of the operand x before it is quantized
//   norms        (step, norm)   gain_min, gain_max, gain_rounded_to_one, gain_clamped
#pragma once

#include <vector>

#include "metrics/log/series.h"
#include "train/model/attention.h"
#include "train/model/model.h"

namespace precipice {

class ActivationProbe : public AttentionObserver {
 public:
  ActivationProbe(const Model& model, const ModelConfig& config);  // `model` outlives the probe

  // In the order above.
  const std::vector<SeriesGroup>& groups() const { return groups_; }
  void clear();
  void attend(std::int64_t layer, const at::Tensor& scores, const at::Tensor& weights, double scale) override;
  void operand(std::size_t site, const at::Tensor& x);
  // One row a group, the first of them with index `first_group`; NaN where nothing was seen.
  std::vector<SeriesRow> rows(std::uint16_t first_group, std::int64_t step) const;

 private:
  std::vector<double> head_values() const;
  std::vector<double> norm_values() const;

  const Model& model_;
  std::int64_t layers_, heads_, key_heads_;
  std::vector<at::Tensor> gains_;
  std::vector<SeriesGroup> groups_;
  std::vector<double> attention_, kurtosis_;
};

// Largest singular value of each of the `heads` blocks of rows of w (heads * D, C); NaN where a block is not finite.
std::vector<double> block_spectral_norms(const at::Tensor& w, std::int64_t heads);

}  // namespace precipice
