// SPDX-License-Identifier: Apache-2.0
// Parameters that are kept in fp32 beside others of a storage format, and parameters that no update changes: each
// against an optimizer that treats all of them alike.
#include <functional>

#include "optim/optimizer.h"
#include "tests/optim/tensors.h"
#include "tests/support/catch.h"

using namespace precipice;

namespace {

const std::vector<std::int64_t> kTwo = {3000, 2100};

struct TwoMatrices {
  Tensors value = random_tensors(kTwo, 1), grad = random_tensors(kTwo, 2);

  std::vector<Parameter> parameters() {
    const TensorList values = value.list(), grads = grad.list();
    return {{"linear", values[0], grads[0], true}, {"head", values[1], grads[1], true}};
  }
};

OptimizerConfig stored_in(const std::string& weights) {
  OptimizerConfig config;
  config.state.weights = weights;
  config.state.moment1 = "bf16-sr";
  config.state.gradients = "e4m3";
  config.state.weight_scaling = config.state.gradient_scaling = "ms-amp";
  config.clip_norm = 0;
  return config;
}

// After three updates with the same gradients.
Tensors updated(const OptimizerConfig& config, const std::function<void(std::vector<Parameter>&)>& change) {
  TwoMatrices model;
  std::vector<Parameter> parameters = model.parameters();
  change(parameters);
  const auto optimizer = make_optimizer(config, std::move(parameters), 7);
  for (int i = 0; i < 3; ++i) {
    const GradStats stats = optimizer->unscale(1.0);
    optimizer->step(1.0, stats.norm);
  }
  return model.value;
}

void as_they_are(std::vector<Parameter>&) {}

}  // namespace

TEST_CASE("what is not stored has the bits of an fp32 optimizer, and what is stored those of one that stores all",
          "[optimizer]") {
  for (const char* kind : {"adamw", "sgd"})
    for (const char* weights : {"fp16", "bf16-sr", "bf16-kahan"}) {
      INFO(kind << ' ' << weights);
      OptimizerConfig config = stored_in(weights), plain;
      config.kind = plain.kind = kind;
      plain.clip_norm = 0;
      const Tensors all = updated(config, as_they_are), none = updated(plain, as_they_are);
      const Tensors mixed = updated(config, [](std::vector<Parameter>& p) { p[1].stored = false; });
      CHECK(mixed.data[0] == all.data[0]);
      CHECK(mixed.data[1] == none.data[1]);
      CHECK(all.data[1] != none.data[1]);
    }
}

TEST_CASE("a frozen parameter keeps its bits, the others theirs, and its gradient counts in the norm", "[optimizer]") {
  for (const char* weights : {"fp32", "bf16-kahan"}) {
    OptimizerConfig config;
    config.state.weights = weights;
    const Tensors free = updated(config, as_they_are);
    const Tensors frozen = updated(config, [](std::vector<Parameter>& p) { p[1].frozen = true; });
    CHECK(frozen.data[0] == free.data[0]);  // the clipping norm is that of both
    TwoMatrices begun;
    if (std::string(weights) == "fp32") CHECK(frozen.data[1] == begun.value.data[1]);
    CHECK(frozen.data[1] != free.data[1]);
  }
}
