// SPDX-License-Identifier: Apache-2.0
// What the parts of the extension share: arrays as they come from NumPy, random streams, and threads. The Python files
// beside it have checked types, layouts and ranges; here arrays are contiguous and of the type that the name says.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <tuple>
#include <vector>

#include "precision/kernels/event_counts.h"
#include "precision/rounding/random_bits.h"

namespace precipice::python {

namespace nb = nanobind;

template <class Number>
using Vector = nb::ndarray<Number, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <class Number>
using Matrix = nb::ndarray<Number, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
template <class Number>
using NewMatrix = nb::ndarray<nb::numpy, Number, nb::ndim<2>>;

template <class Number>
std::int64_t rows_of(const Matrix<Number>& x) {
  return static_cast<std::int64_t>(x.shape(0));
}
template <class Number>
std::int64_t cols_of(const Matrix<Number>& x) {
  return static_cast<std::int64_t>(x.shape(1));
}

// A NumPy array that owns `values`.
NewMatrix<float> new_matrix(std::vector<float> values, std::int64_t rows, std::int64_t cols);

// seed, step, site, operand
using Stream = std::tuple<std::uint64_t, std::uint32_t, std::uint32_t, std::uint16_t>;
inline RandomKey key_of(const Stream& stream) {
  return {std::get<0>(stream), std::get<1>(stream), std::get<2>(stream), std::get<3>(stream)};
}

// total, nan_in, saturated, overflowed, underflowed, subnormal, amax
using Events =
    std::tuple<std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, float>;
inline Events events_tuple(const EventCounts& e) {
  return {e.total, e.nan_in, e.saturated, e.overflowed, e.underflowed, e.subnormal, e.amax};
}

// Threads that take ranges of a loop in turn. They are started for each call and end with it: a process that forks, as
// loaders of data do, leaves no pool behind.
class Threads {
 public:
  explicit Threads(int count) : count_(std::max(1, count)) {}

  // Calls body(begin, end) for ranges of `grain` that cover 0 .. items - 1; what a body throws is thrown once all ended.
  template <class Body>
  void operator()(std::int64_t items, std::int64_t grain, const Body& body) const {
    const std::int64_t ranges = (items + grain - 1) / grain;
    const int threads = static_cast<int>(std::min<std::int64_t>(count_, ranges));
    if (threads <= 1) {
      if (items > 0) body(std::int64_t{0}, items);
      return;
    }
    std::atomic<std::int64_t> next{0};
    std::mutex mutex;
    std::exception_ptr error;
    const auto work = [&] {
      try {
        for (std::int64_t range = next++; range < ranges; range = next++)
          body(range * grain, std::min(items, (range + 1) * grain));
      } catch (...) {
        next = ranges;
        const std::lock_guard<std::mutex> lock(mutex);
        if (!error) error = std::current_exception();
      }
    };
    {
      std::vector<std::jthread> others;
      for (int i = 1; i < threads; ++i) others.emplace_back(work);
      work();
    }
    if (error) std::rethrow_exception(error);
  }

 private:
  int count_;
};

void add_formats(nb::module_& m);
void add_casts(nb::module_& m);
void add_recipes(nb::module_& m);
void add_quantizers(nb::module_& m);
void add_products(nb::module_& m);

}  // namespace precipice::python
