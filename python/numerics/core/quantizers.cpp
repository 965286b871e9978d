// SPDX-License-Identifier: Apache-2.0
// Recipes' quantizers: values on the grid, scales, events, and the state of delayed scales.
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <fmt/format.h>

#include <cstring>

#include "precision/base/check.h"
#include "precision/format/quantum.h"
#include "precision/kernels/quantize_isa.h"
#include "precision/quantize/quantize_task.h"
#include "python/numerics/core/quantize_slot.h"
#include "train/recipes/describe.h"
#include "train/recipes/recipes.h"

namespace precipice::python {
namespace {

constexpr std::int64_t kGrain = std::int64_t{1} << 16;

void copy_values(const float* in, std::int64_t size, const MatrixTarget& out, const Threads& threads) {
  threads(size, kGrain, [&](std::int64_t begin, std::int64_t end) {
    if (out.values != in)
      std::memcpy(out.values + begin, in + begin, static_cast<std::size_t>(end - begin) * sizeof(float));
  });
}

const SitePrecision& site_named(const RecipeChoice& choice, const std::string& site) {
  if (site == "linear") return choice.linear;
  if (site == "attention") return choice.attention;
  if (site == "lm_head") return choice.lm_head;
  throw ConfigError({"", 0, "site", site}, "must be linear, attention or lm_head");
}

nb::object block_of_slot(const SlotQuantizer& slot) {
  const BlockShape* block = block_of(slot.quantizer.scaling);
  if (block == nullptr) return nb::none();
  const bool along_rows = slot.contraction == 1;
  return nb::make_tuple(along_rows ? block->across : block->along, along_rows ? block->along : block->across);
}

// values, scales (grid rows x grid columns), multipliers, events, outer
nb::tuple quantized_tuple(QuantizedMatrix&& result) {
  const BlockGrid& grid = result.grid;
  return nb::make_tuple(new_matrix(std::move(result.scales), grid.grid_rows, grid.grid_cols),
                        new_matrix(std::move(result.multipliers), grid.grid_rows, grid.grid_cols),
                        events_tuple(result.events), result.outer);
}

QuantizedMatrix run(const SlotQuantizer& given, const Matrix<const float>& x, const MatrixTarget& out, bool is_bf16,
                    const Stream& stream, ScaleStates* states, int threads) {
  SlotQuantizer slot = given;
  // Tensors of a system whose tensors are bf16: what microxcaling's arithmetic, for one, looks at.
  if (is_bf16 && !slot.quantizer.is_identity()) slot.quantizer.element.through_bf16 = true;
  validate(slot.quantizer);
  const float* in = x.data();
  const RandomKey key = key_of(stream);
  const nb::gil_scoped_release unlocked;
  return quantize_slot(slot, in, rows_of(x), cols_of(x), out, key, {states, key.site}, Threads{threads});
}

nb::tuple quantize_values(const SlotQuantizer& slot, const Matrix<const float>& x, const Matrix<float>& out,
                          bool is_bf16, const Stream& stream, ScaleStates* states, int threads) {
  return quantized_tuple(run(slot, x, {out.data(), nullptr}, is_bf16, stream, states, threads));
}
nb::tuple quantize_packed(const SlotQuantizer& slot, const Matrix<const float>& x, const Matrix<std::uint16_t>& out,
                          bool is_bf16, const Stream& stream, ScaleStates* states, int threads) {
  if (!fits_bf16(slot.quantizer.element.format))
    throw ConfigError(to_string(slot.quantizer.element.format) + " has numbers that bfloat16 has not; ask for float32");
  if (slot.quantizer.is_identity() || slot.quantizer.hadamard)
    throw ConfigError("values that are rotated, or not rounded, are float32; ask for that");
  return quantized_tuple(run(slot, x, {nullptr, out.data()}, is_bf16, stream, states, threads));
}

void dequantize(const SlotQuantizer& slot, const Matrix<const float>& values, const Matrix<const float>& scales,
                const Matrix<const float>& multipliers, const Matrix<float>& out) {
  const MatrixShape shape{rows_of(values), cols_of(values), slot.contraction};
  const float *from = values.data(), *by = scales.data(), *were = multipliers.data();
  float* to = out.data();
  const nb::gil_scoped_release unlocked;
  if (!slot.quantizer.is_identity()) return dequantize_matrix(from, shape, slot.quantizer, by, were, to);
  std::memcpy(to, from, static_cast<std::size_t>(shape.rows * shape.cols) * sizeof(float));
}

}  // namespace

Pass parse_pass(const std::string& gemm) {
  return parse_spelling("gemm", gemm, kPassNames);
}

SlotQuantizer slot_quantizer(const SitePrecision& site, const std::string& gemm, const std::string& operand) {
  const Pass pass = parse_pass(gemm);
  const auto slot = slot_of(pass, parse_spelling("operand", operand, kMatmulOperands));
  if (!slot)
    throw ConfigError(
        fmt::format("{} has no operand {}: fprop has x and w, dgrad dy and w, wgrad dy and x", gemm, operand));
  const GemmPrecision& precision = site.pass(pass);
  return {slot->is_first ? precision.first : precision.second, slot->contraction, slot->slot};
}

QuantizedMatrix quantize_slot(const SlotQuantizer& slot, const float* in, std::int64_t rows, std::int64_t cols,
                              const MatrixTarget& out, const RandomKey& key, const SlotStates& states,
                              const Threads& threads) {
  const Quantizer& q = slot.quantizer;
  const std::int64_t size = rows * cols;
  QuantizedMatrix result;
  result.format = q.element.format;
  if (q.is_identity()) {
    copy_values(in, size, out, threads);
    result.scales = result.multipliers = {1.0f};
    return result;
  }
  const auto number = static_cast<std::uint16_t>(slot.slot);
  const bool is_delayed = q.scaling_if<DelayedScaling>() != nullptr;
  ScaleStates first_step;
  ScaleStates& scales = states.states != nullptr ? *states.states : first_step;
  ScaleState state;
  if (is_delayed) state = scales.scale_for(states.site, number, q, ScaleStates::needs_amax(q) ? amax(in, size) : 0.0f);
  QuantizeTask task(q, {rows, cols, slot.contraction}, state);
  result.grid = task.grid();
  result.scales.assign(static_cast<std::size_t>(result.grid.count()), 1.0f);
  result.multipliers = result.scales;
  MatrixOutputs outputs{out.values, result.scales.data(), result.multipliers.data(), out.packed};
  outputs.stream = in != out.values && !q.hadamard && size * (out.packed != nullptr ? 2 : 4) >= kStreamedBytes;
  result.events = task.run(in, key, std::nullopt, outputs, threads);
  result.outer = outer_scale_of(q, result.events.amax);
  if (is_delayed && states.records) scales.record_amax(states.site, number, result.events.amax);
  return result;
}

void add_quantizers(nb::module_& m) {
  nb::class_<SlotQuantizer>(m, "Quantizer")
      .def_prop_ro("description", [](const SlotQuantizer& s) { return describe(s.quantizer); })
      .def_prop_ro("format", [](const SlotQuantizer& s) { return to_string(s.quantizer.element.format); })
      .def_prop_ro("rounding", [](const SlotQuantizer& s) { return to_string(s.quantizer.element.rounding); })
      .def_prop_ro("granularity", [](const SlotQuantizer& s) { return granularity_word(s.quantizer.scaling); })
      .def_prop_ro("block", &block_of_slot)
      .def_prop_ro("axis", [](const SlotQuantizer& s) { return s.contraction - 2; })
      .def_prop_ro("operand", [](const SlotQuantizer& s) { return static_cast<int>(s.slot); })
      .def_prop_ro("is_identity", [](const SlotQuantizer& s) { return s.quantizer.is_identity(); })
      .def_prop_ro("is_delayed",
                   [](const SlotQuantizer& s) { return s.quantizer.scaling_if<DelayedScaling>() != nullptr; })
      .def_prop_ro("is_stochastic", [](const SlotQuantizer& s) { return is_stochastic(s.quantizer.element.rounding); })
      .def_prop_ro("is_rotated", [](const SlotQuantizer& s) { return s.quantizer.hadamard; })
      .def("quantize", &quantize_values, nb::arg("x"), nb::arg("out"), nb::arg("is_bf16"), nb::arg("stream"),
           nb::arg("states").none(), nb::arg("threads"))
      .def("quantize", &quantize_packed, nb::arg("x"), nb::arg("out"), nb::arg("is_bf16"), nb::arg("stream"),
           nb::arg("states").none(), nb::arg("threads"))
      .def("dequantize", &dequantize);
  m.def("quantizer",
        [](const std::string& recipe, const std::string& site, const std::string& gemm, const std::string& operand) {
          return slot_quantizer(site_named(make_recipe(recipe), site), gemm, operand);
        });

  nb::class_<ScaleStates>(m, "ScaleStates")
      .def(nb::init<>())
      .def("end_step", &ScaleStates::end_step)
      .def("save", &ScaleStates::save)
      .def("restore", [](ScaleStates& states, const std::string& name, const std::vector<float>& values) {
        if (!ScaleStates::is_saved_name(name)) throw DataError(name + " is not the name of a delayed scale");
        states.restore(name, values);
      });
}

}  // namespace precipice::python
