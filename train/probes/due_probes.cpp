// SPDX-License-Identifier: Apache-2.0
#include "train/probes/due_probes.h"

#include "precision/base/check.h"

namespace precipice {

std::vector<SeriesGroup> DueProbes::groups() const {
  std::vector<SeriesGroup> groups;
  for (const auto& probe : probes_) groups.push_back(probe->group());
  return groups;
}

ForwardRequest DueProbes::before_forward(std::int64_t step) {
  due_.clear();
  ForwardRequest request;
  for (std::size_t i = 0; i < probes_.size(); ++i) {
    if (!is_due(probes_[i]->every(), step)) continue;
    due_.push_back({i, probes_[i].get(), {}});
    probes_[i]->before_forward(request);
  }
  return request;
}

void DueProbes::after_backward(const ForwardPass& pass) {
  for (Due& due : due_) due.probe->after_backward(pass, due.row);
}

void DueProbes::before_update(const ProbedStep& step, const TensorVector& gradients) {
  for (Due& due : due_) due.probe->before_update(step, gradients, due.row);
}

void DueProbes::after_update(const ProbedStep& step, const UpdateResult& update) {
  for (Due& due : due_) due.probe->after_update(step, update, due.row);
}

void DueProbes::append_rows(std::int64_t step, std::vector<SeriesRow>& rows) {
  for (Due& due : due_) {
    if (due.row.empty()) continue;
    const SeriesGroup& group = due.probe->group();
    PRECIPICE_CHECK(due.row.size() == group.row_width(), due.row.size(), " values of ", group.name);
    rows.push_back({static_cast<std::uint16_t>(first_group_ + due.index), step, std::move(due.row)});
  }
  due_.clear();
}

void DueProbes::restore(std::span<const SeriesRow> rows) {
  std::vector<std::vector<std::span<const double>>> own(probes_.size());
  for (const SeriesRow& row : rows)
    if (row.group >= first_group_) own.at(row.group - first_group_).push_back(row.values);
  for (std::size_t i = 0; i < probes_.size(); ++i) probes_[i]->restore(own[i]);
}

}  // namespace precipice
