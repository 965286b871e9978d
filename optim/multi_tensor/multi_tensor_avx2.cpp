// SPDX-License-Identifier: Apache-2.0
// The chunk functions of multi_tensor-inl.h, compiled for AVX2; nothing on other CPUs.
#if defined(__x86_64__)

#include "optim/multi_tensor/multi_tensor_chunks.h"

namespace precipice::avx2 {
namespace {
constexpr int kDoubles = 4;
}
#include "optim/multi_tensor/multi_tensor-inl.h"
}  // namespace precipice::avx2

#endif
