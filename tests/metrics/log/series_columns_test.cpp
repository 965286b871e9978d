// SPDX-License-Identifier: Apache-2.0
// Columns of a run are the same from run.h5 and from the journal, and a run.h5 that nobody vouches for is never opened.
#include "metrics/log/series_columns.h"

#include <cmath>
#include <set>
#include <utility>
#include <vector>

#include "metrics/log/journal.h"
#include "metrics/log/run_file.h"
#include "precision/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"

namespace precipice {
namespace {

RunSeries three_groups() {
  RunSeries series;
  series.groups = {{"metrics", {{"train_loss", "nats", "loss"}, {"grad_norm", "1", "norm"}}, {}},
                   {"tensors", {{"x_amax", "1", "amax"}, {"w_amax", "1", "amax"}}, {"h.0", "head"}},
                   {"histograms", {{"x", "elements", "x"}}, {"h.0", "head"}, {"zero", "-1", "0"}}};
  for (std::int64_t step = 0; step < 5; ++step) {
    const auto value = static_cast<double>(step);
    series.rows.push_back({0, step, {value, step == 3 ? std::nan("") : 10 + value}});
    if (step % 2 == 0) series.rows.push_back({1, step, {value, value + 0.1, value + 0.2, value + 0.3}});
    if (step == 4) series.rows.push_back({2, step, {1, 2, 3, 4, 5, 6}});
  }
  return series;
}

void write_journal(const std::filesystem::path& path, const RunSeries& series) {
  JournalWriter journal = JournalWriter::create(path.parent_path(), path.filename(), "id", series.groups);
  for (const SeriesRow& row : series.rows) journal.append(row.step, std::span(&row, 1));
}

bool equal(const SeriesColumns& a, const SeriesColumns& b) {
  if (a.size() != b.size()) return false;
  for (const auto& [name, group] : a) {
    const ColumnGroup& other = b.at(name);
    if (group.steps != other.steps || group.sites != other.sites || group.bins != other.bins ||
        group.series.size() != other.series.size())
      return false;
    for (const auto& [key, values] : group.series)
      for (std::size_t i = 0; i < values.size(); ++i)
        if (!(values[i] == other.series.at(key)[i] || (std::isnan(values[i]) && std::isnan(other.series.at(key)[i]))))
          return false;
  }
  return true;
}

}  // namespace

TEST_CASE("run.h5 and the journal give the same columns") {
  const RunSeries series = three_groups();
  TemporaryDirectory place;
  write_journal(place / kJournalFileName, series);
  const SeriesColumns from_file = parse_run_file(build_run_file(series, {"", {}, {}, {}}), "run.h5");
  RunStatus running;
  running.state = RunState::Running;
  const SeriesColumns from_journal = read_columns(place.path(), running);
  CHECK(equal(from_file, from_journal));
  CHECK(find_series(from_file, "metrics", "train_loss")->at(4) == 4);
  CHECK(*find_series(from_file, "tensors", "w_amax") == std::vector<double>{0.2, 0.3, 2.2, 2.3, 4.2, 4.3});
  CHECK(from_file.at("histograms").bins == std::vector<std::string>{"zero", "-1", "0"});
  CHECK(from_file.at("histograms").width() == 6);
  CHECK(*find_series(from_file, "histograms", "x") == std::vector<double>{1, 2, 3, 4, 5, 6});
  CHECK(find_series(from_file, "metrics", "missing") == nullptr);
  CHECK(find_series(from_file, "missing", "train_loss") == nullptr);
}

TEST_CASE("a run.h5 with another hash than the recorded one is left to the journal, or refused without one") {
  const RunSeries series = three_groups();
  TemporaryDirectory place;
  RunStatus done;
  done.state = RunState::Done;
  publish_run_file(place.path(), build_run_file(series, {"", {}, {}, {}}), done);
  CHECK(read_columns(place.path(), done).at("metrics").steps.size() == 5);
  write_text(place / kRunFileName, "not HDF5 at all");
  CHECK_THROWS_WITH(read_columns(place.path(), done), Catch::Contains("SHA-256"));
  write_journal(place / kJournalFileName, series);
  CHECK(read_columns(place.path(), done).at("metrics").steps.size() == 5);
}

TEST_CASE("what is chosen of a run's series is the same from run.h5 and from the journal") {
  const RunSeries series = three_groups();
  const std::string bytes = build_run_file(series, {"", {}, {}, {}});
  ColumnChoice labels, sites, values;
  labels.groups = {"metrics", "eval"};
  sites.most = SeriesRank::Site;
  values.meanings = false;
  const SeriesColumns all = columns_of(series);
  const std::vector<std::pair<ColumnChoice, std::vector<std::string>>> chosen{
      {labels, {"metrics"}}, {sites, {"metrics", "tensors"}}, {values, {"histograms", "metrics", "tensors"}}};
  for (const auto& [choice, names] : chosen) {
    SeriesColumns wanted;
    for (const std::string& name : names) wanted.emplace(name, all.at(name));
    CHECK(equal(parse_run_file(bytes, "run.h5", nullptr, choice), wanted));
    CHECK(equal(columns_of(series, choice), wanted));
  }
}

TEST_CASE("units and names are read of series whose meaning is not known, and of none where nobody asks") {
  const RunSeries series = three_groups();
  const std::string bytes = build_run_file(series, {"", {}, {}, {}});
  const SeriesColumns all = parse_run_file(bytes, "run.h5");
  CHECK(all.at("metrics").meanings.at("train_loss") == Series{"train_loss", "nats", "loss"});
  CHECK(all.at("tensors").meanings.size() == 2);
  const std::set<std::string> described{described_series("metrics", all.at("metrics"), "train_loss"),
                                        described_series("tensors", all.at("metrics"), "x_amax")};  // without sites
  ColumnChoice choice;
  choice.described = &described;
  const SeriesColumns rest = parse_run_file(bytes, "run.h5", nullptr, choice);
  CHECK(equal(rest, all));
  CHECK(rest.at("metrics").meanings.size() == 1);
  CHECK(rest.at("metrics").meanings.contains("grad_norm"));
  CHECK(rest.at("tensors").meanings.size() == 2);
  choice.meanings = false;
  for (const auto& [name, group] : parse_run_file(bytes, "run.h5", nullptr, choice)) CHECK(group.meanings.empty());
}

TEST_CASE("a group without rows has its series, empty, and what they mean") {
  RunSeries series = three_groups();
  std::erase_if(series.rows, [](const SeriesRow& row) { return row.group == 1; });
  const SeriesColumns columns = parse_run_file(build_run_file(series, {"", {}, {}, {}}), "run.h5");
  CHECK(equal(columns, columns_of(series)));
  CHECK(columns.at("tensors").series.at("w_amax").empty());
  CHECK(columns.at("tensors").sites == std::vector<std::string>{"h.0", "head"});
  CHECK(columns.at("tensors").meanings.at("w_amax").long_name == "amax");
}

TEST_CASE("a directory with neither file is bad data") {
  TemporaryDirectory place;
  CHECK_THROWS_AS(read_columns(place.path(), RunStatus{}), DataError);
}

}  // namespace precipice
