// SPDX-License-Identifier: Apache-2.0
// Rotary positions, rows of tables and the loss by the kernels against plain loops and row_kernels() on the host: bit for
// bit, but that a NaN may be any.
#pragma once

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "precision/calls/table_rows.h"
#include "precision/kernels/row_kernels.h"
#include "tests/cuda/kernels_under_test.h"
#include "tests/cuda/multi_tensor_comparison.h"
#include "tests/cuda/row_comparison.h"

namespace precipice::test {

inline void compare_rotation(const Kernels& kernels, std::int64_t length, std::int64_t heads, std::int64_t half,
                             Launch launch) {
  constexpr std::int64_t kBatch = 2;
  const std::int64_t count = kBatch * length * heads, size = count * 2 * half;
  const std::vector<float> x = row_numbers(size, 21), cosines = row_numbers(length * half, 22),
                           sines = row_numbers(length * half, 23);
  DeviceArray<float> dev_x(kernels, x), dev_cosines(kernels, cosines), dev_sines(kernels, sines);
  for (const float direction : {1.0f, -1.0f}) {
    std::vector<float> y(x.size());
    for (std::size_t head = 0; head < static_cast<std::size_t>(count); ++head) {
      const std::size_t n = static_cast<std::size_t>(half);
      const std::size_t first = head * 2 * n;
      const std::size_t t = head / static_cast<std::size_t>(heads) % static_cast<std::size_t>(length);
      for (std::size_t i = 0; i < n; ++i) {
        const float c = cosines[t * n + i], s = direction * sines[t * n + i];
        y[first + i] = x[first + i] * c - x[first + n + i] * s;
        y[first + n + i] = x[first + n + i] * c + x[first + i] * s;
      }
    }
    DeviceArray<float> dev_y(kernels, std::vector<float>(x.size()));
    require_done(kernels.step->rotate(
        {dev_x.data(), dev_cosines.data(), dev_sines.data(), dev_y.data(), count, length, heads, half, direction},
        launch));
    check_same_numbers(dev_y, y);
  }
}

inline void compare_rotations(const Kernels& kernels) {
  for (const Launch launch : next_launches(kernels)) {
    compare_rotation(kernels, 5, 3, 4, launch);
    compare_rotation(kernels, 1, 1, 1, launch);
    compare_rotation(kernels, 7, 2, 9, launch);
  }
}

// Rows are added in the order of their numbers' places: some numbers come once, some often, some never.
inline void compare_table_rows(const Kernels& kernels) {
  constexpr std::int64_t kCount = 37, kEntries = 11;
  Stream stream{31};
  std::vector<std::int64_t> ids(kCount);
  for (std::int64_t& id : ids) id = stream.next() % 3 == 0 ? 4 : stream.next() % (kEntries - 1);
  DeviceArray<std::int64_t> dev_ids(kernels, ids);
  for (const std::int64_t width : {1, 5, 40})
    for (const Launch launch : next_launches(kernels)) {
      INFO("width " << width);
      const std::vector<float> table = row_numbers(kEntries * width, 32), in = row_numbers(kCount * width, 33);
      std::vector<float> gathered(in.size()), sums = table;
      const auto w = static_cast<std::size_t>(width);
      for (std::size_t i = 0; i < ids.size(); ++i)
        for (std::size_t c = 0; c < w; ++c) {
          gathered[i * w + c] = table[static_cast<std::size_t>(ids[i]) * w + c];
          sums[static_cast<std::size_t>(ids[i]) * w + c] += in[i * w + c];
        }
      DeviceArray<float> dev_table(kernels, table), dev_in(kernels, in), dev_out(kernels, in);
      const TableRows rows{dev_ids.data(), kCount, kEntries, width};
      require_done(kernels.step->gather_rows(rows, dev_table.data(), dev_out.data(), launch));
      check_same_numbers(dev_out, gathered);
      require_done(kernels.step->add_rows(rows, dev_in.data(), dev_table.data(), launch));
      check_same_numbers(dev_table, sums);
    }
}

// What a table does not have makes NaN of its row, and no gradient; nothing is read or written outside.
inline void check_numbers_outside(const Kernels& kernels) {
  const auto is_nothing = [](float x) { return x != x; };
  for (const std::int64_t bad : {std::int64_t{8}, std::int64_t{-1}}) {
    const std::vector<float> numbers(40, 1.0f);
    DeviceArray<float> in(kernels, numbers), out(kernels, numbers), table(kernels, numbers), e(kernels, numbers),
        logits(kernels, std::vector<float>(5));
    DeviceArray<std::int64_t> ids(kernels, {0, 7, bad, 3, 7});
    const TableRows rows{ids.data(), 5, 8, 5};
    require_done(kernels.step->gather_rows(rows, in.data(), out.data(), {}));
    const std::vector<float> gathered = out.contents();
    CHECK(std::count_if(gathered.begin(), gathered.end(), is_nothing) == 5);
    CHECK(std::all_of(gathered.begin() + 10, gathered.begin() + 15, is_nothing));
    require_done(kernels.step->add_rows(rows, in.data(), table.data(), {}));
    const std::vector<float> sums = table.contents();
    CHECK(std::accumulate(sums.begin(), sums.end(), 0.0f) == 40 + 4 * 5);
    DeviceResult<std::array<LogitRow, 5>> of_rows(kernels);
    require_done(kernels.step->logit_rows(
        {in.data(), ids.data(), 5, 8, false, e.data(), of_rows.data()->data(), logits.data()}, {}));
    for (std::size_t row = 0; row < 5; ++row) {
      const LogitRow found = of_rows.value()[row];
      CHECK((found.others + found.target != found.others + found.target) == (row == 2));
      CHECK(is_nothing(logits.contents()[row]) == (row == 2));
    }
  }
  CHECK(kernels.step->gather_rows({nullptr, 0, 8, 5}, nullptr, nullptr, {}) == nullptr);
}

inline bool same_row(const LogitRow& a, const LogitRow& b) {
  bool same = same_number(double{a.low}, double{b.low}) && same_number(double{a.high}, double{b.high}) &&
              same_number(a.others, b.others) && same_number(a.target, b.target);
  for (int j = 0; j < kLogitMoments; ++j) same = same && same_number(a.moments[j], b.moments[j]);
  return same;
}

// Three rows: ordinary, with a logit that is -infinity and one beyond the moments' bound, and with a NaN and an infinity.
inline std::vector<float> logits_of(std::int64_t width) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  std::vector<float> z = row_numbers(3 * width, 41);
  const auto w = static_cast<std::size_t>(width);
  if (w > 4) z[w + 1] = -kInfinity, z[w + 3] = -1e30f;
  if (w > 4) z[2 * w] = std::numeric_limits<float>::quiet_NaN(), z[3 * w - 1] = kInfinity;
  return z;
}

inline void compare_logits(const Kernels& kernels, std::int64_t width, bool moments, bool keeps, Launch launch) {
  constexpr std::int64_t kRows = 3;
  constexpr double kShare = double{0.3f} * 2 / 7;
  const DeviceResult<float> gradient(kernels, 0.3f);
  const MeanShare share{gradient.data(), 2, 7};
  const std::vector<float> z = logits_of(width);
  const std::vector<std::int64_t> targets = {width / 2, width - 1, 0};
  std::vector<float> e(z.size());
  std::vector<LogitRow> expected(kRows);
  std::vector<double> sums;
  for (std::int64_t row = 0; row < kRows; ++row) {
    const auto place = static_cast<std::size_t>(row);
    LogitRow& own = expected[place];
    row_kernels().logit_row(z.data() + row * width, width, targets[place], moments, e.data() + row * width, own);
    sums.push_back(own.others + own.target);
  }

  constexpr std::size_t kWords = sizeof(LogitRow) / sizeof(double);
  DeviceArray<float> dev_z(kernels, z), dev_e(kernels, std::vector<float>(z.size())), dev_logits(kernels, {0, 0, 0});
  DeviceArray<std::int64_t> dev_targets(kernels, targets);
  DeviceArray<double> dev_rows(kernels, std::vector<double>(kRows * kWords));
  require_done(
      kernels.step->logit_rows({dev_z.data(), dev_targets.data(), kRows, width, moments, keeps ? dev_e.data() : nullptr,
                                reinterpret_cast<LogitRow*>(dev_rows.data()), dev_logits.data()},
                               launch));
  const std::vector<double> words = dev_rows.contents();
  const std::vector<float> of_targets = dev_logits.contents();
  for (std::size_t row = 0; row < kRows; ++row) {
    LogitRow found;
    __builtin_memcpy(static_cast<void*>(&found), words.data() + row * kWords, sizeof(found));
    INFO("row " << row);
    CHECK(same_row(found, expected[row]));
    CHECK(same_number(double{of_targets[row]},
                      double{z[row * static_cast<std::size_t>(width) + static_cast<std::size_t>(targets[row])]}));
  }
  if (!keeps) return;
  check_same_numbers(dev_e, e);
  for (std::int64_t row = 0; row < kRows; ++row) {
    const auto place = static_cast<std::size_t>(row);
    float* const own = e.data() + row * width;
    row_kernels().scale_row(own, width, static_cast<float>(kShare / sums[place]));
    own[targets[place]] -= static_cast<float>(kShare);
  }
  require_done(kernels.step->logit_gradient(
      {dev_e.data(), dev_targets.data(), reinterpret_cast<LogitRow*>(dev_rows.data()), kRows, width, share}, launch));
  check_same_numbers(dev_e, e);
}

// Around lanes and the chunks of 1024 logits.
inline void compare_logit_rows(const Kernels& kernels) {
  for (const std::int64_t width : {1, 5, 16, 33, 1024, 1025, 2100})
    for (const bool moments : {false, true})
      for (const Launch launch : next_launches(kernels)) {
        INFO("width " << width << ", moments " << moments);
        compare_logits(kernels, width, moments, width != 33 || moments, launch);
      }
}

inline void compare_squared_errors(const Kernels& kernels) {
  for (const std::int64_t size : {0, 1, 333})
    for (const Launch launch : next_launches(kernels)) {
      const std::vector<float> y = row_numbers(size, 51), t = row_numbers(size, 52);
      std::vector<float> differences(y.size()), scaled = y;
      double sum = 0;
      for (std::size_t i = 0; i < y.size(); ++i) {
        const double d = double{y[i]} - double{t[i]};
        sum += d * d;
        differences[i] = static_cast<float>(d);
        scaled[i] *= 0.3f / 4;
      }
      DeviceArray<float> dev_y(kernels, y), dev_t(kernels, t), dev_differences(kernels, y);
      DeviceResult<double> found(kernels, -1), again(kernels, -1);
      require_done(
          kernels.step->squared_error(dev_y.data(), dev_t.data(), size, dev_differences.data(), found.data(), launch));
      CHECK(found.value() == sum);
      check_same_numbers(dev_differences, differences);
      require_done(kernels.step->squared_error(dev_y.data(), dev_t.data(), size, nullptr, again.data(), launch));
      CHECK(again.value() == sum);
      const DeviceResult<float> gradient(kernels, 0.3f);
      require_done(kernels.step->scale(dev_y.data(), size, {gradient.data(), 1, 4}, launch));
      check_same_numbers(dev_y, scaled);
    }
}

}  // namespace precipice::test
