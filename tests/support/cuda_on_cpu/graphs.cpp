// SPDX-License-Identifier: Apache-2.0
#include "tests/support/cuda_on_cpu/graphs.h"

#include <memory>
#include <unordered_map>
#include <utility>

#include "tests/support/cuda_on_cpu/device_memory.h"
#include "tests/support/cuda_on_cpu/run_time.h"

namespace cuda_on_cpu {
namespace {

// Outlives whatever frees memory at the end of the program.
std::unordered_map<void*, Graph*>& owners() {
  static auto* const all = new std::unordered_map<void*, Graph*>;
  return *all;
}

}  // namespace

Graph* begin_capture(Stream& stream) {
  auto* const graph = new Graph;
  stream.capture([graph](std::function<void()> work) { graph->work.push_back(std::move(work)); }, graph);
  return graph;
}

void end_capture(Stream& stream) {
  stream.capture({}, nullptr);
}

Graph* captured(Stream& stream) {
  return static_cast<Graph*>(stream.capturing());
}

void replay(Graph& graph, Stream& stream) {
  ++counters().replays;
  for (const auto& work : graph.work) stream.enqueue(work);
}

void take_memory(Graph& graph, void* memory) {
  graph.memory[memory] = false;
  owners()[memory] = &graph;
  graph.work.push_back([memory] { DeviceMemory::instance().renew(memory); });
}

bool free_of_graph(void* memory, Stream& stream) {
  const auto owner = owners().find(memory);
  if (owner == owners().end()) return false;
  Graph& graph = *owner->second;
  bool& is_freed = graph.memory.at(memory);
  if (std::exchange(is_freed, true)) report("memory is freed that is not allocated, or twice");
  if (captured(stream) == &graph) graph.work.push_back([memory] { DeviceMemory::instance().retire(memory); });
  return true;
}

// What somebody still holds is his from now on, as any other memory.
void release_graph(Graph* graph, Stream& stream) {
  stream.run();
  const std::unique_ptr<Graph> own(graph);
  std::exchange(own->work, {}).clear();
  for (const auto& [memory, is_freed] : own->memory) {
    owners().erase(memory);
    if (is_freed) DeviceMemory::instance().release(memory);
  }
}

}  // namespace cuda_on_cpu
