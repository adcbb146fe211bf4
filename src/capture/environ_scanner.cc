// SPDX-License-Identifier: Apache-2.0
#include "preload/capture/environ_scanner.h"

#include <algorithm>
#include <cstring>
#include <functional>

namespace preload {
namespace {

// Bytes of `piece` before its first NUL, or all of it.
size_t until_nul(std::string_view piece) {
  const void* nul = std::memchr(piece.data(), '\0', piece.size());
  return nul == nullptr ? piece.size()
                        : static_cast<size_t>(static_cast<const char*>(nul) -
                                              piece.data());
}

}  // namespace

WatchList::WatchList(std::span<const std::string> names) {
  for (const std::string& name : names) {
    if (name.empty())
      continue;
    first_.set(static_cast<unsigned char>(name.front()));
    if (name.ends_with('*')) {
      prefixes_.push_back(name.substr(0, name.size() - 1));
    } else {
      exact_.push_back(name);
    }
  }
}

bool WatchList::matches(std::string_view name) const {
  return std::find(exact_.begin(), exact_.end(), name) != exact_.end() ||
         std::any_of(prefixes_.begin(), prefixes_.end(),
                     [&](const std::string& p) { return name.starts_with(p); });
}

void EnvironScanner::feed(std::string_view piece) {
  while (!piece.empty()) {
    switch (state_) {
      case State::kStart:
        name_size_ = 0;
        state_ = State::kName;
        break;
      case State::kName:
        piece = take_name(piece);
        break;
      case State::kSkip:
        piece = skip_string(piece);
        break;
      case State::kValue:
        piece = take_value(piece);
        break;
    }
  }
}

std::string_view EnvironScanner::take_name(std::string_view piece) {
  size_t i = 0;
  for (; i < piece.size(); ++i) {
    const char c = piece[i];
    if (c == '\0') {  // not NAME=value
      state_ = State::kStart;
      return piece.substr(i + 1);
    }
    if (c == '=' && name_size_ > 0) {
      ++pairs_;
      counted_ = true;
      const std::string_view name(name_.data(), name_size_);
      state_ = State::kSkip;
      if (watched_.matches(name)) {
        state_ = State::kValue;
        ++found_;
        out_.begin(Section::kEnv);
        fits_ = out_.append(name) && out_.append("=");
      }
      return piece.substr(i + 1);
    }
    if (name_size_ == name_.size())
      break;
    name_[name_size_++] = c;
    if (name_size_ == 1 && !watched_.may_begin_with(c))
      break;
  }
  if (i < piece.size()) {  // never watched
    state_ = State::kSkip;
    counted_ = false;
  }
  return piece.substr(i);
}

std::string_view EnvironScanner::skip_string(std::string_view piece) {
  const size_t length = until_nul(piece);
  if (!counted_ && piece.substr(0, length).find('=') != piece.npos) {
    counted_ = true;
    ++pairs_;
  }
  if (length == piece.size())
    return {};
  state_ = State::kStart;
  return piece.substr(length + 1);
}

std::string_view EnvironScanner::take_value(std::string_view piece) {
  const size_t length = until_nul(piece);
  fits_ = fits_ && out_.append(piece.substr(0, length));
  if (length == piece.size())
    return {};
  end_value();
  return piece.substr(length + 1);
}

void EnvironScanner::end_value() {
  if (!fits_) {
    out_.abandon();
    out_.set_truncated();
  } else if (is_repeated()) {
    out_.abandon();
  } else {
    out_.end();
    ++kept_;
  }
  state_ = State::kStart;
}

bool EnvironScanner::is_repeated() {
  if (out_.size() < kKeepAll)
    return false;
  if (!tabled_)
    table_.fill({nullptr, 0});
  tabled_ = true;
  const std::string_view string = out_.section();
  // Salted with an address, so that nobody can choose strings that share a
  // place.
  const auto salt = reinterpret_cast<uintptr_t>(this) | 1;
  const uint64_t hash = std::hash<std::string_view>()(string) * salt;
  Kept& place = table_[(hash >> 32) % table_.size()];
  if (std::string_view(place.data, place.size) == string)
    return true;
  place = {string.data(), string.size()};
  return false;
}

void EnvironScanner::finish() {
  if (state_ == State::kValue)
    end_value();
}

void EnvironScanner::cut() {
  fits_ = false;
  finish();
}

}  // namespace preload
