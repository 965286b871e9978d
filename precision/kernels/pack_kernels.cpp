// SPDX-License-Identifier: Apache-2.0
#include "precision/kernels/pack_kernels.h"

#include "precision/kernels/isa.h"

namespace precipice {
namespace generic {
namespace {

constexpr std::int64_t kTile = 8;

inline void transpose_tile(const std::uint32_t* in, std::int64_t in_stride, std::uint32_t* out,
                           std::int64_t out_stride) {
  for (std::int64_t c = 0; c < kTile; ++c)
    for (std::int64_t r = 0; r < kTile; ++r) out[c * out_stride + r] = in[r * in_stride + c];
}

}  // namespace
#include "precision/kernels/pack_kernels-inl.h"
}  // namespace generic

const PackKernels& pack_kernels_of(const std::string& isa) {
  static constexpr KernelsByIsa<PackKernels> kAll = {
    &generic::kPackKernels,
#if defined(__x86_64__)
    nullptr,
    &avx512::kPackKernels
#endif
  };
  return kernels_of(kAll, isa);
}

const PackKernels& pack_kernels() {
  static const PackKernels* const kernels = &pack_kernels_of(active_isa());
  return *kernels;
}

}  // namespace precipice
