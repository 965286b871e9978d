// SPDX-License-Identifier: Apache-2.0
#include "experiments/bench.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "metrics/files.h"
#include "precision/check.h"
#include "precision/quantize_kernels.h"
#include "train/provenance.h"
#include "train/trainer.h"

namespace precipice {
namespace {

using Clock = std::chrono::steady_clock;

double timed(const std::function<void()>& work) {
  const auto start = Clock::now();
  work();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
}

std::vector<double> ratios(const BenchRow& row) {
  std::vector<double> all;
  for (std::size_t i = 0; i < row.ours.size(); ++i) all.push_back(row.ours[i] / row.theirs[i]);
  return all;
}

// ---- quantizing -------------------------------------------------------------------------------------------------

void bench_quantize(bool quick, std::vector<BenchRow>& rows) {
  const std::size_t size = (std::size_t{1} << 26) / (quick ? 16 : 1);
  std::vector<float> in(size), out(size);
  for (std::size_t i = 0; i < size; ++i)  // values of many magnitudes and both signs, as a weight has
    in[i] = (static_cast<float>(random_word({1, 2, 3, 4}, i) >> 8) * 0x1p-24f - 0.5f) * 8.0f;
  const auto copy = [&] { std::memcpy(out.data(), in.data(), size * sizeof(float)); };
  QuantizeSpec spec{parse_float_format("e4m3")};
  const auto quantize_once = [&] {
    EventCounts counts;
    quantize(in.data(), out.data(), static_cast<std::int64_t>(size), spec, 3.0f, {}, 0, counts);
  };
  const std::string elements = fmt::format("{}M elements, 1 thread", size >> 20);
  const int repetitions = quick ? 5 : 9;
  rows.push_back(
      compare("quantize e4m3 nearest-even, counters, " + elements, "memcpy", 2.0, repetitions, quantize_once, copy));
  spec.rounding = Rounding::Stochastic;
  rows.push_back(compare("quantize e4m3 stochastic 32 bits, counters, " + elements, "memcpy", 0, repetitions,
                         quantize_once, copy));
}

// ---- training steps ---------------------------------------------------------------------------------------------

struct Size {
  const char* name;
  std::int64_t layers, width, heads, context, batch;
};
constexpr Size kTiny{"tiny 2x64", 2, 64, 2, 64, 16}, kSmall{"small 4x128", 4, 128, 4, 128, 16};

RunConfig bench_config(const Size& size, const std::string& recipe) {
  std::vector<Setting> settings = parse_settings(
      fmt::format("[model]\nbias = true\nlayers = {}\nwidth = {}\nheads = {}\ncontext = {}\n[data]\ntokens = 200000\n"
                  "[train]\nsteps = 1000000\nbatch = {}\neval_every = 0\n[metrics]\nsharpness_every = 0\n"
                  "tensors_every = 0\n[precision]\nrecipe = \"{}\"\n",
                  size.layers, size.width, size.heads, size.context, size.batch, recipe),
      "bench");
  return resolve_config(settings);
}

void bench_steps(bool quick, const Size& size, std::vector<BenchRow>& rows) {
  const RunConfig config = bench_config(size, "fp32"), fp8_config = bench_config(size, "fp8");
  const auto tokens = open_tokens(config);
  Trainer ours(config, *tokens), fp8(fp8_config, *tokens);
  ReferenceTrainer plain(config, false), fused(config, true);
  const int repetitions = quick ? 5 : 15, steps = quick ? 3 : 10;
  const auto several = [steps](const std::function<void()>& step) {
    return [=] {
      for (int i = 0; i < steps; ++i) step();
    };
  };
  const auto our_step = several([&] { ours.step(); });
  const std::string what = fmt::format("fp32 training step, {}", size.name);
  rows.push_back(compare(what, "torch modules in C++, explicit attention", 1.0, repetitions, our_step,
                         several([&] { plain.step(); })));
  rows.push_back(
      compare(what, "torch modules in C++, fused attention", 0, repetitions, our_step, several([&] { fused.step(); })));
  rows.push_back(compare(fmt::format("fp8 training step, {}", size.name), "our fp32 step", 0, repetitions,
                         several([&] { fp8.step(); }), our_step));
}

// ---- whole processes --------------------------------------------------------------------------------------------

// Runs this program with arguments, its output thrown away; seconds and peak memory in MB.
std::pair<double, double> run_child(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "/proc/self/exe");
  std::vector<char*> argv;
  for (auto& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const auto start = Clock::now();
  const pid_t child = fork();
  if (child == 0) {
    if (!std::freopen("/dev/null", "w", stdout)) _exit(127);
    execv(argv[0], argv.data());
    _exit(127);
  }
  int status = 0;
  rusage usage{};
  if (child < 0 || wait4(child, &status, 0, &usage) != child || status != 0)
    throw OutputError("bench: a process of this program did not run");
  return {std::chrono::duration<double>(Clock::now() - start).count(), static_cast<double>(usage.ru_maxrss) / 1024};
}

void bench_processes(BenchReport& report) {
  run_child({"--version"});
  std::vector<double> starts;
  for (int i = 0; i < 5; ++i) starts.push_back(run_child({"--version"}).first);
  report.start_seconds = median(starts);
  char folder[] = "/tmp/precipice_bench_XXXXXX";
  if (!mkdtemp(folder)) throw OutputError("bench: cannot make a folder under /tmp");
  const std::filesystem::path root(folder);
  write_file_atomic(root / "config.toml", "[train]\nsteps = 60\n[precision]\nrecipe = \"fp8\"\n");
  report.peak_memory_mb =
      run_child({"train", (root / "config.toml").string(), "--out", (root / "run").string(), "--quiet"}).second;
  std::filesystem::remove_all(root);
}

}  // namespace

double BenchRow::ratio() const {
  return median(ratios(*this));
}
double BenchRow::lowest() const {
  const auto all = ratios(*this);
  return *std::min_element(all.begin(), all.end());
}
double BenchRow::highest() const {
  const auto all = ratios(*this);
  return *std::max_element(all.begin(), all.end());
}

BenchRow compare(const std::string& work, const std::string& reference, double goal, int repetitions,
                 const std::function<void()>& ours, const std::function<void()>& theirs) {
  BenchRow row{work, reference, goal, {}, {}};
  ours();
  theirs();
  for (int i = 0; i < repetitions; ++i) {
    row.ours.push_back(timed(ours));
    row.theirs.push_back(timed(theirs));
  }
  return row;
}

BenchReport run_bench(bool quick) {
  at::set_num_threads(1);
  BenchReport report;
  // First: the peak of a forked process counts what its parent held.
  bench_processes(report);
  bench_quantize(quick, report.rows);
  for (BenchRow& row : bench_scaling(quick ? 9 : 31)) report.rows.push_back(std::move(row));
  bench_steps(quick, kTiny, report.rows);
  bench_steps(quick, kSmall, report.rows);
  report.rows.push_back(bench_optimizer(quick ? 3 : 9, 150, quick ? 6667 : 66667));
  return report;
}

std::string to_text(const BenchReport& report) {
  std::string text = fmt::format(
      "{}, quantizers on {}, 1 thread; ratio of times, ours / reference\n{:<66} {:<42} {:>7} {:>15} {:>6}\n",
      cpu_model(), active_isa(), "work", "reference", "median", "min to max", "goal");
  for (const BenchRow& row : report.rows)
    text += fmt::format("{:<66} {:<42} {:>7.2f} {:>7.2f} - {:>5.2f} {:>6}\n", row.work, row.reference, row.ratio(),
                        row.lowest(), row.highest(), row.goal > 0 ? fmt::format("{:.1f}", row.goal) : "");
  text += fmt::format("peak memory of a default run: {:.0f} MB (goal 400); start of the program: {:.2f} s\n",
                      report.peak_memory_mb, report.start_seconds);
  return text;
}

std::string to_json(const BenchReport& report) {
  nlohmann::ordered_json json;
  for (const auto& [name, value] : provenance()) json[name] = value;
  json["threads"] = 1;
  for (const BenchRow& row : report.rows)
    json["rows"].push_back({{"work", row.work},
                            {"reference", row.reference},
                            {"ratio_median", row.ratio()},
                            {"ratio_min", row.lowest()},
                            {"ratio_max", row.highest()},
                            {"goal", row.goal > 0 ? nlohmann::ordered_json(row.goal) : nlohmann::ordered_json()},
                            {"seconds_ours", row.ours},
                            {"seconds_reference", row.theirs}});
  json["peak_memory_mb"] = report.peak_memory_mb;
  json["start_seconds"] = report.start_seconds;
  return json.dump(2) + "\n";
}

}  // namespace precipice
