// SPDX-License-Identifier: Apache-2.0
#include "precision/policy/policy.h"

#include <algorithm>

#include "precision/base/check.h"
#include "precision/base/spellings.h"

namespace precipice {

constexpr Spellings<SmoothSwiglu, 3> kSmoothSwiglus{
    {{"true", SmoothSwiglu::Channel}, {"token", SmoothSwiglu::Token}, {"false", SmoothSwiglu::Off}}};

SmoothSwiglu parse_smooth_swiglu(std::string_view text) {
  return parse_spelling("smooth_swiglu", text, kSmoothSwiglus);
}

std::string to_string(SmoothSwiglu kind) {
  return kind == SmoothSwiglu::IfGated ? "true" : spelling_of(kind, kSmoothSwiglus);
}

PrecisionPolicy::PrecisionPolicy(std::int64_t layers, std::span<const SiteKind> block_sites, bool has_head)
    : layers_(layers),
      block_sites_(block_sites.begin(), block_sites.end()),
      has_head_(has_head),
      sites_(static_cast<std::size_t>(layers) * block_sites.size() + (has_head ? 1 : 0)) {}

std::size_t PrecisionPolicy::site_index(SiteKind kind, std::int64_t layer) const {
  if (kind == SiteKind::LmHead) {
    PRECIPICE_CHECK(has_head_, "this model has no site ", to_string(kind));
    return sites_.size() - 1;
  }
  PRECIPICE_CHECK(layer >= 0 && layer < layers_, "layer ", layer, " of ", layers_);
  const auto place = std::find(block_sites_.begin(), block_sites_.end(), kind);
  PRECIPICE_CHECK(place != block_sites_.end(), "a block of this model has no site ", to_string(kind));
  return static_cast<std::size_t>(layer) * block_sites_.size() + static_cast<std::size_t>(place - block_sites_.begin());
}

std::vector<std::string> PrecisionPolicy::site_names() const {
  std::vector<std::string> names;
  for (std::int64_t layer = 0; layer < layers_; ++layer)
    for (const SiteKind kind : block_sites_) names.push_back("h." + std::to_string(layer) + "." + to_string(kind));
  if (has_head_) names.push_back(to_string(SiteKind::LmHead));
  return names;
}

void PrecisionPolicy::set(SiteKind kind, const SitePrecision& precision) {
  if (kind == SiteKind::LmHead)
    sites_[site_index(kind, 0)] = precision;
  else
    for (std::int64_t layer = 0; layer < layers_; ++layer) sites_[site_index(kind, layer)] = precision;
}

void PrecisionPolicy::set(SiteKind kind, std::int64_t first_layer, std::int64_t last_layer, Pass pass,
                          const GemmPrecision& precision) {
  if (kind == SiteKind::LmHead) {
    sites_[site_index(kind, 0)].pass(pass) = precision;
    return;
  }
  if (first_layer < 0) first_layer += layers_;
  if (last_layer < 0) last_layer += layers_;
  PRECIPICE_CHECK(0 <= first_layer && first_layer <= last_layer && last_layer < layers_, "layers ", first_layer, " to ",
                  last_layer, " of ", layers_);
  for (std::int64_t layer = first_layer; layer <= last_layer; ++layer)
    sites_[site_index(kind, layer)].pass(pass) = precision;
}

const PrecisionPolicy& PrecisionSchedule::at_step(std::int64_t step) const {
  std::size_t i = first_steps.size() - 1;
  while (i > 0 && first_steps[i] > step) --i;
  return policies[i];
}

}  // namespace precipice
