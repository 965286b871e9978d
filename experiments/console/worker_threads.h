// SPDX-License-Identifier: Apache-2.0
// Numbered items shared out to threads, each with things of its own (a model, a trainer). An item's result may depend
// on its number only, so results do not depend on the number of threads. The caller's thread looks on: it shows
// progress, publishes, and passes a stop on. The first exception of a thread stops the others and is thrown to the
// caller.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace precipice {

// `make_worker()` is called in each thread and gives what handles an item. `watch(done)` is called in the caller's
// thread every few milliseconds, and once when all threads have ended; false: no further items are begun.
inline void run_worker_threads(std::size_t items, std::size_t threads,
                               const std::function<std::function<void(std::size_t)>()>& make_worker,
                               const std::function<bool(std::size_t done)>& watch) {
  std::atomic<std::size_t> next{0}, done{0}, ended{0};
  std::atomic<bool> stop{false};
  std::exception_ptr failure;
  std::mutex failure_mutex;
  const std::size_t count = std::max<std::size_t>(1, std::min(threads, items));
  const auto work = [&] {
    try {
      const auto handle = make_worker();
      for (std::size_t item = next++; item < items && !stop; item = next++) {
        handle(item);
        ++done;
      }
    } catch (...) {
      const std::lock_guard lock(failure_mutex);
      if (!failure) failure = std::current_exception();
      stop = true;
    }
    ++ended;
  };
  std::vector<std::thread> pool;
  try {
    for (std::size_t i = 0; i < count; ++i) pool.emplace_back(work);
    while (ended < count) {
      if (!watch(done)) stop = true;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  } catch (...) {  // of watch(), or no thread could be made: the others must end before their things go away
    stop = true;
    for (std::thread& thread : pool) thread.join();
    throw;
  }
  for (std::thread& thread : pool) thread.join();
  if (failure) std::rethrow_exception(failure);
  watch(done);
}

}  // namespace precipice
