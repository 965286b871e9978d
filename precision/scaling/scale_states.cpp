// SPDX-License-Identifier: Apache-2.0
#include "precision/scaling/scale_states.h"

#include <string_view>

#include "precision/base/check.h"
#include "precision/base/parse_number.h"

namespace precipice {
namespace {

constexpr const char* kPrefix = "scale.";
constexpr std::int64_t kHalf = 1 << 20;  // updates are kept as two whole numbers that binary32 holds

}  // namespace

bool ScaleStates::needs_amax(const Quantizer& q) {
  const auto* delayed = q.scaling_if<DelayedScaling>();
  return delayed != nullptr && delayed->rule.update == DelayedUpdate::MsAmp;
}

bool ScaleStates::needs_amax(std::size_t site, std::uint16_t slot, const Quantizer& q) const {
  if (!needs_amax(q)) return false;
  const auto found = entries_.find({site, slot});
  return found == entries_.end() || found->second.state.updates < found->second.rule.history;
}

ScaleState ScaleStates::scale_for(std::size_t site, std::uint16_t slot, const Quantizer& q, float amax) {
  const auto* delayed = q.scaling_if<DelayedScaling>();
  if (delayed == nullptr) return {};
  const auto key = std::make_pair(site, slot);
  auto found = entries_.find(key);
  if (found == entries_.end()) {
    Entry entry{delayed->rule, initial_scale(delayed->rule), q.element.format.max_finite()};
    if (const auto saved = restored_.find(key); saved != restored_.end()) {
      const std::vector<float>& v = saved->second;
      entry.state.scale = v[0];
      entry.state.updates = static_cast<std::int64_t>(v[1]) * kHalf + static_cast<std::int64_t>(v[2]);
      entry.state.history.assign(v.begin() + 3, v.end());
      restored_.erase(saved);
    }
    found = entries_.emplace(key, std::move(entry)).first;
  }
  const Entry& entry = found->second;
  return {scale_now(entry.state, entry.rule, amax, entry.max_finite), 1.0f};
}

void ScaleStates::record_amax(std::size_t site, std::uint16_t slot, float amax) {
  const auto found = entries_.find({site, slot});
  if (found == entries_.end()) return;
  float& largest = found->second.amax;
  if (!(amax <= largest) && largest == largest) largest = amax;
}

void ScaleStates::end_step() {
  for (auto& [key, entry] : entries_) {
    if (entry.amax == -1.0f) continue;
    update(entry.state, entry.rule, entry.amax, entry.max_finite);
    entry.amax = -1.0f;
  }
}

std::vector<std::pair<std::string, std::vector<float>>> ScaleStates::save() const {
  std::vector<std::pair<std::string, std::vector<float>>> saved;
  for (const auto& [key, entry] : entries_) {
    const auto high = entry.state.updates / kHalf, low = entry.state.updates % kHalf;
    std::vector<float> values = {entry.state.scale, static_cast<float>(high), static_cast<float>(low)};
    values.insert(values.end(), entry.state.history.begin(), entry.state.history.end());
    saved.emplace_back(join_parts(kPrefix, key.first, ".", key.second), std::move(values));
  }
  for (const auto& [key, values] : restored_)
    saved.emplace_back(join_parts(kPrefix, key.first, ".", key.second), values);
  return saved;
}

bool ScaleStates::is_saved_name(const std::string& name) {
  return name.rfind(kPrefix, 0) == 0 && name.size() > 6 && name[6] >= '0' && name[6] <= '9';
}

void ScaleStates::restore(const std::string& name, const std::vector<float>& values) {
  const std::string_view place = std::string_view(name).substr(std::string_view(kPrefix).size());  // SITE.SLOT
  const std::size_t dot = place.find('.');
  const auto site = parse_number<std::size_t>(place.substr(0, dot));
  const auto slot = parse_number<std::uint16_t>(dot == place.npos ? "" : place.substr(dot + 1));
  if (!site || !slot || values.size() < 3) throw DataError("checkpoint: array " + name + " is not a delayed scale");
  entries_.erase({*site, *slot});
  restored_[{*site, *slot}] = values;
}

}  // namespace precipice
