// SPDX-License-Identifier: Apache-2.0
// Files of the user's: small ones are held, large ones mapped, and a change while they are in use is seen.
#include "metrics/files/input_file.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <chrono>

#include "metrics/files/files.h"
#include "precision/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"

using namespace precipice;

namespace {

constexpr std::uint64_t kLarge = InputFile::kMappedBytes + 4096;

// Zeros but for `bytes` at `offset`; takes no space on the disk.
void write_sparse(const std::filesystem::path& path, std::uint64_t size, std::uint64_t offset,
                  const std::string& bytes) {
  write_text(path, "");
  std::filesystem::resize_file(path, size);
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>(offset));
  file << bytes;
}

std::string error_of(const InputFile& file) {
  try {
    file.check_unchanged();
  } catch (const DataError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("held and mapped files give their bytes, pieces and SHA-256 alike", "[files]") {
  const TemporaryDirectory dir;
  for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{100'000}, kLarge}) {
    write_sparse(dir / "file", size, size / 2, size == 0 ? "" : "precipice");
    const std::string whole = text_of(dir / "file");
    const InputFile file(dir / "file", 1 << 30);
    CHECK(file.bytes() == whole);
    CHECK(file.sha256() == sha256_hex(whole));
    CHECK(sha256_of_file(dir / "file") == sha256_hex(whole));
    if (size == 0) continue;
    std::string pieces;
    file.for_each_piece(24, [&](std::string_view piece) { pieces += piece; });
    CHECK(pieces == whole.substr(24));
  }
  CHECK_THROWS_AS(InputFile(dir / "file", kLarge - 1), DataError);
  CHECK_THROWS_AS(InputFile(dir / "none", 10), DataError);
  CHECK_THROWS_AS(InputFile(dir.path(), 10), DataError);
  REQUIRE(::mkfifo((dir / "fifo").c_str(), 0600) == 0);
  CHECK_THROWS_AS(InputFile(dir / "fifo", 10), DataError);
  CHECK_THROWS_AS(sha256_of_file(dir / "fifo"), DataError);
}

TEST_CASE("a mapped file that others change is refused, one that they only touch is not", "[files]") {
  const TemporaryDirectory dir;
  write_sparse(dir / "file", kLarge, 1000, "before");
  const InputFile file(dir / "file", 1 << 30);
  file.sha256();
  CHECK(error_of(file).empty());
  const auto later = std::filesystem::last_write_time(dir / "file") + std::chrono::seconds(5);
  std::filesystem::last_write_time(dir / "file", later);
  CHECK(error_of(file).empty());
  write_sparse(dir / "file", kLarge, 1000, "after!");
  CHECK(contains(error_of(file), "another process changed it while it was in use: SHA-256"));
  write_sparse(dir / "file", 4096, 1000, "before");  // cut: the mapping must not be touched any more
  CHECK(contains(error_of(file), "another process changed it"));
}

TEST_CASE("a small file stays as it was read, whatever becomes of it", "[files]") {
  const TemporaryDirectory dir;
  write_text(dir / "file", "before");
  const InputFile file(dir / "file", 100);
  write_text(dir / "file", "after");
  CHECK(file.bytes() == "before");
  CHECK(file.sha256() == sha256_hex("before"));
  CHECK(error_of(file).empty());
  // The same size within the same tick of the file system's clock.
  CHECK(sha256_of_file(dir / "file") == sha256_hex("after"));
  write_text(dir / "file", "other");
  CHECK(sha256_of_file(dir / "file") == sha256_hex("other"));
}

TEST_CASE("a large file is hashed and looked through in little memory", "[files]") {
  const TemporaryDirectory dir;
  const std::uint64_t size = std::uint64_t{512} << 20;
  write_sparse(dir / "file", size, size - 4, "last");
  const auto peak_kilobytes = [] {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
  };
  const long before = peak_kilobytes();
  const InputFile file(dir / "file", size);
  CHECK(file.sha256().size() == 64);
  std::uint64_t seen = 0;
  file.for_each_piece(0, [&](std::string_view piece) { seen += piece.size(); });
  CHECK(seen == size);
  CHECK(file.bytes().substr(size - 4) == "last");
  CHECK(peak_kilobytes() - before < 64 * 1024);
}
