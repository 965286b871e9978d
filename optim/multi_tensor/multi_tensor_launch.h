// SPDX-License-Identifier: Apache-2.0
// The multi-tensor kernels as bodies for host and device: the work of one thread of a launch. A chunk is cut into
// blocks of kBlock elements, and element i of a block belongs to lane i % kLanes, whose sums of squares one thread
// makes in order, in double. Adding up the lanes of a block, the blocks of a chunk and the chunks of a call in their
// fixed order then gives the bits that multi_tensor.cpp gives. Neighbouring threads have neighbouring lanes, so that
// eight of them read 32 bytes that lie together. multi_tensor_cuda.cu wraps the bodies in kernels; tests run those on the
// CPU (tests/support/cuda_on_cpu).
#pragma once

#include <cmath>
#include <cstdint>

#include "optim/multi_tensor/multi_tensor_functors.h"
#include "optim/multi_tensor/multi_tensor_walk.h"
#include "optim/multi_tensor/update_gate.h"
#include "precision/base/host_device.h"
#include "precision/cuda/launch.h"

namespace precipice {

template <int kLists>
struct DeviceChunk {
  float* at[kLists];
  std::int64_t size;
};

PRECIPICE_HD std::int64_t blocks_of(std::int64_t size) {
  return (size + kBlock - 1) / kBlock;
}

struct DecideLaunch {
  UpdateDecision decision;
  UpdateGate* gate;

  PRECIPICE_HD std::int64_t items() const { return 1; }
  template <class Atomics>
  PRECIPICE_HD void run(ThreadPosition position) const {
    if (position.thread == 0) *gate = decision.decide();
  }
};

// The body under a gate, which has the gradient's factor. False: it does nothing, and what it measures is 0.
template <class Body>
PRECIPICE_HD bool passes_gate(const UpdateGate* gate, Body& body) {
  if (gate == nullptr) return true;
  if constexpr (requires { body.set_grad_scale(1.0f); }) body.set_grad_scale(static_cast<float>(gate->grad_scale));
  return gate->is_open != 0;
}

// A body as the host knows it, or where the device's memory has it.
template <class Body>
struct GivenBody {
  Body body;
  const Body* there = nullptr;       // in place of `body`, or null
  const UpdateGate* gate = nullptr;  // or null
};

// First launch: an item is a lane of a block, numbered as if all chunks had `blocks` blocks.
template <class Body>
struct LaneLaunch {
  GivenBody<Body> given;
  const DeviceChunk<Body::kLists>* chunks;
  std::int64_t chunk_count;
  std::int64_t blocks;  // of the largest chunk
  double* lanes;        // [chunk][block][lane][2]

  PRECIPICE_HD std::int64_t items() const { return chunk_count * blocks * kLanes; }

  template <class Atomics>
  PRECIPICE_HD void run(ThreadPosition position) const {
    Body body = given.there != nullptr ? *given.there : given.body;
    const bool is_open = passes_gate(given.gate, body);
    for (std::int64_t item = position.thread; item < items(); item += position.threads) {
      const std::int64_t chunk = item / kLanes / blocks;
      const std::int64_t begin = item / kLanes % blocks * kBlock;
      const std::int64_t left = chunks[chunk].size - begin, end = begin + (left < kBlock ? left : kBlock);
      if (left > 0) run_lane(body, chunks[chunk].at, begin + item % kLanes, is_open ? end : begin, item);
    }
  }

 private:
  // Elements first, first + kLanes, ... below `end`.
  PRECIPICE_HD void run_lane(const Body& body, float* const (&list)[Body::kLists], std::int64_t first, std::int64_t end,
                             std::int64_t item) const {
    // Copies: the table is in memory that the writes below could be to, and would be read for every element.
    float* at[Body::kLists];
    for (int d = 0; d < Body::kLists; ++d) at[d] = list[d];
    double sum[2] = {0.0, 0.0};
    for (std::int64_t i = first; i < end; i += kLanes) {
      float x[Body::kLists];
      for (int d = 0; d < Body::kLists; ++d) x[d] = at[d][i];
      const Measures measured = body(x);
      for (int d = 0; d < Body::kLists; ++d) {
        if ((Body::kWritten >> d) & 1u) at[d][i] = x[d];
      }
      for (int k = 0; k < Body::kMeasures; ++k)
        sum[k] += static_cast<double>(measured.value[k]) * static_cast<double>(measured.value[k]);
    }
    for (int k = 0; k < 2; ++k) lanes[2 * item + k] = sum[k];
  }
};

// Second launch: an item is a chunk.
template <int kLists>
struct ChunkSumLaunch {
  const DeviceChunk<kLists>* chunks;
  std::int64_t chunk_count;
  std::int64_t blocks;
  const double* lanes;
  ChunkResult* results;

  PRECIPICE_HD std::int64_t items() const { return chunk_count; }

  template <class Atomics>
  PRECIPICE_HD void run(ThreadPosition position) const {
    for (std::int64_t chunk = position.thread; chunk < chunk_count; chunk += position.threads) {
      ChunkResult result{};
      for (std::int64_t block = 0; block < blocks_of(chunks[chunk].size); ++block) {
        for (int k = 0; k < 2; ++k) {
          double lane[kLanes];
          for (int n = 0; n < kLanes; ++n) lane[n] = lanes[2 * ((chunk * blocks + block) * kLanes + n) + k];
          result.squares[k] += sum_of_lanes(lane);
        }
      }
      results[chunk] = result;
    }
  }
};

// Third launch: what sum_over_chunks() makes of them, in their order. An item is the call.
struct SumLaunch {
  const ChunkResult* results;
  std::int64_t chunk_count;
  double* norm;        // the root of the first sum, or null
  UpdateNorms* norms;  // both, or null

  PRECIPICE_HD std::int64_t items() const { return 1; }

  template <class Atomics>
  PRECIPICE_HD void run(ThreadPosition position) const {
    if (position.thread != 0) return;
    double sums[2] = {0.0, 0.0};
    for (std::int64_t chunk = 0; chunk < chunk_count; ++chunk)
      for (int k = 0; k < 2; ++k) sums[k] += results[chunk].squares[k];
    if (norm != nullptr) *norm = std::sqrt(sums[0]);
    if (norms != nullptr) norms->update = sums[0], norms->weight = sums[1];
  }
};

// Before all: the table of chunks, cut from spans that come as parameters of the launch, as apex's
// multi_tensor_apply.cuh passes them: parameters are copied when a launch is queued, so that nobody waits for an upload.
template <int kLists>
struct SpanOfLists {
  float* at[kLists];
  std::int64_t size, first_chunk;
};
template <int kLists>
struct CutSpansLaunch {
  static constexpr int kMost = 60;  // of five lists: 3,360 of the 4,096 bytes that parameters may have
  SpanOfLists<kLists> spans[kMost];
  int count;
  std::int64_t first, end;  // chunks of these spans
  DeviceChunk<kLists>* chunks;

  PRECIPICE_HD std::int64_t items() const { return end - first; }

  template <class Atomics>
  PRECIPICE_HD void run(ThreadPosition position) const {
    for (std::int64_t item = position.thread; item < items(); item += position.threads) {
      const std::int64_t chunk = first + item;
      int low = 0, high = count;  // the last span that begins at or before the chunk
      while (high - low > 1) {
        const int middle = (low + high) / 2;
        (spans[middle].first_chunk <= chunk ? low : high) = middle;
      }
      const SpanOfLists<kLists>& span = spans[low];
      const std::int64_t begin = (chunk - span.first_chunk) * kChunkSize, left = span.size - begin;
      DeviceChunk<kLists>& own = chunks[chunk];
      for (int d = 0; d < kLists; ++d) own.at[d] = span.at[d] + begin;
      own.size = left < kChunkSize ? left : kChunkSize;
    }
  }
};

// The chunks of lists, as a machine's table of them.
template <int kLists>
struct ChunkTable {
  DeviceChunk<kLists>* chunks = nullptr;
  std::int64_t count = 0, blocks = 0;  // blocks: of the largest

  template <class Machine>
  ChunkTable(Machine& machine, const TensorLists& lists) {
    std::int64_t largest = 0;
    for (const FloatSpan& span : lists[0]) {
      count += chunks_of(span.size);
      largest = largest > span.size ? largest : span.size;
    }
    blocks = blocks_of(largest < kChunkSize ? largest : kChunkSize);
    if (count == 0) return;
    chunks = machine.template unwritten<DeviceChunk<kLists>>(count);
    CutSpansLaunch<kLists> launch{};
    launch.chunks = chunks;
    for (std::size_t t = 0; t < lists[0].size(); ++t) {
      const std::int64_t size = lists[0][t].size;
      if (size == 0) continue;
      SpanOfLists<kLists>& span = launch.spans[launch.count++];
      for (int d = 0; d < kLists; ++d) span.at[d] = lists[static_cast<std::size_t>(d)][t].data;
      span.size = size;
      span.first_chunk = launch.end;
      launch.end += chunks_of(size);
      if (launch.count < CutSpansLaunch<kLists>::kMost && launch.end < count) continue;
      machine.launch(launch);
      launch.count = 0;
      launch.first = launch.end;
    }
  }

 private:
  static std::int64_t chunks_of(std::int64_t size) { return (size + kChunkSize - 1) / kChunkSize; }
};

// Runs a body over all chunks of lists on a machine as quantize_calls.h describes it. `sum` without its results.
template <class Machine, class Body>
void launch_over_chunks(Machine& machine, const TensorLists& lists, const GivenBody<Body>& body, SumLaunch sum) {
  constexpr int kLists = Body::kLists;
  check_lists(lists, kLists);
  const ChunkTable<kLists> table(machine, lists);
  if (table.count > 0) {
    auto* lanes = machine.template unwritten<double>(2 * table.count * table.blocks * kLanes);
    auto* results = machine.template unwritten<ChunkResult>(table.count);
    machine.launch(LaneLaunch<Body>{body, table.chunks, table.count, table.blocks, lanes});
    machine.launch(ChunkSumLaunch<kLists>{table.chunks, table.count, table.blocks, lanes, results});
    sum.results = results;
    sum.chunk_count = table.count;
  }
  machine.launch(sum);
}

}  // namespace precipice
