// SPDX-License-Identifier: Apache-2.0
// Statistics as JSON, the same words in `stats`, `merge`, `label` and `warn`. JSON has neither NaN nor infinities: a
// number that could not be computed is null, and a "reason" beside it says why; infinite ones are "inf" and "-inf".
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "metrics/statistics/bootstrap.h"
#include "metrics/statistics/proportions.h"
#include "metrics/statistics/roc.h"
#include "metrics/statistics/survival.h"

namespace precipice {

using Json = nlohmann::ordered_json;

Json json_number(double value);
Json to_json(const Interval& interval);  // [low, high]
Json count_json(const Count& count, double confidence);
Json survival_json(std::span<const SurvivalTime> times, double confidence);  // runs, events, median, curve
Json count_pair_json(const Count& a, const Count& b, double confidence);
Json log_rank_json(std::span<const std::vector<SurvivalTime>> groups);
Json value_pair_json(std::span<const double> a, std::span<const double> b, const BootstrapOptions& options);
// The interval, how many resamples it is of, and how many were dropped; null ends where all values are equal or there
// are fewer than two in a group. `values`: of each group.
void add_bootstrap(Json& json, const Bootstrap& bootstrap, std::span<const std::span<const double>> values);
Json auc_json(const Auc& auc, bool small_sample, double confidence);

// One more reason; the first stays in front.
void add_reason(Json& json, const std::string& reason);

// Puts "holm_p" beside "p" in every entry that has one.
void add_holm(Json& pairs, const char* p_name = "p");

std::string dump(const Json& json);  // indented, bad UTF-8 replaced, newline at the end

}  // namespace precipice
