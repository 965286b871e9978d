// SPDX-License-Identifier: Apache-2.0
#include "experiments/index/index_series.h"

#include <algorithm>
#include <map>
#include <vector>

#include "experiments/index/index_coordinates.h"
#include "metrics/hdf5/nexus_hints.h"
#include "precision/base/special_numbers.h"

namespace precipice {
namespace {

// What the runs have in a group, together.
struct GroupShape {
  std::vector<std::int64_t> steps;                // rising
  std::vector<std::string> sites;                 // in the order of their first run
  std::map<std::string, std::size_t> site_index;  // of sites
  std::map<std::string, Series> series;           // by name; without units where no run says them
  bool has_bins = false;
  bool has_sites = false;

  std::size_t width() const { return has_sites ? sites.size() : 1; }
  std::size_t values(std::size_t runs) const { return runs * steps.size() * width() * series.size(); }
};

// A run's own group where it is one value a step (and site) as that of the others.
const ColumnGroup* group_of(const AnalysedRun& run, const std::string& name, bool has_sites) {
  const auto found = run.columns.find(name);
  const bool fits = found != run.columns.end() && run.ended() && found->second.bins.empty() &&
                    found->second.sites.empty() != has_sites;
  return fits ? &found->second : nullptr;
}

void add_steps(std::vector<std::int64_t>& all, const std::vector<std::int64_t>& own) {
  if (own.size() <= all.size() && std::equal(own.begin(), own.end(), all.begin())) return;
  std::vector<std::int64_t> both;
  std::set_union(all.begin(), all.end(), own.begin(), own.end(), std::back_inserter(both));
  all = std::move(both);
}

std::map<std::string, GroupShape> shapes_of(const SweepData& data, const std::set<std::string>& reserved) {
  std::map<std::string, GroupShape> shapes;
  for (const AnalysedRun& run : data.runs) {
    if (!run.ended()) continue;
    for (const auto& [name, group] : run.columns) {
      if (reserved.contains(name)) continue;
      GroupShape& shape = shapes[name];
      if (shape.series.empty()) shape.has_sites = !group.sites.empty();
      shape.has_bins |= !group.bins.empty();
      if (shape.has_sites == group.sites.empty()) continue;
      add_steps(shape.steps, group.steps);
      for (const std::string& site : group.sites)
        if (shape.site_index.emplace(site, shape.sites.size()).second) shape.sites.push_back(site);
      for (const auto& [series, values] : group.series) {
        const auto meaning = group.meanings.find(series);
        const bool is_known = meaning != group.meanings.end();
        Series& known = shape.series.try_emplace(series, Series{series, "", ""}).first->second;
        if (known.units.empty() && is_known) known = meaning->second;
      }
    }
  }
  return shapes;
}

// Row-major (run, step, site), NaN where a run has no row or no such site. Into memory that is there: fresh pages take
// as long as what is written to them.
void fill_cube(const SweepData& data, const std::string& name, const GroupShape& shape, const std::string& series,
               std::vector<double>& cube) {
  const std::size_t width = shape.width(), row = shape.steps.size() * width;
  cube.assign(data.runs.size() * row, kNaN);
  for (std::size_t r = 0; r < data.runs.size(); ++r) {
    const ColumnGroup* group = group_of(data.runs[r], name, shape.has_sites);
    if (group == nullptr || !group->series.contains(series)) continue;
    const std::vector<double>& own = group->series.at(series);
    std::vector<std::size_t> sites;
    for (const std::string& site : group->sites) sites.push_back(shape.site_index.at(site));
    if (sites.empty()) sites.push_back(0);
    std::size_t at = 0;
    for (std::size_t s = 0; s < group->steps.size(); ++s) {
      while (shape.steps[at] != group->steps[s]) ++at;
      for (std::size_t k = 0; k < sites.size(); ++k) cube[r * row + at * width + sites[k]] = own[s * sites.size() + k];
    }
  }
}

void write_group(Hdf5Writer& file, const SweepData& data, const std::string& name, const GroupShape& shape) {
  const std::string path = "/" + name;
  std::vector<std::string> names{"step", "site"};
  for (const auto& [series, meaning] : shape.series) names.push_back(series);
  const std::string coordinates = write_run_coordinates(file, path, data, names);
  file.write(path + "/step", shape.steps, {shape.steps.size()});
  file.attribute(path + "/step", "units", std::string("steps"));
  file.attribute(path + "/step", "long_name", std::string("training step"));
  file.make_scale(path + "/step", "step");
  std::vector<std::uint64_t> extents{data.runs.size(), shape.steps.size()};
  std::vector<std::string> axes{kNoAxis, kStepAxis};
  if (shape.has_sites) {
    file.write(path + "/site", shape.sites);
    file.attribute(path + "/site", "long_name", std::string("place in the model"));
    file.make_scale(path + "/site", "site");
    extents.push_back(shape.sites.size());
    axes.emplace_back(kNoAxis);
  }
  std::vector<double> cube;
  for (const auto& [series, meaning] : shape.series) {
    const std::string of_series = path + "/" + series;
    fill_cube(data, name, shape, series, cube);
    file.write(of_series, cube, extents);
    if (!meaning.units.empty()) file.attribute(of_series, "units", meaning.units);
    if (!meaning.long_name.empty()) file.attribute(of_series, "long_name", meaning.long_name);
    file.attribute(of_series, "coordinates", coordinates);
    file.attach_scale(of_series, path + "/run", 0);
    file.attach_scale(of_series, path + "/step", 1);
    if (shape.has_sites) file.attach_scale(of_series, path + "/site", 2);
  }
  // Series are sorted by name here: what a viewer should draw first is the loss.
  std::string signal = shape.series.begin()->first;
  for (const char* loss : {"validation_loss", "train_loss"})
    if (shape.series.contains(loss)) signal = loss;
  mark_as_figure(file, path, signal, axes);
}

}  // namespace

std::set<std::string> write_index_series(Hdf5Writer& file, const SweepData& data, const std::set<std::string>& reserved,
                                         const IndexLimits& limits) {
  std::set<std::string> left_out = data.left_out;
  std::size_t of_steps = 0, of_sites = 0;
  const std::map<std::string, GroupShape> shapes = shapes_of(data, reserved);
  for (const auto& [name, shape] : shapes) {
    if (shape.series.empty() || shape.steps.empty() || shape.has_bins) continue;
    std::size_t& sum = shape.has_sites ? of_sites : of_steps;
    const std::size_t values = shape.values(data.runs.size());
    const std::size_t most = shape.has_sites ? limits.site_values : limits.values;
    if (values > most - std::min(most, sum)) {
      left_out.insert(name);
      continue;
    }
    sum += values;
    write_group(file, data, name, shape);
  }
  if (shapes.contains("metrics") && !left_out.contains("metrics")) open_on(file, "metrics");
  return left_out;
}

}  // namespace precipice
