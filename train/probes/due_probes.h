// SPDX-License-Identifier: Apache-2.0
// The probes of a run in the course of a step: which are due, and the row that each of them fills.
#pragma once

#include "train/probes/probe.h"

namespace precipice {

class DueProbes {
 public:
  // `first_group`: index in SeriesRow of the first probe's group; the others follow in the order of `probes`.
  DueProbes(Probes probes, std::uint16_t first_group) : probes_(std::move(probes)), first_group_(first_group) {}

  std::vector<SeriesGroup> groups() const;

  // At the step of the last before_forward().
  bool is_any_due() const { return !due_.empty(); }

  // The hooks of one step's due probes, called in this order.
  ForwardRequest before_forward(std::int64_t step);
  void after_backward(const ForwardPass& pass);
  void before_update(const ProbedStep& step, const TensorVector& gradients);
  void after_update(const ProbedStep& step, const UpdateResult& update);
  // Appends their rows, in the order of their groups.
  void append_rows(std::int64_t step, std::vector<SeriesRow>& rows);

  // `rows`: all that the run has logged.
  void restore(std::span<const SeriesRow> rows);

 private:
  struct Due {
    std::size_t index;  // in probes_
    Probe* probe;
    ProbeRow row;
  };

  Probes probes_;
  std::uint16_t first_group_;
  std::vector<Due> due_;
};

}  // namespace precipice
