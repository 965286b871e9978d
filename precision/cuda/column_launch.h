// SPDX-License-Identifier: Apache-2.0
// Sums of columns (precision/calls/column_sums.h) and amaxes of several arrays as kernel bodies. Host and device, no CUDA
// in them.
#pragma once

#include <cstdint>

#include "precision/base/host_device.h"
#include "precision/calls/column_sums.h"
#include "precision/calls/span_amaxes.h"
#include "precision/cuda/largest.h"
#include "precision/cuda/launch.h"

namespace precipice {

// Of a column every `step`-th row from `first` on, `rows` of them.
struct ColumnRows {
  const float* first;
  std::int64_t rows, step;

  // Of `count` rows from `begin` on.
  PRECIPICE_HD float sum(std::int64_t begin, std::int64_t count) const {
    float sum = 0.0f;
    for (std::int64_t row = begin; row < begin + count; ++row) sum += first[row * step];
    return sum;
  }
  // Sums of whole groups may be there, `stride` from each other.
  PRECIPICE_HD float cascade(const float* groups, std::int64_t stride) const {
    const int power = column_group_power(rows);
    const std::int64_t group = std::int64_t{1} << power, whole = rows / group;
    ColumnCascade cascade(power);
    for (std::int64_t i = 0; i < whole; ++i)
      cascade.add_group(groups != nullptr ? groups[i * stride] : sum(i * group, group));
    for (std::int64_t row = whole * group; row < rows; ++row) cascade.add_row(first[row * step]);
    return cascade.sum();
  }
};

// Sums of whole groups, where there are enough rows for threads of their own: a thread has a group of a column.
struct ColumnGroupsLaunch {
  ColumnSums call;
  std::int64_t group;  // rows
  float* groups;       // (whole groups, cols)

  PRECIPICE_HD std::int64_t items() const { return call.rows / group * call.cols; }
  template <class Atomics>
  PRECIPICE_HD void run(ThreadPosition position) const {
    for (std::int64_t item = position.thread; item < items(); item += position.threads) {
      const ColumnRows column{call.in + item % call.cols, call.rows, call.row_stride};
      groups[item] = column.sum(item / call.cols * group, group);
    }
  }
};

// A thread has a column.
struct ColumnSumsLaunch {
  ColumnSums call;
  const float* groups;  // of ColumnGroupsLaunch, or null

  PRECIPICE_HD std::int64_t items() const { return call.cols; }
  template <class Atomics>
  PRECIPICE_HD void run(ThreadPosition position) const {
    for (std::int64_t i = position.thread; i < call.cols; i += position.threads) {
      const ColumnRows column{call.in + i, call.rows, call.row_stride};
      call.out[i] = is_in_whole_vectors(call.first + i, call.all)
                        ? column.cascade(groups == nullptr ? nullptr : groups + i, call.cols)
                        : by_fours(column);
    }
  }

 private:
  PRECIPICE_HD static float by_fours(const ColumnRows& column) {
    constexpr std::int64_t kParts = 4;
    float sums[kParts];
    for (std::int64_t k = 0; k < kParts; ++k)
      sums[k] =
          ColumnRows{column.first + k * column.step, column.rows / kParts, kParts * column.step}.cascade(nullptr, 0);
    for (std::int64_t row = column.rows / kParts * kParts; row < column.rows; ++row)
      sums[0] += column.first[row * column.step];
    return ((sums[0] + sums[1]) + sums[2]) + sums[3];
  }
};

// Arrays in chunks, each by sixteen threads that have neighbouring numbers. The table is a parameter of the launch.
struct SpanAmaxesLaunch {
  static constexpr int kMost = 128;
  static constexpr std::int64_t kChunk = 4096;
  const float* data[kMost];
  std::int64_t sizes[kMost];
  std::int64_t ends[kMost];  // chunks of an array and of those before it
  int count;
  float* amaxes;  // zeros before: patterns of magnitudes, which rise

  PRECIPICE_HD std::int64_t items() const { return count == 0 ? 0 : ends[count - 1] * kRowLanes; }
  template <class Atomics>
  PRECIPICE_HD void run(ThreadPosition position) const {
    for (std::int64_t item = position.thread; item < items(); item += position.threads) {
      const std::int64_t chunk = item / kRowLanes;
      int low = 0, high = count - 1;  // the first that ends behind the chunk
      while (low < high) {
        const int middle = (low + high) / 2;
        (chunk < ends[middle] ? high : low) = chunk < ends[middle] ? middle : middle + 1;
      }
      const std::int64_t begin = (chunk - (low == 0 ? 0 : ends[low - 1])) * kChunk;
      const std::int64_t end = begin + kChunk < sizes[low] ? begin + kChunk : sizes[low];
      LargestSeen own;
      for (std::int64_t i = begin + item % kRowLanes; i < end; i += kRowLanes) own.see(data[low][i]);
      const std::uint32_t pattern = __builtin_bit_cast(std::uint32_t, amax_of<Binary32>(own.pattern));
      Atomics::raise(*reinterpret_cast<std::uint32_t*>(amaxes + low), pattern);
    }
  }
};
static_assert(sizeof(SpanAmaxesLaunch) <= 4096, "what parameters of a launch may have");

}  // namespace precipice
