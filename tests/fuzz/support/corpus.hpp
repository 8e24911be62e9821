// SPDX-License-Identifier: MIT
// The files of a corpus, in the order of their names, which is the same everywhere.
#pragma once
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace modelgrow::testing {

inline std::vector<std::string> read_corpus(const std::filesystem::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream in(entry.path(), std::ios::binary);
    files[entry.path().filename().string()].assign(std::istreambuf_iterator<char>(in), {});
  }
  if (files.empty()) throw std::runtime_error("'" + folder.string() + "' holds no files to begin with");
  std::vector<std::string> corpus;
  for (auto& [name, bytes] : files) corpus.push_back(std::move(bytes));
  return corpus;
}

}  // namespace modelgrow::testing
