// SPDX-License-Identifier: Apache-2.0
// What a run has logged, by column: from run.h5 where the run has ended and status.json vouches for the file, otherwise
// from the journal, which is ahead of run.h5 while a run goes on and is needed for a run that was killed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "metrics/log/series.h"
#include "metrics/log/status_file.h"

namespace precipice {

struct ColumnGroup {
  std::vector<std::int64_t> steps;
  std::vector<std::string> sites;                     // empty: one value per step
  std::map<std::string, std::vector<double>> series;  // row-major (step, site, bin)
  std::vector<std::string> bins{};                    // empty: one value per step and site
  std::map<std::string, Series> meanings{};           // by the series' name; none in a file without attributes
  // Values of one series at a step.
  std::size_t width() const { return (sites.empty() ? 1 : sites.size()) * (bins.empty() ? 1 : bins.size()); }
  // Of all series.
  std::size_t values() const { return steps.size() * width() * series.size(); }
};
using SeriesColumns = std::map<std::string, ColumnGroup>;  // by the group's name

// How many dimensions a group may have to be read: series of one value a step, of one a step and site, or all.
enum class SeriesRank { Step, Site, Bin };

// What is wanted of a run's series.
struct ColumnChoice {
  SeriesRank most = SeriesRank::Bin;
  std::set<std::string> groups{};  // by name; empty: all
  std::set<std::string> except{};  // of these none
  bool meanings = true;            // of the series: their units and long names
  // Series, as described_series names them, whose meaning is known from another run: it is not read again, which would
  // take as long as the values. Null: none is known.
  const std::set<std::string>* described = nullptr;
};

SeriesColumns columns_of(const RunSeries& series, const ColumnChoice& choice = {});

// From run.h5's bytes (`name` is for messages): every group of it with a `step`. Of a group without rows no more than the
// names and meanings is read. Throws DataError on any other layout.
// `machine`: what the run computed on, "AMD EPYC 9R14, avx512, avx512_core_bf16"; "" where the file does not say.
SeriesColumns parse_run_file(std::string bytes, const std::string& name, std::string* machine = nullptr,
                             const ColumnChoice& choice = {});

// Throws DataError when neither file can be read; run.h5 is opened only if its SHA-256 is the recorded one. `run_file`: its
// bytes, where somebody has read them and seen that (status_doubt.h); else empty.
SeriesColumns read_columns(const std::filesystem::path& run_dir, const RunStatus& status,
                           std::string* machine = nullptr, const ColumnChoice& choice = {}, std::string run_file = "");

// The name under which ColumnChoice knows a series. Groups with and without sites are not one, whatever they are called.
std::string described_series(const std::string& group, const ColumnGroup& columns, const std::string& series);

// The series, or nothing where the run has none of this name.
const std::vector<double>* find_series(const SeriesColumns& columns, const std::string& group, const std::string& name);

}  // namespace precipice
