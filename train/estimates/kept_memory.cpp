// SPDX-License-Identifier: Apache-2.0
#include "train/estimates/kept_memory.h"

#include <algorithm>

#include "precision/gemm/gemm.h"
#include "precision/gemm/matmuls_of.h"
#include "precision/quantize/shared_quantization.h"
#include "train/attention/fused_attention.h"
#include "train/attention/headwise_attention.h"
#include "train/config/model_shapes.h"
#include "train/model/model.h"

namespace precipice {
namespace {

constexpr double PassMemory::*kKeptTerms[] = {&PassMemory::stream,          &PassMemory::operands,
                                              &PassMemory::weight_operands, &PassMemory::attention,
                                              &PassMemory::activation,      &PassMemory::copies};
constexpr double kFloat = 4, kToken = 8, kStatistics = 8;  // bytes

double number(std::int64_t x) {
  return static_cast<double>(x);
}

// Bytes of an element that quantize() makes; 0: the operand itself serves.
double made_bytes(const Quantizer& quantizer, bool as_bf16) {
  return quantizer.is_identity() ? 0 : as_bf16 ? 2 : kFloat;
}

// The same while a GEMM runs: a rotated tensor is there in fp32 too, and scales of blocks are folded into a copy.
double used_bytes(const Quantizer& quantizer, bool as_bf16) {
  const double made = made_bytes(quantizer, as_bf16);
  const bool has_scales = !quantizer.is_identity() && !is_one_scale(quantizer.scaling);
  return made + (quantizer.hadamard && as_bf16 ? kFloat : 0) + (has_scales ? made : 0);
}

// What is kept of an operand per element: a quantized copy, or the original.
struct KeptOperand {
  double copy = 0;
  bool original = false;
};
KeptOperand kept_operand(const Quantizer& first, const Quantizer& second, bool as_bf16) {
  if (!share_quantization(first, second) || first.is_identity()) return {0, true};
  return {made_bytes(first, as_bf16), false};
}
double bytes_of(const KeptOperand& operand) {
  return operand.original ? kFloat : operand.copy;
}

class PassCount {
 public:
  PassCount(const RunConfig& config, const PrecisionPolicy& policy, const PassOptions& options)
      : model_(config.model),
        device_(config.device),
        policy_(policy),
        options_(options),
        cap_(config.model.softcap > 0),
        z_loss_(config.train.z_loss > 0),
        threads_(number(config.threads)),
        length_(number(model_.context)),
        tokens_(number(options.batch) * length_),
        width_(number(model_.width)),
        keys_(number(model_.key_width())),
        hidden_(number(model_.mlp_width())),
        vocabulary_(number(config.data.vocabulary)),
        scores_(tokens_ * length_ * number(model_.heads)),
        parameters_(number(count_parameters(model_, config.data.vocabulary).elements)) {}

  PassMemory count() {
    if (!model_.kind->has_attention()) return count_mlp();
    result_.logits = kFloat * tokens_ * vocabulary_;
    keep_norm();
    for (std::int64_t layer = 0; layer < model_.layers; ++layer) {
      const PassMemory before = result_;
      if (layer > 0 && is_like_before(layer)) {
        for (const auto term : kKeptTerms) result_.*term += last_block_.*term;
        continue;
      }
      keep_block(layer);
      for (const auto term : kKeptTerms) last_block_.*term = result_.*term - before.*term;
    }
    const double before_head = result_.kept();
    keep_linear(site(SiteKind::LmHead, 0), tokens_ * width_, vocabulary_ * width_);
    if (cap_) result_.activation += result_.logits;  // the tanh
    find_peak(before_head);
    result_.forward = forward();
    return result_;
  }

 private:
  // Blocks of a norm and an MLP, and nothing around them: the stream's end is what the loss reads.
  PassMemory count_mlp() {
    const double stream = kFloat * tokens_ * width_;
    result_.logits = stream;
    for (std::int64_t layer = 0; layer < model_.layers; ++layer) keep_norm(), keep_mlp(layer);
    const SitePrecision &up = site(SiteKind::MlpUp, model_.layers - 1),
                        &down = site(SiteKind::MlpDown, model_.layers - 1);
    const double gone = bytes_of(kept_x(down)) * tokens_ * hidden_ + kept_w(down).copy * hidden_ * width_;
    const double own = options_.own_gradients ? kFloat * parameters_ : 0;
    result_.passing =
        2 * stream + std::max({linear_passing(down, tokens_, hidden_, width_),
                               linear_passing(up, tokens_, width_, hidden_) - gone, own - result_.kept()});
    result_.forward = 4 * stream + 2 * kFloat * tokens_ * hidden_ + kept_w(up).copy * width_ * hidden_;
    return result_;
  }

  bool on_bf16(const GemmPrecision& pass) const {
    return runs_on_bf16(pass.first, pass.second, pass.arithmetic, matmuls_on(device_));
  }
  KeptOperand kept_x(const SitePrecision& p) const {
    return kept_operand(p.fprop.first, p.wgrad.second, on_bf16(p.fprop));
  }
  KeptOperand kept_w(const SitePrecision& p) const {
    return kept_operand(p.fprop.second, p.dgrad.second, on_bf16(p.fprop));
  }

  const SitePrecision& site(SiteKind kind, std::int64_t layer) const {
    return policy_.at(policy_.site_index(kind, layer));
  }
  // Most layers are quantized alike.
  bool is_like_before(std::int64_t layer) const {
    const std::vector<SiteKind>& kinds = policy_.block_sites();
    return std::all_of(kinds.begin(), kinds.end(),
                       [&](SiteKind kind) { return site(kind, layer) == site(kind, layer - 1); });
  }
  bool is_gated() const { return model_.kind->is_gated(); }
  bool has_qk_norm() const { return model_.qk_norm.has_value(); }
  double qkv() const { return width_ + 2 * keys_; }

  void keep_norm() { result_.stream += tokens_ * (kFloat * width_ + kStatistics); }

  // `held`: the original is held by another operation too, and is not counted again.
  void keep_linear(const SitePrecision& p, double x, double w, bool held = false) {
    const KeptOperand of_x = kept_x(p), of_w = kept_w(p);
    if (!(of_x.original && held)) result_.operands += bytes_of(of_x) * x;
    result_.weight_operands += of_w.copy * w;
    result_.copies += of_x.copy * x + of_w.copy * w;
  }

  void keep_block(std::int64_t layer) {
    keep_norm();
    keep_norm();
    const SitePrecision& qkv_site = site(SiteKind::AttnQkv, layer);
    keep_linear(qkv_site, tokens_ * width_, width_ * qkv());
    // Several weights are put side by side, in a matrix which no parameter is.
    if (weight_at(model_, SiteKind::AttnQkv).parameters > 1 && kept_w(qkv_site).original)
      result_.weight_operands += kFloat * width_ * qkv();
    keep_attention(layer);
    keep_linear(site(SiteKind::AttnProj, layer), tokens_ * width_, width_ * width_);
    keep_mlp(layer);
  }

  void keep_mlp(std::int64_t layer) {
    const SitePrecision &up = site(SiteKind::MlpUp, layer), &down = site(SiteKind::MlpDown, layer);
    const double matrix = width_ * hidden_;
    if (is_gated()) {
      const SitePrecision& gate = site(SiteKind::MlpGate, layer);
      keep_linear(gate, tokens_ * width_, matrix);
      keep_linear(up, tokens_ * width_, matrix, kept_x(gate).original);
      result_.activation += 3 * kFloat * tokens_ * hidden_;
      if (down.smooth_swiglu == SmoothSwiglu::Channel && kept_w(down).original)
        result_.weight_operands += kFloat * matrix;
    } else {
      keep_linear(up, tokens_ * width_, matrix);
      result_.activation += kFloat * tokens_ * hidden_;
    }
    keep_linear(down, tokens_ * hidden_, matrix);
  }

  Heads heads() const { return {options_.batch, model_.context, model_.heads, model_.key_heads(), model_.head_size()}; }
  bool is_headwise(const SitePrecision& qk, const SitePrecision& pv) const {
    if (device_ != DeviceKind::Cpu) return false;
    MatmulSite of_qk, of_pv;
    of_qk.precision = &qk, of_pv.precision = &pv;
    return !options_.observed && policy_.elements().softmax.is_identity() && serves_headwise(heads(), of_qk, of_pv);
  }
  // In one kernel on a GPU; who observes it makes its weights too.
  bool is_fused(const SitePrecision& qk, const SitePrecision& pv) const {
    return device_ == DeviceKind::Cuda && !options_.observed && policy_.elements().softmax.is_identity() &&
           serves_fused_attention(true, kGpuMatmuls, heads(), qk, pv);
  }

  // Of a quantized copy of the weights of attention, beside the softmax's result.
  double weights_copy(const SitePrecision& pv) const {
    const bool is_rounded = !policy_.elements().softmax.is_identity();
    const KeptOperand p = kept_x(pv);
    return p.original ? (is_rounded ? kFloat : 0) : p.copy;
  }

  // Sums of rows, and the output where deltas are made of it and attn.proj does not keep the same memory.
  double flash_rows(std::int64_t layer) const {
    const FlashAttention& flash = site(SiteKind::AttnPv, layer).flash;
    if (!flash.is_on) return 0;
    const bool is_kept = flash.delta == FlashDelta::Rounded && kept_x(site(SiteKind::AttnProj, layer)).original;
    const bool is_wanted = flash.delta != FlashDelta::Weights && !is_kept;
    return kFloat * tokens_ * (number(model_.heads) + (is_wanted ? width_ : 0));
  }

  void keep_attention(std::int64_t layer) {
    const SitePrecision &qk = site(SiteKind::AttnQk, layer), &pv = site(SiteKind::AttnPv, layer);
    const bool headwise = is_headwise(qk, pv), fused = is_fused(qk, pv);
    // The weights, or of flash attention the scores that they are made of twice, or two numbers for each row.
    result_.attention += fused ? 2 * kFloat * tokens_ * number(model_.heads) : kFloat * scores_ + flash_rows(layer);
    const KeptOperand q = kept_x(qk), k = kept_w(qk), v = kept_w(pv);
    const double copies_of_vectors = tokens_ * (q.copy * width_ + (k.copy + v.copy) * keys_),
                 copies_of_weights = headwise || fused || pv.flash.is_on ? 0 : weights_copy(pv) * scores_;
    result_.attention += copies_of_weights;
    result_.operands += copies_of_vectors;
    result_.copies += copies_of_vectors + copies_of_weights;
    if (model_.kind->has_rotary_positions() || has_qk_norm()) {
      // Queries and keys are tensors of their own; values lie among those that they were made of.
      result_.operands += kFloat * tokens_ * ((q.original ? width_ : 0) + (k.original ? keys_ : 0));
      if (v.original) result_.operands += kFloat * tokens_ * qkv();
    } else if (q.original || k.original || v.original) {
      result_.operands += kFloat * tokens_ * qkv();
    }
    if (has_qk_norm())
      result_.stream += tokens_ * (kFloat * (width_ + keys_) + kStatistics * number(model_.heads + model_.key_heads()));
  }

  // What the two gradients of a linear hold at once, dy among it.
  double linear_passing(const SitePrecision& p, double rows, double in, double out, bool is_parameter = true) const {
    const bool bf16_d = on_bf16(p.dgrad), bf16_w = on_bf16(p.wgrad);
    const double y = rows * out, x = rows * in, w = in * out;
    const double dgrad =
        used_bytes(p.dgrad.first, bf16_d) * y + (kept_w(p).original ? used_bytes(p.dgrad.second, bf16_d) * w : 0);
    const double shared = made_bytes(p.dgrad.first, bf16_d) * y;
    const double wgrad =
        shared + (share_quantization(p.dgrad.first, p.wgrad.first) ? 0 : used_bytes(p.wgrad.first, bf16_w) * y) +
        (kept_x(p).original ? used_bytes(p.wgrad.second, bf16_w) * x : 0) +
        (options_.own_gradients || !is_parameter ? kFloat * w : 0);
    return kFloat * (y + x) + std::max(dgrad, wgrad);
  }

  double attention_passing(std::int64_t layer) const {
    const SitePrecision &qk = site(SiteKind::AttnQk, layer), &pv = site(SiteKind::AttnPv, layer);
    const double vectors = kFloat * tokens_ * (width_ + qkv());
    if (is_headwise(qk, pv)) {
      const double number_bytes = on_bf16(qk.fprop) ? 2 : kFloat;
      return vectors + number_bytes * tokens_ * width_ + threads_ * 2 * number_bytes * length_ * length_;
    }
    if (is_fused(qk, pv)) {
      const bool is_one = share_quantization(pv.dgrad.first, pv.wgrad.first);
      const double upstream =
          made_bytes(pv.dgrad.first, on_bf16(pv.dgrad)) + (is_one ? 0 : made_bytes(pv.wgrad.first, on_bf16(pv.wgrad)));
      return vectors + tokens_ * (upstream * width_ + kFloat * number(model_.heads));
    }
    const bool bf16_d = on_bf16(qk.dgrad), bf16_w = on_bf16(qk.wgrad);
    double copies = used_bytes(qk.dgrad.first, bf16_d);
    if (!share_quantization(qk.dgrad.first, qk.wgrad.first)) copies += used_bytes(qk.wgrad.first, bf16_w);
    const bool is_made_again = kept_x(pv).original || pv.flash.is_on;
    const double p_again = (is_made_again ? used_bytes(pv.wgrad.second, on_bf16(pv.wgrad)) : 0);
    const double rounded = policy_.elements().softmax.is_identity() ? 0 : kFloat;
    const double weights = pv.flash.is_on ? kFloat : 0;
    return vectors + scores_ * (kFloat + rounded + weights + std::max(copies, p_again));
  }

  // The last block's gradients; what was kept of the head is gone.
  double block_passing() const {
    const std::int64_t layer = model_.layers - 1;
    const SitePrecision &down = site(SiteKind::MlpDown, layer), &up = site(SiteKind::MlpUp, layer);
    const double stream = kFloat * tokens_ * width_;
    double mlp = stream + linear_passing(down, tokens_, hidden_, width_, down.smooth_swiglu != SmoothSwiglu::Channel);
    double gone = bytes_of(kept_x(down)) * tokens_ * hidden_ + kept_w(down).copy * hidden_ * width_;
    if (is_gated())
      mlp = std::max(mlp, 2 * stream + 3 * kFloat * tokens_ * hidden_ - gone);
    else
      mlp = std::max(mlp, stream + linear_passing(up, tokens_, width_, hidden_) - kFloat * tokens_ * hidden_ - gone);
    gone += (is_gated() ? 3 : 1) * kFloat * tokens_ * hidden_ + bytes_of(kept_x(up)) * tokens_ * width_ +
            kept_w(up).copy * hidden_ * width_;
    const double attention =
        stream +
        std::max(attention_passing(layer), linear_passing(site(SiteKind::AttnProj, layer), tokens_, width_, width_)) -
        gone;
    return std::max(mlp, attention);
  }

  void find_peak(double before_head) {
    const double kept = result_.kept(), head_weights = kFloat * vocabulary_ * width_,
                 own = options_.own_gradients ? 1.0 : 0.0;
    double head = linear_passing(site(SiteKind::LmHead, 0), tokens_, width_, vocabulary_);
    if (z_loss_) head = std::max(head, 3 * result_.logits);
    if (cap_) head = std::max(head, 2 * result_.logits);
    const double block = before_head - kept + own * head_weights + block_passing();
    // All gradients of parameters, the first stream's, and the embedding's, which is made for itself.
    const double end = -kept + own * kFloat * parameters_ + head_weights * (1 + own) + 2 * kFloat * tokens_ * width_;
    result_.passing = std::max({head, block, end});
  }

  double forward() const {
    const std::int64_t layer = model_.layers - 1;
    const SitePrecision &qk = site(SiteKind::AttnQk, layer), &pv = site(SiteKind::AttnPv, layer),
                        &head = site(SiteKind::LmHead, 0);
    const double stream = kFloat * tokens_ * width_;
    const double attention =
        kFloat * tokens_ * qkv() + (is_headwise(qk, pv) || is_fused(qk, pv)
                                        ? 0
                                        : (kFloat + weights_copy(pv) + (pv.flash.is_on ? kFloat : 0)) * scores_);
    const double mlp = kFloat * tokens_ * hidden_ * (is_gated() ? 3 : 2) +
                       kept_w(site(SiteKind::MlpUp, layer)).copy * width_ * hidden_;
    const double at_head = result_.logits * (cap_ ? 2 : 1) + kept_w(head).copy * vocabulary_ * width_;
    return 2 * stream + std::max({attention, mlp, at_head}) + 2 * kToken * tokens_;
  }

  const ModelConfig& model_;
  DeviceKind device_;
  const PrecisionPolicy& policy_;
  PassOptions options_;
  bool cap_, z_loss_;
  double threads_, length_, tokens_, width_, keys_, hidden_, vocabulary_, scores_, parameters_;
  PassMemory result_, last_block_;
};

}  // namespace

PassMemory pass_memory(const RunConfig& config, const PrecisionPolicy& policy, const PassOptions& options) {
  return PassCount(config, policy, options).count();
}

}  // namespace precipice
