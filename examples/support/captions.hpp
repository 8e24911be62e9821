// SPDX-License-Identifier: MIT
// Captions to encode: lines of text files, and what captioned clips say.
#pragma once
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <modelgrow/data/webdataset.hpp>

namespace example {
namespace mg = modelgrow;

/// The keywords of a clip as one prompt, such as "ocean, water, wave": other words than its caption.
inline std::string keyword_prompt(const std::vector<std::string>& keywords) {
  std::string text;
  for (const auto& word : keywords) text += (text.empty() ? "" : ", ") + word;
  return text;
}

/// Appends the lines of a file that are not blank, whatever ends them. Throws io_error, and format_error that names the
/// line that is no UTF-8.
inline void read_lines(const std::filesystem::path& path, std::vector<std::string>& captions) {
  std::ifstream in(path, std::ios::binary);
  if (!in || std::filesystem::is_directory(path))
    throw mg::io_error("cannot read '" + path.string() + "': give a text file with one caption a line");
  std::size_t number = 0;
  for (std::string line; std::getline(in, line);) {
    const std::string where = path.string() + ", line " + std::to_string(++number);
    std::istringstream parts(mg::caption_text(line, where));  // several where old Macs ended the lines
    for (std::string part; std::getline(parts, part);)
      if (auto caption = mg::caption_text(part, where); !caption.empty()) captions.push_back(std::move(caption));
  }
}

enum class Keywords { skip, add };

/// Appends the captions of an archive, and keyword prompts if they are wanted. Throws io_error or format_error.
inline void read_clips(const std::filesystem::path& archive, Keywords keywords, std::vector<std::string>& captions) {
  mg::WebDataset reader(archive);
  while (const auto sample = reader.next()) {
    captions.push_back(sample->caption);
    if (keywords == Keywords::add && !sample->keywords.empty()) captions.push_back(keyword_prompt(sample->keywords));
  }
}

}  // namespace example
