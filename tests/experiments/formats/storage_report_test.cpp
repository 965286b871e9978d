// SPDX-License-Identifier: Apache-2.0
#include "experiments/formats/storage_report.h"

#include "experiments/formats/recipes_report.h"
#include "experiments/sweep/plan.h"
#include "optim/optimizer_kinds.h"
#include "tests/support/catch.h"
#include "tests/support/tiny_run.h"
#include "train/recipes/resolved_run.h"

using namespace precipice;
using Catch::Contains;
using test::tiny_config;

namespace {

double bytes_of(std::vector<std::string> assignments) {
  const ResolvedRun run(tiny_config(std::move(assignments)));
  return stored_bytes_per_parameter(run.config.optimizer.kind, run.stored);
}

}  // namespace

TEST_CASE("bytes per parameter are those of the formats that a recipe keeps") {
  // weights + first moment + second moment
  CHECK(bytes_of({"precision.recipe=bf16"}) == 4 + 4 + 4);
  CHECK(bytes_of({"precision.recipe=fp16-o2"}) == 4 + 4 + 4);
  CHECK(bytes_of({"precision.recipe=fp16-o3"}) == 2 + 2 + 2);
  CHECK(bytes_of({"precision.recipe=bf16-pure"}) == 2 + 2 + 2);
  CHECK(bytes_of({"precision.recipe=bf16-pure:weights=bf16-kahan"}) == 2 + 2 + 2 + 2);  // and the compensation
  CHECK(bytes_of({"precision.recipe=ms-amp-o1"}) == 2 + 4 + 4);
  CHECK(bytes_of({"precision.recipe=ms-amp-o2"}) == 2 + 1 + 2);
  CHECK(bytes_of({"precision.recipe=intel-fp8"}) == 4 + 1 + 1);
  CHECK(bytes_of({"precision.recipe=deepseek-v3"}) == 4 + 2 + 2);
  CHECK(bytes_of({"precision.recipe=ms-amp-o2", "optimizer.moment1=fp32"}) == 2 + 4 + 2);
  CHECK(bytes_of({"precision.recipe=ms-amp-o2", "optimizer.kind=lion"}) == 2 + 1);
  // An fp32 scale for every 32 elements is one more bit of each, in both moments.
  CHECK(bytes_of({"precision.recipe=intel-fp8", "optimizer.state_scaling=current:block=32"}) == 4 + 1 + 1 + 0.25);
}

TEST_CASE("a recipe's table and a run's plan show what is kept and how the loss is scaled") {
  CHECK_THAT(recipe_table("ms-amp-o2"), Contains("weights     fp16, ms-amp scale per tensor (no fp32 master)") &&
                                            Contains("first e4m3, ms-amp scale per tensor; second fp16, ms-amp") &&
                                            Contains("5 bytes per parameter") && Contains("where it differs"));
  CHECK_THAT(recipe_table("fp16-o1"), Contains("weights     fp32 (masters)") && Contains("dynamic, first 65536"));
  CHECK_THAT(recipe_table("fp16-o3"), Contains("loss scale  static, 1\n"));
  CHECK_THAT(recipe_table("bf16-pure:weights=bf16-kahan"), Contains("weights     bf16-kahan (no fp32 master)"));
  CHECK_THAT(recipe_table("te-current"), Contains("loss scale  none") && Contains("12 bytes per parameter"));
  const std::string plan = precision_plan(tiny_config(
      {"precision.recipe=ms-amp-o1", "optimizer.weights=bf16-sr", "optimizer.state_scaling=current:block=64",
       "optimizer.moment1=e4m3", "optimizer.kind=lion", "loss_scale.kind=static"}));
  CHECK_THAT(plan, Contains("weights     bf16-sr (no fp32 master)") &&
                       Contains("moments     first e4m3, current scale per 64 elements\n") &&
                       Contains("loss scale  static, 65536"));
}

TEST_CASE("the disk of a run has room for a recipe's compensations in both checkpoints") {
  const RunPlan plain = plan_run(tiny_config({"precision.recipe=bf16-pure"})),
                kahan = plan_run(tiny_config({"precision.recipe=bf16-pure:weights=bf16-kahan"}));
  CHECK(plain.parameters == kahan.parameters);
  CHECK(kahan.disk_bytes - plain.disk_bytes == Approx(3.0 * 4.0 * static_cast<double>(plain.parameters)));
}

TEST_CASE("an optimizer without state is counted and shown so, whatever the moments' formats") {
  const AddedOptimizer toy({"toy-without-state", "a test's", {}, nullptr, nullptr});
  const std::vector<std::string> keys = {"precision.recipe=ms-amp-o2", "optimizer.kind=toy-without-state"};
  CHECK(bytes_of(keys) == 2);
  CHECK_THAT(precision_plan(tiny_config(keys)), Contains("moments     none\n"));
}
