// SPDX-License-Identifier: Apache-2.0
// The chunk functions of multi_tensor-inl.h, compiled for AVX-512 (F, BW, DQ, VL); nothing on other CPUs.
#if defined(__x86_64__)

#include "optim/multi_tensor/multi_tensor_chunks.h"

namespace precipice::avx512 {
namespace {
constexpr int kDoubles = 8;
}
#include "optim/multi_tensor/multi_tensor-inl.h"
}  // namespace precipice::avx512

#endif
