// SPDX-License-Identifier: Apache-2.0
// The layout of run.h5, written and checked.
#include "metrics/run_file.h"

#include <algorithm>

#include "metrics/hdf5_file.h"
#include "precision/check.h"

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
  file.attribute("/", "schema_version", std::string(kRunFileSchema));
  for (const auto& [name, value] : header.text) file.attribute("/", name, value);
  for (const auto& [name, value] : header.integers) file.attribute("/", name, value);
  for (const auto& [name, value] : header.numbers) file.attribute("/", name, value);
  return file.finish();
}

void check_run_file(const std::filesystem::path& path, const std::vector<SeriesGroup>& groups) {
  const Hdf5Reader file(path);
  const std::string schema = file.attribute_text("/", "schema_version");
  if (schema != kRunFileSchema)
    throw DataError(path.string() + ": schema version " + schema + "; this program reads " + kRunFileSchema);
  file.read_text("/config");
  for (const SeriesGroup& group : groups) {
    std::vector<std::uint64_t> shape{file.read_integers("/" + group.name + "/step").size()};
    if (!group.sites.empty()) {
      if (file.read_strings("/" + group.name + "/site") != group.sites)
        throw DataError(path.string() + ": /" + group.name + "/site: other sites than the journal's");
      shape.push_back(group.sites.size());
    }
    if (!group.bins.empty()) {
      if (file.read_strings("/" + group.name + "/bin") != group.bins)
        throw DataError(path.string() + ": /" + group.name + "/bin: other bins than the journal's");
      shape.push_back(group.bins.size());
    }
    for (const Series& series : group.series) {
      const std::string name = "/" + group.name + "/" + series.name;
      if (file.shape(name) != shape) throw DataError(path.string() + ": " + name + ": not one value per step");
    }
  }
}

}  // namespace precipice
