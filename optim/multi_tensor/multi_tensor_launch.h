// SPDX-License-Identifier: Apache-2.0
// The multi-tensor kernels as bodies for host and device: the work of one thread of a launch. A chunk is cut into
// blocks of kBlock elements, and element i of a block belongs to lane i % kLanes, whose sums of squares one thread
// makes in order, in double. Adding up the lanes of a block, the blocks of a chunk and the chunks of a call in their
// fixed order then gives the bits that multi_tensor.cpp gives. Neighbouring threads have neighbouring lanes, so that
// eight of them read 32 bytes that lie together. multi_tensor_cuda.cu wraps the bodies in kernels; tests run those on the
// CPU (tests/support/cuda_on_cpu).
#pragma once

#include <cstdint>
#include <vector>

#include "optim/multi_tensor/multi_tensor_functors.h"
#include "optim/multi_tensor/multi_tensor_walk.h"
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

// First launch: an item is a lane of a block, numbered as if all chunks had `blocks` blocks.
template <class Body>
struct LaneLaunch {
  Body body;
  const DeviceChunk<Body::kLists>* chunks;
  std::int64_t chunk_count;
  std::int64_t blocks;  // of the largest chunk
  double* lanes;        // [chunk][block][lane][2]

  PRECIPICE_HD std::int64_t items() const { return chunk_count * blocks * kLanes; }

  template <class Atomics>
  PRECIPICE_HD void run(ThreadPosition position) const {
    for (std::int64_t item = position.thread; item < items(); item += position.threads) {
      const std::int64_t chunk = item / kLanes / blocks;
      const std::int64_t begin = item / kLanes % blocks * kBlock;
      const std::int64_t left = chunks[chunk].size - begin;
      if (left > 0) run_lane(chunks[chunk].at, begin + item % kLanes, begin + (left < kBlock ? left : kBlock), item);
    }
  }

 private:
  // Elements first, first + kLanes, ... below `end`.
  PRECIPICE_HD void run_lane(float* const (&list)[Body::kLists], std::int64_t first, std::int64_t end,
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

// Runs a body over all chunks of a call on a machine as quantize_calls.h describes it.
template <class Machine>
struct LaunchRunner {
  Machine& machine;

  template <class Body, class OnChunk>
  void operator()(const TensorLists& lists, const Body& body, OnChunk on_chunk) {
    constexpr int kLists = Body::kLists;
    std::vector<DeviceChunk<kLists>> chunks;
    std::int64_t largest = 0;
    cut_into_chunks<kLists>(lists, [&](float* const(&at)[kLists], std::int64_t size) {
      DeviceChunk<kLists> one{};
      for (int d = 0; d < kLists; ++d) one.at[d] = at[d];
      one.size = size;
      chunks.push_back(one);
      largest = largest > size ? largest : size;
    });
    if (chunks.empty()) return;
    const auto count = static_cast<std::int64_t>(chunks.size());
    const std::int64_t blocks = blocks_of(largest);
    const DeviceChunk<kLists>* table = machine.upload(chunks);
    auto* lanes = machine.template scratch<double>(2 * count * blocks * kLanes);
    auto* results = machine.template scratch<ChunkResult>(count);
    machine.launch(LaneLaunch<Body>{body, table, count, blocks, lanes});
    machine.launch(ChunkSumLaunch<kLists>{table, count, blocks, lanes, results});
    for (const ChunkResult& result : machine.download(results, count)) on_chunk(result);
  }
};

}  // namespace precipice
