// SPDX-License-Identifier: Apache-2.0
// Bytes written by hand from the description of the format are the oracle.
#include "train/model/safetensors.h"

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "precision/base/check.h"
#include "tests/support/catch.h"
#include "tests/train/data/data_support.h"

using namespace precipice;

namespace {

std::string file_of(const std::string& header, const std::vector<float>& numbers) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(header.size() >> (8 * i) & 0xff);
  bytes += header;
  for (const float number : numbers) bytes.append(reinterpret_cast<const char*>(&number), 4);
  return bytes;
}

std::string error_of(const std::string& bytes) {
  return data_error([&] { from_safetensors(bytes, "w.safetensors"); });
}

std::string entry_of(const std::string& shape, const std::string& offsets, const std::string& type = "F32") {
  return "{\"dtype\":\"" + type + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}";
}

}  // namespace

TEST_CASE("a safetensors file has the bytes that the format describes", "[weights]") {
  const std::string bytes = to_safetensors({{"b", {2, 1}, {1.5f, -0.0f}}, {"a", {1}, {3e-42f}}}, {{"kind", "gpt"}});
  std::string header = R"({"__metadata__":{"kind":"gpt"},"b":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},)"
                       R"("a":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}})";
  while (header.size() % 8 != 0) header += ' ';
  CHECK(bytes == file_of(header, {1.5f, -0.0f, 3e-42f}));
  CHECK(looks_like_safetensors(bytes));
}

TEST_CASE("arrays of a safetensors file may lie in any order, and come back by name", "[weights]") {
  const std::string header = "{\"b\":" + entry_of("[1,2]", "[0,8]") +
                             ",\"__metadata__\":{\"x\":\"y\"},\"a\":" + entry_of("[]", "[8,12]") + "}";
  const auto arrays = from_safetensors(file_of(header, {1, 2, 3}), "w.safetensors");
  REQUIRE(arrays.size() == 2);
  CHECK(arrays[0].name == "a");
  CHECK(arrays[0].shape.empty());
  CHECK(arrays[0].values == std::vector<float>{3});
  CHECK(arrays[1].name == "b");
  CHECK(arrays[1].shape == std::vector<std::int64_t>{1, 2});
  CHECK(arrays[1].values == std::vector<float>{1, 2});
}

TEST_CASE("two arrays of one name are a broken contract", "[weights]") {
  CHECK_THROWS_AS(to_safetensors({{"a", {1}, {1}}, {"a", {1}, {2}}}, {}), ContractError);
  CHECK_THROWS_AS(to_safetensors({{"__metadata__", {1}, {1}}}, {}), ContractError);
}

TEST_CASE("a damaged or crafted safetensors file is refused by what is wrong", "[weights]") {
  const auto one = [](const std::string& entry) { return file_of("{\"a\":" + entry + "}", {1, 2, 3}); };
  REQUIRE(error_of(one(entry_of("[3]", "[0,12]"))).empty());

  CHECK(has_parts(error_of(one(entry_of("[3]", "[0,12]", "BF16"))), {"w.safetensors: a: ", "BF16", "F32"}));
  for (const char* shape : {"[2]", "[4]", "[0]", "[-3]", "[1.5,2]", "3", "null", "[]", "[3,0]",
                            "[9223372036854775809,3]", "[4294967296,4294967296,3]"}) {
    CAPTURE(shape);
    CHECK(has_parts(error_of(one(entry_of(shape, "[0,12]"))), {"w.safetensors: a: ", "shape"}));
  }
  for (const char* offsets : {"[0]", "[0,4,12]", "[-4,8]", "[0,1.5]", "[\"0\",12]"}) {
    CAPTURE(offsets);
    CHECK(has_parts(error_of(one(entry_of("[3]", offsets))), {"w.safetensors: a: ", "data_offsets"}));
  }
  for (const char* offsets : {"[0,16]", "[12,0]", "[18446744073709551608,18446744073709551612]"}) {
    CAPTURE(offsets);
    CHECK(has_parts(error_of(one(entry_of("[3]", offsets))), {"outside the file"}));
  }
  CHECK(has_parts(error_of(one(entry_of("[3]", "[0,11]"))), {"whole number of float32"}));
  CHECK(has_parts(error_of(one(entry_of("[2]", "[0,8]"))), {"behind its last array"}));
  CHECK(has_parts(error_of(one(entry_of("[2]", "[4,12]"))), {"w.safetensors: a: ", "gap"}));
  CHECK(has_parts(error_of(one("{}")), {"header cannot be read"}));
  CHECK(has_parts(error_of(one("7")), {"header cannot be read"}));
  const std::string overlapping = "{\"a\":" + entry_of("[3]", "[0,12]") + ",\"b\":" + entry_of("[2]", "[4,12]") + "}";
  CHECK(has_parts(error_of(file_of(overlapping, {1, 2, 3})), {"w.safetensors: b: ", "overlaps"}));

  const std::string whole = one(entry_of("[3]", "[0,12]"));
  CHECK(has_parts(error_of(whole.substr(0, whole.size() - 1)), {"outside the file"}));
  CHECK(has_parts(error_of(whole.substr(0, 30)), {"cut off inside its header"}));
  CHECK(has_parts(error_of(whole.substr(0, 8)), {"is no safetensors file"}));
  CHECK(has_parts(error_of(file_of("{\"a\":", {})), {"header cannot be read"}));
  CHECK(has_parts(error_of(file_of("[]", {})), {"is no safetensors file"}));
  std::string long_name = "{\"";
  long_name.append(100'000, 'n').append("\":7}");
  CHECK(error_of(file_of(long_name, {})).size() < 400);
}
