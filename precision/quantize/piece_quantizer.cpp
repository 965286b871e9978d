// SPDX-License-Identifier: Apache-2.0
#include "precision/quantize/piece_quantizer.h"

#include "precision/base/check.h"
#include "precision/kernels/isa.h"

namespace precipice {
namespace {

QuantizeCall call_of(const ElementQuantizer& e, float scale, const RandomKey& key) {
  QuantizeCall call = prepare_call(static_cast<const float*>(nullptr), nullptr, 0, e, scale, key, 0);
  call.count = false;
  return call;
}

}  // namespace

PieceRounder::PieceRounder(const ElementQuantizer& element, float scale, const RandomKey& key)
    : rounds_(!element.is_identity()), is_identity_(!rounds_ && scale == 1.0f), call_(call_of(element, scale, key)) {}

PieceRounder PieceRounder::with_scale(float scale) const {
  PieceRounder other = *this;
  other.is_identity_ = !rounds_ && scale == 1.0f;
  other.call_.scale = scale;
  return other;
}

std::optional<QuantizeCall> PieceRounder::call(float* data, std::int64_t begin, std::int64_t size) const {
  if (is_identity_) return std::nullopt;
  QuantizeCall call = call_;
  call.in = call.out = data + begin;
  call.size = size;
  call.first_element = static_cast<std::uint64_t>(begin);
  return call;
}

void PieceRounder::round(float* data, std::int64_t begin, std::int64_t size) const {
  if (const std::optional<QuantizeCall> one = call(data, begin, size)) active_kernels().quantize(*one);
}

bool PieceQuantizer::serves(const Quantizer& quantizer) {
  return !quantizer.is_scaled() && !is_stochastic(quantizer.element.rounding) && !quantizer.hadamard &&
         !quantizer.element.range && quantizer.arithmetic == Arithmetic::Te;
}

PieceQuantizer::PieceQuantizer(const Quantizer& quantizer)
    : call_(call_of(quantizer.element, 1.0f, {})), quantum_(quantizer.element.format) {
  PRECIPICE_CHECK(serves(quantizer), to_string(quantizer.element.format), " has no pieces");
}

void PieceQuantizer::run(QuantizeCall call, const float* in, std::int64_t size) {
  std::uint32_t smallest = ~0u;
  call.in = in;
  call.size = size;
  if (call.packed != nullptr && quantum_.depends_on_results()) call.smallest_result = &smallest;
  active_kernels().quantize(call);
  quantum_.record(smallest);
}

void PieceQuantizer::run(const float* in, std::int64_t size, float* out) {
  QuantizeCall call = call_;
  call.out = out;
  run(call, in, size);
}

void PieceQuantizer::run(const float* in, std::int64_t size, std::uint16_t* packed) {
  QuantizeCall call = call_;
  call.packed = packed;
  run(call, in, size);
}

}  // namespace precipice
