// SPDX-License-Identifier: Apache-2.0
// A run's directory, for whoever trains in it, launches it or reads it: where its files are, whose it is, its config and
// its checkpoints. Nothing is open or locked between the calls; the process that trains holds the directory besides
// (metrics/files/directory.h).
//   config.toml  metrics.jnl  run.h5  status.json  inputs.json  log.txt  ckpt/step_<8 digits>.ckpt
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "metrics/files/directory.h"
#include "metrics/log/status_file.h"
#include "train/config/run_config.h"
#include "train/run/checkpoint.h"

namespace precipice {

class ConfigReader;  // train/run/config_reader.h

class RunDirectory {
 public:
  RunDirectory(std::filesystem::path path);  // which need not be there

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path config_file() const;
  std::filesystem::path journal() const;
  std::filesystem::path run_file() const;
  std::filesystem::path status_file() const;
  std::filesystem::path inputs_file() const;
  std::filesystem::path log_file() const;
  std::filesystem::path checkpoint_folder() const;

  bool has_config() const;
  // The name of a file of results that is there, links that lead nowhere among them: journal, run.h5 or checkpoints;
  // "" where nothing was computed yet.
  std::string result() const;

  // Throws ConfigError where there is no config.toml, "not a run directory", and where it is wrong; DataError.
  RunConfig read_config() const;
  RunConfig read_config(ConfigReader& reader) const;  // the same, of many runs in turn
  // The ids that the run may go by: that of its config, first, and that of the text of config.toml, which is the id
  // that a version of this program with other keys gave it. Throws like read_config.
  std::vector<std::string> ids() const;
  // Nothing when there is no status.json; DataError when it is damaged.
  std::optional<RunStatus> read_status() const;

  // Makes the directory where it is missing, and puts the config into it on first use. Whether the directory is another
  // run's already is decided by what config.toml means, or, where that is lost, by the id in the journal. Throws
  // ConfigError that names the keys with both values, OutputError.
  void claim(const RunConfig& config) const;
  // The same for a process that holds the directory.
  static void claim(const Directory& held, const RunConfig& config);

  // Steps that have a checkpoint now, ascending.
  std::vector<std::int64_t> checkpoint_steps() const;
  // The same with step 0 before them, where it is not among them: the initial weights need no checkpoint.
  std::vector<std::int64_t> steps_with_weights() const;
  std::filesystem::path checkpoint_file(std::int64_t step) const;
  // The checkpoint of a step; nothing for step 0 without one. Throws ConfigError of the parameter `checkpoint` with the
  // steps that can be had, DataError when the file is damaged or of another run than `identity`.
  std::optional<Checkpoint> load_checkpoint(std::int64_t step, const std::string& identity) const;

 private:
  std::filesystem::path path_;
};

}  // namespace precipice
