// SPDX-License-Identifier: Apache-2.0
// precipice formats: the number formats that have names, or everything about one.
#include <memory>

#include "experiments/cli/commands.h"
#include "experiments/console/console.h"
#include "experiments/formats/formats_report.h"

namespace precipice {
namespace {

struct FormatsArguments {
  std::string name;
  bool json = false;
};

int show_formats(const FormatsArguments& options) {
  if (options.name.empty()) {
    print_result(options.json ? presets_json() : presets_table());
    return kSuccess;
  }
  const FloatFormat format = parse_float_format(options.name);
  print_result(options.json ? format_json(format) : format_text(format));
  return kSuccess;
}

}  // namespace

Command add_formats(CLI::App& app) {
  auto options = std::make_shared<FormatsArguments>();
  CLI::App* parser = app.add_subcommand("formats", "List the number formats, or the values of one");
  parser->add_option("NAME", options->name, "A name, eXmY or qI.F, with options: e4m3:bias=8,subnormals=flush");
  parser->add_flag("--json", options->json, "As JSON");
  parser->footer(
      "Largest, smallest and epsilon are exact values, printed as the shortest decimal that reads back as the same\n"
      "float. Formats of up to 8 bits are listed code by code.\n"
      "Example:\n  precipice formats e2m1");
  return {parser, [options] { return show_formats(*options); }};
}

}  // namespace precipice
