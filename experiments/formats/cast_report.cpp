// SPDX-License-Identifier: Apache-2.0
#include "experiments/formats/cast_report.h"

#include <fmt/format.h>

#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "experiments/console/table.h"
#include "experiments/formats/formats_report.h"
#include "precision/base/check.h"
#include "precision/base/number_text.h"
#include "precision/format/format_codes.h"

namespace precipice {
namespace {

std::string event_of(const EventCounts& counts) {
  if (counts.nan_in > 0) return "nan";
  if (counts.overflowed > 0) return "overflowed";
  if (counts.saturated > 0) return "saturated";
  if (counts.underflowed > 0) return "underflowed";
  return counts.subnormal > 0 ? "subnormal" : "-";
}

std::string relative_error(double value, float result) {
  const double error = (static_cast<double>(result) - value) / value;
  if (static_cast<double>(result) == value) return "0";
  return std::isfinite(error) ? fmt::format("{:+.2e}", error) : "-";
}

}  // namespace

CastNumber parse_number(const std::string& text) {
  const char* begin = text.c_str();
  char* end = nullptr;
  errno = 0;
  const double value = std::strtod(begin, &end);
  if (text.empty() || end != begin + text.size() || std::isspace(static_cast<unsigned char>(text[0])))
    throw ConfigError({"", 0, "number", text.substr(0, 60)},
                      "must be a number such as 448, -1.5e-3, 0x1p-9, inf or nan");
  if (is_lost_to_zero(text, value)) throw ConfigError({"", 0, "number", text.substr(0, 60)}, kLostToZero);
  if (errno == ERANGE && std::isinf(value))
    throw ConfigError({"", 0, "number", text.substr(0, 60)}, "is beyond the range of binary64");
  return {text, value};
}

std::string cast_table(const std::vector<CastNumber>& numbers, const CastSpec& spec, EventCounts& counts) {
  const FloatFormat& format = spec.quantize.format;
  std::vector<std::vector<std::string>> rows = {
      {"number", "result", field_names(format), "code", "relative error", "event"}};
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    EventCounts events;
    float result = 0.0f;
    quantize(&numbers[i].value, &result, 1, spec.quantize, 1.0f, spec.key, spec.first_element + i, events);
    counts += events;
    const bool has_code = result == result || format.has_nan();
    const std::uint32_t code = has_code ? encode(format, result) : 0;
    rows.push_back({numbers[i].text, shortest_decimal(result), has_code ? code_fields(format, code) : "none",
                    has_code ? code_hex(format, code) : "none", relative_error(numbers[i].value, result),
                    event_of(events)});
  }
  return format_table(rows);
}

std::string counters_json(const CastSpec& spec, const EventCounts& counts) {
  nlohmann::ordered_json json;
  json["format"] = to_string(spec.quantize.format);
  json["rounding"] = to_string(spec.quantize.rounding);
  if (is_stochastic(spec.quantize.rounding)) json["random_bits"] = spec.quantize.random_bits;
  json["overflow"] = to_string(spec.quantize.overflow);
  json["elements"] = counts.total;
  json["nan_in"] = counts.nan_in;
  json["saturated"] = counts.saturated;
  json["overflowed"] = counts.overflowed;
  json["underflowed"] = counts.underflowed;
  json["subnormal"] = counts.subnormal;
  if (std::isfinite(counts.amax))
    json["amax"] = static_cast<double>(counts.amax);
  else
    json["amax"] = shortest_decimal(counts.amax);
  return json.dump(2) + "\n";
}

}  // namespace precipice
