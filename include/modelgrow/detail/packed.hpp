// SPDX-License-Identifier: MIT
// Numbers and texts one after the other in one text, which another process of the same program reads in the same order.
#pragma once
#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include <modelgrow/core/error.hpp>

namespace modelgrow::inline v0::detail {

/// Writes.
class Packer {
 public:
  template <std::integral T>
  Packer& operator<<(T number) {
    const auto bits = std::uint64_t(number);
    text_.append(reinterpret_cast<const char*>(&bits), sizeof bits);
    return *this;
  }
  Packer& operator<<(double number) { return *this << std::bit_cast<std::uint64_t>(number); }
  Packer& operator<<(std::string_view text) {
    *this << text.size();
    text_ += text;
    return *this;
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

/// Reads what a Packer wrote. Throws communication_error where the text ends too early.
class Unpacker {
 public:
  explicit Unpacker(std::string_view text) : left_(text) {}
  bool ended() const { return left_.empty(); }
  template <std::integral T>
  Unpacker& operator>>(T& number) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, take(sizeof bits).data(), sizeof bits);
    number = T(bits);
    return *this;
  }
  Unpacker& operator>>(double& number) {
    std::uint64_t bits = 0;
    *this >> bits;
    number = std::bit_cast<double>(bits);
    return *this;
  }
  Unpacker& operator>>(std::string& text) {
    std::uint64_t size = 0;
    *this >> size;
    text = take(size);
    return *this;
  }

 private:
  std::string_view take(std::uint64_t n) {
    if (n > left_.size())
      throw communication_error("a text from another rank ends too early: start all ranks with the same program");
    const auto taken = left_.substr(0, n);
    left_.remove_prefix(n);
    return taken;
  }
  std::string_view left_;
};

}  // namespace modelgrow::inline v0::detail
