// SPDX-License-Identifier: Apache-2.0
// The training step of a device as a graph: captured once, then one call instead of hundreds of launches a step, which is
// what a small model's step takes its time for. Replays have the bits of the step that was captured: what is another from
// step to step is read from the device's memory (StepInput).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "precision/base/spellings.h"
#include "precision/quantize/step_graphs.h"

namespace precipice {

// Of a user's: where it pays, wherever it can be done, nowhere. No bit depends on it.
enum class GraphUse : std::uint8_t { Auto, Always, Never };
inline constexpr Spellings<GraphUse, 3> kGraphUses{
    {{"auto", GraphUse::Auto}, {"always", GraphUse::Always}, {"never", GraphUse::Never}}};

class StepGraph {
 public:
  // `graphs`: of the device; null: it has none.
  StepGraph(const StepGraphs* graphs, GraphUse use) : graphs_(use == GraphUse::Never ? nullptr : graphs), use_(use) {}
  StepGraph(const StepGraph&) = delete;
  StepGraph& operator=(const StepGraph&) = delete;
  ~StepGraph() { drop(); }

  // What a step is captured for: another `key`, as the precision of a schedule's next part, needs another graph. `obstacle`: why
  // the next step cannot be captured, or null.
  enum class Way : std::uint8_t { Eager, Capture, Replay };
  Way next(const void* key, const char* obstacle);
  // Queues what `queue` queues to a graph. False: it cannot be captured, nothing was done, and there will be no graph.
  bool capture(const std::function<void()>& queue);
  void replay();
  // How long a step took that was queued launch by launch; that what a step took for granted did not hold.
  void took(std::chrono::nanoseconds time) {
    last_ = time;
    ++eager_;
  }
  void failed();
  void held() { failures_ = 0; }
  void drop();

  // What happened since the last call, for a log: that there is a graph, or why there is none. Once each.
  std::optional<std::string> take_note();

 private:
  void give_up(const std::string& reason);

  const StepGraphs* graphs_;
  GraphUse use_;
  void* graph_ = nullptr;
  const void* key_ = nullptr;
  std::int64_t eager_ = 0, failures_ = 0;  // steps for this key; steps in a row
  std::chrono::nanoseconds last_{0};
  std::optional<std::string> note_;
};

}  // namespace precipice
