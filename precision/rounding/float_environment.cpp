// SPDX-License-Identifier: Apache-2.0
#include "precision/rounding/float_environment.h"

#include <cstdlib>
#include <string>

#include "precision/base/check.h"

namespace precipice {
namespace {

// Operands that the compiler does not know: it would compute for itself, in the default environment.
float sum_of(float a, float b) {
  volatile float x = a, y = b;
  return x + y;
}
float product_of(float a, float b) {
  volatile float x = a, y = b;
  return x * y;
}
bool equals(float a, float b) {
  volatile float x = a, y = b;
  return x == y;
}

std::string problem_of_environment() {
  // One subnormal compared with zero reads it; the product of two normal numbers makes it.
  if (equals(0x1p-130f, 0.0f)) return "subnormal numbers count as zero (DAZ, bit 6 of MXCSR; FZ of FPCR on ARM)";
  if (equals(product_of(0x1p-100f, 0x1p-30f), 0.0f))
    return "subnormal results are flushed to zero (FTZ, bit 15 of MXCSR)";
  // A tie goes down to the even 1 and three quarters of a last place go up, on either side of zero.
  const bool nearest = equals(sum_of(1.0f, 0x1p-24f), 1.0f) && equals(sum_of(1.0f, 0x1.8p-24f), 1.0f + 0x1p-23f) &&
                       equals(sum_of(-1.0f, -0x1p-24f), -1.0f) && equals(sum_of(-1.0f, -0x1.8p-24f), -1.0f - 0x1p-23f);
  if (!nearest) return "sums are not rounded to nearest even (RC, bits 13 and 14 of MXCSR; RMode of FPCR on ARM)";
  return "";
}

}  // namespace

void check_float_environment() {
  const std::string problem = problem_of_environment();
  if (problem.empty()) return;
  const char* const preloaded = std::getenv("LD_PRELOAD");
  const std::string advice =
      "; a library that was built with -ffast-math sets this when it is loaded, and results would be wrong: ";
  if (preloaded != nullptr && preloaded[0] != '\0')
    throw ConfigError({"environment", 0, "LD_PRELOAD", preloaded},
                      problem + advice + "unset LD_PRELOAD, or build what it names without -ffast-math");
  throw ConfigError({"environment", 0, "", ""},
                    problem + advice + "leave out what was loaded or linked beside precipice");
}

}  // namespace precipice
