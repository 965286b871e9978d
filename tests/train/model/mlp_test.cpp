// SPDX-License-Identifier: Apache-2.0
// The student of arXiv 2506.20752: against the formula written out in double, and its gradients against central
// differences; the squared error against plain loops.
#include <ATen/TensorOperators.h>

#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "precision/base/check.h"
#include "tests/support/catch.h"
#include "tests/train/model/model_support.h"
#include "train/config/model_shapes.h"
#include "train/curvature/double_backward.h"
#include "train/model/loss.h"

using namespace precipice;
using test::random_tensor;
using test::tiny;

namespace {

ModelConfig student(bool bias = true) {
  ModelConfig config;
  config.kind = &find_architecture("mlp");
  config.layers = 3;
  config.width = 16;
  config.heads = 1;
  config.hidden = 24;
  config.context = 1;
  config.bias = bias;
  config.norm_eps = 0.2;  // bounds the curvature of norms of few elements
  return config;
}

// One number after the other.
std::vector<std::vector<double>> written_out(const Model& model, const ModelConfig& config, const at::Tensor& inputs) {
  std::map<std::string, at::Tensor> weights;
  for (const NamedParameter& p : model.parameters()) weights[p.name] = p.value.detach();
  const auto value = [&](const std::string& name, std::int64_t i) {
    const auto found = weights.find(name);
    return found == weights.end() ? 0.0 : double{found->second.const_data_ptr<float>()[i]};
  };
  const auto gelu = [](double u) { return 0.5 * u * std::erfc(-u / std::sqrt(2.0)); };
  const auto product = [&](const std::string& name, const std::vector<double>& x, std::int64_t out) {
    std::vector<double> y;
    const auto in = static_cast<std::int64_t>(x.size());
    for (std::int64_t i = 0; i < out; ++i) {
      double sum = value(name + ".bias", i);
      for (std::int64_t j = 0; j < in; ++j) sum += value(name + ".weight", i * in + j) * x[static_cast<std::size_t>(j)];
      y.push_back(sum);
    }
    return y;
  };
  std::vector<std::vector<double>> rows;
  for (std::int64_t row = 0; row < inputs.size(0); ++row) {
    const float* const x = inputs.const_data_ptr<float>() + row * config.width;
    std::vector<double> stream(x, x + config.width);
    for (std::int64_t layer = 0; layer < config.layers; ++layer) {
      const std::string of = "layers." + std::to_string(layer) + ".";
      double mean = 0, variance = 0;
      for (const double s : stream) mean += s / static_cast<double>(config.width);
      for (const double s : stream) variance += (s - mean) * (s - mean) / static_cast<double>(config.width);
      std::vector<double> normed;
      for (std::size_t i = 0; i < stream.size(); ++i)
        normed.push_back((stream[i] - mean) / std::sqrt(variance + config.norm_eps) *
                             value(of + "ln.weight", static_cast<std::int64_t>(i)) +
                         value(of + "ln.bias", static_cast<std::int64_t>(i)));
      std::vector<double> hidden = product(of + "fc1", normed, config.mlp_width());
      for (double& u : hidden) u = gelu(u);
      const std::vector<double> y = product(of + "fc2", hidden, config.width);
      for (std::size_t i = 0; i < stream.size(); ++i) stream[i] += y[i];
    }
    rows.push_back(stream);
  }
  return rows;
}

double largest_error(const at::Tensor& outputs, const std::vector<std::vector<double>>& rows) {
  double largest = 0;
  for (std::size_t row = 0; row < rows.size(); ++row)
    for (std::size_t i = 0; i < rows[row].size(); ++i)
      largest = std::max(largest,
                         std::abs(rows[row][i] - double{outputs.const_data_ptr<float>()[row * rows[row].size() + i]}));
  return largest;
}

struct SeenSlots : QuantizationObserver {
  void observe(std::size_t, Slot, const EventCounts&) override {}
  void take(std::size_t site, Slot slot, const at::Tensor&, const Quantized&) override { slots.insert({site, slot}); }
  std::set<std::pair<std::size_t, Slot>> slots;
};

// With gains and biases that are not 1 and 0.
void shake(const Model& model) {
  std::uint64_t seed = 50;
  for (const NamedParameter& p : model.parameters())
    if (p.value.dim() == 1) p.value.detach().add_(random_tensor(p.value.sizes().vec(), seed++, 0.3f));
}

}  // namespace

TEST_CASE("a student's outputs are those of its formula, by its own operations and by the plain ones", "[mlp]") {
  for (const bool bias : {true, false}) {
    const ModelConfig config = student(bias);
    const auto model = tiny(config);
    shake(*model);
    const at::Tensor x = random_tensor({5, 1, 16}, 3), y = model->forward(x, {}).detach();
    CHECK(y.sizes() == at::IntArrayRef({5, 16}));
    // Numbers of a few units from sums of tens of fp32 terms, through three blocks.
    CHECK(largest_error(y, written_out(*model, config, x)) < 2e-5);
    ForwardContext plain;
    plain.plain = true;
    CHECK(largest_error(model->forward(x, plain).detach().contiguous(), written_out(*model, config, x)) < 2e-5);
    CHECK((y - x.view({5, 16})).abs().max().item<double>() > 0.1);
  }
}

TEST_CASE("a student has the parameters of the paper's code and no head", "[mlp]") {
  const auto model = tiny(student(false));
  std::vector<std::string> names;
  for (const NamedParameter& p : model->parameters()) names.push_back(p.name);
  CHECK(names[0] == "layers.0.ln.weight");
  CHECK(names[1] == "layers.0.fc1.weight");
  CHECK(names[2] == "layers.0.fc2.weight");
  CHECK(names.size() == 9);
  CHECK(model->policy().site_names().back() == "h.2.mlp.down");
  CHECK(model->policy().num_sites() == 6);
  CHECK_THROWS_AS(model->policy().site_index(SiteKind::LmHead, 0), ContractError);
}

TEST_CASE("gradients of a student agree with central differences", "[mlp]") {
  const auto model = tiny(student());
  shake(*model);
  const at::Tensor x = random_tensor({12, 1, 16}, 3), t = random_tensor({12, 16}, 4);
  test::check_gradients(*model,
                        [&] { return squared_error(model->forward(x, {}).to(at::kDouble), t.to(at::kDouble)); });
}

TEST_CASE("every operand of every product of a student goes through the emulator", "[mlp]") {
  const auto model = tiny(student(), "e8m3"), exact = tiny(student());
  const at::Tensor x = random_tensor({8, 1, 16}, 3), t = random_tensor({8, 16}, 4);
  SeenSlots seen;
  ForwardContext context;
  context.observer = &seen;
  const at::Tensor y = model->forward(x, context);
  output_loss(y, t, 1).mean.backward();
  for (std::size_t site = 0; site < 6; ++site)
    for (const Slot slot : {Slot::FpropX, Slot::FpropW, Slot::DgradDy, Slot::DgradW, Slot::WgradDy, Slot::WgradX}) {
      INFO("site " << site << " slot " << static_cast<int>(slot));
      CHECK(seen.slots.contains({site, slot}));
    }
  CHECK((y.detach() - exact->forward(x, {}).detach()).abs().max().item<double>() > 1e-3);
}

TEST_CASE("the squared error and its gradient are the mean over all elements, as plain loops have them", "[mlp]") {
  at::Tensor y = random_tensor({7, 5}, 1).set_requires_grad(true);
  const at::Tensor t = random_tensor({7, 5}, 2);
  const LogitLoss loss = output_loss(y, t, 1);
  double sum = 0;
  for (std::int64_t i = 0; i < 35; ++i) {
    const double d = double{y.const_data_ptr<float>()[i]} - double{t.const_data_ptr<float>()[i]};
    sum += d * d;
  }
  // One rounding to fp32 each.
  CHECK(loss.mean.item<float>() == Approx(sum / 35).epsilon(1e-7).margin(0));
  CHECK(std::isnan(loss.statistics.max_logit));
  CHECK(std::isnan(loss.statistics.log_z));
  CHECK(loss.sharpness.empty());
  (loss.mean * 3).backward();
  const at::Tensor gradient = y.grad().contiguous();
  for (std::int64_t i = 0; i < 35; ++i) {
    const double d = double{y.const_data_ptr<float>()[i]} - double{t.const_data_ptr<float>()[i]};
    // Roundings of the difference, of the factor and of their product.
    CHECK(gradient.const_data_ptr<float>()[i] == Approx(3 * 2 * d / 35).epsilon(3 * 6e-8).margin(1e-12));
  }
  CHECK(squared_error(y.detach(), t).item<float>() == Approx(sum / 35).epsilon(1e-6).margin(0));
  CHECK_THROWS_AS(output_loss(y, random_tensor({7, 4}, 2), 1), ContractError);
}

TEST_CASE("products with a student's curvature are those of differences", "[mlp]") {
  const ModelConfig config = student();
  const std::shared_ptr<Model> model = tiny(config);
  shake(*model);
  const at::Tensor x = random_tensor({6, 1, 16}, 3), t = random_tensor({6, 16}, 4);
  const PlainLoss loss(model, {{x, t}});
  FlatVector v = random_normal(loss.size(), {9, 0, 1, 0});
  scale_by(v, 1 / euclidean_norm(v));
  const auto move = [&](double h) {
    std::size_t next = 0;
    for (const NamedParameter& p : model->parameters()) {
      float* const data = p.value.mutable_data_ptr<float>();
      for (std::int64_t i = 0; i < p.value.numel(); ++i) data[i] += static_cast<float>(h * v[next++]);
    }
  };
  const FlatVector hessian = loss.hessian_product(v), ggn = loss.ggn_product(v);
  constexpr double kStep = 1e-2;
  ForwardContext plain;
  plain.plain = true;
  move(kStep);
  FlatVector difference = loss.gradient().gradient;
  const at::Tensor up = model->forward(x, plain).detach();
  move(-2 * kStep);
  add_scaled(difference, -1, loss.gradient().gradient);
  const at::Tensor down = model->forward(x, plain).detach();
  scale_by(difference, 0.5 / kStep);
  add_scaled(difference, -1, hessian);
  // The third derivative times h^2 / 6, and fp32 gradients of about 1e-1 over 2 h.
  CHECK(euclidean_norm(difference) < 1e-3 * euclidean_norm(hessian) + 1e-4);
  // v^T G v = 2 / (N C) |J v|^2.
  const double length = (up - down).div(2 * kStep).norm().item<double>();
  CHECK(inner_product(v, ggn) == Approx(2 * length * length / (6 * 16)).epsilon(1e-3).margin(0));
}
