// SPDX-License-Identifier: Apache-2.0
#include "preload/base/digest.h"

#include <openssl/evp.h>

#include <stdexcept>

#include "preload/base/text.h"

namespace preload {

struct Sha256::Context {
  EVP_MD_CTX* evp = EVP_MD_CTX_new();
  Context() { start(EVP_sha256()); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context() { EVP_MD_CTX_free(evp); }

  // Null keeps the algorithm of the last message, without a look-up.
  void start(const EVP_MD* type) const {
    check(evp != nullptr && EVP_DigestInit_ex(evp, type, nullptr) == 1);
  }
  static void check(bool good) {
    if (!good)
      throw std::runtime_error("libcrypto cannot compute SHA-256");
  }
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {}
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;
Sha256::~Sha256() = default;

void Sha256::update(std::string_view bytes) {
  Context::check(EVP_DigestUpdate(context_->evp, bytes.data(), bytes.size()) ==
                 1);
}

void Sha256::update_sized(std::string_view bytes) {
  const uint64_t size = bytes.size();
  Context::check(EVP_DigestUpdate(context_->evp, &size, sizeof size) == 1);
  update(bytes);
}

Digest Sha256::finish() {
  Digest digest{};
  Context::check(EVP_DigestFinal_ex(context_->evp, digest.data(), nullptr) ==
                 1);
  context_->start(nullptr);
  return digest;
}

Digest sha256(std::string_view bytes) {
  Sha256 sha;
  sha.update(bytes);
  return sha.finish();
}

std::string hex(const Digest& digest) {
  std::string bytes(digest.begin(), digest.end());
  return hex(std::string_view(bytes));
}

}  // namespace preload
