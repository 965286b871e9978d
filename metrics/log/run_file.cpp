// SPDX-License-Identifier: Apache-2.0
// The layout of run.h5, written and checked.
#include "metrics/log/run_file.h"

#include <algorithm>
#include <functional>
#include <set>

#include "metrics/hdf5/hdf5_file.h"
#include "metrics/hdf5/nexus_hints.h"
#include "precision/base/check.h"

namespace precipice {
namespace {

void describe(Hdf5Writer& file, const std::string& path, const std::string& units, const std::string& long_name) {
  file.attribute(path, "units", units);
  file.attribute(path, "long_name", long_name);
}

void write_scales(Hdf5Writer& file, const SeriesGroup& group, const std::vector<const SeriesRow*>& rows) {
  std::vector<std::int64_t> steps;
  for (const SeriesRow* row : rows) steps.push_back(row->step);
  const std::string step = "/" + group.name + "/step";
  file.write(step, steps, {steps.size()});
  describe(file, step, "steps", "training step");
  file.make_scale(step, "step");
  if (group.sites.empty()) return;
  const std::string site = "/" + group.name + "/site";
  file.write(site, group.sites);
  describe(file, site, "1", "place in the model");
  file.make_scale(site, "site");
  if (group.bins.empty()) return;
  const std::string bin = "/" + group.name + "/bin";
  file.write(bin, group.bins);
  describe(file, bin, "1", "floor(log2 |value|), or what else the value is");
  file.make_scale(bin, "bin");
}

void write_group(Hdf5Writer& file, const SeriesGroup& group, const std::vector<const SeriesRow*>& rows) {
  write_scales(file, group, rows);
  const std::size_t width = group.width();
  std::vector<std::uint64_t> shape{rows.size()};
  if (!group.sites.empty()) shape.push_back(group.sites.size());
  if (!group.bins.empty()) shape.push_back(group.bins.size());
  std::vector<double> values(rows.size() * width);
  for (std::size_t s = 0; s < group.series.size(); ++s) {
    for (std::size_t r = 0; r < rows.size(); ++r)
      std::copy_n(rows[r]->values.begin() + static_cast<std::ptrdiff_t>(s * width), width,
                  values.begin() + static_cast<std::ptrdiff_t>(r * width));
    const Series& series = group.series[s];
    const std::string path = "/" + group.name + "/" + series.name;
    file.write(path, values, shape);
    describe(file, path, series.units, series.long_name);
    file.attach_scale(path, "/" + group.name + "/step", 0);
    if (!group.sites.empty()) file.attach_scale(path, "/" + group.name + "/site", 1);
    if (!group.bins.empty()) file.attach_scale(path, "/" + group.name + "/bin", 2);
  }
  if (group.series.empty()) return;
  std::vector<std::string> axes(shape.size(), kNoAxis);
  axes.front() = kStepAxis;
  mark_as_figure(file, "/" + group.name, group.series.front().name, axes);
}

}  // namespace

std::string build_run_file(const RunSeries& series, const RunFileHeader& header) {
  std::vector<std::vector<const SeriesRow*>> rows_of(series.groups.size());
  for (const SeriesRow& row : series.rows) {
    PRECIPICE_CHECK(row.group < series.groups.size(), "group ", row.group);
    PRECIPICE_CHECK(row.values.size() == series.groups[row.group].row_width(), series.groups[row.group].name);
    rows_of[row.group].push_back(&row);
  }
  Hdf5Writer file;
  for (std::size_t g = 0; g < series.groups.size(); ++g) write_group(file, series.groups[g], rows_of[g]);
  file.write("/config", header.config_toml);
  if (!series.groups.empty()) open_on(file, series.groups.front().name);
  file.attribute("/", "schema_version", std::string(kRunFileSchema));
  for (const auto& [name, value] : header.text) file.attribute("/", name, value);
  for (const auto& [name, value] : header.integers) file.attribute("/", name, value);
  for (const auto& [name, value] : header.numbers) file.attribute("/", name, value);
  return file.finish();
}

namespace {

// The steps at which the journal has rows of a group.
std::vector<std::int64_t> steps_of(const RunSeries& journal, std::size_t group) {
  std::vector<std::int64_t> steps;
  for (const SeriesRow& row : journal.rows)
    if (row.group == group) steps.push_back(row.step);
  return steps;
}

void check_names(const Hdf5Reader& file, const std::string& file_name, const std::string& path,
                 const std::vector<std::string>& names, const char* what) {
  if (file.read_strings(path) != names)
    throw DataError(file_name + ": " + path + ": other " + what + " than the journal's");
}

// A journal may have lost its end with the power, while run.h5 was on the disk already.
constexpr std::size_t kMostStepsAhead = 100'000;

// Nothing is read before its extent is known to be no larger than the journal allows.
void check_group(const Hdf5Reader& file, const std::string& file_name, const SeriesGroup& group,
                 const std::vector<std::int64_t>& logged) {
  const std::string path = "/" + group.name;
  const std::vector<std::int64_t> steps = file.read_integers(path + "/step", logged.size() + kMostStepsAhead);
  if (std::adjacent_find(steps.begin(), steps.end(), std::greater_equal<>()) != steps.end())
    throw DataError(file_name + ": " + path + "/step: steps must rise");
  if (!std::equal(steps.begin(), steps.begin() + static_cast<std::ptrdiff_t>(std::min(steps.size(), logged.size())),
                  logged.begin()))
    throw DataError(file_name + ": " + path + "/step: other steps than the journal's");
  std::vector<std::uint64_t> shape{steps.size()};
  if (!group.sites.empty()) {
    check_names(file, file_name, path + "/site", group.sites, "sites");
    shape.push_back(group.sites.size());
  }
  if (!group.bins.empty()) {
    check_names(file, file_name, path + "/bin", group.bins, "bins");
    shape.push_back(group.bins.size());
  }
  for (const Series& series : group.series) {
    const std::string name = path + "/" + series.name;
    if (file.shape(name) != shape) throw DataError(file_name + ": " + name + ": not one value per step");
    file.read_doubles(name, steps.size() * group.width());
  }
}

}  // namespace

void check_run_file(const std::filesystem::path& path, const RunSeries& journal) {
  const Hdf5Reader file(path);
  const std::string schema = file.attribute_text("/", "schema_version");
  if (schema != kRunFileSchema)
    throw DataError(path.string() + ": schema version " + schema + "; this program reads " + kRunFileSchema);
  file.read_text("/config");
  std::set<std::string> known;
  for (std::size_t g = 0; g < journal.groups.size(); ++g) {
    check_group(file, path.string(), journal.groups[g], steps_of(journal, g));
    known.insert(journal.groups[g].name);
  }
  if (known.empty()) return;  // there is no journal to compare with
  for (const std::string& name : file.names("/"))
    if (!known.contains(name) && file.has("/" + name + "/step"))
      throw DataError(path.string() + ": /" + name + ": the journal has no such group");
}

}  // namespace precipice
