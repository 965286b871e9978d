// SPDX-License-Identifier: Apache-2.0
#include "precision/quantize/cpu_loops.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "precision/base/check.h"
#include "precision/kernels/quantize_kernels.h"
#include "precision/quantize/parallel.h"
#include "precision/quantize/piece_quantizer.h"

namespace precipice::cpu {
namespace {

constexpr std::int64_t kElementsPerTask = 32768, kSoftmaxRowsPerTask = 64, kHeadsPerTask = 512;

// body(chunk, first row, last row)
template <class Body>
void for_norm_chunks(std::int64_t rows, const Body& body) {
  const std::int64_t chunks = (rows + kNormRowsPerChunk - 1) / kNormRowsPerChunk;
  at::parallel_for(0, chunks, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t chunk = begin; chunk < end; ++chunk)
      body(chunk, chunk * kNormRowsPerChunk, std::min(rows, (chunk + 1) * kNormRowsPerChunk));
  });
}

std::int64_t logit_rows_per_task(std::int64_t width) {
  return std::max<std::int64_t>(1, kElementsPerTask / std::max<std::int64_t>(width, 1));
}

}  // namespace

void norm_forward(const NormForward& call, std::int64_t rows, Stream) {
  for_norm_chunks(rows, [&](std::int64_t, std::int64_t first, std::int64_t last) {
    row_kernels().norm_forward(call, first, last);
  });
}

void norm_backward(const NormBackward& call, std::int64_t rows, Stream) {
  for_norm_chunks(rows, [&](std::int64_t chunk, std::int64_t first, std::int64_t last) {
    NormBackward own = call;
    own.dgain += chunk * 2 * call.width;
    if (call.dbias != nullptr) own.dbias += chunk * 2 * call.width;
    row_kernels().norm_backward(own, first, last);
  });
}

void causal_softmax(float* scores, std::int64_t length, float scale, std::int64_t rows, Stream) {
  at::parallel_for(0, rows, kSoftmaxRowsPerTask, [&](std::int64_t first, std::int64_t last) {
    row_kernels().causal_softmax(scores + first * length, length, scale, first, last);
  });
}

void causal_softmax_backward(const float* p, float* dp, const float* deltas, std::int64_t length, float scale,
                             std::int64_t rows, Stream) {
  at::parallel_for(0, rows, kSoftmaxRowsPerTask, [&](std::int64_t first, std::int64_t last) {
    const std::int64_t begin = first * length;
    row_kernels().causal_softmax_backward(p + begin, dp + begin, deltas == nullptr ? nullptr : deltas + first, length,
                                          scale, first, last);
  });
}

void gelu(const GeluForward& call, Stream) {
  at::parallel_for(0, call.size, kElementsPerTask, [&](std::int64_t begin, std::int64_t end) {
    row_kernels().gelu(call.x + begin, end - begin, call.y + begin,
                       call.derivative == nullptr ? nullptr : call.derivative + begin);
  });
}

void rotate(const Rotation& call, Stream) {
  const std::int64_t half = call.half;
  at::parallel_for(0, call.count, kHeadsPerTask, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t head = begin; head < end; ++head) {
      const std::int64_t angle = head / call.heads % call.length * half;
      const float *a = call.x + head * 2 * half, *b = a + half;
      float *u = call.y + head * 2 * half, *v = u + half;
      for (std::int64_t i = 0; i < half; ++i) {
        const float cosine = call.cosines[angle + i], sine = call.direction * call.sines[angle + i];
        u[i] = a[i] * cosine - b[i] * sine;
        v[i] = b[i] * cosine + a[i] * sine;
      }
    }
  });
}

void gather_rows(const TableRows& rows, const float* table, float* out, Stream) {
  for (std::int64_t i = 0; i < rows.count; ++i) {
    const std::int64_t id = rows.ids[i];
    PRECIPICE_CHECK(id >= 0 && id < rows.entries, "token ", id, " of ", rows.entries);
    std::memcpy(out + i * rows.width, table + id * rows.width, static_cast<std::size_t>(rows.width) * sizeof(float));
  }
}

void add_rows(const TableRows& rows, const float* in, float* table, Stream) {
  for (std::int64_t i = 0; i < rows.count; ++i)
    for (std::int64_t c = 0; c < rows.width; ++c) table[rows.ids[i] * rows.width + c] += in[i * rows.width + c];
}

void logit_rows(const LogitRowsCall& call, Stream) {
  PRECIPICE_CHECK(call.packed == nullptr, "logits are fp32 on the CPU");
  const std::int64_t width = call.width;
  at::parallel_for(0, call.count, logit_rows_per_task(width), [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> scratch(call.e == nullptr ? static_cast<std::size_t>(width) : 0);
    for (std::int64_t row = begin; row < end; ++row) {
      const float* const z = call.z + row * width;
      const std::int64_t target = call.targets[row];
      PRECIPICE_CHECK(target >= 0 && target < width, "target ", target, " of ", width);
      call.target_logits[row] = z[target];
      call.rows[row] = {};
      row_kernels().logit_row(z, width, target, call.moments, call.e == nullptr ? scratch.data() : call.e + row * width,
                              call.rows[row]);
    }
  });
}

void logit_gradient(const LogitGradient& call, Stream) {
  PRECIPICE_CHECK(call.packed == nullptr, "logits are fp32 on the CPU");
  const double share = call.share.value();
  at::parallel_for(0, call.count, logit_rows_per_task(call.width), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      float* const of_row = call.e + row * call.width;
      const double sum = call.rows[row].others + call.rows[row].target;
      row_kernels().scale_row(of_row, call.width, static_cast<float>(share / sum));
      of_row[call.targets[row]] -= static_cast<float>(share);
    }
  });
}

void squared_error(const float* y, const float* t, std::int64_t size, float* differences, double* result, Stream) {
  double sum = 0;
  for (std::int64_t i = 0; i < size; ++i) {
    const double d = double{y[i]} - double{t[i]};
    sum += d * d;
    if (differences != nullptr) differences[i] = static_cast<float>(d);
  }
  *result = sum;
}

void scale(float* x, std::int64_t size, const MeanShare& share, Stream) {
  const auto factor = static_cast<float>(share.value());
  for (std::int64_t i = 0; i < size; ++i) x[i] *= factor;
}

void quantize(QuantizeTask& task, const float* in, const RandomKey& key, const float* amax,
              const MatrixOutputs& outputs, MatrixNumbers* numbers, Stream) {
  const EventCounts events = task.run(
      in, key, amax == nullptr ? std::nullopt : std::optional(*amax), outputs,
      [](std::int64_t items, std::int64_t grain, const auto& body) { at::parallel_for(0, items, grain, body); });
  *numbers = task.numbers(events, outputs.scales);
}

void round(const PieceRounder& given, const NumberRows& numbers, Stream) {
  constexpr std::int64_t kGrain = QuantizeTask::kGrain;
  const PieceRounder rounder = numbers.scale.is_known() ? given : given.with_scale(numbers.scale.value());
  if (numbers.rows == 1) {
    at::parallel_for(0, numbers.cols, kGrain,
                     [&](std::int64_t begin, std::int64_t end) { rounder.round(numbers.data, begin, end - begin); });
    return;
  }
  at::parallel_for(0, numbers.rows, std::max<std::int64_t>(1, kGrain / numbers.cols),
                   [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t row = begin; row < end; ++row)
                       rounder.round(numbers.data, row * numbers.stride, numbers.cols);
                   });
}

float amax(const float* x, std::int64_t size, Stream) {
  return precipice::amax(x, size);
}

}  // namespace precipice::cpu
