// SPDX-License-Identifier: MIT
// Raw bytes in and out of files.
#pragma once
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include <tests/support/catch.hpp>
#include <tests/support/message.hpp>
#include <tests/support/scratch.hpp>

namespace modelgrow::testing {

inline std::filesystem::path put(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream out(path, std::ios::binary);
  out.write(bytes.data(), std::streamsize(bytes.size()));
  out.close();
  REQUIRE(out);
  return path;
}

inline std::string get(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  REQUIRE(in);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

}  // namespace modelgrow::testing
