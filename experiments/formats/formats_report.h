// SPDX-License-Identifier: Apache-2.0
// Number formats for people and, as JSON, for programs: the table of the presets, the facts of one format, and its
// values with their codes. Everything is asked of FloatFormat.
#pragma once

#include <cstdint>
#include <string>

#include "precision/format/float_format.h"

namespace precipice {

std::string presets_table();
std::string presets_json();

// Facts, and for formats of up to 8 bits every code with its value.
std::string format_text(const FloatFormat& format);
std::string format_json(const FloatFormat& format);

// The shortest decimal that reads back as the same binary32 number; nan, inf and -inf.
std::string shortest_decimal(float value);

// A code as its fields, "0 1000 011", and what they are, "s eeee mmm".
std::string code_fields(const FloatFormat& format, std::uint32_t code);
std::string field_names(const FloatFormat& format);
std::string code_hex(const FloatFormat& format, std::uint32_t code);  // 0x43, as many digits as the format needs

}  // namespace precipice
