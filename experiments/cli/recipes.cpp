// SPDX-License-Identifier: Apache-2.0
// precipice recipes, and one tensor of a recipe: cast --recipe.
#include "experiments/cli/recipes.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <system_error>

#include "experiments/cli/shapes.h"
#include "experiments/console/console.h"
#include "experiments/console/descriptor_io.h"
#include "experiments/console/lost_output.h"
#include "experiments/formats/cast_tensor.h"
#include "experiments/formats/recipes_report.h"
#include "metrics/files/directory.h"
#include "metrics/files/files.h"
#include "precision/base/check.h"
#include "precision/base/parse_number.h"
#include "precision/base/spellings.h"
#include "precision/rounding/random_streams.h"
#include "train/recipes/recipes.h"

namespace precipice {

int cast_recipe(const CastRecipeOptions& options) {
  const SitePrecision site = make_recipe(options.recipe).linear;
  const MatmulOperand operand = parse_spelling("--operand", options.operand, kMatmulOperands);
  const Pass pass = parse_spelling("--gemm", options.gemm, kPassNames);
  const std::vector<std::int64_t> shape = parse_shape(options.shape, 2);
  check_size(options.shape, shape[0], shape[1]);
  if (options.input != "f32" && options.input != "bf16")
    throw ConfigError({kCommandLine, 0, "--input", options.input}, "a recipe's tensors are f32 or bf16");
  if (isatty(STDIN_FILENO) == 1 || isatty(STDOUT_FILENO) == 1)
    throw ConfigError("cast --recipe reads raw values from a file or a pipe and writes them to one: < x.f32 > xq.f32");
  CastTensorSpec spec;
  const auto slot = slot_of(pass, operand);
  if (!slot) throw ConfigError("--operand and --gemm: fprop has x and w, dgrad dy and w, wgrad dy and x");
  spec.quantizer = slot->is_first ? site.pass(pass).first : site.pass(pass).second;
  bool& through_bf16 = spec.quantizer.element.through_bf16;
  through_bf16 = through_bf16 || options.input == "bf16";
  validate(spec.quantizer);
  spec.shape = {shape[0], shape[1], slot->contraction};
  spec.steps = options.steps;
  spec.bf16_input = options.input == "bf16";
  spec.grid = options.grid;
  spec.key = random_key(kMatmulStream, options.seed, 0, 0, static_cast<std::uint16_t>(slot->slot));
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

}  // namespace precipice
