// SPDX-License-Identifier: Apache-2.0
// Atomic files, limits and checksums against published answers.
#include "metrics/files/files.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <random>

#include "precision/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"

namespace precipice {
namespace {

constexpr std::uint64_t kAnySize = std::uint64_t{1} << 40;

std::size_t entries(const std::filesystem::path& directory) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(directory)) ++count;
  return count;
}

// One bit at a time, from the definition of the reflected CRC.
std::uint32_t crc32c_by_bits(std::string_view bytes) {
  std::uint32_t crc = 0xffffffffu;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? 0x82F63B78u : 0u);
  }
  return ~crc;
}

std::string random_bytes(std::mt19937_64& random, std::size_t size) {
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random());
  return bytes;
}

}  // namespace

TEST_CASE("crc32c gives the published answers") {
  CHECK(crc32c("123456789") == 0xE3069283u);
  CHECK(crc32c("") == 0u);
  // RFC 3720, B.4
  CHECK(crc32c(std::string(32, '\0')) == 0x8A9136AAu);
  CHECK(crc32c(std::string(32, '\xff')) == 0x62A8AB43u);
  std::string ascending;
  for (int i = 0; i < 32; ++i) ascending += static_cast<char>(i);
  CHECK(crc32c(ascending) == 0x46DD794Eu);
}

TEST_CASE("crc32c equals the bitwise definition at every length and may be continued anywhere") {
  std::mt19937_64 random(1);
  for (std::size_t size = 0; size < 200; ++size) {
    const std::string bytes = random_bytes(random, size);
    const std::uint32_t expected = crc32c_by_bits(bytes);
    REQUIRE(crc32c(bytes) == expected);
    const std::size_t cut = size == 0 ? 0 : random() % size;
    REQUIRE(crc32c(std::string_view(bytes).substr(cut), crc32c(std::string_view(bytes).substr(0, cut))) == expected);
  }
}

TEST_CASE("sha256_hex gives the answers of FIPS 180-4") {
  CHECK(sha256_hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256_hex(std::string(1000000, 'a')) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("a file written atomically reads back equal, replaces the old one and leaves nothing else") {
  const TemporaryDirectory directory;
  std::mt19937_64 random(2);
  for (const std::size_t size : {0, 1, 100000}) {
    const std::string bytes = random_bytes(random, size);
    write_file_atomic(directory / "file", bytes);
    CHECK(read_file(directory / "file", kAnySize) == bytes);
    CHECK(entries(directory.path()) == 1);
  }
}

TEST_CASE("a relative name without a directory is written into the current one") {
  const TemporaryDirectory directory;
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(directory.path());
  write_file_atomic("plain", "x");
  std::filesystem::current_path(before);
  CHECK(read_file(directory / "plain", 10) == "x");
}

TEST_CASE("a failed write names the path, keeps the old file and leaves no temporary file") {
  const TemporaryDirectory directory;
  SECTION("missing directory") {
    CHECK_THROWS_AS(write_file_atomic(directory / "no/file", "x"), OutputError);
    CHECK_THROWS_WITH(write_file_atomic(directory / "no/file", "x"), Catch::Contains("no/file: cannot write: No such"));
  }
  SECTION("the target is a directory") {
    std::filesystem::create_directory(directory / "target");
    CHECK_THROWS_AS(write_file_atomic(directory / "target", "x"), OutputError);
    CHECK(std::filesystem::is_directory(directory / "target"));
  }
  SECTION("file size limit, as a full disk") {
    write_file_atomic(directory / "target", "old");
    // In a child: the limit and the signal's disposition belong to the whole process.
    const pid_t child = ::fork();
    if (child == 0) {
      ::signal(SIGXFSZ, SIG_IGN);
      const rlimit limit{1000, 1000};
      ::setrlimit(RLIMIT_FSIZE, &limit);
      try {
        write_file_atomic(directory / "target", std::string(5000, 'x'));
      } catch (const OutputError&) {
        ::_exit(7);
      }
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 7));
    CHECK(read_file(directory / "target", 10) == "old");
  }
  CHECK(entries(directory.path()) <= 1);
}

TEST_CASE("read_file refuses what is not a regular file, what is missing and what is too large") {
  const TemporaryDirectory directory;
  CHECK_THROWS_AS(read_file(directory.path(), kAnySize), DataError);
  CHECK_THROWS_AS(read_file("/dev/zero", kAnySize), DataError);
  CHECK_THROWS_AS(read_file(directory / "missing", kAnySize), DataError);
  REQUIRE(::mkfifo((directory / "fifo").c_str(), 0600) == 0);
  CHECK_THROWS_AS(read_file(directory / "fifo", kAnySize), DataError);
  write_file_atomic(directory / "file", "12345");
  CHECK(read_file(directory / "file", 5) == "12345");
  CHECK_THROWS_WITH(read_file(directory / "file", 4), Catch::Contains("5 bytes; at most 4"));
}

TEST_CASE("make_directories makes parents, accepts existing ones and reports a file in the way") {
  const TemporaryDirectory directory;
  make_directories(directory / "a/b/c");
  make_directories(directory / "a/b/c");
  CHECK(std::filesystem::is_directory(directory / "a/b/c"));
  write_file_atomic(directory / "file", "x");
  CHECK_THROWS_AS(make_directories(directory / "file/below"), OutputError);
}

}  // namespace precipice
