// SPDX-License-Identifier: Apache-2.0
#include "experiments/sweep/plan.h"

#include <fmt/format.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <map>
#include <numeric>

#include "experiments/console/progress.h"
#include "precision/base/check.h"
#include "precision/quantize/open_cuda.h"
#include "train/config/model_shapes.h"
#include "train/data/open_tokens.h"
#include "train/data/tokens.h"
#include "train/estimates/log_size.h"
#include "train/model/model.h"

namespace precipice {
namespace {

namespace fs = std::filesystem;

// A key of the config that makes a run large: what it is, its least value, and the steps it can take.
struct SizeKey {
  std::string name;
  std::int64_t value, step;
  std::function<void(RunConfig&, std::int64_t)> set;
};

std::vector<SizeKey> size_keys(const RunConfig& c) {
  const std::int64_t heads = c.model.heads * (c.model.kind->has_rotary_positions() ? 2 : 1);
  const std::int64_t per_width = std::max<std::int64_t>(1, c.model.mlp_width() / c.model.width);
  std::vector<SizeKey> keys = {
      {"train.batch", c.train.batch, 1, [](RunConfig& r, std::int64_t v) { r.train.batch = v; }},
      {"model.context", c.model.context, 1, [](RunConfig& r, std::int64_t v) { r.model.context = v; }},
      {"model.layers", c.model.layers, 1, [](RunConfig& r, std::int64_t v) { r.model.layers = v; }},
      {"model.width", c.model.width, heads,
       [per_width](RunConfig& r, std::int64_t v) {
         r.model.width = v;
         r.model.hidden = per_width * v;
       }},
      {"model.hidden", c.model.mlp_width(), 1, [](RunConfig& r, std::int64_t v) { r.model.hidden = v; }}};
  if (c.data.source == DataSource::Tokens || c.data.source == DataSource::Batches)
    keys.push_back(
        {"data.vocabulary", c.data.vocabulary, 1, [](RunConfig& r, std::int64_t v) { r.data.vocabulary = v; }});
  if (is_generated(c.data.source) && has_stream(c.data.source))
    keys.push_back({"data.tokens", c.data.tokens, 1, [](RunConfig& r, std::int64_t v) { r.data.tokens = v; }});
  return keys;
}

// A run's memory with other values of one key.
class MemoryByKey {
 public:
  explicit MemoryByKey(const ResolvedRun& run) : run_(run) {}
  double operator()(const SizeKey& key, std::int64_t value) const {
    RunConfig other = run_.config;
    key.set(other, value);
    try {
      // Of all sizes, a schedule depends on the number of layers alone.
      const bool is_same = other.model.layers == run_.config.model.layers;
      return estimate_memory(is_same ? ResolvedRun(other, run_) : ResolvedRun(other), library_bytes()).bytes();
    } catch (const ConfigError&) {  // a rule names a layer that is not there any more
      return std::numeric_limits<double>::infinity();
    }
  }

 private:
  const ResolvedRun& run_;
};

// The largest value below the key's own with which the run fits; 0: none does.
std::int64_t largest_fit(const MemoryByKey& needed, const SizeKey& key, double available) {
  if (needed(key, key.step) > available) return 0;
  std::int64_t fits = 1, too_large = key.value / key.step;
  while (too_large - fits > 1) {
    const std::int64_t middle = fits + (too_large - fits) / 2;
    (needed(key, middle * key.step) <= available ? fits : too_large) = middle;
  }
  return fits * key.step;
}

std::vector<const RunConfig*> runs_on_gpu(const std::vector<const RunConfig*>& runs) {
  std::vector<const RunConfig*> on_gpu;
  for (const RunConfig* run : runs)
    if (run->device == DeviceKind::Cuda) on_gpu.push_back(run);
  return on_gpu;
}

// The largest first.
std::vector<double> gpu_needs(const std::vector<const RunConfig*>& runs) {
  std::map<std::string, double> known;
  std::vector<double> needs;
  for (const RunConfig* run : runs) {
    const auto [place, is_new] = known.try_emplace(size_key(*run));
    if (is_new) place->second = estimate_gpu_memory(*run).bytes();
    needs.push_back(place->second);
  }
  std::sort(needs.begin(), needs.end(), std::greater<>());
  return needs;
}

}  // namespace

double library_bytes() {
  static const double bytes = resident_bytes();
  return bytes;
}

RunPlan plan_run(const ResolvedRun& run) {
  const RunConfig& config = run.config;
  constexpr double kFileOverhead = 200e3;  // of run.h5's datasets
  constexpr double kFloat = 4, kCheckpoints = 3;
  RunPlan plan;
  plan.parameters = count_parameters(config.model, config.data.vocabulary).elements;
  plan.memory = estimate_memory(run, library_bytes());
  plan.disk_bytes = kFileOverhead + 2 * log_bytes(config) +
                    (kCheckpoints + static_cast<double>(config.train.keep_checkpoints.size())) * kFloat *
                        arrays_of(run) * static_cast<double>(plan.parameters);
  return plan;
}

std::string size_key(RunConfig config) {
  config.seed = 0;
  config.init = InitConfig{};
  config.init.seed = config.data.seed = config.precision.seed = 0;
  config.optimizer.lr = config.optimizer.weight_decay = 0;
  config.schedule = ScheduleConfig{};
  return to_toml(config);
}

std::string describe(const MemoryEstimate& memory) {
  std::string text;
  for (const MemoryTerm& term : memory.terms)
    if (term.bytes >= 0.01 * memory.bytes())
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", format_bytes(term.bytes), term.name);
  return text;
}

std::string memory_problem(const ResolvedRun& run, const AvailableMemory& available) {
  const MemoryEstimate memory = estimate_memory(run, library_bytes());
  const double need = memory.bytes();
  // What the process holds already is not taken again.
  const double limit = available.bytes + library_bytes();
  if (need <= limit) return "";
  struct SmallerKey {
    double saved;  // by half of it
    SizeKey key;
  };
  const MemoryByKey needed(run);
  std::vector<SmallerKey> ways;
  for (const SizeKey& key : size_keys(run.config))
    if (key.value >= 2 * key.step) ways.push_back({need - needed(key, key.value / key.step / 2 * key.step), key});
  std::stable_sort(ways.begin(), ways.end(),
                   [](const SmallerKey& a, const SmallerKey& b) { return a.saved > b.saved; });
  constexpr int kNamed = 3;
  int named = 0;
  std::string keys;
  for (const auto& [saved, key] : ways) {
    const std::int64_t fit = named < kNamed ? largest_fit(needed, key, limit) : 0;
    if (fit == 0) continue;
    keys += fmt::format("{}{} = {} (up to {} fits)", named++ > 0 ? " or " : "", key.name, key.value, fit);
  }
  const std::string largest = ways.empty() ? "the model" : fmt::format("{} = {}", ways[0].key.name, ways[0].key.value);
  if (keys.empty()) keys = largest + " and others; no single key is enough";
  return fmt::format("not enough memory: the run needs about {} ({} {}) and {} are there ({}); too large: {}",
                     format_bytes(need), format_bytes(memory.terms.front().bytes), memory.terms.front().name,
                     format_bytes(available.bytes), available.source, keys);
}

std::size_t runs_fitting_gpu(const std::vector<const RunConfig*>& runs, double free) {
  std::size_t count = 0;
  for (const double need : gpu_needs(runs)) {
    free -= need;
    if (free < 0) break;
    ++count;
  }
  return std::max<std::size_t>(1, count);
}

std::size_t runs_fitting_gpu(const std::vector<const RunConfig*>& runs) {
  const std::vector<const RunConfig*> on_gpu = runs_on_gpu(runs);
  if (on_gpu.empty()) return runs.size();
  return runs_fitting_gpu(on_gpu, static_cast<double>(open_cuda().gpu.free_bytes));
}

std::string gpu_memory_problem(const std::vector<const RunConfig*>& runs, std::size_t jobs, double free) {
  std::vector<double> needs = gpu_needs(runs);
  needs.resize(std::min(needs.size(), std::max<std::size_t>(1, jobs)));
  const double need = std::accumulate(needs.begin(), needs.end(), 0.0);
  if (need <= free) return "";
  const std::string who = needs.size() == 1 ? "the run needs" : fmt::format("{} runs at once need", needs.size());
  const char* const way =
      needs.size() == 1 ? "smaller train.batch, model.context or model.width need less" : "fewer `jobs` need less";
  return fmt::format("{} about {} of the GPU's memory, {} are free; {}", who, format_bytes(need), format_bytes(free),
                     way);
}

void open_devices(const std::vector<const RunConfig*>& runs, std::size_t jobs) {
  const std::vector<const RunConfig*> on_gpu = runs_on_gpu(runs);
  if (on_gpu.empty()) return;
  const CudaDevice& gpu = open_cuda().gpu;
  const std::string problem = gpu_memory_problem(on_gpu, jobs, static_cast<double>(gpu.free_bytes));
  if (!problem.empty()) throw ConfigError({"", 0, "device", to_string(DeviceKind::Cuda)}, problem);
}

void require_memory(const ResolvedRun& run, const AvailableMemory& available) {
  const std::string problem = memory_problem(run, available);
  if (!problem.empty()) throw NotEnoughMemory(problem);
}

double free_bytes(const fs::path& path) {
  fs::path existing = fs::absolute(path);
  while (!fs::exists(existing) && existing.has_relative_path()) existing = existing.parent_path();
  struct statvfs info {};
  if (statvfs(existing.c_str(), &info) != 0) return std::numeric_limits<double>::quiet_NaN();
  return static_cast<double>(info.f_bavail) * static_cast<double>(info.f_frsize);
}

std::string data_remark(const RunConfig& config) {
  if (is_generated(config.data.source) || fs::exists(config.data.path)) return "";
  return fmt::format("data.path = {} is not there yet; planned for a vocabulary of {} (data.vocabulary)",
                     config.data.path, config.data.vocabulary);
}

void check_plan(const RunConfig& config) {
  constexpr double kReadAtOnce = 64e6;  // bytes
  if (!config.init.from.empty() && !fs::exists(config.init.from))
    throw DataError("init.from = " + config.init.from + ": no such file");
  std::error_code error;
  const DataConfig& data = config.data;
  const double bytes = is_generated(data.source) ? (has_stream(data.source) ? 2 * static_cast<double>(data.tokens) : 0)
                                                 : static_cast<double>(fs::file_size(data.path, error));
  if (!error && bytes <= kReadAtOnce) open_tokens(config);
}

}  // namespace precipice
