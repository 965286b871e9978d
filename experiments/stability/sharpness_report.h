// SPDX-License-Identifier: Apache-2.0
// What `precipice sharpness RUN` measures at one checkpoint, as JSON with stable keys and as text for people. A number
// that is undefined is null, and "reason" beside it says why.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "train/analysis/curvature.h"

namespace precipice {

// hessian, ggn, trace, density, sam, keskar, logit
const std::vector<std::string>& sharpness_kinds();

struct SharpnessPlan {
  std::vector<std::string> kinds = {"hessian"};
  CurvatureMethod method = CurvatureMethod::DoubleBackward;
  double step = 0;  // of differences; 0: chosen by the recipe
  std::int64_t top = 5;
  std::int64_t products = 0;            // most of them; 0: each kind's default
  double rho = 0.05;                    // of SAM
  std::vector<double> epsilons;         // of the boxes; empty: those of the run's metrics.epsilons
  std::int64_t keskar_iterations = 10;  // as in the paper
  std::int64_t subspace = 0;            // dimension of keskar's and the L-BFGS logit sharpness's; 0: the whole box
  bool lbfgs = false;                   // with logit, what L-BFGS finds
  std::uint64_t seed = 0;               // of start vectors, probes and subspaces
};

// Called with what is being computed and the products done so far.
using SharpnessProgress = std::function<void(const std::string& kind, std::int64_t products)>;

// At the step that the evaluator has loaded.
nlohmann::ordered_json measure_sharpness(RunEvaluator& evaluator, const SharpnessPlan& plan,
                                         const SharpnessProgress& progress);

std::string sharpness_text(const nlohmann::ordered_json& measured);

}  // namespace precipice
