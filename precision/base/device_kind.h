// SPDX-License-Identifier: Apache-2.0
// Where a run computes. The seam itself is precision/quantize/device.h.
#pragma once

#include <cstdint>
#include <string>

#include "precision/base/spellings.h"

namespace precipice {

enum class DeviceKind : std::uint8_t { Cpu, Cuda };
inline constexpr Spellings<DeviceKind, 2> kDevices{{{"cpu", DeviceKind::Cpu}, {"cuda", DeviceKind::Cuda}}};

inline std::string to_string(DeviceKind device) {
  return spelling_of(device, kDevices);
}

}  // namespace precipice
