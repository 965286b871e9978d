// SPDX-License-Identifier: Apache-2.0
#include "experiments/index/index_coordinates.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "precision/base/parse_number.h"

namespace precipice {
namespace {

template <class Number>
std::optional<std::vector<Number>> all_numbers(const std::vector<std::string>& texts) {
  std::vector<Number> numbers;
  for (const std::string& text : texts) {
    const std::optional<Number> number = parse_number<Number>(text);
    if (!number) return std::nullopt;
    numbers.push_back(*number);
  }
  return numbers;
}

template <class Value>
auto of_all(const SweepData& data, Value value) {
  std::vector<decltype(value(data.runs.front()))> values;
  for (const AnalysedRun& run : data.runs) values.push_back(value(run));
  return values;
}

void write_values(Hdf5Writer& file, const std::string& path, const std::vector<std::string>& values) {
  file.write(path, values);
}
template <class Number>
void write_values(Hdf5Writer& file, const std::string& path, const std::vector<Number>& values) {
  file.write(path, std::span<const Number>(values), {values.size()});
}

}  // namespace

std::variant<std::vector<std::string>, std::vector<std::int64_t>, std::vector<double>> numbers_or_texts(
    std::vector<std::string> texts) {
  if (auto whole = all_numbers<std::int64_t>(texts)) return std::move(*whole);
  if (auto real = all_numbers<double>(texts)) return std::move(*real);
  return texts;
}

std::vector<RunCoordinate> run_coordinates(const SweepData& data) {
  std::vector<RunCoordinate> coordinates;
  std::set<std::string> names{"run"};
  const auto add = [&](const std::string& name, const std::string& long_name, auto values) {
    if (names.insert(name).second) coordinates.push_back({name, long_name, std::move(values)});
  };
  add("format", "what differs between runs apart from learning rate and seed",
      of_all(data, [](const AnalysedRun& run) { return run.format; }));
  add("lr", "peak learning rate", of_all(data, [](const AnalysedRun& run) { return run.learning_rate; }));
  add("seed", "seed; of several seed axes, all of them",
      numbers_or_texts(of_all(data, [](const AnalysedRun& run) { return run.seeds; })));
  for (std::size_t a = 0; a < data.axes.size(); ++a) {
    const std::string& key = data.axes[a];
    add(key, "value of the axis " + key,
        numbers_or_texts(of_all(data, [a](const AnalysedRun& run) { return run.values[a]; })));
    if (data.labels.contains(key))
      add(key + ".label", "what people call the value of " + key,
          of_all(data, [a](const AnalysedRun& run) { return run.shown[a]; }));
  }
  return coordinates;
}

std::string write_run_coordinates(Hdf5Writer& file, const std::string& group, const SweepData& data,
                                  const std::vector<std::string>& taken) {
  const std::string scale = group + "/run";
  file.write(scale, of_all(data, [](const AnalysedRun& run) { return run.id; }));
  file.attribute(scale, "long_name", std::string("id of the run: the name of its directory"));
  file.make_scale(scale, "run");
  std::string names;
  for (const RunCoordinate& coordinate : run_coordinates(data)) {
    const std::string path = group + "/" + coordinate.name;
    // A name in two words would read as two names.
    const bool is_word = coordinate.name.find_first_of(" /\t\n") == std::string::npos;
    if (!is_word || std::find(taken.begin(), taken.end(), coordinate.name) != taken.end()) continue;
    std::visit([&](const auto& values) { write_values(file, path, values); }, coordinate.values);
    file.attribute(path, "long_name", coordinate.long_name);
    file.attach_scale(path, scale, 0);
    names += (names.empty() ? "" : " ") + coordinate.name;
  }
  return names;
}

}  // namespace precipice
