// SPDX-License-Identifier: Apache-2.0
// When a run that went through all its steps is skipped, untrained or done.
#include "metrics/log/run_outcome.h"

#include <cmath>
#include <limits>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/files.h"

using namespace precipice;

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

RunState state_of(std::int64_t skipped, double loss, double floor = 4) {
  return outcome_of({60, skipped, loss, floor}).state;
}

}  // namespace

TEST_CASE("a run is untrained where its final loss is not below the unigram entropy of its data", "[outcome]") {
  CHECK(state_of(0, 3.999) == RunState::Done);
  CHECK(state_of(0, 4) == RunState::Untrained);
  CHECK(state_of(0, 4.1) == RunState::Untrained);
  CHECK(state_of(0, kInfinity) == RunState::Untrained);
  CHECK(state_of(0, kNan) == RunState::Untrained);
  CHECK(outcome_of({60, 0, 4.15, 4}).reason == "final loss 4.1500 is not below the unigram entropy 4.0000");
  CHECK(outcome_of({60, 0, 1, 4}).reason.empty());
  // What is not known calls no run untrained.
  CHECK(state_of(0, 4.1, kNan) == RunState::Done);
}

TEST_CASE("a run is skipped where half of its steps or more were left out, whatever its loss", "[outcome]") {
  CHECK(state_of(29, 1) == RunState::Done);
  CHECK(state_of(30, 1) == RunState::Skipped);
  CHECK(state_of(60, 4.1) == RunState::Skipped);
  CHECK(state_of(29, 4.1) == RunState::Untrained);
  CHECK(outcome_of({60, 60, 4.1, 4}).reason == "skipped 60 of 60 steps");
}

TEST_CASE("the final training loss is the mean of the last twenty, or of all there are", "[outcome]") {
  std::vector<double> losses(30, 9.0);
  for (std::size_t i = 10; i < 30; ++i) losses[i] = i % 2 == 0 ? 2 : 4;
  CHECK(final_training_loss(losses) == Approx(3));
  CHECK(final_training_loss(std::vector<double>{1, 2}) == Approx(1.5));
  CHECK(std::isnan(final_training_loss({})));
}

TEST_CASE("finished states are those with nothing left to train", "[outcome]") {
  for (const RunState state : {RunState::Done, RunState::Diverged, RunState::Untrained, RunState::Skipped})
    CHECK(is_finished(state));
  for (const RunState state :
       {RunState::Pending, RunState::Running, RunState::Failed, RunState::Interrupted, RunState::Stale})
    CHECK_FALSE(is_finished(state));
  CHECK(to_string(RunState::Untrained) == "untrained");
  CHECK(to_string(RunState::Skipped) == "skipped");
}

TEST_CASE("a status file of a version without skipped steps and unigram entropy is read", "[outcome]") {
  const TemporaryDirectory directory;
  RunStatus status;
  status.state = RunState::Skipped;
  status.skipped_steps = 60;
  status.unigram_floor = 4.125;
  write_status(directory.path(), status, "s");
  CHECK(read_status(directory / "s")->skipped_steps == 60);
  CHECK(read_status(directory / "s")->unigram_floor == 4.125);
  CHECK(read_status(directory / "s")->state == RunState::Skipped);
  std::string text = text_of(directory / "s");
  for (const std::string line : {"  \"unigram_floor\": 4.125,\n", "  \"skipped_steps\": 60,\n"}) {
    REQUIRE(text.find(line) != std::string::npos);
    text.erase(text.find(line), line.size());
  }
  write_text(directory / "s", text);
  CHECK(read_status(directory / "s")->skipped_steps == 0);
  CHECK(std::isnan(read_status(directory / "s")->unigram_floor));
}
