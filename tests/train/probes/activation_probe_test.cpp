// SPDX-License-Identifier: Apache-2.0
// What the probe reports of a model's layers, against ATen on the same tensors.
#include "train/probes/activation_probe.h"

#include <ATen/ops/linalg_svdvals.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <limits>

#include "metrics/tensors/activation_statistics.h"
#include "tests/support/tiny_run.h"
#include "tests/train/model/model_support.h"
#include "train/data/open_tokens.h"
#include "train/run/trainer.h"

using namespace precipice;

namespace {

at::Tensor values_of(const Model& model, const std::string& name) {
  for (const auto& parameter : model.parameters())
    if (parameter.name == name) return parameter.value.detach();
  FAIL("no parameter " << name);
  return {};
}

double value_at(const std::vector<SeriesRow>& rows, const ActivationProbe& probe, std::size_t group,
                const std::string& series, std::size_t site) {
  const SeriesGroup& g = probe.groups().at(group);
  for (std::size_t s = 0; s < g.series.size(); ++s)
    if (g.series[s].name == series) return rows.at(group).values.at(s * g.sites.size() + site);
  FAIL("no series " << series);
  return 0;
}

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
  causal_attention(q, k, v, site, site, MatrixQuantizer{}, &seen, 7);
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

TEST_CASE("spectral norms of heads are the largest singular values of their weights") {
  const at::Tensor w = test::random_tensor({3 * 4, 10}, 5);
  const std::vector<double> norms = block_spectral_norms(w, 3);
  REQUIRE(norms.size() == 3);
  for (std::int64_t head = 0; head < 3; ++head) {
    const at::Tensor values = at::linalg_svdvals(w.slice(0, 4 * head, 4 * head + 4).to(at::kDouble));
    // The square of the singular value is known to 1e-16 relative to the largest.
    CHECK(norms[static_cast<std::size_t>(head)] == Approx(values[0].item<double>()).epsilon(1e-13));
  }
  at::Tensor broken = w.clone();
  broken[5][2] = std::numeric_limits<float>::infinity();
  const std::vector<double> part = block_spectral_norms(broken, 3);
  CHECK(part[0] == norms[0]);
  CHECK(std::isnan(part[1]));
  CHECK(part[2] == norms[2]);
  CHECK(block_spectral_norms(at::zeros({4, 3}), 2)[1] == 0);
}

TEST_CASE("the probe finds each head's weights, each norm's gains and each site's operand") {
  const ModelConfig config = test::tiny_llama_config();
  const auto llama = test::tiny(config);
  ModelConfig with_qk_norm = config;
  with_qk_norm.kind = "gpt";
  with_qk_norm.qk_norm = "layernorm";
  const auto gpt = test::tiny(with_qk_norm);
  for (const Model* model : {llama.get(), gpt.get()}) {
    const bool is_llama = model == llama.get();
    ActivationProbe probe(*model, is_llama ? config : with_qk_norm);
    const std::vector<SeriesRow> rows = probe.rows(4, 12);
    REQUIRE(rows.size() == 4);
    CHECK(rows[3].group == 7);
    CHECK(rows[3].step == 12);
    // Layer 1, head 3: key head 1. Heads are 4 wide.
    const at::Tensor q = is_llama ? values_of(*model, "model.layers.1.self_attn.q_proj.weight").slice(0, 12, 16)
                                  : values_of(*model, "transformer.h.1.attn.c_attn.weight").slice(0, 12, 16);
    const at::Tensor k = is_llama ? values_of(*model, "model.layers.1.self_attn.k_proj.weight").slice(0, 4, 8)
                                  : values_of(*model, "transformer.h.1.attn.c_attn.weight").slice(0, 20, 24);
    const auto top = [](const at::Tensor& w) { return at::linalg_svdvals(w.to(at::kDouble))[0].item<double>(); };
    CHECK(probe.groups()[1].sites[7] == "h.1.head.3");
    CHECK(value_at(rows, probe, 1, "q_spectral_norm", 7) == Approx(top(q)).epsilon(1e-13));
    CHECK(value_at(rows, probe, 1, "k_spectral_norm", 7) == Approx(top(k)).epsilon(1e-13));
    if (is_llama) {  // heads 0 and 1 meet key head 0
      const at::Tensor k0 = values_of(*model, "model.layers.1.self_attn.k_proj.weight").slice(0, 0, 4);
      CHECK(value_at(rows, probe, 1, "k_spectral_norm", 5) == Approx(top(k0)).epsilon(1e-13));
    }
    // Two norms a block and the last one; with the norm of queries and keys four.
    CHECK(probe.groups()[3].sites.size() == (is_llama ? 5 : 9));
    CHECK(value_at(rows, probe, 3, "gain_min", 0) == 1);
    CHECK(value_at(rows, probe, 3, "gain_rounded_to_one", 0) == 1);
    for (const double x : rows[0].values) CHECK(std::isnan(x));  // no pass yet
  }
}

TEST_CASE("what is seen of a layer, a site and a norm stands in its own column") {
  const ModelConfig config = test::tiny_llama_config();
  const auto model = test::tiny(config);
  ActivationProbe probe(*model, config);
  // One row of two logits: the largest is that of the layer, the entropy that of its weights.
  const auto attend = [&](std::int64_t layer, float logit, float weight) {
    const at::Tensor scores = at::zeros({2, 2}), weights = at::zeros({2, 2});
    scores[0][0] = scores[1][0] = logit;
    scores[1][1] = logit - std::log(weight / (1 - weight));
    weights[0][0] = 1;
    weights[1][0] = weight;
    weights[1][1] = 1 - weight;
    probe.attend(layer, scores, weights, 1.0);
  };
  const auto entropy = [](double p) {
    return -(p * std::log(p) + (1 - p) * std::log(1 - p)) / 2;
  };  // the first is sure
  attend(0, 3, 0.75f);
  attend(1, 5, 0.9f);
  at::Tensor spread = at::zeros({100});
  spread[0] = 1;
  at::Tensor even = at::ones({100});
  even.slice(0, 0, 50).neg_();
  const std::size_t sites = probe.groups()[2].sites.size();
  probe.operand(1, spread);
  probe.operand(sites - 1, even);
  // 1.9 lies above the E4M3 block's 1.75, 1.05 rounds to 1.
  at::Tensor gains = values_of(*model, "model.layers.1.input_layernorm.weight");
  gains.fill_(1.5);
  gains[0] = 1.9;
  gains[1] = 1.05;
  gains[2] = 1.02;
  gains[3] = 0.5;
  const std::vector<SeriesRow> rows = probe.rows(0, 0);
  CHECK(value_at(rows, probe, 0, "max_attention_logit", 0) == 3);
  CHECK(value_at(rows, probe, 0, "max_attention_logit", 1) == 5);
  // Logits and weights in fp32: 1e-7 of numbers near 1.
  CHECK(value_at(rows, probe, 0, "attention_entropy", 0) == Approx(entropy(0.75)).epsilon(1e-6));
  CHECK(value_at(rows, probe, 0, "attention_entropy", 1) == Approx(entropy(0.9)).epsilon(1e-6));
  for (std::size_t site = 0; site < sites; ++site) {
    const double found = value_at(rows, probe, 2, "x_kurtosis", site);
    if (site == 1)
      CHECK(found == Approx((99.0 * 99 * 99 + 1) / (100.0 * 99)).epsilon(1e-12));
    else if (site == sites - 1)
      CHECK(found == 1);
    else
      CHECK(std::isnan(found));
  }
  const auto& norms = probe.groups()[3].sites;
  const auto width = static_cast<double>(gains.numel());
  for (std::size_t norm = 0; norm < norms.size(); ++norm) {
    const bool changed = norms[norm] == "model.layers.1.input_layernorm";
    INFO(norms[norm]);
    CHECK(value_at(rows, probe, 3, "gain_min", norm) == (changed ? 0.5 : 1.0));
    CHECK(value_at(rows, probe, 3, "gain_max", norm) == Approx(changed ? 1.9 : 1.0).epsilon(1e-7));  // 1.9 in fp32
    CHECK(value_at(rows, probe, 3, "gain_rounded_to_one", norm) == (changed ? 2 / width : 1.0));
    CHECK(value_at(rows, probe, 3, "gain_clamped", norm) == (changed ? 1 / width : 0.0));
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
    std::size_t seen = 0;
    for (const SeriesRow& row : trainer.step()) {
      if (row.group < kAttentionGroup || row.group > kNormsGroup) continue;
      ++seen;
      REQUIRE(row.values.size() == groups.at(row.group).row_width());
      for (const double x : row.values) CHECK(std::isfinite(x));
    }
    CHECK(seen == 4);
    std::size_t later = 0;
    for (const SeriesRow& row : trainer.step()) later += row.group >= kAttentionGroup && row.group <= kNormsGroup;
    CHECK(later == 0);  // the next is due at step 10
  }
}
