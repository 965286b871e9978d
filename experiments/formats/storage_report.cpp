// SPDX-License-Identifier: Apache-2.0
#include "experiments/formats/storage_report.h"

#include <fmt/format.h>

namespace precipice {
namespace {

bool has_second_moment(const OptimizerConfig& config) {
  return config.kind == "adamw";
}

std::string describe(const LossScaleConfig& c) {
  if (c.kind == "static") return fmt::format("static, {}", c.initial);
  if (c.kind == "none") return "none";
  return fmt::format(
      "dynamic, first {}, over {} where a gradient overflows, times {} after {} good steps, from {} to {}", c.initial,
      c.factor, c.factor, c.window, c.minimum, c.maximum);
}

}  // namespace

double stored_bytes_per_parameter(const OptimizerConfig& config) {
  const StoredFormats formats = parse_stored_formats(config.state);
  const double second = has_second_moment(config) ? formats.moment2.bits() : 0.0;
  return (formats.weights.bits() + formats.moment1.bits() + second) / 8;
}

std::string storage_lines(const OptimizerConfig& config, const LossScaleConfig& loss_scale, const std::string& indent) {
  const StoredFormats formats = parse_stored_formats(config.state);
  const char* master = formats.weights.format.is_fp32() ? " (masters)" : " (no fp32 master)";
  const std::string second = has_second_moment(config) ? "; second " + to_string(formats.moment2) : "";
  return fmt::format(
      "{0}weights     {1}{2}\n{0}moments     first {3}{4}\n{0}gradients   {5}\n{0}loss scale  {6}\n"
      "{0}kept        {7} bytes per parameter between updates of {8}\n",
      indent, to_string(formats.weights), master, to_string(formats.moment1), second, to_string(formats.gradients),
      describe(loss_scale), stored_bytes_per_parameter(config), config.kind);
}

}  // namespace precipice
