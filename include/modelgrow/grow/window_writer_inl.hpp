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
#include <modelgrow/grow/shares.hpp>
#include <modelgrow/grow/window_writer.hpp>

namespace modelgrow::inline v0 {

namespace detail {

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
  std::vector<std::uint64_t> bytes;
  for (const auto& f : layout.files) {
    File& file = files_.emplace_back();
    file.layout = &f;
    file.first = outputs_.size();
    for (std::size_t i = 0; i < f.tensors.size(); ++i) {
      outputs_.push_back(by_name.at(f.tensors[i].name));
      bytes.push_back(f.begin[i + 1] - f.begin[i]);
    }
  }
  rank_of_ = ranks_of(bytes, ranks.size());
  for (std::size_t i = 0; i < outputs_.size(); ++i)
    if (rank_of_[i] != ranks.rank()) tensors.leave(outputs_[i]);
}

/// The windows that have tensors of this rank. The first rank that has some in a window writes it.
MODELGROW_INLINE void WindowWriter::plan_jobs() {
  for (std::size_t f = 0; f < files_.size(); ++f) {
    File& file = files_[f];
    const auto rank_of = std::span<const int>(rank_of_).subspan(file.first, file.layout->tensors.size());
    for (std::uint64_t w = 0; w < file.sums.size(); ++w) {
      const std::uint64_t at = w * window_bytes_, end = std::min(at + window_bytes_, file.layout->bytes());
      const auto makers = ranks_in(file.layout->begin, rank_of, at, end);
      if (!makers.has(ranks_.rank())) continue;
      jobs_.push_back(Job{.file = f, .window = w, .written = ranks_.rank() == makers.first});
      ++file.left;
      progress_.total_bytes += end - at;
    }
  }
  progress_.total = std::int64_t(jobs_.size());
}

MODELGROW_INLINE void WindowWriter::write(const std::filesystem::path& root, Journal& journal,
                                          const WritePlan& options) {
  window_bytes_ = std::max<std::uint64_t>(1, options.window_bytes / disk_block) * disk_block;
  for (auto& file : files_) {
    const auto& layout = *file.layout;
    file.key = layout.path.lexically_relative(root).string();
    file.sums.resize((layout.bytes() + window_bytes_ - 1) / window_bytes_);
    for (std::size_t i = 0; i < layout.tensors.size(); ++i)
      if (layout.begin[i] == layout.begin[i + 1]) tensors_.empty(outputs_[file.first + i]);
    if (ranks_.first()) DirectFile::reserve(layout.path, layout.bytes());
  }
  plan_jobs();
  ranks_.all();  // find the files
  if (!jobs_.empty())
    parallel_tasks(progress_.total, waiting_for_disk, [&] {
      return [&, buffer = BlockBuffer(window_bytes_)](std::int64_t i) {
        window(jobs_[std::size_t(i)], buffer, journal, options);
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
  const auto said = ranks_.all(own.text());
  for (std::size_t r = 0; r < said.size(); ++r)
    for (Unpacker from(said[r]); !from.ended();) {
      std::size_t f = 0;
      std::uint64_t window = 0, sum = 0;
      from >> f >> window >> sum;
      int& rank = made_by.at(f).at(window);
      auto& known = files_[f].sums[window];
      if (rank >= 0 && known != sum)
        throw check_error((root / files_[f].key).string() + ": of the window at byte " +
                          std::to_string(window * window_bytes_) + " rank " + std::to_string(r) +
                          " makes other bytes than rank " + std::to_string(rank) +
                          "; start all ranks with the same program, on machines of one kind");
      rank = int(r);
      known = sum;
    }
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
  for (const auto& p : parts) tensors_.make(outputs_[p.tensor], p.begin, p.bytes, there);
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
