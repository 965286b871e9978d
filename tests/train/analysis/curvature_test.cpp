// SPDX-License-Identifier: Apache-2.0
// The dense Hessian of a GPT of a few hundred parameters, column by column, against finite differences of the model's
// own gradient (other code in every operation), and its spectrum, trace and density against a dense eigensolver.
#include "train/analysis/curvature.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/softmax.h>

#include <algorithm>
#include <cmath>

#include "metrics/curvature/trace_estimate.h"
#include "tests/support/catch.h"
#include "tests/support/made_run.h"
#include "train/curvature/spectrum.h"

using namespace precipice;
using test::MadeRun;
using test::small_gpt;

namespace {

struct Subject {
  explicit Subject(const std::vector<std::string>& words, const std::string& recipe = "") : run(words) {
    EvaluationRequest request;
    request.run = run.path();
    request.recipe = recipe;
    evaluator.emplace(request);
    evaluator->load(20);
  }
  MadeRun run;
  std::optional<RunEvaluator> evaluator;
};

// Column j in row j; symmetric up to rounding.
std::vector<FlatVector> dense(const LinearOperator& apply, std::int64_t size) {
  std::vector<FlatVector> columns;
  for (std::int64_t j = 0; j < size; ++j) {
    FlatVector unit(static_cast<std::size_t>(size), 0.0f);
    unit[static_cast<std::size_t>(j)] = 1;
    columns.push_back(apply(unit));
  }
  return columns;
}

// Ascending.
std::vector<double> eigenvalues(const std::vector<FlatVector>& columns) {
  const auto size = static_cast<std::int64_t>(columns.size());
  at::Tensor a = at::empty({size, size}, at::TensorOptions(at::kDouble));
  for (std::int64_t i = 0; i < size; ++i)
    for (std::int64_t j = 0; j < size; ++j) {
      const auto x = static_cast<std::size_t>(i), y = static_cast<std::size_t>(j);
      a.mutable_data_ptr<double>()[i * size + j] = 0.5 * (double{columns[x][y]} + double{columns[y][x]});
    }
  const at::Tensor values = std::get<0>(at::linalg_eigh(a));
  return {values.const_data_ptr<double>(), values.const_data_ptr<double>() + size};
}

double distance(const FlatVector& a, const FlatVector& b) {
  FlatVector difference = a;
  add_scaled(difference, -1, b);
  return euclidean_norm(difference);
}

const std::vector<std::vector<std::string>> kArchitectures = {
    {"precision.recipe=fp32"},
    {"precision.recipe=fp32", "model.bias=true", "model.tied_head=false", "model.qk_norm=layernorm", "model.softcap=5"},
    {"precision.recipe=fp32", "model.kind=llama", "model.width=8", "model.heads=4", "model.kv_heads=2",
     "model.hidden=12"},
    {"precision.recipe=fp32", "model.kind=llama", "model.width=8", "model.heads=2", "model.qk_norm=rmsnorm",
     "model.tied_head=true"}};

}  // namespace

TEST_CASE("loss and gradient of the differentiable forward pass are the model's in fp32, for every architecture") {
  for (const std::vector<std::string>& words : kArchitectures) {
    INFO(words.back());
    Subject subject(small_gpt(words));
    RunEvaluator& evaluator = *subject.evaluator;
    const LossGradient model = evaluator.gradient(evaluator.weights());
    const LossGradient plain = differentiable_gradient(evaluator, evaluator.weights());
    // Sums of tens of fp32 terms in another order: a few 2^-24, of the loss and of the gradient's norm.
    CHECK(plain.loss == Approx(model.loss).epsilon(1e-6));
    CHECK(distance(model.gradient, plain.gradient) < 2e-6 * euclidean_norm(model.gradient));
  }
}

TEST_CASE("double backward and differences give the same Hessian and GGN products, for every architecture") {
  for (const std::vector<std::string>& words : kArchitectures) {
    INFO(words.back());
    Subject subject(small_gpt(words));
    RunEvaluator& evaluator = *subject.evaluator;
    for (const CurvatureMatrix matrix : {CurvatureMatrix::Hessian, CurvatureMatrix::Ggn}) {
      const LinearOperator exact = curvature_operator(evaluator, {matrix, CurvatureMethod::DoubleBackward});
      const LinearOperator differences = curvature_operator(evaluator, {matrix, CurvatureMethod::Differences, 1e-3});
      for (std::uint64_t seed = 0; seed < 3; ++seed) {
        FlatVector v = random_normal(evaluator.size(), {seed, 0, 0, 0});
        scale_by(v, 1 / euclidean_norm(v));
        const FlatVector product = exact(v);
        // Gradients and logits of size 1, rounded to 2e-7, over 2h = 2e-3; and h^2 times a derivative of two orders
        // more, which at width 4 is up to 1000 times the product: norms of four elements come near to zero.
        CHECK(distance(product, differences(v)) < 2e-3 * euclidean_norm(product) + 1e-4);
      }
    }
  }
}

TEST_CASE("top eigenvalues, trace and density of a small GPT are those of its dense Hessian and GGN") {
  Subject subject(small_gpt({"precision.recipe=fp32"}));
  RunEvaluator& evaluator = *subject.evaluator;
  for (const CurvatureMatrix matrix : {CurvatureMatrix::Hessian, CurvatureMatrix::Ggn}) {
    const LinearOperator apply = curvature_operator(evaluator, {matrix, CurvatureMethod::DoubleBackward});
    const std::vector<FlatVector> columns = dense(apply, evaluator.size());
    const std::vector<double> exact = eigenvalues(columns);
    const double largest = std::max(std::abs(exact.front()), exact.back());
    double trace = 0;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      trace += columns[i][i];
      for (std::size_t j = 0; j < i; ++j)
        CHECK(std::abs(columns[i][j] - columns[j][i]) < 1e-5 * largest);  // fp32 rounding of products
    }
    if (matrix == CurvatureMatrix::Ggn) CHECK(exact.front() > -1e-5 * largest);

    const TopSpectrum top = top_spectrum(apply, evaluator.size(), {});
    REQUIRE(top.largest_converged);
    CHECK(top.smallest_converged);
    for (std::size_t i = 0; i < 5; ++i)
      CHECK(std::abs(top.values[i] - exact[exact.size() - 1 - i]) <= top.residuals[i] + 1e-5 * largest);
    CHECK(std::abs(top.smallest - exact.front()) <= top.smallest_residual + 1e-5 * largest);

    const TraceEstimate estimate = estimate_trace(apply, evaluator.size(), 60, 1);
    // Four standard errors: one seed in 16,000 for a normal deviate, one in 1300 for 19 degrees of freedom.
    CHECK(std::abs(estimate.trace - trace) <= 4 * estimate.standard_error + 1e-5 * largest);

    DensityOptions options;
    options.vectors = 12;
    options.steps = 30;
    const SpectralDensity density = spectral_density(apply, evaluator.size(), options);
    const auto size = static_cast<double>(evaluator.size());
    double squares = 0;
    for (const double value : exact) squares += value * value;
    // The deviation of one sign vector's v'Av / n is below sqrt(2) |A|_F / n.
    CHECK(density.trace_per_parameter == Approx(trace / size).margin(4 * std::sqrt(2 * squares / 12) / size));
    CHECK(density.nodes[0].back() <= exact.back() + 1e-5 * largest);
    CHECK(density.nodes[0].front() >= exact.front() - 1e-5 * largest);
  }
}

TEST_CASE("the GGN is J' H J: its quadratic form is the softmax's variance of the logits' change") {
  Subject subject(small_gpt({"precision.recipe=fp32"}));
  RunEvaluator& evaluator = *subject.evaluator;
  const LinearOperator apply = curvature_operator(evaluator, {CurvatureMatrix::Ggn, CurvatureMethod::DoubleBackward});
  FlatVector v = random_normal(evaluator.size(), {5, 0, 0, 0});
  scale_by(v, 1 / euclidean_norm(v));
  const double h = 1e-2;
  double expected = 0;
  for (const Batch& batch : evaluator.batches()) {
    std::vector<at::Tensor> logits;
    for (const double factor : {0.0, h, -h}) {
      FlatVector w = evaluator.weights();
      add_scaled(w, factor, v);
      evaluator.set_weights(w);
      logits.push_back(evaluator.logits(batch).detach());
    }
    const at::Tensor p = at::softmax(logits[0], -1);
    const std::int64_t tokens = p.size(0), vocabulary = p.size(1);
    for (std::int64_t t = 0; t < tokens; ++t) {
      double mean = 0, mean_square = 0;
      for (std::int64_t i = 0; i < vocabulary; ++i) {
        const std::int64_t at = t * vocabulary + i;
        const double change = (logits[1].const_data_ptr<float>()[at] - logits[2].const_data_ptr<float>()[at]) / (2 * h);
        mean += p.const_data_ptr<float>()[at] * change;
        mean_square += p.const_data_ptr<float>()[at] * change * change;
      }
      expected += (mean_square - mean * mean) / static_cast<double>(tokens * 2);  // two batches
    }
  }
  // Differences: h^2 times third derivatives of the logits, and 1e-7 / 0.02.
  CHECK(inner_product(v, apply(v)) == Approx(expected).epsilon(2e-3));
}

TEST_CASE("differences see the emulated precision: fp8 changes the Hessian that they measure, fp32 code does not") {
  Subject plain(small_gpt({"precision.recipe=fp32"})), coarse(small_gpt({"precision.recipe=fp32"}), "fp8");
  CHECK(default_step(*plain.evaluator) == 1e-3);
  CHECK(default_step(*coarse.evaluator) == 0.1);
  const FlatVector v = random_normal(plain.evaluator->size(), {6, 0, 0, 0});
  const auto product = [&](Subject& subject, CurvatureMethod method) {
    return curvature_operator(*subject.evaluator, {CurvatureMatrix::Hessian, method, 0.1})(v);
  };
  CHECK(product(plain, CurvatureMethod::DoubleBackward) == product(coarse, CurvatureMethod::DoubleBackward));
  const FlatVector exact = product(plain, CurvatureMethod::Differences);
  CHECK(distance(product(coarse, CurvatureMethod::Differences), exact) > 1e-2 * euclidean_norm(exact));
}
