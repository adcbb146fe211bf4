// SPDX-License-Identifier: Apache-2.0
#include "preload/base/digest.h"

#include <openssl/evp.h>

#include <stdexcept>

#include "preload/base/text.h"

namespace preload {
namespace {

void check(bool good) {
  if (!good)
    throw std::runtime_error("libcrypto cannot compute SHA-256");
}

}  // namespace

Sha256::Sha256() : context_(::EVP_MD_CTX_new(), ::EVP_MD_CTX_free) {
  check(context_ &&
        ::EVP_DigestInit_ex(context_.get(), ::EVP_sha256(), nullptr) == 1);
}

void Sha256::update(std::string_view bytes) {
  check(::EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
}

void Sha256::update_sized(std::string_view bytes) {
  const uint64_t size = bytes.size();
  check(::EVP_DigestUpdate(context_.get(), &size, sizeof size) == 1);
  update(bytes);
}

Digest Sha256::finish() {
  Digest digest{};
  // Null keeps the algorithm, without a look-up.
  check(::EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr) == 1 &&
        ::EVP_DigestInit_ex(context_.get(), nullptr, nullptr) == 1);
  return digest;
}

Digest sha256(std::string_view bytes) {
  Sha256 sha;
  sha.update(bytes);
  return sha.finish();
}

std::string hex(const Digest& digest) {
  return hex(std::string(digest.begin(), digest.end()));
}

}  // namespace preload
