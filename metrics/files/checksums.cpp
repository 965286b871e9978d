// SPDX-License-Identifier: Apache-2.0
// CRC-32C: reflected polynomial 0x82F63B78, initial value and final complement all ones (RFC 3720, B.4); CRC-32 is the same
// with the polynomial 0xEDB88320 (ISO 3309; PKWARE APPNOTE 4.4.7). Eight bytes at a time by table ("slicing-by-8", Kounavis and Berry 2005). SHA-256 (FIPS 180-4) comes from OpenSSL.
#include <openssl/evp.h>

#include <array>
#include <bit>
#include <cstring>

#include "metrics/files/files.h"
#include "metrics/files/sha256.h"
#include "precision/base/check.h"

namespace precipice {
namespace {

static_assert(std::endian::native == std::endian::little, "files are little-endian and are written as they lie");

using CrcTables = std::array<std::array<std::uint32_t, 256>, 8>;

constexpr CrcTables make_crc_tables(std::uint32_t polynomial) {
  CrcTables tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? polynomial : 0u);
    tables[0][byte] = crc;
  }
  for (std::size_t slice = 1; slice < 8; ++slice) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t crc = tables[slice - 1][byte];
      tables[slice][byte] = (crc >> 8) ^ tables[0][crc & 0xff];
    }
  }
  return tables;
}

constexpr CrcTables kCastagnoli = make_crc_tables(0x82F63B78);
constexpr CrcTables kIso3309 = make_crc_tables(0xEDB88320);

std::uint32_t crc_by(const CrcTables& t, std::string_view bytes, std::uint32_t crc) {
  const char* p = bytes.data();
  std::size_t left = bytes.size();
  crc = ~crc;
  for (; left >= 8; p += 8, left -= 8) {
    std::uint64_t word;
    std::memcpy(&word, p, 8);
    word ^= crc;
    crc = t[7][word & 0xff] ^ t[6][(word >> 8) & 0xff] ^ t[5][(word >> 16) & 0xff] ^ t[4][(word >> 24) & 0xff] ^
          t[3][(word >> 32) & 0xff] ^ t[2][(word >> 40) & 0xff] ^ t[1][(word >> 48) & 0xff] ^ t[0][word >> 56];
  }
  for (; left > 0; ++p, --left) crc = (crc >> 8) ^ t[0][(crc ^ static_cast<unsigned char>(*p)) & 0xff];
  return ~crc;
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes, std::uint32_t crc) {
  return crc_by(kCastagnoli, bytes, crc);
}

std::uint32_t crc32(std::string_view bytes, std::uint32_t crc) {
  return crc_by(kIso3309, bytes, crc);
}

struct Sha256::Impl {
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context{EVP_MD_CTX_new(), EVP_MD_CTX_free};
};

Sha256::Sha256() : impl_(std::make_unique<Impl>()) {
  const bool ready = impl_->context && EVP_DigestInit_ex(impl_->context.get(), EVP_sha256(), nullptr) == 1;
  PRECIPICE_CHECK(ready, "SHA-256 is not available in libcrypto");
}

Sha256::~Sha256() = default;

void Sha256::update(std::string_view bytes) {
  PRECIPICE_CHECK(EVP_DigestUpdate(impl_->context.get(), bytes.data(), bytes.size()) == 1);
}

std::string Sha256::hex() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  PRECIPICE_CHECK(EVP_DigestFinal_ex(impl_->context.get(), digest.data(), &size) == 1 && size == 32);
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) {
    hex += "0123456789abcdef"[digest[i] >> 4];
    hex += "0123456789abcdef"[digest[i] & 15];
  }
  return hex;
}

std::string sha256_hex(std::string_view bytes) {
  Sha256 sha256;
  sha256.update(bytes);
  return sha256.hex();
}

}  // namespace precipice
