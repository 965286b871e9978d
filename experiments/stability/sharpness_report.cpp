// SPDX-License-Identifier: Apache-2.0
#include "experiments/stability/sharpness_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "precision/base/check.h"

namespace precipice {
namespace {

constexpr std::int64_t kTraceProducts = 60;

class SharpnessMeasurement {
 public:
  SharpnessMeasurement(RunEvaluator& evaluator, const SharpnessPlan& plan, const SharpnessProgress& progress)
      : evaluator_(evaluator), plan_(plan), progress_(progress) {}

  SharpnessReport all() {
    const LossGradient at = evaluator_.gradient(evaluator_.weights());
    SharpnessReport report;
    report.run = evaluator_.run();
    report.step = evaluator_.step();
    report.recipe = evaluator_.config().precision.recipe;
    report.parameters = evaluator_.size();
    report.batches = evaluator_.batches().size();
    const Batch& first = evaluator_.batches()[0];
    const ModelConfig& model = evaluator_.config().model;
    report.sequences = model.kind->predicts_tokens() ? first.x.size() / static_cast<std::size_t>(model.context)
                                                     : first.inputs.size() / static_cast<std::size_t>(model.width);
    report.loss = at.loss;
    report.gradient_norm = euclidean_norm(at.gradient);
    if (const std::string bad = evaluator_.first_non_finite(); !bad.empty())
      report.reason = "the weights are not finite: " + bad;
    else if (!std::isfinite(report.loss))
      report.reason = "the loss is not finite";
    else if (!std::isfinite(report.gradient_norm))
      report.reason = "the gradient is not finite";
    // Nothing has a value there; the kinds stay.
    for (const std::string& kind : plan_.kinds)
      report.kinds.emplace_back(kind, report.reason.empty() ? std::optional(measure(kind)) : std::nullopt);
    return report;
  }

 private:
  KindResult measure(const std::string& kind) {
    if (kind == "hessian") return top(CurvatureMatrix::Hessian, kind);
    if (kind == "ggn") return top(CurvatureMatrix::Ggn, kind);
    if (kind == "trace") return trace();
    if (kind == "density") return density();
    if (progress_) progress_(kind, 0);
    if (kind == "sam") return SamResult{plan_.rho, sam_sharpness(evaluator_, plan_.rho)};
    if (kind == "keskar") return keskar();
    return logit();
  }

  // Counts products for the progress line.
  LinearOperator counted(CurvatureMatrix matrix, const std::string& kind) {
    return [this, kind, count = std::int64_t{0},
            apply = curvature_operator(evaluator_, {matrix, plan_.method, step()})](std::span<const float> v) mutable {
      if (progress_) progress_(kind, count++);
      return apply(v);
    };
  }

  double step() const { return plan_.step > 0 ? plan_.step : default_step(evaluator_); }

  ProductMethod method() const {
    if (plan_.method == CurvatureMethod::DoubleBackward) return {"double backward", {}, "fp32"};
    return {"central differences", step(), evaluator_.config().precision.recipe};
  }

  EigenvalueResult top(CurvatureMatrix matrix, const std::string& kind) {
    TopOptions options;
    options.count = plan_.top;
    options.max_products = plan_.products;
    options.seed = plan_.seed;
    return {method(), top_spectrum(counted(matrix, kind), evaluator_.size(), options)};
  }

  TraceResult trace() {
    const std::int64_t products = plan_.products > 0 ? std::max<std::int64_t>(plan_.products, 6) : kTraceProducts;
    return {method(),
            estimate_trace(counted(CurvatureMatrix::Hessian, "trace"), evaluator_.size(), products, plan_.seed)};
  }

  DensityResult density() {
    DensityOptions options;
    options.seed = plan_.seed;
    if (plan_.products > 0) options.steps = std::max<std::int64_t>(1, plan_.products / options.vectors);
    return {method(), spectral_density(counted(CurvatureMatrix::Hessian, "density"), evaluator_.size(), options)};
  }

  const std::vector<double>& epsilons() const {
    return plan_.epsilons.empty() ? evaluator_.config().metrics.epsilons : plan_.epsilons;
  }
  std::optional<std::int64_t> dimension() const {
    return plan_.subspace > 0 ? std::optional(plan_.subspace) : std::nullopt;
  }

  std::vector<KeskarResult> keskar() {
    std::optional<RandomSubspace> subspace;
    if (plan_.subspace > 0) subspace = weight_subspace(evaluator_, plan_.subspace, plan_.seed);
    std::vector<KeskarResult> results;
    for (const double epsilon : epsilons()) {
      const KeskarSharpness found = keskar_sharpness(evaluator_, epsilon, static_cast<int>(plan_.keskar_iterations),
                                                     subspace ? &*subspace : nullptr);
      results.push_back(
          {epsilon, dimension(), found, std::isfinite(found.rise) ? "" : "the loss or its gradient is not finite"});
    }
    return results;
  }

  std::vector<LogitResult> logit() {
    const EvaluatedLogits z = evaluated_logits(evaluator_);
    const std::vector<BatchSharpness> found =
        batch_sharpness(z.logits, z.targets, z.sequences, z.context, z.vocabulary, epsilons());
    std::vector<LogitResult> results;
    for (std::size_t i = 0; i < found.size(); ++i)
      results.push_back({epsilons()[i],
                         found[i].last_token.mean_of_metrics,
                         found[i].last_token.metric_of_mean,
                         found[i].all_tokens.mean_of_metrics,
                         found[i].all_tokens.metric_of_mean,
                         {}});
    if (plan_.lbfgs) add_ascent(z, results);
    return results;
  }

  void add_ascent(const EvaluatedLogits& z, std::vector<LogitResult>& results) {
    std::optional<RandomSubspace> subspace;
    if (plan_.subspace > z.vocabulary)
      throw ConfigError({"", 0, "subspace", std::to_string(plan_.subspace)},
                        fmt::format("the vocabulary has {} words", z.vocabulary));
    if (plan_.subspace > 0) subspace = logit_subspace(z.vocabulary, plan_.subspace, plan_.seed);
    const std::vector<BatchAscent> found = last_token_ascent(z.logits, z.targets, z.sequences, z.context, z.vocabulary,
                                                             epsilons(), subspace ? &*subspace : nullptr);
    for (std::size_t i = 0; i < found.size(); ++i)
      results[i].lbfgs = {found[i].found.mean_of_metrics, found[i].found.metric_of_mean, found[i].fraction,
                          found[i].evaluations, dimension()};
  }

  RunEvaluator& evaluator_;
  const SharpnessPlan& plan_;
  const SharpnessProgress& progress_;
};

}  // namespace

const std::vector<std::string>& sharpness_kinds() {
  static const std::vector<std::string> kKinds = {"hessian", "ggn", "trace", "density", "sam", "keskar", "logit"};
  return kKinds;
}

SharpnessReport measure_sharpness(RunEvaluator& evaluator, const SharpnessPlan& plan,
                                  const SharpnessProgress& progress) {
  return SharpnessMeasurement(evaluator, plan, progress).all();
}

}  // namespace precipice
