// SPDX-License-Identifier: Apache-2.0
// Sizes or strides of a batch of matrices, the outermost dimension first. They lie in place: a step makes thousands of
// products, and none of them asks for memory for its dimensions.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "precision/base/check.h"

namespace precipice {

class Dims {
 public:
  static constexpr std::size_t kMost = 6;

  Dims() = default;
  Dims(std::initializer_list<std::int64_t> values) { assign(values.begin(), values.size()); }
  // From a vector, a span or a tensor's sizes.
  template <class Numbers>
  requires requires(const Numbers& numbers) { numbers.data() + numbers.size(); }
  Dims(const Numbers& numbers) {  // NOLINT: the same numbers
    assign(numbers.data(), numbers.size());
  }

  std::size_t size() const { return count_; }
  std::int64_t& operator[](std::size_t dimension) { return values_[dimension]; }
  std::int64_t operator[](std::size_t dimension) const { return values_[dimension]; }
  std::int64_t& from_end(std::size_t place) { return values_[count_ - place]; }  // 1: the last
  std::int64_t from_end(std::size_t place) const { return values_[count_ - place]; }
  const std::int64_t* begin() const { return values_.data(); }
  const std::int64_t* end() const { return values_.data() + count_; }

  // Those of one matrix of the batch.
  Dims of_matrix() const { return {from_end(2), from_end(1)}; }

  bool operator==(const Dims& other) const { return std::equal(begin(), end(), other.begin(), other.end()); }

 private:
  void assign(const std::int64_t* values, std::size_t count) {
    PRECIPICE_CHECK(count <= kMost, count, " dimensions, of at most ", kMost);
    count_ = count;
    std::copy_n(values, count, values_.begin());
  }

  std::array<std::int64_t, kMost> values_{};
  std::size_t count_ = 0;
};

// How many there are in the first `dimensions` dimensions.
inline std::int64_t count_in(const Dims& sizes, std::size_t dimensions) {
  std::int64_t count = 1;
  for (std::size_t d = 0; d < dimensions; ++d) count *= sizes[d];
  return count;
}

// Where number `index` of these begins, counted in row-major order.
inline std::int64_t offset_in(std::int64_t index, const Dims& sizes, const Dims& strides, std::size_t dimensions) {
  std::int64_t offset = 0;
  for (std::size_t d = dimensions; d-- > 0; index /= sizes[d]) offset += index % sizes[d] * strides[d];
  return offset;
}

}  // namespace precipice
