// SPDX-License-Identifier: Apache-2.0
// Copies that give operands of a product the order in which matmul kernels read them. In words of 32 bits: an fp32
// number, or two bf16 numbers that follow one another along the contraction.
#pragma once

#include <cstdint>
#include <string>

namespace precipice {

struct PackKernels {
  // out[c * out_stride + r] = in[r * in_stride + c]
  void (*transpose_words)(const std::uint32_t* in, std::int64_t in_stride, std::int64_t rows, std::int64_t cols,
                          std::uint32_t* out, std::int64_t out_stride);
  // out[c] = low[c] + 2^16 high[c]
  void (*join_halves)(const std::uint16_t* low, const std::uint16_t* high, std::int64_t cols, std::uint32_t* out);
  // The smallest pattern of a nonzero magnitude among bf16 numbers, less one; 0xFFFF where all are zeros.
  std::uint16_t (*smallest_half)(const std::uint16_t* in, std::int64_t size);
};

// Of the instruction set in use (isa.h), and by its name: generic, avx2 (which has the generic ones), avx512.
const PackKernels& pack_kernels();
const PackKernels& pack_kernels_of(const std::string& isa);

namespace generic {
extern const PackKernels kPackKernels;
}
namespace avx512 {
extern const PackKernels kPackKernels;
}

}  // namespace precipice
