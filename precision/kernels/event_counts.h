// SPDX-License-Identifier: Apache-2.0
// What happened while numbers were rounded: the one type of such counts, of a tensor, a chunk, or a launch on a GPU.
#pragma once

#include <cstdint>

#include "precision/base/host_device.h"

namespace precipice {

// By-products of the one pass over a tensor; the events exclude one another, but for `subnormal`.
struct EventCounts {
  std::uint64_t total = 0;        // elements
  std::uint64_t nan_in = 0;       // NaN at the input
  std::uint64_t saturated = 0;    // outside the finite range (infinities too), clamped to its end
  std::uint64_t overflowed = 0;   // became infinity or NaN from a finite or infinite input
  std::uint64_t underflowed = 0;  // nonzero input within the range became zero
  std::uint64_t subnormal = 0;    // nonzero result below the format's smallest normal
  float amax = 0.0f;              // max |x| of the input before scaling; NaN if any input is NaN

  EventCounts& operator+=(const EventCounts& other);  // sums; amax by maximum, NaN wins
};

// From what loops count with one comparison each, where every NaN at the input is a non-finite result, and every
// non-finite result lies beyond the largest finite value.
PRECIPICE_HD constexpr EventCounts events_of(std::int32_t nan_in, std::int32_t nonfinite_out, std::int32_t beyond,
                                             std::int32_t underflowed, std::int32_t subnormal) {
  EventCounts events;
  events.nan_in = static_cast<std::uint64_t>(nan_in);
  events.saturated = static_cast<std::uint64_t>(beyond - nonfinite_out);
  events.overflowed = static_cast<std::uint64_t>(nonfinite_out - nan_in);
  events.underflowed = static_cast<std::uint64_t>(underflowed);
  events.subnormal = static_cast<std::uint64_t>(subnormal);
  return events;
}

}  // namespace precipice
