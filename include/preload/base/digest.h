// SPDX-License-Identifier: Apache-2.0
// SHA-256 through libcrypto.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

struct evp_md_ctx_st;  // libcrypto's EVP_MD_CTX

namespace preload {

using Digest = std::array<uint8_t, 32>;

// Digests of messages fed in pieces. One thread at a time; finish() makes it
// ready for the next message.
class Sha256 {
 public:
  Sha256();

  void update(std::string_view bytes);
  // A piece with its length before it (8 bytes, host order), so that the
  // borders of pieces are part of what is digested.
  void update_sized(std::string_view bytes);
  [[nodiscard]] Digest finish();

 private:
  std::unique_ptr<evp_md_ctx_st, void (*)(evp_md_ctx_st*)> context_;
};

[[nodiscard]] Digest sha256(std::string_view bytes);
[[nodiscard]] std::string hex(const Digest& digest);

// Digests are uniform already: any 8 bytes of one are its hash.
struct DigestHash {
  size_t operator()(const Digest& digest) const {
    size_t value = 0;
    std::memcpy(&value, digest.data(), sizeof value);
    return value;
  }
};

}  // namespace preload
