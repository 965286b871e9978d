// SPDX-License-Identifier: Apache-2.0
#include "experiments/bench/bench.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "precision/base/seconds_since.h"
#include "precision/gemm/carrier.h"
#include "precision/gemm/onednn.h"
#include "precision/kernels/isa.h"
#include "precision/kernels/quantize_kernels.h"
#include "precision/quantize/open_cuda.h"
#include "train/run/provenance.h"
#include "train/run/resolve_config.h"

namespace precipice {
namespace {

using Clock = std::chrono::steady_clock;

double timed(const std::function<void()>& work) {
  const auto start = Clock::now();
  work();
  return seconds_since(start);
}

std::vector<double> ratios(const BenchRow& row) {
  std::vector<double> all;
  for (std::size_t i = 0; i < row.ours.size(); ++i) all.push_back(row.ours[i] / row.theirs[i]);
  return all;
}

nlohmann::ordered_json above_zero(double value) {
  return value > 0 ? nlohmann::ordered_json(value) : nlohmann::ordered_json();
}

}  // namespace

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
}

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

std::vector<std::string> bench_parts() {
  return {"all",         "roofline", "quantize", "scaling",   "gemm",  "attention",
          "accumulator", "linear",   "step",     "optimizer", "sweep", "growth"};
}

std::vector<std::string> bench_parts_on_device() {
  return {"roofline", "quantize", "scaling", "gemm", "attention", "step", "optimizer"};
}

BenchDevice open_bench_device() {
  RunConfig config = resolve_config({});
  config.device = DeviceKind::Cuda;
  const OpenedDevice opened = open_training_device(config);
  return {DeviceKind::Cuda, opened.training, opened.fields,
          [index = opened.training.device.index()] { open_cuda().torch->synchronize(index); }};
}

namespace {

BenchReport run_on_device(const BenchOptions& options) {
  BenchReport report{options.threads, {}, options.quick, options.device.fields, options.device.is_stand_in()};
  const std::vector<std::string> parts = bench_parts_on_device();
  const auto has = [&](const std::string& part) { return std::find(parts.begin(), parts.end(), part) != parts.end(); };
  if (options.part != "all" && !has(options.part))
    throw ConfigError(
        {"", 0, "part", options.part},
        fmt::format("is timed on the CPU alone; with --device cuda there are {}", fmt::join(parts, ", ")));
  for (const std::string& part : parts) {
    if (options.part != "all" && options.part != part) continue;
    if (part == "step")
      bench_steps(options, report.rows);
    else if (part == "optimizer")
      bench_optimizer(options, report.rows);
    else
      bench_on_device(options, part, report.rows);
  }
  return report;
}

std::string headline(const BenchReport& report) {
  const DeviceFields& device = report.device;
  if (device.device.empty())
    return fmt::format("{}, quantizers on {}, matmuls {} bf16 instructions, {} {}", cpu_model(), active_isa(),
                       has_bf16_instructions() ? "with" : "without", report.threads,
                       report.threads == 1 ? "thread" : "threads");
  return fmt::format("{}{}, driver for CUDA {}, cuBLAS {}",
                     report.times_mean_nothing ? "no GPU: the CPU stands in for one, and times mean nothing; " : "",
                     device.gpu_model, device.driver, device.cublas_version);
}

}  // namespace

BenchReport run_bench(const BenchOptions& options) {
  at::set_num_threads(options.threads);
  if (options.device.kind != DeviceKind::Cpu) return run_on_device(options);
  if (options.part == "attention")
    throw ConfigError({"", 0, "part", options.part}, "is timed with --device cuda alone: a step has it on the CPU");
  BenchReport report{options.threads, {}, options.quick};
  const auto wanted = [&](const char* part) { return options.part == "all" || options.part == part; };
  if (wanted("sweep")) bench_processes(options, report.rows);
  if (wanted("roofline")) bench_roofline(options, report.rows);
  if (wanted("quantize")) bench_quantize(options, report.rows);
  if (wanted("scaling")) bench_scaling(options, report.rows);
  if (wanted("gemm")) bench_gemm(options, report.rows);
  if (wanted("accumulator")) bench_accumulators(options, report.rows);
  if (wanted("linear")) bench_linear(options, report.rows);
  if (wanted("step")) bench_steps(options, report.rows);
  if (wanted("optimizer")) bench_optimizer(options, report.rows);
  if (wanted("growth")) bench_growth(options, report.rows);
  return report;
}

std::string to_text(const BenchReport& report) {
  std::string text = fmt::format(
      "{}; ratio of times, ours / reference\n"
      "{:<66} {:<42} {:>7} {:>15} {:>6}  {}\n",
      headline(report), "work", "reference", "median", "min to max", "goal", "ours");
  for (const BenchRow& row : report.rows)
    text += fmt::format("{:<66} {:<42} {:>7.2f} {:>7.2f} - {:>5.2f} {:>6}  {}\n", row.work, row.reference, row.ratio(),
                        row.lowest(), row.highest(), row.goal > 0 ? fmt::format("{:.2f}", row.goal) : "", row.rate);
  return text;
}

std::vector<std::string> bench_faults(const BenchReport& report) {
  std::vector<std::string> faults;
  for (const BenchRow& row : report.rows)
    if (row.limit > 0 && !(row.ratio() <= row.limit))
      faults.push_back(fmt::format("{} takes {:.2f} times {}; at most {:g} is allowed", row.work, row.ratio(),
                                   row.reference, row.limit));
  return faults;
}

std::string to_json(const BenchReport& report) {
  nlohmann::ordered_json json;
  for (const auto& [name, value] : provenance()) json[name] = value;
  json["threads"] = report.threads;
  json["quick"] = report.quick;
  for (const DeviceField& field : kDeviceFields)
    if (const std::string& text = report.device.*field.text; !text.empty()) json[field.key] = text;
  if (report.times_mean_nothing) json["times_mean_nothing"] = true;
  json["bf16_instructions"] = has_bf16_instructions();
  json["matmul_implementations"] = matmul_implementations();
  json["rows"] = nlohmann::ordered_json::array();
  for (const BenchRow& row : report.rows)
    json["rows"].push_back({{"work", row.work},
                            {"reference", row.reference},
                            {"ratio_median", row.ratio()},
                            {"ratio_min", row.lowest()},
                            {"ratio_max", row.highest()},
                            {"repetitions", row.ours.size()},
                            {"goal", above_zero(row.goal)},
                            {"limit", above_zero(row.limit)},
                            {"ours", row.rate},
                            {"units", row.units},
                            {"seconds_ours", row.ours},
                            {"seconds_reference", row.theirs}});
  return json.dump(2) + "\n";
}

}  // namespace precipice
