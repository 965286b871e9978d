// SPDX-License-Identifier: Apache-2.0
// The delayed scales of a run: one state per (site, slot), so that none depends on the order in which sites are
// computed. Within a step scales stand still; what was seen counts at the end of the step. Part of the checkpoint.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "precision/scaling/block_quantize.h"

namespace precipice {

class ScaleStates {
 public:
  // What the quantizer of this slot needs, made on first use. `amax`: of the tensor, wanted by needs_amax() rules only.
  ScaleState scale_for(std::size_t site, std::uint16_t slot, const Quantizer& quantizer, float amax);
  static bool needs_amax(const Quantizer& quantizer);                                       // MS-AMP's first steps
  bool needs_amax(std::size_t site, std::uint16_t slot, const Quantizer& quantizer) const;  // at this step
  void record_amax(std::size_t site, std::uint16_t slot, float amax);                       // NaN stays
  void end_step();
  bool is_empty() const { return entries_.empty() && restored_.empty(); }

  // One array a state, "scale.<site>.<slot>": scale, updates (in two parts), history.
  std::vector<std::pair<std::string, std::vector<float>>> save() const;
  static bool is_saved_name(const std::string& name);
  void restore(const std::string& name, const std::vector<float>& values);

 private:
  struct Entry {
    DelayedRule rule;
    DelayedScale state;
    float max_finite = 0;
    float amax = -1;  // of the step under way; -1: not seen
  };
  std::map<std::pair<std::size_t, std::uint16_t>, Entry> entries_;
  std::map<std::pair<std::size_t, std::uint16_t>, std::vector<float>> restored_;  // until the rule is known
};

}  // namespace precipice
