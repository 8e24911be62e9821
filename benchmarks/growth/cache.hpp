// SPDX-License-Identifier: MIT
// Segments on disk, each in a folder that its key names:
//   segment.json  what it is        log.jsonl  what was measured
//   run/          the model, its averages and optimizer after the last step or save
//   done.json     totals; there when it is finished
#pragma once
#include <filesystem>
#include <optional>
#include <string>

#include "segment.hpp"

namespace growth {

/// Totals of a finished segment.
struct Done {
  std::int64_t step = 0, parameters = 0;
  double flops = 0;              // of all its training steps, executed operations
  double seconds = 0;            // of training
  double measuring_seconds = 0;  // of validation and judgement
  double peak_mb = 0;            // of memory, of the process
};

class Cache {
 public:
  explicit Cache(std::filesystem::path root) : root_(std::move(root)) {}
  const std::filesystem::path& root() const { return root_; }

  std::filesystem::path folder(const std::string& key) const { return root_ / key; }
  std::filesystem::path run(const std::string& key) const { return folder(key) / "run"; }
  std::filesystem::path log(const std::string& key) const { return folder(key) / "log.jsonl"; }

  /// Writes segment.json, with the paths of today. Throws io_error, and format_error when the folder is another
  /// segment's.
  void declare(const Segment& s) const;
  Segment read(const std::string& key) const;

  std::optional<Done> done(const std::string& key) const;
  void finish(const std::string& key, const Done& d) const;
  /// Steps of an unfinished segment that are saved.
  std::int64_t saved_step(const std::string& key) const;

 private:
  std::filesystem::path root_;
};

}  // namespace growth
