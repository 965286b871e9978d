// SPDX-License-Identifier: Apache-2.0
// The loss on a plane through a run's weights, point by point, on several threads with a model each. A landscape's
// bytes are a function of what was asked for: neither the number of threads nor an interruption changes them.
#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "train/analysis/landscape_file.h"

namespace precipice {

struct LandscapeRequest {
  EvaluationRequest evaluation;
  std::int64_t step = 0;
  std::string directions = "random";  // random | hessian | trajectory | FILE.h5
  LandscapeAxis x, y;
  std::uint64_t seed = 0;
  std::size_t jobs = 1;
  std::filesystem::path out;
  bool force = false;                       // replaces a file that holds another landscape
  const std::atomic<bool>* stop = nullptr;  // set by a signal: publish and return
  std::function<void(std::size_t done, std::size_t all)> progress;
};

struct LandscapeResult {
  std::size_t points = 0, computed = 0;  // of the grid; by this call
  bool complete = false;
  double lowest = 0, highest = 0;  // of the finite losses so far; NaN without any
  std::size_t not_finite = 0;
};

// Goes on with the file at `out` where it holds the same landscape; publishes it by rename, now and then and at the
// end.
LandscapeResult make_landscape(const LandscapeRequest& request);

}  // namespace precipice
