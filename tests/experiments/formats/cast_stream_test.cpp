// SPDX-License-Identifier: Apache-2.0
// The stream of `precipice cast` through real descriptors, against the oracle of the rounding tests and the random
// words of random_bits.h, one element at a time.
#include "experiments/formats/cast_stream.h"

#include <fcntl.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <cstring>
#include <thread>
#include <vector>

#include "precision/base/check.h"
#include "precision/format/format_codes.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/reference_rounding.h"

using namespace precipice;
using Catch::Contains;

namespace {

class Descriptor {
 public:
  explicit Descriptor(int descriptor) : descriptor_(descriptor) { REQUIRE(descriptor >= 0); }
  Descriptor(const std::filesystem::path& path, int flags) : Descriptor(open(path.c_str(), flags, 0600)) {}
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  operator int() const { return descriptor_; }
  void close() {
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = -1;
  }

 private:
  int descriptor_;
};

// Input and output as files; the output is there when the stream throws, too.
struct Files {
  std::string run(const std::string& bytes, const CastSpec& spec) {
    write_text(directory / "in", bytes);
    const Descriptor in(directory / "in", O_RDONLY), out(directory / "out", O_WRONLY | O_CREAT | O_TRUNC);
    counts = cast_stream(in, out, spec).counts;
    return written();
  }
  std::string written() const { return text_of(directory / "out"); }
  TemporaryDirectory directory;
  EventCounts counts;
};

template <class Value>
std::string bytes_of(const std::vector<Value>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(Value));
}
template <class Value>
std::vector<Value> values_of(const std::string& bytes) {
  std::vector<Value> values(bytes.size() / sizeof(Value));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(Value));
  return values;
}

CastSpec make_spec(const std::string& format, Rounding rounding = Rounding::NearestEven,
                   Overflow overflow = Overflow::Saturate) {
  CastSpec spec;
  spec.quantize.format = parse_float_format(format);
  spec.quantize.rounding = rounding;
  spec.quantize.overflow = overflow;
  if (is_stochastic(rounding)) spec.quantize.random_bits = 11, spec.key = {5, 6, 7, 8}, spec.first_element = 1'000'003;
  return spec;
}

// Numbers from below e4m3's smallest to beyond its largest, every special kind, and ties with a tail that binary32
// does not hold.
std::vector<double> numbers(std::size_t count) {
  std::vector<double> values = {0.0, -0.0, INFINITY, -INFINITY, NAN, 1.0625, 1.0625 + 0x1p-40, 464.0, -464.0 - 0x1p-30};
  for (std::uint64_t i = 0; values.size() < count; ++i) {
    const Philox4 words = random_block({1, 0, 0, 0}, i);
    const double significand = 1.0 + words.word[0] * 0x1p-32 + words.word[1] * 0x1p-64;
    const int exponent = static_cast<int>(words.word[2] % 24) - 13;
    values.push_back(std::ldexp((words.word[3] & 1) != 0 ? -significand : significand, exponent));
  }
  return values;
}

std::vector<float> floats(std::size_t count) {
  const std::vector<double> wide = numbers(count);
  return {wide.begin(), wide.end()};
}

bool same(float a, float b) {
  return std::memcmp(&a, &b, sizeof(a)) == 0 || (std::isnan(a) && std::isnan(b));
}

template <class Input>
std::size_t count_wrong(const std::vector<float>& results, const std::vector<Input>& inputs, const CastSpec& spec) {
  const ElementQuantizer& q = spec.quantize;
  std::size_t wrong = results.size() != inputs.size();
  for (std::size_t i = 0; i < std::min(results.size(), inputs.size()); ++i) {
    const std::uint32_t word = random_for(spec.key, spec.first_element + i, q.random_bits);
    wrong += !same(results[i], reference::round(q.format, q.rounding, q.overflow, inputs[i], word, q.random_bits));
  }
  return wrong;
}

// binary16 and bfloat16 by their definitions.
float value_of_16_bits(std::uint16_t bits, int mantissa_bits) {
  const int exponent_bits = 15 - mantissa_bits, bias = (1 << (exponent_bits - 1)) - 1;
  const int field = (bits & 0x7FFF) >> mantissa_bits, mantissa = bits & ((1 << mantissa_bits) - 1);
  double value = std::ldexp(mantissa, 1 - bias - mantissa_bits);
  if (field > 0) value = std::ldexp(mantissa + (1 << mantissa_bits), field - bias - mantissa_bits);
  if (field == (1 << exponent_bits) - 1) value = mantissa == 0 ? INFINITY : NAN;
  return static_cast<float>((bits & 0x8000) != 0 ? -value : value);
}

}  // namespace

TEST_CASE("every element is rounded once, with its own random word, from every type of input") {
  Files files;
  const std::vector<float> narrow = floats(1500);
  const std::vector<double> wide = numbers(1500);
  std::vector<std::uint16_t> halves(65536);
  for (std::size_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<std::uint16_t>(i);
  for (const char* format : {"e4m3", "e5m2", "e2m1", "int8", "bf16", "e8m0", "e4m3fnuz:subnormals=flush"}) {
    for (const Rounding rounding : {Rounding::NearestEven, Rounding::TowardZero, Rounding::Up, Rounding::Stochastic,
                                    Rounding::StochasticB, Rounding::StochasticC}) {
      for (const Overflow overflow : {Overflow::Saturate, Overflow::Native, Overflow::Propagate}) {
        CastSpec spec = make_spec(format, rounding, overflow);
        CAPTURE(format, to_string(rounding), to_string(overflow));
        CHECK(count_wrong(values_of<float>(files.run(bytes_of(narrow), spec)), narrow, spec) == 0);
        spec.input = CastInput::F64;
        CHECK(count_wrong(values_of<float>(files.run(bytes_of(wide), spec)), wide, spec) == 0);
      }
    }
  }
  for (const auto& [input, mantissa_bits] : {std::pair{CastInput::F16, 10}, std::pair{CastInput::Bf16, 7}}) {
    CastSpec spec = make_spec("e4m3");
    spec.input = input;
    std::vector<float> widened;
    for (const std::uint16_t bits : halves) widened.push_back(value_of_16_bits(bits, mantissa_bits));
    CHECK(count_wrong(values_of<float>(files.run(bytes_of(halves), spec)), widened, spec) == 0);
    spec = make_spec("fp32");
    spec.input = input;
    CHECK(count_wrong(values_of<float>(files.run(bytes_of(halves), spec)), widened, spec) == 0);
  }
}

TEST_CASE("codes are the smallest of 1, 2 and 4 bytes, and read back as the rounded values") {
  Files files;
  std::vector<float> inputs = floats(1000);
  for (const auto& [name, bytes] : {std::pair{"e2m1", 1}, std::pair{"e4m3", 1}, std::pair{"fp16", 2},
                                    std::pair{"e5m3", 2}, std::pair{"tf32", 4}, std::pair{"fp32", 4}}) {
    CastSpec spec = make_spec(name);
    CAPTURE(name);
    CHECK(code_bytes(spec.quantize.format) == bytes);
    if (!spec.quantize.format.has_nan()) inputs.erase(inputs.begin() + 4);
    const std::string values = files.run(bytes_of(inputs), spec);
    spec.codes = true;
    const std::string codes = files.run(bytes_of(inputs), spec);
    REQUIRE(codes.size() == inputs.size() * static_cast<std::size_t>(bytes));
    std::uint32_t code = 0;
    std::memcpy(&code, codes.data() + 7 * bytes, static_cast<std::size_t>(bytes));
    CHECK(decode(spec.quantize.format, code) == values_of<float>(values)[7]);
    CastSpec back = make_spec(name);
    back.input = CastInput::Codes;
    CHECK(files.run(codes, back) == values);
    if (!spec.quantize.format.has_nan()) inputs.insert(inputs.begin() + 4, NAN);
  }
}

TEST_CASE("neither reads, blocks and threads nor cutting the stream change a bit") {
  Files files;
  const std::vector<float> inputs = floats(5000);
  const std::string bytes = bytes_of(inputs);
  for (const bool codes : {false, true}) {
    CastSpec spec = make_spec("e4m3", Rounding::Stochastic);
    spec.codes = codes;
    const std::string expected = files.run(bytes, spec);
    const EventCounts counts = files.counts;
    for (const std::int64_t block : {1, 7, 1000, 4096})
      for (const int threads : {1, 3}) {
        spec.block = block, spec.threads = threads;
        CAPTURE(codes, block, threads);
        CHECK(files.run(bytes, spec) == expected);
        CHECK(files.counts.total == inputs.size());
        CHECK(files.counts.saturated == counts.saturated);
        CHECK(files.counts.underflowed == counts.underflowed);
        CHECK(std::isnan(files.counts.amax));
      }
    const std::size_t cut = 1237, width = codes ? 1 : 4;
    CHECK(files.run(bytes.substr(0, 4 * cut), spec) == expected.substr(0, width * cut));
    spec.first_element += cut;
    CHECK(files.run(bytes.substr(4 * cut), spec) == expected.substr(width * cut));
    spec.first_element += 1;
    CHECK(files.run(bytes.substr(4 * cut), spec) != expected.substr(width * cut));
  }

  // A pipe that delivers 1, 2, ... 40 bytes at a time cuts every value somewhere.
  CastSpec spec = make_spec("e4m3", Rounding::StochasticB);
  const std::string expected = files.run(bytes, spec);
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const Descriptor in(ends[0]), out(files.directory / "piped", O_WRONLY | O_CREAT);
  std::thread writer([&bytes, end = ends[1]] {
    for (std::size_t begin = 0, size = 1; begin < bytes.size(); begin += size, size = size % 40 + 1)
      if (write(end, bytes.data() + begin, std::min(size, bytes.size() - begin)) < 0) break;
    close(end);
  });
  cast_stream(in, out, spec);
  writer.join();
  CHECK(text_of(files.directory / "piped") == expected);
}

TEST_CASE("what cannot be cast is refused with its element, after everything before it was written") {
  Files files;
  std::vector<float> inputs = floats(500);
  CastSpec spec = make_spec("e4m3");
  const std::string expected = files.run(bytes_of(inputs), spec);
  CHECK_THROWS_WITH(files.run(bytes_of(inputs) + "abc", spec), Contains("3 of 4 bytes after 500 whole values"));
  CHECK(files.written() == expected);
  CHECK(files.run("", spec).empty());

  // NaN and foreign codes, also where another thread has cast what follows.
  inputs.erase(inputs.begin() + 4);
  inputs[333] = inputs[334] = NAN;
  for (const int threads : {1, 3}) {
    CastSpec e2m1 = make_spec("e2m1");
    e2m1.threads = threads, e2m1.block = 100, e2m1.codes = true;
    CHECK_THROWS_WITH(files.run(bytes_of(inputs), e2m1), Contains("element 333 is NaN") && Contains("e2m1"));
    std::string codes = files.written();
    CHECK(codes.size() == 333);
    codes += "\x1f";
    e2m1.input = CastInput::Codes, e2m1.codes = false;
    CHECK_THROWS_WITH(files.run(codes + "\1\2", e2m1), Contains("element 333 is 0x1f") && Contains("4 bits"));
    CHECK(files.written().size() == 333 * sizeof(float));
  }

  CastSpec last = make_spec("e4m3", Rounding::Stochastic);
  last.first_element = (std::uint64_t{1} << 50) - 3;
  CHECK(files.run(bytes_of(std::vector<float>{1, 2, 3}), last).size() == 12);
  CHECK_THROWS_AS(files.run(bytes_of(std::vector<float>{1, 2, 3, 4}), last), DataError);
}

TEST_CASE("unreadable input, a full disk and a closed pipe are three different ends") {
  Files files;
  const CastSpec spec = make_spec("e4m3");
  const Descriptor null("/dev/null", O_RDWR), directory(files.directory.path(), O_RDONLY), full("/dev/full", O_WRONLY);
  CHECK_THROWS_WITH(cast_stream(directory, null, spec), Contains("standard input: Is a directory"));
  write_text(files.directory / "in", std::string(1000, '\0'));
  CHECK_THROWS_AS(cast_stream(Descriptor(files.directory / "in", O_RDONLY), full, spec), OutputError);

  void (*const before)(int) = std::signal(SIGPIPE, SIG_IGN);
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const Descriptor out(ends[1]);
  close(ends[0]);
  CHECK(cast_stream(Descriptor(files.directory / "in", O_RDONLY), out, spec).reader_is_gone);
  std::signal(SIGPIPE, before);
}

TEST_CASE("descriptors that do not block are waited for") {
  Files files;
  const std::string bytes = bytes_of(floats(300'000));  // more than a pipe holds
  int in_ends[2], out_ends[2];
  REQUIRE(pipe2(in_ends, O_NONBLOCK) == 0);
  REQUIRE(pipe2(out_ends, O_NONBLOCK) == 0);
  fcntl(in_ends[1], F_SETFL, 0), fcntl(out_ends[0], F_SETFL, 0);
  std::string received;
  std::thread writer([&bytes, end = in_ends[1]] {
    for (std::size_t done = 0; done < bytes.size();)
      done += static_cast<std::size_t>(std::max<ssize_t>(write(end, bytes.data() + done, bytes.size() - done), 0));
    close(end);
  });
  std::thread reader([&received, end = out_ends[0]] {
    std::vector<char> buffer(10'000);
    for (ssize_t count; (count = read(end, buffer.data(), buffer.size())) > 0;)
      received.append(buffer.data(), static_cast<std::size_t>(count));
  });
  const Descriptor in(in_ends[0]);
  Descriptor out(out_ends[1]);
  cast_stream(in, out, make_spec("e5m2"));
  out.close();
  writer.join(), reader.join();
  close(out_ends[0]);
  CHECK(received == files.run(bytes, make_spec("e5m2")));
}
