// SPDX-License-Identifier: Apache-2.0
// The one declaration of status.json's keys and what they hold, for the file and for whoever passes a status on.
#pragma once

#include "metrics/log/status_file.h"

namespace precipice {

// visit(key, field) for each; `Status` is RunStatus, const or not.
template <class Status, class Visit>
void visit_status(Status& status, const Visit& visit) {
  visit("run_id", status.run_id);
  visit("state", status.state);
  visit("step", status.step);
  visit("steps", status.steps);
  visit("pid", status.pid);
  visit("process_start", status.process_start);
  visit("host", status.host);
  visit("heartbeat", status.heartbeat);
  visit("reason", status.reason);
  visit("divergence_step", status.divergence_step);
  visit("final_loss", status.final_loss);
  visit("unigram_floor", status.unigram_floor);
  visit("skipped_steps", status.skipped_steps);
  visit("run_file_sha256", status.run_file_sha256);
  visit("run_file_before", status.run_file_before);
  visit("wall_seconds", status.wall_seconds);
  visit("cpu_seconds", status.cpu_seconds);
  visit("steps_per_second", status.steps_per_second);
  visit("invocation", status.invocation);
  visit("exit_code", status.exit_code);
  for (const DeviceField& field : kDeviceFields) visit(field.key, status.device.*field.text);
}

}  // namespace precipice
