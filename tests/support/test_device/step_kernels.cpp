// SPDX-License-Identifier: Apache-2.0
#include "tests/support/test_device/step_kernels.h"

#include "tests/support/test_device/kernel_memory.h"

namespace precipice::test_device {
namespace {

void rotate_heads(const Rotation& given, Stream) {
  const std::int64_t size = given.count * 2 * given.half, table = given.length * given.half;
  Copies copies;
  Rotation call = given;
  call.x = copies.in(given.x, size), call.y = copies.out(given.y, size);
  call.cosines = copies.in(given.cosines, table), call.sines = copies.in(given.sines, table);
  copies.done(kernels().step->rotate(call, {}), calls.steps);
}

TableRows copied(Copies& copies, const TableRows& rows) {
  return {copies.in(rows.ids, rows.count), rows.count, rows.entries, rows.width};
}

void gather(const TableRows& rows, const float* table, float* out, Stream) {
  Copies copies;
  const float* const from = copies.in(table, rows.entries * rows.width);
  float* const to = copies.out(out, rows.count * rows.width);
  copies.done(kernels().step->gather_rows(copied(copies, rows), from, to, {}), calls.steps);
}

void add(const TableRows& rows, const float* in, float* table, Stream) {
  Copies copies;
  const float* const from = copies.in(in, rows.count * rows.width);
  float* const to = copies.out(table, rows.entries * rows.width);
  copies.done(kernels().step->add_rows(copied(copies, rows), from, to, {}), calls.steps);
}

void read_logits(const LogitRowsCall& given, Stream) {
  const std::int64_t count = given.count, size = count * given.width;
  Copies copies;
  const LogitRowsOnDevice call{copies.in(given.z, size),
                               copies.in(given.targets, count),
                               count,
                               given.width,
                               given.moments,
                               copies.out(given.e, size),
                               copies.out(given.rows, count),
                               copies.out(given.target_logits, count)};
  copies.done(kernels().step->logit_rows(call, {}), calls.steps);
}

void pull_logits(const LogitGradient& given, Stream) {
  const std::int64_t count = given.count;
  std::vector<double> sums;
  double share = 0;
  {
    const DeviceMemory::Opened at_work;
    for (std::int64_t row = 0; row < count; ++row) sums.push_back(given.rows[row].others + given.rows[row].target);
    share = given.share.value();
  }
  Copies copies;
  const LogitGradientOnDevice call{copies.out(given.e, count * given.width),
                                   copies.in(given.targets, count),
                                   copies.in(sums.data(), count),
                                   count,
                                   given.width,
                                   share};
  copies.done(kernels().step->logit_gradient(call, {}), calls.steps);
}

void add_squares(const float* y, const float* t, std::int64_t size, float* differences, double* result, Stream) {
  Copies copies;
  const float *const outputs = copies.in(y, size), *const targets = copies.in(t, size);
  float* const to = copies.out(differences, size);
  double sum = 0;
  copies.done(kernels().step->squared_error(outputs, targets, size, to, {}, sum), calls.steps);
  put(sum, result);
}

void scale_numbers(float* x, std::int64_t size, const MeanShare& share, Stream) {
  double factor = 0;
  {
    const DeviceMemory::Opened at_work;
    factor = share.value();
  }
  Copies copies;
  float* const there = copies.out(x, size);
  copies.done(kernels().step->scale(there, size, static_cast<float>(factor), {}), calls.steps);
}

}  // namespace

void use_step_kernels(Machine& machine) {
  machine.rotate = rotate_heads;
  machine.gather_rows = gather;
  machine.add_rows = add;
  machine.logit_rows = read_logits;
  machine.logit_gradient = pull_logits;
  machine.squared_error = add_squares;
  machine.scale = scale_numbers;
}

}  // namespace precipice::test_device
