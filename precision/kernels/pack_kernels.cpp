// SPDX-License-Identifier: Apache-2.0
#include "precision/kernels/pack_kernels.h"

#include <string_view>

#include "precision/kernels/isa.h"
#include "precision/kernels/quantize_isa.h"

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

const PackKernels* pack_kernels_of(const char* isa) {
  const std::string_view name(isa);
  if (name == "generic") return &generic::kPackKernels;
#if defined(__x86_64__)
  if (name == "avx512") return &avx512::kPackKernels;
#endif
  return nullptr;
}

const PackKernels& pack_kernels() {
  static const PackKernels* const own = pack_kernels_of(active_isa().c_str());
  return own != nullptr ? *own : generic::kPackKernels;
}

}  // namespace precipice
