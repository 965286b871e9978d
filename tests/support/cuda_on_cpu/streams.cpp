// SPDX-License-Identifier: Apache-2.0
#include "tests/support/cuda_on_cpu/streams.h"

#include <memory>

#include "tests/support/cuda_on_cpu/device_memory.h"
#include "tests/support/cuda_on_cpu/run_time.h"

namespace cuda_on_cpu {
namespace {

// The default one first.
std::vector<std::unique_ptr<Stream>>& streams() {
  static auto* const all = [] {
    auto* list = new std::vector<std::unique_ptr<Stream>>;
    list->push_back(std::make_unique<Stream>());
    return list;
  }();
  return *all;
}

}  // namespace

Stream& Stream::of(Stream* stream) {
  return stream != nullptr ? *stream : *streams()[0];
}

Stream* Stream::create(bool blocks) {
  streams().push_back(std::make_unique<Stream>());
  streams().back()->blocks_ = blocks;
  return streams().back().get();
}

void Stream::run_all() {
  // Last to first: what streams do not wait for by events has no order.
  for (auto stream = streams().rbegin(); stream != streams().rend(); ++stream) (*stream)->run();
}

void Stream::enqueue(std::function<void()> work, bool even_after_a_problem) {
  if (graph_ != nullptr && !even_after_a_problem) return keep_(std::move(work));
  Work next{std::move(work), even_after_a_problem, std::exchange(after_, {})};
  Stream& first = of(nullptr);
  if (this == &first) {
    for (const auto& other : streams()) {
      if (other.get() != this && other->blocks_) next.after.push_back(other->now());
    }
  } else if (blocks_) {
    next.after.push_back(first.now());
  }
  queue_.push_back(std::move(next));
  ++enqueued_;
}

void Stream::wait_for(const Event& event) {
  if (event.stream != nullptr) after_.push_back(event);
}

void Stream::run_until(std::uint64_t work) {
  if (done_ == work) return;
  const DeviceMemory::Opened opened;  // once for all of the work
  while (done_ < work) {
    const Work next = std::move(queue_.front());
    queue_.pop_front();
    for (const Event& event : next.after) event.stream->run_until(event.work);
    if (next.always || !has_problem()) next.run();
    ++done_;
  }
}

}  // namespace cuda_on_cpu
