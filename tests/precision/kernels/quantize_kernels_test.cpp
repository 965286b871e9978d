// SPDX-License-Identifier: Apache-2.0
// The array loops: the same bits and counts on every instruction set, for every length, alignment and cut, equal to the
// scalar function and to a slow count from the definition of each event.
#include <limits>

#include "precision/base/check.h"
#include "precision/kernels/isa.h"
#include "tests/precision/kernels/quantize_support.h"

namespace precipice::test {
namespace {

// Numbers around the range of 8-bit formats with special values among them. Arrays without infinities and NaN go other
// ways than those with them.
enum class Among { Finite, Infinities, Nans };
std::vector<float> inputs(std::size_t size, Among among) {
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> specials = {0.0f,
                                       -0.0f,
                                       inf,
                                       -inf,
                                       464.0f,
                                       -480.0f,
                                       1e38f,
                                       1e-30f,
                                       1e-44f,
                                       -0x1p-10f,
                                       0x1p-9f,
                                       float_of(0x7FC01234u),
                                       float_of(0xFFC00001u)};
  std::vector<float> kept;
  for (const float special : specials)
    if (std::isfinite(special) || (among != Among::Finite && (among == Among::Nans || !is_nan(special))))
      kept.push_back(special);
  return random_inputs(size, 127 - 14, 28, kept);
}

ElementQuantizer spec_of(const char* format, Rounding rounding, Overflow overflow, bool through_bf16 = false,
                         int bits = 32) {
  return {parse_float_format(format), rounding, overflow, bits, through_bf16};
}

std::vector<ElementQuantizer> all_kinds_of_spec() {
  std::vector<ElementQuantizer> specs;
  for (const Rounding rounding : all_roundings()) {
    specs.push_back(spec_of("e4m3", rounding, Overflow::Saturate));
    specs.push_back(spec_of("e5m2", rounding, Overflow::Native, true, 8));
    specs.push_back(spec_of("e4m3fnuz:subnormals=flush", rounding, Overflow::Native, false, 13));
    specs.push_back(spec_of("e4m3:sign=unsigned", rounding, Overflow::Propagate, false, 20));
    specs.push_back(spec_of("e5m0", rounding, Overflow::Native, false, 3));
  }
  return specs;
}

}  // namespace

TEST_CASE(
    "all instruction sets give the scalar function's bits and the slow count, with and without NaN and infinities") {
  for (const Among among : {Among::Finite, Among::Infinities, Among::Nans}) {
    const std::vector<float> in = inputs(5000, among);
    for (const ElementQuantizer& spec : all_kinds_of_spec()) {
      for (const Isa& isa : available_isas()) {
        INFO(isa.name << " " << to_string(spec.format) << " " << to_string(spec.rounding));
        std::vector<float> out(in.size());
        const EventCounts counts = run(isa, in.data(), out.data(), in.size(), spec, 1.5f, 7);
        check_equal(counts, slow_counts(in, out, spec, 1.5f, kKey, 7));
        CHECK(counts.saturated + counts.overflowed > 0);
        CHECK((counts.nan_in > 0) == (among == Among::Nans));
        CHECK((counts.underflowed > 0 || spec.rounding != Rounding::NearestEven));  // so that the test counts something
      }
    }
  }
}

TEST_CASE("stochastic rounding of arrays with no, few and many numbers below the smallest normal is the scalar one") {
  for (const int small : {0, 1, 20, 90}) {  // percent
    std::vector<float> in = random_inputs(9000, 127 - 5, 12, {});
    Stream stream{99};
    for (float& x : in) {
      if (static_cast<int>(stream.next() % 100) < small) x *= 0x1p-8f;
    }
    for (const char* format : {"e4m3", "e5m2", "e2m3", "e4m3:subnormals=flush", "e4m3fnuz", "bf16"}) {
      for (const int bits : {1, 8, 9, 16, 17, 32}) {
        const ElementQuantizer spec = spec_of(format, Rounding::Stochastic, Overflow::Saturate, false, bits);
        for (const Isa& isa : available_isas()) {
          INFO(isa.name << " " << format << " " << bits << " bits, " << small << " % small");
          std::vector<float> out(in.size());
          const EventCounts counts = run(isa, in.data(), out.data(), in.size(), spec, 1.5f, 7);
          check_equal(counts, slow_counts(in, out, spec, 1.5f, kKey, 7));
        }
      }
    }
  }
}

TEST_CASE("lengths 0 to 130 at any alignment and first element agree bit for bit, counts included") {
  const Among among = GENERATE(Among::Finite, Among::Nans);
  const std::vector<float> source = inputs(200, among);
  for (const ElementQuantizer& spec : {spec_of("e4m3", Rounding::NearestEven, Overflow::Native),
                                       spec_of("e4m3", Rounding::Stochastic, Overflow::Native, false, 4),
                                       spec_of("e5m2", Rounding::Stochastic, Overflow::Saturate, true, 10)}) {
    for (std::size_t size = 0; size <= 130; ++size) {
      const std::size_t offset = size % 17;
      // The block number's low word wraps around.
      const auto parts = static_cast<std::uint64_t>(parts_of_word(spec.random_bits));
      const std::uint64_t first = (parts << 34) - 40 + size % 7;
      std::vector<float> expected(size + 2, 99.0f);
      const EventCounts counts =
          run(choose_isa("generic"), source.data() + offset, expected.data(), size, spec, 0.75f, first);
      for (const Isa& isa : available_isas()) {
        INFO(isa.name << " size " << size);
        std::vector<float> out(size + 2 + offset, 99.0f);
        check_equal(run(isa, source.data() + offset, out.data() + offset, size, spec, 0.75f, first), counts);
        CHECK(differences(out.data() + offset, expected.data(), size + 2) == 0);  // and nothing written beyond
      }
      for (std::size_t i = 0; i < size; ++i) {
        const float x = source[offset + i];
        const float staged = spec.through_bf16 ? round_to_format<Rounding::NearestEven>(
                                                     x, prepare(parse_float_format("bf16"), Overflow::Native))
                                               : x;
        const float scalar = round_as(spec.rounding, staged * 0.75f, prepare(spec.format, spec.overflow),
                                      random_for(kKey, first + i, spec.random_bits), spec.random_bits);
        if (bits_of(scalar) != bits_of(expected[i])) FAIL("element " << i << " of " << size);
      }
    }
  }
}

TEST_CASE("a tensor cut anywhere gives the same bits and the same sum of counts, also in place") {
  const std::vector<float> in = inputs(9000, GENERATE(Among::Finite, Among::Nans));
  const ElementQuantizer spec = spec_of("e4m3", Rounding::Stochastic, Overflow::Saturate);
  for (const Isa& isa : available_isas()) {
    INFO(isa.name);
    std::vector<float> whole(in.size());
    const EventCounts expected = run(isa, in.data(), whole.data(), in.size(), spec, 1.0f, 3);
    for (const std::size_t cut : {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{2047}, std::size_t{2048},
                                  std::size_t{4099}, std::size_t{8999}}) {
      std::vector<float> in_place = in;
      EventCounts counts = run(isa, in_place.data(), in_place.data(), cut, spec, 1.0f, 3);
      counts += run(isa, in_place.data() + cut, in_place.data() + cut, in.size() - cut, spec, 1.0f, 3 + cut);
      check_equal(counts, expected);
      CHECK(differences(in_place.data(), whole.data(), in.size()) == 0);
    }
  }
}

TEST_CASE("packed results are the same numbers as bf16, at any length and alignment, with the smallest of them") {
  const std::vector<float> all = inputs(5000, GENERATE(Among::Finite, Among::Nans));
  for (const ElementQuantizer& spec : all_kinds_of_spec()) {
    for (const Isa& isa : available_isas()) {
      INFO(isa.name << " " << to_string(spec.format) << " " << to_string(spec.rounding));
      int wrong = 0;
      for (std::size_t size = 0; size <= all.size(); size += size < 130 ? 1 : 2435) {
        const float* in = all.data() + size % 5;
        const std::size_t count = std::min(size, all.size() - 5);
        std::vector<float> out(count + 1);
        std::vector<std::uint16_t> packed(count + 3, 0x5A5A);
        const EventCounts counts = run(isa, in, out.data(), count, spec, 1.5f, 7);
        QuantizeCall call = prepare_call(in, nullptr, static_cast<std::int64_t>(count), spec, 1.5f, kKey, 7);
        std::uint32_t smallest = ~0u, expected = ~0u;
        call.packed = packed.data() + 1;
        call.smallest_result = &smallest;
        wrong += !equal(isa.kernels->quantize(call), counts);
        for (std::size_t i = 0; i < count; ++i) {
          const std::uint32_t bits = bits_of(out[i]), magnitude = bits & 0x7FFFFFFFu;
          const bool is_same =
              is_nan(out[i]) ? (packed[i + 1] & 0x7FFF) > 0x7F80 : bits == std::uint32_t{packed[i + 1]} << 16;
          wrong += !is_same;
          if (magnitude != 0) expected = std::min(expected, magnitude - 1);
        }
        wrong += smallest != expected;
        wrong += packed.front() != 0x5A5A || packed[count + 1] != 0x5A5A;
      }
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("results written past the caches are the same bits, at any length and alignment, packed or not") {
  const std::vector<float> all = inputs(5000, GENERATE(Among::Finite, Among::Nans));
  for (const ElementQuantizer& spec : all_kinds_of_spec()) {
    for (const Isa& isa : available_isas()) {
      INFO(isa.name << " " << to_string(spec.format) << " " << to_string(spec.rounding));
      int wrong = 0;
      for (std::size_t size = 0; size <= 4900; size += size < 130 ? 1 : 2385) {
        const std::size_t offset = size % 23;
        const float* in = all.data() + size % 5;
        std::vector<float> expected(size), out(size + offset + 2, 99.0f);
        std::vector<std::uint16_t> halves(size), packed(size + offset + 2, 0x5A5A);
        QuantizeCall call = prepare_call(in, expected.data(), static_cast<std::int64_t>(size), spec, 1.5f, kKey, 7);
        const EventCounts counts = isa.kernels->quantize(call);
        call.stream = true;
        call.out = out.data() + offset + 1;
        wrong += !equal(isa.kernels->quantize(call), counts);
        wrong += differences(out.data() + offset + 1, expected.data(), size);
        wrong += out[offset] != 99.0f || out[offset + size + 1] != 99.0f;
        call.stream = false;
        call.packed = halves.data();
        isa.kernels->quantize(call);
        call.stream = true;
        call.packed = packed.data() + offset + 1;
        wrong += !equal(isa.kernels->quantize(call), counts);
        wrong += !std::equal(halves.begin(), halves.end(), packed.begin() + static_cast<std::ptrdiff_t>(offset) + 1);
        wrong += packed[offset] != 0x5A5A || packed[offset + size + 1] != 0x5A5A;
      }
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("a multiplier for each block of elements is the same as a multiplier for each of them") {
  const std::vector<float> all = inputs(5000, GENERATE(Among::Finite, Among::Nans));
  for (const int shift : {kMinBlockShift, 5, kMaxBlockShift}) {
    std::vector<float> of_blocks, of_elements;
    for (std::size_t i = 0; i < all.size(); ++i) {
      const std::size_t block = i >> shift;
      if (block == of_blocks.size())
        of_blocks.push_back(block % 7 == 3 ? 0.0f : std::ldexp(1.5f, static_cast<int>(block % 9) - 4));
      of_elements.push_back(of_blocks[block]);
    }
    for (const ElementQuantizer& spec : all_kinds_of_spec()) {
      for (const Isa& isa : available_isas()) {
        INFO(isa.name << " " << to_string(spec.format) << " " << to_string(spec.rounding) << " " << shift);
        int wrong = 0;
        for (std::size_t size = 0; size <= all.size(); size += size < 70 ? 1 : 2465) {
          std::vector<float> expected(size), out(size);
          QuantizeCall call =
              prepare_call(all.data(), expected.data(), static_cast<std::int64_t>(size), spec, 1.0f, kKey, 7);
          call.multipliers = of_elements.data();
          const EventCounts counts = isa.kernels->quantize(call);
          call.out = out.data();
          call.multipliers = of_blocks.data();
          call.block_shift = shift;
          wrong += !equal(isa.kernels->quantize(call), counts);
          wrong += differences(out.data(), expected.data(), size);
        }
        CHECK(wrong == 0);
      }
    }
  }
}

TEST_CASE("without counting, results and amax are the same") {
  std::vector<ElementQuantizer> specs = all_kinds_of_spec();
  specs.push_back(spec_of("bf16", Rounding::NearestEven, Overflow::Native));
  specs.push_back(spec_of("bf16", Rounding::NearestEven, Overflow::Native, true));
  specs.push_back(spec_of("bf16", Rounding::NearestEven, Overflow::Saturate));
  for (const Among among : {Among::Finite, Among::Infinities, Among::Nans}) {
    std::vector<float> in = inputs(5000, among);
    for (const float special : {3.4e38f, -3.4e38f, 0x1p-126f, 0x1.01p-126f, -0x1.03p-130f, 1e-45f})
      in.push_back(special);
    for (const ElementQuantizer& spec : specs) {
      for (const Isa& isa : available_isas()) {
        INFO(isa.name << " " << to_string(spec.format) << " " << to_string(spec.rounding));
        std::vector<float> counted(in.size()), out(in.size());
        const EventCounts counts = run(isa, in.data(), counted.data(), in.size(), spec, 1.5f, 7);
        QuantizeCall call =
            prepare_call(in.data(), out.data(), static_cast<std::int64_t>(in.size()), spec, 1.5f, kKey, 7);
        call.count = false;
        const EventCounts uncounted = isa.kernels->quantize(call);
        CHECK(differences(counted.data(), out.data(), in.size()) == 0);
        CHECK(uncounted.total == counts.total);
        CHECK(same(uncounted.amax, counts.amax));
      }
    }
  }
}

TEST_CASE("through_bf16 rounds to bf16 before scaling, and events count from there") {
  const float in[2] = {1.0117188f, 1e-41f};
  float out[2];
  EventCounts counts;
  quantize(in, out, 2, spec_of("fp32", Rounding::NearestEven, Overflow::Native, true), 0.99f, kKey, 0, counts);
  CHECK(out[0] == 1.015625f * 0.99f);
  CHECK(out[1] == 0.0f);
  CHECK(counts.amax == 1.015625f);
  CHECK(counts.underflowed == 0);  // 1e-41 is zero in the bf16 tensor already
}

TEST_CASE("amax is the largest magnitude, infinity, or NaN if there is any") {
  const float inf = std::numeric_limits<float>::infinity();
  for (const Isa& isa : available_isas()) {
    INFO(isa.name);
    const auto amax_of = [&isa](const std::vector<float>& v) {
      return isa.kernels->amax(v.data(), static_cast<std::int64_t>(v.size()));
    };
    CHECK(amax_of({}) == 0.0f);
    CHECK(amax_of({-0.0f}) == 0.0f);
    for (std::size_t size = 1; size <= 130; ++size) {
      std::vector<float> values(size, 0.5f);
      values[size * 7 % size] = -3.0f;
      values[size / 2] = -7.25f;
      CHECK(amax_of(values) == 7.25f);
      values[size - 1] = -inf;
      CHECK(amax_of(values) == inf);
      values[0] = float_of(0xFF800001u);
      CHECK(is_nan(amax_of(values)));
    }
  }
  const float value = -2.0f;
  CHECK(amax(&value, 1) == 2.0f);
}

TEST_CASE("counts add up, and a NaN amax stays") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EventCounts a{1, 2, 3, 4, 5, 6, 7.0f};
  a += EventCounts{10, 20, 30, 40, 50, 60, 3.0f};
  check_equal(a, EventCounts{11, 22, 33, 44, 55, 66, 7.0f});
  a += EventCounts{0, 0, 0, 0, 0, 0, nan};
  CHECK(is_nan(a.amax));
  a += EventCounts{0, 0, 0, 0, 0, 0, 1.0f};
  CHECK(is_nan(a.amax));
}

TEST_CASE("an instruction set can be forced, and an unknown one is refused") {
  CHECK(choose_isa("generic").name == "generic");
  CHECK(choose_isa("").name == available_isas().back().name);
  CHECK_THROWS_AS(choose_isa("sse9"), ConfigError);
  CHECK_THROWS_WITH(choose_isa("AVX2"), Catch::Contains("PRECIPICE_ISA = AVX2") && Catch::Contains("generic"));
  CHECK(!active_isa().empty());
}

TEST_CASE("calls that break the contract are refused") {
  EventCounts counts;
  float x = 1.0f;
  ElementQuantizer spec;
  CHECK_THROWS_AS(quantize(&x, &x, -1, spec, 1.0f, kKey, 0, counts), ContractError);
  CHECK_THROWS_AS(quantize(&x, &x, 1, spec, 1.0f, kKey, std::uint64_t{1} << 50, counts), ContractError);
  spec.random_bits = 0;
  CHECK_THROWS_AS(quantize(&x, &x, 1, spec, 1.0f, kKey, 0, counts), ContractError);
}

}  // namespace precipice::test
