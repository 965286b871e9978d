// SPDX-License-Identifier: Apache-2.0
// Work of a device that is queued once and then done again and again, as a CUDA graph is. Free of CUDA and of torch.
#pragma once

namespace precipice {

// All of this thread's current stream, which is not the device's default one. Functions throw std::exceptions.
struct StepGraphs {
  // From now on what the stream is given, by this thread or autograd's, is kept and not done; what waits for it is refused. What
  // is allocated meanwhile keeps its place until the graph is released.
  void (*begin)();
  void* (*end)();     // the graph
  void (*abandon)();  // in place of end(), after an exception; throws nothing
  // Queues all of it once more.
  void (*replay)(void* graph);
  void (*release)(void* graph);
};

}  // namespace precipice
