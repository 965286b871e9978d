// SPDX-License-Identifier: Apache-2.0
// gemm(): one product of two quantized operands on an emulated accumulator, scaled, with its bias, and rounded.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <fmt/format.h>

#include <cmath>
#include <optional>
#include <string>

#include "precision/base/check.h"
#include "precision/gemm/emulated_product.h"
#include "precision/gemm/unit_operands.h"
#include "precision/quantize/piece_quantizer.h"
#include "precision/rounding/random_streams.h"
#include "python/numerics/core/quantize_slot.h"
#include "train/recipes/describe.h"
#include "train/recipes/recipe_settings.h"

namespace precipice::python {
namespace {

constexpr std::int64_t kGrain = 32768;  // elements

// The GEMMs of a linear: a recipe's, or of numbers that are their formats' already.
struct Linear {
  SitePrecision precision;
  bool as_given = false;
};

void check_pass(const GemmPrecision& gemm) {
  validate(gemm.arithmetic.output);
  validate(gemm.arithmetic.accumulator);
  check_unit(gemm.arithmetic, gemm.first, gemm.second);
}

ElementQuantizer result_quantizer(const std::string& text) {
  ElementQuantizer output;
  output.format = parse_float_format(text);
  if (!output.format.is_fp32()) output.overflow = Overflow::Native;
  return output;
}

template <class Site>
void set_result(Site& site, const std::string& result) {
  if (result.empty()) return;
  for (auto* gemm : {&site.fprop, &site.dgrad, &site.wgrad}) gemm->arithmetic.output = result_quantizer(result);
}

// As the keys precision.recipe and precision.accumulator set the linears of a run.
Linear linear_of_recipe(const std::string& recipe, const std::string& accumulator, const std::string& result) {
  SiteSettings site = make_recipe_settings(recipe).linear;
  if (!accumulator.empty())
    for (GemmSettings* gemm : {&site.fprop, &site.dgrad, &site.wgrad})
      gemm->arithmetic.accumulator = parse_accumulator(accumulator);
  set_result(site, result);
  Linear linear{site_precision(site, find_recipe(recipe_name(recipe)).native)};
  for (const Pass pass : kAllPasses) check_pass(linear.precision.pass(pass));
  return linear;
}

Linear linear_of_formats(const std::string& first, const std::string& second, const std::string& accumulator,
                         const std::string& result) {
  const auto quantizer = [](const std::string& text) {
    ElementQuantizer element;
    element.format = parse_float_format(text);
    element.overflow = Overflow::Native;
    return Quantizer(element);
  };
  GemmPrecision gemm{quantizer(first), quantizer(second), {}};
  gemm.arithmetic.accumulator = resolved_accumulator(parse_accumulator(accumulator), gemm.first, gemm.second);
  Linear linear{{gemm, gemm, gemm}, true};
  set_result(linear.precision, result);
  for (const Pass pass : kAllPasses) check_pass(linear.precision.pass(pass));
  return linear;
}

// Numbers that are not their format's would be rounded unasked.
void check_numbers(const Matrix<const float>& x, const FloatFormat& format, const std::vector<float>& rounded,
                   const char* name) {
  const auto size = static_cast<std::int64_t>(x.size());
  for (std::int64_t i = 0; i < size; ++i) {
    const float given = x.data()[i], held = rounded[static_cast<std::size_t>(i)];
    if (given != held && !(std::isnan(given) && std::isnan(held)))
      throw ConfigError(
          fmt::format("element ({}, {}) of {} is {:.9g}, which {} has not: operands= takes numbers of the formats",
                      i / cols_of(x), i % cols_of(x), name, given, to_string(format)));
  }
}

// An operand as quantized, and where its product finds it.
struct Operand {
  std::int64_t rows = 0, cols = 0;  // as a model holds it
  int contraction = 1;
  std::vector<float> values;
  QuantizedMatrix quantized;
  bool has_blocks = false;  // scales are not the tensor's one

  ScaleLayout layout() const {
    const BlockGrid& grid = quantized.grid;
    if (!has_blocks) return quantized.scales[0] == 1.0f ? ScaleLayout::None : ScaleLayout::Tensor;
    return (contraction == 1 ? grid.grid_cols : grid.grid_rows) > 1 ? ScaleLayout::BlocksOfK : ScaleLayout::Rows;
  }

  UnitOperand on_unit() const {
    const bool along_rows = contraction == 1;
    const BlockGrid& grid = quantized.grid;
    UnitOperand unit;
    unit.rows = along_rows ? rows : cols, unit.k = along_rows ? cols : rows;
    unit.numbers = {values.data(), along_rows ? cols : 1, along_rows ? 1 : cols, {quantized.scales.data(), 1, 0, 0}};
    if (has_blocks) {
      const std::int64_t blocks_of_k = along_rows ? grid.grid_cols : grid.grid_rows;
      unit.numbers.scales = {quantized.scales.data(), along_rows ? grid.block_rows : grid.block_cols,
                             along_rows ? grid.grid_cols : 1, along_rows ? 1 : grid.grid_cols};
      if (blocks_of_k == 1) unit.numbers.scales.block_stride = 0;
      unit.block_k = blocks_of_k > 1 ? (along_rows ? grid.block_cols : grid.block_rows) : 0;
    }
    unit.outer = quantized.outer;
    unit.format = quantized.format;
    return unit;
  }

  // Values times scales in fp32, which has no scale after that.
  void dequantize() {
    const BlockGrid& grid = quantized.grid;
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = 0; c < cols; ++c)
        values[static_cast<std::size_t>(r * cols + c)] *= quantized.scales[static_cast<std::size_t>(
            has_blocks ? r / grid.block_rows * grid.grid_cols + c / grid.block_cols : 0)];
    has_blocks = false;
    quantized.scales = {1.0f};
    quantized.outer = 1.0f;
    quantized.format = {};
  }
};

struct ProductCall {
  const Linear& linear;
  Pass pass;
  RandomKey key;  // its operand is set for each slot
  SlotStates states;
  bool evaluation;
  Threads threads;

  RandomKey key_of_slot(Slot slot) const {
    return random_key(evaluation ? kEvaluationStream : kMatmulStream, key.seed, key.step, key.site,
                      static_cast<std::uint16_t>(slot));
  }
};

Operand quantize_operand(const ProductCall& call, MatmulOperand which, const Matrix<const float>& x) {
  const OperandSlot slot = *slot_of(call.pass, which);
  const GemmPrecision& precision = call.linear.precision.pass(call.pass);
  Operand operand{rows_of(x), cols_of(x), slot.contraction, std::vector<float>(x.size()), {}};
  const SlotQuantizer quantizer{slot.is_first ? precision.first : precision.second, slot.contraction, slot.slot};
  operand.quantized = quantize_slot(quantizer, x.data(), operand.rows, operand.cols, {operand.values.data(), nullptr},
                                    call.key_of_slot(slot.slot), call.states, call.threads);
  operand.has_blocks = !is_one_scale(quantizer.quantizer.scaling);
  if (call.linear.as_given) {
    check_numbers(x, operand.quantized.format, operand.values,
                  slot.is_first ? "the first operand" : "the second operand");
    std::copy_n(x.data(), x.size(), operand.values.data());
  }
  return operand;
}

void add_and_round(const ProductCall& call, const float* bias, float* out, std::int64_t rows, std::int64_t cols) {
  if (bias != nullptr)
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = 0; c < cols; ++c) out[r * cols + c] += bias[c];
  const ElementQuantizer& output = call.linear.precision.pass(call.pass).arithmetic.output;
  const PieceRounder rounder(output, 1.0f, call.key_of_slot(output_of(call.pass)));
  call.threads(rows * cols, kGrain,
               [&](std::int64_t begin, std::int64_t end) { rounder.round(out, begin, end - begin); });
}

void multiply(const ProductCall& call, Operand& a, Operand& b, const float* bias, float* out) {
  const GemmArithmetic& arithmetic = call.linear.precision.pass(call.pass).arithmetic;
  const Accumulator& accumulator = arithmetic.accumulator;
  const OperandKind kind_a{false, 0, a.layout()}, kind_b{false, 0, b.layout()};
  if (choose_preparation(kind_a, kind_b, arithmetic.scales, true) == Preparation::Dequantized)
    for (Operand* operand : {&a, &b}) operand->dequantize();
  for (Operand* operand : {&a, &b}) {
    std::vector<float>& scales = operand->quantized.scales;
    if (operand->has_blocks && takes_blocks_alone(accumulator, operand->quantized.outer))
      without_outer_scale(scales.data(), static_cast<std::int64_t>(scales.size()), operand->quantized.outer,
                          scales.data());
  }
  EmulatedGemm product = emulated_product(a.on_unit(), b.on_unit(), accumulator);
  product.out = out;
  product.out_stride = product.n;
  product.key = call.key_of_slot(output_of(call.pass));
  product.elements = static_cast<std::uint64_t>(product.m * product.n);
  gemm_emulated(product, [&](std::int64_t items, const auto& body) { call.threads(items, 1, body); });
  add_and_round(call, bias, out, product.m, product.n);
}

void gemm(const Linear& linear, const std::string& pass_name, const Matrix<const float>& first,
          const Matrix<const float>& second, const std::optional<Vector<const float>>& bias, const Matrix<float>& out,
          const Stream& stream, bool evaluation, ScaleStates* states, int threads) {
  const Pass pass = parse_pass(pass_name);
  const Accumulator& accumulator = linear.precision.pass(pass).arithmetic.accumulator;
  if (accumulator.kind == AccumulatorKind::Fp32)
    throw ConfigError({"", 0, "accumulator", "library"},
                      "leaves sums to the program's matrix library and its order, which is not here; fp32 sums in the "
                      "order of k, and precipice with accumulator=fp32 has the same bits");
  const RandomKey key = key_of(stream);
  const ProductCall call{linear, pass, key, {states, key.site, !evaluation}, evaluation, Threads{threads}};
  const float* added = bias ? bias->data() : nullptr;
  float* to = out.data();
  const nb::gil_scoped_release unlocked;
  Operand a = quantize_operand(call, pass == Pass::Fprop ? MatmulOperand::X : MatmulOperand::Dy, first);
  Operand b = quantize_operand(call, pass == Pass::Wgrad ? MatmulOperand::X : MatmulOperand::W, second);
  multiply(call, a, b, added, to);
}

std::string describe_pass(const Linear& linear, const std::string& pass) {
  const GemmPrecision& gemm = linear.precision.pass(parse_pass(pass));
  return fmt::format("{}  x  {}  ->  {}", describe(gemm.first), describe(gemm.second), describe(gemm.arithmetic));
}

}  // namespace

void add_products(nb::module_& m) {
  nb::class_<Linear>(m, "Linear")
      .def_static("of_recipe", &linear_of_recipe)
      .def_static("of_formats", &linear_of_formats)
      .def("quantizer", [](const Linear& linear, const std::string& gemm,
                           const std::string& operand) { return slot_quantizer(linear.precision, gemm, operand); })
      .def("describe", &describe_pass)
      .def("gemm", &gemm, nb::arg("gemm"), nb::arg("first"), nb::arg("second"), nb::arg("bias").none(), nb::arg("out"),
           nb::arg("stream"), nb::arg("evaluation"), nb::arg("states").none(), nb::arg("threads"));
}

}  // namespace precipice::python
