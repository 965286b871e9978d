// SPDX-License-Identifier: Apache-2.0
#include "metrics/log/series_columns.h"

#include <algorithm>

#include "metrics/files/files.h"
#include "metrics/hdf5/hdf5_file.h"
#include "metrics/log/journal.h"
#include "metrics/log/run_file.h"
#include "precision/base/check.h"

namespace precipice {
namespace {

ColumnGroup read_group(const Hdf5Reader& file, const std::string& name, const std::string& file_name,
                       const ColumnChoice& choice) {
  const std::string path = "/" + name;
  ColumnGroup group;
  group.steps = file.read_integers(path + "/step");
  if (!std::is_sorted(group.steps.begin(), group.steps.end()))
    throw DataError(file_name + ": " + path + "/step: steps must rise");
  if (file.has(path + "/site")) group.sites = file.read_strings(path + "/site");
  if (file.has(path + "/bin")) group.bins = file.read_strings(path + "/bin");
  const std::size_t size = group.steps.size() * group.width();
  for (const std::string& series : file.names(path)) {
    if (series == "step" || series == "site" || series == "bin") continue;
    const std::string where = path + "/" + series;
    // Half of a run's series have no rows: to open each only to find that out would take as long as the others.
    std::vector<double> values = group.steps.empty() ? std::vector<double>{} : file.read_doubles(where);
    if (values.size() != size) throw DataError(file_name + ": " + where + ": not one value per step");
    group.series.emplace(series, std::move(values));
    const bool is_known = choice.described && choice.described->contains(described_series(name, group, series));
    if (choice.meanings && !is_known && file.has_attribute(where, "units") && file.has_attribute(where, "long_name"))
      group.meanings[series] = {series, file.attribute_text(where, "units"), file.attribute_text(where, "long_name")};
  }
  return group;
}

// The processor, and the instruction sets of quantizers and of products, or the GPU and its library: what decides the order
// of sums.
std::string machine_of(const Hdf5Reader& file) {
  std::string text;
  for (const char* name : {"cpu_model", "isa", "onednn_isa", "gpu_model", "cublas_version"})
    if (file.has_attribute("/", name)) text += (text.empty() ? "" : ", ") + file.attribute_text("/", name);
  return text;
}

SeriesRank rank_of(bool sites, bool bins) {
  return bins ? SeriesRank::Bin : sites ? SeriesRank::Site : SeriesRank::Step;
}

bool is_named(const ColumnChoice& choice, const std::string& group) {
  return !choice.except.contains(group) && (choice.groups.empty() || choice.groups.contains(group));
}

}  // namespace

std::string described_series(const std::string& group, const ColumnGroup& columns, const std::string& series) {
  return group + (columns.sites.empty() ? "/" : "/site/") + series;
}

SeriesColumns columns_of(const RunSeries& series, const ColumnChoice& choice) {
  SeriesColumns columns;
  const auto is_wanted = [&choice](const SeriesGroup& group) {
    return is_named(choice, group.name) && rank_of(!group.sites.empty(), !group.bins.empty()) <= choice.most;
  };
  for (const SeriesGroup& group : series.groups) {
    if (!is_wanted(group)) continue;
    ColumnGroup& target = columns[group.name];
    target.sites = group.sites;
    target.bins = group.bins;
    for (const Series& s : group.series) {
      target.series[s.name];
      target.meanings[s.name] = s;
    }
  }
  for (const SeriesRow& row : series.rows) {
    const SeriesGroup& group = series.groups[row.group];
    if (!is_wanted(group)) continue;
    ColumnGroup& target = columns[group.name];
    const std::size_t width = group.width();
    target.steps.push_back(row.step);
    for (std::size_t s = 0; s < group.series.size(); ++s) {
      const auto first = row.values.begin() + static_cast<std::ptrdiff_t>(s * width);
      auto& values = target.series[group.series[s].name];
      values.insert(values.end(), first, first + static_cast<std::ptrdiff_t>(width));
    }
  }
  return columns;
}

SeriesColumns parse_run_file(std::string bytes, const std::string& name, std::string* machine,
                             const ColumnChoice& choice) {
  const Hdf5Reader file(std::move(bytes), name);
  if (machine) *machine = machine_of(file);
  SeriesColumns columns;
  for (const std::string& group : file.names("/")) {
    const std::string path = "/" + group;
    if (!is_named(choice, group) || !file.has(path + "/step")) continue;
    if (rank_of(file.has(path + "/site"), file.has(path + "/bin")) <= choice.most)
      columns.emplace(group, read_group(file, group, name, choice));
  }
  return columns;
}

SeriesColumns read_columns(const std::filesystem::path& run_dir, const RunStatus& status, std::string* machine,
                           const ColumnChoice& choice, std::string run_file) {
  const std::filesystem::path path = run_dir / kRunFileName, journal = run_dir / kJournalFileName;
  if (is_finished(status.state) && !run_file.empty())
    return parse_run_file(std::move(run_file), path.string(), machine, choice);
  if (is_finished(status.state) && is_there(path)) {
    std::string bytes = read_file(path, kMaxRunFileBytes);
    // The HDF5 library crashes on about one damaged file in a hundred.
    if (sha256_hex(bytes) == status.run_file_sha256)
      return parse_run_file(std::move(bytes), path.string(), machine, choice);
    if (!is_there(journal)) throw DataError(path.string() + ": its SHA-256 is not the one that status.json records");
  }
  if (!is_there(journal)) throw DataError(run_dir.string() + ": no run.h5 and no metrics.jnl");
  return columns_of(read_journal(journal).series, choice);
}

const std::vector<double>* find_series(const SeriesColumns& columns, const std::string& group,
                                       const std::string& name) {
  const auto found = columns.find(group);
  if (found == columns.end()) return nullptr;
  const auto series = found->second.series.find(name);
  return series == found->second.series.end() ? nullptr : &series->second;
}

}  // namespace precipice
