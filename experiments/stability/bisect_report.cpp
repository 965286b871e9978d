// SPDX-License-Identifier: Apache-2.0
// What a bisection found, for people and as JSON with stable keys.
#include <fmt/format.h>

#include <cmath>

#include "experiments/console/json_fields.h"
#include "experiments/console/json_numbers.h"
#include "experiments/console/table.h"
#include "experiments/stability/bisect.h"

namespace precipice {
namespace {

std::string loss_of(const Replay& replay) {
  return std::isfinite(replay.final_loss) ? fmt::format("{:.4f}", replay.final_loss) : "nan";
}

std::string end_of(const Replay& replay) {
  if (!replay.diverged()) return "no";
  return fmt::format("at step {} ({})", replay.divergence.step, replay.divergence.reason);
}

std::string event_text(const TensorEvent& event) {
  if (event.pass.empty()) return fmt::format("step {}: {}", event.step, event.site);
  return fmt::format("step {}: {} {} {}: {} of {} elements saturated, {} overflowed, {} NaN, amax {:.4g}", event.step,
                     event.site, event.pass, event.operand, event.counts.saturated, event.counts.total,
                     event.counts.overflowed, event.counts.nan_in, event.counts.amax);
}

Json event_json(const std::optional<TensorEvent>& event) {
  if (!event) return nullptr;
  Json out;
  out["step"] = event->step;
  out["site"] = event->site;
  if (event->pass.empty()) return out;
  out["pass"] = event->pass;
  out["operand"] = event->operand;
  out["elements"] = event->counts.total;
  out["saturated"] = event->counts.saturated;
  out["overflowed"] = event->counts.overflowed;
  out["nan"] = event->counts.nan_in;
  out["amax"] = finite_or_null(event->counts.amax);
  return out;
}

Json replay_json(const Replay& replay) {
  Json out;
  out["final_loss"] = finite_or_null(replay.final_loss);
  out["validation_loss"] = finite_or_null(replay.validation_loss);
  out["divergence_step"] = replay.divergence.step;
  out["divergence_reason"] = replay.divergence.reason;
  return out;
}

}  // namespace

std::string bisect_text(const BisectResult& result, const BisectRequest& request) {
  std::vector<std::vector<std::string>> rows = {{"part", "", "final loss", "validation", "diverges", "share", ""}};
  const auto add = [&](const std::string& kind, const std::string& name, const Replay& replay, double share,
                       const std::string& note) {
    rows.push_back({kind, name, loss_of(replay),
                    std::isfinite(replay.validation_loss) ? fmt::format("{:.4f}", replay.validation_loss) : "nan",
                    end_of(replay), std::isfinite(share) ? fmt::format("{:.2f}", share) : "-", note});
  };
  add("own", "", result.own, kNotMeasured, "the run's precision");
  add("all", "", result.target, kNotMeasured, "everything in " + request.to);
  for (const BisectPart& part : result.parts)
    add(part.kind, part.name, part.replay, part.share,
        part.unchanged ? "nothing changes"
        : part.decides ? "<-- decides"
                       : "");
  std::string text = fmt::format("run {}, steps {} to {}, one part at a time {} {}\n\n{}\n", result.run_id, result.from,
                                 result.from + result.steps, request.reverse ? "kept, everything else in" : "in",
                                 request.to, format_table(rows));
  if (result.logged > 0)
    text += result.reproduces_log
                ? fmt::format("The first {} losses have the bits of the run's log.\n", result.logged)
                : std::string("The replay does NOT reproduce the run's log: another machine or build?\n");
  if (result.own.not_finite) text += "First not finite: " + event_text(*result.own.not_finite) + "\n";
  if (result.own.saturated) text += "First saturated: " + event_text(*result.own.saturated) + "\n";
  return text + "Verdict: " + result.verdict + "\n";
}

std::string bisect_json(const BisectResult& result, const BisectRequest& request) {
  Json out;
  out["run"] = result.run_id;
  out["from"] = result.from;
  out["steps"] = result.steps;
  out["to"] = request.to;
  out["reverse"] = request.reverse;
  out["own"] = replay_json(result.own);
  out["target"] = replay_json(result.target);
  out["reproduces_log"] = result.logged > 0 ? Json(result.reproduces_log) : Json();
  out["first_not_finite"] = event_json(result.own.not_finite);
  out["first_saturated"] = event_json(result.own.saturated);
  out["parts"] = Json::array();
  for (const BisectPart& part : result.parts) {
    Json one{{"kind", part.kind}, {"name", part.name}, {"rules", part.rules}};
    one.update(replay_json(part.replay));
    one["unchanged"] = part.unchanged;
    one["share"] = finite_or_null(part.share);
    one["decides"] = part.decides;
    out["parts"].push_back(one);
  }
  out["verdict"] = result.verdict;
  return out.dump() + "\n";
}

}  // namespace precipice
