// SPDX-License-Identifier: Apache-2.0
// Several tensors' worth of floats for the tests of this folder, and the sizes at which a chunked walk can go wrong.
#pragma once

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "optim/multi_tensor/multi_tensor.h"

namespace precipice {

// Around the 8 lanes, the 1024-element blocks and the chunks; empty tensors first, last and between.
inline const std::vector<std::int64_t> kSizes = {
    0,    1,    2,    7,    8,    9,    15,   1023, 1024, 1025, 0,
    2047, 2048, 2049, 3071, 3072, 3073, 4095, 4096, 4097, 5000, kChunkSize + 2049,
    0};

struct Tensors {
  std::vector<std::vector<float>> data;

  TensorList list() {
    TensorList spans;
    for (auto& tensor : data) spans.push_back({tensor.data(), static_cast<std::int64_t>(tensor.size())});
    return spans;
  }
};

// Uniform in [-scale, scale).
inline Tensors random_tensors(const std::vector<std::int64_t>& sizes, std::uint32_t seed, float scale = 1.0f) {
  std::mt19937 random(seed);
  Tensors tensors;
  for (const std::int64_t size : sizes) {
    auto& tensor = tensors.data.emplace_back(static_cast<std::size_t>(size));
    for (float& x : tensor) x = scale * (static_cast<float>(random() >> 8) * 0x1p-23f - 1.0f);
  }
  return tensors;
}

inline Tensors zero_tensors(const std::vector<std::int64_t>& sizes) {
  return random_tensors(sizes, 0, 0.0f);
}

// f(tensor, element) for every element.
template <class F>
void for_each_element(const Tensors& tensors, F f) {
  for (std::size_t t = 0; t < tensors.data.size(); ++t) {
    for (std::size_t i = 0; i < tensors.data[t].size(); ++i) f(t, i);
  }
}

// |a - b|^2 over all elements, or |a|^2.
inline long double squared_distance(const Tensors& a, const Tensors* b = nullptr) {
  long double sum = 0;
  for_each_element(a, [&](std::size_t t, std::size_t i) {
    const long double x = b ? a.data[t][i] - b->data[t][i] : a.data[t][i];
    sum += x * x;
  });
  return sum;
}

}  // namespace precipice
