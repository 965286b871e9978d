// SPDX-License-Identifier: Apache-2.0
// All 2^32 binary32 inputs of every preset format, in every deterministic mode and overflow policy: the array loop's
// bits and event counts against the staircase of staircase.h, which needs one threshold per value of the format. Runs
// on the instruction set that PRECIPICE_ISA or the CPU chooses.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>

#include "precision/kernels/quantize_kernels.h"
#include "tests/precision/rounding/staircase.h"
#include "tests/precision/rounding/support.h"
#include "tests/support/catch.h"

namespace precipice::test {
namespace {

using reference::Staircase;
using reference::Step;

constexpr std::uint32_t kBlock = 1u << 14;  // in and out stay in the first or second-level cache
constexpr std::uint32_t kBlocks = 1u << 18;
constexpr std::uint32_t kStride = 16;
constexpr std::uint32_t kGroup = 1024;  // no more than the array loop takes at a time
constexpr std::uint32_t kQuiet = 0x00400000u;

// Numbers with a NaN among them may go through another loop than numbers alone.
enum class Company { Alone, WithNan };

// One format, mode and policy over blocks of consecutive patterns.
class Sweep {
 public:
  Sweep(const PresetFormat& preset, Rounding rounding, Overflow overflow, Company company)
      : company_(company),
        name_(fmt::format("{} {} {}", preset.name, to_string(rounding), to_string(overflow))),
        spec_{preset.format, rounding, overflow, 32, false} {}

  // Compares all inputs with native overflow. The policies differ beyond the range only: with the others one block of
  // `kStride` from the end of the range on, besides the blocks of that end and of infinity.
  void run() {
    std::vector<std::thread> threads;
    const unsigned count = std::max(1u, std::thread::hardware_concurrency());
    for (unsigned i = 0; i < count; ++i) threads.emplace_back([this] { run_blocks(); });
    for (std::thread& thread : threads) thread.join();
  }

  std::string first_difference() const { return first_difference_; }
  std::uint64_t compared() const { return compared_; }

 private:
  // The first pattern of the sign to compare.
  std::uint32_t first(bool negative) const {
    if (spec_.overflow == Overflow::Native) return 0;
    const Staircase stairs(spec_.format, spec_.rounding, spec_.overflow, negative);
    return stairs.policy_begin() / kBlock * kBlock;
  }

  void run_blocks() {
    Staircase positive(spec_.format, spec_.rounding, spec_.overflow, false);
    Staircase negative(spec_.format, spec_.rounding, spec_.overflow, true);
    const std::uint32_t first_positive = first(false), first_negative = first(true);
    std::vector<float> in(kBlock), out(kBlock);
    for (std::uint32_t block = next_++; block < kBlocks; block = next_++) {
      const bool is_negative = block >= kBlocks / 2;
      const std::uint32_t begin = block % (kBlocks / 2) * kBlock;
      const std::uint32_t from = is_negative ? first_negative : first_positive;
      const bool at_an_end = begin == from || begin == reference::kInfinity;
      if (at_an_end || (begin > from && block % (spec_.overflow == Overflow::Native ? 1 : kStride) == 0))
        check(is_negative ? negative : positive, begin, is_negative ? kSignBit : 0, in, out);
    }
  }

  void check(Staircase& stairs, std::uint32_t begin, std::uint32_t sign, std::vector<float>& in,
             std::vector<float>& out) {
    for (std::uint32_t i = 0; i < kBlock; ++i) in[i] = float_of(sign | (begin + i));
    EventCounts counts, expected;
    company_ == Company::Alone ? quantize_alone(in, out, counts) : quantize_with_nan(in, out, counts);
    expected.total = kBlock;
    // Patterns are ordered as the numbers are, with NaN last.
    const std::uint32_t end = begin + kBlock;
    expected.amax = float_of(end - 1 > reference::kInfinity ? reference::kInfinity | kQuiet : end - 1);
    stairs.seek(begin);
    for (std::uint32_t at = begin; at < end; stairs.advance()) {
      const Step& step = stairs.step();
      const std::uint32_t stop = std::min(step.end, end);
      if (stop <= at) continue;  // a value that no input rounds to
      compare(step, at, stop, begin, in, out);
      count(step, at, stop, expected);
      at = stop;
    }
    compared_ += kBlock;
    if (!equal(counts, expected))
      keep(fmt::format("counts of {:#010x} to {:#010x} differ", sign | begin, sign | (end - 1)));
  }

  void quantize_alone(const std::vector<float>& in, std::vector<float>& out, EventCounts& counts) const {
    quantize(in.data(), out.data(), kBlock, spec_, 1.0f, RandomKey{}, 0, counts);
  }

  // One NaN before each group; it is taken out of the results and the counts again.
  void quantize_with_nan(const std::vector<float>& in, std::vector<float>& out, EventCounts& counts) {
    constexpr std::uint32_t kGroups = kBlock / kGroup;
    thread_local std::vector<float> mixed(kBlock + kGroups);
    for (std::uint32_t group = 0; group < kGroups; ++group) {
      mixed[group * (kGroup + 1)] = float_of(reference::kInfinity | kQuiet);
      std::copy_n(in.data() + group * kGroup, kGroup, mixed.data() + group * (kGroup + 1) + 1);
    }
    quantize(mixed.data(), mixed.data(), kBlock + kGroups, spec_, 1.0f, RandomKey{}, 0, counts);
    for (std::uint32_t group = 0; group < kGroups; ++group)
      std::copy_n(mixed.data() + group * (kGroup + 1) + 1, kGroup, out.data() + group * kGroup);
    if (!is_nan(counts.amax)) keep("amax lost a NaN");
    counts.total -= kGroups;
    counts.nan_in -= kGroups;
    counts.amax = amax(in.data(), kBlock);
  }

  void compare(const Step& step, std::uint32_t at, std::uint32_t stop, std::uint32_t begin,
               const std::vector<float>& in, const std::vector<float>& out) {
    std::uint32_t wrong = 0;
    const float *x = in.data() + (at - begin), *y = out.data() + (at - begin);
    const std::uint32_t size = stop - at;
    if (step.kind == Step::Exactly) {
      for (std::uint32_t i = 0; i < size; ++i) wrong |= bits_of(y[i]) ^ step.output;
    } else if (step.kind == Step::TheInput) {  // the product with the scale makes a NaN quiet
      for (std::uint32_t i = 0; i < size; ++i) wrong |= bits_of(y[i]) ^ (bits_of(x[i]) | kQuiet);
    } else {
      for (std::uint32_t i = 0; i < size; ++i) wrong |= is_nan(y[i]) ? 0u : 1u;
    }
    for (std::uint32_t i = 0; i < size && wrong != 0; ++i) {
      if (step.kind == Step::AnyNan
              ? is_nan(y[i])
              : bits_of(y[i]) == (step.kind == Step::TheInput ? bits_of(x[i]) | kQuiet : step.output))
        continue;
      keep(fmt::format("{:a} became {:a}, not {:a}", x[i], y[i], float_of(step.output)));
      break;
    }
  }

  static void count(const Step& step, std::uint32_t at, std::uint32_t stop, EventCounts& counts) {
    const std::uint32_t size = stop - at, magnitude = step.output & ~kSignBit;
    if (step.kind == Step::TheInput) counts.nan_in += size;
    if (step.beyond)
      (step.kind == Step::AnyNan || magnitude == reference::kInfinity ? counts.overflowed : counts.saturated) += size;
    if (step.kind == Step::Exactly && magnitude == 0 && !step.beyond) counts.underflowed += size - (at == 0 ? 1 : 0);
    if (step.subnormal) counts.subnormal += size;
  }

  static bool equal(const EventCounts& a, const EventCounts& b) {
    return a.total == b.total && a.nan_in == b.nan_in && a.saturated == b.saturated && a.overflowed == b.overflowed &&
           a.underflowed == b.underflowed && a.subnormal == b.subnormal && bits_of(a.amax) == bits_of(b.amax);
  }

  void keep(const std::string& what) {
    const std::lock_guard lock(mutex_);
    if (first_difference_.empty()) first_difference_ = name_ + ": " + what;
  }

  Company company_;
  std::string name_;
  ElementQuantizer spec_;
  std::atomic<std::uint32_t> next_{0};
  std::atomic<std::uint64_t> compared_{0};
  std::mutex mutex_;
  std::string first_difference_;
};

void check_all_inputs(Rounding rounding, Company company = Company::Alone) {
  for (const PresetFormat& preset : preset_formats()) {
    for (const Overflow overflow : {Overflow::Native, Overflow::Saturate, Overflow::Propagate}) {
      Sweep sweep(preset, rounding, overflow, company);
      sweep.run();
      CHECK(sweep.first_difference() == "");
      if (overflow == Overflow::Native)
        CHECK(sweep.compared() == std::uint64_t{1} << 32);
      else
        CHECK(sweep.compared() >= 1u << 20);  // of each sign 32 blocks of infinity and NaN
    }
  }
}

}  // namespace

TEST_CASE("all 2^32 inputs round to nearest even as the values say, for every preset", "[.exhaustive]") {
  check_all_inputs(Rounding::NearestEven);
}

TEST_CASE("all 2^32 inputs round to nearest even beside a NaN as well, for every preset", "[.exhaustive]") {
  check_all_inputs(Rounding::NearestEven, Company::WithNan);
}

TEST_CASE("all 2^32 inputs round to nearest away as the values say, for every preset", "[.exhaustive]") {
  check_all_inputs(Rounding::NearestAway);
}

TEST_CASE("all 2^32 inputs round toward zero as the values say, for every preset", "[.exhaustive]") {
  check_all_inputs(Rounding::TowardZero);
}

TEST_CASE("all 2^32 inputs round up as the values say, for every preset", "[.exhaustive]") {
  check_all_inputs(Rounding::Up);
}

TEST_CASE("all 2^32 inputs round down as the values say, for every preset", "[.exhaustive]") {
  check_all_inputs(Rounding::Down);
}

TEST_CASE("all 2^32 inputs round to odd as the values say, for every preset", "[.exhaustive]") {
  check_all_inputs(Rounding::ToOdd);
}

TEST_CASE("the staircase of small formats is the oracle's rounding at every step, in every mode and policy") {
  // The same thresholds against the other oracle, which computes each input on its own.
  for (const PresetFormat& preset : preset_formats()) {
    for (const Rounding rounding : kDeterministic) {
      for (const Overflow overflow : kOverflows) {
        for (const bool negative : {false, true}) {
          Staircase stairs(preset.format, rounding, overflow, negative);
          int wrong = 0, steps = 0;
          const auto check = [&](std::uint32_t pattern) {
            const float x = float_of(pattern | (negative ? kSignBit : 0));
            const float expected = reference::round(preset.format, rounding, overflow, x);
            const Step& step = stairs.step();
            wrong += step.kind == Step::Exactly ? bits_of(expected) != step.output : !is_nan(expected);
          };
          for (stairs.seek(0); steps < 300; stairs.advance(), ++steps) {
            if (stairs.step().begin >= stairs.step().end) continue;
            check(stairs.step().begin);
            check(stairs.step().end - 1);
            if (stairs.step().end == reference::kPatterns) break;
          }
          Stream stream{5};
          for (int i = 0; i < 300; ++i) {
            const std::uint32_t pattern = stream.next() >> 1;
            stairs.seek(pattern);
            wrong += pattern < stairs.step().begin || pattern >= stairs.step().end;
            check(pattern);
          }
          INFO(preset.name << " " << to_string(rounding) << " " << to_string(overflow));
          CHECK(wrong == 0);
        }
      }
    }
  }
}

}  // namespace precipice::test
