// SPDX-License-Identifier: Apache-2.0
#include "experiments/stability/sharpness_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "experiments/console/json_numbers.h"
#include "metrics/curvature/trace_estimate.h"
#include "precision/base/check.h"
#include "train/analysis/checkpoint_sharpness.h"
#include "train/analysis/spectrum.h"

namespace precipice {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::int64_t kTraceProducts = 60;

Json numbers(const std::vector<double>& values) {
  Json array = Json::array();
  for (const double value : values) array.push_back(finite_or_null(value));
  return array;
}

void add_why(Json& json, const std::string& reason) {
  if (!reason.empty()) json["reason"] = reason;
}

class SharpnessMeasurement {
 public:
  SharpnessMeasurement(RunEvaluator& evaluator, const SharpnessPlan& plan, const SharpnessProgress& progress)
      : evaluator_(evaluator), plan_(plan), progress_(progress) {}

  Json all() {
    const LossGradient at = evaluator_.gradient(evaluator_.weights());
    const double norm = euclidean_norm(at.gradient);
    Json out;
    out["run"] = evaluator_.run();
    out["step"] = evaluator_.step();
    out["recipe"] = evaluator_.config().precision.recipe;
    out["parameters"] = evaluator_.size();
    out["batches"] = evaluator_.batches().size();
    out["sequences"] = evaluator_.batches()[0].x.size() / static_cast<std::size_t>(evaluator_.config().model.context);
    out["loss"] = finite_or_null(at.loss);
    out["gradient_norm"] = finite_or_null(norm);
    std::string reason;
    if (const std::string bad = evaluator_.first_non_finite(); !bad.empty())
      reason = "the weights are not finite: " + bad;
    else if (!std::isfinite(at.loss))
      reason = "the loss is not finite";
    else if (!std::isfinite(norm))
      reason = "the gradient is not finite";
    add_why(out, reason);
    // Nothing has a value there; the keys stay.
    for (const std::string& kind : plan_.kinds) out[kind] = reason.empty() ? measure(kind) : Json();
    return out;
  }

 private:
  Json measure(const std::string& kind) {
    if (kind == "hessian") return top(CurvatureMatrix::Hessian, kind);
    if (kind == "ggn") return top(CurvatureMatrix::Ggn, kind);
    if (kind == "trace") return trace();
    if (kind == "density") return density();
    if (progress_) progress_(kind, 0);
    if (kind == "sam") return sam();
    return kind == "keskar" ? keskar() : logit();
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

  void say_method(Json& out) const {
    if (plan_.method == CurvatureMethod::DoubleBackward) {
      out["method"] = "double backward";
      out["precision"] = "fp32";
    } else {
      out["method"] = "central differences";
      out["difference_step"] = step();
      out["precision"] = evaluator_.config().precision.recipe;
    }
  }

  Json top(CurvatureMatrix matrix, const std::string& kind) {
    TopOptions options;
    options.count = plan_.top;
    options.max_products = plan_.products;
    options.seed = plan_.seed;
    const TopSpectrum found = top_spectrum(counted(matrix, kind), evaluator_.size(), options);
    Json out;
    say_method(out);
    out["eigenvalues"] = numbers(found.values);
    out["residuals"] = numbers(found.residuals);
    out["errors"] = numbers(found.errors);
    out["smallest"] = finite_or_null(found.smallest);
    out["smallest_residual"] = finite_or_null(found.smallest_residual);
    out["smallest_error"] = finite_or_null(found.smallest_error);
    out["products"] = found.products;
    out["converged"] = found.largest_converged && found.smallest_converged;
    out["largest_converged"] = found.largest_converged;
    out["smallest_converged"] = found.smallest_converged;
    add_why(out, found.reason);
    return out;
  }

  Json trace() {
    const std::int64_t products = plan_.products > 0 ? std::max<std::int64_t>(plan_.products, 6) : kTraceProducts;
    const TraceEstimate found =
        estimate_trace(counted(CurvatureMatrix::Hessian, "trace"), evaluator_.size(), products, plan_.seed);
    Json out;
    say_method(out);
    out["trace"] = finite_or_null(found.trace);
    out["standard_error"] = finite_or_null(found.standard_error);
    out["products"] = found.products;
    add_why(out, found.reason);
    return out;
  }

  Json density() {
    DensityOptions options;
    options.seed = plan_.seed;
    if (plan_.products > 0) options.steps = std::max<std::int64_t>(1, plan_.products / options.vectors);
    const SpectralDensity found =
        spectral_density(counted(CurvatureMatrix::Hessian, "density"), evaluator_.size(), options);
    Json out;
    say_method(out);
    out["values"] = numbers(found.values);
    out["density"] = numbers(found.density);
    out["sigma"] = finite_or_null(found.sigma);
    out["nodes"] = Json::array();
    out["weights"] = Json::array();
    for (const auto& nodes : found.nodes) out["nodes"].push_back(numbers(nodes));
    for (const auto& weights : found.weights) out["weights"].push_back(numbers(weights));
    out["trace_per_parameter"] = finite_or_null(found.trace_per_parameter);
    out["products"] = found.products;
    add_why(out, found.reason);
    return out;
  }

  Json sam() {
    const SamSharpness found = sam_sharpness(evaluator_, plan_.rho);
    Json out;
    out["rho"] = plan_.rho;
    out["rise"] = finite_or_null(found.rise);
    add_why(out, found.reason);
    return out;
  }

  const std::vector<double>& epsilons() const {
    return plan_.epsilons.empty() ? evaluator_.config().metrics.epsilons : plan_.epsilons;
  }

  Json keskar() {
    Json out = Json::array();
    std::optional<RandomSubspace> subspace;
    if (plan_.subspace > 0) subspace = weight_subspace(evaluator_, plan_.subspace, plan_.seed);
    for (const double epsilon : epsilons()) {
      const KeskarSharpness found = keskar_sharpness(evaluator_, epsilon, static_cast<int>(plan_.keskar_iterations),
                                                     subspace ? &*subspace : nullptr);
      Json one;
      one["epsilon"] = epsilon;
      if (subspace) one["subspace"] = plan_.subspace;
      one["rise"] = finite_or_null(found.rise);
      one["sharpness"] = finite_or_null(found.sharpness);
      one["iterations"] = found.iterations;
      if (!std::isfinite(found.rise)) one["reason"] = "the loss or its gradient is not finite";
      out.push_back(one);
    }
    return out;
  }

  Json logit() {
    const EvaluatedLogits z = evaluated_logits(evaluator_);
    const std::vector<BatchSharpness> found =
        batch_sharpness(z.logits, z.targets, z.sequences, z.context, z.vocabulary, epsilons());
    Json out = Json::array();
    for (std::size_t i = 0; i < found.size(); ++i)
      out.push_back({{"epsilon", epsilons()[i]},
                     {"last_token", finite_or_null(found[i].last_token.mean_of_metrics)},
                     {"last_token_mean_loss", finite_or_null(found[i].last_token.metric_of_mean)},
                     {"all_tokens", finite_or_null(found[i].all_tokens.mean_of_metrics)},
                     {"all_tokens_mean_loss", finite_or_null(found[i].all_tokens.metric_of_mean)}});
    if (plan_.lbfgs) add_ascent(z, out);
    return out;
  }

  void add_ascent(const EvaluatedLogits& z, Json& out) {
    std::optional<RandomSubspace> subspace;
    if (plan_.subspace > z.vocabulary)
      throw ConfigError({"command line", 0, "--subspace", std::to_string(plan_.subspace)},
                        fmt::format("the vocabulary has {} words", z.vocabulary));
    if (plan_.subspace > 0) subspace = logit_subspace(z.vocabulary, plan_.subspace, plan_.seed);
    const std::vector<BatchAscent> found = last_token_ascent(z.logits, z.targets, z.sequences, z.context, z.vocabulary,
                                                             epsilons(), subspace ? &*subspace : nullptr);
    for (std::size_t i = 0; i < found.size(); ++i) {
      Json& lbfgs = out[i]["lbfgs"];
      lbfgs["last_token"] = finite_or_null(found[i].found.mean_of_metrics);
      lbfgs["last_token_mean_loss"] = finite_or_null(found[i].found.metric_of_mean);
      lbfgs["fraction"] = finite_or_null(found[i].fraction);
      lbfgs["evaluations"] = found[i].evaluations;
      if (!subspace) continue;
      lbfgs["subspace"] = plan_.subspace;
      lbfgs["reason"] = "no exact value is known in a subspace";
    }
  }

  RunEvaluator& evaluator_;
  const SharpnessPlan& plan_;
  const SharpnessProgress& progress_;
};

std::string plain(const Json& value) {
  return value.is_number() ? fmt::format("{:.5g}", value.get<double>()) : "undefined";
}

std::string reason_of(const Json& json) {
  return json.is_object() && json.contains("reason") ? " (" + json["reason"].get<std::string>() + ")" : "";
}

std::string method_of(const Json& json) {
  std::string text = json["method"].get<std::string>() + ", " + json["precision"].get<std::string>();
  if (json.contains("difference_step")) text += ", step " + plain(json["difference_step"]);
  return text;
}

std::string eigenvalue_line(const std::string& kind, const Json& json) {
  std::string line = fmt::format("  {}: largest", kind);
  for (const Json& value : json["eigenvalues"]) line += " " + plain(value);
  double error = 0;
  for (const Json& one : json["errors"]) error = std::max(error, one.get<double>());
  const auto said = [&](const char* end) { return json[end].get<bool>() ? "" : ", not converged"; };
  line += fmt::format(" (within {:.2g}{})", error, said("largest_converged"));
  line += fmt::format("; smallest {} (within {}{})", plain(json["smallest"]), plain(json["smallest_residual"]),
                      said("smallest_converged"));
  return line +
         fmt::format("; {} products ({}){}\n", json["products"].get<std::int64_t>(), method_of(json), reason_of(json));
}

std::string ascent_text(const Json& logit) {
  if (!logit.contains("lbfgs")) return "";
  const Json& lbfgs = logit["lbfgs"];
  const std::string in = lbfgs.contains("subspace") ? " in a random subspace of " + lbfgs["subspace"].dump()
                                                    : ", " + plain(lbfgs["fraction"]) + " of the exact";
  return fmt::format("; L-BFGS finds {} for last tokens{}", plain(lbfgs["last_token"]), in);
}

std::string kind_text(const std::string& kind, const Json& json) {
  if (json.is_null()) return fmt::format("  {}: undefined\n", kind);
  if (kind == "hessian" || kind == "ggn") return eigenvalue_line(kind, json);
  if (kind == "trace")
    return fmt::format("  trace of the Hessian: {} +- {} (standard error); {} products ({}){}\n", plain(json["trace"]),
                       plain(json["standard_error"]), json["products"].get<std::int64_t>(), method_of(json),
                       reason_of(json));
  if (kind == "density")
    return fmt::format(
        "  density of the Hessian's spectrum: --json has it; trace per parameter {}; {} products ({}){}\n",
        plain(json["trace_per_parameter"]), json["products"].get<std::int64_t>(), method_of(json), reason_of(json));
  if (kind == "sam")
    return fmt::format("  sam: loss rises by {} nats at rho = {}{}\n", plain(json["rise"]), plain(json["rho"]),
                       reason_of(json));
  std::string text;
  for (const Json& one : json) {
    const std::string in = one.contains("subspace") ? ", random subspace of " + one["subspace"].dump() : "";
    text +=
        kind == "keskar"
            ? fmt::format("  keskar: {} (rise {} nats) at eps = {}, {} iterations{}{}\n", plain(one["sharpness"]),
                          plain(one["rise"]), plain(one["epsilon"]), one["iterations"].get<int>(), in, reason_of(one))
            : fmt::format("  logit: last tokens {}, all tokens {} at eps = {}{}\n", plain(one["last_token"]),
                          plain(one["all_tokens"]), plain(one["epsilon"]), ascent_text(one));
  }
  return text;
}

}  // namespace

const std::vector<std::string>& sharpness_kinds() {
  static const std::vector<std::string> kKinds = {"hessian", "ggn", "trace", "density", "sam", "keskar", "logit"};
  return kKinds;
}

Json measure_sharpness(RunEvaluator& evaluator, const SharpnessPlan& plan, const SharpnessProgress& progress) {
  return SharpnessMeasurement(evaluator, plan, progress).all();
}

std::string sharpness_text(const Json& measured) {
  std::string text = fmt::format("run {}, step {}, {}: loss {}, gradient norm {}, {} batches of {} sequences{}\n",
                                 measured["run"].get<std::string>(), measured["step"].get<std::int64_t>(),
                                 measured["recipe"].get<std::string>(), plain(measured["loss"]),
                                 plain(measured["gradient_norm"]), measured["batches"].get<std::size_t>(),
                                 measured["sequences"].get<std::size_t>(), reason_of(measured));
  for (const std::string& kind : sharpness_kinds())
    if (measured.contains(kind)) text += kind_text(kind, measured[kind]);
  return text;
}

}  // namespace precipice
