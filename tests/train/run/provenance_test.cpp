// SPDX-License-Identifier: Apache-2.0
#include "train/run/provenance.h"

#include "precision/base/check.h"
#include "precision/gemm/onednn.h"
#include "tests/support/catch.h"
#include "train/recipes/recipes.h"

using namespace precipice;

namespace {

std::string carriers(PrecisionConfig config) {
  ModelConfig model;
  return carriers_of(make_schedule(config, model, 100));
}

PrecisionConfig precision(const std::string& recipe, const std::string& carrier = "auto") {
  PrecisionConfig config;
  config.recipe = recipe;
  config.carrier = parse_carrier(carrier);
  return config;
}

}  // namespace

TEST_CASE("the carriers of a run are those that its recipe, its rules and this CPU allow") {
  const std::string fast = has_bf16_instructions() ? "bf16" : "fp32";
  CHECK(carriers(precision("fp32")) == "fp32");
  CHECK(carriers(precision("fp16-o1")) == "fp32");
  CHECK(carriers(precision("fp8-all")) == fast);
  CHECK(carriers(precision("fp8-all", "fp32")) == "fp32");
  if (can_multiply_bf16())
    CHECK(carriers(precision("fp8-all", "bf16")) == "bf16");
  else
    CHECK_THROWS_WITH(carriers(precision("fp8-all", "bf16")), Catch::Contains("needs a CPU with AVX-512"));
  PrecisionConfig ruled = precision("fp8-all", "auto");
  ruled.rules = "steps=:10 -> high";
  CHECK(carriers(ruled) == (has_bf16_instructions() ? "bf16, fp32" : "fp32"));
  PrecisionConfig summed = precision("fp8-all");
  summed.accumulator = "hopper";
  CHECK(carriers(summed) == "emulated");
}

TEST_CASE("a run's accumulators are named as units where they are, and the library's sums are none") {
  const auto accumulators = [](const std::string& recipe, const std::string& accumulator) {
    PrecisionConfig config = precision(recipe);
    config.accumulator = accumulator;
    ModelConfig model;
    return accumulators_of(make_schedule(config, model, 100));
  };
  CHECK(accumulators("fp8", "").empty());
  const std::string native = accumulators("fp8", "native");
  CHECK_THAT(native, Catch::Contains("hopper-bf16 (tensor-core:align=operands,bits=26") &&
                         Catch::Contains("; hopper-fp8 (") && Catch::Contains("; hopper-fp8:promote=128 ("));
  CHECK(accumulators("fp8", "hopper") == "hopper (tensor-core:align=value,bits=14,group=32,promote=128,rounding=rtz)");
}

TEST_CASE("a run's provenance names the library of its sums and the instruction set that it uses") {
  const auto found = provenance();
  CHECK(found.at("onednn_version") == onednn_version());
  CHECK(found.at("onednn_isa") == onednn_isa());
}

TEST_CASE("a carrier asked for by name where it is not exact is refused, naming the key and the operands") {
  try {
    carriers(precision("fp16-o1", "bf16"));
    FAIL("not refused");
  } catch (const ConfigError& error) {
    CHECK_THAT(error.what(), Catch::Contains("precision.carrier"));
    CHECK_THAT(error.what(), Catch::Contains("is not exact at h.0.attn.qkv"));
  }
  CHECK(carriers(precision("fp32", "bf16")) == "fp32");
}
