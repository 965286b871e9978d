// SPDX-License-Identifier: Apache-2.0
#include "experiments/formats/storage_report.h"

#include <fmt/format.h>

#include "optim/optimizer_kinds.h"

namespace precipice {
namespace {

std::string describe(const LossScaleConfig& c) {
  if (c.kind == LossScaling::Static) return fmt::format("static, {}", c.initial);
  if (c.kind == LossScaling::None) return "none";
  return fmt::format(
      "dynamic, first {}, over {} where a gradient overflows, times {} after {} good steps, from {} to {}", c.initial,
      c.factor, c.factor, c.window, c.minimum, c.maximum);
}

}  // namespace

double stored_bytes_per_parameter(const std::string& optimizer, const StoredFormats& formats) {
  double bits = formats.weights.bits();
  const std::size_t moments = find_optimizer(optimizer).moments.size();
  if (moments > 0) bits += formats.moment1.bits();
  if (moments > 1) bits += formats.moment2.bits();
  return bits / 8;
}

std::string storage_lines(const std::string& optimizer, const StoredFormats& formats, const LossScaleConfig& loss_scale,
                          const std::string& indent) {
  const char* master = formats.weights.format.is_fp32() ? " (masters)" : " (no fp32 master)";
  const std::size_t count = find_optimizer(optimizer).moments.size();
  std::string moments = count == 0 ? "none" : "first " + to_string(formats.moment1);
  if (count > 1) moments += "; second " + to_string(formats.moment2);
  return fmt::format(
      "{0}weights     {1}{2}\n{0}moments     {3}\n{0}gradients   {4}\n{0}loss scale  {5}\n"
      "{0}kept        {6} bytes per parameter between updates of {7}\n",
      indent, to_string(formats.weights), master, moments, to_string(formats.gradients), describe(loss_scale),
      stored_bytes_per_parameter(optimizer, formats), optimizer);
}

}  // namespace precipice
