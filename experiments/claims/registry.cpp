// SPDX-License-Identifier: Apache-2.0
#include "experiments/claims/registry.h"

#include <fmt/format.h>

#include <toml++/toml.h>
#include <algorithm>
#include <map>
#include <utility>

#include "metrics/files/files.h"
#include "precision/base/check.h"

namespace precipice {
namespace {

constexpr std::uint64_t kMaxRegistryBytes = 4 << 20;

struct RegisteredText {
  std::string sha256;
  bool late = false;
  std::int64_t n = 0, looked_at = 0;
};

struct Registry {
  std::map<std::string, RegisteredText> entries;  // by id
  std::vector<Claim> claims;
};

std::string hash_of(const Claim& claim) {
  return sha256_hex(claim.prediction);
}

Registry read_registry(const std::filesystem::path& directory) {
  Registry registry;
  const std::filesystem::path path = directory / kClaimsFileName;
  if (!std::filesystem::exists(path)) return registry;
  const std::string text = read_file(path, kMaxRegistryBytes);
  try {
    const toml::table file = toml::parse(text, path.string());
    if (const auto* entries = file["registered"].as_array())
      for (const toml::node& node : *entries) {
        const auto* entry = node.as_table();
        if (entry == nullptr) throw DataError(path.string() + ": \"registered\" has no tables");
        const std::string id = (*entry)["id"].value_or(std::string());
        registry.entries[id] = {(*entry)["sha256"].value_or(std::string()), (*entry)["late"].value_or(false),
                                (*entry)["n"].value_or(std::int64_t{0}),
                                (*entry)["looked_at"].value_or(std::int64_t{0})};
        if (registry.entries[id].n < 0 || registry.entries[id].looked_at < 0)
          throw DataError(path.string() + ": a number of pairs is negative");
      }
    registry.claims = parse_claims(text, path.string());
  } catch (const toml::parse_error& error) {
    throw DataError(fmt::format("{}: not TOML: {}", path.string(), error.description()));
  } catch (const ConfigError& error) {
    throw DataError(error.what());
  }
  for (const Claim& claim : registry.claims)
    if (!registry.entries.contains(claim.id))
      throw DataError(fmt::format("{}: claim {} is not registered", path.string(), claim.id));
  return registry;
}

RegisteredClaim with_entry(const Registry& registry, const Claim& claim) {
  const auto entry = registry.entries.find(claim.id);
  if (entry == registry.entries.end()) return {claim, false, true, 0, 0};
  const RegisteredText& text = entry->second;
  RegisteredClaim registered{claim, text.sha256 != hash_of(claim), text.late, 0, text.looked_at};
  if (text.n > 0 && text.n < claim.n) registered.asked = std::exchange(registered.claim.n, text.n);
  return registered;
}

// `n`: pairs by the plan, 0 for as many as the claim asks for.
void set_pairs(RegisteredText& entry, std::int64_t n, bool begun) {
  if (begun && entry.n > 0 && (n == 0 || n > entry.n)) entry.looked_at = entry.n;
  entry.n = n;
}

}  // namespace

void register_claims(const std::filesystem::path& directory, const std::vector<Claim>& claims, bool begun,
                     std::optional<std::int64_t> planned) {
  Registry registry = read_registry(directory);
  if (claims.empty() && registry.claims.empty()) return;
  for (const Claim& claim : claims) {
    // Before any run has begun a claim may be edited freely.
    if (!begun || !registry.entries.contains(claim.id)) registry.entries[claim.id] = {hash_of(claim), begun, 0, 0};
    set_pairs(registry.entries[claim.id], planned && *planned < claim.n ? *planned : 0, begun);
    const auto known =
        std::find_if(registry.claims.begin(), registry.claims.end(), [&](const Claim& c) { return c.id == claim.id; });
    if (known != registry.claims.end())
      *known = claim;
    else
      registry.claims.push_back(claim);
  }
  std::string text = "# The claims of this sweep, and the hashes of their texts when its runs began.\n";
  for (const auto& [id, entry] : registry.entries) {
    text += fmt::format("[[registered]]\nid = \"{}\"\nsha256 = \"{}\"\nlate = {}\n", id, entry.sha256, entry.late);
    if (entry.n > 0) text += fmt::format("n = {}\n", entry.n);
    if (entry.looked_at > 0) text += fmt::format("looked_at = {}\n", entry.looked_at);
  }
  for (const Claim& claim : registry.claims) text += "\n[[claim]]\n" + claim.text;
  write_file_atomic(directory / kClaimsFileName, text);
}

std::vector<RegisteredClaim> registered_claims(const std::filesystem::path& directory) {
  const Registry registry = read_registry(directory);
  std::vector<RegisteredClaim> claims;
  for (const Claim& claim : registry.claims) claims.push_back(with_entry(registry, claim));
  return claims;
}

std::vector<RegisteredClaim> compare_with_registered(const std::filesystem::path& directory,
                                                     const std::vector<Claim>& claims) {
  const Registry registry = read_registry(directory);
  std::vector<RegisteredClaim> compared;
  for (const Claim& claim : claims) compared.push_back(with_entry(registry, claim));
  return compared;
}

}  // namespace precipice
