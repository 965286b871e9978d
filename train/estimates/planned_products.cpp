// SPDX-License-Identifier: Apache-2.0
#include "train/estimates/planned_products.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "precision/gemm/expected_product.h"
#include "precision/gemm/matmuls_of.h"
#include "train/attention/headwise_attention.h"
#include "train/recipes/operand_shapes.h"

namespace precipice {
namespace {

bool is_headwise(const RunConfig& config, const PrecisionPolicy& policy, const SitePrecision& qk,
                 const SitePrecision& pv) {
  if (config.device != DeviceKind::Cpu) return false;
  const ModelConfig& model = config.model;
  const Heads heads{config.train.batch, model.context, model.heads, model.key_heads(), model.head_size()};
  MatmulSite of_qk, of_pv;
  of_qk.precision = &qk, of_pv.precision = &pv;
  return policy.elements().softmax.is_identity() && serves_headwise(heads, of_qk, of_pv);
}

// Each product alone.
SiteProducts products_at(SiteKind kind, const SitePrecision& site, const RunConfig& config) {
  const MatmulShape shape = matmul_shape(kind, config);
  // Flash attention multiplies a block of keys at a time.
  const std::int64_t in = site.flash.is_on ? std::min(shape.in, site.flash.block) : shape.in;
  const std::int64_t sums_over[] = {in, shape.out, shape.rows};
  SiteProducts products;
  for (const Pass pass : kAllPasses) {
    const GemmPrecision& gemm = site.pass(pass);
    const auto i = static_cast<std::size_t>(pass);
    products[i] = expected_product(gemm.first, gemm.second, gemm.arithmetic, sums_over[i], matmuls_on(config.device));
  }
  return products;
}

// The sites of one kind: names of some layers, or the kind alone for all.
std::string names_of(const PrecisionPolicy& policy, SiteKind kind, const std::vector<std::int64_t>& layers) {
  if (static_cast<std::int64_t>(layers.size()) == policy.layers()) return to_string(kind);
  const std::vector<std::string> names = policy.site_names();
  std::string text;
  for (const std::int64_t layer : layers) text += (text.empty() ? "" : " ") + names[policy.site_index(kind, layer)];
  return text;
}

std::string describe(const SiteProducts& products) {
  if (products[0] == products[1] && products[0] == products[2]) return describe(products[0]);
  return fmt::format("fprop {}; dgrad {}; wgrad {}", describe(products[0]), describe(products[1]),
                     describe(products[2]));
}

// Names of sites by their products, in the order of their first mention.
struct Groups {
  std::vector<std::pair<SiteProducts, std::string>> all;

  void add(const SiteProducts& products, const std::string& names) {
    for (auto& [of, known] : all)
      if (of == products) {
        known += " " + names;
        return;
      }
    all.emplace_back(products, names);
  }
};

}  // namespace

std::vector<SiteProducts> planned_products(const RunConfig& config, const PrecisionPolicy& policy) {
  std::vector<SiteProducts> all(policy.num_sites());
  for (std::int64_t layer = 0; layer < policy.layers(); ++layer) {
    for (const SiteKind kind : policy.block_sites()) {
      const std::size_t site = policy.site_index(kind, layer);
      all[site] = products_at(kind, policy.at(site), config);
    }
    if (!config.model.kind->has_attention()) continue;
    const std::size_t qk = policy.site_index(SiteKind::AttnQk, layer), pv = policy.site_index(SiteKind::AttnPv, layer);
    if (!is_headwise(config, policy, policy.at(qk), policy.at(pv))) continue;
    for (const std::size_t site : {qk, pv}) all[site].fill(headwise_product(policy.at(site)));
  }
  if (!policy.has_head()) return all;
  const std::size_t head = policy.site_index(SiteKind::LmHead, 0);
  all[head] = products_at(SiteKind::LmHead, policy.at(head), config);
  return all;
}

std::string describe_products(const RunConfig& config, const PrecisionPolicy& policy, const std::string& indent) {
  const std::vector<SiteProducts> products = planned_products(config, policy);
  Groups groups;
  for (const SiteKind kind : policy.block_sites()) {
    std::vector<std::int64_t> layers(static_cast<std::size_t>(policy.layers()));
    std::iota(layers.begin(), layers.end(), 0);
    while (!layers.empty()) {
      const SiteProducts& of = products[policy.site_index(kind, layers.front())];
      const auto others = std::stable_partition(layers.begin(), layers.end(), [&](std::int64_t layer) {
        return products[policy.site_index(kind, layer)] == of;
      });
      groups.add(of, names_of(policy, kind, {layers.begin(), others}));
      layers.erase(layers.begin(), others);
    }
  }
  if (policy.has_head()) groups.add(products[policy.site_index(SiteKind::LmHead, 0)], to_string(SiteKind::LmHead));
  std::string text;
  for (const auto& [of, names] : groups.all) text += fmt::format("{}{}: {}\n", indent, names, describe(of));
  return text;
}

}  // namespace precipice
