// SPDX-License-Identifier: Apache-2.0
// Seeded tensors for tests, and bitwise comparison.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "precision/rounding/random_bits.h"

namespace precipice::test {

// Sum of four uniforms, times scale: bell-shaped, the same on every machine.
inline at::Tensor random_tensor(std::vector<std::int64_t> shape, std::uint64_t seed, float scale = 1.0f) {
  at::Tensor x = at::empty(shape, at::TensorOptions(at::kFloat));
  float* data = x.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    const Philox4 words = random_block({seed, 0, 0, 0xFFFF}, static_cast<std::uint64_t>(i));
    double sum = -2.0;
    for (const std::uint32_t word : words.word) sum += word * 0x1p-32;
    data[i] = static_cast<float>(sum) * scale;
  }
  return x;
}

inline bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  if (a.sizes() != b.sizes()) return false;
  const at::Tensor x = a.contiguous(), y = b.contiguous();
  return std::memcmp(x.const_data_ptr(), y.const_data_ptr(), x.nbytes()) == 0;
}

}  // namespace precipice::test
