// SPDX-License-Identifier: Apache-2.0
// Kubernetes: an Indexed Job (kubernetes.io/docs/concepts/workloads/controllers/job, API batch/v1; backoffLimitPerIndex
// and FailIndex are stable from 1.33 on), whose podFailurePolicy knows our exit codes, the sweep's files as a ConfigMap,
// and a suspended Job that merges. YAML is written so that JSON strings, which it has, carry what a user typed.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "experiments/console/console.h"
#include "experiments/emit/engines.h"

namespace precipice {
namespace {

constexpr const char* kKubernetesManifest =
    R"(# {{runs}} runs of a sweep, shared by the {{tasks}} indexes of one Job. Read it, change it, keep it. Fill in two words:
#   IMAGE    an image that has the program (scripts/Containerfile makes one)
#   CLAIM    a PersistentVolumeClaim that many pods can write (ReadWriteMany); the sweep is its folder {{base}}
#   kubectl apply -f THIS_FILE;  kubectl get job {{name}};  kubectl logs job/{{name}} --all-pods
# When it has ended, merge:  kubectl patch job {{name}}-merge --patch '{"spec": {"suspend": false}}'
# To go on later, delete both jobs and apply again: finished runs are left alone.
# Cost: {{cost}}.
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{name}}
data:
{{files}}---
apiVersion: batch/v1
kind: Job
metadata:
  name: {{name}}
spec:
  completionMode: Indexed
  completions: {{tasks}}
  parallelism: {{tasks}}
  backoffLimitPerIndex: 5
  podFailurePolicy:
    rules:
    # Another try would end in the same way ({{permanent}}), or only runs that failed are left ({{some}}).
    - action: FailIndex
      onExitCodes:
        operator: In
        values: [{{final}}]
    # More to do ({{more}}), or stopped after a checkpoint ({{stopped}}): again, without counting it.
    - action: Ignore
      onExitCodes:
        operator: In
        values: [{{again}}]
    - action: Ignore
      onPodConditions:
      - type: DisruptionTarget
        status: "True"
  template:
    spec:
      restartPolicy: Never
      # For the checkpoints of its runs.
      terminationGracePeriodSeconds: 120
      containers:
      - name: sweep
        image: IMAGE
        workingDir: /runs
        command:
{{command}}        resources:
          requests:
            cpu: {{cores}}
            memory: {{megabytes}}Mi
          limits:
            memory: {{megabytes}}Mi
        volumeMounts:
        - name: runs
          mountPath: /runs
        - name: sweep
          mountPath: /sweep
      volumes:
      - name: runs
        persistentVolumeClaim:
          claimName: CLAIM
      - name: sweep
        configMap:
          name: {{name}}
          items:
{{items}}---
apiVersion: batch/v1
kind: Job
metadata:
  name: {{name}}-merge
spec:
  suspend: true
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: merge
        image: IMAGE
        command:
{{merge}}        resources:
          requests:
            cpu: 1
            memory: {{more_megabytes}}Mi
        volumeMounts:
        - name: runs
          mountPath: /runs
      volumes:
      - name: runs
        persistentVolumeClaim:
          claimName: CLAIM
)";

std::string yaml_string(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// Text that stands in a block as it is; other text is a JSON string.
bool is_block_text(const std::string& text) {
  for (const char c : text)
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\n') || c == 0x7f) return false;
  return !text.empty() && text.back() == '\n';
}

// A file as an entry of the map: readable, where its text can stand in a block.
std::string map_entry(const std::string& key, const std::string& text) {
  if (!is_block_text(text)) return fmt::format("  {}: {}\n", key, yaml_string(text));
  // Indented by two and kept to the last line feed, whatever the text begins or ends with.
  std::string entry = fmt::format("  {}: |2+\n", key), line;
  for (const char c : text) {
    if (c != '\n') {
      line += c;
      continue;
    }
    entry += line.empty() ? "\n" : "    " + line + "\n";
    line.clear();
  }
  return entry;
}

// Of a command, in which $(NAME) would be a variable and $$(NAME) is that text.
std::string yaml_words(const std::vector<std::string>& words) {
  std::string lines;
  for (std::string word : words) {
    for (std::size_t at = word.find("$("); at != std::string::npos; at = word.find("$(", at + 3)) word.insert(at, "$");
    lines += "        - " + yaml_string(word) + "\n";
  }
  return lines;
}

// The API wants them in order.
std::string with_code(std::vector<int> codes, int another) {
  codes.push_back(another);
  std::sort(codes.begin(), codes.end());
  return joined_codes(codes);
}

}  // namespace

std::string kubernetes_manifest(const ClusterJob& job) {
  const std::string base = std::filesystem::path(job.directory).filename().string(), directory = "/runs/" + base;
  std::string files, items;
  for (std::size_t i = 0; i < job.files.size(); ++i) {
    const std::string key = fmt::format("file{}.toml", i);
    files += map_entry(key, job.files[i].text);
    items += fmt::format("          - key: {}\n            path: {}\n", key, yaml_string(job.files[i].name));
  }
  std::vector<std::string> command =
      task_words(job, "/sweep/" + job.files.front().name, directory, fmt::format("auto/{}", job.tasks));
  command.insert(command.begin(), "precipice");
  const std::string merge = fmt::format("precipice merge {0} && precipice report {0}", shell_word(directory));
  return filled(kKubernetesManifest, {{"runs", std::to_string(job.runs)},
                                      {"tasks", std::to_string(job.tasks)},
                                      {"base", yaml_string(base)},
                                      {"name", job.name},
                                      {"cost", job.cost},
                                      {"files", files},
                                      {"permanent", joined_codes(job.codes.permanent)},
                                      {"some", std::to_string(job.codes.some_failed)},
                                      {"final", with_code(job.codes.permanent, job.codes.some_failed)},
                                      {"more", std::to_string(job.codes.more_to_do)},
                                      {"stopped", joined_codes(job.codes.stopped)},
                                      {"again", with_code(job.codes.stopped, job.codes.more_to_do)},
                                      {"command", yaml_words(command)},
                                      {"cores", std::to_string(job.jobs * job.threads)},
                                      {"megabytes", std::to_string(job.megabytes)},
                                      {"more_megabytes", std::to_string(merging_megabytes(job))},
                                      {"items", items},
                                      {"merge", yaml_words({"sh", "-c", merge})}});
}

}  // namespace precipice
