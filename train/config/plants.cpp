// SPDX-License-Identifier: Apache-2.0
#include "train/config/plants.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <functional>
#include <map>
#include <type_traits>
#include <utility>
#include <vector>

#include "precision/base/check.h"
#include "precision/base/parse_number.h"
#include "train/config/run_config.h"

namespace precipice {
namespace {

constexpr double kMostFactor = 1e6;

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(separator, begin), text.size());
    std::string part = text.substr(begin, end - begin);
    part.erase(0, std::min(part.find_first_not_of(' '), part.size()));
    part.erase(part.find_last_not_of(' ') + 1);
    if (!part.empty()) parts.push_back(std::move(part));
    begin = end + 1;
  }
  return parts;
}

[[noreturn]] void refuse(const std::string& problem) {
  throw ConfigError({"", 0, "init.plant", ""}, problem);
}

// The options of one plant: where each is stored, and from what to what it may be.
class Options {
 public:
  Options& whole(const char* name, std::int64_t* target, std::int64_t lowest) {
    stores_.emplace_back(name, [=](const std::string& value) {
      const auto number = parse_number<std::int64_t>(value);
      if (!number || *number < lowest)
        refuse(fmt::format("{} = {}: must be a whole number from {}", name, value, lowest));
      *target = *number;
    });
    return *this;
  }
  Options& real(const char* name, double* target) {
    stores_.emplace_back(name, [=](const std::string& value) {
      const auto number = parse_number<double>(value);
      if (!number || !(*number > 0 && *number <= kMostFactor))
        refuse(fmt::format("{} = {}: must be a number above 0, up to {}", name, value, kMostFactor));
      *target = *number;
    });
    return *this;
  }

  void read(const std::string& plant, const std::string& text) const {
    std::vector<std::string> names;
    for (const auto& [name, store] : stores_) names.push_back(name);
    for (const std::string& word : split(text, ',')) {
      const std::size_t equals = word.find('=');
      const std::string name = word.substr(0, equals);
      bool is_known = false;
      for (const auto& [known, store] : stores_) {
        if (known != name || equals == std::string::npos) continue;
        store(word.substr(equals + 1));
        is_known = true;
      }
      if (!is_known)
        refuse(fmt::format("\"{}\" is no option of {}; it has {}, each with =", name.substr(0, 40), plant,
                           fmt::join(names, ", ")));
    }
  }

 private:
  std::vector<std::pair<std::string, std::function<void(const std::string&)>>> stores_;
};

}  // namespace

Plants parse_plants(const std::string& text) {
  Plants plants;
  for (const std::string& part : split(text, ';')) {
    const std::size_t colon = std::min(part.find(':'), part.size());
    const std::string name = part.substr(0, colon), options = part.substr(std::min(colon + 1, part.size()));
    const auto once = [&](auto& plant) -> auto& {
      if (plant) refuse(fmt::format("{} is planted twice", name));
      // Clang 14 does not see that a class within a class can be made of nothing.
      return plant.emplace(std::remove_cvref_t<decltype(*plant)>{});
    };
    if (name == "sink") {
      Plants::Sink& sink = once(plants.sink);
      Options()
          .whole("token", &sink.token, 0)
          .real("score", &sink.score)
          .real("value", &sink.value)
          .whole("layer", &sink.layer, 0)
          .read(name, options);
    } else if (name == "aligned") {
      Plants::Aligned& aligned = once(plants.aligned);
      Options().whole("channels", &aligned.channels, 1).real("factor", &aligned.factor).read(name, options);
    } else if (name == "outliers") {
      Plants::Outliers& outliers = once(plants.outliers);
      Options().whole("channels", &outliers.channels, 1).real("factor", &outliers.factor).read(name, options);
    } else if (name == "gains") {
      Plants::Gains& gains = once(plants.gains);
      Options().real("low", &gains.low).real("high", &gains.high).read(name, options);
      if (gains.low > gains.high) refuse(fmt::format("gains: low = {} is above high = {}", gains.low, gains.high));
    } else {
      static const std::vector<std::string> names = {"sink", "aligned", "outliers", "gains"};
      const std::string near = nearest_word(name.substr(0, 40), names);
      refuse(fmt::format("\"{}\" is no plant; they are {}{}", name.substr(0, 40), fmt::join(names, ", "),
                         near.empty() ? "" : fmt::format(" (did you mean {}?)", near)));
    }
  }
  return plants;
}

void check_plants(const Plants& plants, const ModelConfig& model, std::int64_t vocabulary) {
  if ((plants.sink || plants.outliers) && !model.kind->has_attention())
    refuse(
        fmt::format("{}: model.kind = \"{}\" has no attention", plants.sink ? "sink" : "outliers", model.kind->name));
  if (plants.sink) {
    if (plants.sink->token >= vocabulary)
      refuse(fmt::format("sink: token = {} is beyond the vocabulary of {}", plants.sink->token, vocabulary));
    if (plants.sink->layer >= model.layers)
      refuse(fmt::format("sink: layer = {} is beyond the last, {}", plants.sink->layer, model.layers - 1));
    if (model.width % 4 != 0) refuse(fmt::format("sink: model.width = {} must be a multiple of 4", model.width));
  }
  if (plants.aligned && !model.kind->is_gated())
    refuse(fmt::format("aligned: needs a model with SwiGLU, model.kind = \"{}\"",
                       fmt::join(names_of_architectures(std::mem_fn(&Architecture::is_gated)), "\" or \"")));
  if (plants.aligned && plants.aligned->channels > model.mlp_width())
    refuse(
        fmt::format("aligned: channels = {} are more than the MLP's {}", plants.aligned->channels, model.mlp_width()));
  if (plants.outliers && plants.outliers->channels > model.width)
    refuse(
        fmt::format("outliers: channels = {} are more than the width of {}", plants.outliers->channels, model.width));
}

}  // namespace precipice
