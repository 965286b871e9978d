// SPDX-License-Identifier: Apache-2.0
// What the probes of attention, heads, activations and norms report of a model's layers, against ATen on the same
// tensors.
#include <ATen/ops/linalg_svdvals.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <set>
#include <stdexcept>

#include "metrics/tensors/activation_statistics.h"
#include "tests/support/tiny_run.h"
#include "tests/train/model/model_support.h"
#include "train/data/open_tokens.h"
#include "train/probes/all_probes.h"
#include "train/run/trainer.h"

using namespace precipice;

namespace {

at::Tensor values_of(const Model& model, const std::string& name) {
  for (const auto& parameter : model.parameters())
    if (parameter.name == name) return parameter.value.detach();
  FAIL("no parameter " << name);
  return {};
}

// The four of a model, each at a step of its own.
class ActivationProbes {
 public:
  ActivationProbes(const ModelConfig& model_config, const Model& model) : model_(model) {
    config_.model = model_config;
    probes_ = all_probes(config_, places_of(model));
  }

  Probe& named(const std::string& name) const {
    for (const auto& probe : probes_)
      if (probe->group().name == name) return *probe;
    throw std::runtime_error("no probe " + name);
  }
  const std::vector<std::string>& sites(const std::string& name) const { return named(name).group().sites; }

  // The probe's row after `show` has shown its observers what a pass would.
  ProbeRow row(const std::string& name, const std::function<void(const ForwardRequest&)>& show = {}) const {
    ForwardRequest request;
    ProbeRow row;
    named(name).before_forward(request);
    if (show) show(request);
    named(name).after_backward(ForwardPass{}, row);
    const Batch batch;
    const ScaleStates scales;
    named(name).before_update(ProbedStep{model_, config_, batch, scales}, {}, row);
    return row;
  }

  double value_at(const ProbeRow& row, const std::string& name, const std::string& series, std::size_t site) const {
    const SeriesGroup& group = named(name).group();
    REQUIRE(row.size() == group.row_width());
    for (std::size_t s = 0; s < group.series.size(); ++s)
      if (group.series[s].name == series) return row.at(s * group.sites.size() + site);
    throw std::runtime_error("no series " + series);
  }

 private:
  const Model& model_;
  RunConfig config_;
  Probes probes_;
};

}  // namespace

TEST_CASE("attention statistics are those of ATen's softmax over the masked scores") {
  const std::int64_t batch = 2, heads = 4, groups = 2, length = 5, depth = 3;
  const at::Tensor q = test::random_tensor({batch, length, heads, depth}, 1).mul(3);
  const at::Tensor k = test::random_tensor({batch, length, groups, depth}, 2).mul(3);
  const at::Tensor v = test::random_tensor({batch, length, groups, depth}, 3);
  struct Seen : AttentionObserver {
    std::int64_t layer = -1;
    AttentionStatistics statistics{};
    void attend(std::int64_t where, const at::Tensor& scores, const at::Tensor& weights, double scale) override {
      layer = where;
      const auto span = [](const at::Tensor& x) {
        return std::span<const float>(x.const_data_ptr<float>(), static_cast<std::size_t>(x.numel()));
      };
      statistics = attention_statistics(span(scores), span(weights), scores.size(-1), scale);
    }
  } seen;
  const SitePrecision exact;
  const MatmulSite site{&exact};
  causal_attention(q, k, v, site, site, ElementQuantizer{}, &seen, 7);
  CHECK(seen.layer == 7);

  const at::Tensor keys = k.repeat_interleave(heads / groups, 2);
  at::Tensor logits = at::matmul(q.transpose(1, 2).to(at::kDouble), keys.permute({0, 2, 3, 1}).to(at::kDouble));
  logits = logits.div(std::sqrt(static_cast<double>(depth)));
  const at::Tensor future = at::ones({length, length}).triu(1).to(at::kBool);
  logits = logits.masked_fill(future, -std::numeric_limits<double>::infinity());
  const at::Tensor p = at::softmax(logits, -1);
  const double entropy = p.mul(p.log()).masked_fill(p.eq(0), 0).sum(-1).neg().mean().item<double>();
  // fp32 against double: sums of 3 products near 30, and exponentials of their rounding errors.
  CHECK(seen.statistics.max_logit == Approx(logits.max().item<double>()).epsilon(1e-6));
  CHECK(seen.statistics.entropy == Approx(entropy).epsilon(1e-5));
}

TEST_CASE("the probe finds each head's weights, each norm's gains and each site's operand") {
  const ModelConfig config = test::tiny_llama_config();
  const auto llama = test::tiny(config);
  ModelConfig with_qk_norm = config;
  with_qk_norm.kind = &find_architecture("gpt");
  with_qk_norm.qk_norm = NormKind::Layer;
  const auto gpt = test::tiny(with_qk_norm);
  for (const Model* model : {llama.get(), gpt.get()}) {
    const bool is_llama = model == llama.get();
    const ActivationProbes probes(is_llama ? config : with_qk_norm, *model);
    const ProbeRow heads = probes.row("heads"), norms = probes.row("norms");
    // Layer 1, head 3: key head 1. Heads are 4 wide.
    const at::Tensor q = is_llama ? values_of(*model, "model.layers.1.self_attn.q_proj.weight").slice(0, 12, 16)
                                  : values_of(*model, "transformer.h.1.attn.c_attn.weight").slice(0, 12, 16);
    const at::Tensor k = is_llama ? values_of(*model, "model.layers.1.self_attn.k_proj.weight").slice(0, 4, 8)
                                  : values_of(*model, "transformer.h.1.attn.c_attn.weight").slice(0, 20, 24);
    const auto top = [](const at::Tensor& w) { return at::linalg_svdvals(w.to(at::kDouble))[0].item<double>(); };
    CHECK(probes.sites("heads")[7] == "h.1.head.3");
    CHECK(probes.value_at(heads, "heads", "q_spectral_norm", 7) == Approx(top(q)).epsilon(1e-13));
    CHECK(probes.value_at(heads, "heads", "k_spectral_norm", 7) == Approx(top(k)).epsilon(1e-13));
    if (is_llama) {  // heads 0 and 1 meet key head 0
      const at::Tensor k0 = values_of(*model, "model.layers.1.self_attn.k_proj.weight").slice(0, 0, 4);
      CHECK(probes.value_at(heads, "heads", "k_spectral_norm", 5) == Approx(top(k0)).epsilon(1e-13));
    }
    // Two norms a block and the last one; with the norm of queries and keys four.
    CHECK(probes.sites("norms").size() == (is_llama ? 5 : 9));
    CHECK(probes.value_at(norms, "norms", "gain_min", 0) == 1);
    CHECK(probes.value_at(norms, "norms", "gain_rounded_to_one", 0) == 1);
    for (const double x : probes.row("attention")) CHECK(std::isnan(x));  // no pass yet
  }
}

TEST_CASE("what is seen of a layer, a site and a norm stands in its own column") {
  const ModelConfig config = test::tiny_llama_config();
  const auto model = test::tiny(config);
  const ActivationProbes probes(config, *model);
  // One row of two logits: the largest is that of the layer, the entropy that of its weights.
  const auto attend = [](AttentionObserver& observer, std::int64_t layer, float logit, float weight) {
    const at::Tensor scores = at::zeros({2, 2}), weights = at::zeros({2, 2});
    scores[0][0] = scores[1][0] = logit;
    scores[1][1] = logit - std::log(weight / (1 - weight));
    weights[0][0] = 1;
    weights[1][0] = weight;
    weights[1][1] = 1 - weight;
    observer.attend(layer, scores, weights, 1.0);
  };
  const auto entropy = [](double p) {
    return -(p * std::log(p) + (1 - p) * std::log(1 - p)) / 2;
  };  // the first is sure
  const ProbeRow attention = probes.row("attention", [&](const ForwardRequest& request) {
    attend(*request.attention.at(0), 0, 3, 0.75f);
    attend(*request.attention.at(0), 1, 5, 0.9f);
  });
  at::Tensor spread = at::zeros({100});
  spread[0] = 1;
  at::Tensor even = at::ones({100});
  even.slice(0, 0, 50).neg_();
  const std::size_t sites = probes.sites("activations").size();
  const ProbeRow activations = probes.row("activations", [&](const ForwardRequest& request) {
    request.operands.at(0)->see(1, Slot::FpropX, spread);
    request.operands.at(0)->see(1, Slot::FpropW, even);  // no x
    request.operands.at(0)->see(sites - 1, Slot::FpropX, even);
  });
  // 1.9 lies above the E4M3 block's 1.75, 1.05 rounds to 1.
  at::Tensor gains = values_of(*model, "model.layers.1.input_layernorm.weight");
  gains.fill_(1.5);
  gains[0] = 1.9;
  gains[1] = 1.05;
  gains[2] = 1.02;
  gains[3] = 0.5;
  CHECK(probes.value_at(attention, "attention", "max_attention_logit", 0) == 3);
  CHECK(probes.value_at(attention, "attention", "max_attention_logit", 1) == 5);
  // Logits and weights in fp32: 1e-7 of numbers near 1.
  CHECK(probes.value_at(attention, "attention", "attention_entropy", 0) == Approx(entropy(0.75)).epsilon(1e-6));
  CHECK(probes.value_at(attention, "attention", "attention_entropy", 1) == Approx(entropy(0.9)).epsilon(1e-6));
  for (std::size_t site = 0; site < sites; ++site) {
    const double found = probes.value_at(activations, "activations", "x_kurtosis", site);
    if (site == 1)
      CHECK(found == Approx((99.0 * 99 * 99 + 1) / (100.0 * 99)).epsilon(1e-12));
    else if (site == sites - 1)
      CHECK(found == 1);
    else
      CHECK(std::isnan(found));
  }
  const ProbeRow gains_row = probes.row("norms");
  const std::vector<std::string>& norms = probes.sites("norms");
  const auto width = static_cast<double>(gains.numel());
  for (std::size_t norm = 0; norm < norms.size(); ++norm) {
    const bool changed = norms[norm] == "model.layers.1.input_layernorm";
    INFO(norms[norm]);
    CHECK(probes.value_at(gains_row, "norms", "gain_min", norm) == (changed ? 0.5 : 1.0));
    CHECK(probes.value_at(gains_row, "norms", "gain_max", norm) ==
          Approx(changed ? 1.9 : 1.0).epsilon(1e-7));  // 1.9 in fp32
    CHECK(probes.value_at(gains_row, "norms", "gain_rounded_to_one", norm) == (changed ? 2 / width : 1.0));
    CHECK(probes.value_at(gains_row, "norms", "gain_clamped", norm) == (changed ? 1 / width : 0.0));
  }
}

TEST_CASE("a step's rows have a finite value for every layer, head, site and norm, in every recipe") {
  for (const char* recipe : {"fp32", "fp8-all", "mxfp8"}) {
    INFO(recipe);
    const RunConfig config =
        test::tiny_config({std::string("precision.recipe=") + recipe, "model.width=32", "model.context=32"});
    const auto tokens = open_tokens(config);
    Trainer trainer(config, *tokens);
    const auto groups = trainer.groups();
    const auto is_of_layers = [&](const SeriesRow& row) {
      const std::set<std::string> names{"attention", "heads", "activations", "norms"};
      return names.contains(groups.at(row.group).name);
    };
    std::size_t seen = 0;
    for (const SeriesRow& row : trainer.step()) {
      if (!is_of_layers(row)) continue;
      ++seen;
      REQUIRE(row.values.size() == groups.at(row.group).row_width());
      for (const double x : row.values) CHECK(std::isfinite(x));
    }
    CHECK(seen == 4);
    CHECK(std::ranges::none_of(trainer.step(), is_of_layers));  // the next is due at step 10
  }
}
