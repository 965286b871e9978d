// SPDX-License-Identifier: Apache-2.0
// Spellings of accumulators, and what narrow accumulators do to sums as published: DeepSeek-V3, arXiv 2412.19437,
// section 3.3.2.
#include "precision/accumulator.h"

#include <cmath>

#include "precision/check.h"
#include "tests/rounding/gemm_support.h"
#include "tests/support/catch.h"

namespace precipice::test {
namespace {

std::string refusal(const std::string& text) {
  try {
    parse_accumulator(text);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

TEST_CASE("Every accumulator's spelling parses back to it") {
  std::vector<std::string> texts = {"fp32",
                                    "every:format=e8m13,rounding=rtz",
                                    "every:format=fp16,rounding=sr,random=9",
                                    "every:format=e5m10:bias=14,subnormals=flush,rounding=rne,overflow=saturate",
                                    "every:rounding=rup,format=e8m13",
                                    "chunk:size=32,format=fp16",
                                    "chunk:format=e6m9,inner=same,rounding=rna",
                                    "tensor-core",
                                    "tensor-core:bits=25,group=16,promote=0,rounding=rne"};
  for (const PresetAccumulator& preset : preset_accumulators()) {
    CHECK(parse_accumulator(preset.name) == preset.accumulator);
    texts.emplace_back(preset.name);
  }
  for (const std::string& text : texts) {
    const Accumulator accumulator = parse_accumulator(text);
    INFO(text << " is " << to_string(accumulator));
    CHECK(parse_accumulator(to_string(accumulator)) == accumulator);
  }
}

TEST_CASE("Options mean what the header says") {
  const Accumulator chunk = parse_accumulator("chunk:size=32,format=e5m10:bias=14,subnormals=flush,rounding=rtz");
  CHECK(chunk.kind == AccumulatorKind::Chunk);
  CHECK(chunk.chunk == 32);
  CHECK(chunk.format == parse_float_format("e5m10:bias=14,subnormals=flush"));
  CHECK(chunk.rounding == Rounding::TowardZero);
  CHECK(!chunk.inner_rounds);

  const Accumulator hopper = parse_accumulator("hopper:promote=64,bits=13");
  CHECK(hopper.kind == AccumulatorKind::TensorCore);
  CHECK(hopper.bits == 13);
  CHECK(hopper.group == 32);
  CHECK(hopper.promote == 64);
  CHECK(hopper.rounding == Rounding::TowardZero);
  CHECK(parse_accumulator("tensor-core") == parse_accumulator("hopper"));
  CHECK(to_string(parse_accumulator("hopper")) == "tensor-core:bits=14,group=32,promote=128,rounding=rtz");
  CHECK(to_string(parse_accumulator("every:format=e8m13,rounding=rtz")) == "every:format=e8m13,rounding=rtz");
}

TEST_CASE("What is not an accumulator is refused in one line that says what is") {
  const std::vector<std::pair<std::string, std::string>> refusals = {
      {"", "must begin with one of fp32, every, chunk, tensor-core, hopper"},
      {"fp23", "did you mean fp32?"},
      {"hoper", "did you mean hopper?"},
      {"fp32:bits=3", "fp32 takes no options"},
      {"every", "needs a format"},
      {"every:rounding=rne", "needs a format"},
      {"every:format=e9m3", "exponent"},
      {"every:format=e4m33", "every"},
      {"every:format=e8m0", "must have a sign and a zero"},
      {"every:format=fp16,rounding=near", "rounding must be one of"},
      {"every:format=fp16,roundng=rne", "did you mean rounding?"},
      {"every:format=fp16,random=28", "random must be between 1 and 27, not 28"},
      {"every:format=fp16,format=fp16", "format is given twice"},
      {"chunk:size=0,format=fp16", "size must be between 1 and"},
      {"chunk:size=6.5,format=fp16", "size must be a whole number"},
      {"chunk:format=fp16,inner=fp16", "inner must be one of fp32, same"},
      {"chunk:format=fp16,", "must be OPTION=VALUE"},
      {"tensor-core:bits=1", "bits must be between 2 and 30, not 1"},
      {"tensor-core:group=0", "group must be between 1 and 1024"},
      {"tensor-core:promote=-1", "promote must be between 0 and"},
      {"tensor-core:promote=99999999999", "promote must be a whole number"},
      {"tensor-core:rounding=sr", "rounding of tensor-core must be rtz or rne, not sr"},
      {"tensor-core:format=fp16", "\"format\" is not an option of tensor-core"}};
  for (const auto& [text, problem] : refusals) {
    const std::string message = refusal(text);
    INFO("\"" << text << "\": " << message);
    CHECK(message.find(problem) != std::string::npos);
    CHECK(message.find("accumulator") != std::string::npos);
    CHECK(message.find('\n') == std::string::npos);
  }
}

// Largest relative error over the outputs of a K = 4096 product of uniform [0, 1) operands in e4m3, against binary64
// (where the sums of products of 8 bits are exact).
double largest_relative_error(const std::string& text, std::int64_t k = 4096) {
  const std::int64_t m = 16, n = 64;
  GemmCase product(parse_accumulator(text), m, n, k, Numbers::Small);
  Stream stream{1};
  const FormatConstants e4m3 = prepare(parse_float_format("e4m3"), Overflow::Saturate);
  for (std::vector<float>* operand : {&product.a, &product.b})
    for (float& value : *operand)
      value = round_to_format<Rounding::NearestEven>(static_cast<float>(stream.next()) * 0x1p-32f, e4m3);
  gemm_emulated(product.gemm);
  double largest = 0.0;
  for (std::int64_t row = 0; row < m; ++row) {
    for (std::int64_t column = 0; column < n; ++column) {
      double exact = 0.0;
      for (std::int64_t i = 0; i < k; ++i)
        exact += static_cast<double>(product.a[static_cast<std::size_t>(row * k + i)]) *
                 static_cast<double>(product.b[static_cast<std::size_t>(column * k + i)]);
      const double error = static_cast<double>(product.out[static_cast<std::size_t>(row * n + column)]) - exact;
      largest = std::max(largest, std::fabs(error) / exact);
    }
  }
  return largest;
}

TEST_CASE("14 bits lose about 2 % of a sum over K = 4096, and promotion every 128 gives it back") {
  const double fast = largest_relative_error("hopper-fast"), promoted = largest_relative_error("hopper");
  CAPTURE(fast, promoted, largest_relative_error("fp22"), largest_relative_error("tensor-core:promote=0,rounding=rne"));
  // The publication says "nearly 2 %" of operands that it does not give.
  CHECK(fast > 0.01);
  CHECK(fast < 0.04);
  // Cutting loses at most a unit per term, 33 times in each of 4 groups whose largest sum is below 2^7: 2^-7 units of
  // 2^-6
  CHECK(promoted < fast / 10);
}

TEST_CASE("More bits and earlier promotion lose less") {
  double before = 1.0;
  for (const int bits : {8, 10, 12, 14, 16, 18, 20, 22}) {
    const double error = largest_relative_error("hopper-fast:bits=" + std::to_string(bits));
    INFO(bits << " bits: " << error << " after " << before);
    CHECK(error < before);
    before = error;
  }
  before = 1.0;
  for (const int promote : {0, 2048, 512, 128, 32}) {
    const double error = largest_relative_error("hopper:promote=" + std::to_string(promote));
    INFO("promoted every " << promote << ": " << error << " after " << before);
    CHECK(error < before);
    before = error;
  }
  before = 1.0;
  for (const char* format : {"e8m7", "e8m10", "e8m13", "e8m16"}) {
    const double error = largest_relative_error(std::string("every:format=") + format + ",rounding=rtz");
    INFO(format << ": " << error << " after " << before);
    CHECK(error < before);
    before = error;
  }
}

TEST_CASE("Chunks keep what one long sum in fp16's width loses") {
  // Swamping: past 2^11 times a product's size a sum in 11 bits no longer moves.
  const double whole = largest_relative_error("every:format=e8m10,rounding=rne");
  const double chunks = largest_relative_error("chunk:size=64,format=e8m10,inner=same,rounding=rne");
  const double chunks_of_fp32 = largest_relative_error("chunk:size=64,format=e8m10,rounding=rne");
  CAPTURE(whole, chunks, chunks_of_fp32);
  CHECK(chunks < whole / 4);
  CHECK(chunks_of_fp32 < whole / 4);
}

}  // namespace
}  // namespace precipice::test
