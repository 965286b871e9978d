// SPDX-License-Identifier: Apache-2.0
// A head that begins as the embedding and is never updated, and storage of chosen parameters alone, as runs have them.
#include <algorithm>
#include <cmath>

#include "precision/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/tiny_run.h"
#include "train/data/open_tokens.h"
#include "train/run/trainer.h"

using namespace precipice;
using test::tiny_config;

namespace {

struct FiveSteps {
  explicit FiveSteps(const std::vector<std::string>& words) {
    const RunConfig config = tiny_config(words);
    const auto tokens = open_tokens(config);
    Trainer trainer(config, *tokens);
    begin = trainer.checkpoint("id");
    first_norm = step_record_of(trainer.step().front().values).grad_norm;
    while (trainer.steps_done() < 5) trainer.step();
    end = trainer.checkpoint("id");
  }
  static const std::vector<float>& weights(const Checkpoint& of, const std::string& name) {
    const auto found = std::ranges::find_if(of.arrays, [&](const NamedArray& a) { return a.name == "p." + name; });
    REQUIRE(found != of.arrays.end());
    return found->values;
  }
  Checkpoint begin, end;
  double first_norm = 0;
};

// Whether all values are of fp16 times one power of two: eleven bits.
bool has_eleven_bits(const std::vector<float>& values) {
  return std::ranges::all_of(values, [](float x) {
    int exponent = 0;
    const float mantissa = std::frexp(x, &exponent) * 2048;
    return mantissa == std::floor(mantissa);
  });
}

}  // namespace

TEST_CASE("a frozen copied head stays the first embedding while the embedding moves", "[frozen]") {
  const std::vector<std::string> untied{"model.tied_head=false", "init.copied_head=true"};
  const std::string head = "lm_head.weight", embedding = "transformer.wte.weight";
  std::vector<std::string> frozen = untied;
  frozen.push_back("optimizer.frozen=lm_head.weight");
  const FiveSteps run(frozen), free(untied);
  CHECK(run.weights(run.begin, head) == run.weights(run.begin, embedding));
  CHECK(run.weights(run.end, head) == run.weights(run.begin, head));
  CHECK(run.weights(run.end, embedding) != run.weights(run.begin, embedding));
  CHECK(free.weights(free.end, head) != free.weights(free.begin, head));
  CHECK(run.first_norm == free.first_norm);
  CHECK_THROWS_WITH(tiny_config({"init.copied_head=true"}), Catch::Contains("model.tied_head = false"));
  CHECK_THROWS_WITH(FiveSteps({"optimizer.frozen=lm_heat*"}),
                    Catch::Contains("optimizer.frozen = lm_heat*") && Catch::Contains("no parameter"));
}

TEST_CASE("with storage for linears alone, they are fp16 under a scale and the rest is fp32", "[frozen]") {
  const FiveSteps run({"precision.recipe=ms-amp-o1", "optimizer.stored_parameters=*.attn.* *.mlp.*"});
  CHECK(has_eleven_bits(run.weights(run.end, "transformer.h.0.attn.c_attn.weight")));
  CHECK(has_eleven_bits(run.weights(run.end, "transformer.h.1.mlp.c_proj.weight")));
  CHECK_FALSE(has_eleven_bits(run.weights(run.end, "transformer.wte.weight")));
  const FiveSteps all({"precision.recipe=ms-amp-o1"});
  CHECK(has_eleven_bits(all.weights(all.end, "transformer.wte.weight")));
  CHECK(run_id(tiny_config({"optimizer.stored_parameters=*"})) == run_id(tiny_config()));
}
