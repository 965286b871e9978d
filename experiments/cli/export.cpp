// SPDX-License-Identifier: Apache-2.0
// precipice export and batches: files for other programs.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "experiments/cli/commands.h"
#include "experiments/console/console.h"
#include "experiments/console/lost_output.h"
#include "experiments/sweep/observed_run.h"
#include "experiments/sweep/sweep.h"
#include "train/analysis/run_evaluator.h"
#include "train/data/batches_file.h"
#include "train/data/open_tokens.h"
#include "train/data/tokens.h"
#include "train/model/weights_file.h"
#include "train/run/model_attributes.h"
#include "train/run/model_weights.h"
#include "train/run/run_directory.h"
#include "train/run/run_inputs.h"

namespace precipice {
namespace {

constexpr std::int64_t kNewest = -1;
constexpr std::int64_t kMaxSteps = 1'000'000'000'000;

struct ExportOptions {
  std::string run, out, format;
  std::int64_t step = kNewest;
  bool force = false;
};

struct BatchesOptions {
  std::string config, out;
  std::vector<std::string> assignments;
  std::int64_t steps = 0;
  bool validation = false, force = false;
};

// A checkpoint's parameters, through the model, which knows what belongs to its reference's state_dict.
std::vector<NamedArray> checkpoint_weights(const RunConfig& config, const Checkpoint& checkpoint,
                                           const std::string& name) {
  RunConfig loaded = config;
  loaded.init.from.clear();
  const auto model = make_model(loaded, config.data.vocabulary);
  model->load(checkpoint_parameters(checkpoint), name);
  return model->weights();
}

int export_weights(const ExportOptions& options) {
  refuse_existing(options.out, options.force);
  const WeightsFormat format =
      options.format.empty() ? weights_format_of(options.out) : parse_weights_format(options.format);
  const RunDirectory run(options.run);
  const RunConfig config = run.read_config();
  const std::int64_t step = options.step == kNewest ? run.steps_with_weights().back() : options.step;
  const auto checkpoint = step == 0 ? std::nullopt : run.load_checkpoint(step, run_id(config));
  if (!checkpoint) check_input(run.path(), config, kInitInput);
  const auto weights = checkpoint ? checkpoint_weights(config, *checkpoint, run.checkpoint_file(step).string())
                                  : make_model(config, config.data.vocabulary)->weights();
  write_weights(options.out, weights, weights_attributes(config, step), format);
  print_note(fmt::format("{}: {} arrays, step {} of run {}\n", options.out, weights.size(), step, run_id(config)));
  return kSuccess;
}

int write_batch_file(const BatchesOptions& options) {
  refuse_existing(options.out, options.force);
  const RunConfig config =
      single_run(read_with_includes(options.config).settings, read_assignments(options.assignments, kCommandLine))
          .config;
  const auto source = open_tokens(config);
  std::int64_t count = options.steps;
  if (options.validation)
    count = write_validation_batches(options.out, *source, config);
  else
    write_batches(options.out, *source, config, count);
  print_note(
      fmt::format("{}: {} batches of {} x {} tokens\n", options.out, count, config.train.batch, config.model.context));
  return kSuccess;
}

}  // namespace

Command add_export(CLI::App& app) {
  auto options = std::make_shared<ExportOptions>();
  CLI::App* parser = app.add_subcommand("export", "Write a run's weights under nanoGPT's or Hugging Face's names");
  parser->add_option("RUN", options->run, "Run directory")->required();
  parser->add_option("--out", options->out, "File to write")->required();
  parser
      ->add_option("--format", options->format,
                   "hdf5 or safetensors; default: safetensors where --out ends in .safetensors, else hdf5")
      ->check(CLI::IsMember({"hdf5", "safetensors"}, CLI::ignore_case));
  parser->add_option("--step", options->step, "0: initial weights; default: the newest checkpoint")
      ->check(CLI::Range(std::int64_t{0}, kMaxSteps));
  parser->add_flag("--force", options->force, "Replace the file if there is one");
  parser->footer(
      "A later run starts from it with init.from=weights.h5. docs/EXPORT.md loads it in PyTorch.\n"
      "Example:\n  precipice export runs/first --out weights.safetensors");
  return {parser, [options] { return export_weights(*options); }, {{"checkpoint", "--step"}}};
}

Command add_batches(CLI::App& app) {
  auto options = std::make_shared<BatchesOptions>();
  CLI::App* parser = app.add_subcommand("batches", "Write the exact batches of a config (HDF5)");
  parser->add_option("CONFIG", options->config, "TOML file of settings")->required();
  parser->add_option("SETTING", options->assignments, "key=value, over the file's");
  CLI::Option* const steps = parser->add_option("--steps", options->steps, "Training batches to write")
                                 ->check(CLI::Range(std::int64_t{1}, kMaxSteps));
  CLI::Option* const validation =
      parser->add_flag("--validation", options->validation, "All batches of the validation loss instead");
  steps->excludes(validation);
  parser->add_option("--out", options->out, "File to write")->required();
  parser->add_flag("--force", options->force, "Replace the file if there is one");
  parser->footer(
      "A run trains on them with data.source=batches data.path=batches.h5.\n"
      "Example:\n  precipice batches run.toml --steps 100 --out batches.h5");
  return {parser, [options, steps] {
            if (!options->validation && steps->count() == 0)
              throw ConfigError(
                  {kCommandLine, 0, "--steps", ""},
                  "the number of training batches is needed, or --validation for those of the validation loss");
            return write_batch_file(*options);
          }};
}

}  // namespace precipice
