// SPDX-License-Identifier: Apache-2.0
// Checkpoints come back with their bits, or not at all.
#include "train/run/checkpoint.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <random>

#include "metrics/files/files.h"
#include "precision/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"

using namespace precipice;

namespace {

Checkpoint example(std::int64_t step = 120) {
  const double infinity = std::numeric_limits<double>::infinity();
  Checkpoint checkpoint{.identity = "0123456789", .step = step, .numbers = {}, .arrays = {}};
  checkpoint.numbers = {{"loss_scale", 65536.0}, {"tiny", 5e-324},   {"third", 1.0 / 3}, {"minus_zero", -0.0},
                        {"nan", std::nan("7")},  {"inf", -infinity}, {"", 1e308}};
  NamedArray ramp{"m.transformer.wte.weight", {16, 10}, std::vector<float>(160)};
  for (std::size_t i = 0; i < ramp.values.size(); ++i) ramp.values[i] = 0.1f * static_cast<float>(i);
  checkpoint.arrays = {ramp,
                       {"bits", {4}, {-0.0f, 1e-45f, -std::numeric_limits<float>::infinity(), std::nanf("3")}},
                       {"scalar", {}, {2.5f}},
                       {"empty", {3, 0}, {}},
                       {"last", {2}, {1.0f, 2.0f}}};
  return checkpoint;
}

bool same_bits(const Checkpoint& a, const Checkpoint& b) {
  if (a.identity != b.identity || a.step != b.step || a.numbers.size() != b.numbers.size()) return false;
  for (const auto& [name, value] : a.numbers)
    if (!b.numbers.contains(name) || std::memcmp(&value, &b.numbers.at(name), sizeof value) != 0) return false;
  if (a.arrays.size() != b.arrays.size()) return false;
  for (std::size_t i = 0; i < a.arrays.size(); ++i) {
    const NamedArray &x = a.arrays[i], &y = b.arrays[i];
    if (x.name != y.name || x.shape != y.shape || x.values.size() != y.values.size()) return false;
    if (!x.values.empty() && std::memcmp(x.values.data(), y.values.data(), 4 * x.values.size()) != 0) return false;
  }
  return true;
}

// "" when the bytes are accepted; otherwise the error, which must be a DataError of one line that names the file.
std::string parse_error(const std::string& bytes) {
  try {
    parse_checkpoint(bytes, "c.ckpt", "0123456789");
  } catch (const DataError& error) {
    const std::string text = error.what();
    REQUIRE(text.starts_with("c.ckpt: "));
    REQUIRE(text.find('\n') == std::string::npos);
    return text;
  }
  return "";
}

// The example's bytes with another header, whose size and CRC are right.
std::string with_header(const std::string& header) {
  const std::string file = encode_checkpoint(example());
  std::uint32_t size = 0;
  std::memcpy(&size, file.data() + 8, 4);
  const std::string arrays = file.substr(16 + size);
  size = static_cast<std::uint32_t>(header.size());
  std::string start = "PRCPCKP1" + std::string(reinterpret_cast<const char*>(&size), 4);
  const std::uint32_t crc = crc32c(start + header);
  return start + std::string(reinterpret_cast<const char*>(&crc), 4) + header + arrays;
}

std::string header_of(const std::string& file) {
  std::uint32_t size = 0;
  std::memcpy(&size, file.data() + 8, 4);
  return file.substr(16, size);
}

}  // namespace

TEST_CASE("a checkpoint comes back with every bit", "[checkpoint]") {
  const TemporaryDirectory directory;
  write_checkpoint(directory / "ckpt", example());  // makes the directory
  const auto path = checkpoint_path(directory / "ckpt", 120);
  CHECK(path.filename() == "step_00000120.ckpt");
  CHECK(same_bits(read_checkpoint(path, "0123456789"), example()));
  const Checkpoint nothing{.identity = "x", .step = 0, .numbers = {}, .arrays = {}};
  CHECK(same_bits(parse_checkpoint(encode_checkpoint(nothing), "c", "x"), nothing));
}

TEST_CASE("equal checkpoints give equal bytes", "[checkpoint]") {
  CHECK(encode_checkpoint(example()) == encode_checkpoint(example()));
}

TEST_CASE("a checkpoint of another run is refused", "[checkpoint]") {
  try {
    parse_checkpoint(encode_checkpoint(example()), "c.ckpt", "other");
    FAIL("accepted");
  } catch (const DataError& error) {
    CHECK(std::string(error.what()) == "c.ckpt: checkpoint of another run (0123456789; this one is other)");
  }
}

TEST_CASE("a checkpoint cut at any length, or with bytes behind, is refused", "[checkpoint]") {
  const std::string whole = encode_checkpoint(example());
  REQUIRE(parse_error(whole).empty());
  for (std::size_t length = 0; length < whole.size(); ++length) REQUIRE(!parse_error(whole.substr(0, length)).empty());
  CHECK(parse_error(whole + '\0').ends_with("1 bytes too many at byte " + std::to_string(whole.size())));
}

TEST_CASE("every flipped bit is detected", "[checkpoint]") {
  std::string bytes = encode_checkpoint(example());
  for (std::size_t i = 0; i < 8 * bytes.size(); ++i) {
    bytes[i / 8] = static_cast<char>(bytes[i / 8] ^ (1 << i % 8));
    REQUIRE(!parse_error(bytes).empty());
    bytes[i / 8] = static_cast<char>(bytes[i / 8] ^ (1 << i % 8));
  }
}

TEST_CASE("10 000 seeded mutations are all detected and never crash", "[checkpoint]") {
  const std::string whole = encode_checkpoint(example());
  std::mt19937 random(5);
  for (int i = 0; i < 10'000; ++i) {
    std::string bytes = whole;
    const std::size_t at = random() % bytes.size(), other = random() % bytes.size();
    const std::size_t length = 1 + random() % 64;
    switch (random() % 5) {
      case 0:
        for (std::uint32_t n = random() % 8; n < 8; ++n) bytes[random() % bytes.size()] = static_cast<char>(random());
        break;
      case 1:
        bytes.erase(at, length);
        break;
      case 2:
        bytes.insert(at, whole.substr(other, length));
        break;
      case 3:
        bytes.replace(at, length, whole.substr(other, length));
        break;
      default:
        std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(at), bytes.end(), '\0');
        break;
    }
    if (bytes != whole) REQUIRE(!parse_error(bytes).empty());
  }
}

TEST_CASE("damage is reported with its place", "[checkpoint]") {
  std::string bytes = encode_checkpoint(example());
  const std::size_t arrays = 16 + header_of(bytes).size();
  bytes[arrays + 4 * 161] = '\x55';
  CHECK(parse_error(bytes) ==
        "c.ckpt: damaged checkpoint: bits: the checksum is wrong at byte " + std::to_string(arrays + 640));
  bytes[20] = '\x55';
  CHECK(parse_error(bytes) == "c.ckpt: damaged checkpoint: the header's checksum is wrong at byte 16");
  CHECK(parse_error("PK\x03\x04") == "c.ckpt: not a checkpoint (no PRCPCKP1 at byte 0)");
}

TEST_CASE("a header that is consistent but absurd allocates nothing and is refused", "[checkpoint]") {
  const auto array = [](const std::string& shape) {
    return with_header(R"({"identity":"0123456789","step":1,"numbers":{},"arrays":[{"name":"a","crc":0,"shape":)" +
                       shape + "}]}");
  };
  for (const char* shape : {"[1000000000000]", "[4294967296,4294967296]", "[2147483648,2147483648,4]", "[-1]",
                            "[9223372036854775807]", "[18446744073709551615]", "[1,1,1,1000]", "5", "\"x\"", "[[1]]"})
    CHECK(!parse_error(array(shape)).empty());
  for (const char* header :
       {"", "{}", "[]", "1", "null", "{\"identity\":1}", "\xff\xfe", "{\"identity\":\"0123456789\"}",
        R"({"identity":"0123456789","step":"x","numbers":{},"arrays":[]})",
        R"({"identity":"0123456789","step":1,"numbers":{"a":"b"},"arrays":[]})",
        R"({"identity":"0123456789","step":1,"numbers":{},"arrays":[1]})"})
    CHECK(!parse_error(with_header(header)).empty());
  CHECK(!parse_error(with_header(std::string(100'000, '['))).empty());
}

TEST_CASE("10 000 mutated headers with a right CRC are read or refused, never anything else", "[checkpoint]") {
  const std::string header = header_of(encode_checkpoint(example()));
  std::mt19937 random(6);
  int accepted = 0;
  for (int i = 0; i < 10'000; ++i) {
    std::string mutated = header;
    for (std::uint32_t n = random() % 3; n < 3; ++n) {
      // Half of the changes keep to JSON's own characters, so that some get past its parser.
      const std::string_view likely = "0123456789-.,:[]{}\"eE";
      mutated[random() % mutated.size()] =
          random() % 2 ? static_cast<char>(random()) : likely[random() % likely.size()];
    }
    accepted += parse_error(with_header(mutated)).empty();
  }
  CHECK(accepted > 0);  // a changed digit of a number is a valid header
  CHECK(accepted < 5'000);
}

TEST_CASE("the last two checkpoints are kept", "[checkpoint]") {
  const TemporaryDirectory directory;
  CHECK(checkpoint_steps(directory / "none").empty());
  for (const std::int64_t step : {0, 100, 200, 300}) write_checkpoint(directory.path(), example(step));
  CHECK(checkpoint_steps(directory.path()) == std::vector<std::int64_t>{200, 300});
  write_checkpoint(directory.path(), example(300));
  CHECK(checkpoint_steps(directory.path()) == std::vector<std::int64_t>{200, 300});
  // A run that went back to 200, since 300 was damaged, and is at 250 now.
  write_checkpoint(directory.path(), example(250));
  CHECK(checkpoint_steps(directory.path()) == std::vector<std::int64_t>{200, 250});
}

TEST_CASE("steps beyond eight digits keep their order, and other files are no checkpoints", "[checkpoint]") {
  const TemporaryDirectory directory;
  write_checkpoint(directory.path(), example(123'456'789));
  for (const char* name : {"step_1.ckpt", "step_00000001.ckpt.tmp", "step_0000000x.ckpt", "step_-0000001.ckpt",
                           "step_99999999999999999999.ckpt", "step_.ckpt", "notes"})
    write_file_atomic(directory / name, "x");
  CHECK(checkpoint_steps(directory.path()) == std::vector<std::int64_t>{123'456'789});
}

TEST_CASE("an array whose values do not fill its shape is a broken contract", "[checkpoint]") {
  Checkpoint checkpoint = example();
  checkpoint.arrays[0].shape = {16, 11};
  CHECK_THROWS_AS(encode_checkpoint(checkpoint), ContractError);
}

TEST_CASE("a checkpoint that cannot be written leaves the old ones", "[checkpoint]") {
  const TemporaryDirectory directory;
  write_file_atomic(directory / "file", "x");
  CHECK_THROWS_AS(write_checkpoint(directory / "file", example()), OutputError);
  CHECK_THROWS_AS(read_checkpoint(directory.path(), "0123456789"), DataError);
}
