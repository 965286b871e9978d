// SPDX-License-Identifier: Apache-2.0
#include "train/run/step_graph.h"

#include <fmt/format.h>

#include <exception>
#include <utility>

namespace precipice {
namespace {

// Before a capture, so that what is made when it is first used is there: zeros that kernels share, cuBLAS's workspace.
constexpr std::int64_t kEagerSteps = 2;
// In a row, of which each was done again.
constexpr std::int64_t kMostFailures = 3;
// A graph saves the host some microseconds a launch, a millisecond a step, and holds the memory of a second step: where a
// step takes this long the host is ahead of the device anyway.
constexpr std::chrono::milliseconds kLongStep{10};

}  // namespace

StepGraph::Way StepGraph::next(const void* key, const char* obstacle) {
  if (graphs_ == nullptr) return Way::Eager;
  if (key != key_) {
    drop();
    key_ = key;
    eager_ = 0;
  }
  if (obstacle != nullptr) {
    give_up(obstacle);
    return Way::Eager;
  }
  if (graph_ != nullptr) return Way::Replay;
  if (eager_ < kEagerSteps) return Way::Eager;
  if (use_ == GraphUse::Auto && last_ > kLongStep) {
    const double milliseconds = std::chrono::duration<double, std::milli>(last_).count();
    give_up(fmt::format("a step takes {:.0f} ms, of which it would save one", milliseconds));
    return Way::Eager;
  }
  return Way::Capture;
}

bool StepGraph::capture(const std::function<void()>& queue) {
  try {
    graphs_->begin();
    queue();
    graph_ = graphs_->end();
  } catch (const std::exception& error) {
    graphs_->abandon();
    const std::string reason = error.what();
    give_up(reason.substr(0, reason.find('\n')));
    return false;
  }
  note_ = fmt::format("training steps are one CUDA graph from here on, captured after {} others", eager_);
  return true;
}

void StepGraph::replay() {
  graphs_->replay(graph_);
}

void StepGraph::failed() {
  if (++failures_ == kMostFailures && graph_ != nullptr)
    give_up(fmt::format("{} steps in a row had to be done again", failures_));
}

void StepGraph::drop() {
  if (graph_ != nullptr) graphs_->release(std::exchange(graph_, nullptr));
}

void StepGraph::give_up(const std::string& reason) {
  drop();
  graphs_ = nullptr;
  note_ = "training steps are queued launch by launch, not as a CUDA graph: " + reason;
}

std::optional<std::string> StepGraph::take_note() {
  return std::exchange(note_, std::nullopt);
}

}  // namespace precipice
