// SPDX-License-Identifier: Apache-2.0
// Every rule on series made by hand, whose answers follow from its definition with paper and pencil.
#include "metrics/divergence/labels.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <utility>

#include "tests/support/catch.h"
#include "tests/support/files.h"

namespace precipice {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Alternates between 2 - width and 2 + width: mean 2 and population sd `width` in every even window.
std::vector<double> wave(std::size_t count, double width = 0.01) {
  std::vector<double> values;
  for (std::size_t i = 0; i < count; ++i) values.push_back(2 + (i % 2 == 0 ? -width : width));
  return values;
}

LabelInput run_of(std::vector<double> loss, std::int64_t total = -1) {
  LabelInput input;
  for (std::size_t i = 0; i < loss.size(); ++i) input.steps.push_back(static_cast<std::int64_t>(i));
  input.loss = std::move(loss);
  input.total_steps = total < 0 ? static_cast<std::int64_t>(input.loss.size()) : total;
  return input;
}

Label label(const std::string& rule, const LabelInput& input) {
  return find_label_rule(rule)->apply(input);
}

// Of the rules that look for divergences and spikes in the series alone.
std::set<std::string> rules_that_say(Outcome outcome, const LabelInput& input) {
  std::set<std::string> names;
  for (const LabelRule& rule : label_rules()) {
    const bool is_of_series =
        !rule.needs_reference && rule.name != std::string("untrained") && rule.name != std::string("skipped");
    if (is_of_series && rule.apply(input).outcome == outcome) names.insert(rule.name);
  }
  return names;
}

const std::set<std::string> kAll{"divergence",      "hard", "olmo2", "olmo-core", "llm.c",
                                 "systems-scaling", "palm", "jump"};

}  // namespace

TEST_CASE("no rule finds anything in a quiet series, a constant one, or one that falls") {
  CHECK(rules_that_say(Outcome::No, run_of(wave(1500))) == kAll);
  CHECK(rules_that_say(Outcome::No, run_of(std::vector<double>(1500, 2.5))) == kAll);
  std::vector<double> falling;
  for (int i = 0; i < 1500; ++i) falling.push_back(2 + 2 * std::exp(-i / 200.0));
  CHECK(rules_that_say(Outcome::No, run_of(falling)) == kAll);
}

TEST_CASE("every rule finds a loss that jumps to 5 at step 700 and stays") {
  std::vector<double> loss = wave(1500);
  for (std::size_t i = 700; i < loss.size(); ++i) loss[i] += 3;
  const LabelInput input = run_of(loss);
  CHECK(rules_that_say(Outcome::Yes, input) == kAll);
  for (const std::string rule : {"olmo2", "olmo-core", "llm.c", "palm", "jump", "systems-scaling"})
    CHECK(label(rule, input).step == 700);
  // Means over 20 and 100 losses pass 2.5 with the 4th and the 17th high one: 3 k / n > 0.5.
  CHECK(label("divergence", input).step == 703);
  CHECK(label("hard", input).step == 716);
}

TEST_CASE("one spike that recovers is a spike and no divergence") {
  std::vector<double> loss = wave(1500);
  loss[700] = 5;
  const LabelInput input = run_of(loss);
  CHECK(rules_that_say(Outcome::Yes, input) ==
        std::set<std::string>{"olmo2", "olmo-core", "llm.c", "systems-scaling", "palm", "jump"});
  CHECK(label("divergence", input).outcome == Outcome::No);
  CHECK(label("hard", input).outcome == Outcome::No);
  // One of the 1500 - 128 losses that could be judged.
  CHECK(label("olmo-core", input).value == Approx(100.0 / 1372));
  CHECK(contains(label("olmo-core", input).reason, "loss 1/1372"));
  CHECK(contains(label("palm", input).reason, "1 episode; the first would restart at step 600"));
}

TEST_CASE("each threshold is the source's: just below is no spike and just above is one") {
  // Before the value at row 1000 every window of even length has mean 2 and sd 0.01.
  const auto outcome = [](const char* rule, double value) {
    std::vector<double> loss = wave(1200);
    loss[1000] = value;
    return label(rule, run_of(loss)).outcome;
  };
  CHECK(outcome("olmo-core", 2 + 0.0599) == Outcome::No);
  CHECK(outcome("olmo-core", 2 + 0.0601) == Outcome::Yes);
  CHECK(outcome("olmo-core", 2 - 0.9) == Outcome::No);  // one-sided
  CHECK(outcome("olmo2", 2 + 0.0699) == Outcome::No);
  CHECK(outcome("olmo2", 2 + 0.0701) == Outcome::Yes);
  CHECK(outcome("olmo2", 2 - 0.0701) == Outcome::Yes);  // two-sided
  CHECK(outcome("jump", 2.489) == Outcome::No);         // the 5 before it have a mean of 2.002 at most
  CHECK(outcome("jump", 2.503) == Outcome::Yes);
  // A step of the 100-loss mean: (new - the one 100 before) / 100, and that one was 1.99.
  CHECK(outcome("systems-scaling", 1.99 + 0.79) == Outcome::No);
  CHECK(outcome("systems-scaling", 1.99 + 0.81) == Outcome::Yes);
}

TEST_CASE("llm.c's window holds the new value, which bounds its z") {
  // 127 values of mean m and variance v and one at m + d: the 128 have mean m + d / 128 and squares 127 v + 127 d^2 /
  // 128, so z = 5 at d^2 = 25 v 128 / (127 - 25).
  const auto outcome = [](double factor) {
    std::vector<double> loss = wave(400);
    // Of the 127 values before row 300, 63 are low and 64 high, or so: take their own mean and variance.
    const double m = (63 * 1.99 + 64 * 2.01) / 127, v = 1e-4 - (m - 2) * (m - 2);
    loss[300] = m + factor * std::sqrt(25 * v * 128 / 102);
    return label("llm.c", run_of(loss)).outcome;
  };
  CHECK(outcome(0.999) == Outcome::No);
  CHECK(outcome(1.001) == Outcome::Yes);
}

TEST_CASE("NaN and infinity are found by every rule at their step, however early") {
  for (const double bad : {kNan, kInfinity}) {
    std::vector<double> loss = wave(1500);
    loss[1200] = bad;
    const LabelInput input = run_of(loss);
    for (const std::string rule : {"divergence", "hard", "olmo2", "olmo-core", "llm.c", "palm", "systems-scaling"}) {
      INFO(rule);
      CHECK(label(rule, input).outcome == Outcome::Yes);
      CHECK(label(rule, input).step == 1200);
    }
  }
  std::vector<double> early = wave(20);
  early[3] = kNan;
  CHECK(label("divergence", run_of(early)).step == 3);
  CHECK(label("olmo-core", run_of(early)).step == 3);
}

TEST_CASE("a jump at step 30 is a jump; the windowed rules say where they are blind instead of a bare no") {
  std::vector<double> loss = wave(400);
  loss[30] = 4;
  const LabelInput input = run_of(loss);
  CHECK(label("jump", input).step == 30);
  CHECK(label("olmo-core", input).outcome == Outcome::No);
  CHECK(contains(label("olmo-core", input).reason, "blind before row 128"));
  CHECK(contains(label("olmo2", input).reason, "blind before row 128"));
  CHECK(contains(label("systems-scaling", input).reason, "blind before row 100"));
}

TEST_CASE("a series shorter than a rule's window is undecided, not quiet") {
  const LabelInput input = run_of(wave(60));
  CHECK(rules_that_say(Outcome::Undecided, input) ==
        std::set<std::string>{"olmo2", "olmo-core", "llm.c", "systems-scaling", "palm"});
  CHECK(contains(label("olmo-core", input).reason, "60 steps, the rule needs 129"));
  CHECK(rules_that_say(Outcome::Undecided, run_of({})) == kAll);
}

TEST_CASE("a spike in warm-up is marked as such and is no divergence") {
  std::vector<double> loss = wave(400);
  for (std::size_t i = 40; i < 60; ++i) loss[i] = 4;  // twenty steps high, then back
  LabelInput input = run_of(loss);
  input.warmup_steps = 100;
  CHECK(label("divergence", input).outcome == Outcome::No);
  CHECK(label("jump", input).in_warmup);
  CHECK(contains(label("jump", input).reason, "in warm-up"));
  input.warmup_steps = 40;
  CHECK_FALSE(label("jump", input).in_warmup);
}

TEST_CASE("slow drift upwards is a divergence and no spike; drift that recovers is neither") {
  std::vector<double> drift = wave(2000, 0.05);
  for (std::size_t i = 1000; i < 2000; ++i) drift[i] += 0.001 * static_cast<double>(i - 1000);
  const LabelInput input = run_of(drift);
  CHECK(rules_that_say(Outcome::Yes, input) == std::set<std::string>{"divergence", "hard"});
  // The least mean is that of the first 5 losses, 1.99. The mean of 20 lags 9.5 steps: 2 + 0.001 (t - 1009.5) > 2.49.
  CHECK(label("divergence", input).step == 1500);
  std::vector<double> back = wave(2000, 0.05);
  for (std::size_t i = 0; i < 45; ++i) back[1000 + i] += 0.6;  // shorter than the patience of 50, above the margin
  CHECK(label("divergence", run_of(back)).outcome == Outcome::No);
}

TEST_CASE("hard divergence waits 2 percent of the run's steps") {
  std::vector<double> loss = wave(1500);
  for (std::size_t i = 700; i < 830; ++i) loss[i] += 3;
  // The 100-loss mean is above 2.5 from step 716 to 912: 197 steps.
  CHECK(label("hard", run_of(loss, 9800)).step == 716);  // patience 196
  CHECK(label("hard", run_of(loss, 9950)).outcome == Outcome::No);
}

TEST_CASE("PaLM's episodes join spikes within 500 steps of the last") {
  std::vector<double> loss = wave(3000);
  for (const std::size_t at : {200, 600, 1050, 2000}) loss[at] = 5;
  CHECK(label("palm", run_of(loss)).value == 2);
}

TEST_CASE("the gradient norm is judged as well, where it was logged") {
  LabelInput input = run_of(wave(400));
  CHECK(contains(label("olmo-core", input).reason, "grad norm not judged"));
  input.grad_norm = wave(400);
  input.grad_norm[350] = 9;
  CHECK(label("olmo-core", input).step == 350);
  CHECK(contains(label("olmo2", input).reason, "grad norm 1/272"));
}

TEST_CASE("a run that was stopped or goes on is undecided where the rest could change the answer") {
  std::vector<double> loss = wave(300);
  for (std::size_t i = 290; i < 300; ++i) loss[i] = 4;  // ten steps high when it was stopped
  LabelInput input = run_of(loss, 1000);
  input.stopped = true;
  CHECK(label("divergence", input).outcome == Outcome::Undecided);
  input.stopped = false, input.finished = false;
  CHECK(label("hard", input).outcome == Outcome::Undecided);
  CHECK(contains(label("hard", input).reason, "not ended"));
}

TEST_CASE("soft failure compares the final average with the band of the reference's seeds") {
  // The average of a constant is the constant, so limit = 2.1 + 3 x 0.1.
  const std::vector<double> reference{2.0, 2.1, 2.2};
  const auto at = [](double loss) { return run_of(std::vector<double>(300, loss)); };
  CHECK(soft_failure(at(2.39), false, reference).outcome == Outcome::No);
  CHECK(soft_failure(at(2.41), false, reference).outcome == Outcome::Yes);
  CHECK(soft_failure(at(2.41), false, reference).value == Approx(3.1));
  CHECK(soft_failure(at(2.0), true, reference).outcome == Outcome::Yes);
  CHECK(contains(soft_failure(at(2.0), false, std::vector<double>{2.0, 2.1}).reason, "n too small"));
  CHECK(soft_failure(at(2.0), false, std::vector<double>{2, 2, 2}).outcome == Outcome::Undecided);
  CHECK(soft_failure(at(kNan), false, reference).outcome == Outcome::Undecided);
  LabelInput running = at(2.5);
  running.finished = false;
  CHECK(soft_failure(running, false, reference).outcome == Outcome::Undecided);
}

TEST_CASE("the final average weighs recent losses and skips what is not finite") {
  std::vector<double> loss(1000, 4.0);
  std::fill(loss.begin() + 800, loss.end(), 2.0);
  loss[900] = kNan;
  // 999 finite losses, the last 199 of 2: what came before weighs 0.98^199 (1 - 0.98^800) of 1 - 0.98^999.
  const double before = std::pow(0.98, 199) * (1 - std::pow(0.98, 800)) / (1 - std::pow(0.98, 999));
  CHECK(final_average_loss(run_of(loss)) == Approx(2 + 2 * before).epsilon(1e-12));
  CHECK(final_average_loss(run_of({3.0})) == Approx(3.0).epsilon(1e-12));
}

TEST_CASE("a run is untrained where it ended without diverging and its final loss is not below the unigram entropy") {
  LabelInput input = run_of(wave(200));
  CHECK(label("untrained", input).outcome == Outcome::Undecided);  // the entropy is not known
  input.unigram_floor = 2.5;
  CHECK(label("untrained", input).outcome == Outcome::No);  // the mean of the last twenty losses is 2
  input.validation_loss = 2.5;
  const Label found = label("untrained", input);
  CHECK(found.outcome == Outcome::Yes);
  CHECK(found.step == 199);
  CHECK(found.value == 2.5);
  CHECK(found.reason == "final loss 2.5000, unigram entropy 2.5000");
  input.finished = false;
  CHECK(label("untrained", input).outcome == Outcome::Undecided);
  input.finished = true;
  input.loss.back() = kNan;
  CHECK(label("untrained", input).outcome == Outcome::No);
  CHECK(label("untrained", input).reason == "diverged");
}

TEST_CASE("a run is skipped where its loss scale left out half of its steps or more") {
  LabelInput input = run_of(wave(10));
  CHECK(label("skipped", input).outcome == Outcome::Undecided);
  input.skipped = {0, 1, 1, 1, 1, 0, 0, 0, 0, 0};
  CHECK(label("skipped", input).outcome == Outcome::No);
  input.skipped[9] = 1;
  const Label found = label("skipped", input);
  CHECK(found.outcome == Outcome::Yes);
  CHECK(found.step == 1);
  CHECK(found.value == 0.5);
  CHECK(found.reason == "skipped 5 of 10 steps");
}

}  // namespace precipice
