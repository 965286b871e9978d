// SPDX-License-Identifier: Apache-2.0
// Verdicts over planted sweeps, whose differences are known, and every reason why a claim cannot be judged.
#include "experiments/claims/judge.h"

#include <algorithm>
#include <cmath>

#include "experiments/claims/claims_report.h"
#include "experiments/statistics/summaries.h"
#include "experiments/statistics/sweep_statistics.h"
#include "metrics/hdf5/hdf5_file.h"
#include "metrics/statistics/paired.h"
#include "tests/support/catch.h"
#include "tests/support/planted_sweep.h"

using namespace precipice;
using namespace precipice::test;

namespace {

// Final losses of bf16: 2 + 0.01 seed; of fp8 by `shift(seed)` more. At 1e-2 seeds 0 to 5 of fp8 diverge.
SweepData two_formats(const std::function<double(std::int64_t)>& shift, std::int64_t seeds = 8) {
  std::mt19937_64 random{1};
  return planted_data({"precision.recipe=bf16,fp8", "optimizer.lr=1e-3,1e-2",
                       "seed=range(0," + std::to_string(seeds) + ")", "train.steps=60"},
                      [&](const SweepRun& run, std::size_t) {
                        const bool fp8 = run.config.precision.recipe != "bf16";
                        const std::int64_t seed = run.config.seed;
                        Invented invented =
                            quiet_run(random, 60, fp8 && run.config.optimizer.lr > 5e-3 && seed < 6 ? 30 : -1);
                        invented.validation_loss = 2 + 0.01 * static_cast<double>(seed) + (fp8 ? shift(seed) : 0);
                        if (fp8 && seed % 2 == 0) invented.loss[40 < invented.loss.size() ? 40 : 20] += 2;
                        return invented;
                      });
}

Claim claim_of(const std::string& lines, std::int64_t n = 8) {
  return parse_claims("[[claim]]\nid = \"c\"\nsource = \"s\"\nsays = \"w\"\nliteral = true\nn = " + std::to_string(n) +
                          "\n" + lines,
                      "s.toml")
      .at(0);
}

const std::string kLoss = "metric = \"final_loss\"\ncompare = [\"fp8\", \"bf16\"]\nat = {\"optimizer.lr\" = 1e-3}\n";

JudgedClaim judged(const SweepData& data, const Claim& claim) {
  return judge_claims(data, {claim}).at(0);
}

double noisy_shift(std::int64_t seed) {
  return 0.05 + 0.002 * static_cast<double>(seed % 3);
}

}  // namespace

TEST_CASE("a paired claim on losses has the mean, interval and p of the differences within seeds") {
  const SweepData data = two_formats(noisy_shift);
  const JudgedClaim claim = judged(data, claim_of(kLoss + "direction = \"higher\"\nmargin = 0.02\n"));
  std::vector<double> d;
  for (int seed = 0; seed < 8; ++seed) d.push_back((2 + 0.01 * seed + noisy_shift(seed)) - (2 + 0.01 * seed));
  const PairedT test = paired_t(d, 0.02);
  CHECK(claim.verdict == Verdict::Reproduced);
  CHECK(claim.effect == Approx(test.mean));
  CHECK(claim.p == Approx(test.p));
  CHECK(claim.interval.low == Approx(test.interval.low));
  CHECK(claim.pairs == 8);
  std::string alias = kLoss;
  alias.replace(alias.find("fp8"), 3, "te-current");
  CHECK(judged(data, claim_of(alias + "direction = \"higher\"\nmargin = 0.02\n")).effect == claim.effect);
  REQUIRE(claim.beside);
  CHECK(claim.beside->sign_p == Approx(std::pow(2.0, -7)));
}

TEST_CASE("the words follow the interval: smaller than claimed, opposite, undecided, equivalent") {
  const SweepData data = two_formats(noisy_shift);
  CHECK(judged(data, claim_of(kLoss + "direction = \"higher\"\nmargin = 0.1\n")).verdict == Verdict::Smaller);
  CHECK(judged(data, claim_of(kLoss + "direction = \"lower\"\n")).verdict == Verdict::Opposite);
  CHECK(judged(data, claim_of(kLoss + "direction = \"equivalent\"\nmargin = 0.1\n")).verdict == Verdict::Equivalent);
  CHECK(judged(data, claim_of(kLoss + "direction = \"equivalent\"\nmargin = 0.01\n")).verdict ==
        Verdict::NotEquivalent);
  // 5 % of 2 is 0.1.
  CHECK(judged(data, claim_of(kLoss + "direction = \"equivalent\"\nmargin = \"5 %\"\n")).verdict ==
        Verdict::Equivalent);
  const JudgedClaim open = judged(two_formats([](std::int64_t seed) { return seed % 2 == 0 ? 0.05 : -0.04; }),
                                  claim_of(kLoss + "direction = \"higher\"\neffect = 0.05\n"));
  CHECK(open.verdict == Verdict::Undecided);
  CHECK(open.would_need == pairs_for_means(0.05 / 0.048107, 0.8, 0.05));  // of the claimed effect, not of the one seen
}

TEST_CASE("seeds that are all shifted alike are said to be") {
  const JudgedClaim claim =
      judged(two_formats([](std::int64_t) { return 0.0625; }, 8), claim_of(kLoss + "direction = \"higher\"\n", 2));
  CHECK(claim.verdict == Verdict::Reproduced);
  CHECK(claim.effect == Approx(0.0625));
}

TEST_CASE("a claim within a family is shown at Holm's level, so that word and number agree") {
  const SweepData data =
      two_formats([](std::int64_t seed) { return 0.03 + 0.03 * static_cast<double>(seed % 4) - 0.04; });
  const Claim alone = claim_of(kLoss + "direction = \"higher\"\n");
  std::vector<Claim> family;
  for (int i = 0; i < 6; ++i)
    family.push_back(claim_of(kLoss + "direction = \"higher\"\nfamily = \"f\"\n")),
        family.back().id += std::to_string(i);
  const JudgedClaim one = judged(data, alone), of_six = judge_claims(data, family).front();
  CHECK(one.p == of_six.p);
  CHECK(of_six.holm_p == Approx(std::min(1.0, 6 * one.p)));
  CHECK(of_six.interval.low < one.interval.low);
  CHECK((of_six.verdict == Verdict::Reproduced) == (of_six.holm_p <= 0.05));
}

TEST_CASE("divergences are counted in pairs, and losses of diverged runs enter no mean") {
  const SweepData data = two_formats(noisy_shift);
  const std::string at_edge = "compare = [\"fp8\", \"bf16\"]\nat = {\"optimizer.lr\" = 1e-2}\n";
  const JudgedClaim diverged = judged(data, claim_of("metric = \"diverged\"\ndirection = \"higher\"\n" + at_edge));
  CHECK(diverged.counts->only_first == 6);
  CHECK(diverged.counts->neither == 2);
  CHECK(diverged.p == Approx(std::pow(2.0, -5)));
  CHECK(diverged.verdict == Verdict::Reproduced);
  CHECK(diverged.effect == Approx(0.75));
  const JudgedClaim higher = judged(data, claim_of("metric = \"final_loss\"\ndirection = \"higher\"\n" + at_edge));
  CHECK(higher.dropped == 6);
  CHECK(higher.pairs == 2);
  // Lower by the two runs that lived: that would be survivorship.
  const JudgedClaim lower = judged(data, claim_of("metric = \"final_loss\"\ndirection = \"lower\"\n" + at_edge));
  CHECK(lower.verdict == Verdict::CannotBeJudged);
  CHECK(lower.reason.find("6 of 8 pairs") != std::string::npos);
  // By ranks a diverged run is the worst.
  const JudgedClaim ranks =
      judged(data, claim_of("metric = \"final_loss\"\ndirection = \"higher\"\ntest = \"signed-rank\"\n" + at_edge));
  CHECK(ranks.verdict == Verdict::Reproduced);
  CHECK(ranks.p == Approx(std::pow(2.0, -7)));
}

TEST_CASE("jumps are episodes over the steps that could be judged") {
  const SweepData data = two_formats(noisy_shift);
  const JudgedClaim claim = judged(data, claim_of("metric = \"jumps\"\ncompare = [\"fp8\", \"bf16\"]\nat = "
                                                  "{\"optimizer.lr\" = 1e-3}\ndirection = \"higher\"\n"));
  CHECK(std::isinf(claim.effect));  // four against none
  CHECK(claim.p == Approx(0.125));
  CHECK(claim.verdict == Verdict::Undecided);
  CHECK(claim.reason.find("blind for 80 of 960 steps") != std::string::npos);
  const JudgedClaim blind = judged(data, claim_of("metric = \"spikes:olmo-core\"\ncompare = [\"fp8\", \"bf16\"]\nat = "
                                                  "{\"optimizer.lr\" = 1e-3}\ndirection = \"higher\"\n"));
  CHECK(blind.verdict == Verdict::CannotBeJudged);
  CHECK(blind.reason.find("judges no step") != std::string::npos);
}

TEST_CASE(
    "a ratio of rates that is short of its margin and holds no difference is smaller than claimed, not opposite") {
  // 20 seeds with two jumps each in both formats: the ratio is 1, well short of 3.
  std::mt19937_64 random{5};
  const SweepData data = planted_data({"precision.recipe=bf16,fp8", "seed=range(0,20)", "train.steps=60"},
                                      [&](const SweepRun&, std::size_t) {
                                        Invented invented = quiet_run(random, 60);
                                        invented.loss[20] += 2, invented.loss[40] += 2;
                                        return invented;
                                      });
  const std::string jumps = "metric = \"jumps\"\ncompare = [\"fp8\", \"bf16\"]\n";
  const JudgedClaim higher = judged(data, claim_of(jumps + "direction = \"higher\"\nmargin = 2\n", 20));
  CHECK(higher.effect == Approx(1));
  CHECK(higher.interval.high < 3);
  CHECK(higher.verdict == Verdict::Smaller);
  CHECK(higher.p < 0.05);
  CHECK(judged(data, claim_of(jumps + "direction = \"lower\"\nmargin = 2\n", 20)).verdict == Verdict::Smaller);
  CHECK(judged(data, claim_of(jumps + "direction = \"higher\"\n", 20)).verdict == Verdict::Undecided);
}

TEST_CASE("series are compared by their means over steps, and in the order in which they leave") {
  std::mt19937_64 random{3};
  const SweepData data = planted_data({"precision.recipe=bf16,fp8", "seed=range(0,8)", "train.steps=100"},
                                      [&](const SweepRun& run, std::size_t) {
                                        Invented invented = quiet_run(random, 100);
                                        const bool fp8 = run.config.precision.recipe != "bf16";
                                        for (std::size_t i = 0; i < 100; ++i) {
                                          invented.signal[i] = 1 + (fp8 && i >= 40 ? 0.5 : 0);
                                          invented.loss[i] = 2 * (fp8 && i >= 70 ? 1.5 : 1);
                                        }
                                        return invented;
                                      });
  const std::string pair = "compare = [\"fp8\", \"bf16\"]\n";
  const JudgedClaim mean =
      judged(data, claim_of("metric = \"series:sharpness/planted@50:90\"\ndirection = \"higher\"\n" + pair));
  CHECK(mean.effect == Approx(0.5));
  CHECK(mean.verdict == Verdict::Reproduced);
  CHECK(mean.reason.find("shifted by exactly") != std::string::npos);
  const JudgedClaim order =
      judged(data, claim_of("metric = \"first_departure:sharpness/planted<metrics/train_loss\"\nwindow = 10\n" + pair));
  CHECK(order.effect == 1);
  CHECK(order.verdict == Verdict::Reproduced);
  CHECK(order.p == Approx(std::pow(2.0, -7)));
  CHECK(judged(data, claim_of("metric = \"first_departure:metrics/train_loss<sharpness/planted\"\nwindow = 10\nbands = "
                              "[0.98, 1.02, 0.9, 1.1]\n" +
                              pair))
            .verdict == Verdict::Opposite);
  CHECK(judged(data, claim_of("metric = \"series:sharpness/none@50:90\"\ndirection = \"higher\"\n" + pair))
            .reason.find("has no series") != std::string::npos);
}

TEST_CASE("runs are identical where every stored bit is, and the first series that differs is named") {
  const auto sweep = [](bool minus_zero) {
    return planted_data({"precision.recipe=bf16,fp8", "seed=range(0,3)", "train.steps=40"},
                        [=](const SweepRun& run, std::size_t) {
                          std::mt19937_64 random{static_cast<std::uint64_t>(run.config.seed)};
                          Invented invented = quiet_run(random, 40);
                          invented.signal[5] = minus_zero && run.config.precision.recipe != "bf16" ? -0.0 : 0.0;
                          return invented;
                        });
  };
  const std::string pair = "metric = \"identical\"\ncompare = [\"fp8\", \"bf16\"]\n";
  const JudgedClaim same = judged(sweep(false), claim_of(pair, 3));
  CHECK(same.verdict == Verdict::Identical);
  CHECK(same.reason.find("kept no weights") != std::string::npos);
  const JudgedClaim different = judged(sweep(true), claim_of(pair, 3));
  CHECK(different.verdict == Verdict::Different);
  CHECK(different.reason.find("sharpness/planted") != std::string::npos);
}

TEST_CASE("a claim that the sweep cannot answer says why in the verdict's place") {
  const SweepData data = two_formats(noisy_shift);
  const auto reason = [&](const std::string& lines, std::int64_t n = 8) {
    return judged(data, claim_of(lines, n)).reason;
  };
  const std::string head = "metric = \"final_loss\"\ndirection = \"higher\"\n";
  CHECK(reason(head + "compare = [\"e8m3\", \"bf16\"]\n").find("no axis has both") != std::string::npos);
  CHECK(reason(head + "compare = [\"fp8\", \"bf16\"]\n").find("\"at\" has to name one optimizer.lr") !=
        std::string::npos);
  CHECK(reason(head + "compare = [\"fp8\", \"bf16\"]\nat = {\"optimizer.lr\" = 3}\n")
            .find("no run has optimizer.lr = 3") != std::string::npos);
  CHECK(reason(head + "compare = [\"fp8\", \"bf16\"]\nat = {\"model.width\" = 3}\n").find("does not vary") !=
        std::string::npos);
  CHECK(reason(kLoss + "direction = \"higher\"\n", 9).find("the sweep has 8 seeds") != std::string::npos);
  SweepData unfinished = data;
  unfinished.runs.front().status.state = RunState::Running;
  CHECK(
      judged(unfinished, claim_of(kLoss + "direction = \"higher\"\n")).reason.find("1 of its 16 runs have not ended") !=
      std::string::npos);
  SweepData mixed = data;
  for (AnalysedRun& run : mixed.runs)
    run.inputs = {{"data.path", "x",
                   std::string(run.config.precision.recipe == "bf16" ? 64 : 64,
                               run.config.precision.recipe == "bf16" ? 'a' : 'b')}};
  CHECK(judged(mixed, claim_of(kLoss + "direction = \"higher\"\n")).reason.find("different files") !=
        std::string::npos);
}

TEST_CASE("runs that cannot be compared, or are too few, are said to be in the verdict's place") {
  const SweepData data = two_formats(noisy_shift);
  const auto reason = [](const SweepData& runs, const std::string& lines, std::int64_t n = 8) {
    Claim asked = claim_of(lines);
    asked.n = n;  // 1 only where a sweep was begun with fewer seeds: a file may not ask for it
    const JudgedClaim claim = judged(runs, asked);
    CHECK(claim.verdict == Verdict::CannotBeJudged);
    CHECK(std::isnan(claim.interval.low));
    return claim.reason;
  };
  const std::string higher = kLoss + "direction = \"higher\"\n";
  const std::string at_edge =
      "metric = \"final_loss\"\ncompare = [\"fp8\", \"bf16\"]\nat = {\"optimizer.lr\" = 1e-2}\ndirection = "
      "\"higher\"\n";
  // Of the seeds 0 to 5 every run of fp8 diverged.
  CHECK(contains(reason(data, at_edge, 6), "no pair has two numbers"));
  CHECK(contains(reason(data, higher, 1), "n is too small for an interval"));
  SweepData lengths = data, machines = data, half = data;
  for (AnalysedRun& run : lengths.runs)
    if (run.format != "bf16") run.config.train.steps = 80;
  CHECK(contains(reason(lengths, higher), "runs of 80 and of 60 steps are compared"));
  for (AnalysedRun& run : machines.runs) run.machine = run.format == "bf16" ? "A, avx2" : "B, avx512";
  CHECK(contains(reason(machines, higher), "seed 0 ran on different machines (B, avx512; A, avx2)"));
  // A file of an earlier version says nothing, which is no difference.
  for (AnalysedRun& run : half.runs) run.machine = run.format == "bf16" ? "A, avx2" : "";
  CHECK(judged(half, claim_of(higher)).verdict == Verdict::Reproduced);
  // Runs of one machine against runs of another, seed by seed, are each pair's own business.
  for (AnalysedRun& run : half.runs) run.machine = run.seeds == "0" ? "A, avx2" : "B, avx512";
  CHECK(judged(half, claim_of(higher)).verdict == Verdict::Reproduced);
}

TEST_CASE("the report says each claim in words and in JSON, with null for what has no number") {
  const SweepData data = two_formats(noisy_shift);
  std::vector<RegisteredClaim> claims;
  for (const std::string& lines :
       std::vector<std::string>{kLoss + "direction = \"higher\"\nmargin = 0.02\n",
                                "metric = \"final_loss\"\ndirection = \"higher\"\ncompare = [\"x\", \"y\"]\n"})
    claims.push_back({claim_of(lines), false, false});
  claims[0].claim.id = "good", claims[1].claim.id = "bad", claims[1].changed = true;
  const ClaimsReport report = claims_report(data, claims);
  const std::string text = to_text(report);
  CHECK(text.find("reproduced") != std::string::npos);
  CHECK(text.find("changed after its runs began") != std::string::npos);
  const Json json = to_json(report);
  CHECK(json["claims"][0]["verdict"] == "reproduced");
  CHECK(json["claims"][0]["effect"] == Approx(0.0518).margin(1e-3));
  CHECK(json["claims"][1]["verdict"] == "cannot be judged");
  CHECK(json["claims"][1]["effect"].is_null());
  const std::vector<IndexColumn> columns = index_columns(report);
  const auto column = [&](const std::string& name) -> const IndexColumn& {
    return *std::ranges::find(columns, "/claims/" + name, &IndexColumn::path);
  };
  CHECK(std::get<0>(column("id").values) == std::vector<std::string>{"good", "bad"});
  CHECK(std::get<0>(column("verdict").values) == std::vector<std::string>{"reproduced", "cannot be judged"});
  CHECK(std::get<1>(column("effect").values)[0] == Approx(report.judged[0].effect));
  CHECK(std::isnan(std::get<1>(column("p").values)[1]));
  CHECK(std::get<0>(column("standing").values)[1] == "changed after its runs began");
  const Hdf5Reader index(build_index(data, sweep_statistics(data), columns), "index.h5");
  CHECK(index.read_strings("/claims/verdict")[1] == "cannot be judged");
  CHECK(index.read_doubles("/claims/n") == std::vector<double>{8, 8});
  CHECK(index.attribute_text("/claims/cpu_seconds", "units") == "s");
  CHECK_NOTHROW(dump(json));
}
