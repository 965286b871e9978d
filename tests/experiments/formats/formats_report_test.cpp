// SPDX-License-Identifier: Apache-2.0
// The tables of formats against values that the specifications print.
#include "experiments/formats/formats_report.h"

#include <array>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "precision/base/check.h"
#include "precision/format/format_codes.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"

using namespace precipice;
using nlohmann::json;

namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream in(line);
  return {std::istream_iterator<std::string>(in), {}};
}

}  // namespace

TEST_CASE("the table has a row for every preset, with its citation, and the same facts as the JSON") {
  const std::vector<std::string> lines = lines_of(presets_table());
  const json presets = json::parse(presets_json());
  REQUIRE(lines.size() == preset_formats().size() + 1);
  REQUIRE(presets.size() == preset_formats().size());
  for (std::size_t i = 0; i < presets.size(); ++i) {
    const auto& [name, format, citation] = preset_formats()[i];
    CAPTURE(lines[i + 1]);
    const std::vector<std::string> words = words_of(lines[i + 1]);
    CHECK(words[0] == name);
    CHECK(words[1] == std::to_string(presets[i]["bits"].get<int>()));
    CHECK(std::stof(words[4]) == presets[i]["largest"].get<float>());
    CHECK(lines[i + 1].ends_with(citation));
    CHECK(presets[i]["name"] == name);
    CHECK(presets[i]["citation"] == citation);
    CHECK(parse_float_format(presets[i]["name"].get<std::string>()) == format);
  }
}

TEST_CASE("ranges are those that the specifications print") {
  // Largest, smallest normal, smallest positive, from the documents that the presets cite: IEEE 754-2019, OCP OFP8 and
  // MX v1.0, arXiv 2206.02915 (fnuz), arXiv 2409.12517 (Gaudi 2).
  const std::map<std::string, std::array<double, 3>> published = {
      {"fp16", {65504, 0x1p-14, 0x1p-24}},
      {"fp32", {0x1.fffffep127, 0x1p-126, 0x1p-149}},
      {"e5m2", {57344, 0x1p-14, 0x1p-16}},
      {"e4m3", {448, 0x1p-6, 0x1p-9}},
      {"e3m2", {28, 0.25, 0.0625}},
      {"e2m3", {7.5, 1, 0.125}},
      {"e2m1", {6, 1, 0.5}},
      {"e8m0", {0x1p127, 0x1p-127, 0x1p-127}},
      {"e5m2fnuz", {57344, 0x1p-15, 0x1p-17}},
      {"gaudi_e4m3", {240, 0x1p-6, 0x1p-9}},
  };
  for (const json& facts : json::parse(presets_json())) {
    const auto found = published.find(facts["name"]);
    if (found == published.end()) continue;
    CAPTURE(facts["name"]);
    CHECK(facts["largest"] == found->second[0]);
    CHECK(facts["smallest_normal"] == found->second[1]);
    CHECK(facts["smallest_positive"] == found->second[2]);
  }
  const json int8 = json::parse(format_json(parse_float_format("int8twos")));
  CHECK(int8["lowest"] == -128);
  CHECK(int8["largest"] == 127);
  CHECK(int8["bias"].is_null());
  CHECK(int8["codes"] == 256);
}

TEST_CASE("a small format is listed code by code") {
  const std::vector<std::string> expected = {
      "0x0   0 00 0   0",  "0x1   0 00 1   0.5",  "0x2   0 01 0   1",  "0x3   0 01 1   1.5",
      "0x4   0 10 0   2",  "0x5   0 10 1   3",    "0x6   0 11 0   4",  "0x7   0 11 1   6",
      "0x8   1 00 0   -0", "0x9   1 00 1   -0.5", "0xa   1 01 0   -1", "0xb   1 01 1   -1.5",
      "0xc   1 10 0   -2", "0xd   1 10 1   -3",   "0xe   1 11 0   -4", "0xf   1 11 1   -6"};
  std::vector<std::string> lines = lines_of(format_text(parse_float_format("e2m1")));
  lines.erase(lines.begin(), lines.end() - 17);
  CHECK(lines[0] == "code  s ee m  value");
  lines.erase(lines.begin());
  for (std::size_t i = 0; i < 16; ++i) CHECK(words_of(lines[i]) == words_of(expected[i]));

  const json e4m3 = json::parse(format_json(parse_float_format("e4m3")));
  REQUIRE(e4m3["values"].size() == 256);
  CHECK(e4m3["values"][0x7e]["value"] == 448);
  CHECK(e4m3["values"][0x7f]["value"] == "nan");
  CHECK(e4m3["values"][0x7f]["fields"] == "0 1111 111");
  CHECK(json::parse(format_json(parse_float_format("e5m2")))["values"][0xfc]["value"] == "-inf");
  CHECK(json::parse(format_json(parse_float_format("e8m0")))["lowest"] == 0x1p-127);
  CHECK_FALSE(json::parse(format_json(parse_float_format("bf16"))).contains("values"));
  CHECK_FALSE(contains(format_text(parse_float_format("bf16")), "0x"));
}

TEST_CASE("fields follow the kind of format") {
  const auto shown = [](const char* name, std::uint32_t code) {
    const FloatFormat format = parse_float_format(name);
    return field_names(format) + ": " + code_fields(format, code) + " " + code_hex(format, code);
  };
  CHECK(shown("e4m3", 0x43) == "s eeee mmm: 0 1000 011 0x43");
  CHECK(shown("e8m0", 0x7f) == "eeeeeeee: 01111111 0x7f");
  CHECK(shown("int4twos", 9) == "s mmm: 1 001 0x9");
  CHECK(shown("e3m2", 0x21) == "s eee mm: 1 000 01 0x21");
  CHECK(shown("fp16", 0x8001) == "s eeeee mmmmmmmmmm: 1 00000 0000000001 0x8001");
}

TEST_CASE("decimals are the shortest that read back") {
  CHECK(shortest_decimal(0.1f) == "0.1");
  CHECK(shortest_decimal(0x1p-149f) == "1e-45");
  CHECK(shortest_decimal(448.0f) == "448");
  CHECK(shortest_decimal(-0.0f) == "-0");
  CHECK(shortest_decimal(-std::numeric_limits<float>::infinity()) == "-inf");
  CHECK(shortest_decimal(-std::numeric_limits<float>::quiet_NaN()) == "nan");
}
