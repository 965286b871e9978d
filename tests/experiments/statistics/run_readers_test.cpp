// SPDX-License-Identifier: Apache-2.0
// Several processes that read a sweep's runs find what one finds, in the runs' order, whatever becomes of them.
#include "experiments/statistics/run_readers.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <signal.h>
#include <unistd.h>

#include <fstream>
#include <random>

#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/planted_sweep.h"

using namespace precipice;
using namespace precipice::test;
namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kSteps = 60;

// Nine runs: of three one diverged, one has a damaged run.h5, one was never begun; and one config is no TOML.
StatusReport mixed_sweep(const fs::path& directory) {
  std::mt19937_64 random(7);
  write_planted_sweep(directory,
                      {fmt::format("train.steps={}", kSteps), "optimizer.lr=1e-3,1e-2,1e-1", "seed=range(0,3)"},
                      [&random](const SweepRun&, std::size_t number) {
                        return number == 5 ? Invented() : quiet_run(random, kSteps, number % 3 == 1 ? 20 : -1);
                      });
  StatusReport report = list_runs(directory);
  write_text(report.runs[3].directory / "run.h5", "no HDF5");
  write_text(report.runs[6].directory / "config.toml", "= no TOML");
  return report;
}

std::vector<ReadRun> to_read(const StatusReport& report, std::size_t times = 1) {
  std::vector<ReadRun> runs;
  for (std::size_t i = 0; i < times; ++i)
    for (const ReportedRun& run : report.runs) runs.push_back({run.directory, run.id});
  return runs;
}

// All that there is to know of a run, as text.
std::string described(const AnalysedRun& run) {
  std::string text = run.directory.string() + " " + describe(run.status) + "\n" + run.problem + "\n" + run.machine +
                     "\n" + to_toml(run.config);
  for (const RunInput& input : run.inputs) text += input.key + input.path + input.sha256 + "\n";
  for (const auto& [name, group] : run.columns) {
    text += fmt::format("{} {} {} {}\n", name, fmt::join(group.steps, " "), fmt::join(group.sites, " "),
                        fmt::join(group.bins, " "));
    for (const auto& [series, values] : group.series) text += fmt::format("{} {}\n", series, fmt::join(values, " "));
    for (const auto& [series, m] : group.meanings) text += m.name + m.units + m.long_name + "\n";
  }
  return text;
}

std::vector<std::string> read_all(RunReaders& readers, std::size_t runs) {
  std::vector<std::string> all;
  for (std::size_t i = 0; i < runs; ++i) {
    AnalysedRun run;
    readers.read(run);
    all.push_back(described(run));
  }
  return all;
}

std::vector<pid_t> children() {
  std::ifstream file(fmt::format("/proc/self/task/{}/children", getpid()));
  std::vector<pid_t> pids;
  for (pid_t pid = 0; file >> pid;) pids.push_back(pid);
  return pids;
}

}  // namespace

TEST_CASE("runs are the same by one process and by several, those with problems among them") {
  const TemporaryDirectory place;
  const StatusReport report = mixed_sweep(place.path());
  for (const SeriesChoice choice : {SeriesChoice::Values, SeriesChoice::ForIndex, SeriesChoice::All})
    for (const std::set<std::string>& groups : {std::set<std::string>{}, statistics_groups()}) {
      // Of meanings each process keeps those of its first run: these are looked at where there is one.
      RunReaders alone(to_read(report), SeriesChoice::Values, groups, 1);
      const std::vector<std::string> expected = read_all(alone, report.runs.size());
      CHECK(expected[3].find("SHA-256") != std::string::npos);
      CHECK(expected[5].find("not begun") != std::string::npos);
      CHECK(expected[6].find("not TOML") != std::string::npos);
      for (const std::size_t processes : {2, 3, 20}) {
        RunReaders readers(to_read(report), SeriesChoice::Values, groups, processes);
        CHECK(read_all(readers, report.runs.size()) == expected);
      }
      RunReaders first(to_read(report), choice, groups, 1), of_two(to_read(report), choice, groups, 2);
      CHECK(read_all(first, 1) == read_all(of_two, 1));
    }
}

TEST_CASE("what killed processes had yet to read is read by the one that asks") {
  const TemporaryDirectory place;
  const StatusReport report = mixed_sweep(place.path());
  constexpr std::size_t kTimes = 40;  // more than pipes hold
  const std::vector<ReadRun> runs = to_read(report, kTimes);
  RunReaders alone(runs, SeriesChoice::Values, {}, 1);
  const std::vector<std::string> expected = read_all(alone, runs.size());
  const std::vector<pid_t> before = children();
  RunReaders readers(runs, SeriesChoice::Values, {}, 3);
  std::vector<std::string> found = read_all(readers, 10);
  CHECK(children().size() == before.size() + 3);
  for (const pid_t pid : children())
    if (std::find(before.begin(), before.end(), pid) == before.end()) kill(pid, SIGKILL);
  for (std::string& run : read_all(readers, runs.size() - 10)) found.push_back(std::move(run));
  CHECK(found == expected);
}

TEST_CASE("no process is left when readers are done with before all is read") {
  const TemporaryDirectory place;
  const StatusReport report = mixed_sweep(place.path());
  const std::size_t before = children().size();
  {
    RunReaders readers(to_read(report, 40), SeriesChoice::Values, {}, 2);
    read_all(readers, 3);
  }
  CHECK(children().size() == before);
}
