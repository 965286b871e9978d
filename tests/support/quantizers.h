// SPDX-License-Identifier: Apache-2.0
// Quantizers for tests.
#pragma once

#include <string_view>

#include "precision/rounding/element_quantizer.h"

namespace precipice::test {

// Unscaled, nearest even, saturating.
inline ElementQuantizer in_format(std::string_view format) {
  return {.format = parse_float_format(format)};
}

}  // namespace precipice::test
