// SPDX-License-Identifier: Apache-2.0
#include "experiments/emit/cluster_job.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>

#include "experiments/console/console.h"
#include "precision/base/check.h"

namespace precipice {

std::vector<std::string> task_words(const ClusterJob& job, const std::string& sweep_file, const std::string& directory,
                                    const std::string& share) {
  std::vector<std::string> words = job.words;
  for (std::string& word : words) {
    if (word == kFilePlace) word = sweep_file;
    if (word == kDirectoryPlace) word = directory;
    if (word == kSharePlace) word = share;
  }
  return words;
}

std::string task_line(const ClusterJob& job, const std::string& share) {
  std::string line = shell_word(job.program);
  for (const std::string& word : task_words(job, job.sweep_file, job.directory, share)) line += " " + shell_word(word);
  return line;
}

std::int64_t merging_megabytes(const ClusterJob& job) {
  return std::max<std::int64_t>(1024, job.megabytes);
}

std::string job_name(const std::string& stem) {
  constexpr std::size_t kLongest = 40;  // names in Kubernetes, with what is appended for a task, have 63 at most
  std::string name = "precipice-";
  for (const char c : stem) {
    const auto character = static_cast<unsigned char>(c);
    if (std::isalnum(character))
      name += static_cast<char>(std::tolower(character));
    else if (name.back() != '-')
      name += '-';
  }
  name.resize(std::min(name.size(), kLongest));
  while (name.back() == '-') name.pop_back();
  return name;
}

std::string joined_codes(const std::vector<int>& codes) {
  return fmt::format("{}", fmt::join(codes, ", "));
}

std::string filled(const std::string& text, const std::vector<Filling>& values) {
  std::string result;
  std::size_t done = 0;
  for (std::size_t at = text.find("{{"); at != std::string::npos; at = text.find("{{", done)) {
    const std::size_t end = text.find("}}", at);
    PRECIPICE_CHECK(end != std::string::npos, "a place that does not end");
    const std::string name = text.substr(at + 2, end - at - 2);
    const auto value = std::find_if(values.begin(), values.end(), [&](const Filling& v) { return v.name == name; });
    PRECIPICE_CHECK(value != values.end(), "no value for the place ", name);
    result += text.substr(done, at - done) + value->value;
    done = end + 2;
  }
  return result + text.substr(done);
}

}  // namespace precipice
