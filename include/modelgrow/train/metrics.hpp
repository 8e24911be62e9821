// SPDX-License-Identifier: MIT
// A log with one JSON object a line, which a resumed run continues without a gap or a repetition.
#pragma once
#include <filesystem>
#include <fstream>
#include <string>

#include <modelgrow/core/error.hpp>
#include <modelgrow/detail/json.hpp>

namespace modelgrow::inline v0 {

/// Appends records to a .jsonl file. Throws io_error when it cannot be written.
class MetricsLog {
 public:
  /// Opens the file, creating its directory, and cuts it at the first record of step `resume_at` or later, or at a line
  /// that a killed run left unfinished. With the default, an old log is emptied.
  explicit MetricsLog(std::filesystem::path path, std::int64_t resume_at = 0) : path_(std::move(path)) {
    std::error_code ignored;
    if (path_.has_parent_path()) std::filesystem::create_directories(path_.parent_path(), ignored);
    std::uintmax_t kept = 0;
    if (std::ifstream old(path_); old && resume_at > 0)
      for (std::string line; std::getline(old, line) && !old.eof(); kept += line.size() + 1) {
        const auto record = detail::json::parse(line, nullptr, false);
        if (!record.is_object() || record.value("step", resume_at) >= resume_at) break;
      }
    file_.open(path_, std::ios::app);
    check();
    std::filesystem::resize_file(path_, kept, ignored);
    check();
  }

  /// Writes one record, such as {{"step", 3}, {"loss", 0.5}}; it is on its way to the disk when this returns.
  void write(const detail::json& record) {
    file_ << record.dump() << std::endl;
    check();
  }

 private:
  void check() const {
    if (!file_) throw io_error("cannot write the log '" + path_.string() + "': check its directory and the free space");
  }
  std::filesystem::path path_;
  std::ofstream file_;
};

}  // namespace modelgrow::inline v0
