// SPDX-License-Identifier: Apache-2.0
// A reader of many configs gives of each what reading that file alone gives, whatever it has read before.
#include "train/run/config_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "train/recipes/recipes.h"
#include "train/run/resolve_config.h"

using namespace precipice;
namespace fs = std::filesystem;

namespace {

RunConfig config_of_text(const std::string& toml) {
  return resolve_config(parse_settings(toml, "run.toml"));
}

// The config as TOML, every key in it, or what is wrong with the file.
template <class Read>
std::string answer_of(const Read& read) {
  try {
    std::string text;
    for (const Setting& setting : every_setting(read())) {
      text += setting.key + (setting.is_array ? " = list" : " =");
      for (const Scalar& value : setting.values) text += " " + to_toml(value);
      text += "\n";
    }
    return text;
  } catch (const ConfigError& error) {
    return error.what();
  }
}

std::string alone(const fs::path& file) {
  return answer_of([&] { return resolve_config(read_settings(file)); });
}

// Reads the texts one after the other, as the same file, and each by itself.
void check_in_turn(const std::vector<std::string>& texts) {
  const TemporaryDirectory place;
  const fs::path file = place.path() / "config.toml";
  ConfigReader reader;
  for (const std::string& text : texts) {
    CAPTURE(text);
    write_text(file, text);
    CHECK(answer_of([&] { return reader.read(file); }) == alone(file));
  }
}

std::string replaced(std::string text, const std::string& old, const std::string& by) {
  const std::size_t place = text.find(old);
  REQUIRE(place != std::string::npos);
  return text.replace(place, old.size(), by);
}

}  // namespace

TEST_CASE("configs of every recipe, both ways round", "[config_reader]") {
  std::vector<std::string> texts;
  for (const std::string& recipe : {std::string("fp32"), std::string("bf16"), std::string("fp8"), std::string("mxfp8"),
                                    std::string("nvfp4"), std::string("ms-amp-o2"), std::string("e8m3")})
    for (const char* kind : {"gpt", "llama"})
      for (const char* more : {"", "seed = 7\n", "optimizer.lr = 0.5\n", "metrics.hessian_every = 5\n"})
        texts.push_back(
            to_toml(config_of_text(fmt::format("{}precision.recipe = '{}'\nmodel.kind = '{}'\n", more, recipe, kind))));
  check_in_turn(texts);
  std::reverse(texts.begin(), texts.end());
  check_in_turn(texts);
}

TEST_CASE("a file that a person has changed is read whole", "[config_reader]") {
  const std::string text = to_toml(config_of_text("seed = 3"));
  const std::string other = replaced(text, "lr = 0.001", "lr = 0.01");
  check_in_turn({text, replaced(other, "lr = 0.01", "lr = 1e-2"), other, "# mine\n" + text, text,
                 replaced(text, "lr = 0.001", "lr = 0.001  # usual"), other,
                 replaced(text, "recipe = 'bf16'", "recipe = 'BF16'"), text, "seed = 4", other, "", text});
}

TEST_CASE("a file in which something is wrong is refused with its line, and the next one is read", "[config_reader]") {
  const std::string text = to_toml(config_of_text("seed = 3"));
  const std::vector<std::string> wrong{
      replaced(text, "lr = 0.001", "lr = -1.0"),          replaced(text, "lr = 0.001", "rate = 0.001"),
      replaced(text, "lr = 0.001", "lr = 'fast'"),        replaced(text, "lr = 0.001", "lr = 0.001 0.002"),
      replaced(text, "heads = ", "heads = 7 #"),          replaced(text, "recipe = 'bf16'", "recipe = 'none'"),
      replaced(text, "lr = 0.001", "lr = 0.001\nlr = 1"), replaced(text, "[optimizer]", "[optimiser]"),
      replaced(text, "lr = 0.001", "steps = 100"),        replaced(text, "lr = 0.001", "weight_decay = 0.1")};
  for (const std::string& each : wrong) {
    CAPTURE(each);
    const TemporaryDirectory place;
    const fs::path file = place.path() / "config.toml";
    ConfigReader reader;
    write_text(file, text);
    reader.read(file);
    write_text(file, each);
    const std::string answer = answer_of([&] { return reader.read(file); });
    CHECK(answer == alone(file));
    CHECK(answer.find("config.toml:") != std::string::npos);
    write_text(file, text);
    CHECK(answer_of([&] { return reader.read(file); }) == alone(file));
  }
}
