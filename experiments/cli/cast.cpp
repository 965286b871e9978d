// SPDX-License-Identifier: Apache-2.0
// precipice cast: a number format as a filter for raw values, or as a table for a few numbers.
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <limits>
#include <memory>

#include "experiments/cli/recipes.h"
#include "experiments/console/console.h"
#include "experiments/console/lost_output.h"
#include "experiments/formats/cast_report.h"
#include "metrics/files/files.h"
#include "precision/base/check.h"
#include "precision/base/parse_number.h"
#include "precision/base/spellings.h"

namespace precipice {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kLastElement = (std::uint64_t{1} << 50) - 1;  // of a random stream
constexpr Spellings<Rounding, 3> kVariants{
    {{"a", Rounding::Stochastic}, {"b", Rounding::StochasticB}, {"c", Rounding::StochasticC}}};

struct CastArguments {
  std::vector<std::string> numbers;
  std::string format, rounding = "rne", overflow = "saturate", sr_variant = "a", input = "f32", counters;
  int random_bits = 32, threads = 1;
  std::uint64_t seed = 0, first_element = 0;
  std::uint32_t step = 0, site = 0;
  std::string operand = "0";  // number of a stream, or an operand of a recipe
  CastRecipeOptions tensor;
  bool codes = false, from_codes = false, force = false;
};

[[noreturn]] void refuse_cast(const std::string& option, const std::string& reason) {
  throw ConfigError({kCommandLine, 0, option, ""}, reason);
}

void refuse_given(const CLI::App& parser, const std::vector<const char*>& options, const std::string& reason) {
  for (const char* option : options)
    if (parser.count(option) > 0) refuse_cast(option, reason);
}

Rounding resolve_rounding(const CLI::App& parser, const CastArguments& options) {
  const Rounding rounding = parse_rounding(options.rounding);
  if (!is_stochastic(rounding))
    refuse_given(
        parser, {"--sr-variant", "--random-bits", "--seed", "--step", "--site", "--operand", "--first-element"},
        fmt::format("belongs to stochastic rounding ({}); the rounding is {}", rounding_words(true), options.rounding));
  if (parser.count("--sr-variant") == 0) return rounding;
  const Rounding variant = parse_spelling("--sr-variant", options.sr_variant, kVariants);
  if (rounding != Rounding::Stochastic && rounding != variant)
    refuse_cast("--sr-variant", fmt::format("{} contradicts --rounding {}", options.sr_variant, options.rounding));
  return variant;
}

std::uint16_t stream_operand(const std::string& text) {
  const auto number = parse_number<std::uint16_t>(text);
  if (!number)
    throw ConfigError({kCommandLine, 0, "--operand", text},
                      "must be a whole number from 0 to 65535, or x, w, dy with --recipe");
  return *number;
}

// With a recipe the stream is tensors, and what belongs to single values is refused.
CastRecipeOptions resolve_recipe(const CLI::App& parser, const CastArguments& options) {
  refuse_given(parser,
               {"NUMBER", "--format", "--rounding", "--sr-variant", "--overflow", "--random-bits", "--step", "--site",
                "--first-element", "--codes", "--from-codes", "--counters", "--threads"},
               "--recipe says how tensors are quantized; its options follow its name, --recipe mxfp8:rule=floor");
  CastRecipeOptions tensor = options.tensor;
  if (parser.count("--operand") > 0) tensor.operand = options.operand;
  if (tensor.shape.empty())
    refuse_cast("--shape", "a recipe needs the tensor's shape, rows x columns as the model holds it");
  tensor.input = options.input;
  tensor.seed = options.seed;
  tensor.force = options.force;
  return tensor;
}

CastSpec resolve(const CLI::App& parser, const CastArguments& options) {
  refuse_given(parser, {"--gemm", "--shape", "--steps", "--scales", "--grid"}, "belongs to --recipe");
  if (options.format.empty()) throw ConfigError("cast needs --format, such as e4m3; see precipice formats");
  if (options.from_codes)
    refuse_given(parser,
                 {"--codes", "--input", "--rounding", "--sr-variant", "--overflow", "--random-bits", "--seed", "--step",
                  "--site", "--operand", "--first-element", "--counters"},
                 "--from-codes turns codes into values: nothing is rounded");
  if (!options.numbers.empty())
    refuse_given(parser, {"--codes", "--from-codes", "--input", "--threads"},
                 "belongs to raw values on standard input; numbers on the command line are shown in full");
  CastSpec spec;
  spec.quantize.format = parse_float_format(options.format);
  spec.quantize.rounding = resolve_rounding(parser, options);
  spec.quantize.overflow = parse_overflow(options.overflow);
  spec.quantize.random_bits = options.random_bits;
  spec.key = {options.seed, options.step, options.site, stream_operand(options.operand)};
  spec.first_element = options.first_element;
  spec.input = options.from_codes ? CastInput::Codes : parse_cast_input(options.input);
  spec.codes = options.codes;
  spec.threads = options.threads;
  return spec;
}

// Before the stream rather than after it. Renaming a file over a device would take the device away.
void check_counters_file(const CastArguments& options) {
  if (options.counters.empty()) return;
  refuse_existing(options.counters, options.force, "--counters");
  const fs::path path = options.counters;
  if (fs::exists(path) && !fs::is_regular_file(fs::symlink_status(path)))
    throw ConfigError({kCommandLine, 0, "--counters", options.counters}, "is not a regular file");
  if (path.has_parent_path() && !fs::is_directory(path.parent_path()))
    throw OutputError(fmt::format("{}: {} is not a directory", options.counters, path.parent_path().string()));
}

void write_counters(const CastArguments& options, const CastSpec& spec, const EventCounts& counts) {
  if (!options.counters.empty()) write_file_atomic(options.counters, counters_json(spec, counts));
}

// Decimal digits only: the parser by itself takes -5 for 2^64 - 5 and 010 for 8.
CLI::Validator whole_number(std::uint64_t least, std::uint64_t most) {
  const std::string range = fmt::format("{} to {}", least, most);
  const auto check = [least, most, range](std::string& text) {
    const auto value = parse_number<std::uint64_t>(text);
    if (!value || *value < least || *value > most)
      return fmt::format("must be a whole number from {}, not {}", range, text.substr(0, 60));
    text = std::to_string(*value);
    return std::string();
  };
  return CLI::Validator(check, range);
}

int cast_numbers(const CastArguments& options, const CastSpec& spec) {
  std::vector<CastNumber> numbers;
  for (const std::string& word : options.numbers)
    numbers.push_back(parse_number(word.starts_with(" -") ? word.substr(1) : word));
  if (options.first_element > kLastElement - (numbers.size() - 1))
    refuse_cast("--first-element", fmt::format("leaves fewer than {} random words of 2^50", numbers.size()));
  EventCounts counts;
  print_result(cast_table(numbers, spec, counts));
  write_counters(options, spec, counts);
  return kSuccess;
}

int cast_values(const CastArguments& options, const CastSpec& spec) {
  if (isatty(STDIN_FILENO) == 1)
    throw ConfigError(
        "standard input is a terminal: cast reads raw values from a file or a pipe (< values.f32), or rounds numbers "
        "on the command line (cast --format e4m3 0.3 448)");
  if (isatty(STDOUT_FILENO) == 1)
    throw ConfigError(
        "standard output is a terminal, and what cast writes is no text: send it to a file or a pipe (> rounded.f32)");
  const CastOutcome outcome = cast_stream(STDIN_FILENO, STDOUT_FILENO, spec);
  // Counters of a part of a stream would be taken for those of all of it.
  if (outcome.reader_is_gone) return kReaderIsGone;
  write_counters(options, spec, outcome.counts);
  return kSuccess;
}

constexpr const char* kFooter =
    "Without NUMBERs, raw little-endian values are read from standard input until it ends, and float32 values (or\n"
    "codes, in the smallest of 1, 2 and 4 bytes) are written to standard output. Every value is rounded once; f64 is\n"
    "not rounded to f32 first. NUMBERs are read as binary64 and shown with their codes.\n"
    "Value i of a stream uses random word first-element + i of the stream of (seed, step, site, operand): the bytes\n"
    "depend neither on blocks nor on threads, and a stream may be cut anywhere.\n"
    "Example:\n"
    "  precipice cast --format e4m3 0.3 1e-3 448 500 -inf\n"
    "  precipice cast --format e5m2 --rounding sr --seed 1 < gradients.f32 > rounded.f32\n"
    "  precipice cast --format e2m1 --codes < weights.f32 | precipice cast --format e2m1 --from-codes > "
    "weights.e2m1.f32";

}  // namespace

Command add_cast(CLI::App& app) {
  auto options = std::make_shared<CastArguments>();
  CastArguments& o = *options;
  CLI::App* parser = app.add_subcommand("cast", "Round values to a number format, in a pipe or on the command line");
  parser->add_option("NUMBER", o.numbers, "Numbers to show rounded: 448, -1.5e-3, 0x1p-9, -inf, nan");
  parser->add_option("--format", o.format, "e4m3, e4m3:bias=8, q3.4, ...; see precipice formats");
  parser
      ->add_option("--rounding", o.rounding,
                   fmt::format("{}, or stochastic: {}", rounding_words(false), rounding_words(true)))
      ->capture_default_str();
  parser
      ->add_option("--overflow", o.overflow,
                   "saturate: the largest value, for infinities too; native: the format's infinity, else NaN; "
                   "propagate: finite values saturate, infinities stay")
      ->capture_default_str();
  parser->add_option("--random-bits", o.random_bits, "Random bits of stochastic rounding")
      ->transform(whole_number(1, 32))
      ->capture_default_str();
  parser->add_option("--sr-variant", o.sr_variant, "P3109 Stochastic A, B or C: a is sr, b is sr-b, c is sr-c")
      ->capture_default_str();
  parser->add_option("--seed", o.seed, "Seed of the random words")
      ->transform(whole_number(0, std::numeric_limits<std::uint64_t>::max()))
      ->capture_default_str();
  parser->add_option("--step", o.step, "Their step")
      ->transform(whole_number(0, std::numeric_limits<std::uint32_t>::max()))
      ->capture_default_str();
  parser->add_option("--site", o.site, "Their site")
      ->transform(whole_number(0, std::numeric_limits<std::uint32_t>::max()))
      ->capture_default_str();
  parser->add_option("--operand", o.operand, "Their operand; with --recipe: x, w or dy")->capture_default_str();
  parser->add_option("--first-element", o.first_element, "Random word of the first value")
      ->transform(whole_number(0, kLastElement))
      ->capture_default_str();
  parser->add_flag("--codes", o.codes, "Write codes");
  parser->add_flag("--from-codes", o.from_codes, "Read codes of the format, write float32");
  parser->add_option("--input", o.input, "What is read: f32 f64 bf16 f16")->capture_default_str();
  parser->add_option("--counters", o.counters, "JSON file for the numbers of saturated, underflowed, ... values");
  CastRecipeOptions& t = o.tensor;
  CLI::Option* recipe =
      parser->add_option("--recipe", t.recipe, "Cast whole tensors as a recipe does; see precipice recipes");
  parser->add_option("--gemm", t.gemm, "The GEMM whose operand it is: fprop dgrad wgrad")
      ->needs(recipe)
      ->capture_default_str();
  parser->add_option("--shape", t.shape, "RxC: x is tokens x in, w out x in, dy tokens x out")->needs(recipe);
  parser->add_option("--steps", t.steps, "Tensors, one after the other, for recipes with state")
      ->transform(whole_number(1, 1u << 31))
      ->needs(recipe)
      ->capture_default_str();
  parser->add_option("--scales", t.scales, "File for the dequantization scales, float32")->needs(recipe);
  parser->add_flag("--grid", t.grid, "Values on the format's grid, not dequantized")->needs(recipe);
  parser->add_flag("--force", o.force, "Replace the file of --counters or --scales if there is one");
  parser->add_option("--threads", o.threads, "Threads that round")
      ->transform(whole_number(1, 1024))
      ->capture_default_str();
  parser->footer(kFooter);
  return {parser, [options, parser] {
            if (options->force && options->counters.empty() && options->tensor.scales.empty())
              refuse_cast("--force", "belongs to --counters and --scales");
            if (!options->tensor.recipe.empty()) return cast_recipe(resolve_recipe(*parser, *options));
            const CastSpec spec = resolve(*parser, *options);
            check_counters_file(*options);
            return options->numbers.empty() ? cast_values(*options, spec) : cast_numbers(*options, spec);
          }};
}

}  // namespace precipice
