// SPDX-License-Identifier: Apache-2.0
// precipice gemm: one product in a pipe, of a recipe's operands or of numbers as they are, and --explain.
#include <ATen/ops/empty.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <memory>

#include "experiments/cli/commands.h"
#include "experiments/cli/shapes.h"
#include "experiments/console/console.h"
#include "experiments/console/descriptor_io.h"
#include "experiments/console/lost_output.h"
#include "experiments/formats/explain_report.h"
#include "precision/base/check.h"
#include "precision/base/parse_number.h"
#include "precision/base/spellings.h"
#include "precision/format/quantum.h"
#include "precision/gemm/gemm.h"
#include "precision/gemm/unit_operands.h"
#include "precision/policy/slot.h"
#include "precision/quantize/quantize.h"
#include "precision/rounding/random_streams.h"
#include "precision/scaling/scale_states.h"
#include "train/recipes/recipes.h"

namespace precipice {
namespace {

struct GemmOptions {
  std::string recipe = "fp32", gemm = "fprop", accumulator, operands, result, explain, shape;
  std::uint64_t seed = 0;
};

void read_matrix(const at::Tensor& matrix, const char* what) {
  auto* at = static_cast<char*>(matrix.mutable_data_ptr());
  std::size_t done = 0;
  while (done < matrix.nbytes()) {
    const std::size_t got = read_some(STDIN_FILENO, at + done, matrix.nbytes() - done);
    if (got == 0)
      throw DataError(fmt::format("standard input ends in {} after {} of {} bytes", what, done, matrix.nbytes()));
    done += got;
  }
}

// "A,B", numbers or words.
std::pair<std::string, std::string> parse_pair(const char* option, const std::string& text, const char* example) {
  const std::size_t comma = text.find(',');
  if (comma == std::string::npos || text.find(',', comma + 1) != std::string::npos)
    throw ConfigError({kCommandLine, 0, option, text}, fmt::format("must be two, such as {}", example));
  return {text.substr(0, comma), text.substr(comma + 1)};
}

FloatFormat parse_operand_format(const std::string& text) {
  try {
    return parse_float_format(text);
  } catch (const ConfigError& error) {
    throw ConfigError({kCommandLine, 0, "--operands", text}, error.problem());
  }
}

// Numbers that are their format's already: nothing is rounded or scaled.
Quantized as_they_are(const at::Tensor& x, const FloatFormat& format, const char* what) {
  ElementQuantizer element;
  element.format = format;
  element.overflow = Overflow::Native;
  const Quantized rounded = quantize(x, element, Contraction::LastAxis, {});
  const auto* given = x.const_data_ptr<float>();
  const at::Tensor values = rounded.values.contiguous();
  const auto* held = values.const_data_ptr<float>();
  for (std::int64_t i = 0; i < x.numel(); ++i)
    if (given[i] != held[i] && !(std::isnan(given[i]) && std::isnan(held[i])))
      throw DataError(fmt::format("value {} of {} is {:.9g}, which {} has not: --operands takes numbers of the formats",
                                  i, what, given[i], to_string(format)));
  Quantized result;
  result.values = x;
  result.format = format;
  result.quantum = static_cast<float>(quantum_of(format));
  return result;
}

// A GEMM's two operands by their names, in the order in which they are read.
struct PassOperands {
  MatmulOperand first, second;
};
PassOperands operands_of(Pass pass) {
  return {pass == Pass::Fprop ? MatmulOperand::X : MatmulOperand::Dy,
          pass == Pass::Wgrad ? MatmulOperand::X : MatmulOperand::W};
}

struct Product {
  GemmPrecision precision;
  Quantized first, second;
};

GemmPrecision precision_of(const GemmOptions& options) {
  const Pass pass = parse_spelling("--gemm", options.gemm, kPassNames);
  GemmPrecision precision = make_recipe(options.recipe).linear.pass(pass);
  if (!options.operands.empty()) {
    const auto [x, w] = parse_pair("--operands", options.operands, "e4m3,e5m2");
    precision = {};
    precision.first.element.format = parse_operand_format(x);
    precision.second.element.format = parse_operand_format(w);
  }
  if (!options.accumulator.empty()) {
    const Accumulator accumulator = named_accumulator(parse_accumulator(options.accumulator),
                                                      find_recipe(recipe_name(options.recipe)).native, pass);
    precision.arithmetic.accumulator = resolved_accumulator(accumulator, precision.first, precision.second);
  }
  if (!options.result.empty()) {
    precision.arithmetic.output = {};
    if (options.result != "fp32") {
      if (options.result != "bf16" && options.result != "fp16")
        throw ConfigError({kCommandLine, 0, "--result", options.result}, "must be one of fp32, bf16, fp16");
      precision.arithmetic.output.format = parse_float_format(options.result);
      precision.arithmetic.output.overflow = Overflow::Native;
    }
  }
  check_unit(precision.arithmetic, precision.first, precision.second);
  if (!options.explain.empty() && precision.arithmetic.accumulator.kind == AccumulatorKind::Fp32)
    throw ConfigError({kCommandLine, 0, "--explain", options.explain},
                      "the library's sums have an order of its own; give --accumulator, such as fp32");
  return precision;
}

// One operand of a product that sums over `depth`, as a model holds it, and quantized.
class OperandReader {
 public:
  OperandReader(const GemmOptions& options, Pass pass) : options_(options), pass_(pass) {}

  Quantized read(MatmulOperand operand, std::int64_t rows, std::int64_t depth, const Quantizer& quantizer) const {
    const OperandSlot slot = *slot_of(pass_, operand);
    const bool along_rows = slot.contraction == 1;
    const at::Tensor x = along_rows ? at::empty({rows, depth}, at::TensorOptions(at::kFloat))
                                    : at::empty({depth, rows}, at::TensorOptions(at::kFloat));
    const std::string name = spelling_of(operand, kMatmulOperands);
    read_matrix(x, name.c_str());
    if (!options_.operands.empty()) {
      const Quantized given = as_they_are(x, quantizer.element.format, name.c_str());
      return along_rows ? given : given.transposed();
    }
    // Delayed scales as in a run's first step, where MS-AMP looks at the tensor.
    const float amax = ScaleStates::needs_amax(quantizer) ? amax_of(x) : 0.0f;
    const ScaleState state = ScaleStates().scale_for(0, static_cast<std::uint16_t>(slot.slot), quantizer, amax);
    return quantize(x, quantizer, along_rows ? Contraction::LastAxis : Contraction::AxisBefore, key(slot.slot), state);
  }
  RandomKey key(Slot slot) const {
    return random_key(kMatmulStream, options_.seed, 0, 0, static_cast<std::uint16_t>(slot));
  }

 private:
  const GemmOptions& options_;
  Pass pass_;
};

int explain(const GemmOptions& options, const std::vector<std::int64_t>& shape, const Product& product) {
  const auto [row, column] = parse_pair("--explain", options.explain, "0,0");
  const auto m = parse_number<std::int64_t>(row), n = parse_number<std::int64_t>(column);
  if (!m || !n || *m < 0 || *n < 0 || *m >= shape[0] || *n >= shape[1])
    throw ConfigError({kCommandLine, 0, "--explain", options.explain},
                      fmt::format("must be ROW,COLUMN from 0,0 to {},{}", shape[0] - 1, shape[1] - 1));
  print_result(explain_report(product.first, product.second, product.precision.arithmetic, *m, *n));
  return kSuccess;
}

int multiply(const GemmOptions& options) {
  const std::vector<std::int64_t> shape = parse_shape(options.shape, 3);
  check_size(options.shape, shape[0], shape[2]), check_size(options.shape, shape[1], shape[2]),
      check_size(options.shape, shape[0], shape[1]);
  const GemmPrecision precision = precision_of(options);  // before anything is read
  const bool explains = !options.explain.empty();
  if (isatty(STDIN_FILENO) == 1 || (isatty(STDOUT_FILENO) == 1 && !explains))
    throw ConfigError("gemm reads raw float32 values from a file or a pipe and writes them to one: < xw.f32 > y.f32");
  const Pass pass = parse_spelling("--gemm", options.gemm, kPassNames);
  const auto [first, second] = operands_of(pass);
  const OperandReader reader(options, pass);
  Quantized a = reader.read(first, shape[0], shape[2], precision.first);
  Quantized b = reader.read(second, shape[1], shape[2], precision.second);
  char extra = 0;
  if (read_some(STDIN_FILENO, &extra, 1) != 0)
    throw DataError(fmt::format("standard input goes on after {} and {} of a product of {}",
                                spelling_of(first, kMatmulOperands), spelling_of(second, kMatmulOperands),
                                options.shape));
  const Product product{precision, std::move(a), std::move(b)};
  if (explains) return explain(options, shape, product);
  const at::Tensor y = gemm(product.first, product.second, {}, precision.arithmetic, reader.key(output_of(pass)));
  return write_whole(STDOUT_FILENO, y.const_data_ptr(), y.nbytes()) ? kSuccess : kReaderIsGone;
}

}  // namespace

Command add_gemm(CLI::App& app) {
  auto options = std::make_shared<GemmOptions>();
  CLI::App* parser =
      app.add_subcommand("gemm", "One product x w^T as a recipe or a unit of hardware computes it, in a pipe");
  CLI::Option* recipe =
      parser->add_option("--recipe", options->recipe, "Recipe with its options; its linears")->capture_default_str();
  parser->add_option("--gemm", options->gemm, "Which GEMM of a linear: fprop dgrad wgrad")->capture_default_str();
  parser->add_option(
      "--accumulator", options->accumulator,
      "library (the default), native, hopper-fp8:promote=128, blackwell-mxf8, tensor-core:bits=N, every:format=F, "
      "... (docs/ACCUMULATORS.md)");
  parser
      ->add_option("--operands", options->operands,
                   "X,W: x and w hold numbers of these formats (e4m3,e5m2), and nothing is rounded or scaled")
      ->excludes(recipe);
  parser->add_option("--result", options->result,
                     "fp32, bf16, fp16: what sums are rounded to, to nearest even; by default the recipe's result");
  parser->add_option("--explain", options->explain,
                     "ROW,COLUMN: print how that sum came about, step by step, in place of y");
  parser->add_option("--shape", options->shape, "MxNxK")->required();
  parser->add_option("--seed", options->seed, "Seed of stochastic rounding")->capture_default_str();
  parser->footer(
      "Reads x (M x K) and then w (N x K), row-major float32, and writes y = x w^T (M x N).\n"
      "dgrad: dy (M x K), w (K x N), dx = dy w. wgrad: dy (K x M), x (K x N), dw = dy^T x.\n"
      "Example:\n  precipice gemm --recipe te-current --accumulator native --shape 64x64x4096 < xw.f32 > y.f32\n"
      "  precipice gemm --operands e4m3,e5m2 --accumulator hopper-fp8 --shape 1x1x64 --explain 0,0 < xw.f32");
  return {parser, [options] { return multiply(*options); }};
}

}  // namespace precipice
