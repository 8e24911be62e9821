// SPDX-License-Identifier: MIT
// The parts of a split GGUF model: "<stem>-00001-of-00003.gguf" and what the metadata split.* say of them
// (ggml-org/llama.cpp: tools/gguf-split, llama_split_path).
#pragma once
#include <algorithm>
#include <cstdio>
#include <filesystem>

#include <modelgrow/checkpoint/gguf_value.hpp>

namespace modelgrow::inline v0::detail {

/// What one part says of the whole; a file that is not split is part 0 of 1.
struct GgufSplit {
  std::int64_t number = 0, count = 1;

  /// Throws format_error with `source`.
  static GgufSplit of(const GgufMetadata& m, const std::string& source) {
    GgufSplit s;
    s.count = std::max<std::int64_t>(1, m.integer("split.count", 1));
    if (s.count > 1) s.number = m.integer("split.no");
    if (s.count > 99999 || s.number < 0 || s.number >= s.count)
      throw format_error(source + ": the metadata call it part " + std::to_string(s.number) + " (from 0) of " +
                         std::to_string(s.count) + ", which cannot be: split the model again");
    return s;
  }
  std::string text() const { return "part " + std::to_string(number + 1) + " of " + std::to_string(count); }
  /// What the name of the file ends in before its ending: "-00001-of-00003".
  std::string mark() const {
    char text[32];
    std::snprintf(text, sizeof text, "-%05d-of-%05d", int(number) + 1, int(count));
    return text;
  }
};

/// The file that holds another part. Throws format_error when the name of this one does not say where it is.
inline std::filesystem::path gguf_part(const std::filesystem::path& path, const GgufSplit& self, std::int64_t number) {
  const std::string stem = path.stem().string(), mark = self.mark();
  if (!stem.ends_with(mark))
    throw format_error(path.string() + ": this is " + self.text() +
                       " of a split model; expected a name that ends in '" + mark + path.extension().string() +
                       "', which tells where the other parts are: name the parts " +
                       "so, or merge them with llama-gguf-split --merge");
  const GgufSplit other{.number = number, .count = self.count};
  return path.parent_path() / (stem.substr(0, stem.size() - mark.size()) + other.mark() + path.extension().string());
}

}  // namespace modelgrow::inline v0::detail
