// SPDX-License-Identifier: Apache-2.0
// What lies between the matmuls beside rows of numbers: rotary positions, rows of a table and their gradient, squared
// errors, factors. As kernel bodies that give the bits of the CPU's loops (precision/quantize/cpu_loops.h): what is summed
// has one order, whatever the launch. In their simple form. Host and device, no CUDA in them.
#pragma once

#include <cstdint>
#include <limits>

#include "precision/base/host_device.h"
#include "precision/calls/logit_calls.h"
#include "precision/calls/table_rows.h"
#include "precision/cuda/launch.h"

namespace precipice {

// A thread has a pair (a, b).
struct RotateLaunch {
  Rotation call;

  PRECIPICE_HD std::int64_t items() const { return call.count * call.half; }
  template <class Atomics>
  PRECIPICE_HD void run(ThreadPosition position) const {
    for (std::int64_t item = position.thread; item < items(); item += position.threads) {
      const std::int64_t head = item / call.half, i = item % call.half;
      const std::int64_t angle = head / call.heads % call.length * call.half + i, place = head * 2 * call.half + i;
      const float cosine = call.cosines[angle], sine = call.direction * call.sines[angle];
      const float a = call.x[place], b = call.x[place + call.half];
      call.y[place] = a * cosine - b * sine;
      call.y[place + call.half] = b * cosine + a * sine;
    }
  }
};

// What stands for a row that a table does not have.
inline constexpr float kNoNumber = std::numeric_limits<float>::quiet_NaN();

PRECIPICE_HD bool is_in_table(const TableRows& rows, std::int64_t id) {
  return id >= 0 && id < rows.entries;
}

struct GatherRowsLaunch {
  TableRows rows;
  const float* table;
  float* out;

  PRECIPICE_HD std::int64_t items() const { return rows.count * rows.width; }
  template <class Atomics>
  PRECIPICE_HD void run(ThreadPosition position) const {
    for (std::int64_t item = position.thread; item < items(); item += position.threads) {
      const std::int64_t id = rows.ids[item / rows.width];
      out[item] = is_in_table(rows, id) ? table[id * rows.width + item % rows.width] : kNoNumber;
    }
  }
};

// Where the same row of the table comes again.
struct RowLink {
  std::int64_t next;      // the first later place of the same number; `count` if there is none
  std::int64_t is_first;  // whether no earlier place has it
};

// Before AddRowsLaunch: every place looks for the others of its number, count^2 / 2 comparisons in all.
struct LinkRowsLaunch {
  TableRows rows;
  RowLink* links;  // (count)

  PRECIPICE_HD std::int64_t items() const { return rows.count; }
  template <class Atomics>
  PRECIPICE_HD void run(ThreadPosition position) const {
    for (std::int64_t i = position.thread; i < rows.count; i += position.threads) {
      const std::int64_t id = rows.ids[i];
      std::int64_t before = 0, after = i + 1;
      while (before < i && rows.ids[before] != id) ++before;
      while (after < rows.count && rows.ids[after] != id) ++after;
      links[i] = {after, before == i};
    }
  }
};

// table[ids[i]] += in[i], in the order of i: the thread of a column at the first place of a number goes to the later
// ones, so that nobody else writes there.
struct AddRowsLaunch {
  TableRows rows;
  const RowLink* links;
  const float* in;
  float* table;

  PRECIPICE_HD std::int64_t items() const { return rows.count * rows.width; }
  template <class Atomics>
  PRECIPICE_HD void run(ThreadPosition position) const {
    for (std::int64_t item = position.thread; item < items(); item += position.threads) {
      const std::int64_t first = item / rows.width, column = item % rows.width;
      if (links[first].is_first == 0 || !is_in_table(rows, rows.ids[first])) continue;
      float* const entry = table + rows.ids[first] * rows.width + column;
      float sum = *entry;
      for (std::int64_t i = first; i < rows.count; i = links[i].next) sum += in[i * rows.width + column];
      *entry = sum;
    }
  }
};

PRECIPICE_HD double difference_of(const float* y, const float* t, std::int64_t i) {
  return static_cast<double>(y[i]) - static_cast<double>(t[i]);
}

struct DifferencesLaunch {
  const float *y, *t;
  std::int64_t size;
  float* differences;

  PRECIPICE_HD std::int64_t items() const { return size; }
  template <class Atomics>
  PRECIPICE_HD void run(ThreadPosition position) const {
    for (std::int64_t i = position.thread; i < size; i += position.threads)
      differences[i] = static_cast<float>(difference_of(y, t, i));
  }
};

// The sum has the order of the elements: one thread makes it.
struct SquaredErrorLaunch {
  const float *y, *t;
  std::int64_t size;
  double* sum;

  PRECIPICE_HD std::int64_t items() const { return 1; }
  template <class Atomics>
  PRECIPICE_HD void run(ThreadPosition position) const {
    if (position.thread != 0) return;
    double total = 0;
    for (std::int64_t i = 0; i < size; ++i) {
      const double d = difference_of(y, t, i);
      total += d * d;
    }
    *sum = total;
  }
};

struct ScaleLaunch {
  float* x;
  std::int64_t size;
  MeanShare share;

  PRECIPICE_HD std::int64_t items() const { return size; }
  template <class Atomics>
  PRECIPICE_HD void run(ThreadPosition position) const {
    const auto factor = static_cast<float>(share.value());
    for (std::int64_t i = position.thread; i < size; i += position.threads) x[i] *= factor;
  }
};

}  // namespace precipice
