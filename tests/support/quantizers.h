// SPDX-License-Identifier: Apache-2.0
// Quantizers for tests.
#pragma once

#include <string_view>

#include "precision/scaling/matrix_quantizer.h"

namespace precipice::test {

// Unscaled, nearest even, saturating.
inline MatrixQuantizer in_format(std::string_view format) {
  MatrixQuantizer quantizer;
  quantizer.element = parse_float_format(format);
  return quantizer;
}

}  // namespace precipice::test
