// SPDX-License-Identifier: Apache-2.0
// Streams of work that is not done before somebody waits for it, and then no more of it than he waits for: what relies on
// a wait that is missing shows. The default stream waits for all work before it of streams that block on it, and they
// for its, as the Programming Guide has it for the legacy default stream; other streams meet at events alone.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <utility>
#include <vector>

namespace cuda_on_cpu {

class Stream;

// So much of a stream's work.
struct Event {
  Stream* stream = nullptr;
  std::uint64_t work = 0;
};

class Stream {
 public:
  // Null: the default stream.
  static Stream& of(Stream* stream);
  static Stream* create(bool blocks);  // stays: events may name it
  static void run_all();

  // `even_after_a_problem`: what gives memory back. Other work is dropped then.
  void enqueue(std::function<void()> work, bool even_after_a_problem = false);
  void wait_for(const Event& event);  // of what is enqueued from now on
  Event now() { return {this, enqueued_}; }
  // From now on work is handed to `keep` instead of queued, for `graph`; null: it is queued again.
  void capture(std::function<void(std::function<void()>)> keep, void* graph) {
    keep_ = std::move(keep);
    graph_ = graph;
  }
  void* capturing() const { return graph_; }
  void run_until(std::uint64_t work);
  void run() { run_until(enqueued_); }

 private:
  struct Work {
    std::function<void()> run;
    bool always;
    std::vector<Event> after;
  };

  std::deque<Work> queue_;
  std::uint64_t enqueued_ = 0, done_ = 0;
  std::vector<Event> after_;  // of the next work
  bool blocks_ = true;
  std::function<void(std::function<void()>)> keep_;
  void* graph_ = nullptr;
};

}  // namespace cuda_on_cpu
