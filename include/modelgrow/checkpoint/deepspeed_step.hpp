// SPDX-License-Identifier: MIT
// Which step of a run of DeepSpeed is the last one.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>

#include <modelgrow/core/error.hpp>
#include <modelgrow/detail/atomic_file.hpp>

namespace modelgrow::inline v0 {

/// The file of a run that names the folder of its last step.
inline constexpr std::string_view deepspeed_latest = "latest";

/// That folder. Throws io_error where it is missing.
inline std::filesystem::path deepspeed_step(const std::filesystem::path& run) {
  std::string tag = detail::read_file(run / deepspeed_latest);
  while (!tag.empty() && (tag.back() == '\n' || tag.back() == '\r' || tag.back() == ' ')) tag.pop_back();
  if (std::error_code ignored; tag.empty() || tag.find_first_of("/\\") != tag.npos || tag[0] == '.' ||
                               !std::filesystem::is_directory(run / tag, ignored))
    throw io_error("cannot read '" + run.string() + "': its file 'latest' names the step '" + tag +
                   "', for which there is no folder; fetch it, too, or give the folder of another step");
  return run / tag;
}

}  // namespace modelgrow::inline v0
