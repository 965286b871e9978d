// SPDX-License-Identifier: Apache-2.0
// The instruction sets of this CPU, for tests that compare the loops of all of them.
#pragma once

#include <vector>

#include "precision/base/check.h"
#include "precision/kernels/isa.h"
#include "precision/kernels/quantize_isa.h"

namespace precipice::test {

inline std::vector<Isa> available_isas() {
  std::vector<Isa> isas;
  for (const char* name : {"generic", "avx2", "avx512"}) {
    try {
      isas.push_back(choose_isa(name));
    } catch (const ConfigError&) {
      // Not on this CPU.
    }
  }
  return isas;
}

}  // namespace precipice::test
