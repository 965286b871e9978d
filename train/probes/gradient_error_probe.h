// SPDX-License-Identifier: Apache-2.0
// What the precision does to a gradient: the step's gradient (unscaled, before clipping) against that of the same batch
// at the same weights with nothing rounded, by a second model in fp32 that is made when first needed.
//   gradient_error    (step)             zeta_norm, gradient_cosine over all parameters
//                                        (metrics/tensors/gradient_error.h)
//   parameter_errors  (step, parameter)  the same for each, error_norm = |e|, and for chosen matrices
//                                        error_spectral_norm, the largest singular value of e: near error_norm where
//                                        the error has low rank (arXiv 2510.04212)
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "metrics/log/series.h"
#include "train/probes/probed_step.h"

namespace precipice {

class GradientErrorProbe {
 public:
  // `first_group`: of the rows; the second group follows.
  GradientErrorProbe(const RunConfig& config, const Model& model, std::uint16_t first_group);
  ~GradientErrorProbe();

  std::vector<SeriesGroup> groups() const;
  // At the weights before the update; `gradients` unscaled.
  void before_update(const ProbedStep& step, const TensorVector& gradients, std::vector<SeriesRow>& rows);

 private:
  TensorVector reference_gradient(const ProbedStep& step);

  std::int64_t every_;
  std::uint16_t first_group_;
  std::vector<std::string> names_;  // of the parameters
  std::vector<bool> is_chosen_;     // matrices whose singular value is wanted
  std::unique_ptr<Model> exact_;
};

// Shell patterns (fnmatch: * ? [...]), separated by spaces or commas.
bool matches_any(const std::string& patterns, const std::string& name);

}  // namespace precipice
