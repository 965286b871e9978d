// SPDX-License-Identifier: Apache-2.0
// precipice cast --recipe and precipice gemm as run. Oracle: scales and sums in double, from the definitions.
#include <stdlib.h>
#include <sys/wait.h>

#include <cmath>
#include <cstring>

#include "precision/rounding/random_bits.h"
#include "tests/integration/program.h"
#include "tests/support/catch.h"
#include "tests/support/paths.h"
#include "tests/support/reference_rounding.h"

using namespace precipice;

namespace {

// Bell-shaped, with magnitudes over 2^20 and some zeros.
std::vector<float> numbers(std::size_t size, std::uint64_t seed) {
  std::vector<float> values(size);
  for (std::size_t i = 0; i < size; ++i) {
    const Philox4 w = random_block({seed, 0, 0, 0}, i);
    const double bell = (w.word[0] * 0x1p-32 + w.word[1] * 0x1p-32 + w.word[2] * 0x1p-32) - 1.5;
    values[i] =
        w.word[3] % 17 == 0 ? 0.0f : static_cast<float>(std::ldexp(bell, static_cast<int>(w.word[3] % 21) - 10));
  }
  return values;
}

std::string bytes_of(const std::vector<float>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
}

std::vector<float> floats_of(const std::string& bytes) {
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  return values;
}

ProgramResult piped(const Workplace& place, const std::string& arguments, const std::vector<float>& input) {
  write_text(place.path("input"), bytes_of(input));
  const std::string line =
      "cd '" + place.dir.path().string() + "' && '" + program_path() + "' " + arguments + " <input >stdout 2>stderr";
  const int status = std::system(line.c_str());
  return {WEXITSTATUS(status), text_of(place.path("stdout")), text_of(place.path("stderr"))};
}

float e4m3(double x) {
  return reference::round(parse_float_format("e4m3"), Rounding::NearestEven, Overflow::Saturate, x);
}

// The smallest power of two with amax <= 448 s, no smaller than 2^-127; 2^-127 for zeros.
double rceil_scale(double amax) {
  double scale = 0x1p-127;
  while (amax > 448.0 * scale) scale *= 2.0;
  return scale;
}

}  // namespace

TEST_CASE("cast --recipe mxfp8 gives the blocks of each operand's own contraction, values and scales") {
  const Workplace place;
  constexpr int kRows = 40, kCols = 70;  // neither is a multiple of 32
  const std::vector<float> w = numbers(kRows * kCols, 3);
  for (const bool down : {false, true}) {
    const int lines = down ? kCols : kRows, length = down ? kRows : kCols, blocks = (length + 31) / 32;
    const auto index = [&](int line, int k) {
      return static_cast<std::size_t>(down ? k * kCols + line : line * kCols + k);
    };
    std::vector<float> expected(w.size()), grid(w.size()), scales(static_cast<std::size_t>(lines * blocks));
    for (int line = 0; line < lines; ++line)
      for (int block = 0; block < blocks; ++block) {
        double amax = 0;
        for (int k = 32 * block; k < std::min(length, 32 * block + 32); ++k)
          amax = std::max(amax, std::fabs(double{w[index(line, k)]}));
        const double scale = rceil_scale(amax);
        scales[static_cast<std::size_t>(down ? block * lines + line : line * blocks + block)] =
            static_cast<float>(scale);
        for (int k = 32 * block; k < std::min(length, 32 * block + 32); ++k) {
          grid[index(line, k)] = e4m3(w[index(line, k)] / scale);
          expected[index(line, k)] = static_cast<float>(grid[index(line, k)] * scale);
        }
      }
    const std::string slot =
        std::string("cast --recipe mxfp8 --shape 40x70 --operand w --gemm ") + (down ? "dgrad" : "fprop");
    const ProgramResult values = piped(place, slot + " --force --scales scales", w);
    CHECK(values.err.empty());
    CHECK(values.out == bytes_of(expected));
    CHECK(text_of(place.path("scales")) == bytes_of(scales));
    CHECK(piped(place, slot + " --grid", w).out == bytes_of(grid));
  }
}

TEST_CASE("cast --recipe te-delayed keeps its history from tensor to tensor") {
  const Workplace place;
  std::vector<float> three = numbers(3 * 64, 5), expected;
  for (std::size_t i = 64; i < 128; ++i) three[i] *= 8.0f;
  float scale = 1.0f, largest = 0.0f;
  for (std::size_t step = 0; step < 3; ++step) {
    const float inverse = 1.0f / scale;
    for (std::size_t i = 64 * step; i < 64 * step + 64; ++i) {
      expected.push_back(e4m3(double{three[i] * scale}) * inverse);
      largest = std::max(largest, std::fabs(three[i]));
    }
    scale = 448.0f / largest;  // the history is longer than three steps
  }
  CHECK(piped(place, "cast --recipe te-delayed --shape 8x8 --steps 3", three).out == bytes_of(expected));
}

TEST_CASE("gemm multiplies x by the transpose of w, and an accumulator of few bits loses some of it") {
  const Workplace place;
  constexpr std::size_t kM = 9, kN = 7, kK = 160;
  const std::vector<float> xw = numbers((kM + kN) * kK, 7);
  std::vector<double> sums(kM * kN), magnitudes(kM * kN);
  for (std::size_t m = 0; m < kM; ++m)
    for (std::size_t n = 0; n < kN; ++n)
      for (std::size_t k = 0; k < kK; ++k) {
        const double term = double{xw[m * kK + k]} * xw[(kM + n) * kK + k];
        sums[m * kN + n] += term, magnitudes[m * kN + n] += std::fabs(term);
      }
  const auto error_of = [&](const std::string& arguments) {
    const std::vector<float> y = floats_of(piped(place, "gemm --shape 9x7x160 " + arguments, xw).out);
    REQUIRE(y.size() == sums.size());
    double worst = 0;
    for (std::size_t i = 0; i < y.size(); ++i) worst = std::max(worst, std::fabs(y[i] - sums[i]) / magnitudes[i]);
    return worst;
  };
  CHECK(error_of("") <= 161 * 0x1p-24);  // 160 additions and products of fp32
  const double few = error_of("--accumulator every:format=e8m6"), more = error_of("--accumulator every:format=e8m13");
  CHECK(few > 0x1p-12);
  CHECK(more < few / 8);
}

TEST_CASE("gemm sums numbers of the operands' formats as a unit of hardware does, and explains a sum") {
  const Workplace place;
  // E4M3: 30 x 30 - 30 x 30 + 2^-5; and a subnormal operand, whose exponent is -6: 2^-12 is cut beside 1/2, 2^-11 is kept.
  std::vector<float> xw(4 * 32);
  const auto x = [&](int row, int k) -> float& { return xw[static_cast<std::size_t>(row * 32 + k)]; };
  x(0, 0) = 30, x(0, 1) = -30, x(0, 2) = 0.125F;
  x(1, 0) = 0x1p-9F, x(1, 1) = 0x1p-6F;
  x(2, 0) = 30, x(2, 1) = 30, x(2, 2) = 0.25F;
  x(3, 0) = 256, x(3, 1) = 0x1p-5F;
  const std::string command = "gemm --shape 2x2x32 --operands e4m3,e4m3 --accumulator ";
  const std::vector<float> y = floats_of(piped(place, command + "hopper-fp8", xw).out);
  REQUIRE(y.size() == 4);
  CHECK(y[0] == 0x1p-5F);
  CHECK(y[3] == 0.5F + 0x1p-11F);
  // By the product's value 900 = 1.75 x 2^9 has one bit less below it.
  CHECK(floats_of(piped(place, command + "hopper", xw).out)[0] == 0.0F);
  const std::vector<float> rounded = floats_of(piped(place, command + "hopper-fp8 --result bf16", xw).out);
  CHECK(rounded[3] == 0.5F);

  const ProgramResult explained = piped(place, command + "hopper-fp8 --explain 0,0", xw);
  INFO(explained.out << explained.err);
  CHECK(explained.exit_code == 0);
  CHECK(contains(explained.out, "exponent 8, unit 2^-5"));
  CHECK(contains(explained.out, "k 0: 30 x 30"));
  CHECK(contains(explained.out, "kept 0.03125"));
  CHECK(contains(explained.out, "29 of the terms are zero"));
  CHECK(contains(explained.out, "y = 0.03125 (0x3d000000)"));
}

TEST_CASE("cast --recipe and gemm refuse what they cannot do in one line") {
  const Workplace place;
  const std::vector<float> x = numbers(64, 9);
  const auto refused = [&](const std::string& arguments, int exit_code, const std::string& part) {
    const ProgramResult result = piped(place, arguments, x);
    INFO(arguments << ": " << result.err);
    CHECK(result.exit_code == exit_code);
    CHECK(count_lines(result.err) == 1);
    CHECK(contains(result.err, part));
  };
  refused("cast --recipe mxfp9 --shape 8x8", 2, "did you mean mxfp8?");
  refused("cast --recipe mxfp8:rul=floor --shape 8x8", 2, "did you mean rule?");
  refused("cast --recipe mxfp8", 2, "--shape");
  refused("cast --recipe mxfp8 --shape 8by8", 2, "--shape = 8by8");
  refused("cast --recipe mxfp8 --shape 8x8 --operand dy --gemm fprop", 2, "fprop has x and w");
  refused("cast --recipe mxfp8 --shape 8x8 --format e4m3", 2, "--format");
  refused("cast --format e4m3 --shape 8x8", 2, "--recipe");
  refused("cast --recipe nvfp4 --shape 8x8 --operand x --gemm wgrad", 2, "16");
  refused("cast --recipe mxfp8 --shape 8x9", 4, "ends in tensor 0");
  refused("cast --recipe mxfp8 --shape 7x9", 4, "goes on after");
  refused("gemm --shape 4x4", 2, "--shape = 4x4");
  refused("gemm --shape 4x4x8 --accumulator chunks", 2, "chunk");
  refused("gemm --shape 4x4x9", 4, "ends in w");
  refused("gemm --shape 4x4x8 --operands e4m3", 2, "must be two");
  refused("gemm --shape 4x4x8 --operands e4m3,e9m9", 2, "--operands");
  refused("gemm --shape 4x4x8 --operands e4m3,e4m3", 4, "which e4m3 has not");
  refused("gemm --shape 4x4x8 --operands fp16,e4m3 --accumulator hopper-fp8", 2,
          "multiplies e4m3 or e5m2, not fp16 x e4m3");
  refused("gemm --shape 4x4x8 --operands e4m3,e4m3 --recipe fp8", 2, "--recipe");
  refused("gemm --shape 4x4x8 --accumulator native", 2, "native:hardware=");
  refused("gemm --shape 4x4x8 --result int8", 2, "must be one of fp32, bf16, fp16");
  refused("gemm --shape 4x4x8 --explain 0,0", 2, "the library's sums have an order of its own");
  refused("gemm --shape 4x4x8 --accumulator fp32 --explain 4,0", 2, "from 0,0 to 3,3");
}
