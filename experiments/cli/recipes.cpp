// SPDX-License-Identifier: Apache-2.0
// precipice recipes, and one tensor or one product of a recipe: cast --recipe, gemm.
#include "experiments/cli/recipes.h"

#include <ATen/ops/empty.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <system_error>

#include "experiments/console/console.h"
#include "experiments/console/descriptor_io.h"
#include "experiments/console/lost_output.h"
#include "experiments/formats/cast_tensor.h"
#include "experiments/formats/recipes_report.h"
#include "metrics/log/directory.h"
#include "metrics/log/files.h"
#include "precision/autograd/quantized_matmul.h"
#include "precision/base/check.h"
#include "precision/base/parse_number.h"
#include "precision/base/spellings.h"
#include "precision/rounding/random_streams.h"
#include "train/recipes/recipes.h"

namespace precipice {
namespace {

enum class Operand { X, W, Dy };
constexpr Spellings<Operand, 3> kOperands{{{"x", Operand::X}, {"w", Operand::W}, {"dy", Operand::Dy}}};
constexpr Spellings<Pass, 3> kPasses{{{"fprop", Pass::Fprop}, {"dgrad", Pass::Dgrad}, {"wgrad", Pass::Wgrad}}};

constexpr std::int64_t kMostValues = std::int64_t{1} << 31;

// "RxC" or "MxNxK".
std::vector<std::int64_t> parse_shape(const std::string& text, std::size_t dimensions) {
  std::vector<std::int64_t> shape;
  for (std::size_t start = 0; start <= text.size();) {
    const std::size_t end = std::min(text.find('x', start), text.size());
    const auto size = parse_number<std::int64_t>(std::string_view(text).substr(start, end - start));
    if (!size || *size < 1 || *size >= kMostValues) {
      shape.clear();
      break;
    }
    shape.push_back(*size);
    start = end + 1;
  }
  if (shape.size() != dimensions)
    throw ConfigError({kCommandLine, 0, "--shape", text},
                      fmt::format("must be {} whole numbers from 1, such as {}", dimensions,
                                  dimensions == 2 ? "4096x1024" : "512x512x1024"));
  return shape;
}

void check_size(const std::string& text, std::int64_t rows, std::int64_t cols) {
  if (rows > kMostValues / cols) throw ConfigError({kCommandLine, 0, "--shape", text}, "has more than 2^31 values");
}

// The quantizer of an operand in a GEMM, and the axis of the tensor that the GEMM sums over.
std::pair<Quantizer, int> slot_of(const SitePrecision& site, Operand operand, Pass pass) {
  if (pass == Pass::Fprop && operand == Operand::X) return {site.fprop.first, 1};
  if (pass == Pass::Fprop && operand == Operand::W) return {site.fprop.second, 1};
  if (pass == Pass::Dgrad && operand == Operand::Dy) return {site.dgrad.first, 1};
  if (pass == Pass::Dgrad && operand == Operand::W) return {site.dgrad.second, 0};
  if (pass == Pass::Wgrad && operand == Operand::Dy) return {site.wgrad.first, 0};
  if (pass == Pass::Wgrad && operand == Operand::X) return {site.wgrad.second, 0};
  throw ConfigError("--operand and --gemm: fprop has x and w, dgrad dy and w, wgrad dy and x");
}

struct GemmOptions {
  std::string recipe = "fp32", accumulator, shape;
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

int multiply(const GemmOptions& options) {
  const std::vector<std::int64_t> shape = parse_shape(options.shape, 3);
  check_size(options.shape, shape[0], shape[2]), check_size(options.shape, shape[1], shape[2]),
      check_size(options.shape, shape[0], shape[1]);
  GemmPrecision precision = make_recipe(options.recipe).linear.fprop;
  if (!options.accumulator.empty()) precision.arithmetic.accumulator = parse_accumulator(options.accumulator);
  if (isatty(STDIN_FILENO) == 1 || isatty(STDOUT_FILENO) == 1)
    throw ConfigError("gemm reads raw float32 values from a file or a pipe and writes them to one: < xw.f32 > y.f32");
  const at::Tensor x = at::empty({shape[0], shape[2]}, at::TensorOptions(at::kFloat));
  const at::Tensor w = at::empty({shape[1], shape[2]}, at::TensorOptions(at::kFloat));
  read_matrix(x, "x"), read_matrix(w, "w");
  char extra = 0;
  if (read_some(STDIN_FILENO, &extra, 1) != 0) throw DataError("standard input goes on after x (M x K) and w (N x K)");
  const auto key = [&](Slot slot) {
    return random_key(kMatmulStream, options.seed, 0, 0, static_cast<std::uint16_t>(slot));
  };
  const at::Tensor y = gemm(quantize(x, precision.first, Contraction::LastAxis, key(Slot::FpropX)),
                            quantize(w, precision.second, Contraction::LastAxis, key(Slot::FpropW)), {},
                            precision.arithmetic, key(Slot::FpropOut));
  return write_whole(STDOUT_FILENO, y.const_data_ptr(), y.nbytes()) ? kSuccess : kReaderIsGone;
}

}  // namespace

int cast_recipe(const CastRecipeOptions& options) {
  const SitePrecision site = make_recipe(options.recipe).linear;
  const Operand operand = parse_spelling("--operand", options.operand, kOperands);
  const Pass pass = parse_spelling("--gemm", options.gemm, kPasses);
  const std::vector<std::int64_t> shape = parse_shape(options.shape, 2);
  check_size(options.shape, shape[0], shape[1]);
  if (options.input != "f32" && options.input != "bf16")
    throw ConfigError({kCommandLine, 0, "--input", options.input}, "a recipe's tensors are f32 or bf16");
  if (isatty(STDIN_FILENO) == 1 || isatty(STDOUT_FILENO) == 1)
    throw ConfigError("cast --recipe reads raw values from a file or a pipe and writes them to one: < x.f32 > xq.f32");
  CastTensorSpec spec;
  auto [quantizer, contraction] = slot_of(site, operand, pass);
  spec.quantizer = quantizer;
  bool& through_bf16 = spec.quantizer.element.through_bf16;
  through_bf16 = through_bf16 || options.input == "bf16";
  validate(spec.quantizer);
  spec.shape = {shape[0], shape[1], contraction};
  spec.steps = options.steps;
  spec.bf16_input = options.input == "bf16";
  spec.grid = options.grid;
  static constexpr Slot kSlots[3][3] = {{Slot::FpropX, Slot::FpropW, Slot::FpropX},
                                        {Slot::DgradDy, Slot::DgradW, Slot::DgradDy},
                                        {Slot::WgradX, Slot::WgradX, Slot::WgradDy}};
  spec.key = random_key(kMatmulStream, options.seed, 0, 0,
                        static_cast<std::uint16_t>(kSlots[static_cast<int>(pass)][static_cast<int>(operand)]));
  if (options.scales.empty())
    return cast_tensors(STDIN_FILENO, STDOUT_FILENO, spec, nullptr) ? kSuccess : kReaderIsGone;
  refuse_existing(options.scales, options.force, "--scales");
  const std::filesystem::path path = options.scales;
  FileDescriptor scales = Directory(path.has_parent_path() ? path.parent_path() : ".").create(path.filename().string());
  bool whole = false;
  try {
    whole = cast_tensors(STDIN_FILENO, STDOUT_FILENO, spec,
                         [&](std::string_view bytes) { write_all(scales.get(), bytes); });
    if (scales.close() != 0) throw std::system_error(errno, std::generic_category());
  } catch (const std::system_error& error) {
    throw OutputError(options.scales + ": cannot be written: " + error.code().message());
  }
  return whole ? kSuccess : kReaderIsGone;
}

Command add_recipes(CLI::App& app) {
  struct RecipesArguments {
    std::string name;
    bool reference = false;
  };
  auto options = std::make_shared<RecipesArguments>();
  CLI::App* parser = app.add_subcommand("recipes", "List the recipes, or show one: which quantizer in which GEMM");
  CLI::Option* name = parser->add_option("NAME", options->name, "Recipe with its options, mxfp8:rule=floor");
  parser->add_flag("--reference", options->reference, "All of them as docs/RECIPES.md")->excludes(name);
  parser->footer("Example:\n  precipice recipes\n  precipice recipes nvfp4:rht=false");
  return {parser, [options] {
            print_result(options->reference      ? recipes_reference()
                         : options->name.empty() ? recipes_list()
                                                 : recipe_table(options->name));
            return kSuccess;
          }};
}

Command add_gemm(CLI::App& app) {
  auto options = std::make_shared<GemmOptions>();
  CLI::App* parser = app.add_subcommand("gemm", "One product x w^T as a recipe computes it, in a pipe");
  parser->add_option("--recipe", options->recipe, "Recipe with its options; its linears' fprop")->capture_default_str();
  parser->add_option(
      "--accumulator", options->accumulator,
      "library (the default), fp32, every:format=F, chunk:size=N,format=F, tensor-core:bits=N, hopper, ...");
  parser->add_option("--shape", options->shape, "MxNxK")->required();
  parser->add_option("--seed", options->seed, "Seed of stochastic rounding")->capture_default_str();
  parser->footer(
      "Reads x (M x K) and then w (N x K), row-major float32, and writes y = x w^T (M x N).\n"
      "Example:\n  precipice gemm --recipe te-current --accumulator hopper --shape 64x64x4096 < xw.f32 > y.f32");
  return {parser, [options] { return multiply(*options); }};
}

}  // namespace precipice
