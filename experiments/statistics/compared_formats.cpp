// SPDX-License-Identifier: Apache-2.0
#include "experiments/statistics/compared_formats.h"

#include <algorithm>
#include <map>
#include <set>

namespace precipice {
namespace {

using Settings = std::map<std::string, std::string>;

class Formats {
 public:
  explicit Formats(const SweepData& data) : data_(data) {
    for (const AnalysedRun& run : data.runs) {
      if (!settings_.emplace(run.format, run.settings).second) continue;
      names_.emplace(run.settings, run.format);
      for (const auto& [key, value] : run.settings) values_[key].insert(value);
    }
    for (const auto& [key, values] : values_)
      if (values.size() > 1 && key.starts_with("precision.")) compared_.push_back(key);
    if (!compared_.empty()) return;
    for (const auto& [key, values] : values_)
      if (values.size() > 1) compared_.push_back(key);
  }

  std::vector<ComparedFormats> pairs_of(const std::string& format) const {
    const Settings &own = settings_.at(format), &base = settings_.at(data_.reference);
    std::vector<ComparedFormats> pairs;
    if (own.empty()) return format == data_.reference ? pairs : std::vector{pair(format, data_.reference, {})};
    Settings all = own;
    std::vector<std::string> differing;
    for (const std::string& key : compared_) {
      const auto value = base.find(key);
      if (value == base.end() || !own.contains(key) || own.at(key) == value->second) continue;
      differing.push_back(key);
      all[key] = value->second;
      Settings one = own;
      one[key] = value->second;
      if (const auto found = names_.find(one); found != names_.end())
        pairs.push_back(pair(format, found->second, {key}));
    }
    if (pairs.empty() && !differing.empty())
      if (const auto found = names_.find(all); found != names_.end())
        pairs.push_back(pair(format, found->second, differing));
    return pairs;
  }

 private:
  static ComparedFormats pair(const std::string& format, const std::string& reference,
                              const std::vector<std::string>& differs) {
    return {format, reference, differs};
  }

  const SweepData& data_;
  std::map<std::string, Settings> settings_;
  std::map<Settings, std::string> names_;
  std::map<std::string, std::set<std::string>> values_;
  std::vector<std::string> compared_;
};

}  // namespace

std::vector<ComparedFormats> compared_formats(const SweepData& data) {
  std::vector<ComparedFormats> pairs;
  if (data.formats.empty()) return pairs;
  const Formats formats(data);
  for (const std::string& format : data.formats)
    for (ComparedFormats& pair : formats.pairs_of(format)) pairs.push_back(std::move(pair));
  return pairs;
}

std::vector<std::string> formats_without_reference(const SweepData& data) {
  std::set<std::string> named{data.reference};
  for (const ComparedFormats& pair : compared_formats(data)) named.insert({pair.format, pair.reference});
  std::vector<std::string> rest;
  for (const std::string& format : data.formats)
    if (!named.contains(format)) rest.push_back(format);
  return rest;
}

}  // namespace precipice
