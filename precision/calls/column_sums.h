// SPDX-License-Identifier: Apache-2.0
// Sums of columns in the order of ATen's sum(0) on the CPU (ATen/native/cpu/SumKernel.cpp, cascade_sum): rows are added in
// groups of 2^p, p = max(4, ceil(log2(rows)) / 4), whose sums are added in groups of as many, and so on. Columns behind the
// last whole 32 are four such sums, of every fourth row, first. (ATen's vectors for sums are of eight numbers on any CPU.)
// One column alone it adds otherwise. Host and device.
#pragma once

#include <cstdint>

#include "precision/base/host_device.h"

namespace precipice {

struct ColumnSums {
  const float* in = nullptr;
  std::int64_t rows = 0, cols = 0, row_stride = 0;
  float* out = nullptr;  // (cols)
  // These are the columns from `first` on of so many.
  std::int64_t first = 0, all = 0;
};

PRECIPICE_HD bool is_in_whole_vectors(std::int64_t column, std::int64_t all) {
  constexpr std::int64_t kVector = 8, kAtOnce = 4;
  const std::int64_t width = all < kVector ? kAtOnce : kAtOnce * kVector;
  return column < all / width * width;
}

PRECIPICE_HD int column_group_power(std::int64_t rows) {
  int ceil_log2 = 1;
  while ((std::int64_t{1} << ceil_log2) < rows) ++ceil_log2;
  return ceil_log2 / 4 > 4 ? ceil_log2 / 4 : 4;
}

// Sums of whole groups, one after the other, then the rows behind the last whole group.
class ColumnCascade {
 public:
  PRECIPICE_HD explicit ColumnCascade(int power) : power_(power) {}
  PRECIPICE_HD void add_group(float sum) {
    groups_ += 1;
    first_ += sum;
    const std::int64_t mask = (std::int64_t{1} << power_) - 1;
    if ((groups_ & mask) != 0) return;
    second_ += first_, first_ = 0.0f;
    if ((groups_ & (mask << power_)) != 0) return;
    third_ += second_, second_ = 0.0f;
  }
  PRECIPICE_HD void add_row(float x) { rest_ += x; }
  PRECIPICE_HD float sum() const { return ((rest_ + first_) + second_) + third_; }

 private:
  int power_;
  std::int64_t groups_ = 0;
  float rest_ = 0.0f, first_ = 0.0f, second_ = 0.0f, third_ = 0.0f;
};

}  // namespace precipice
