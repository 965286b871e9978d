// SPDX-License-Identifier: Apache-2.0
// What a stream is given while it is captured: kept in a list instead of run, and run when somebody waits for a replay. Memory
// that is allocated meanwhile has its address from then on, until the graph is released and whoever holds it gives it back; at
// a replay it is fresh where it was allocated, and nobody's where it was freed.
#pragma once

#include <functional>
#include <map>
#include <vector>

#include "tests/support/cuda_on_cpu/streams.h"

namespace cuda_on_cpu {

struct Graph {
  std::vector<std::function<void()>> work;
  std::map<void*, bool> memory;  // whether it was freed, meanwhile or later
};

Graph* begin_capture(Stream& stream);
// Ends what was begun.
void end_capture(Stream& stream);
// Null: the stream is not captured.
Graph* captured(Stream& stream);
void replay(Graph& graph, Stream& stream);
void release_graph(Graph* graph, Stream& stream);

// Of cudaMallocAsync's memory on a captured stream; cudaFreeAsync of memory, false where no graph has it.
void take_memory(Graph& graph, void* memory);
bool free_of_graph(void* memory, Stream& stream);

}  // namespace cuda_on_cpu
