// SPDX-License-Identifier: Apache-2.0
#include "train/attention/headwise_attention.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "precision/base/check.h"
#include "precision/gemm/matrix_product.h"
#include "precision/kernels/row_kernels.h"
#include "precision/quantize/parallel.h"
#include "precision/quantize/piece_quantizer.h"
#include "train/attention/flash_softmax.h"

namespace precipice {
namespace {

constexpr int kBf16MantissaBits = 7;

// What pieces are rounded to must be bf16 itself where products run on it: quanta of matrices go by its mantissa.
bool is_by_pieces(const Quantizer& operand, bool on_bf16) {
  return operand.is_identity() || (PieceQuantizer::serves(operand) && operand.element.format.zero &&
                                   (!on_bf16 || operand.element.format.mantissa_bits == kBf16MantissaBits));
}

bool has_no_scales(const SitePrecision& site, bool on_bf16) {
  const auto is_by_pieces_in = [on_bf16](const GemmPrecision& pass) {
    return is_by_pieces(pass.first, on_bf16) && is_by_pieces(pass.second, on_bf16) &&
           !is_stochastic(pass.arithmetic.output.rounding) && pass.arithmetic.accumulator.kind == AccumulatorKind::Fp32;
  };
  // Each tensor is quantized once for both of its passes.
  return is_by_pieces_in(site.fprop) && is_by_pieces_in(site.dgrad) && is_by_pieces_in(site.wgrad) &&
         site.fprop.first == site.wgrad.second && site.fprop.second == site.dgrad.second &&
         site.dgrad.first == site.wgrad.first;
}

std::size_t passes_on_bf16(const SitePrecision& site) {
  std::size_t count = 0;
  for (const GemmPrecision* pass : {&site.fprop, &site.dgrad, &site.wgrad})
    count += runs_on_bf16(pass->first, pass->second, pass->arithmetic) ? 1 : 0;
  return count;
}

// What one thread needs for a head.
template <class Number>
struct Scratch {
  Scratch(std::int64_t length, bool backward)
      : rows(static_cast<std::size_t>(kPartRows * length)),
        weights(rows.size()),
        p(static_cast<std::size_t>(length * length)),
        ds(static_cast<std::size_t>(backward ? length * length : 0)) {}

  // (T, T), where that much is needed
  float* square(std::int64_t length) {
    square_.resize(static_cast<std::size_t>(length * length));
    return square_.data();
  }

  std::vector<float> rows, weights;  // (32, T)
  std::vector<Number> p, ds;         // (T, T), as products take them
  PackedOperand<Number> packed;
  MatrixMultiplier<Number> multiplier;
  ExactMultiplier exact;

 private:
  std::vector<float> square_;
};

class HeadwiseAttention : public Operation {
 public:
  HeadwiseAttention(const Heads& heads, const MatmulSite& qk, const MatmulSite& pv, bool keeps)
      : h_(heads),
        qk_site_(qk),
        pv_site_(pv),
        qk_(*qk.precision),
        pv_(*pv.precision),
        flash_(pv_.flash),
        keeps_(keeps) {}

  Tensors forward(const Tensors& inputs) override {
    const HeadParts parts = HeadParts::of(inputs, h_);
    q_ = quantized(parts.q, qk_.fprop.first);
    k_ = quantized(parts.k, qk_.fprop.second);
    v_ = quantized(parts.v, pv_.fprop.second);
    tell_products(Pass::Fprop);
    if (keeps_) p_ = at::empty({h_.batch, h_.heads, h_.length, h_.length}, parts.q.options());
    if (keeps_ && flash_.is_on) log_sums_ = at::empty({h_.batch, h_.heads, h_.length}, parts.q.options());
    const at::Tensor mixed = at::empty({h_.batch, h_.length, h_.heads, h_.depth}, parts.q.options());
    if (on_bf16())
      forward_heads<c10::BFloat16>(mixed);
    else
      forward_heads<float>(mixed);
    if (has_deltas() && flash_.delta == FlashDelta::Unrounded) output_ = mixed.clone();
    round_output(mixed, 1.0f, pv_.fprop.arithmetic.output, {});
    if (has_deltas() && flash_.delta == FlashDelta::Rounded) output_ = mixed;
    return {mixed.view({h_.batch, h_.length, h_.heads * h_.depth})};
  }

  Tensors backward(const Tensors& gradients, const WantedGradients& wanted) override {
    PRECIPICE_CHECK(p_.defined(), "the forward pass kept nothing");
    for (const Pass pass : {Pass::Dgrad, Pass::Wgrad}) tell_products(pass);
    const auto empty = [&](std::int64_t heads) {
      return at::empty({h_.batch, h_.length, heads, h_.depth}, p_.options());
    };
    const bool packed = wanted.size() == 1;
    const Tensors results = packed ? Tensors{empty(3 * h_.heads).view({h_.batch, h_.length, -1})}
                                   : Tensors{empty(h_.heads), empty(h_.heads), empty(h_.heads)};
    const HeadParts d = HeadParts::of(results, h_);
    const at::Tensor upstream = gradients[0].contiguous().view({h_.batch, h_.length, h_.heads, h_.depth});
    const Quantized dmixed = quantized(upstream, pv_.dgrad.first);
    if (has_deltas()) deltas_ = flash_deltas(upstream, output_);
    if (on_bf16())
      backward_heads<c10::BFloat16>(dmixed, d);
    else
      backward_heads<float>(dmixed, d);
    round_gradients(results, d);
    return results;
  }

 private:
  using Pieces = std::optional<PieceQuantizer>;

  float scale() const { return static_cast<float>(1.0 / std::sqrt(static_cast<double>(h_.depth))); }
  bool on_bf16() const { return passes_on_bf16(qk_) > 0; }
  FlashSoftmax flash_softmax() const { return {flash_, pv_.fprop.first.element, h_.length, scale()}; }
  // Whether the backward pass takes deltas from the output.
  bool has_deltas() const { return keeps_ && flash_.is_on && flash_.delta != FlashDelta::Weights; }

  void tell_products(Pass pass) const {
    for (const MatmulSite* site : {&qk_site_, &pv_site_})
      if (site->products) site->products->multiply(site->site, pass, headwise_product(*site->precision));
  }

  void round_gradients(const Tensors& results, const HeadParts& d) const {
    const ElementQuantizer &to_q = qk_.dgrad.arithmetic.output, &to_k = qk_.wgrad.arithmetic.output,
                           &to_v = pv_.wgrad.arithmetic.output;
    if (results.size() == 1 && to_q == to_k && to_k == to_v) {
      round_output(results[0], 1.0f, to_q, {});
      return;
    }
    for (const auto& [x, quantizer] : {std::pair{d.q, &to_q}, {d.k, &to_k}, {d.v, &to_v}}) {
      const at::Tensor rows = can_round_in_place(x, *quantizer) ? x : x.contiguous();
      round_output(rows, 1.0f, *quantizer, {});
      if (!rows.is_same(x)) x.copy_(rows);
    }
  }

  // (B, T, H, D), as bf16 where products run on it.
  Quantized quantized(const at::Tensor& x, const Quantizer& quantizer) const {
    Quantized result = quantize(x.transpose(1, 2), quantizer, Contraction::LastAxis, {}, {}, {on_bf16(), false});
    result.values = result.values.transpose(1, 2);
    if (result.values.stride(-1) != 1) result.values = result.values.contiguous();
    return result;
  }

  // body(head, scratch) for all heads.
  template <class Number, class Body>
  void for_heads(bool backward, const Body& body) const {
    constexpr std::int64_t kTask = 1 << 18;  // scores
    const std::int64_t scores = h_.length * h_.length;
    at::parallel_for(0, h_.batch * h_.heads, std::max<std::int64_t>(1, kTask / scores),
                     [&](std::int64_t begin, std::int64_t end) {
                       Scratch<Number> scratch(h_.length, backward);
                       for (std::int64_t head = begin; head < end; ++head) body(head, scratch);
                     });
  }

  // A head of values (B, T, H, D), as rows of positions.
  template <class Number>
  MatrixSide<Number> side(const Quantized& q, std::int64_t head) const {
    const at::Tensor& x = q.values;
    return {x.const_data_ptr<Number>() + place(x, head), h_.length, h_.depth, x.stride(1), 1};
  }
  template <class Number>
  MatrixSide<Number> whole(const Number* square) const {
    return {square, h_.length, h_.length, h_.length, 1};
  }
  std::int64_t place(const at::Tensor& x, std::int64_t head) const {
    return head / h_.heads * x.stride(0) + head % h_.heads * x.stride(2);
  }

  // Where products of a tensor's numbers with those of pieces or another tensor need no look at the head.
  static bool fit(double quantum, const Quantized& other) { return products_fit_bf16(quantum, other.quantum); }

  static Pieces pieces_of(const Quantizer& quantizer) { return quantizer.is_identity() ? Pieces() : Pieces(quantizer); }
  // Rows to where a product takes them from; with the identity, which is of fp32, where they are.
  static const float* rounded_rows(Pieces& pieces, const float* in, std::int64_t size, float* out) {
    if (!pieces) return in;
    pieces->run(in, size, out);
    return out;
  }
  static const c10::BFloat16* rounded_rows(Pieces& pieces, const float* in, std::int64_t size, c10::BFloat16* out) {
    pieces->run(in, size, reinterpret_cast<std::uint16_t*>(out));
    return out;
  }

  // y = a b^T of a head, `fits` for sure or in need of a look.
  template <class Number>
  static void multiply(Scratch<Number>& s, const MatrixSide<Number>& a, const MatrixSide<Number>& b, bool fits,
                       float* y, std::int64_t y_stride, Causal causal) {
    if constexpr (std::is_same_v<Number, c10::BFloat16>)
      if (!fits) return s.exact.multiply(a, b, y, y_stride, causal);
    s.multiplier.multiply(a, b, y, y_stride, causal);
  }

  // body(rows, m) for parts m of the rows of the square a b^T (T, T): `square` has them, or there is room for 32.
  template <class Number, class Body>
  void for_rows_of(Scratch<Number>& s, const MatrixSide<Number>& a, const MatrixSide<Number>& b, bool fits,
                   float* square, const Body& body) const {
    const std::int64_t length = h_.length;
    if (std::is_same_v<Number, float> || fits) {
      s.packed.pack(b);
      for_parts(length, [&](const Range& m) {
        float* const rows = square == nullptr ? s.rows.data() : square + m.begin * length;
        multiply_rows(a.data + m.begin * a.row_stride, a.row_stride, s.packed, m.size(), {0, m.end}, {0, h_.depth},
                      rows, length);
        body(rows, m);
      });
      return;
    }
    if (square == nullptr) square = s.square(length);
    multiply(s, a, b, false, square, length, Causal::Result);
    for_parts(length, [&](const Range& m) { body(square + m.begin * length, m); });
  }

  // O = P V
  template <class Number>
  void forward_heads(const at::Tensor& mixed) {
    const PieceRounder rounder(qk_.fprop.arithmetic.output);
    const bool scores_fit = fit(q_.quantum, k_);
    float* const weights = keeps_ ? p_.mutable_data_ptr<float>() : nullptr;
    const std::int64_t length = h_.length;
    if (flash_.is_on) return forward_flash<Number>(mixed, rounder, scores_fit);
    for_heads<Number>(false, [&](std::int64_t head, Scratch<Number>& s) {
      Pieces pieces = pieces_of(pv_.fprop.first);
      const Number* p = s.p.data();
      float* const square = weights != nullptr ? weights + head * length * length : pieces ? nullptr : s.square(length);
      const auto softmax_rows = [&](float* rows, const Range& m) {
        rounder.round(rows, 0, m.size() * length);
        row_kernels().causal_softmax(rows, length, scale(), m.begin, m.end);
        const Number* p_rows = rounded_rows(pieces, rows, m.size() * length, s.p.data() + m.begin * length);
        if (m.begin == 0) p = p_rows;
      };
      for_rows_of(s, side<Number>(q_, head), side<Number>(k_, head), scores_fit, square, softmax_rows);
      multiply(s, whole(p), side<Number>(v_, head).transposed(), !pieces || fit(pieces->quantum(), v_),
               mixed.mutable_data_ptr<float>() + place(mixed, head), mixed.stride(1), Causal::FirstPast);
    });
  }

  // Weights that are not normalised, and their products with a block of values after the other (flash_softmax.h).
  template <class Number>
  void forward_flash(const at::Tensor& mixed, const PieceRounder& rounder, bool scores_fit) {
    const FlashSoftmax softmax = flash_softmax();
    float* const kept = keeps_ ? p_.mutable_data_ptr<float>() : nullptr;
    const std::int64_t length = h_.length, depth = h_.depth;
    for_heads<Number>(false, [&](std::int64_t head, Scratch<Number>& s) {
      Pieces pieces = pieces_of(pv_.fprop.first);
      OnlineRows known(length, softmax.blocks());
      std::vector<float> sums(static_cast<std::size_t>(length * depth)), product(sums.size()),
          log_sums(static_cast<std::size_t>(length));
      const auto weigh_rows = [&](float* rows, const Range& m) {
        rounder.round(rows, 0, m.size() * length);
        softmax.weigh(rows, s.weights.data(), known, m.begin, m.begin, m.end);
        Number* const p = s.p.data() + m.begin * length;
        const Number* const p_rows = rounded_rows(pieces, s.weights.data(), m.size() * length, p);
        if (p_rows != p) std::copy_n(p_rows, m.size() * length, p);
      };
      float* const square = kept == nullptr ? nullptr : kept + head * length * length;
      for_rows_of(s, side<Number>(q_, head), side<Number>(k_, head), scores_fit, square, weigh_rows);
      softmax.finish(known, keeps_ ? log_sums_.mutable_data_ptr<float>() + head * length : log_sums.data());
      const bool fits = !pieces || fit(pieces->quantum(), v_);
      const MatrixSide<Number> v = side<Number>(v_, head).transposed();
      for (std::int64_t begin = 0; begin < length; begin += softmax.block()) {
        const std::int64_t keys = std::min(softmax.block(), length - begin), rows = length - begin;
        const MatrixSide<Number> p{s.p.data() + begin * length + begin, rows, keys, length, 1},
            values{v.data + begin * v.depth_stride, depth, keys, v.row_stride, v.depth_stride};
        multiply(s, p, values, fits, product.data(), depth, Causal::FirstPast);
        softmax.add(known, begin / softmax.block(), begin, rows, depth, product.data(), sums.data() + begin * depth);
      }
      FlashSoftmax::divide(known, 0, length, depth, sums.data());
      float* const out = mixed.mutable_data_ptr<float>() + place(mixed, head);
      for (std::int64_t row = 0; row < length; ++row)
        std::copy_n(sums.data() + row * depth, depth, out + row * mixed.stride(1));
    });
  }

  // dP = dO V^T, dS from it and P, dQ = dS K, dK = dS^T Q, dV = P^T dO
  template <class Number>
  void backward_heads(const Quantized& dmixed, const HeadParts& d) {
    const PieceRounder rounder(pv_.dgrad.arithmetic.output);
    const bool dp_fits = fit(dmixed.quantum, v_);
    const float* const weights = p_.const_data_ptr<float>();
    const std::int64_t length = h_.length;
    const FlashSoftmax softmax = flash_softmax();
    const float* const deltas = has_deltas() ? deltas_.const_data_ptr<float>() : nullptr;
    for_heads<Number>(true, [&](std::int64_t head, Scratch<Number>& s) {
      Pieces p_pieces = pieces_of(pv_.fprop.first), ds_pieces = pieces_of(qk_.dgrad.first);
      const float* const p = weights + head * length * length;
      const Number* p_rounded = s.p.data();
      const auto backward_rows = [&](float* rows, const Range& m) {
        const std::int64_t size = m.size() * length, begin = m.begin * length;
        rounder.round(rows, 0, size);
        const float* of_rows = p + begin;
        if (flash_.is_on) {
          softmax.recall(of_rows, log_sums_.const_data_ptr<float>() + head * length + m.begin, s.weights.data(),
                         m.begin, m.end);
          of_rows = s.weights.data();
        }
        row_kernels().causal_softmax_backward(of_rows, rows,
                                              deltas == nullptr ? nullptr : deltas + head * length + m.begin, length,
                                              scale(), m.begin, m.end);
        Number* const ds = s.ds.data() + begin;
        const Number* ds_rows = rounded_rows(ds_pieces, rows, size, ds);
        if (ds_rows != ds) std::copy_n(ds_rows, size, ds);
        const Number* p_rows = rounded_rows(p_pieces, of_rows, size, s.p.data() + begin);
        if (flash_.is_on && p_rows != s.p.data() + begin) p_rows = std::copy_n(p_rows, size, s.p.data() + begin) - size;
        if (m.begin == 0) p_rounded = p_rows;
      };
      const auto q = side<Number>(q_, head), k = side<Number>(k_, head), v = side<Number>(v_, head),
                 dout = side<Number>(dmixed, head), ds = whole<Number>(s.ds.data());
      for_rows_of(s, dout, v, dp_fits, nullptr, backward_rows);
      const auto multiply_to = [&](const at::Tensor& x, const MatrixSide<Number>& a, const MatrixSide<Number>& b,
                                   bool fits, Causal causal) {
        multiply(s, a, b, fits, x.mutable_data_ptr<float>() + place(x, head), x.stride(1), causal);
      };
      const bool fits_k = !ds_pieces || fit(ds_pieces->quantum(), k_),
                 fits_q = !ds_pieces || fit(ds_pieces->quantum(), q_),
                 fits_dout = !p_pieces || fit(p_pieces->quantum(), dmixed);
      multiply_to(d.q, ds, k.transposed(), fits_k, Causal::FirstPast);
      multiply_to(d.k, ds.transposed(), q.transposed(), fits_q, Causal::FirstAhead);
      multiply_to(d.v, whole(p_rounded).transposed(), dout.transposed(), fits_dout, Causal::FirstAhead);
    });
  }

  Heads h_;
  MatmulSite qk_site_, pv_site_;
  const SitePrecision &qk_, &pv_;
  const FlashAttention& flash_;
  bool keeps_;
  Quantized q_, k_, v_;  // (B, T, H, D)
  at::Tensor p_;         // (B, H, T, T), before rounding; of flash attention the scores that they are made of again
  // Of flash attention: L and delta (B, H, T), and O (B, T, H, D) where delta is made of it.
  at::Tensor log_sums_, deltas_, output_;
};

}  // namespace

ProductKind headwise_product(const SitePrecision& site) {
  return {Preparation::None, Way::HeadByHead, passes_on_bf16(site) > 0 ? OperandType::Bf16 : OperandType::Fp32};
}

bool serves_headwise(const Heads& h, const MatmulSite& qk, const MatmulSite& pv) {
  if (qk.observer != nullptr || pv.observer != nullptr) return false;
  const std::size_t on_bf16 = passes_on_bf16(*qk.precision) + passes_on_bf16(*pv.precision);
  if (!has_no_scales(*qk.precision, on_bf16 > 0) || !has_no_scales(*pv.precision, on_bf16 > 0)) return false;
  const bool has_pairs = h.length % 2 == 0 && h.depth % 2 == 0;
  return h.heads == h.groups && h.batch * h.length > 0 && has_block_kernels(on_bf16 > 0) &&
         (on_bf16 == 0 || (on_bf16 == 6 && has_pairs));
}

std::unique_ptr<Operation> headwise_attention(const Heads& heads, const MatmulSite& qk, const MatmulSite& pv,
                                              bool keeps) {
  return std::make_unique<HeadwiseAttention>(heads, qk, pv, keeps);
}

}  // namespace precipice
