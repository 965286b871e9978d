// SPDX-License-Identifier: Apache-2.0
// Statistics and labels of sweeps made by hand, whose numbers can be counted, and of sweeps that are incomplete.
#include "experiments/statistics/sweep_statistics.h"

#include <set>

#include "experiments/index/sweep_index.h"
#include "experiments/statistics/compared_formats.h"
#include "experiments/statistics/sweep_statistics_text.h"
#include "experiments/status/power_report.h"
#include "experiments/warnings/label_report.h"
#include "metrics/hdf5/hdf5_file.h"
#include "metrics/statistics/power.h"
#include "tests/support/catch.h"
#include "tests/support/planted_sweep.h"

using namespace precipice;
using namespace precipice::test;

namespace {

// 8 seeds of bf16 and fp8 at two rates; at 1e-2 seeds 0 to 5 of fp8 diverge at step 100 + 10 seed; fp8 is 0.1 worse.
struct TwoFormats {
  TwoFormats() {
    write_planted_sweep(place.path(),
                        {"precision.recipe=bf16,fp8", "optimizer.lr=1e-3,1e-2", "seed=range(0,8)", "train.steps=200"},
                        [this](const SweepRun& run, std::size_t) {
                          const bool fp8 = run.config.precision.recipe == "fp8";
                          const std::int64_t seed = run.config.seed;
                          const bool falls = fp8 && run.config.optimizer.lr > 5e-3 && seed < 6;
                          Invented invented = quiet_run(random, 200, falls ? 100 + 10 * seed : -1);
                          invented.validation_loss = 2 + 0.01 * static_cast<double>(seed) + (fp8 ? 0.1 : 0);
                          return invented;
                        });
  }
  std::mt19937_64 random{1};
  TemporaryDirectory place;
};

const Json& cell_of(const Json& statistics, const char* format, double rate) {
  for (const Json& cell : statistics["cells"])
    if (cell["format"] == format && cell["learning_rate"] == rate) return cell;
  throw std::runtime_error(std::string("no cell of ") + format);
}

}  // namespace

TEST_CASE("a sweep's counts, curves, losses and comparisons are those counted by hand") {
  const TwoFormats sweep;
  const SweepData data = read_sweep_data(sweep.place.path());
  CHECK(data.formats == std::vector<std::string>{"bf16", "fp8"});
  CHECK(data.reference == "bf16");
  const auto found_statistics = sweep_statistics(data);
  const Json statistics = statistics_json(found_statistics);
  REQUIRE(statistics["cells"].size() == 4);
  const Json& cell = cell_of(statistics, "fp8", 1e-2);
  CHECK(cell["diverged"]["events"] == 6);
  CHECK(cell["diverged"]["trials"] == 8);
  // Survival 7/8, 6/8, 5/8, 4/8 at 100, 110, 120, 130: half have diverged at 130.
  CHECK(cell["survival"]["median"] == 130.0);
  CHECK(cell["survival"]["curve"][2]["survival"] == Approx(5.0 / 8));
  CHECK(cell["survival"]["curve"].back()["censored"] == 2);
  // Two losses of 2.16 and 2.17 and six runs without one, which stand behind every number.
  CHECK(cell["final_loss"]["n"] == 8);
  CHECK(cell["final_loss"]["diverged"] == 6);
  CHECK(cell["final_loss"]["median"] == "inf");
  CHECK(cell["final_loss"]["lowest"] == Approx(2.16));
  CHECK(cell_of(statistics, "bf16", 1e-3)["final_loss"]["median"] == Approx(2.035));

  const Json& pair = statistics["comparisons"]["divergence"][1];
  CHECK(pair["learning_rate"] == 1e-2);
  // Six pairs differ, all one way: 2 / 2^6, and two comparisons share the level.
  CHECK(pair["paired"] == true);
  CHECK(pair["counts"] == Json{{"both", 0}, {"only_first", 6}, {"only_second", 0}, {"neither", 2}});
  CHECK(pair["p"] == Approx(1.0 / 32).epsilon(1e-12));
  CHECK(pair["holm_p"] == Approx(1.0 / 16).epsilon(1e-12));
  CHECK(pair["verdict"] == "undecided");
  CHECK(
      contains(pair["sentence"],
               "6 of 8 runs of fp8 and 0 of 8 of bf16 diverged; of 8 pairs of one seed in 6 only it, in 0 only bf16"));
  CHECK(contains(pair["sentence"], "McNemar, exact, p = 0.031, "));
  CHECK(contains(pair["sentence"], " after Holm: undecided."));
  CHECK(statistics["comparisons"]["divergence"][0]["verdict"] == "undecided");
  CHECK(statistics["comparisons"]["survival"][0]["p"].is_null());
  CHECK(statistics["comparisons"]["survival"][1]["verdict"] == "sooner");
  // Who diverged first in the six seeds that say so: 2 / 2^6.
  CHECK(statistics["comparisons"]["survival"][1]["p"] == Approx(1.0 / 32).epsilon(1e-12));
  const Json& loss = statistics["comparisons"]["final_loss"][0];
  CHECK(loss["test"] == "paired t");
  CHECK(loss["effect"] == Approx(0.1));
  CHECK(loss["verdict"] == "higher");
  CHECK(loss["sign_p"] == Approx(2.0 / 256).epsilon(1e-12));  // 8 of 8 higher
  const Json& at_edge = statistics["comparisons"]["final_loss"][1];
  CHECK(at_edge["dropped"] == 6);
  CHECK(at_edge["effect"] == Approx(0.1));  // of the two seeds that have both losses
  CHECK(contains(at_edge["reason"], "6 pairs left out, a run having diverged"));

  const Json& sensitivity = statistics["lr_sensitivity"];
  // bf16 ends alike at both rates, so min(l) is the mean.
  CHECK(sensitivity[0]["mean"] == Approx(0).margin(1e-12));
  CHECK(sensitivity[1]["seeds"] == 8);
  // Six seeds lose (initial - final) / 2 each, which is (2.5 - 2.1 - 0.01 seed) / 2 or so, two lose nothing.
  CHECK(sensitivity[1]["mean"] == Approx(6 * (0.4 - 0.025) / 2 / 8).margin(0.02));  // noise of 0.02 in initial losses
  CHECK_FALSE(statistics_text(found_statistics).empty());
}

TEST_CASE("sweeps in which all, no or single runs diverge say why there is no number instead of a zero") {
  std::mt19937_64 random(7);
  const auto statistics_of = [&](const std::vector<std::string>& settings, std::int64_t falls_at) {
    TemporaryDirectory place;
    write_planted_sweep(place.path(), settings,
                        [&](const SweepRun&, std::size_t) { return quiet_run(random, 100, falls_at); });
    return sweep_statistics(read_sweep_data(place.path()));
  };
  const std::vector<std::string> grid = {"precision.recipe=bf16,fp8", "optimizer.lr=1e-3,1e-2", "seed=range(0,3)",
                                         "train.steps=100"};
  const auto found_all = statistics_of(grid, 20);
  const Json all = statistics_json(found_all);
  CHECK(all["lr_sensitivity"][0]["mean"].is_null());
  CHECK(all["lr_sensitivity"][0]["reason"] == "no run ended below its initial loss");
  const Json& times = all["comparisons"]["survival"][0];
  CHECK(times["verdict"] == "nothing can be said");
  CHECK(contains(times["sentence"], "n = 3 and 3) cannot be compared: no pair says which of both was first"));
  CHECK(all["comparisons"]["divergence"][0]["verdict"] == "undecided");
  CHECK(all["cells"][0]["diverged"]["events"] == 3);
  CHECK(contains(statistics_text(found_all), "seeds: 3, rates: 2): no run ended below its initial loss"));

  const auto found_none = statistics_of(grid, -1);
  const Json none = statistics_json(found_none);
  CHECK(none["lr_sensitivity"][0]["mean"].is_number());
  CHECK(contains(none["comparisons"]["survival"][0]["sentence"], "cannot be compared: no run had an event"));

  const auto found_single = statistics_of({"precision.recipe=bf16,fp8", "train.steps=100"}, -1);
  const Json single = statistics_json(found_single);
  CHECK(single["lr_sensitivity"][0]["mean"].is_null());
  CHECK(contains(single["lr_sensitivity"][0]["reason"], "one learning rate"));
  for (const char* kind : {"divergence", "final_loss"})
    CHECK(single["comparisons"][kind][0]["verdict"] == "n too small");
}

TEST_CASE("a sweep with runs missing, killed, damaged or unequal gives what it can and names the rest") {
  std::mt19937_64 random(2);
  TemporaryDirectory place;
  write_planted_sweep(place.path(), {"precision.recipe=bf16,fp8", "seed=range(0,4)", "train.steps=200"},
                      [&](const SweepRun&, std::size_t i) {
                        Invented run = quiet_run(random, i == 1 ? 120 : 200);
                        if (i == 1) run.state = RunState::Interrupted;
                        if (i == 2) return Invented{};  // never begun
                        return run;
                      });
  const SweepData before = read_sweep_data(place.path());
  // The HDF5 library never sees bytes that status.json does not vouch for.
  write_text(before.runs[3].directory / kRunFileName, "damaged");
  const SweepData data = read_sweep_data(place.path());
  CHECK(data.runs[3].problem.find("SHA-256") != std::string::npos);
  const auto found_statistics = sweep_statistics(data);
  const Json statistics = statistics_json(found_statistics);
  const Json& cell = statistics["cells"][0];
  CHECK(cell["runs"] == 4);
  CHECK(cell["diverged"]["trials"] == 1);
  CHECK(statistics["notes"].size() == 3);
  CHECK(statistics["comparisons"]["divergence"][0]["verdict"] == "n too small");
  CHECK(contains(statistics["notes"].dump(), "not begun"));
  const auto found_labels = label_report(data, "all");
  const Json labels = statistics_json(found_labels);
  CHECK(labels["labels"].size() == 8 * label_rules().size());
  CHECK(labels["counts"]["divergence"]["no"] == 5);
  CHECK(labels["counts"]["divergence"]["undecided"] == 3);
  CHECK_NOTHROW(build_index(data, found_statistics));
}

TEST_CASE("where no seeds match, two groups are compared, and every sentence says so") {
  const TwoFormats sweep;
  SweepData data = read_sweep_data(sweep.place.path());
  for (AnalysedRun& run : data.runs)
    if (run.format == "fp8") run.seeds = "1" + run.seeds + "0";
  const auto found_statistics = sweep_statistics(data);
  const Json statistics = statistics_json(found_statistics);
  const Json& pair = statistics["comparisons"]["divergence"][1];
  CHECK(pair["paired"] == false);
  // 6 of 8 against 0 of 8: two-sided 2 C(8,6) C(8,0) / C(16,6) = 56 / 8008.
  CHECK(pair["p"] == Approx(56.0 / 8008).epsilon(1e-12));
  CHECK(pair["holm_p"] == Approx(112.0 / 8008).epsilon(1e-12));
  CHECK(pair["verdict"] == "higher");
  CHECK(contains(pair["sentence"], "6 of 8 runs of fp8 and 0 of 8 of bf16 diverged: difference +75.0 points"));
  CHECK(contains(pair["sentence"], "no seeds match, so the runs are compared as two groups"));
  const Json& loss = statistics["comparisons"]["final_loss"][0];
  CHECK(loss["effect"] == Approx(0.1));
  // All 8 losses of one above the 8 of the other: 2 / C(16, 8).
  CHECK(loss["p"] == Approx(2.0 / 12870).epsilon(1e-12));
  CHECK(contains(loss["sentence"], "no seeds match"));
  CHECK(contains(statistics["comparisons"]["survival"][1]["reason"], "no seeds match"));
}

TEST_CASE("a lower loss of the survivors alone is no verdict, and an exact shift is said to be one") {
  const auto statistics_of = [](const std::function<Invented(bool fp8, std::int64_t seed, Invented quiet)>& invent) {
    std::mt19937_64 random{4};
    TemporaryDirectory place;
    write_planted_sweep(place.path(), {"precision.recipe=bf16,fp8", "seed=range(0,6)", "train.steps=50"},
                        [&](const SweepRun& run, std::size_t) {
                          return invent(run.config.precision.recipe == "fp8", run.config.seed, quiet_run(random, 50));
                        });
    return sweep_statistics(read_sweep_data(place.path())).comparisons.final_loss.front();
  };
  const auto lost = statistics_of([](bool fp8, std::int64_t seed, Invented run) {
    run.validation_loss = 2 + static_cast<double>(seed) / 64 - (fp8 ? 0.5 + static_cast<double>(seed) / 128 : 0);
    if (fp8 && seed == 0) run.diverged_at = 40, run.state = RunState::Diverged;
    return run;
  });
  CHECK(lost.pairwise->dropped == 1);
  CHECK(lost.holm_p < 1e-4);
  CHECK(lost.verdict == "undecided");
  CHECK(contains(lost.reason, "1 pair left out, a run having diverged; without them it would be lower"));
  // Binary fractions: every difference is the same number.
  const auto shifted = statistics_of([](bool fp8, std::int64_t seed, Invented run) {
    run.validation_loss = 2 + static_cast<double>(seed) / 64 + (fp8 ? 0.0625 : 0);
    return run;
  });
  CHECK(shifted.verdict == "higher");
  CHECK(contains(shifted.sentence, "every seed shifted by exactly +0.0625"));
  const auto equal = statistics_of([](bool, std::int64_t seed, Invented run) {
    run.validation_loss = 2 + static_cast<double>(seed) / 64;
    return run;
  });
  CHECK(equal.verdict == "equal");
}

TEST_CASE("intervals stand at Holm's level, so that they hold 0 exactly where nothing is decided") {
  // The same scatter within seeds, of standard deviation 0.0232, about these two differences to bf16.
  const auto losses_with = [](double fp8, double e8m3) {
    std::mt19937_64 random{9};
    TemporaryDirectory place;
    write_planted_sweep(place.path(), {"precision.recipe=bf16,fp8,e8m3", "seed=range(0,6)", "train.steps=50"},
                        [&](const SweepRun& run, std::size_t) {
                          const std::string& recipe = run.config.precision.recipe;
                          const double wobble = 0.01 * (static_cast<double>((run.config.seed * 5) % 7) - 3);
                          Invented invented = quiet_run(random, 50);
                          invented.validation_loss =
                              2 + (recipe == "bf16" ? 0 : wobble + (recipe == "fp8" ? fp8 : e8m3));
                          return invented;
                        });
    return sweep_statistics(read_sweep_data(place.path())).comparisons.final_loss;
  };
  const auto clear = losses_with(0.5, 0.019);
  CHECK(clear.at(0).confidence == Approx(0.975));
  CHECK(clear.at(1).confidence == Approx(0.95));
  // p = 0.035 alone, and the first of two is tested at 0.025: at 95 % the interval would not hold 0.
  const auto close = losses_with(0.0253, 0);
  CHECK(close.at(0).p < 0.05);
  CHECK(close.at(0).verdict == "undecided");
  CHECK(close.at(0).interval.low < 0);
  for (const auto& found : {clear, close})
    for (const LossComparison& pair : found) {
      INFO(pair.sentence);
      CHECK((pair.interval.low > 0) == (pair.verdict == "higher"));
    }
}

TEST_CASE("a format is compared with the one that differs in one key of the precision, all else equal") {
  std::mt19937_64 random{3};
  TemporaryDirectory place;
  write_planted_sweep(
      place.path(),
      {"precision.recipe=bf16,e8m3,e8m1", "precision.lm_head=recipe,fp32", "model.width=64,128", "train.steps=20"},
      [&](const SweepRun&, std::size_t) { return quiet_run(random, 20); });
  const SweepData data = read_sweep_data(place.path());
  std::set<std::string> found;
  for (const ComparedFormats& pair : compared_formats(data)) found.insert(pair.format + " / " + pair.reference);
  const auto name = [](const std::string& recipe, const std::string& head, int width) {
    return recipe + ", lm_head=" + head + ", width=" + std::to_string(width);
  };
  std::set<std::string> wanted;
  for (const int width : {64, 128}) {
    for (const std::string head : {"recipe", "fp32"})
      for (const std::string recipe : {"e8m3", "e8m1"})
        wanted.insert(name(recipe, head, width) + " / " + name("bf16", head, width));
    for (const std::string recipe : {"bf16", "e8m3", "e8m1"})
      wanted.insert(name(recipe, "fp32", width) + " / " + name(recipe, "recipe", width));
  }
  CHECK(found == wanted);
  // BF16 of the other width has nothing that differs from it in the precision alone, but its head.
  CHECK(formats_without_reference(data).empty());
}

TEST_CASE("where no key of the precision varies, every key is compared with the reference's value") {
  std::mt19937_64 random{3};
  TemporaryDirectory place;
  write_planted_sweep(place.path(), {"model.width=64,128,192", "train.steps=20"},
                      [&](const SweepRun&, std::size_t) { return quiet_run(random, 20); });
  const auto pairs = compared_formats(read_sweep_data(place.path()));
  REQUIRE(pairs.size() == 2);
  CHECK(pairs[1].format == "width=192");
  CHECK(pairs[1].reference == "width=64");
  CHECK(pairs[1].differs == std::vector<std::string>{"model.width"});
}

TEST_CASE("runs that learnt nothing are counted apart in every claim on divergence") {
  std::mt19937_64 random(8);
  TemporaryDirectory place;
  write_planted_sweep(place.path(), {"precision.recipe=bf16,fp8", "seed=range(0,5)", "train.steps=200"},
                      [&](const SweepRun& run, std::size_t) {
                        const bool diverges = run.config.precision.recipe == "fp8" && run.config.seed < 2;
                        Invented invented = quiet_run(random, 200, diverges ? 50 : -1);
                        if (run.config.precision.recipe == "bf16" && run.config.seed < 3)
                          invented.state = RunState::Untrained;
                        if (run.config.precision.recipe == "fp8" && run.config.seed == 4)
                          invented.state = RunState::Skipped;
                        return invented;
                      });
  const SweepData data = read_sweep_data(place.path());
  const auto found_all = sweep_statistics(data);
  const Json all = statistics_json(found_all);
  CHECK(all["cells"][0]["ended"] == 5);
  CHECK(all["cells"][0]["diverged"]["events"] == 0);
  CHECK(all["cells"][0]["untrained"] == 3);
  CHECK(all["cells"][1]["skipped"] == 1);
  const Json& pair = all["comparisons"]["divergence"][0];
  CHECK(pair["untrained"] == Json{0, 3});
  CHECK(contains(pair["sentence"],
                 "2 of 5 runs of fp8 and 0 of 5 of bf16 diverged (untrained: 0 and 3; skipped: 1 and 0)"));
  CHECK(
      contains(all["comparisons"]["survival"][0]["sentence"], "(n = 5 and 5) (untrained: 0 and 3; skipped: 1 and 0)"));
  // Diverged or learnt nothing: 3 of fp8 (seeds 0, 1, 4) and 3 of bf16 (0, 1, 2).
  const Json& failure = all["comparisons"]["failure"][0];
  CHECK(failure["events"] == Json{3, 3});
  CHECK(failure["counts"] == Json{{"both", 2}, {"only_first", 1}, {"only_second", 1}, {"neither", 1}});
  CHECK(all["cells"][0]["final_loss"]["n"] == 5);  // their losses are losses
  const auto found_labels = label_report(data, "divergence");
  const Json labels = statistics_json(found_labels);
  CHECK(contains(labels_text(found_labels), "divergence: 2 yes, 8 no (of them 3 untrained, 1 skipped), 0 undecided"));
  CHECK(contains(labels_text(found_labels), "none; skipped all"));
  const Hdf5Reader index(build_index(data, found_all), "index.h5");
  CHECK(index.read_integers("/cells/untrained") == std::vector<std::int64_t>{3, 0});
  CHECK(index.read_integers("/cells/skipped") == std::vector<std::int64_t>{0, 1});
}

TEST_CASE("labels of a stored run are recomputed and agree with what its status records") {
  const TwoFormats sweep;
  const SweepData data = read_sweep_data(sweep.place.path());
  const auto found_report = label_report(data, "divergence");
  const Json report = statistics_json(found_report);
  REQUIRE(report["labels"].size() == data.runs.size());
  for (std::size_t i = 0; i < data.runs.size(); ++i)
    CHECK(report["labels"][i]["step"] == data.runs[i].status.divergence_step);
  CHECK(report["counts"]["divergence"]["yes"] == 6);
  CHECK(contains(labels_text(found_report), "divergence: 6 yes, 26 no, 0 undecided"));
  CHECK_THROWS_WITH(label_report(data, "olmo-cor"), Catch::Contains("did you mean olmo-core?"));
  CHECK_THROWS_WITH(read_sweep_data(sweep.place.path(), "bf61"), Catch::Contains("did you mean bf16?"));
}

TEST_CASE("a seed of the reference is judged by its other seeds: one that ends a nat higher fails softly") {
  std::mt19937_64 random(6);
  const SweepData data = planted_data({"seed=range(0,5)", "train.steps=300"}, [&](const SweepRun& run, std::size_t) {
    Invented invented = quiet_run(random, 300);
    if (run.config.seed == 2)
      for (double& loss : invented.loss) loss += 1;
    return invented;
  });
  const auto found_report = label_report(data, "soft");
  const Json report = statistics_json(found_report);
  // With itself in the band, of mean 2.7 and sd 0.45, it would lie within 3 sd.
  for (std::size_t i = 0; i < 5; ++i) {
    INFO(report["labels"][i].dump());
    CHECK(report["labels"][i]["outcome"] == (i == 2 ? "yes" : "no"));
  }
}

TEST_CASE("index.h5 holds one value per run and per cell, and equal sweeps give equal bytes") {
  const TwoFormats sweep, again;
  const SweepData data = read_sweep_data(sweep.place.path());
  const std::string bytes = build_index(data, sweep_statistics(data));
  const SweepData other = read_sweep_data(again.place.path());
  CHECK(bytes == build_index(other, sweep_statistics(other)));
  const Hdf5Reader index(bytes, "index.h5");
  CHECK(index.read_strings("/runs/id").size() == 32);
  CHECK(index.shape("/metrics/train_loss") == std::vector<std::uint64_t>{32, 200});
  const Hdf5Reader run(sweep.place.path() / data.runs[0].id / "run.h5");
  for (const std::string name : {"units", "long_name"}) {
    CHECK(index.attribute_text("/metrics/train_loss", name) == run.attribute_text("/metrics/train_loss", name));
    CHECK(index.attribute_text("/metrics/grad_norm", name) == run.attribute_text("/metrics/grad_norm", name));
  }
  CHECK(index.attribute_text("/metrics/train_loss", "units") == "nats");
  CHECK(index.attribute_text("/metrics/step", "units") == "steps");
  // A group that no list of the program names; one that is called as a table of the index does not disturb it.
  CHECK(index.shape("/toy/twice_planted") == std::vector<std::uint64_t>{32, 200});
  CHECK(index.attribute_text("/toy/twice_planted", "units") == "toys");
  CHECK_FALSE(index.has("/cells/of_a_run"));
  CHECK(index.read_integers("/cells/diverged") == std::vector<std::int64_t>{0, 0, 0, 6});
  CHECK(index.read_doubles("/cells/wilson_low")[3] == Approx(wilson_interval({6, 8}).low));
  CHECK(index.read_integers("/runs/seed")[9] == 1);
  CHECK(index.read_doubles("/runs/optimizer.lr") == index.read_doubles("/metrics/lr"));
  CHECK(index.attribute_text("/", "default") == "metrics");
  CHECK(index.read_doubles("/survival/survival").size() == 3 + 7);  // three quiet cells, six divergences and the end
}

TEST_CASE("an index is stale as soon as a run of its sweep is new or has another run.h5") {
  const TwoFormats sweep;
  const auto& place = sweep.place.path();
  const SweepData data = read_sweep_data(place);
  write_file_atomic(place / kIndexFileName, build_index(data, sweep_statistics(data)));
  CHECK(make_report(place).index == IndexState::Current);
  const std::filesystem::path run = place / data.runs[3].id;
  const RunStatus before = read_status(run / kStatusFileName).value();
  RunStatus other = before;
  other.run_file_sha256 = std::string(64, 'a');
  write_status(run, other);
  CHECK(make_report(place).index == IndexState::Stale);
  write_status(run, before);
  CHECK(make_report(place).index == IndexState::Current);
  SweepRecord record = read_record(place).value();
  record.runs.push_back(record.runs.back());
  record.runs.back().id = "0123456789";
  write_record(place, record);
  CHECK(make_report(place).index == IndexState::Stale);
}

TEST_CASE("formats carry the labels of their values, and the reference is found behind its label") {
  const TwoFormats sweep;
  const auto& place = sweep.place.path();
  SweepRecord record = read_record(place).value();
  record.labels["precision.recipe"] = {{"bf16", "plain"}, {"fp8", "eight bits"}};
  write_record(place, record);
  const SweepData data = read_sweep_data(place);
  CHECK(data.formats == std::vector<std::string>{"plain", "eight bits"});
  CHECK(data.reference == "plain");
  CHECK(read_sweep_data(place, "eight bits").reference == "eight bits");
  const Hdf5Reader index(build_index(data, sweep_statistics(data)), "index.h5");
  CHECK(index.read_strings("/runs/precision.recipe")[0] == "bf16");
  CHECK(index.read_strings("/runs/precision.recipe.label")[0] == "plain");
  CHECK(index.read_strings("/metrics/precision.recipe.label")[0] == "plain");
  CHECK_FALSE(index.has("/runs/seed.label"));
}

TEST_CASE("the power line gives what n seeds can tell") {
  const auto line = [](const std::vector<std::string>& settings) {
    const Sweep sweep = make_sweep({}, read_assignments(settings));
    return power_line(sweep, expand_sweep(sweep));
  };
  const std::string eight = line({"precision.recipe=bf16,fp8", "seed=range(0,8)"});
  CHECK(contains(eight, "8 seeds a cell, 2 cells: "));
  const int percent = static_cast<int>(std::round(100 * detectable_proportion(0, 8)));
  CHECK(contains(eight, "0 % against " + std::to_string(percent) + " % diverged"));
  CHECK(
      contains(line({"precision.recipe=bf16,fp8", "seed=range(0,3)"}), "no difference in diverged runs can be shown"));
  CHECK(contains(line({"seed=range(0,3)"}), "nothing to compare"));
  CHECK(contains(line({"precision.recipe=bf16,fp8"}), "1 seed a cell"));
}
