// SPDX-License-Identifier: Apache-2.0
// Where tokens come from: text, nanoGPT and llm.c token files, the synthetic language; and files that cannot be used.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "metrics/files/files.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/train/data/data_support.h"
#include "train/data/open_tokens.h"
#include "train/data/synthetic_language.h"
#include "train/data/token_stream.h"

using namespace precipice;

namespace {

std::string llmc_header(std::int32_t magic, std::int32_t version, std::int32_t tokens) {
  std::string header(1024, '\0');
  const std::int32_t fields[3] = {magic, version, tokens};
  std::memcpy(header.data(), fields, sizeof fields);
  return header;
}

// 0, 1, 2, ... in `width` bytes each.
std::string little_endian_tokens(int count, int width) {
  std::string bytes;
  for (int token = 0; token < count; ++token)
    for (int byte = 0; byte < width; ++byte) bytes += static_cast<char>(byte < 4 ? token >> (8 * byte) : 0);
  return bytes;
}

// As numpy.save writes it: the array begins at a multiple of 64.
std::string npy_header(const std::string& type, const std::string& shape, int version = 1) {
  std::string text = "{'descr': '" + type + "', 'fortran_order': False, 'shape': " + shape + ", }";
  const std::size_t begin = version == 1 ? 10 : 12;
  text += std::string(64 - (begin + text.size() + 1) % 64, ' ') + "\n";
  std::string header = "\x93NUMPY";
  header += static_cast<char>(version);
  header += '\0';
  for (std::size_t byte = 0; byte < begin - 8; ++byte) header += static_cast<char>(text.size() >> (8 * byte));
  return header + text;
}

std::string open_error(const RunConfig& config) {
  return data_error([&] { open_tokens(config); });
}

}  // namespace

TEST_CASE("a text's tokens are its bytes, all 256 of them, whatever data.vocabulary says", "[data]") {
  const TemporaryDirectory directory;
  std::string text;
  for (int i = 0; i < 2000; ++i) text += static_cast<char>(i % 256);
  write_bytes(directory / "text", text);
  RunConfig config = data_config("text", directory / "text");
  config.data.vocabulary = 64;
  const auto source = open_tokens(config);
  CHECK(source->vocabulary() == 256);
  CHECK(std::isnan(source->entropy_floor()));
  CHECK(source->sha256() == sha256_hex(text));
  const Batch batch = source->validation_batch(0);  // its first window begins at token 1800
  for (std::size_t t = 0; t < 8; ++t) {
    CHECK(batch.x[t] == static_cast<std::int64_t>((1800 + t) % 256));
    CHECK(batch.y[t] == static_cast<std::int64_t>((1801 + t) % 256));
  }
}

TEST_CASE("data that is kept serves runs with the same data, whatever else differs, and no others", "[data]") {
  const TemporaryDirectory directory;
  write_bytes(directory / "kept", std::string(3000, 'a'));
  write_bytes(directory / "other", std::string(3000, 'b'));
  RunConfig config = data_config("text", directory / "kept");
  const Batch fresh = open_tokens(config)->training_batch(3);
  keep_tokens(config);
  // What is on disk now is not looked at again.
  write_bytes(directory / "kept", std::string(3000, 'c'));
  config.data.seed = 99;
  config.data.validation_fraction = 0.3;
  const auto source = open_tokens(config);
  CHECK(source->training_batch(3).x == fresh.x);  // all tokens are equal
  CHECK(source->sha256() == sha256_hex(std::string(3000, 'a')));
  CHECK(open_tokens(data_config("text", directory / "other"))->training_batch(0).x[0] == 'b');
  keep_tokens(data_config("text", directory / "other"));
  CHECK(open_tokens(config)->training_batch(0).x[0] == 'c');
}

TEST_CASE("nanoGPT's raw file and llm.c's file with a header give the same batches", "[data]") {
  const TemporaryDirectory directory;
  const std::string tokens = counting_tokens(3000);
  write_bytes(directory / "raw.bin", tokens);
  write_bytes(directory / "header.bin", llmc_header(20240520, 1, 3000) + tokens);
  const auto raw = open_tokens(data_config("tokens", directory / "raw.bin"));
  const auto header = open_tokens(data_config("tokens", directory / "header.bin"));
  CHECK(raw->vocabulary() == 65536);
  for (const std::int64_t step : {0, 1, 9}) {
    CHECK(raw->training_batch(step).x == header->training_batch(step).x);
    CHECK(raw->training_batch(step).y == header->training_batch(step).y);
  }
  CHECK(raw->validation_batch(2).x == header->validation_batch(2).x);
  CHECK(header->sha256() == sha256_hex(llmc_header(20240520, 1, 3000) + tokens));
}

TEST_CASE("the synthetic source is the synthetic language, and its tokens as a file are the same data", "[data]") {
  const TemporaryDirectory directory;
  RunConfig config = data_config("synthetic");
  config.data.tokens = 5000;
  config.data.language_seed = 3;
  const SyntheticLanguage language(64, 3);
  std::vector<int> tokens;
  for (const auto token : language.generate(5000)) tokens.push_back(token);
  write_bytes(directory / "synthetic.bin", uint16_bytes(tokens));

  const auto synthetic = open_tokens(config);
  const auto file = open_tokens(data_config("tokens", directory / "synthetic.bin"));
  CHECK(synthetic->entropy_floor() == language.entropy_rate());
  CHECK(synthetic->vocabulary() == 64);
  CHECK(synthetic->sha256() == file->sha256());
  CHECK(synthetic->training_batch(5).x == file->training_batch(5).x);
  CHECK(synthetic->validation_batch(1).y == file->validation_batch(1).y);
}

TEST_CASE("both parts need context + 1 tokens: one less is an error with file, sizes and what is needed", "[data]") {
  const TemporaryDirectory directory;
  RunConfig config = data_config("text", directory / "short.txt");
  config.data.validation_fraction = 0.5;
  write_bytes(directory / "short.txt", std::string(18, 'a'));
  const auto source = open_tokens(config);
  CHECK(source->validation_batches() == 1);
  CHECK(source->training_batch(0).x.size() == 32);
  CHECK(source->validation_batch(0).y.size() == 32);

  write_bytes(directory / "short.txt", std::string(17, 'a'));  // 9 + 8
  CHECK(has_parts(open_error(config),
                  {"short.txt: 17 tokens", "9 to training", "8 to validation", "= 0.5", "at least 9"}));
  write_bytes(directory / "short.txt", "");
  CHECK(has_parts(open_error(config), {"short.txt: 0 tokens", "at least 9"}));

  config.data.validation_fraction = 0.9;
  write_bytes(directory / "short.txt", std::string(85, 'a'));  // 9 + 76
  CHECK(open_error(config).empty());
  write_bytes(directory / "short.txt", std::string(80, 'a'));  // 8 + 72
  CHECK(has_parts(open_error(config), {"8 to training", "72 to validation"}));

  RunConfig synthetic = data_config("synthetic");
  synthetic.data.tokens = 50;
  try {
    open_tokens(synthetic);
    FAIL("accepted");
  } catch (const ConfigError& error) {
    CHECK(error.where().key == "data.tokens");
    CHECK(has_parts(error.what(), {"data.tokens = 50", "5 to validation", "at least 9"}));
  }
}

TEST_CASE("what is no regular file is refused by name", "[data]") {
  const TemporaryDirectory directory;
  for (const char* source : {"text", "tokens", "batches"}) {
    CHECK(has_parts(open_error(data_config(source, directory / "none")), {"none: cannot read"}));
    CHECK(has_parts(open_error(data_config(source, directory.path())), {"not a regular file"}));
    CHECK(has_parts(open_error(data_config(source, "/dev/zero")), {"/dev/zero", "not a regular file"}));
  }
}

TEST_CASE("a token beyond the vocabulary is refused with its position, the last allowed one is not", "[data]") {
  const TemporaryDirectory directory;
  std::vector<int> tokens(200, 49);
  write_bytes(directory / "t.bin", uint16_bytes(tokens));
  RunConfig config = data_config("tokens", directory / "t.bin");
  config.data.vocabulary = 50;
  CHECK(open_tokens(config)->vocabulary() == 50);
  tokens.back() = 50;
  write_bytes(directory / "t.bin", uint16_bytes(tokens));
  CHECK(has_parts(open_error(config), {"t.bin: token 50 at position 199 of 200", "data.vocabulary = 50", "0 to 49"}));
}

TEST_CASE("token files of odd size, or whose header disagrees with their size, are refused", "[data]") {
  const TemporaryDirectory directory;
  const std::filesystem::path path = directory / "t.bin";
  const RunConfig config = data_config("tokens", path);
  const std::string tokens = counting_tokens(200);
  const auto error_of = [&](const std::string& bytes) {
    write_bytes(path, bytes);
    return open_error(config);
  };
  CHECK(error_of(llmc_header(20240520, 1, 200) + tokens).empty());
  CHECK(has_parts(error_of(tokens + "x"), {"t.bin: 401 bytes", "even number"}));
  CHECK(has_parts(error_of(llmc_header(20240520, 1, 201) + tokens), {"201 tokens", "1426 bytes", "file has 1424"}));
  CHECK(has_parts(error_of(llmc_header(20240520, 1, 199) + tokens), {"199 tokens", "1422 bytes", "file has 1424"}));
  CHECK(has_parts(error_of(llmc_header(20240520, 1, 200) + tokens + "x"), {"200 tokens", "file has 1425"}));
  CHECK(has_parts(error_of(llmc_header(20240520, 1, -1) + tokens), {"-1 tokens"}));
  CHECK(has_parts(error_of(llmc_header(20240520, 2, 200) + tokens), {"version 2", "1 is needed"}));
  CHECK(has_parts(error_of(llmc_header(20240801, 7, 200) + tokens), {"uint32", "uint16"}));
}

TEST_CASE("a NumPy file's tokens are its integers, of every width, version and order that can be told", "[data]") {
  const TemporaryDirectory directory;
  const std::filesystem::path path = directory / "t.npy";
  write_bytes(directory / "raw.bin", counting_tokens(300));
  RunConfig raw_config = data_config("tokens", directory / "raw.bin");
  raw_config.data.vocabulary = 300;
  const auto raw = open_tokens(raw_config);
  RunConfig config = raw_config;
  config.data.path = path.string();
  const auto same_tokens = [&](const std::string& file) {
    write_bytes(path, file);
    const auto source = open_tokens(config);
    return source->training_batch(1).x == raw->training_batch(1).x &&
           source->validation_batch(0).y == raw->validation_batch(0).y && source->sha256() == sha256_hex(file);
  };
  for (const int width : {2, 4, 8})
    for (const char kind : {'u', 'i'})
      for (const int version : {1, 2, 3}) {
        CAPTURE(width, kind, version);
        const std::string type = std::string("<") + kind + std::to_string(width);
        CHECK(same_tokens(npy_header(type, "(300,)", version) + little_endian_tokens(300, width)));
        CHECK(same_tokens(npy_header(type, "(3, 100)", version) + little_endian_tokens(300, width)));
      }
  write_bytes(path, npy_header("|u1", "(200,)") + little_endian_tokens(200, 1));
  CHECK(open_tokens(config)->training_batch(0).x[0] < 200);

  const auto error_of = [&](const std::string& bytes) {
    write_bytes(path, bytes);
    return open_error(config);
  };
  const std::string tokens = little_endian_tokens(300, 2);
  CHECK(has_parts(error_of(npy_header(">u2", "(300,)") + tokens), {"t.npy: NumPy file", ">u2", "little-endian"}));
  CHECK(has_parts(error_of(npy_header("<f4", "(150,)") + tokens), {"<f4", "integers are needed"}));
  CHECK(has_parts(error_of(npy_header("<u2", "(301,)") + tokens), {"says 301 tokens of 2 bytes, but 600 bytes"}));
  CHECK(has_parts(error_of(npy_header("<u2", "(299,)") + tokens), {"says 299 tokens"}));
  CHECK(has_parts(error_of(npy_header("<u2", "(300,)", 4) + tokens), {"version 4"}));
  CHECK(has_parts(error_of(npy_header("<u2", "(300,)").substr(0, 40)), {"cut short"}));
  std::string fortran = npy_header("<u2", "(3, 100)");
  fortran.replace(fortran.find("False"), 5, "True ");
  CHECK(has_parts(error_of(fortran + tokens), {"Fortran order"}));
  std::string negative = little_endian_tokens(300, 4);
  negative.replace(400, 4, "\xff\xff\xff\xff");
  CHECK(has_parts(error_of(npy_header("<i4", "(300,)") + negative), {"token -1 at position 100 of 300"}));
}

TEST_CASE("tokens of four bytes without a header, archives and HDF5 are not taken for uint16", "[data]") {
  const TemporaryDirectory directory;
  const std::filesystem::path path = directory / "t.bin";
  RunConfig config = data_config("tokens", path);
  const auto error_of = [&](const std::string& bytes) {
    write_bytes(path, bytes);
    return open_error(config);
  };
  CHECK(has_parts(error_of(little_endian_tokens(300, 4)), {"t.bin: every second uint16 value is 0", "numpy.save"}));
  CHECK(has_parts(error_of(little_endian_tokens(300, 8)), {"every second uint16 value is 0"}));
  std::string big_endian = little_endian_tokens(300, 4);
  for (std::size_t i = 0; i < big_endian.size(); i += 4)
    std::reverse(big_endian.begin() + static_cast<std::ptrdiff_t>(i),
                 big_endian.begin() + static_cast<std::ptrdiff_t>(i + 4));
  CHECK(has_parts(error_of(big_endian), {"every second uint16 value is 0"}));
  CHECK(error_of(little_endian_tokens(300, 2)).empty());
  CHECK(error_of(std::string(600, '\0')).empty());
  // A vocabulary beyond 16 bits: the upper halves are 0 and 1.
  std::string large = little_endian_tokens(300, 4);
  for (std::size_t i = 2; i < large.size(); i += 8) large[i] = 1;
  CHECK(error_of(large).empty());  // with a vocabulary of 65536 these are tokens like others
  config.data.vocabulary = 100'000;
  CHECK(has_parts(error_of(large), {"every second uint16 value is at most 1"}));
  CHECK(has_parts(error_of("PK\x03\x04" + counting_tokens(300)), {"t.bin: is a zip archive"}));
  CHECK(has_parts(error_of("\x89HDF\r\n\x1a\n" + counting_tokens(300)), {"t.bin: is an HDF5 file"}));
}

TEST_CASE("10 000 mutated token files are read or refused, never anything else", "[data]") {
  const std::string whole = llmc_header(20240520, 1, 200) + counting_tokens(200);
  std::mt19937 random(7);
  int refused = 0;
  for (int i = 0; i < 10'000; ++i) {
    std::string bytes = whole;
    for (std::uint32_t n = random() % 4; n < 4; ++n) bytes[random() % 12] = static_cast<char>(random());
    if (random() % 4 == 0) bytes.resize(random() % bytes.size());
    const std::string error = data_error([&] { parse_token_file(bytes, "t.bin", 200); });
    refused += !error.empty();
    if (!error.empty()) CHECK(has_parts(error, {"t.bin: "}));
  }
  CHECK(refused > 1000);
  CHECK(refused < 10'000);
}
