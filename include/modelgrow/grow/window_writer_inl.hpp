// SPDX-License-Identifier: MIT
// The definitions of window_writer.hpp.
#pragma once
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <unordered_map>

#include <modelgrow/core/parallel.hpp>
#include <modelgrow/detail/hash64.hpp>
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
                                            const std::function<std::string(const std::string&)>& name_of)
    : tensors_(tensors) {
  std::unordered_map<std::string, std::size_t> by_name;
  for (std::size_t i = 0; i < tensors.size(); ++i) by_name.emplace(name_of(tensors.output(i).target.name), i);
  for (const auto& f : layout.files) {
    File& file = files_.emplace_back();
    file.layout = &f;
    file.first = outputs_.size();
    for (const auto& t : f.tensors) outputs_.push_back(by_name.at(t.name));
  }
}

MODELGROW_INLINE void WindowWriter::write(const std::filesystem::path& root, Journal& journal,
                                          const WritePlan& options) {
  window_bytes_ = std::max<std::uint64_t>(1, options.window_bytes / disk_block) * disk_block;
  std::vector<Job> jobs;
  for (auto& file : files_) {
    const auto& layout = *file.layout;
    file.key = layout.path.lexically_relative(root).string();
    file.left = (layout.bytes() + window_bytes_ - 1) / window_bytes_;
    file.sums.resize(file.left);
    for (std::uint64_t w = 0; w < file.left; ++w) jobs.push_back(Job{.file = &file, .window = w});
    for (std::size_t i = 0; i < layout.tensors.size(); ++i)
      if (layout.begin[i] == layout.begin[i + 1]) tensors_.empty(outputs_[file.first + i]);
    DirectFile::reserve(layout.path, layout.bytes());
    progress_.total_bytes += layout.bytes();
  }
  progress_.total = std::int64_t(jobs.size());
  parallel_tasks(progress_.total, waiting_for_disk, [&] {
    return [&, buffer = BlockBuffer(window_bytes_)](std::int64_t i) {
      window(jobs[std::size_t(i)], buffer, journal, options);
    };
  });
}

MODELGROW_INLINE DirectFile& WindowWriter::open(File& file) {
  const std::lock_guard lock(file.mutex);
  if (!file.open) file.open = std::make_unique<DirectFile>(file.layout->path, DirectFile::Access::write);
  return *file.open;
}

MODELGROW_INLINE void WindowWriter::window(const Job& job, const BlockBuffer& buffer, Journal& journal,
                                           const WritePlan& options) {
  File& file = *job.file;
  const auto& layout = *file.layout;
  const std::uint64_t begin = job.window * window_bytes_, end = std::min(begin + window_bytes_, layout.bytes());
  const auto bytes = buffer.first(std::size_t(end - begin));
  DirectFile& disk = open(file);
  const auto known = journal.find(file.key, job.window);
  const bool there = known && disk.read(begin, buffer, bytes.size()) && hash64(bytes) == *known;
  if (begin < layout.header.size()) {
    const auto head = std::string_view(layout.header).substr(begin, bytes.size());
    std::memcpy(bytes.data(), head.data(), head.size());
  }
  const auto parts = pieces_of(layout.begin, file.first, begin, bytes);
  for (const auto& p : parts) tensors_.make(outputs_[p.tensor], p.begin, p.bytes, there);
  const std::uint64_t sum = there ? *known : hash64(bytes);
  if (!there) {
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
  const std::lock_guard lock(mutex_);
  peak_private_ = std::max(peak_private_, private_memory());
  progress_.what = parts.empty() ? file.key : tensors_.output(outputs_[parts.back().tensor]).target.name;
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
