// SPDX-License-Identifier: Apache-2.0
// Writer and reader against each other, the reader against foreign and hostile files (hostile_hdf5.py made hostile.h5).
#include "metrics/hdf5/hdf5_file.h"

#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bit>
#include <chrono>
#include <cmath>
#include <limits>
#include <thread>

#include "metrics/files/files.h"
#include "precision/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/paths.h"

namespace precipice {
namespace {

const std::filesystem::path kHostile = source_directory() + "/tests/metrics/hostile.h5";

std::string small_file() {
  Hdf5Writer writer;
  const std::vector<double> steps{0, 1, 2}, table{1, 2, 3, 4, 5, 6};
  writer.write("/a/b/step", steps, {3});
  writer.write("/a/b/table", table, {3, 2});
  writer.write("/a/site", std::vector<std::string>{"x", "Grüße"});
  writer.write("/config", std::string("key = 1\n"));
  writer.attribute("/a/b/table", "units", std::string("nats"));
  writer.make_scale("/a/b/step", "step");
  writer.attach_scale("/a/b/table", "/a/b/step", 0);
  return writer.finish();
}

std::vector<double> noise(std::size_t size) {
  std::vector<double> values(size);
  std::uint64_t state = 1;
  for (double& value : values) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    value = static_cast<double>(state >> 11);
  }
  return values;
}

}  // namespace

TEST_CASE("numbers of every type and shape read back bit for bit") {
  const double nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
  const std::vector<double> doubles{0.0, -0.0, nan, infinity, -infinity, 5e-324, 1.0 / 3};
  const std::vector<float> floats{0.0f, -0.0f, 1e-45f, 3.4e38f};
  const std::vector<std::int64_t> integers{std::numeric_limits<std::int64_t>::min(), -1, 0, 1LL << 53 | 1};
  Hdf5Writer writer;
  writer.write("/doubles", doubles, {7});
  writer.write("/g/floats", floats, {2, 2});
  writer.write("/g/h/integers", integers, {4, 1});
  writer.write("/one", std::span(doubles).first(1), {1});
  writer.write("/scalar", std::span(doubles).last(1), {});
  writer.write("/none", std::span<const double>(), {0});
  writer.write("/none2", std::span<const std::int64_t>(), {0, 3});
  const Hdf5Reader reader(writer.finish(), "image");
  const auto read = reader.read_doubles("/doubles");
  REQUIRE(read.size() == 7);
  for (std::size_t i = 0; i < 7; ++i)
    CHECK(std::bit_cast<std::uint64_t>(read[i]) == std::bit_cast<std::uint64_t>(doubles[i]));
  CHECK(reader.read_floats("/g/floats") == floats);
  CHECK(std::signbit(reader.read_floats("/g/floats")[1]));
  CHECK(reader.read_doubles("/g/floats") == std::vector<double>(floats.begin(), floats.end()));
  CHECK(reader.read_integers("/g/h/integers") == integers);
  CHECK(reader.read_doubles("/one").size() == 1);
  CHECK(reader.read_doubles("/scalar") == std::vector<double>{1.0 / 3});
  CHECK(reader.read_doubles("/none").empty());
  CHECK(reader.read_integers("/none2").empty());
  CHECK(reader.shape("/none2") == std::vector<std::uint64_t>{0, 3});
  CHECK(reader.shape("/g/floats") == std::vector<std::uint64_t>{2, 2});
  CHECK(reader.shape("/scalar").empty());
  CHECK(reader.names("/") == std::vector<std::string>{"doubles", "g", "none", "none2", "one", "scalar"});
  CHECK(reader.names("/g") == std::vector<std::string>{"floats", "h"});
}

TEST_CASE("datasets of many chunks read back in every shape") {
  const std::vector<double> values = noise(120000);
  for (const auto& shape : std::vector<std::vector<std::uint64_t>>{{120000}, {4, 30000}, {30000, 4}, {2, 3, 20000}}) {
    Hdf5Writer writer;
    writer.write("/x", values, shape);
    const Hdf5Reader reader(writer.finish(), "image");
    CHECK(reader.shape("/x") == shape);
    CHECK(reader.read_doubles("/x") == values);
  }
}

TEST_CASE("text and attributes keep UTF-8, emptiness and length") {
  const std::string long_text(200000, 'x');
  Hdf5Writer writer;
  writer.write("/config", long_text);
  writer.write("/empty", std::string());
  writer.write("/site", std::vector<std::string>{"", "Grüße", "block0.attn.qkv"});
  writer.write("/no_sites", std::vector<std::string>{});
  writer.attribute("/", "status", std::string("done"));
  writer.attribute("/", "long", long_text);
  writer.attribute("/site", "none", std::string());
  writer.attribute("/", "number", 2.5);
  const Hdf5Reader reader(writer.finish(), "image");
  CHECK(reader.read_text("/config") == long_text);
  CHECK(reader.read_text("/empty").empty());
  CHECK(reader.read_strings("/site") == std::vector<std::string>{"", "Grüße", "block0.attn.qkv"});
  CHECK(reader.read_strings("/no_sites").empty());
  CHECK(reader.attribute_text("/", "status") == "done");
  CHECK(reader.attribute_text("/", "long") == long_text);
  CHECK(reader.attribute_text("/site", "none").empty());
  CHECK_THROWS_AS(reader.attribute_text("/", "number"), DataError);
  CHECK_THROWS_WITH(reader.attribute_text("/", "missing"), Catch::Contains("/@missing: no such attribute"));
  CHECK_THROWS_AS(reader.attribute_text("/missing", "x"), DataError);
}

TEST_CASE("equal contents give equal bytes, whatever lay in memory before and in whatever second") {
  const std::string first = small_file();
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));  // HDF5's object times count seconds
  ::mallopt(M_PERTURB, 0x5a);                                    // fills what malloc and free hand out
  const std::string second = small_file();
  ::mallopt(M_PERTURB, 0);
  CHECK(first == second);
}

TEST_CASE("two writers and a reader live side by side") {
  Hdf5Writer one, two;
  const std::vector<double> a{1}, b{2};
  one.write("/x", a, {1});
  two.write("/x", b, {1});
  const Hdf5Reader first(one.finish(), "one"), second(two.finish(), "two");
  CHECK(first.read_doubles("/x") == a);
  CHECK(second.read_doubles("/x") == b);
}

TEST_CASE("a writer refuses broken calls, and paths that are taken") {
  Hdf5Writer writer;
  const std::vector<double> values{1, 2};
  CHECK_THROWS_AS(writer.write("/x", values, {3}), ContractError);
  CHECK_THROWS_AS(writer.write("x", values, {2}), ContractError);
  CHECK_THROWS_AS(writer.write("/text", std::string("a\0b", 3)), ContractError);
  writer.write("/x", values, {2});
  CHECK_THROWS_WITH(writer.write("/x", values, {2}),
                    Catch::Contains("cannot build HDF5 file: /x: name already exists"));
  CHECK_THROWS_AS(writer.write("/x/below", values, {2}), OutputError);
  CHECK_THROWS_AS(writer.attribute("/missing", "a", 1.0), OutputError);
  writer.finish();
  CHECK_THROWS_AS(writer.finish(), ContractError);
}

TEST_CASE("files that are missing, empty, no HDF5 or cut short are refused with a reason") {
  const TemporaryDirectory directory;
  CHECK_THROWS_AS(Hdf5Reader(directory / "missing"), DataError);
  CHECK_THROWS_AS(Hdf5Reader(directory.path()), DataError);
  CHECK_THROWS_WITH(Hdf5Reader("", "f"), Catch::Contains("f: not an HDF5 file"));
  CHECK_THROWS_WITH(Hdf5Reader(std::string(5000, 'x'), "f"), Catch::Contains("f: not a readable HDF5 file: "));
  const std::string whole = small_file();
  for (std::size_t size = 0; size < whole.size(); size += 37)
    REQUIRE_THROWS_AS(Hdf5Reader(whole.substr(0, size), "f"), DataError);
  write_file_atomic(directory / "f.h5", whole);
  CHECK(Hdf5Reader(directory / "f.h5").read_text("/config") == "key = 1\n");
}

TEST_CASE("a checksum error in the data is reported, not read over") {
  const std::vector<double> values = noise(1000);
  Hdf5Writer writer;
  writer.write("/x", values, {1000});
  std::string bytes = writer.finish();
  bytes[bytes.size() - 1000] ^= 1;  // the one chunk is nearly all of the file and its end
  CHECK_THROWS_AS(Hdf5Reader(bytes, "f").read_doubles("/x"), DataError);
}

TEST_CASE("wrong types, wrong names and too many elements are refused") {
  const Hdf5Reader reader(small_file(), "f");
  CHECK(reader.has("/"));
  CHECK(reader.has("/a/b"));
  CHECK_FALSE(reader.has("/a/c"));
  CHECK_FALSE(reader.has("/config/c"));
  CHECK_THROWS_WITH(reader.read_doubles("/a/c"), "f: /a/c: not found");
  CHECK_THROWS_WITH(reader.read_integers("/a/b/table"), Catch::Contains("wrong type; it must hold integers"));
  CHECK_THROWS_WITH(reader.read_floats("/a/b/table"), Catch::Contains("wrong type; it must hold binary32"));
  CHECK_THROWS_WITH(reader.read_doubles("/a/b/table", 5), Catch::Contains("more than 5 elements"));
  CHECK(reader.read_doubles("/a/b/table", 6).size() == 6);
  CHECK_THROWS_AS(reader.read_doubles("/config"), DataError);
  CHECK_THROWS_AS(reader.read_text("/a/b/table"), DataError);
  CHECK_THROWS_AS(reader.read_text("/a/site"), DataError);
  CHECK_THROWS_AS(reader.read_strings("/config"), DataError);
  CHECK_THROWS_AS(reader.read_doubles("/a"), DataError);
  CHECK_THROWS_AS(reader.names("/config"), DataError);
  CHECK_THROWS_AS(reader.names("/missing"), DataError);
}

TEST_CASE("honest files of other programs are read") {
  const Hdf5Reader reader(kHostile);
  CHECK(reader.read_integers("/good/tokens") == std::vector<std::int64_t>{0, 1, 65535, 7, 8, 9});
  CHECK(reader.read_doubles("/good/big_endian")[1] == -2.25);
  CHECK(reader.read_floats("/good/weights") == std::vector<float>{0, 1, 2, 3, 4, 5});
  CHECK(reader.read_text("/good/fixed_text") == "hello");
  CHECK(reader.read_strings("/good/fixed_texts") == std::vector<std::string>{"ab", "cde"});
  CHECK(reader.read_text("/good/text") == "Grüße");
  CHECK(reader.read_doubles("/good/scalar") == std::vector<double>{2.5});
  CHECK(reader.attribute_text("/good", "fixed") == "attribute");
}

TEST_CASE("hostile datasets are refused before anything is allocated or another file is opened") {
  const Hdf5Reader reader(kHostile);
  const auto refused = [&](const std::string& path, const std::string& why) {
    CHECK_THROWS_WITH(reader.read_doubles(path), Catch::Contains(why));
  };
  for (const char* name : {"/bad/soft", "/bad/external", "/bad/external/x", "/bad/soft_group/weights"}) {
    CHECK_FALSE(reader.has(name));
    CHECK_THROWS_AS(reader.read_floats(name), DataError);
  }
  refused("/bad/soft", "soft and external links are not followed");
  CHECK_THROWS_WITH(reader.read_integers("/bad/outside"), Catch::Contains("its data lies outside the file"));
  refused("/bad/bomb", "more than 268435456 elements");
  refused("/bad/unwritten", "claims more data than is stored");
  CHECK_THROWS_WITH(reader.read_floats("/bad/wide_chunk"), Catch::Contains("a chunk is too large"));
  refused("/bad/lzf", "only the filters gzip");
  refused("/bad/virtual", "virtual storage");
  refused("/bad/half", "wrong type");
  refused("/bad/compound", "wrong type");
  refused("/bad/empty", "has no value");
  CHECK_THROWS_AS(reader.read_strings("/bad/text_bomb"), DataError);
  CHECK_THROWS_WITH(reader.read_strings("/bad/text_matrix"), Catch::Contains("its rank must be 1"));
  CHECK_THROWS_AS(reader.read_floats("/bad/doubles"), DataError);
  CHECK(reader.has("/bad/loop/loop/loop/doubles"));  // followed by name only, so a cycle is harmless
}

TEST_CASE("a fork reads files while its parent has one open") {
  const std::string bytes = small_file();
  const Hdf5Reader reader(bytes, "the parent's");
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    alarm(20);  // for a lock that nobody gives back
    _exit(Hdf5Reader(bytes, "the child's").has("/a/b/step") ? 0 : 1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}

}  // namespace precipice
