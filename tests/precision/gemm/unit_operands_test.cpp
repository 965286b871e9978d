// SPDX-License-Identifier: Apache-2.0
// Which operands and scales a unit of hardware takes, what native stands for, and scaled products against plain integers.
#include "precision/gemm/unit_operands.h"

#include <ATen/ops/randn.h>

#include <cmath>

#include "precision/accumulator/accumulator_presets.h"
#include "precision/base/check.h"
#include "precision/gemm/gemm.h"
#include "precision/quantize/quantize.h"
#include "tests/precision/accumulator/unit_oracle.h"
#include "tests/support/catch.h"

namespace precipice::test {
namespace {

Quantizer in_format(const char* format) {
  ElementQuantizer element;
  element.format = parse_float_format(format);
  return element;
}

Quantizer mx(const char* format, std::int64_t along = 32) {
  Quantizer q = in_format(format);
  MxScaling scaling;
  scaling.block.along = along;
  q.scaling = scaling;
  return q;
}

Quantizer nvfp4(bool row_scaled = false) {
  Quantizer q = in_format("e2m1");
  Nvfp4Scaling scaling;
  scaling.row_scaled = row_scaled;
  q.scaling = scaling;
  return q;
}

Quantizer per_tensor(const char* format) {
  Quantizer q = in_format(format);
  q.scaling = AmaxScaling{};
  return q;
}

Quantizer per_block(const char* format) {
  Quantizer q = in_format(format);
  q.scaling = BlockAmaxScaling{{1, 128}, {}};
  return q;
}

std::string refusal(const std::string& accumulator, const Quantizer& a, const Quantizer& b, bool on_operands = false) {
  GemmArithmetic arithmetic;
  arithmetic.accumulator = parse_accumulator(accumulator);
  if (on_operands) arithmetic.scales = ScalesAct::Operands;
  try {
    check_unit(arithmetic, a, b);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

TEST_CASE("a unit refuses operands and scales that its hardware cannot multiply, and says what it takes") {
  CHECK(refusal("hopper-fp8", per_tensor("e4m3"), per_tensor("e5m2")).empty());
  CHECK(refusal("hopper-fp8", per_block("e4m3"), per_block("e4m3")).empty());
  CHECK(refusal("blackwell-mxf8", mx("e4m3"), mx("e2m1")).empty());
  CHECK(refusal("blackwell-nvf4", nvfp4(), nvfp4()).empty());
  CHECK(refusal("blackwell-mxf4", mx("e2m1"), mx("e2m1", 16)).empty());
  CHECK(refusal("tensor-core:align=operands,bits=10", in_format("e8m3"), Quantizer()).empty());
  struct Case {
    std::string message;
    const char* part;
  };
  const Case cases[] = {
      {refusal("hopper-fp8:promote=128", in_format("fp16"), in_format("e4m3")),
       "accumulator hopper-fp8:promote=128 multiplies e4m3 or e5m2, not fp16 x e4m3"},
      {refusal("ada-fp8", in_format("e4m3"), in_format("e8m3")),
       "accumulator ada-fp8 multiplies e4m3 or e5m2, not e4m3 x e8m3"},
      {refusal("hopper-bf16", Quantizer(), in_format("bf16")),
       "accumulator hopper-bf16 multiplies bf16, not fp32 x bf16"},
      {refusal("cdna3-fp8", in_format("e4m3"), in_format("e4m3")), "multiplies e4m3fnuz or e5m2fnuz"},
      {refusal("blackwell-mxf8", mx("e4m3"), per_tensor("e4m3")), "takes E8M0 scales for blocks of whole 32 along K"},
      {refusal("blackwell-mxf8", mx("e4m3", 16), mx("e4m3", 16)), "takes E8M0 scales for blocks of whole 32 along K"},
      {refusal("blackwell-nvf4", mx("e2m1"), mx("e2m1")), "takes E4M3 scales for blocks of whole 16 along K"},
      {refusal("blackwell-nvf4", nvfp4(true), nvfp4()), "under one scale of the tensor"},
      {refusal("hopper-fp8:split=2", per_block("e4m3"), per_block("e4m3")),
       "takes scales that stay the same along K, with split"},
      {refusal("hopper-fp8", per_tensor("e4m3"), per_tensor("e4m3"), true),
       "scales=operand makes fp32 numbers of them"}};
  for (const Case& c : cases) {
    INFO(c.message);
    CHECK(c.message.find(c.part) != std::string::npos);
    CHECK(c.message.find('\n') == std::string::npos);
  }
}

TEST_CASE("native is the unit of the hardware that multiplies the operands") {
  const auto native = [](const std::string& spelling, const Quantizer& a, const Quantizer& b) {
    return short_name(resolved_accumulator(parse_accumulator(spelling), a, b));
  };
  const std::string hopper = "native:hardware=hopper", blackwell = "native:hardware=blackwell";
  CHECK(native(hopper, per_tensor("e4m3"), per_tensor("e5m2")) == "hopper-fp8:promote=128");
  CHECK(native(hopper + ",promote=0", per_tensor("e4m3"), per_tensor("e5m2")) == "hopper-fp8");
  CHECK(native(hopper, in_format("bf16"), in_format("e8m3")) == "hopper-bf16");
  CHECK(native(hopper, in_format("fp16"), in_format("fp16")) == "hopper-fp16");
  CHECK(native(hopper, in_format("tf32"), in_format("tf32")) == "hopper-tf32");
  CHECK(native(hopper, Quantizer(), in_format("bf16")) == "library");
  CHECK(native(blackwell, mx("e4m3"), mx("e5m2")) == "blackwell-mxf8");
  CHECK(native(blackwell, mx("e2m1"), mx("e2m1")) == "blackwell-mxf4");
  CHECK(native(blackwell, nvfp4(), nvfp4()) == "blackwell-nvf4");
  CHECK(native(blackwell, per_tensor("e4m3"), per_tensor("e4m3")) == "blackwell-fp8");
  CHECK(native("native:hardware=ada", per_tensor("e4m3"), per_tensor("e4m3")) == "ada-fp8:promote=128");
  CHECK(native("native:hardware=ampere", per_tensor("e4m3"), per_tensor("e4m3")) == "ampere-bf16");
  CHECK(native("native:hardware=cdna3", in_format("e4m3fnuz"), in_format("e5m2fnuz")) == "cdna3-fp8");
  CHECK(native("hopper-fp8", in_format("fp16"), in_format("fp16")) == "hopper-fp8");
  CHECK_THROWS_WITH(native("native", in_format("bf16"), in_format("bf16")), Catch::Contains("native:hardware="));
}

// One output of quantized operands by the oracle: elements, the scales of their blocks, and what is left at the end.
float oracle_of(const Quantized& a, const Quantized& b, std::int64_t m, std::int64_t n, int scale_block) {
  const std::int64_t k = a.values.size(1);
  UnitOperands x{{}, {}, a.format.emin(), b.format.emin(), {}, {}, scale_block};
  const auto at = [](const at::Tensor& t, std::int64_t row, std::int64_t column) {
    return t.const_data_ptr<float>()[row * t.stride(0) + column * t.stride(1)];
  };
  for (std::int64_t i = 0; i < k; ++i) x.a.push_back(at(a.values, m, i)), x.b.push_back(at(b.values, n, i));
  // NVFP4's scales are E4M3 numbers times the tensor's.
  const auto block_scale = [](float scale, float outer) {
    return outer == 1.0f ? scale
                         : round_to_format<Rounding::NearestEven>(
                               scale / outer, prepare(parse_float_format("e4m3"), Overflow::Saturate));
  };
  for (std::int64_t i = 0; i < k; i += scale_block) {
    x.scales_a.push_back(block_scale(at(a.scales, m / a.block_rows, i / scale_block), a.outer));
    x.scales_b.push_back(block_scale(at(b.scales, n / b.block_rows, i / scale_block), b.outer));
  }
  if (scale_block == 16) return a.outer * b.outer * UnitOracle::nvf4(x, 0.0f);
  return UnitOracle::tensor_core({32, 25, 23, -133}, x, 0.0f);
}

TEST_CASE("products of quantized tensors on Blackwell's units are those of plain integers with their blocks' scales") {
  const at::Tensor x = at::randn({5, 192}).mul(3.0), w = at::randn({7, 192}).mul(0.02);
  for (const bool is_nvfp4 : {false, true}) {
    const Quantizer quantizer = is_nvfp4 ? nvfp4() : mx("e4m3");
    const Quantized a = quantize(x, quantizer, Contraction::LastAxis, {}),
                    b = quantize(w, quantizer, Contraction::LastAxis, {});
    GemmArithmetic arithmetic;
    arithmetic.accumulator = parse_accumulator(is_nvfp4 ? "blackwell-nvf4" : "blackwell-mxf8");
    const at::Tensor y = gemm(a, b, {}, arithmetic, {});
    for (std::int64_t m = 0; m < 5; ++m) {
      for (std::int64_t n = 0; n < 7; ++n) {
        CAPTURE(is_nvfp4, m, n);
        const float expected = oracle_of(a, b, m, n, is_nvfp4 ? 16 : 32);
        CHECK(same(y.const_data_ptr<float>()[m * 7 + n], expected));
        CHECK(same(trace_gemm(a, b, arithmetic, m, n).result, expected));
      }
    }
  }
}

}  // namespace
}  // namespace precipice::test
