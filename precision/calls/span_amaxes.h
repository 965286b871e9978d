// SPDX-License-Identifier: Apache-2.0
// The largest magnitudes of several arrays at once.
#pragma once

#include <cstdint>

namespace precipice {

struct SpanAmaxes {
  // On the host: arrays of a device, all of some numbers.
  const float* const* data = nullptr;
  const std::int64_t* sizes = nullptr;
  std::int64_t count = 0;
  float* amaxes = nullptr;  // (count), in the device's memory; NaN of an array with a NaN
};

}  // namespace precipice
