// SPDX-License-Identifier: Apache-2.0
// A library that sets FTZ and DAZ when it is loaded, as one that was built with -ffast-math does.
#if defined(__x86_64__)
#include <xmmintrin.h>

namespace {
__attribute__((constructor)) void flush_subnormals() {
  _mm_setcsr(_mm_getcsr() | 0x8040);
}
}  // namespace
#endif
