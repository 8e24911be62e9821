// SPDX-License-Identifier: MIT
// The definitions of window_writer.hpp.
#pragma once
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <unordered_map>

#include <modelgrow/core/parallel.hpp>
#include <modelgrow/detail/hash64.hpp>
#include <modelgrow/detail/packed.hpp>
#include <modelgrow/grow/window_writer.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// The smallest chunk that ranks take, in windows: it ends in one that may be made twice.
inline constexpr std::uint64_t least_windows = 8;

MODELGROW_INLINE std::uint64_t private_memory() {
  unsigned long long all = 0, shared = 0;
  if (std::FILE* f = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(f, "%*u %llu %llu", &all, &shared) != 2) all = shared = 0;
    std::fclose(f);
  }
  return std::uint64_t(all - shared) * std::uint64_t(::sysconf(_SC_PAGESIZE));
}

MODELGROW_INLINE WindowWriter::WindowWriter(ProvenTensors& tensors, const CheckpointLayout& layout,
                                            const std::function<std::string(const std::string&)>& name_of, Ranks& ranks)
    : tensors_(tensors), ranks_(ranks) {
  std::unordered_map<std::string, std::size_t> by_name;
  for (std::size_t i = 0; i < tensors.size(); ++i) by_name.emplace(name_of(tensors.output(i).target.name), i);
  for (const auto& f : layout.files) {
    File& file = files_.emplace_back();
    file.layout = &f;
    file.first = outputs_.size();
    for (std::size_t i = 0; i < f.tensors.size(); ++i) {
      outputs_.push_back(by_name.at(f.tensors[i].name));
      bytes_.push_back(f.begin[i + 1] - f.begin[i]);
    }
  }
  if (ranks.size() > 1) tensors.share();
}

/// The windows that have bytes of a chunk. A window is written for the first tensor in it, and what is before the first
/// tensor of a file belongs to that.
MODELGROW_INLINE void WindowWriter::take(const Chunk& chunk) {
  for (auto i = chunk.first; i < chunk.end; ++i) {
    tensors_.take(outputs_[i]);
    if (bytes_[i] == 0) tensors_.empty(outputs_[i]);
  }
  for (std::size_t f = 0; f < files_.size(); ++f) {
    const File& file = files_[f];
    const auto& begin = file.layout->begin;
    const auto first = std::max(chunk.first, file.first), end = std::min(chunk.end, file.first + begin.size() - 1);
    if (first < end)
      add_jobs({.file = f, .first = first, .end = end}, first == file.first ? 0 : begin[first - file.first],
               begin[end - file.first]);
  }
}

/// Those that have bytes in [from, to) of a file.
MODELGROW_INLINE void WindowWriter::add_jobs(Job job, std::uint64_t from, std::uint64_t to) {
  File& file = files_[job.file];
  const std::lock_guard lock(file.mutex);
  for (job.window = from / window_bytes_; job.window * window_bytes_ < to; ++job.window) {
    job.written = job.window * window_bytes_ >= from;
    jobs_.push_back(job);
    ++file.left;
    taken_bytes_ += std::min((job.window + 1) * window_bytes_, file.layout->bytes()) - job.window * window_bytes_;
  }
}

/// What to do next; none where all that was not begun is done by others.
MODELGROW_INLINE std::optional<WindowWriter::Job> WindowWriter::next_job() {
  const std::lock_guard lock(mutex_);
  while (begun_ == jobs_.size()) {
    const auto chunk = claims_->next();
    if (!chunk) return {};
    take(*chunk);
    const auto left = claims_->bytes_left();
    progress_.total_bytes = taken_bytes_ + left;
    progress_.total = std::int64_t(jobs_.size() + left / window_bytes_);
  }
  return jobs_[begun_++];
}

MODELGROW_INLINE void WindowWriter::write(const std::filesystem::path& root, Journal& journal,
                                          const WritePlan& options) {
  window_bytes_ = std::max<std::uint64_t>(1, options.window_bytes / disk_block) * disk_block;
  std::string names;
  std::uint64_t windows = 0;
  for (std::size_t f = 0; f < files_.size(); ++f) {
    File& file = files_[f];
    const auto& layout = *file.layout;
    file.key = journal.name_of(layout.path);
    names += file.key + "\n";
    file.sums.resize((layout.bytes() + window_bytes_ - 1) / window_bytes_);
    windows += file.sums.size();
    if (ranks_.first()) DirectFile::reserve(layout.path, layout.bytes());
    if (ranks_.first() && layout.tensors.empty()) add_jobs({.file = f}, 0, layout.bytes());
  }
  claims_.emplace(chunks_of(bytes_, ranks_.size(), least_windows * window_bytes_), ranks_,
                  std::to_string(hash_name(names)));
  ranks_.all();  // find the files
  const auto all = int(std::clamp<std::uint64_t>(windows, 1, 1u << 20));
  parallel_workers(std::min(all, parallel_threads() + waiting_for_disk), [&] {
    return [&, buffer = BlockBuffer(window_bytes_)] {
      const auto job = next_job();
      if (job) window(*job, buffer, journal, options);
      return job.has_value();
    };
  });
  join_sums(root);
}

/// Every rank gets the checksums of all windows, once all have written theirs.
MODELGROW_INLINE void WindowWriter::join_sums(const std::filesystem::path& root) {
  if (ranks_.size() == 1) return;
  Packer own;
  for (const auto& job : jobs_) own << job.file << job.window << files_[job.file].sums[job.window];
  std::vector<std::vector<int>> made_by;
  for (auto& file : files_) made_by.emplace_back(file.sums.size(), -1);
  const auto window_of = [&](std::size_t file, std::uint64_t window) {
    return (root / files_[file].key).string() + ": the window at byte " + std::to_string(window * window_bytes_);
  };
  const auto said = ranks_.all(own.text());
  for (std::size_t r = 0; r < said.size(); ++r)
    for (Unpacker from(said[r]); !from.ended();) {
      std::size_t f = 0;
      std::uint64_t window = 0, sum = 0;
      from >> f >> window >> sum;
      int& rank = made_by.at(f).at(window);
      auto& known = files_[f].sums[window];
      if (rank >= 0 && known != sum)
        throw check_error(window_of(f, window) + ": rank " + std::to_string(r) + " makes other bytes than rank " +
                          std::to_string(rank) + "; start all ranks with the same program, on machines of one kind");
      rank = int(r);
      known = sum;
    }
  for (std::size_t f = 0; f < files_.size(); ++f)
    if (const auto none = std::ranges::find(made_by[f], -1); none != made_by[f].end())
      throw check_error(window_of(f, std::uint64_t(none - made_by[f].begin())) +
                        " was made by no rank; see whether the file system that they share keeps O_EXCL");
}

MODELGROW_INLINE DirectFile& WindowWriter::open(File& file) {
  const std::lock_guard lock(file.mutex);
  if (!file.open) file.open = std::make_unique<DirectFile>(file.layout->path, DirectFile::Access::write);
  return *file.open;
}

MODELGROW_INLINE void WindowWriter::window(const Job& job, const BlockBuffer& buffer, Journal& journal,
                                           const WritePlan& options) {
  File& file = files_[job.file];
  const auto& layout = *file.layout;
  const std::uint64_t begin = job.window * window_bytes_, end = std::min(begin + window_bytes_, layout.bytes());
  const auto bytes = buffer.first(std::size_t(end - begin));
  const auto parts = pieces_of(layout.begin, file.first, begin, bytes);
  const std::string what = parts.empty() ? file.key : tensors_.output(outputs_[parts.back().tensor]).target.name;
  const auto making = ranks_.making(what);
  DirectFile& disk = open(file);
  const auto known = journal.find(file.key, job.window);
  const bool there = known && disk.read(begin, buffer, bytes.size()) && hash64(bytes) == *known;
  if (begin < layout.header.size()) {
    const auto head = std::string_view(layout.header).substr(begin, bytes.size());
    std::memcpy(bytes.data(), head.data(), head.size());
  }
  for (const auto& p : parts)
    if (job.first <= p.tensor && p.tensor < job.end)
      tensors_.make(outputs_[p.tensor], p.begin, p.bytes, there);
    else if (!there)
      tensors_.only_make(outputs_[p.tensor], p.begin, p.bytes);
  const std::uint64_t sum = there ? *known : hash64(bytes);
  if (!there && job.written) {
    disk.write(begin, buffer, bytes.size());
    journal.add(file.key, job.window, sum);
  }
  {
    const std::lock_guard lock(file.mutex);
    file.sums[job.window] = sum;
    if (--file.left == 0) {
      file.open->finish(layout.bytes());
      file.open.reset();
    }
  }
  ranks_.check();
  const std::lock_guard lock(mutex_);
  peak_private_ = std::max(peak_private_, private_memory());
  progress_.what = what;
  ++progress_.done;
  progress_.bytes += bytes.size();
  if (options.progress) options.progress(progress_);
}

MODELGROW_INLINE Checksums WindowWriter::checksums() const {
  Checksums sums{.window_bytes = window_bytes_, .files = {}};
  for (const auto& f : files_)
    sums.files[f.layout->path.filename().string()] = Checksums::File{.bytes = f.layout->bytes(), .windows = f.sums};
  return sums;
}

}  // namespace detail

}  // namespace modelgrow::inline v0
