// SPDX-License-Identifier: Apache-2.0
#include "experiments/stability/sharpness_print.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "experiments/console/json_fields.h"

namespace precipice {

template <class Visit>
void visit_fields(const ProductMethod& how, const Visit& visit) {
  visit("method", how.method);
  if (how.difference_step) visit("difference_step", *how.difference_step);
  visit("precision", how.precision);
}

template <class Visit>
void visit_fields(const EigenvalueResult& result, const Visit& visit) {
  const TopSpectrum& found = result.found;
  visit_fields(result.how, visit);
  visit("eigenvalues", found.values);
  visit("residuals", found.residuals);
  visit("errors", found.errors);
  visit("smallest", found.smallest);
  visit("smallest_residual", found.smallest_residual);
  visit("smallest_error", found.smallest_error);
  visit("products", found.products);
  visit("converged", found.largest_converged && found.smallest_converged);
  visit("largest_converged", found.largest_converged);
  visit("smallest_converged", found.smallest_converged);
  visit_reason(found.reason, visit);
}

template <class Visit>
void visit_fields(const TraceResult& result, const Visit& visit) {
  visit_fields(result.how, visit);
  visit("trace", result.found.trace);
  visit("standard_error", result.found.standard_error);
  visit("products", result.found.products);
  visit_reason(result.found.reason, visit);
}

template <class Visit>
void visit_fields(const DensityResult& result, const Visit& visit) {
  const SpectralDensity& found = result.found;
  visit_fields(result.how, visit);
  visit("values", found.values);
  visit("density", found.density);
  visit("sigma", found.sigma);
  visit("nodes", found.nodes);
  visit("weights", found.weights);
  visit("trace_per_parameter", found.trace_per_parameter);
  visit("products", found.products);
  visit_reason(found.reason, visit);
}

template <class Visit>
void visit_fields(const SamResult& result, const Visit& visit) {
  visit("rho", result.rho);
  visit("rise", result.found.rise);
  visit_reason(result.found.reason, visit);
}

template <class Visit>
void visit_fields(const KeskarResult& result, const Visit& visit) {
  visit("epsilon", result.epsilon);
  if (result.subspace) visit("subspace", *result.subspace);
  visit("rise", result.found.rise);
  visit("sharpness", result.found.sharpness);
  visit("iterations", result.found.iterations);
  visit_reason(result.reason, visit);
}

template <class Visit>
void visit_fields(const LogitAscentResult& lbfgs, const Visit& visit) {
  visit("last_token", lbfgs.last_token);
  visit("last_token_mean_loss", lbfgs.last_token_mean_loss);
  visit("fraction", lbfgs.fraction);
  visit("evaluations", lbfgs.evaluations);
  if (!lbfgs.subspace) return;
  visit("subspace", *lbfgs.subspace);
  visit("reason", "no exact value is known in a subspace");
}

template <class Visit>
void visit_fields(const LogitResult& result, const Visit& visit) {
  visit("epsilon", result.epsilon);
  visit("last_token", result.last_token);
  visit("last_token_mean_loss", result.last_token_mean_loss);
  visit("all_tokens", result.all_tokens);
  visit("all_tokens_mean_loss", result.all_tokens_mean_loss);
  if (result.lbfgs) visit("lbfgs", *result.lbfgs);
}

template <class Visit>
void visit_fields(const SharpnessReport& report, const Visit& visit) {
  visit("run", report.run);
  visit("step", report.step);
  visit("recipe", report.recipe);
  visit("parameters", report.parameters);
  visit("batches", report.batches);
  visit("sequences", report.sequences);
  visit("loss", report.loss);
  visit("gradient_norm", report.gradient_norm);
  visit_reason(report.reason, visit);
  for (const auto& [kind, result] : report.kinds) visit(kind, result);
}

namespace {

std::string plain(double value) {
  return std::isfinite(value) ? fmt::format("{:.5g}", value) : "undefined";
}

std::string in_brackets(const std::string& reason) {
  return reason.empty() ? "" : " (" + reason + ")";
}

std::string method_text(const ProductMethod& how) {
  return how.method + ", " + how.precision + (how.difference_step ? ", step " + plain(*how.difference_step) : "");
}

// The lines of one kind, by the type of its result.
class KindText {
 public:
  explicit KindText(const std::string& kind) : kind_(kind) {}

  std::string operator()(const EigenvalueResult& result) const {
    const TopSpectrum& found = result.found;
    std::string line = fmt::format("  {}: largest", kind_);
    for (const double value : found.values) line += " " + plain(value);
    double error = 0;
    for (const double one : found.errors) error = std::max(error, one);
    const auto unless = [](bool converged) { return converged ? "" : ", not converged"; };
    line += fmt::format(" (within {:.2g}{})", error, unless(found.largest_converged));
    line += fmt::format("; smallest {} (within {}{})", plain(found.smallest), plain(found.smallest_residual),
                        unless(found.smallest_converged));
    return line +
           fmt::format("; {} products ({}){}\n", found.products, method_text(result.how), in_brackets(found.reason));
  }

  std::string operator()(const TraceResult& result) const {
    const TraceEstimate& found = result.found;
    return fmt::format("  trace of the Hessian: {} +- {} (standard error); {} products ({}){}\n", plain(found.trace),
                       plain(found.standard_error), found.products, method_text(result.how), in_brackets(found.reason));
  }

  std::string operator()(const DensityResult& result) const {
    const SpectralDensity& found = result.found;
    return fmt::format(
        "  density of the Hessian's spectrum: --json has it; trace per parameter {}; {} products ({}){}\n",
        plain(found.trace_per_parameter), found.products, method_text(result.how), in_brackets(found.reason));
  }

  std::string operator()(const SamResult& result) const {
    return fmt::format("  sam: loss rises by {} nats at rho = {}{}\n", plain(result.found.rise), plain(result.rho),
                       in_brackets(result.found.reason));
  }

  std::string operator()(const std::vector<KeskarResult>& results) const {
    std::string text;
    for (const KeskarResult& one : results) {
      const std::string in = one.subspace ? fmt::format(", random subspace of {}", *one.subspace) : "";
      text += fmt::format("  keskar: {} (rise {} nats) at eps = {}, {} iterations{}{}\n", plain(one.found.sharpness),
                          plain(one.found.rise), plain(one.epsilon), one.found.iterations, in, in_brackets(one.reason));
    }
    return text;
  }

  std::string operator()(const std::vector<LogitResult>& results) const {
    std::string text;
    for (const LogitResult& one : results)
      text += fmt::format("  logit: last tokens {}, all tokens {} at eps = {}{}\n", plain(one.last_token),
                          plain(one.all_tokens), plain(one.epsilon), ascent_text(one));
    return text;
  }

 private:
  static std::string ascent_text(const LogitResult& one) {
    if (!one.lbfgs) return "";
    const std::string in = one.lbfgs->subspace ? fmt::format(" in a random subspace of {}", *one.lbfgs->subspace)
                                               : ", " + plain(one.lbfgs->fraction) + " of the exact";
    return fmt::format("; L-BFGS finds {} for last tokens{}", plain(one.lbfgs->last_token), in);
  }

  const std::string& kind_;
};

}  // namespace

Json sharpness_json(const SharpnessReport& report) {
  return json_of<finite_or_null>(report);
}

std::string sharpness_text(const SharpnessReport& report) {
  std::string text =
      fmt::format("run {}, step {}, {}: loss {}, gradient norm {}, {} batches of {} sequences{}\n", report.run,
                  report.step, report.recipe, plain(report.loss), plain(report.gradient_norm), report.batches,
                  report.sequences, in_brackets(report.reason));
  for (const std::string& name : sharpness_kinds())
    for (const auto& [kind, result] : report.kinds)
      if (kind == name) text += result ? std::visit(KindText(kind), *result) : fmt::format("  {}: undefined\n", kind);
  return text;
}

}  // namespace precipice
