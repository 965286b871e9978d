// SPDX-License-Identifier: Apache-2.0
// The list of probes against what stands in run.h5, and a probe that only this file knows.
#include "train/probes/all_probes.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "metrics/files/files.h"
#include "metrics/log/run_file.h"
#include "metrics/log/series_columns.h"
#include "tests/support/catch.h"
#include "tests/support/made_run.h"
#include "train/data/open_tokens.h"
#include "train/estimates/log_size.h"
#include "train/run/model_weights.h"
#include "train/run/trainer.h"

using namespace precipice;
using test::MadeRun;
using test::tiny_config;

namespace {

constexpr std::int64_t kSteps = 5;

// Every interval at 0 but for the named one.
std::vector<std::string> settings_with(const std::string& interval, std::vector<std::string> settings) {
  for (const MetricInterval& one : metric_intervals())
    settings.push_back("metrics." + one.name + "_every=" + (one.name == interval || interval == "all" ? "2" : "0"));
  return settings;
}

std::vector<std::string> short_run() {
  return {"train.steps=" + std::to_string(kSteps), "precision.recipe=fp8", "model.layers=1", "train.eval_every=0"};
}

SeriesColumns run_file_of(const MadeRun& run) {
  const auto path = run.path() / kRunFileName;
  return parse_run_file(read_file(path, kMaxRunFileBytes), path.string());
}

// NaN equals NaN.
bool same_series(const std::vector<double>& a, const std::vector<double>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0;
}

// The largest weight after the update, and how often the pass showed an operand x before it was quantized.
class ToyProbe : public Probe, private QuantizationObserver {
 public:
  explicit ToyProbe(const RunConfig& config)
      : Probe(config, "toy",
              {"toy", {{"largest_weight", "1", "largest weight"}, {"operands_seen", "operands", "seen of x"}}, {}}) {}

  void before_forward(ForwardRequest& request) override {
    seen_ = 0;
    request.operands.push_back(this);
  }
  void after_update(const ProbedStep& step, const UpdateResult&, ProbeRow& row) override {
    double largest = 0;
    for (const NamedParameter& parameter : step.model.parameters())
      largest = std::max(largest, parameter.value.detach().abs().max().item<double>());
    row = {largest, seen_};
  }

 private:
  void observe(std::size_t, Slot, const EventCounts&) override {}
  void see(std::size_t, Slot slot, const at::Tensor&) override { seen_ += slot == Slot::FpropX; }

  double seen_ = 0;
};

void add_toy(const RunConfig& config, const ModelPlaces&, Probes& probes) {
  probes.push_back(std::make_unique<ToyProbe>(config));
}

// Of a run after `steps` updates, without any probe.
double largest_weight_after(std::int64_t steps) {
  const RunConfig config = tiny_config(settings_with("none", short_run()));
  const auto tokens = open_tokens(config);
  Trainer trainer(config, *tokens);
  while (trainer.steps_done() < steps) trainer.step();
  double largest = 0;
  for (const NamedArray& array : trainer.checkpoint("id").arrays)
    if (array.name.starts_with("p."))
      for (const float value : array.values) largest = std::max(largest, std::abs(double{value}));
  return largest;
}

}  // namespace

TEST_CASE("every group of run.h5 has the sites, the series and the values of the probe that it is named after") {
  const MadeRun together(settings_with("all", short_run()));
  const SeriesColumns columns = run_file_of(together);
  const auto tokens = open_tokens(together.config);
  const auto model = make_model(together.config, tokens->vocabulary());
  const Probes probes = all_probes(together.config, places_of(*model));
  CHECK(columns.size() == 2 + probes.size());  // metrics, eval
  std::map<std::string, SeriesColumns> alone;  // by interval
  for (const auto& probe : probes) {
    if (!alone.contains(probe->interval()))
      alone[probe->interval()] = run_file_of(MadeRun(settings_with(probe->interval(), short_run())));
    const SeriesGroup& group = probe->group();
    INFO(group.name);
    const ColumnGroup& found = columns.at(group.name);
    CHECK(found.steps == std::vector<std::int64_t>{0, 2, 4});
    CHECK(found.sites == group.sites);
    CHECK(found.series.size() == group.series.size());
    for (const Series& series : group.series) {
      INFO(series.name);
      CHECK(found.meanings.at(series.name) == series);
      CHECK(
          same_series(found.series.at(series.name), alone.at(probe->interval()).at(group.name).series.at(series.name)));
    }
  }
}

TEST_CASE("no two probes have a group of one name, and every interval is that of a probe") {
  const Probes probes = planned_probes(tiny_config(settings_with("all", {})));
  std::set<std::string> groups{"metrics", "eval"}, used, known;
  for (const auto& probe : probes) {
    CHECK(groups.insert(probe->group().name).second);
    used.insert(probe->interval());
  }
  for (const MetricInterval& interval : metric_intervals()) CHECK(known.insert(interval.name).second);
  CHECK(used == known);
}

TEST_CASE("an interval at zero leaves its groups in run.h5 without rows, and no_probes sets them all") {
  const SeriesColumns columns = run_file_of(MadeRun(settings_with("sam", short_run())));
  for (const auto& [name, group] : columns) {
    INFO(name);
    CHECK(group.steps.empty() == (name != "metrics" && name != "eval" && name != "sam"));
  }
  RunConfig config = tiny_config();
  config.metrics = no_probes();
  for (const auto& probe : planned_probes(config)) CHECK(probe->every() == 0);
}

TEST_CASE("a probe that is added gets its key, its group and its values in run.h5, and changes no other") {
  CHECK_THROWS_WITH(tiny_config({"metrics.toy_every=2"}), Catch::Contains("metrics.toy_every"));
  const MadeRun without(short_run());
  {
    const AddedInterval interval({"toy", 0, "Steps between toys; 0: never."});
    const AddedProbe probe(add_toy);
    std::vector<std::string> settings = short_run();
    settings.push_back("metrics.toy_every=2");
    const MadeRun run(settings);
    const SeriesColumns columns = run_file_of(run), others = run_file_of(without);
    const ColumnGroup& toy = columns.at("toy");
    REQUIRE(toy.steps == std::vector<std::int64_t>{0, 2, 4});
    CHECK(toy.meanings.at("operands_seen") == Series{"operands_seen", "operands", "seen of x"});
    for (std::size_t i = 0; i < toy.steps.size(); ++i) {
      CHECK(toy.series.at("largest_weight")[i] == largest_weight_after(toy.steps[i] + 1));
      // One layer: qkv, the two products of attention, proj, up, down; and the head.
      CHECK(toy.series.at("operands_seen")[i] == 7);
    }
    for (const auto& [name, group] : others) {
      INFO(name);
      for (const auto& [series, values] : group.series) CHECK(same_series(columns.at(name).series.at(series), values));
    }
    // What a plan says of the run knows it as well.
    const LoggedGroup planned = logged_groups(run.config).back();
    CHECK(planned.name == "toy");
    CHECK(planned.row_width == 2);
    CHECK(planned.rows == 3.5);
  }
  CHECK_THROWS_WITH(tiny_config({"metrics.toy_every=2"}), Catch::Contains("metrics.toy_every"));
}

TEST_CASE("a probe that names no interval of the list is a mistake of the program") {
  CHECK_THROWS_AS(ToyProbe(tiny_config()), std::logic_error);
}
