// SPDX-License-Identifier: Apache-2.0
#include "experiments/sweep/run_costs.h"

#include "tests/support/catch.h"
#include "tests/support/tiny_run.h"

using namespace precipice;

namespace {

RunStatus ended(std::int64_t steps, double steps_per_second, RunState state = RunState::Done) {
  RunStatus status;
  status.state = state;
  status.step = status.steps = steps;
  status.steps_per_second = steps_per_second;
  return status;
}

}  // namespace

TEST_CASE("a run costs what the ended runs of its sizes took for a step, and a tenth more", "[sweep]") {
  RunCosts costs;
  const RunConfig config = test::tiny_config({"seed=1"}),
                  other_seed = test::tiny_config({"seed=2", "optimizer.lr=0.1"});
  CHECK_FALSE(costs.seconds(config, 100));
  costs.add(config, ended(100, 10));                            // 10 s
  costs.add(config, ended(300, 10));                            // 30 s
  costs.add(config, ended(50, 0));                              // says nothing
  costs.add(config, ended(50, 1, RunState::Interrupted));       // has not ended
  costs.add(other_seed, ended(100, 100, RunState::Untrained));  // 1 s
  REQUIRE(costs.seconds(other_seed, 250));
  CHECK(*costs.seconds(other_seed, 250) == Approx(1.1 * 250 * 41 / 500));
  CHECK_FALSE(costs.seconds(test::tiny_config({"model.width=32"}), 250));
}

TEST_CASE("a budget begins what will end in it, what is not known, and what is longer than any budget", "[sweep]") {
  CHECK(is_worth_starting(10.0, 11, 100));
  CHECK_FALSE(is_worth_starting(10.0, 9, 100));
  CHECK(is_worth_starting(std::nullopt, 9, 100));
  CHECK(is_worth_starting(200.0, 9, 100));
  CHECK_FALSE(is_worth_starting(std::nullopt, 0, 100));
  CHECK_FALSE(is_worth_starting(10.0, -1, 100));
}
