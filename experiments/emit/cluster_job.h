// SPDX-License-Identifier: Apache-2.0
// A sweep as a job of somebody else's scheduler: so many tasks, each of which works through a share of the runs. What an
// engine needs to know of it, whatever the engine; a file of this folder for each engine makes its text (engines.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace precipice {

// What a task's exit code asks of the scheduler.
struct TaskExitCodes {
  std::vector<int> permanent;  // another try would end in the same way
  int some_failed = 0;         // the other runs are done
  int more_to_do = 0;          // its time was used: start it again
  std::vector<int> stopped;    // by a signal, after a checkpoint: start it again
};

// A file that the sweep reads, by its path relative to the folder that holds all of them.
struct JobFile {
  std::string name, text;
};

// These stand among the words of a task's command for what an engine puts there.
inline constexpr const char* kFilePlace = "{{file}}";
inline constexpr const char* kDirectoryPlace = "{{directory}}";
inline constexpr const char* kSharePlace = "{{share}}";

struct ClusterJob {
  std::string name;                       // lower-case letters, digits and dashes, at most 40
  std::string program;                    // paths are absolute
  std::string sweep_file, directory;      // of the sweep
  std::string folder;                     // where tasks begin: relative paths in settings start there
  std::vector<std::string> words;         // of a task's command after the program, with the places above
  std::vector<std::string> budget_words;  // more of them for an engine with a limit of time
  std::vector<JobFile> files;             // the sweep's file first, then those that it includes
  std::int64_t runs = 0;                  // that are to be run
  std::int64_t tasks = 1;
  std::int64_t jobs = 1, threads = 1;  // runs at once in a task, and threads of each
  std::int64_t local_tasks = 1;        // that this machine has cores for
  std::int64_t megabytes = 0;          // of memory, for a task; 2^20 bytes each
  std::int64_t limit_minutes = 60;     // a task is ended after so many
  std::string cost;                    // a sentence for people: what the sizes come from
  TaskExitCodes codes;
};

// The words of a task's command with these in their places.
std::vector<std::string> task_words(const ClusterJob& job, const std::string& sweep_file, const std::string& directory,
                                    const std::string& share);
// On this machine's paths, as one line that a shell reads back, the program first.
std::string task_line(const ClusterJob& job, const std::string& share);

// What the merging job asks for: as much as a task, and at least what 10,000 runs take.
std::int64_t merging_megabytes(const ClusterJob& job);

// A name for the job of a sweep's file: "precipice-" and what can be kept of the file's stem.
std::string job_name(const std::string& stem);

// "2, 4"
std::string joined_codes(const std::vector<int>& codes);

// The text with the value of each {{name}} in its place. A name without a value is a broken contract.
struct Filling {
  std::string name, value;
};
std::string filled(const std::string& text, const std::vector<Filling>& values);

}  // namespace precipice
