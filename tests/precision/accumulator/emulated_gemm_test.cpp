// SPDX-License-Identifier: Apache-2.0
// Emulated accumulators: the plain loops against exact integers, the fast loops against the plain ones.
#include <fmt/format.h>

#include "precision/base/check.h"
#include "precision/kernels/isa.h"
#include "tests/precision/accumulator/gemm_support.h"
#include "tests/support/catch.h"

namespace precipice::test {
namespace {

std::vector<std::string> rounded_accumulators() {
  std::vector<std::string> texts;
  for (const Rounding rounding : all_roundings()) {
    for (const char* format : {"e8m13", "fp16", "fp32", "e4m3", "e5m10:subnormals=flush,specials=finite"}) {
      texts.push_back(fmt::format("every:format={},rounding={}", format, to_string(rounding)));
      texts.push_back(fmt::format("chunk:size=7,format={},rounding={}", format, to_string(rounding)));
    }
    texts.push_back(fmt::format("every:format=e8m0:sign=signed,zero=yes,rounding={}", to_string(rounding)));
    texts.push_back(fmt::format("chunk:size=16,format=e6m9,inner=same,rounding={},random=3", to_string(rounding)));
    texts.push_back(fmt::format("every:format=q8.7:sign=twos,overflow=saturate,rounding={}", to_string(rounding)));
    texts.push_back(fmt::format("every:format=e8m22,overflow=propagate,rounding={}", to_string(rounding)));
    texts.push_back(fmt::format("every:format=e8m21,overflow=propagate,rounding={}", to_string(rounding)));
  }
  texts.emplace_back("every:format=bf16:subnormals=flush-inputs,rounding=rne");
  return texts;
}

std::vector<std::string> tensor_cores() {
  std::vector<std::string> texts;
  for (const char* rounding : {"rtz", "rne"}) {
    for (const int bits : {2, 3, 14, 19, 22, 23, 24, 25, 30}) {
      texts.push_back(fmt::format("tensor-core:bits={},group=32,promote=128,rounding={}", bits, rounding));
      texts.push_back(fmt::format("tensor-core:bits={},group=3,promote=0,rounding={}", bits, rounding));
      texts.push_back(fmt::format("tensor-core:bits={},group=1,promote=7,rounding={}", bits, rounding));
    }
  }
  return texts;
}

std::vector<std::string> all_accumulators() {
  std::vector<std::string> texts = {"library", "fp32"};
  for (const auto& list : {rounded_accumulators(), tensor_cores()}) texts.insert(texts.end(), list.begin(), list.end());
  return texts;
}

void parallel_in_three(std::int64_t items, const std::function<void(std::int64_t, std::int64_t)>& body) {
  std::vector<std::thread> threads;
  for (std::int64_t part = 0; part < 3; ++part)
    threads.emplace_back([&, part] { body(items * part / 3, items * (part + 1) / 3); });
  for (std::thread& thread : threads) thread.join();
}

const std::vector<Numbers> kAllNumbers = {Numbers::Small, Numbers::Twelve, Numbers::Thirteen,
                                          Numbers::Wide,  Numbers::Hard,   Numbers::Special};

void check_against_exact(const std::string& text) {
  const Accumulator accumulator = parse_accumulator(text);
  for (const Numbers kind : kAllNumbers) {
    for (const std::int64_t k : {0, 1, 2, 3, 33, 150}) {
      for (const std::int64_t scale_block : {0, 20}) {
        GemmCase product(accumulator, 2, 3, k, kind, scale_block);
        gemm_reference(product.gemm);
        std::vector<float> exact;
        for (std::int64_t m = 0; m < 2; ++m)
          for (std::int64_t n = 0; n < 3; ++n) exact.push_back(ExactOutput(product.gemm, m, n).result());
        INFO(text << ", numbers " << static_cast<int>(kind) << ", k " << k << ", scales per " << scale_block);
        CAPTURE(product.out, exact);
        REQUIRE(first_difference(product.out, exact) == -1);
      }
    }
  }
}

TEST_CASE("Sums in binary32 and in a format are the exact sums rounded once") {
  check_against_exact("fp32");
  for (const std::string& text : rounded_accumulators()) check_against_exact(text);
}

TEST_CASE("Tensor-core sums are those of whole units in integers") {
  for (const std::string& text : tensor_cores()) check_against_exact(text);
}

TEST_CASE("Fast loops give the bits of the plain ones on every instruction set, in binary32 and binary64") {
  const std::vector<Isa> isas = available_isas();
  for (const std::string& text : all_accumulators()) {
    const Accumulator accumulator = parse_accumulator(text);
    for (const Numbers kind : kAllNumbers) {
      for (const std::int64_t k : {0, 1, 2, 33, 150}) {
        GemmCase product(accumulator, 5, 37, k, kind, k == 33 ? 0 : 20);
        gemm_reference(product.gemm);
        const std::vector<float> plain = product.out;
        for (const Isa& isa : isas) {
          for (const bool force_wide : {false, true}) {
            std::fill(product.out.begin(), product.out.end(), -77.0f);
            gemm_emulated_on(product.gemm, {}, choose_accumulate_kernels(isa.name), force_wide);
            INFO(text << ", numbers " << static_cast<int>(kind) << ", k " << k << ", " << isa.name << ", wide "
                      << force_wide);
            REQUIRE(first_difference(product.out, plain) == -1);
          }
        }
      }
    }
  }
}

TEST_CASE("Fast loops give the same bits on one and three threads, for any shape") {
  for (const char* text : {"fp32", "every:format=e8m13,rounding=rtz", "every:format=fp16,rounding=sr",
                           "chunk:size=64,format=fp16,rounding=rne", "chunk:size=9,format=bf16,rounding=sr,inner=same",
                           "hopper", "tensor-core:bits=25,group=16,promote=0"}) {
    for (const auto& [m, n, k] : {std::array<std::int64_t, 3>{1, 1, 300}, {3, 64, 65}, {130, 70, 33}, {65, 129, 5}}) {
      for (const Numbers kind : {Numbers::Small, Numbers::Special}) {
        GemmCase product(parse_accumulator(text), m, n, k, kind, 32);
        gemm_reference(product.gemm);
        const std::vector<float> plain = product.out;
        gemm_emulated(product.gemm);
        INFO(text << " " << m << " x " << n << " x " << k);
        REQUIRE(first_difference(product.out, plain) == -1);
        std::fill(product.out.begin(), product.out.end(), -77.0f);
        gemm_emulated(product.gemm, parallel_in_three);
        REQUIRE(first_difference(product.out, plain) == -1);
      }
    }
  }
}

TEST_CASE("Any layout of the operands and of the output gives the same product") {
  const Accumulator accumulator = parse_accumulator("every:format=fp16,rounding=sr");
  const std::int64_t m = 6, n = 21, k = 40;
  GemmCase product(accumulator, m, n, k, Numbers::Small);
  gemm_emulated(product.gemm);
  std::vector<float> a(static_cast<std::size_t>(m * k)), b(static_cast<std::size_t>(n * k));
  for (std::int64_t i = 0; i < k; ++i) {
    for (std::int64_t row = 0; row < m; ++row)
      a[static_cast<std::size_t>(i * m + row)] = product.a[static_cast<std::size_t>(row * k + i)];
    for (std::int64_t row = 0; row < n; ++row)
      b[static_cast<std::size_t>(i * n + row)] = product.b[static_cast<std::size_t>(row * k + i)];
  }
  std::vector<float> out(static_cast<std::size_t>(m * (n + 3)), -5.0f);
  EmulatedGemm transposed = product.gemm;
  transposed.a = {a.data(), 1, m, {}};
  transposed.b = {b.data(), 1, n, {}};
  transposed.out = out.data(), transposed.out_stride = n + 3;
  for (const bool reference : {false, true}) {
    if (reference)
      gemm_reference(transposed);
    else
      gemm_emulated(transposed);
    for (std::int64_t row = 0; row < m; ++row) {
      for (std::int64_t column = 0; column < n + 3; ++column) {
        const float expected = column < n ? product.out[static_cast<std::size_t>(row * n + column)] : -5.0f;
        REQUIRE(bits_of(out[static_cast<std::size_t>(row * (n + 3) + column)]) == bits_of(expected));
      }
    }
  }
}

TEST_CASE("A product cut into rows draws the words of the whole") {
  const Accumulator accumulator = parse_accumulator("chunk:format=bf16,size=8,rounding=sr");
  GemmCase product(accumulator, 7, 19, 30, Numbers::Small);
  gemm_emulated(product.gemm);
  const std::vector<float> whole = product.out;
  std::fill(product.out.begin(), product.out.end(), 0.0f);
  for (const auto& [first, rows] : {std::pair<std::int64_t, std::int64_t>{0, 3}, {3, 4}}) {
    EmulatedGemm part = product.gemm;
    part.m = rows;
    part.a.data += first * 30, part.out += first * 19;
    part.first_element = static_cast<std::uint64_t>(first * 19), part.elements = 7 * 19;
    gemm_emulated(part);
  }
  CHECK(first_difference(product.out, whole) == -1);
}

TEST_CASE("fp32 is the plain float loop where products are exact in binary32, and so is every add in fp32") {
  for (const char* text : {"library", "fp32"}) {
    GemmCase product(parse_accumulator(text), 4, 35, 500, Numbers::Small);
    gemm_emulated(product.gemm);
    for (std::size_t m = 0; m < 4; ++m) {
      for (std::size_t n = 0; n < 35; ++n) {
        float sum = 0.0f;
        for (std::size_t k = 0; k < 500; ++k) sum += product.a[m * 500 + k] * product.b[n * 500 + k];
        REQUIRE(bits_of(product.out[m * 35 + n]) == bits_of(sum));
      }
    }
  }
}

TEST_CASE("Sums that climb by rounding alone leave binary32 as exact sums do, in binary32 and binary64") {
  // Two values to a binade: every add of what is smaller moves the sum to the next one, past 2^128 within 300.
  for (const char* rounding : {"rup", "rdn", "rto", "rtz"}) {
    for (const char* overflow : {"native", "saturate"}) {
      GemmCase product(parse_accumulator(fmt::format("every:format=e8m1,rounding={},overflow={}", rounding, overflow)),
                       2, 3, 300, Numbers::Small);
      for (float& x : product.a) x = 1.0f;
      for (std::size_t i = 0; i < product.b.size(); ++i) product.b[i] = i < 300 ? 0.375f : -0.375f;
      std::vector<float> exact;
      for (std::int64_t m = 0; m < 2; ++m)
        for (std::int64_t n = 0; n < 3; ++n) exact.push_back(ExactOutput(product.gemm, m, n).result());
      for (const Isa& isa : available_isas()) {
        for (const bool force_wide : {false, true}) {
          gemm_emulated_on(product.gemm, {}, choose_accumulate_kernels(isa.name), force_wide);
          INFO(rounding << " " << overflow << " " << isa.name << " wide " << force_wide);
          CAPTURE(product.out, exact);
          CHECK(first_difference(product.out, exact) == -1);
        }
      }
      const float end = std::fabs(exact[std::string(rounding) == "rdn" ? 1 : 0]);
      if (std::string(rounding) == "rup" || std::string(rounding) == "rdn")
        CHECK(end == (std::string(overflow) == "native" ? HUGE_VALF : 0x1.8p127f));
    }
  }
}

TEST_CASE("Scales multiply sums: a power of two per tensor is that of the output") {
  for (const char* text : {"fp32", "every:format=fp16,rounding=rne", "hopper"}) {
    GemmCase product(parse_accumulator(text), 3, 5, 100, Numbers::Small);
    gemm_emulated(product.gemm);
    const std::vector<float> plain = product.out;
    const float scale_a = 0x1p-7f, scale_b = 0x1p3f;
    product.gemm.a.scales.data = &scale_a;
    product.gemm.b.scales.data = &scale_b;
    gemm_emulated(product.gemm);
    for (std::size_t i = 0; i < plain.size(); ++i) CHECK(product.out[i] == plain[i] * 0x1p-4f);
  }
}

TEST_CASE("What cannot be multiplied is refused") {
  GemmCase product(parse_accumulator("every:format=fp16,rounding=sr"), 2, 2, 4, Numbers::Small);
  product.gemm.elements = std::uint64_t{1} << 49;
  CHECK_THROWS_AS(gemm_emulated(product.gemm), ContractError);
  product.gemm.elements = 3;
  CHECK_THROWS_AS(gemm_reference(product.gemm), ContractError);
  product.gemm.elements = 0;
  product.gemm.accumulator.format.bias = 1000;
  CHECK_THROWS_AS(gemm_emulated(product.gemm), ConfigError);
}

}  // namespace
}  // namespace precipice::test
