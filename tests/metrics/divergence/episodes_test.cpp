// SPDX-License-Identifier: Apache-2.0
// Episodes and exposures of series made by hand.
#include "metrics/divergence/episodes.h"

#include "precision/base/check.h"
#include "tests/support/catch.h"

namespace precipice {
namespace {

// A loss of 2 with spikes of 1 nat at these rows; a step is logged every `every` steps.
LabelInput run_with(std::size_t count, const std::vector<std::size_t>& spikes, std::int64_t every = 1) {
  LabelInput input;
  for (std::size_t i = 0; i < count; ++i) {
    input.steps.push_back(static_cast<std::int64_t>(i) * every);
    input.loss.push_back(2 + (i % 2 == 0 ? 0.001 : -0.001));
  }
  for (const std::size_t row : spikes) input.loss[row] += 1;
  return input;
}

}  // namespace

TEST_CASE("spikes within five steps are one episode, and those farther apart are several") {
  const Episodes episodes = find_episodes("jump", run_with(100, {20, 21, 24, 40, 90}));
  CHECK((episodes.steps == std::vector<std::int64_t>{20, 40, 90}));
  CHECK(episodes.judged == 95);
  CHECK(episodes.blind == 5);
  // The gap counts steps, not rows.
  CHECK(find_episodes("jump", run_with(100, {20, 22}, 5)).steps.size() == 2);
}

TEST_CASE("a rule with a window says for how many steps it was blind") {
  const Episodes episodes = find_episodes("olmo-core", run_with(400, {50, 200}));
  CHECK((episodes.steps == std::vector<std::int64_t>{200}));  // the first lies in the blind steps
  CHECK(episodes.blind == 128);
  CHECK(episodes.judged == 272);
  CHECK(find_episodes("llm.c", run_with(400, {200})).blind == 127);
  CHECK(find_episodes("olmo-core", run_with(60, {30})).judged == 0);
}

TEST_CASE("palm joins what lies within 500 steps of the last spike") {
  const LabelInput input = run_with(1500, {200, 600, 1300});
  CHECK((find_episodes("palm", input).steps == std::vector<std::int64_t>{200, 1300}));
  CHECK(find_episodes("olmo-core", input).steps.size() == 3);
}

TEST_CASE("every rule of the list has episodes, and another one is refused with the list") {
  for (const std::string& rule : episode_rules()) CHECK_NOTHROW(find_episodes(rule, run_with(300, {200})));
  CHECK_THROWS_AS(find_episodes("hard", run_with(300, {})), ConfigError);
}

}  // namespace precipice
