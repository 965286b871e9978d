// SPDX-License-Identifier: Apache-2.0
#include "train/recipes/operand_shapes.h"

#include <fmt/format.h>

#include "precision/base/check.h"
#include "train/config/model_shapes.h"

namespace precipice {
namespace {

void check_site(const std::string& name, const SitePrecision& site, const MatmulShape& p) {
  struct Slot {
    const char* name;
    const Quantizer& quantizer;
    MatrixShape shape;
  };
  const Slot slots[] = {
      {"fprop x", site.fprop.first, {p.rows, p.in, 1}},   {"fprop w", site.fprop.second, {p.out, p.in, 1}},
      {"dgrad dy", site.dgrad.first, {p.rows, p.out, 1}}, {"dgrad w", site.dgrad.second, {p.out, p.in, 0}},
      {"wgrad dy", site.wgrad.first, {p.rows, p.out, 0}}, {"wgrad x", site.wgrad.second, {p.rows, p.in, 0}}};
  for (const Slot& slot : slots) try {
      block_grid(slot.quantizer, slot.shape);
    } catch (const ConfigError& error) {
      throw ConfigError(fmt::format("{}, {}: {}", name, slot.name, error.what()));
    }
}

}  // namespace

MatmulShape matmul_shape(SiteKind kind, const RunConfig& c) {
  const ModelConfig& m = c.model;
  const std::int64_t tokens = c.train.batch * m.context;
  // Query heads that share keys are rows of one product.
  const std::int64_t queries = m.context * (m.heads / m.key_heads());
  if (kind == SiteKind::AttnQk) return {queries, m.head_size(), m.context};
  if (kind == SiteKind::AttnPv) return {queries, m.context, m.head_size()};
  if (kind == SiteKind::LmHead) return {tokens, m.width, c.data.vocabulary};
  const WeightShape weight = weight_at(m, kind);
  return {tokens, weight.in, weight.out};
}

void check_operand_shapes(const PrecisionSchedule& schedule, const RunConfig& config) {
  for (const PrecisionPolicy& policy : schedule.policies) {
    const std::vector<std::string> names = policy.site_names();
    const std::vector<SiteKind>& kinds = policy.block_sites();
    for (std::size_t i = 0; i < policy.num_sites(); ++i) {
      const bool is_head = policy.has_head() && i + 1 == policy.num_sites();
      // Layers are alike in their shapes; most are in their quantizers too.
      if (!is_head && i >= kinds.size() && policy.at(i) == policy.at(i - kinds.size())) continue;
      check_site(names[i], policy.at(i), matmul_shape(is_head ? SiteKind::LmHead : kinds[i % kinds.size()], config));
    }
  }
}

}  // namespace precipice
