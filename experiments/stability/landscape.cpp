// SPDX-License-Identifier: Apache-2.0
#include "experiments/stability/landscape.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <limits>

#include "experiments/console/worker_threads.h"
#include "metrics/files/files.h"
#include "precision/base/check.h"
#include "precision/base/seconds_since.h"
#include "train/recipes/recipes.h"

namespace precipice {
namespace {

using Clock = std::chrono::steady_clock;
constexpr double kPublishSeconds = 10;
constexpr double kPublishShare = 20;  // publishing takes at most one part in so many of the time

template <class T>
std::string hash_of(const std::vector<T>& values) {
  return sha256_hex({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)}).substr(0, 16);
}

Directions directions_of(const LandscapeRequest& request, RunEvaluator& evaluator) {
  if (request.directions == "random") return random_directions(evaluator, request.seed);
  if (request.directions == "hessian") return hessian_directions(evaluator, request.seed);
  if (request.directions == "trajectory") return trajectory_directions(evaluator);
  return read_directions(request.directions, evaluator);
}

// Everything that the losses depend on, so that a file is gone on with only where they would come out the same.
std::string identity_of(const RunEvaluator& evaluator, const Directions& directions) {
  std::string batches;
  for (const Batch& batch : evaluator.batches())
    batches += evaluator.config().model.kind->predicts_tokens() ? hash_of(batch.x) + hash_of(batch.y)
                                                                : hash_of(batch.inputs) + hash_of(batch.targets);
  return fmt::format("run {}, step {}, weights {}, precision {}, batches {}, directions {} {}", evaluator.run(),
                     evaluator.step(), hash_of(evaluator.weights()), run_id(evaluator.config()),
                     sha256_hex(batches).substr(0, 16), hash_of(directions.x), hash_of(directions.y));
}

// w + x dx + y dy, in double and rounded once: at (0, 0) it is w.
void displace(const FlatVector& weights, const Directions& directions, double x, double y, FlatVector& out) {
  for (std::size_t i = 0; i < weights.size(); ++i)
    out[i] = static_cast<float>(double{weights[i]} + x * double{directions.x[i]} + y * double{directions.y[i]});
}

class LandscapeMaker {
 public:
  explicit LandscapeMaker(const LandscapeRequest& request) : request_(request), evaluator_(request.evaluation) {
    evaluator_.load(request.step);
    landscape_.directions = directions_of(request, evaluator_);
    landscape_.identity = identity_of(evaluator_, landscape_.directions);
    landscape_.x = axis_coordinates(request.x);
    landscape_.y = axis_coordinates(request.y);
    landscape_.loss.assign(landscape_.x.size() * landscape_.y.size(), kNotComputed);
    if (!request.force && std::filesystem::exists(request.out)) resume_landscape(request.out, landscape_);
  }

  LandscapeResult make() {
    const std::vector<std::size_t> missing = landscape_.missing();
    LandscapeResult result;
    result.points = landscape_.loss.size();
    publish();
    const auto make_worker = [this, &missing] { return worker(missing); };
    const auto watch = [&](std::size_t done) {
      result.computed = done;
      if (request_.progress) request_.progress(result.points - missing.size() + done, result.points);
      if (seconds_since(published_) > std::max(kPublishSeconds, kPublishShare * publish_seconds_)) publish();
      return !(request_.stop && *request_.stop);
    };
    if (!missing.empty()) run_worker_threads(missing.size(), request_.jobs, make_worker, watch);
    if (!missing.empty()) publish();
    summarise(result);
    return result;
  }

 private:
  std::function<void(std::size_t)> worker(const std::vector<std::size_t>& missing) {
    auto evaluator = std::make_shared<RunEvaluator>(evaluator_);
    auto point = std::make_shared<FlatVector>(evaluator->weights().size());
    return [this, &missing, evaluator, point](std::size_t item) {
      const std::size_t index = missing[item], nx = landscape_.x.size();
      displace(evaluator->weights(), landscape_.directions, landscape_.x[index % nx], landscape_.y[index / nx], *point);
      const double loss = evaluator->loss(*point);
      const std::lock_guard lock(mutex_);
      landscape_.loss[index] = loss;
    };
  }

  void publish() {
    const auto start = Clock::now();
    Landscape copy;
    {
      const std::lock_guard lock(mutex_);
      copy = landscape_;
    }
    write_file_atomic(request_.out, landscape_bytes(copy, evaluator_));
    published_ = Clock::now();
    publish_seconds_ = seconds_since(start);
  }

  void summarise(LandscapeResult& result) const {
    result.complete = landscape_.missing().empty();
    result.lowest = result.highest = std::numeric_limits<double>::quiet_NaN();
    for (const double loss : landscape_.loss) {
      if (loss == kNotComputed) continue;
      if (!std::isfinite(loss)) {
        ++result.not_finite;
        continue;
      }
      result.lowest = std::fmin(result.lowest, loss);
      result.highest = std::fmax(result.highest, loss);
    }
  }

  const LandscapeRequest& request_;
  RunEvaluator evaluator_;
  Landscape landscape_;
  std::mutex mutex_;  // of the losses
  Clock::time_point published_ = Clock::now();
  double publish_seconds_ = 0;
};

}  // namespace

LandscapeResult make_landscape(const LandscapeRequest& request) {
  return LandscapeMaker(request).make();
}

}  // namespace precipice
