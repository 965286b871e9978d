// SPDX-License-Identifier: Apache-2.0
// Units of hardware: sums in plain integers (unit_oracle.h), results recorded on the hardware, and directed cases with
// results of public bit-exact models.
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "precision/base/check.h"
#include "precision/kernels/isa.h"
#include "tests/precision/accumulator/unit_support.h"
#include "tests/support/catch.h"
#include "tests/support/paths.h"

namespace precipice::test {
namespace {

void check_random_sums(int sums, std::uint64_t seed) {
  for (const UnitUnderTest& unit : units_under_test()) {
    const Accumulator accumulator = parse_accumulator(unit.preset);
    Stream stream{seed};
    int equal = 0;
    for (int i = 0; i < sums; ++i) {
      const std::size_t k = 1 + stream.next() % 100;
      const UnitOperands operands = random_operands(unit, k, i % 10 == 0, stream);
      const float expected = oracle_result(unit, operands), got = program_result(accumulator, operands);
      equal += same(expected, got) ? 1 : 0;
      if (same(expected, got)) continue;
      FAIL(fmt::format("{} {} x {}, sum {}, K {}: 0x{:08x} and not 0x{:08x}", unit.preset, unit.format_a, unit.format_b,
                       i, k, bits_of(got), bits_of(expected)));
    }
    CHECK(equal == sums);
  }
}

TEST_CASE("Units of hardware give the sums of plain integers") {
  check_random_sums(10000, 1);
}

TEST_CASE("Units of hardware give the sums of plain integers, ten times as many", "[.slow]") {
  check_random_sums(100000, 2);
}

TEST_CASE("Units give the plain loops' bits on every instruction set, in binary32 and binary64") {
  for (const UnitUnderTest& unit : units_under_test()) {
    const Accumulator accumulator = parse_accumulator(unit.preset);
    Stream stream{5};
    for (const std::int64_t k : {0, 1, 31, 64, 150}) {
      for (const bool with_specials : {false, true}) {
        const std::int64_t m = 5, n = 37;
        const UnitOperands x = random_operands(unit, static_cast<std::size_t>(m * k), with_specials, stream);
        const UnitOperands w = random_operands(unit, static_cast<std::size_t>(n * k), with_specials, stream);
        std::vector<float> out(static_cast<std::size_t>(m * n));
        EmulatedGemm gemm;
        gemm.accumulator = accumulator;
        gemm.m = m, gemm.n = n, gemm.k = k;
        gemm.a = {x.a.data(), k, 1, {}, x.emin_a};
        gemm.b = {w.b.data(), k, 1, {}, x.emin_b};
        gemm.out = out.data(), gemm.out_stride = n;
        if (unit.scale_block != 0 && k > 0) {
          const std::int64_t scales = (k + unit.scale_block - 1) / unit.scale_block;
          gemm.a.scales = {x.scales_a.data(), 1, scales, 1};
          gemm.b.scales = {w.scales_b.data(), 1, scales, 1};
          gemm.scale_block = unit.scale_block;
          // Rows read scales of other rows where there are too few.
          if (static_cast<std::int64_t>(x.scales_a.size()) < m * scales) gemm.a.scales.row_stride = 0;
          if (static_cast<std::int64_t>(w.scales_b.size()) < n * scales) gemm.b.scales.row_stride = 0;
        }
        gemm_reference(gemm);
        const std::vector<float> plain = out;
        for (const Isa& isa : available_isas()) {
          for (const bool force_wide : {false, true}) {
            std::fill(out.begin(), out.end(), -77.0f);
            gemm_emulated_on(gemm, {}, choose_accumulate_kernels(isa.name), force_wide);
            INFO(unit.preset << " " << unit.format_a << ", k " << k << ", " << isa.name << ", wide " << force_wide);
            const std::int64_t place = first_difference(out, plain);
            CAPTURE(place < 0 ? 0.0f : out[static_cast<std::size_t>(place)],
                    place < 0 ? 0.0f : plain[static_cast<std::size_t>(place)]);
            REQUIRE(place == -1);
          }
        }
      }
    }
  }
}

// ---- Recorded. -----------------------------------------------------------------------------------------------------

struct Recorded {
  UnitUnderTest unit;
  std::string set;
  float carried, result;
  UnitOperands operands;
};

UnitUnderTest unit_named(const std::string& preset, const std::string& format) {
  for (UnitUnderTest unit : units_under_test()) {
    if (preset != unit.preset) continue;
    static std::vector<std::unique_ptr<std::string>> names;
    names.push_back(std::make_unique<std::string>(format));
    unit.format_a = unit.format_b = names.back()->c_str();
    return unit;
  }
  throw std::runtime_error("no unit " + preset);
}

// Lines: set preset format carried result a... b..., numbers as binary32 patterns.
std::vector<Recorded> recorded_sums(const std::string& path) {
  std::ifstream file(path);
  REQUIRE(file);
  std::vector<Recorded> all;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    std::string set, preset, format;
    words >> set >> preset >> format;
    std::vector<float> numbers;
    for (std::string word; words >> word;)
      numbers.push_back(float_of(static_cast<std::uint32_t>(std::stoul(word, nullptr, 16))));
    const std::size_t k = (numbers.size() - 2) / 2;
    const int emin = parse_float_format(format).emin();
    const auto at = numbers.begin() + 2;
    const auto half = at + static_cast<std::ptrdiff_t>(k);
    all.push_back({unit_named(preset, format),
                   set,
                   numbers[0],
                   numbers[1],
                   {{at, half}, {half, numbers.end()}, emin, emin, {}, {}, 0}});
  }
  return all;
}

float unit_result(const Accumulator& accumulator, const Recorded& sum) {
  float carried = sum.carried;
  for (std::size_t k = 0; k < sum.operands.a.size(); k += static_cast<std::size_t>(accumulator.group)) {
    std::vector<UnitProduct> products;
    for (std::size_t i = k; i < std::min(sum.operands.a.size(), k + static_cast<std::size_t>(accumulator.group)); ++i)
      products.push_back({sum.operands.a[i], sum.operands.b[i]});
    carried = sum_group(accumulator, carried, products, sum.operands.emin_a, sum.operands.emin_b).result;
  }
  return carried;
}

void check_recorded(const std::string& path) {
  const std::vector<Recorded> all = recorded_sums(path);
  REQUIRE(all.size() >= 19 * 20);
  std::size_t wrong_by_value = 0;
  for (const Recorded& sum : all) {
    Accumulator accumulator = parse_accumulator(sum.unit.preset);
    INFO(sum.set << " as " << sum.unit.preset << " in " << sum.unit.format_a);
    CAPTURE(bits_of(sum.result), bits_of(unit_result(accumulator, sum)), bits_of(sum.carried));
    CHECK(same(unit_result(accumulator, sum), sum.result));
    CHECK(same(oracle_result(sum.unit, sum.operands, sum.carried), sum.result));
    accumulator.alignment = Alignment::Value;
    wrong_by_value += same(unit_result(accumulator, sum), sum.result) ? 0 : 1;
  }
  // Half of those in the tree were chosen so.
  INFO(wrong_by_value << " of " << all.size() << " come out otherwise when products are aligned by their value");
  CHECK(wrong_by_value > all.size() / 50);
}

TEST_CASE("Units sum as V100, A100, A2, Ada, L40S, H100, H200 and B200 did, and alignment by value does not") {
  check_recorded(source_directory() + "/tests/golden/accumulator_recordings.txt");
}

TEST_CASE("Units sum as all recordings say", "[.slow]") {
  const char* path = std::getenv("PRECIPICE_RECORDINGS");
  if (path == nullptr) {
    WARN("skipped: PRECIPICE_RECORDINGS names no output of tests/golden/make_accumulator_recordings.py --all");
    return;
  }
  check_recorded(path);
}

// ---- Directed cases. -----------------------------------------------------------------------------------------------

// JSON has no infinities: those are words.
float number_of(const nlohmann::json& value) {
  return value.is_string() ? std::strtof(value.get<std::string>().c_str(), nullptr) : value.get<float>();
}

TEST_CASE("Units give the directed sums of public bit-exact models") {
  std::ifstream file(source_directory() + "/tests/golden/accumulator_examples.json");
  REQUIRE(file);
  const nlohmann::json cases = nlohmann::json::parse(file);
  CHECK(cases.size() >= 43);
  for (const nlohmann::json& one : cases) {
    const Accumulator accumulator = parse_accumulator(one["accumulator"].get<std::string>());
    const auto k = one["K"].get<std::size_t>();
    UnitOperands x{std::vector<float>(k), std::vector<float>(k), 0, 0, {}, {}, 0};
    x.emin_a = *operand_emin(accumulator.operands, parse_float_format(one["x"].get<std::string>()));
    x.emin_b = *operand_emin(accumulator.operands, parse_float_format(one["w"].get<std::string>()));
    for (const nlohmann::json& term : one["terms"])
      for (auto i = term[0].get<std::size_t>(); i < term[1].get<std::size_t>(); ++i)
        x.a[i] = number_of(term[2]), x.b[i] = number_of(term[3]);
    if (one.contains("x_scales")) {
      x.scales_a = one["x_scales"].get<std::vector<float>>(), x.scales_b = one["w_scales"].get<std::vector<float>>();
      x.scale_block = accumulator.block_scales == BlockScales::Groups ? 16 : 32;
    }
    const std::uint32_t expected = static_cast<std::uint32_t>(std::stoul(one["y"].get<std::string>(), nullptr, 16));
    INFO(one["accumulator"] << ": " << one["why"]);
    CHECK(bits_of(program_result(accumulator, x)) == expected);
    float out = 0.0f;
    gemm_emulated(gemm_of(accumulator, x, out));
    CHECK(bits_of(out) == expected);
  }
}

// ---- What is around the blocks. --------------------------------------------------------------------------------------

TEST_CASE("A scale for all of K is applied once, after promotions; split K adds the parts' totals in order") {
  Stream stream{11};
  const UnitUnderTest unit = units_under_test()[5];
  const UnitOperands x = random_operands(unit, 500, false, stream);
  const float scale_a = 0.3f, scale_b = 1.7f;
  float out = 0.0f;
  EmulatedGemm gemm = gemm_of(parse_accumulator("hopper-fp8:promote=64"), x, out);
  gemm.a.scales.data = &scale_a, gemm.b.scales.data = &scale_b;
  const auto sum_of = [&](std::size_t first, std::size_t end) {
    const auto part = [&](const std::vector<float>& all) {
      return std::vector<float>(all.begin() + static_cast<std::ptrdiff_t>(first),
                                all.begin() + static_cast<std::ptrdiff_t>(end));
    };
    return UnitOracle::tensor_core(unit.rule, {part(x.a), part(x.b), x.emin_a, x.emin_b, {}, {}, 0}, 0.0f);
  };
  const auto promoted = [&](std::size_t first, std::size_t end) {
    float total = 0.0f;
    for (std::size_t k = first; k < end; k += 64) total += sum_of(k, std::min(end, k + 64));
    return total;
  };
  const float alpha = scale_a * scale_b;
  for (const bool fast : {false, true}) {
    gemm.accumulator.split = 1;
    fast ? gemm_emulated(gemm) : gemm_reference(gemm);
    CHECK(bits_of(out) == bits_of(alpha * promoted(0, 500)));
    // 8 promotions in 3 parts: 3, 3 and 2 of them.
    gemm.accumulator.split = 3;
    fast ? gemm_emulated(gemm) : gemm_reference(gemm);
    CHECK(bits_of(out) == bits_of(alpha * (promoted(0, 192) + promoted(192, 384) + promoted(384, 500))));
  }
}

TEST_CASE("Scales of blocks act on promoted sums as DeepSeek-V3's do") {
  Stream stream{12};
  const UnitUnderTest unit = units_under_test()[5];
  const UnitOperands x = random_operands(unit, 300, false, stream);
  const std::vector<float> scales_a = {0.3f, 1.9f, 7.0f}, scales_b = {1.1f, 0.7f, 0.01f};
  float out = 0.0f;
  EmulatedGemm gemm = gemm_of(parse_accumulator("hopper-fp8:promote=128"), x, out);
  gemm.a.scales = {scales_a.data(), 1, 3, 1}, gemm.b.scales = {scales_b.data(), 1, 3, 1};
  gemm.scale_block = 128;
  float expected = 0.0f;
  for (std::size_t block = 0; block < 3; ++block) {
    const auto begin = static_cast<std::ptrdiff_t>(128 * block),
               end = static_cast<std::ptrdiff_t>(std::min<std::size_t>(300, 128 * block + 128));
    const float sum = UnitOracle::tensor_core(unit.rule,
                                              {{x.a.begin() + begin, x.a.begin() + end},
                                               {x.b.begin() + begin, x.b.begin() + end},
                                               x.emin_a,
                                               x.emin_b,
                                               {},
                                               {},
                                               0},
                                              0.0f);
    expected = std::fma(scales_a[block] * scales_b[block], sum, expected);
  }
  gemm_reference(gemm);
  CHECK(bits_of(out) == bits_of(expected));
  gemm_emulated(gemm);
  CHECK(bits_of(out) == bits_of(expected));
  gemm.accumulator.split = 2;
  CHECK_THROWS_AS(gemm_emulated(gemm), ConfigError);
}

TEST_CASE("A number takes the exponents of the unit's format that holds it") {
  const auto emin = [](OperandSet set, const char* format) { return operand_emin(set, parse_float_format(format)); };
  CHECK(emin(OperandSet::Fp8, "e4m3") == -6);
  CHECK(emin(OperandSet::Fp8, "e5m2") == -14);
  CHECK(emin(OperandSet::Fp8, "e2m1") == -6);  // held as E4M3
  CHECK(emin(OperandSet::F8f4, "e2m1") == 0);
  CHECK(emin(OperandSet::Bf16, "e8m3") == -126);
  CHECK(emin(OperandSet::Fp8Fnuz, "e4m3fnuz") == -7);
  CHECK(!emin(OperandSet::Fp8, "e3m4"));
  CHECK(!emin(OperandSet::Fp8, "e8m3"));
  CHECK(!emin(OperandSet::Fp8, "fp16"));
  CHECK(!emin(OperandSet::Fp4, "e4m3"));
  CHECK(!emin(OperandSet::Tf32, "fp32"));
  CHECK(emin(OperandSet::Any, "fp16") == -14);
  CHECK(formats_of(OperandSet::Fp8) == "e4m3 or e5m2");
}

}  // namespace
}  // namespace precipice::test
