// SPDX-License-Identifier: Apache-2.0
// The cubes and coordinates of index.h5, on runs of unequal length, steps and sites.
#include "experiments/index/index_series.h"

#include <cmath>

#include "experiments/index/index_coordinates.h"
#include "tests/support/catch.h"
#include "tests/support/planted_sweep.h"

using namespace precipice;
using namespace precipice::test;

namespace {

// Four runs, two of each recipe; `series(r)` are their groups.
template <class Series>
SweepData sweep_of(const Series& series) {
  SweepData data = planted_data({"precision.recipe=bf16,fp8", "optimizer.lr=1e-3,2"},
                                [](const SweepRun&, std::size_t) { return Invented{}; });
  for (std::size_t r = 0; r < data.runs.size(); ++r) data.runs[r].columns = columns_of(series(r));
  return data;
}

RunSeries at_steps(const std::vector<std::int64_t>& steps, double offset) {
  RunSeries series{{{"metrics", {{"train_loss", "nats", "loss"}}, {}}}, {}};
  for (const std::int64_t step : steps) series.rows.push_back({0, step, {offset + static_cast<double>(step)}});
  return series;
}

std::vector<std::int64_t> steps_of_run(std::size_t r) {
  const std::vector<std::vector<std::int64_t>> steps{{0, 1, 2, 3}, {0, 1}, {0, 2, 7}, {}};
  return steps[r];
}

}  // namespace

TEST_CASE("runs of unequal length and steps share one step axis, NaN where a run has no row") {
  const SweepData data =
      sweep_of([](std::size_t r) { return at_steps(steps_of_run(r), 100 * static_cast<double>(r)); });
  Hdf5Writer writer;
  CHECK(write_index_series(writer, data, {}).empty());
  const Hdf5Reader file(writer.finish(), "index.h5");
  const std::vector<std::int64_t> steps{0, 1, 2, 3, 7};
  CHECK(file.read_integers("/metrics/step") == steps);
  const std::vector<double> cube = file.read_doubles("/metrics/train_loss");
  for (std::size_t r = 0; r < 4; ++r)
    for (std::size_t s = 0; s < steps.size(); ++s) {
      INFO(r << " " << s);
      const double value = cube[r * steps.size() + s];
      const auto own = steps_of_run(r);
      if (std::find(own.begin(), own.end(), steps[s]) == own.end())
        CHECK(std::isnan(value));
      else
        CHECK(value == 100 * static_cast<double>(r) + static_cast<double>(steps[s]));
    }
  CHECK(file.attribute_text("/metrics/train_loss", "units") == "nats");
  CHECK(file.attribute_text("/metrics/train_loss", "coordinates") == "format lr seed precision.recipe optimizer.lr");
  CHECK(file.attribute_text("/metrics", "NX_class") == "NXdata");
  CHECK(file.attribute_text("/metrics", "signal") == "train_loss");
}

TEST_CASE("series of sites are cubes over every site that a run has") {
  const SweepData data = sweep_of([](std::size_t r) {
    RunSeries series{{{"tensors",
                       {{"amax", "1", "amax"}},
                       r == 1 ? std::vector<std::string>{"head", "up"} : std::vector<std::string>{"up", "down"}}},
                     {}};
    series.rows.push_back({0, static_cast<std::int64_t>(r), {static_cast<double>(r), 10 + static_cast<double>(r)}});
    return series;
  });
  Hdf5Writer writer;
  write_index_series(writer, data, {});
  const Hdf5Reader file(writer.finish(), "index.h5");
  CHECK(file.read_strings("/tensors/site") == std::vector<std::string>{"up", "down", "head"});
  CHECK(file.shape("/tensors/amax") == std::vector<std::uint64_t>{4, 4, 3});
  const std::vector<double> cube = file.read_doubles("/tensors/amax");
  const auto at = [&](std::size_t r, std::size_t step, std::size_t site) { return cube[(r * 4 + step) * 3 + site]; };
  CHECK(at(0, 0, 0) == 0);
  CHECK(at(0, 0, 1) == 10);
  CHECK(std::isnan(at(0, 0, 2)));
  CHECK(at(1, 1, 2) == 1);
  CHECK(at(1, 1, 0) == 11);
  CHECK(at(3, 3, 1) == 13);
  CHECK(std::isnan(at(3, 2, 1)));
}

TEST_CASE("groups that are too large are named and stay in the runs' own files") {
  const SweepData data = sweep_of([](std::size_t) {
    RunSeries series = at_steps({0, 1, 2}, 0);
    series.groups.push_back({"tensors", {{"amax", "1", "amax"}}, {"up"}});
    series.rows.push_back({1, 2, {1}});
    return series;
  });
  Hdf5Writer writer;
  CHECK(write_index_series(writer, data, {}, {12, 3}) ==
        std::set<std::string>{"tensors"});  // 4 runs x 3 steps, x 1 site
  const Hdf5Reader file(writer.finish(), "index.h5");
  CHECK(file.has("/metrics/train_loss"));
  CHECK_FALSE(file.has("/tensors"));
  Hdf5Writer smaller;
  CHECK(write_index_series(smaller, data, {"tensors"}, {11, 100}) == std::set<std::string>{"metrics"});
}

TEST_CASE("coordinates are numbers where all values are, and no name is there twice") {
  using Texts = std::vector<std::string>;
  CHECK(std::get<1>(numbers_or_texts({"0", "-12"})) == std::vector<std::int64_t>{0, -12});
  CHECK(std::get<2>(numbers_or_texts({"1e-3", "2"})) == std::vector<double>{1e-3, 2});
  for (const Texts& texts : {Texts{"0", "bf16"}, Texts{""}, Texts{"0/1"}, Texts{"true"}, Texts{"1 "}})
    CHECK(std::get<0>(numbers_or_texts(texts)) == texts);
  SweepData data = sweep_of([](std::size_t) { return RunSeries{}; });
  data.axes = {"lr", "two words"};
  std::vector<std::string> names;
  for (const RunCoordinate& coordinate : run_coordinates(data)) names.push_back(coordinate.name);
  CHECK(names == Texts{"format", "lr", "seed", "two words"});
  Hdf5Writer writer;
  CHECK(write_run_coordinates(writer, "/g", data, {"seed"}) == "format lr");
}
