// SPDX-License-Identifier: Apache-2.0
#include "experiments/sweep/step_timing.h"

#include <ATen/Parallel.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include "precision/base/seconds_since.h"
#include "precision/rounding/random_bits.h"
#include "train/config/model_shapes.h"
#include "train/data/open_tokens.h"
#include "train/data/tokens.h"
#include "train/estimates/memory_estimate.h"
#include "train/model/model.h"
#include "train/run/trainer.h"

namespace precipice {
namespace {

using Clock = std::chrono::steady_clock;

// One batch of random tokens, again and again.
class RandomTokens final : public TokenSource {
 public:
  explicit RandomTokens(const RunConfig& config) {
    vocabulary_ = config.data.vocabulary;
    entropy_floor_ = std::numeric_limits<double>::quiet_NaN();
    const std::int64_t count = config.train.batch * config.model.context;
    const auto token = [&](std::int64_t i) {
      return static_cast<std::int64_t>(random_word({0, 0, 0, 0}, static_cast<std::uint64_t>(i)) %
                                       static_cast<std::uint64_t>(vocabulary_));
    };
    for (std::int64_t i = 0; i < count; ++i) {
      batch_.x.push_back(token(i));
      batch_.y.push_back(token(i + 1));
    }
  }
  Batch training_batch(std::int64_t) const override { return batch_; }
  std::int64_t validation_batches() const override { return 0; }
  Batch validation_batch(std::int64_t) const override { return batch_; }
  double unigram_entropy() const override { return std::numeric_limits<double>::quiet_NaN(); }  // nobody asks

 private:
  Batch batch_;
};

// Steps of a part of the run: fewer layers, fewer sequences.
struct Part {
  std::int64_t layers = 0, batch = 0;
};
struct Timed {
  Part part;
  double step = 0, start = 0;  // seconds of a step, and of making the model
};

constexpr int kSteps = 5;

RunConfig config_of(const RunConfig& config, const Part& part) {
  RunConfig c = config;
  c.model.layers = part.layers;
  c.train.batch = part.batch;
  c.train.eval_every = 0;
  c.train.steps = std::max<std::int64_t>(c.train.steps, kSteps + 1);
  c.metrics = no_probes();
  c.init.from.clear();
  return c;
}

// The first step pays for memory and for kernels: where it is short, the ones after it count.
Timed time_part(const RunConfig& config, const Part& part) {
  constexpr double kLong = 1;  // seconds
  const RunConfig c = config_of(config, part);
  // Vectors are made, as in the run itself: there is no file that is not there yet.
  const std::unique_ptr<TokenSource> tokens =
      c.model.kind->predicts_tokens() ? std::make_unique<RandomTokens>(c) : open_tokens(c);
  auto start = Clock::now();
  Trainer trainer(c, *tokens);
  Timed timed{part, 0, seconds_since(start)};
  start = Clock::now();
  trainer.step();
  timed.step = seconds_since(start);
  if (timed.step > kLong) return timed;
  start = Clock::now();
  int steps = 0;
  do {
    trainer.step();
    ++steps;
  } while (steps < kSteps && seconds_since(start) < kLong);
  timed.step = seconds_since(start) / steps;
  return timed;
}

// Multiply-adds of a step of one sequence, roughly: what a step's length can be guessed from before anything runs.
double work_of(const RunConfig& config, std::int64_t layers) {
  RunConfig c = config;
  c.model.layers = layers;
  const auto length = static_cast<double>(c.model.context);
  return 3 * length *
         (static_cast<double>(count_parameters(c.model, c.data.vocabulary).elements) +
          static_cast<double>(layers) * length * static_cast<double>(c.model.width));
}

// Writes times to `pipe` as they are known, the better ones later.
class StepMeasurement {
 public:
  StepMeasurement(const RunConfig& config, double limit, double memory, int pipe)
      : config_(config),
        layers_(config.model.layers),
        batch_(config.train.batch),
        limit_(limit),
        memory_(memory),
        pipe_(pipe) {}

  void run() {
    constexpr double kSlowest = 5e9;  // multiply-adds a second, at the least
    const double guess = step_work(config_) / kSlowest;
    if (3 * guess < limit_ - seconds_since(begin_) && measure({layers_, batch_})) return;
    const auto one = measure({1, 1});
    if (!one) {
      measure({layers_, 1});  // rules may name layers that a part of the model does not have
      return;
    }
    // Each further part takes its share of the work; the last one that fits in the time left is measured.
    const auto lasts = [&](const Part& part) {
      const double share = work_of(config_, part.layers) / work_of(config_, 1);
      return share * (one->start + 2 * one->step * static_cast<double>(part.batch));
    };
    for (const Part& part : {Part{layers_, batch_}, Part{layers_, 1}, Part{std::min<std::int64_t>(4, layers_), 1},
                             Part{std::min<std::int64_t>(2, layers_), 1}})
      if (part.layers * part.batch > 1 && lasts(part) < limit_ - seconds_since(begin_) && measure(part)) return;
  }

 private:
  std::optional<Timed> measure(const Part& part) {
    try {
      if (estimate_memory(config_of(config_, part), 0).bytes() > memory_) return std::nullopt;
      const Timed timed = time_part(config_, part);
      if (write(pipe_, &timed, sizeof timed) != sizeof timed) return std::nullopt;
      return timed;
    } catch (const std::exception&) {  // a batch or a model that small is not one for this config
      return std::nullopt;
    }
  }

  const RunConfig& config_;
  std::int64_t layers_, batch_;
  double limit_, memory_;
  int pipe_;
  Clock::time_point begin_ = Clock::now();
};

// What came through the pipe before the limit.
std::vector<Timed> read_times(int pipe, double limit) {
  const auto begin = Clock::now();
  std::vector<Timed> times;
  for (;;) {
    const double left = limit - seconds_since(begin);
    pollfd wait{pipe, POLLIN, 0};
    const int ready = left > 0 ? poll(&wait, 1, static_cast<int>(1e3 * left) + 1) : 0;
    if (ready < 0 && errno == EINTR) continue;
    Timed timed;
    if (ready <= 0 || read(pipe, &timed, sizeof timed) != sizeof timed) return times;
    times.push_back(timed);
  }
}

StepTiming not_measured(const std::string& why) {
  return {std::numeric_limits<double>::quiet_NaN(), "not measured: " + why};
}

StepTiming conclude(const RunConfig& config, const std::vector<Timed>& times, double limit) {
  if (times.empty())
    return not_measured(fmt::format("a step of one sequence and one layer did not end within {} s", limit));
  const std::int64_t layers = config.model.layers, batch = config.train.batch;
  const Timed& last = times.back();
  double seconds = last.step;
  if (last.part.layers < layers) {
    // A line through two numbers of layers; with one, by the share of multiply-adds.
    const Timed& first = times.front();
    const auto more = static_cast<double>(layers - last.part.layers);
    if (times.size() > 1 && last.part.layers > first.part.layers && last.step > first.step)
      seconds += more * (last.step - first.step) / static_cast<double>(last.part.layers - first.part.layers);
    else
      seconds *= work_of(config, layers) / work_of(config, last.part.layers);
  }
  seconds *= static_cast<double>(batch) / static_cast<double>(last.part.batch);
  if (last.part.layers == layers && last.part.batch == batch) return {seconds, "measured"};
  std::string how;
  if (last.part.batch < batch) how = fmt::format("{} of {} sequences", last.part.batch, batch);
  if (last.part.layers < layers)
    how += fmt::format("{}{} of {} layers", how.empty() ? "" : " and ", last.part.layers, layers);
  return {seconds, "scaled from " + how};
}

}  // namespace

double step_work(const RunConfig& config) {
  return static_cast<double>(config.train.batch) * work_of(config, config.model.layers);
}

StepTiming time_step(const RunConfig& config, double limit_seconds, double memory_bytes) {
  if (config.device != DeviceKind::Cpu)
    return not_measured(
        "no time is known for the GPU before a run has trained there; steps are measured on the CPU alone");
  if (estimate_memory(config_of(config, {1, 1}), 0).bytes() > memory_bytes)
    return not_measured("memory would not suffice for one sequence and one layer");
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return not_measured(std::strerror(errno));
  const pid_t parent = getpid(), child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    at::set_num_threads(static_cast<int>(config.threads));
    StepMeasurement(config, limit_seconds, memory_bytes, ends[1]).run();
    _exit(0);
  }
  close(ends[1]);
  std::vector<Timed> times;
  if (child > 0) {
    times = read_times(ends[0], limit_seconds);
    kill(child, SIGKILL);
    while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  close(ends[0]);
  if (child < 0) return not_measured("no process could be started");
  return conclude(config, times, limit_seconds);
}

}  // namespace precipice
