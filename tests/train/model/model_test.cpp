// SPDX-License-Identifier: Apache-2.0
#include "train/model/architectures.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/softmax.h>

#include <cmath>

#include "tests/train/model/model_support.h"
#include "train/attention/causal_softmax.h"
#include "train/config/model_shapes.h"

using namespace precipice;
using test::kVocabulary;
using test::random_tensor;
using test::random_tokens;
using test::same_bits;

namespace {

ModelConfig tiny_model(bool bias, bool tied) {
  ModelConfig config;
  config.width = 8;
  config.context = 6;
  config.bias = bias;
  config.tied_head = tied;
  return config;
}

}  // namespace

TEST_CASE("gradients of every parameter agree with central differences along themselves") {
  for (const bool tied : {false, true}) {
    const auto owner = test::tiny(tiny_model(true, tied));
    const Model& model = *owner;
    const at::Tensor x = random_tokens(8, 6, 1), y = random_tokens(8, 6, 2).view({-1});
    test::check_gradients(model, [&] { return cross_entropy(model.forward(x, {}), y); });
  }
}

TEST_CASE("logits depend on the past only, in every recipe without tensor-wide scales") {
  for (const char* recipe : {"fp32", "bf16", "e8m3"}) {
    const auto owner = test::tiny(tiny_model(false, true), recipe);
    const Model& model = *owner;
    const at::Tensor tokens = random_tokens(1, 6, 3), changed = tokens.clone();
    changed.mutable_data_ptr<std::int64_t>()[4] = (changed.const_data_ptr<std::int64_t>()[4] + 1) % kVocabulary;
    const at::Tensor a = model.forward(tokens, {}).detach(), b = model.forward(changed, {}).detach();
    CHECK(same_bits(a.slice(0, 0, 4), b.slice(0, 0, 4)));
    CHECK_FALSE(same_bits(a.slice(0, 4, 5), b.slice(0, 4, 5)));
  }
}

TEST_CASE("e8m7 is bf16: cutting a bf16 operand to seven bits changes nothing") {
  const at::Tensor x = random_tokens(4, 6, 1), y = random_tokens(4, 6, 2).view({-1});
  const auto of_bf16 = test::tiny(tiny_model(true, false), "bf16"),
             of_e8m7 = test::tiny(tiny_model(true, false), "e8m7");
  const Model &bf16 = *of_bf16, &e8m7 = *of_e8m7;
  cross_entropy(bf16.forward(x, {}), y).backward();
  cross_entropy(e8m7.forward(x, {}), y).backward();
  for (std::size_t i = 0; i < bf16.parameters().size(); ++i)
    CHECK(same_bits(bf16.parameters()[i].value.grad(), e8m7.parameters()[i].value.grad()));
}

TEST_CASE("the number of parameters follows from the config") {
  for (const bool bias : {false, true})
    for (const bool tied : {false, true}) {
      const ModelConfig config = tiny_model(bias, tied);
      CHECK(test::tiny(config)->num_parameters() == count_parameters(config, kVocabulary).elements);
    }
  // GPT-2 124M: 124,439,808 parameters with biases and a tied head of 50257 tokens.
  ModelConfig gpt2 = tiny_model(true, true);
  gpt2.layers = gpt2.heads = 12;
  gpt2.width = 768;
  gpt2.context = 1024;
  CHECK(count_parameters(gpt2, 50257).elements == 124'439'808);
}

TEST_CASE("initial weights have nanoGPT's deviations and depend on the seed alone") {
  ModelConfig config = tiny_model(true, false);
  config.width = 64;
  InitConfig init;
  init.seed = 3;
  const auto made = make_model(config, init, 50, PrecisionPolicy(2)),
             made_again = make_model(config, init, 50, PrecisionPolicy(2));
  init.seed = 4;
  const auto made_other = make_model(config, init, 50, PrecisionPolicy(2));
  const Model &model = *made, &again = *made_again, &other = *made_other;
  for (std::size_t i = 0; i < model.parameters().size(); ++i) {
    const auto& [name, value, std, constant] = model.parameters()[i];
    const at::Tensor v = value.detach();
    CHECK(same_bits(v, again.parameters()[i].value.detach()));
    if (std == 0) {
      CHECK(v.eq(constant).all().item<bool>());
      CHECK(constant == (name.ends_with("bias") ? 0 : 1));
      continue;
    }
    CHECK(std == Approx(name.find("c_proj") != std::string::npos ? 0.02 / std::sqrt(4.0) : 0.02));
    CHECK_FALSE(same_bits(v, other.parameters()[i].value.detach()));
    // Sample deviation of n normal values: relative error about 1 / sqrt(2 n); five of those.
    const double n = static_cast<double>(v.numel());
    CHECK(v.std().item<double>() == Approx(std).epsilon(5 / std::sqrt(2 * n)));
    CHECK(std::abs(v.mean().item<double>()) < 5 * std / std::sqrt(n));
  }
}

TEST_CASE("weights load by nanoGPT's names, and what does not fit is refused") {
  const auto of_source = test::tiny(tiny_model(true, true), "fp32", 1);
  const auto of_target = test::tiny(tiny_model(true, true), "fp32", 2);
  const Model& source = *of_source;
  Model& target = *of_target;
  auto weights = source.weights();
  CHECK(weights.front().name == "transformer.wte.weight");
  CHECK(weights.back().name == "lm_head.weight");
  CHECK(weights[2].name == "transformer.h.0.ln_1.weight");
  target.load(weights);
  const at::Tensor tokens = random_tokens(2, 6, 1);
  CHECK(same_bits(source.forward(tokens, {}).detach(), target.forward(tokens, {}).detach()));

  auto missing = weights;
  missing.erase(missing.begin() + 3);
  CHECK_THROWS_WITH(target.load(missing), Catch::Contains("missing"));
  auto reshaped = weights;
  reshaped[1].shape = {8, 6};
  CHECK_THROWS_WITH(target.load(reshaped), Catch::Contains("shape"));
  auto untied = weights;
  untied.back().values[0] += 1;
  CHECK_THROWS_WITH(target.load(untied), Catch::Contains("tied_head"));
  weights.push_back({"extra", {1}, {0.0f}});
  CHECK_THROWS_WITH(target.load(weights), Catch::Contains("extra"));
}

TEST_CASE("causal softmax and its gradient equal scale, mask and softmax of the library") {
  const at::Tensor scores = random_tensor({2, 3, 13, 13}, 1, 4.0f), upstream = random_tensor({2, 3, 13, 13}, 2);
  const double scale = 0.35;
  const at::Tensor b = scores.clone().set_requires_grad(true);
  at::Tensor ours = scores.clone(), gradient = upstream.clone();
  causal_softmax(ours, scale);
  causal_softmax_backward(ours, gradient, scale);
  const at::Tensor mask = at::empty({13, 13}, at::TensorOptions(at::kBool));
  for (int i = 0; i < 13; ++i)
    for (int j = 0; j < 13; ++j) mask.mutable_data_ptr<bool>()[i * 13 + j] = j > i;
  const at::Tensor theirs = at::softmax(b.mul(scale).masked_fill(mask, -INFINITY), -1);
  theirs.backward(upstream);
  // Rows of at most 13 weights that sum to 1: a few fp32 roundings of values below 1 (gradients: below 4).
  CHECK(ours.sub(theirs).abs().max().item<float>() <= 4 * 0x1p-23f);
  CHECK(gradient.sub(b.grad()).abs().max().item<float>() <= 16 * 0x1p-23f);
}
