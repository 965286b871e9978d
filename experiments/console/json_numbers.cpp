// SPDX-License-Identifier: Apache-2.0
#include "experiments/console/json_numbers.h"

#include <cmath>

#include "experiments/console/json_fields.h"
#include "precision/base/check.h"
#include "precision/base/number_text.h"

namespace precipice {
namespace {

// Looks at the numbers as they are written; the parser that builds values sees them no more.
class LostNumbers final : public nlohmann::json_sax<Json> {
 public:
  bool number_float(number_float_t value, const string_t& text) override {
    if (is_lost_to_zero(text, value))
      throw DataError(join_parts("standard input: ", text.substr(0, 60), " ", kLostToZero));
    return true;
  }
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return true; }
  bool key(string_t&) override { return true; }
  bool end_object() override { return true; }
  bool start_array(std::size_t) override { return true; }
  bool end_array() override { return true; }
  // The parser that builds values says it better.
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override { return false; }
};

}  // namespace

Json parse_json_input(const std::string& text) {
  LostNumbers lost;
  Json::sax_parse(text, &lost);
  return Json::parse(text);
}

Json finite_or_null(double value) {
  return std::isfinite(value) ? Json(value) : Json();
}

Json finite_or_word(double value) {
  return std::isinf(value) ? Json(value > 0 ? "inf" : "-inf") : finite_or_null(value);
}

}  // namespace precipice
