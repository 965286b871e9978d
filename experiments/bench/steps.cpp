// SPDX-License-Identifier: Apache-2.0
// Training steps against the same model in torch modules, and against each other.
#include <fmt/format.h>

#include "experiments/bench/bench.h"
#include "train/data/open_tokens.h"
#include "train/data/tokens.h"
#include "train/run/resolve_config.h"
#include "train/run/trainer.h"

namespace precipice {
namespace {

struct Size {
  const char* name;
  std::int64_t layers, width, heads, context, batch;
};
constexpr Size kTiny{"tiny 2x64", 2, 64, 2, 64, 16}, kSmall{"small 4x128", 4, 128, 4, 128, 16},
    kMid{"mid 6x384", 6, 384, 6, 256, 8};

RunConfig bench_config(const Size& size, const std::string& recipe, int threads, DeviceKind device = DeviceKind::Cpu) {
  std::vector<Setting> settings = parse_settings(
      fmt::format("threads = {}\ndevice = \"{}\"\n[model]\nbias = true\nlayers = {}\nwidth = {}\nheads = {}\ncontext = "
                  "{}\n[data]\ntokens = 200000\nvocabulary = 65\n"
                  "[train]\nsteps = 1000000\nbatch = {}\neval_every = 0\n"
                  "[precision]\nrecipe = \"{}\"\n",
                  threads, to_string(device), size.layers, size.width, size.heads, size.context, size.batch, recipe),
      "bench");
  RunConfig config = resolve_config(settings);
  config.metrics = no_probes();
  return config;
}

struct Goals {
  double fp32, fp8, fp8_of_ours, stochastic;
};

void bench_size(const BenchOptions& options, const Size& size, const Goals& goals, std::vector<BenchRow>& rows) {
  const BenchDevice& device = options.device;
  const auto config_of = [&](const std::string& recipe) {
    return bench_config(size, recipe, options.threads, device.kind);
  };
  const RunConfig config = config_of("fp32");
  const auto tokens = open_tokens(config);
  const auto trainer = [&](const std::string& recipe) {
    return std::make_unique<Trainer>(config_of(recipe), *tokens, device.training);
  };
  const auto ours = trainer("fp32"), bf16 = trainer("bf16"), fp8 = trainer("fp8"),
             stochastic = trainer("te-current:dy_rounding=sr"), nearest = trainer("te-current");
  ReferenceTrainer plain(config, false, device.training.device), fused(config, true, device.training.device);
  const bool is_mid = size.width > 128;
  const int repetitions = options.times(5, 15), steps = is_mid ? 1 : options.times(3, 10);
  const auto several = [steps, &device](const std::function<void()>& step) {
    return [steps, step, &device] {
      for (int i = 0; i < steps; ++i) step();
      device.wait();
    };
  };
  const auto our = several([&] { ours->step(); }), our_fp8 = several([&] { fp8->step(); }),
             torch_plain = several([&] { plain.step(); }), torch_fused = several([&] { fused.step(); });
  const auto add = [&](const std::string& work, const std::string& reference, double goal,
                       const std::function<void()>& mine, const std::function<void()>& theirs) {
    rows.push_back(compare(fmt::format("{} step, {}", work, size.name), reference, goal, repetitions, mine, theirs));
    rows.back().units = steps;
    rows.back().rate = fmt::format("{:.2f} ms a step", 1e3 * median(rows.back().ours) / steps);
  };
  const std::string modules = "torch modules in C++, ";
  add("fp32", modules + "explicit attention", goals.fp32, our, torch_plain);
  add("fp32", modules + "fused attention", 0, our, torch_fused);
  add("fp8", modules + "explicit attention", goals.fp8, our_fp8, torch_plain);
  add("fp8", "our fp32 step", goals.fp8_of_ours, our_fp8, our);
  add("bf16", "our fp32 step", 0, several([&] { bf16->step(); }), our);
  add("te-current with stochastic gradients", "te-current", goals.stochastic, several([&] { stochastic->step(); }),
      several([&] { nearest->step(); }));
}

}  // namespace

void bench_steps(const BenchOptions& options, std::vector<BenchRow>& rows) {
  const auto wanted = [&](const char* size) { return options.size == "all" || options.size == size; };
  if (wanted("tiny")) bench_size(options, kTiny, {0.6, 0.6, 0, 1.15}, rows);
  if (wanted("small")) bench_size(options, kSmall, {0.7, 0.65, 0, 1.15}, rows);
  if (options.size == "mid" || (wanted("mid") && !options.quick))
    bench_size(options, kMid, {0.75, 0.5, 0.75, 1.15}, rows);
}

namespace {

// Multiplications and additions of a step's matmuls: six for each weight and token, and twelve for each score.
double flops_of(const Size& s) {
  const auto product = [](auto... factors) { return (static_cast<double>(factors) * ...); };
  const double tokens = product(s.batch, s.context);
  const double weights = product(12, s.layers, s.width, s.width) + product(65, s.width);
  return 6 * tokens * weights + 12 * tokens * product(s.layers, s.width, s.context);
}

}  // namespace

// Cost growth: one dimension at a time over a 32-fold range. The reference is the time of the smallest size times what
// the arithmetic grows by, so that a ratio above 1 is growth that the arithmetic does not explain.
void bench_growth(const BenchOptions& options, std::vector<BenchRow>& rows) {
  const Size base{"", 1, 32, 1, 64, 2};
  struct Direction {
    const char* name;
    std::int64_t Size::*member;
  };
  for (const Direction& direction :
       {Direction{"layers", &Size::layers}, Direction{"width", &Size::width}, Direction{"sequences", &Size::batch}}) {
    const RunConfig config = bench_config(base, "fp8", options.threads);
    const auto tokens = open_tokens(config);
    Trainer smallest(config, *tokens);
    for (const std::int64_t factor : {1, 2, 4, 8, 16, 32}) {
      if (options.quick && factor != 8) continue;
      Size size = base;
      size.*direction.member *= factor;
      const double growth = flops_of(size) / flops_of(base);
      const RunConfig larger_config = bench_config(size, "fp8", options.threads);
      const auto larger_tokens = open_tokens(larger_config);
      Trainer larger(larger_config, *larger_tokens);
      const int steps = factor < 8 ? 10 : 1;
      rows.push_back(compare(
          fmt::format("fp8 step, {} x {}", direction.name, factor), fmt::format("arithmetic x {:.1f}", growth), 0,
          options.quick ? 3 : 7,
          [&] {
            for (int step = 0; step < steps; ++step) larger.step();
          },
          [&] {
            for (int step = 0; step < 10; ++step) smallest.step();
          }));
      rows.back().units = steps;
      rows.back().limit = 2;
      for (double& seconds : rows.back().theirs) seconds *= growth * steps / 10;
      rows.back().rate = fmt::format("{:.2f} ms a step", 1e3 * median(rows.back().ours) / steps);
    }
  }
}

}  // namespace precipice
