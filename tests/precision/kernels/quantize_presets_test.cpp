// SPDX-License-Identifier: Apache-2.0
// The array loops over every preset format, mode and policy, from binary32 and binary64, and the arrays of codes: on
// every instruction set, for every length, alignment, cut and number of threads.
#include <thread>

#include "precision/format/format_codes.h"
#include "precision/kernels/isa.h"
#include "tests/precision/kernels/quantize_support.h"

namespace precipice::test {
namespace {

// What a chunk holds decides which of the loops takes it: NaN or infinity or neither, and numbers near the end of
// binary32 or none.
enum class Holding { Nan, Infinity, Finite, FarFromTheEnd };

// Around the format's own range, with its ends and zeros.
std::vector<float> inputs_around(const FloatFormat& f, std::size_t size, Holding holding) {
  const float inf = std::numeric_limits<float>::infinity(), top = f.max_finite(), least = f.min_positive();
  const int lowest = std::max(0, f.emin() + 127 - f.mantissa_bits - 3), highest = std::min(254, f.emax() + 127 + 2);
  std::vector<float> specials = {0.0f, -0.0f, least, -least / 2.0f, 1e-44f, top, -top};
  if (holding <= Holding::Infinity) specials.insert(specials.end(), {inf, -inf, std::nextafter(top, inf)});
  if (holding == Holding::Nan) specials.insert(specials.end(), {float_of(0x7FC01234u), float_of(0xFFC00001u)});
  std::vector<float> values = random_inputs(size, lowest, highest - lowest + 1, specials);
  for (float& value : values)
    if (holding == Holding::FarFromTheEnd && std::fabs(value) > 0x1p100f) value *= 0x1p-60f;
  return values;
}

template <class Input>
void check_preset(const FloatFormat& format, const std::vector<Input>& in, int& different) {
  static const std::vector<Isa> isas = available_isas();
  std::vector<float> expected(in.size()), out(in.size());
  int random_bits = 0;
  for (const Rounding rounding : all_roundings()) {
    for (const Overflow overflow : kOverflows) {
      const ElementQuantizer spec{format, rounding, overflow, 1 + ++random_bits % 32, false};
      // 1: so that the ends stay what they are.
      const float scale = overflow == Overflow::Saturate ? 1.5f : 1.0f;
      const EventCounts counts = run(isas[0], in.data(), expected.data(), in.size(), spec, scale, 7);
      INFO(to_string(rounding) << " " << to_string(overflow));
      check_equal(counts, slow_counts(in, expected, spec, scale, kKey, 7));
      // So that the test counts something: the ends, scaled, are beyond.
      if (overflow == Overflow::Saturate && format.emax() < 100) CHECK(counts.saturated + counts.overflowed > 0);
      for (const Isa& isa : isas) {
        different += !equal(run(isa, in.data(), out.data(), in.size(), spec, scale, 7), counts);
        different += differences(out.data(), expected.data(), in.size());
      }
    }
  }
}

// Lengths 0 to 130 at offsets that no vector is aligned to, with a guard behind.
template <class Input>
void check_lengths(const std::vector<Input>& source, const ElementQuantizer& spec) {
  const auto constants = [&] {
    if constexpr (sizeof(Input) == sizeof(double))
      return prepare_wide(spec.format, spec.overflow);
    else
      return prepare(spec.format, spec.overflow);
  }();
  for (const Isa& isa : available_isas()) {
    int wrong = 0;
    for (std::size_t size = 0; size <= 130; ++size) {
      const std::size_t offset = size % 17;
      const auto parts = static_cast<std::uint64_t>(parts_of_word(spec.random_bits));
      const std::uint64_t first = (parts << 34) - 40 + size % 7;
      std::vector<float> out(size + 2 + offset, 99.0f);
      run(isa, source.data() + offset, out.data() + offset, size, spec, 0.75f, first);
      for (std::size_t i = 0; i < size; ++i) {
        const Input y = source[offset + i] * static_cast<Input>(0.75f);
        const std::uint32_t word = random_for(kKey, first + i, spec.random_bits);
        wrong += bits_of(out[offset + i]) != bits_of(round_as(spec.rounding, y, constants, word, spec.random_bits));
      }
      wrong +=
          out[offset + size] != 99.0f || out[offset + size + 1] != 99.0f || (offset > 0 && out[offset - 1] != 99.0f);
    }
    INFO(isa.name << " " << to_string(spec.rounding));
    CHECK(wrong == 0);
  }
}

// The same tensor in pieces of `piece` elements that `threads` threads take in turn.
template <class Input>
EventCounts run_in_pieces(const Isa& isa, const std::vector<Input>& in, std::vector<float>& out,
                          const ElementQuantizer& spec, std::size_t piece, std::size_t threads, std::uint64_t first) {
  std::vector<EventCounts> counts(threads);
  std::vector<std::thread> running;
  for (std::size_t t = 0; t < threads; ++t)
    running.emplace_back([&, t] {
      for (std::size_t begin = t * piece; begin < in.size(); begin += threads * piece)
        counts[t] += run(isa, in.data() + begin, out.data() + begin, std::min(piece, in.size() - begin), spec, 1.0f,
                         first + begin);
    });
  for (std::thread& thread : running) thread.join();
  EventCounts sum;
  for (const EventCounts& part : counts) sum += part;
  return sum;
}

template <class Input>
void check_pieces(const std::vector<Input>& in, const ElementQuantizer& spec) {
  constexpr std::uint64_t kFirst = (std::uint64_t{1} << 40) + 3;
  std::vector<float> whole(in.size());
  const EventCounts expected = run(choose_isa("generic"), in.data(), whole.data(), in.size(), spec, 1.0f, kFirst);
  for (const Isa& isa : available_isas()) {
    for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{64}, std::size_t{2049}}) {
      for (const std::size_t threads : {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{8}}) {
        std::vector<float> out(in.size());
        INFO(isa.name << " " << to_string(spec.rounding) << " pieces of " << piece << ", threads " << threads);
        check_equal(run_in_pieces(isa, in, out, spec, piece, threads, kFirst), expected);
        CHECK(differences(out.data(), whole.data(), in.size()) == 0);
      }
    }
  }
}

}  // namespace

TEST_CASE("every preset in every mode and policy has the oracle's bits and the slow count on every instruction set") {
  for (const PresetFormat& preset : preset_formats()) {
    for (const Holding holding : {Holding::Nan, Holding::Infinity, Holding::Finite, Holding::FarFromTheEnd}) {
      const std::vector<float> in = inputs_around(preset.format, 300, holding);
      int different = 0;
      INFO(preset.name << ", inputs of kind " << static_cast<int>(holding));
      check_preset(preset.format, in, different);
      check_preset(preset.format, widened(in), different);
      CHECK(different == 0);
    }
  }
}

TEST_CASE("lengths 0 to 130 at any alignment are the scalar function, in every mode from float and double") {
  for (const Rounding rounding : all_roundings()) {
    for (const char* name : {"e4m3", "e8m0"}) {
      const ElementQuantizer spec{parse_float_format(name), rounding, Overflow::Native, 11, false};
      for (const Holding holding : {Holding::Nan, Holding::FarFromTheEnd}) {
        const std::vector<float> source = inputs_around(spec.format, 200, holding);
        check_lengths(source, spec);
        check_lengths(widened(source), spec);
      }
    }
  }
}

TEST_CASE("the number of threads and where a tensor is cut change no bit and no count, from float and double") {
  for (const Rounding rounding : kStochastic) {
    const ElementQuantizer spec{parse_float_format("e5m2"), rounding, Overflow::Native, 9, false};
    const std::vector<float> in = inputs_around(spec.format, 5000, Holding::Infinity);
    check_pieces(in, spec);
    check_pieces(widened(in), spec);
  }
}

TEST_CASE("arrays of codes are the scalar codes on every instruction set, for lengths 0 to 130 at any alignment") {
  for (const PresetFormat& preset : preset_formats()) {
    const FloatFormat& format = preset.format;
    const CodeConstants constants = prepare_codes(format);
    Stream stream{31};
    std::vector<float> values;
    std::vector<std::uint32_t> expected;
    for (int i = 0; i < 200; ++i) {
      values.push_back(decode(format, stream.next() >> (32 - format.bits())));
      expected.push_back(encode(format, values.back()));
    }
    int wrong = 0;
    for (const Isa& isa : available_isas()) {
      for (std::size_t size = 0; size <= 130; ++size) {
        const std::size_t offset = size % 17;
        std::vector<std::uint32_t> codes(size + offset + 2, 0xABCDEF01u);
        isa.kernels->encode(values.data() + offset, codes.data() + offset, static_cast<std::int64_t>(size), constants);
        for (std::size_t i = 0; i < size; ++i) wrong += codes[offset + i] != expected[offset + i];
        wrong += codes[offset + size] != 0xABCDEF01u || codes[offset + size + 1] != 0xABCDEF01u;
      }
    }
    INFO(preset.name);
    CHECK(wrong == 0);
  }
}

TEST_CASE("encode refuses a NaN that has no code wherever it stands") {
  std::vector<float> values(100, 1.0f);
  std::vector<std::uint32_t> codes(100);
  values[63] = float_of(0xFF800001u);
  CHECK_THROWS_WITH(encode(values.data(), codes.data(), 100, parse_float_format("int8")),
                    Catch::Contains("int8 has no code for NaN"));
  encode(values.data(), codes.data(), 100, parse_float_format("e4m3"));
  CHECK(codes[63] == 0xFFu);
}

}  // namespace precipice::test
