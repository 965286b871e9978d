// SPDX-License-Identifier: Apache-2.0
// Delayed scaling: a tensor's scale comes from the amaxes of earlier steps.
// TransformerEngine: common/recipe/delayed_scaling.cu (te), pytorch/quantization.py _default_sf_compute (te-unfused);
// MS-AMP: common/tensor/meta.py, with current scaling for the first steps; Intel (arXiv 2409.12517): te with scales
// that are powers of two and refreshed once per history.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace precipice {

enum class DelayedUpdate : std::uint8_t { Te, TeUnfused, MsAmp };
enum class AmaxAlgorithm : std::uint8_t { Max, MostRecent };

struct DelayedRule {
  DelayedUpdate update = DelayedUpdate::Te;
  int history = 1024;  // steps; MS-AMP: its window (16)
  AmaxAlgorithm algorithm = AmaxAlgorithm::Max;
  int margin = 0;             // the scale is divided by 2^margin
  int interval = 1;           // the scale is recomputed every so many steps
  bool power_of_two = false;  // te: the scale's mantissa is cleared
  bool operator==(const DelayedRule&) const = default;
};

// Throws ConfigError naming the key.
void validate(const DelayedRule& rule);

// Scale and history of one tensor; plain data, so that a checkpoint can hold it. A scale multiplies before rounding.
struct DelayedScale {
  float scale = 1.0f;
  std::vector<float> history;  // te: as its kernel keeps it, entry 0 is the step under way; ms-amp: newest first
  std::int64_t updates = 0;
  bool operator==(const DelayedScale&) const = default;
};

DelayedScale initial_scale(const DelayedRule& rule);

// The scale for quantizing a tensor with this amax now. Only MS-AMP looks at amax, in its first `history` steps.
float scale_now(const DelayedScale& state, const DelayedRule& rule, float amax, float max_finite);

// After a step whose tensor had this amax: what the next step will use.
void update(DelayedScale& state, const DelayedRule& rule, float amax, float max_finite);

// Spellings max most-recent. Throws ConfigError.
AmaxAlgorithm parse_amax_algorithm(std::string_view text);
std::string to_string(DelayedUpdate update);  // te te-unfused ms-amp
std::string to_string(AmaxAlgorithm algorithm);

}  // namespace precipice
