// SPDX-License-Identifier: Apache-2.0
// PrecisionPolicy: which quantizer at which site, layer, pass and operand. Every matmul has three passes with two
// operands each; each of the six slots quantizes from the high-precision tensor, never from an already rounded one:
//   fprop  y = x w^T      dgrad  dx = dy w      wgrad  dw = dy^T x
// and the result of each pass has a format of its own. Attention products are matmuls like the others:
// attn.qk: x = queries, w = keys; attn.pv: x = probabilities, w = values transposed.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "precision/gemm/gemm_arithmetic.h"
#include "precision/policy/element_precision.h"
#include "precision/policy/flash_attention.h"
#include "precision/policy/site_kind.h"
#include "precision/policy/slot.h"

namespace precipice {

// `Operand`: Quantizer, or QuantizerSettings while recipes and rules still change them (train/recipes).
template <class Operand>
struct GemmPrecisionOf {
  Operand first, second;  // operands in the order of the formulas above
  GemmArithmetic arithmetic;
  bool operator==(const GemmPrecisionOf&) const = default;
};
using GemmPrecision = GemmPrecisionOf<Quantizer>;

// Smooth-SwiGLU (arXiv 2409.12517 section 4), at mlp.down of a gated MLP: train/model/swiglu.h has the formulas.
enum class SmoothSwiglu : std::uint8_t {
  Off,
  IfGated,  // of a recipe before it meets a model: Channel where there is a gate, else Off
  Channel,
  Token,
};

SmoothSwiglu parse_smooth_swiglu(std::string_view text);  // true token false; throws ConfigError
std::string to_string(SmoothSwiglu kind);

template <class Operand>
struct SitePrecisionOf {
  GemmPrecisionOf<Operand> fprop, dgrad, wgrad;
  SmoothSwiglu smooth_swiglu = SmoothSwiglu::Off;
  FlashAttention flash{};  // at attn.pv
  // One choice per tensor, used in both of its passes.
  static SitePrecisionOf of_tensors(const Operand& x, const Operand& w, const Operand& dy,
                                    const GemmArithmetic& arithmetic) {
    return {{x, w, arithmetic}, {dy, w, arithmetic}, {dy, x, arithmetic}, SmoothSwiglu::Off, {}};
  }
  GemmPrecisionOf<Operand>& pass(Pass p) { return p == Pass::Fprop ? fprop : p == Pass::Dgrad ? dgrad : wgrad; }
  const GemmPrecisionOf<Operand>& pass(Pass p) const {
    return p == Pass::Fprop ? fprop : p == Pass::Dgrad ? dgrad : wgrad;
  }
  bool operator==(const SitePrecisionOf&) const = default;
};
using SitePrecision = SitePrecisionOf<Quantizer>;

class PrecisionPolicy {
 public:
  // fp32 everywhere
  explicit PrecisionPolicy(std::int64_t layers, std::span<const SiteKind> block_sites = kBlockSites,
                           bool has_head = true);
  // fp32 everywhere at the same sites.
  PrecisionPolicy exact() const { return PrecisionPolicy(layers_, block_sites_, has_head_); }
  std::int64_t layers() const { return layers_; }
  const std::vector<SiteKind>& block_sites() const { return block_sites_; }
  bool has_head() const { return has_head_; }
  // Sites are numbered block by block in the order of block_sites(), the LM head, where there is one, last.
  std::size_t site_index(SiteKind kind, std::int64_t layer) const;  // layer is ignored for the LM head
  std::size_t num_sites() const { return sites_.size(); }
  std::vector<std::string> site_names() const;  // "h.0.attn.qkv", ..., "lm_head"
  const SitePrecision& at(std::size_t site) const { return sites_.at(site); }
  SitePrecision& at(std::size_t site) { return sites_.at(site); }
  // Every layer of one kind.
  void set(SiteKind kind, const SitePrecision& precision);
  // One pass of one kind in layers [first, last]; negative counts from the end (-1: the last layer).
  void set(SiteKind kind, std::int64_t first_layer, std::int64_t last_layer, Pass pass, const GemmPrecision& precision);
  // What happens between the matmuls.
  const ElementPrecision& elements() const { return elements_; }
  ElementPrecision& elements() { return elements_; }

 private:
  std::int64_t layers_;
  std::vector<SiteKind> block_sites_;
  bool has_head_;
  ElementPrecision elements_;
  std::vector<SitePrecision> sites_;
};

// The policies of a run: each stands from its first step to the next one's.
struct PrecisionSchedule {
  PrecisionSchedule() = default;
  PrecisionSchedule(PrecisionPolicy policy)
      : first_steps{0}, policies{std::move(policy)} {}  // NOLINT: one for all steps
  const PrecisionPolicy& at_step(std::int64_t step) const;

  std::vector<std::int64_t> first_steps;  // ascending, from 0
  std::vector<PrecisionPolicy> policies;  // of one model: the same sites
};

}  // namespace precipice
