// SPDX-License-Identifier: Apache-2.0
// Histograms and tensor statistics of a run against a count of the same operands by std::ilogb, a sum over their
// elements, and the quantizers' own counters.
#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "metrics/tensors/exponent_histograms.h"
#include "tests/support/catch.h"
#include "tests/support/log_groups.h"
#include "tests/support/tiny_run.h"
#include "train/data/open_tokens.h"
#include "train/run/trainer.h"

using namespace precipice;
using test::group_of;
using test::tiny_config;

namespace {

using Counts = std::map<std::string, double>;  // by the bin's name

void count(const at::Tensor& tensor, Counts& counts) {
  const at::Tensor flat = tensor.detach().to(at::kFloat).contiguous();
  for (std::int64_t i = 0; i < flat.numel(); ++i) {
    const float value = flat.const_data_ptr<float>()[i];
    const std::string name = std::isnan(value)      ? "nan"
                             : std::isinf(value)    ? "inf"
                             : value == 0           ? "zero"
                             : std::isnormal(value) ? std::to_string(std::ilogb(value))
                                                    : "subnormal";
    ++counts[name];
  }
}

// Signal, error and scale of a rounded operand, every element taken back by the scale of its own block.
struct Quality {
  double signal = 0, error = 0, scale = 0;
};

Quality quality(const at::Tensor& operand, const Quantized& taken) {
  const std::int64_t rows = operand.size(-2), columns = operand.size(-1);
  const at::Tensor x = operand.detach().contiguous().view({-1, rows, columns});
  const at::Tensor q = taken.values.detach().to(at::kFloat).contiguous().view({-1, rows, columns});
  at::Tensor scales;
  if (taken.scales.defined())
    scales = taken.scales.contiguous().view({-1, taken.scales.size(-2), taken.scales.size(-1)});
  Quality sum;
  for (std::int64_t b = 0; b < x.size(0); ++b)
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t k = 0; k < columns; ++k) {
        const double scale =
            scales.defined() ? scales[b][r / taken.block_rows][k / taken.block_k].item<float>() : taken.scale;
        const double value = x[b][r][k].item<float>(), back = scale * q[b][r][k].item<float>();
        sum.signal += value * value;
        sum.error += (back - value) * (back - value);
        sum.scale = std::max(sum.scale, scale);
      }
  return sum;
}

struct QualityRecorder : QuantizationObserver {
  std::map<std::pair<std::size_t, std::size_t>, Quality> found;  // by site and slot
  void observe(std::size_t, Slot, const EventCounts&) override {}
  void take(std::size_t site, Slot slot, const at::Tensor& operand, const Quantized& taken) override {
    const auto number = static_cast<std::size_t>(slot);
    const std::size_t first[] = {0, 1, 2, 1, 2, 0};
    found[{site, number}] = operand.defined() ? quality(operand, taken) : found.at({site, first[number]});
  }
};

struct Recorder : QuantizationObserver {
  std::map<std::pair<std::size_t, std::string>, Counts> seen;  // by site and series
  void observe(std::size_t, Slot, const EventCounts&) override {}
  void see(std::size_t site, Slot slot, const at::Tensor& operand) override {
    if (slot == Slot::FpropX) count(operand, seen[{site, "x"}]);
    if (slot == Slot::FpropW) count(operand, seen[{site, "w"}]);
    if (slot == Slot::DgradDy) count(operand, seen[{site, "dy"}]);
  }
  void take(std::size_t site, Slot slot, const at::Tensor&, const Quantized& operand) override {
    static const char* const kNames[] = {"x_fprop", "w_fprop", "dy_dgrad", "w_dgrad", "dy_wgrad", "x_wgrad"};
    count(operand.values, seen[{site, kNames[static_cast<int>(slot)]}]);
  }
};

struct Histograms {
  explicit Histograms(const RunConfig& config)
      : tokens(open_tokens(config)), trainer(config, *tokens), group(trainer.groups().at(group_of("histograms"))) {
    for (SeriesRow& row : trainer.step()) rows[row.group] = std::move(row.values);
  }
  double at(std::size_t series, std::size_t site, std::size_t bin) const {
    return rows.at(group_of("histograms")).at((series * group.sites.size() + site) * group.bins.size() + bin);
  }
  std::unique_ptr<TokenSource> tokens;
  Trainer trainer;
  SeriesGroup group;
  std::map<std::uint16_t, std::vector<double>> rows;
};

}  // namespace

TEST_CASE("histograms count every operand that a step quantizes, in every pass, shared quantizations too") {
  for (const char* recipe : {"fp8", "mxfp8", "bf16", "e8m3", "fp32"}) {
    const RunConfig config = tiny_config({std::string("precision.recipe=") + recipe, "metrics.histograms_every=1",
                                          "model.width=32", "model.context=32", "train.batch=2"});
    INFO(recipe);
    const Histograms run(config);
    const auto tokens = open_tokens(config);
    Trainer other(config, *tokens);
    Recorder recorder;
    other.watch(&recorder);
    other.step();
    std::size_t found = 0;
    for (std::size_t series = 0; series < run.group.series.size(); ++series)
      for (std::size_t site = 0; site < run.group.sites.size(); ++site) {
        const auto expected = recorder.seen.find({site, run.group.series[series].name});
        const bool is_seen = expected != recorder.seen.end();
        found += is_seen;
        for (std::size_t bin = 0; bin < run.group.bins.size(); ++bin) {
          const double value = run.at(series, site, bin);
          if (!is_seen) {
            REQUIRE(std::isnan(value));
            continue;
          }
          const auto counted = expected->second.find(run.group.bins[bin]);
          REQUIRE(value == (counted == expected->second.end() ? 0 : counted->second));
        }
      }
    // Operands are seen at all sites; nothing is taken where nothing is rounded.
    CHECK(found >= 3 * run.group.sites.size());
    if (std::string(recipe) == "fp32") CHECK(found == 3 * run.group.sites.size());
  }
}

TEST_CASE("what a histogram finds at zero is what the quantizers counted as flushed, and exponents are the format's") {
  const Histograms run(tiny_config({"precision.recipe=custom", "precision.x=e4m3", "precision.w=e4m3",
                                    "precision.dy=e4m3", "metrics.histograms_every=1", "metrics.tensors_every=1"}));
  const SeriesGroup tensors = run.trainer.groups().at(group_of("tensors"));
  double flushed = 0;
  const std::size_t before[] = {0, 1, 2}, after[] = {3, 4, 5};
  for (std::size_t operand = 0; operand < 3; ++operand)
    for (std::size_t site = 0; site < run.group.sites.size(); ++site) {
      if (std::isnan(run.at(after[operand], site, 0))) continue;
      double total = 0, outside = 0;
      for (std::size_t bin = 0; bin < kExponentBins; ++bin) {
        total += run.at(before[operand], site, bin);
        // E4M3: 2^-9 to 448 = 1.75 * 2^8.
        const bool inside = bin == kZeroBin || (bin >= kFirstExponentBin - kLeastBinnedExponent - 9 &&
                                                bin <= kFirstExponentBin - kLeastBinnedExponent + 8);
        if (!inside) outside += run.at(after[operand], site, bin);
      }
      CHECK(outside == 0);
      const std::string name = std::string(operand == 0 ? "x" : operand == 1 ? "w" : "dy") + "_underflowed";
      std::size_t series = 0;
      while (tensors.series.at(series).name != name) ++series;
      const double underflowed = run.rows.at(group_of("tensors")).at(series * tensors.sites.size() + site);
      const double difference = run.at(after[operand], site, kZeroBin) - run.at(before[operand], site, kZeroBin);
      CHECK(underflowed * total == Approx(difference).margin(1e-6));  // a fraction in double, back to a count
      flushed += difference;
    }
  CHECK(flushed > 0);  // unscaled gradients lie below 2^-10
}

TEST_CASE("SQNR and scale are those of every operand of every pass, with its own scales taken back") {
  for (const char* recipe : {"fp8", "mxfp8", "bf16", "deepseek-v3"}) {
    const RunConfig config = tiny_config({std::string("precision.recipe=") + recipe, "metrics.tensors_every=1",
                                          "model.layers=1", "model.width=32", "model.context=32", "train.batch=1"});
    INFO(recipe);
    const Histograms run(config);
    const SeriesGroup tensors = run.trainer.groups().at(group_of("tensors"));
    const auto tokens = open_tokens(config);
    Trainer other(config, *tokens);
    QualityRecorder recorder;
    other.watch(&recorder);
    other.step();
    REQUIRE(recorder.found.size() >= 6 * 4);  // the block's linears in all six slots
    for (std::size_t slot = 0; slot < 6; ++slot)
      for (std::size_t site = 0; site < tensors.sites.size(); ++site) {
        const auto at = [&](std::size_t statistic) {
          return run.rows.at(group_of("tensors")).at((7 * slot + statistic) * tensors.sites.size() + site);
        };
        const auto expected = recorder.found.find({site, slot});
        REQUIRE(std::isnan(at(5)) == (expected == recorder.found.end()));
        if (expected == recorder.found.end()) continue;
        const Quality& q = expected->second;
        INFO(tensors.series[7 * slot].name << " " << tensors.sites[site]);
        CHECK(at(6) == q.scale);
        // Scaled values are rounded to fp32 once more: 1e-7 of a value beside an error of 1e-3 of it and more.
        CHECK(at(5) == Approx(10 * std::log10(q.signal / q.error)).epsilon(1e-4));
      }
  }
}

TEST_CASE("the L-BFGS series stand beside the exact ones of the same step") {
  const RunConfig config = tiny_config({"metrics.lbfgs_every=2", "metrics.sharpness_every=1"});
  const auto tokens = open_tokens(config);
  Trainer trainer(config, *tokens);
  for (int step = 0; step < 5; ++step) {
    std::map<std::uint16_t, std::vector<double>> rows;
    for (SeriesRow& row : trainer.step()) rows[row.group] = std::move(row.values);
    REQUIRE(rows.contains(group_of("lbfgs")) == (step % 2 == 0));
    if (step % 2 != 0) continue;
    const std::vector<double>& found = rows.at(group_of("lbfgs"));
    const std::vector<double>& exact = rows.at(group_of("sharpness"));
    REQUIRE(found.size() == 10);
    for (std::size_t e = 0; e < 2; ++e) {
      // The series is made of fp32 terms (metrics/logits/logit_rows.h), this one in double.
      CHECK(found[5 * e + 2] == Approx(exact[4 * e]).epsilon(1e-5));  // other sums of the same tokens
      CHECK(found[5 * e] > 0);
      CHECK(found[5 * e] <= found[5 * e + 2] * (1 + 1e-12));
      CHECK(found[5 * e + 3] == found[5 * e] / found[5 * e + 2]);
      CHECK(found[5 * e + 4] <= 11);
    }
  }
}

TEST_CASE("a subspace of the logits is smaller than the vocabulary") {
  CHECK_THROWS_WITH(tiny_config({"metrics.lbfgs_subspace=24"}), Catch::Contains("metrics.lbfgs_subspace"));
  CHECK_NOTHROW(tiny_config({"metrics.lbfgs_subspace=23"}));
}
