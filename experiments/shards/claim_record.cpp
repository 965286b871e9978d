// SPDX-License-Identifier: Apache-2.0
#include "experiments/shards/claim_record.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "precision/base/check.h"

namespace precipice {

std::string encode_claim(const ClaimRecord& record) {
  const nlohmann::ordered_json json{{"format", kShardFormat},      {"token", record.token},
                                    {"free", record.free},         {"holder", record.holder},
                                    {"program", record.program},   {"host", record.process.host},
                                    {"boot", record.process.boot}, {"namespace", record.process.namespace_},
                                    {"pid", record.process.pid},   {"process_start", record.process.started},
                                    {"written", record.written}};
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

ClaimRecord decode_claim(std::string_view bytes, const std::string& name) {
  try {
    const nlohmann::json json = nlohmann::json::parse(bytes);
    if (const auto format = json.at("format").get<std::int64_t>(); format != kShardFormat)
      throw DataError(fmt::format("{}: a claim of format {}; this version knows {}", name, format, kShardFormat));
    ClaimRecord record;
    record.token = json.at("token").get<std::string>();
    record.free = json.at("free").get<bool>();
    record.holder = json.at("holder").get<std::string>();
    record.program = json.at("program").get<std::string>();
    record.process.host = json.at("host").get<std::string>();
    record.process.boot = json.at("boot").get<std::string>();
    record.process.namespace_ = json.at("namespace").get<std::string>();
    record.process.pid = json.at("pid").get<std::int64_t>();
    record.process.started = json.at("process_start").get<std::int64_t>();
    record.written = json.at("written").get<std::int64_t>();
    return record;
  } catch (const nlohmann::json::exception&) {
    throw DataError(name + ": damaged claim");
  }
}

}  // namespace precipice
