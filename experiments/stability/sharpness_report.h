// SPDX-License-Identifier: Apache-2.0
// What `precipice sharpness RUN` measures at one checkpoint. A number that is undefined is NaN, and `reason` beside it
// says why. sharpness_print.h has it as JSON and as text.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "metrics/curvature/trace_estimate.h"
#include "train/analysis/checkpoint_sharpness.h"
#include "train/analysis/curvature.h"
#include "train/curvature/spectrum.h"

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

// How products with a matrix of second derivatives were made.
struct ProductMethod {
  std::string method;                     // "double backward", "central differences"
  std::optional<double> difference_step;  // of these
  std::string precision;                  // a recipe
};

struct EigenvalueResult {
  ProductMethod how;
  TopSpectrum found;
};
struct TraceResult {
  ProductMethod how;
  TraceEstimate found;
};
struct DensityResult {
  ProductMethod how;
  SpectralDensity found;
};
struct SamResult {
  double rho;
  SamSharpness found;
};
struct KeskarResult {
  double epsilon;
  std::optional<std::int64_t> subspace;
  KeskarSharpness found;
  std::string reason;
};
// What L-BFGS finds for the last tokens.
struct LogitAscentResult {
  double last_token, last_token_mean_loss;
  double fraction;  // of the exact value; NaN in a subspace
  double evaluations;
  std::optional<std::int64_t> subspace;
};
struct LogitResult {
  double epsilon;
  double last_token, last_token_mean_loss, all_tokens, all_tokens_mean_loss;
  std::optional<LogitAscentResult> lbfgs;
};
using KindResult = std::variant<EigenvalueResult, TraceResult, DensityResult, SamResult, std::vector<KeskarResult>,
                                std::vector<LogitResult>>;

struct SharpnessReport {
  std::string run;
  std::int64_t step;
  std::string recipe;
  std::int64_t parameters;
  std::size_t batches, sequences;
  double loss, gradient_norm;
  std::string reason;  // why nothing has a value there; "" where it has
  // In the plan's order; empty with a reason.
  std::vector<std::pair<std::string, std::optional<KindResult>>> kinds;
};

// Called with what is being computed and the products done so far.
using SharpnessProgress = std::function<void(const std::string& kind, std::int64_t products)>;

// At the step that the evaluator has loaded.
SharpnessReport measure_sharpness(RunEvaluator& evaluator, const SharpnessPlan& plan,
                                  const SharpnessProgress& progress);

}  // namespace precipice
