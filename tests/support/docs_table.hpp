// SPDX-License-Identifier: MIT
// Tables of docs/ that say what the library says: between two comments of a page, written anew on demand.
#pragma once
#include <cstdlib>

#include <modelgrow/detail/atomic_file.hpp>

#include "tests/support/catch.hpp"

namespace modelgrow::testing {

/// Checks that the page of the repository holds this table; with MODELGROW_WRITE_DOCS=1 writes it first.
inline void check_docs_table(const std::string& page, const std::string& table) {
  const auto path = std::filesystem::path(MODELGROW_SOURCE_DIR) / page;
  const std::string begin = "<!-- table -->\n", end = "<!-- end of table -->\n";
  std::string text = detail::read_file(path);
  const auto from = text.find(begin) + begin.size(), to = text.find(end);
  REQUIRE(to != text.npos);
  if (std::getenv("MODELGROW_WRITE_DOCS")) detail::write_file(path, text.replace(from, to - from, table));
  INFO("MODELGROW_WRITE_DOCS=1 writes the table of " << page << " anew");
  CHECK(detail::read_file(path).find(begin + table + end) != std::string::npos);
}

}  // namespace modelgrow::testing
