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

/// What of a tensor is made and checked at once, so that it is still near when it is checked.
inline constexpr std::uint64_t near_bytes = std::uint64_t{1} << 20;

MODELGROW_INLINE std::uint64_t private_memory() {
  unsigned long long all = 0, shared = 0;
  if (std::FILE* f = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(f, "%*u %llu %llu", &all, &shared) != 2) all = shared = 0;
    std::fclose(f);
  }
  return std::uint64_t(all - shared) * std::uint64_t(::sysconf(_SC_PAGESIZE));
}

MODELGROW_INLINE WindowWriter::WindowWriter(const Plan& plan, const TensorSet& old, const std::vector<Output>& outputs,
                                            const CheckpointLayout& layout, const Promises& promises,
                                            const std::function<std::string(const std::string&)>& name_of)
    : plan_(plan), old_(old), proofs_(promises) {
  std::unordered_map<std::string, const Output*> by_name;
  std::vector<std::string> names;
  for (const auto& o : outputs) {
    by_name.emplace(name_of(o.target.name), &o);
    names.push_back(o.target.name);
  }
  promises.check_names(names);
  for (const auto& f : layout.files) {
    File& file = files_.emplace_back();
    file.layout = &f;
    file.first = tensors_.size();
    for (const auto& t : f.tensors) {
      const Output* output = by_name.at(t.name);
      tensors_.emplace_back().output = output;
      proofs_.add(output->target);
    }
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
    for (std::size_t i = 0; i < layout.tensors.size(); ++i) {
      const std::uint64_t begin = layout.begin[i], end = layout.begin[i + 1];
      proofs_.expect(file.first + i, begin, end, window_bytes_);
      if (begin == end) proofs_.empty(file.first + i);
    }
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

MODELGROW_INLINE const Maker& WindowWriter::maker(std::size_t tensor) {
  Making& t = tensors_[tensor];
  const std::lock_guard lock(t.mutex);
  if (!t.maker) t.maker = std::make_unique<Maker>(plan_, *t.output);
  return *t.maker;
}

/// `there`: the bytes are made already.
MODELGROW_INLINE void WindowWriter::piece(const TensorPiece& p, bool there) {
  proofs_.prepare(p.tensor);
  const Maker& make = maker(p.tensor);
  const auto source = make.source(p.begin, p.begin + p.bytes.size());
  old_.prepare(source);
  if (const auto* output = tensors_[p.tensor].output; output->donor && output->source && !source.empty())
    old_.prepare(output->donor->span().subspan(std::size_t(source.data() - output->source->data), source.size()));
  const std::uint64_t unit = proofs_.unit(p.tensor);
  const std::uint64_t step = std::max<std::uint64_t>(1, near_bytes / unit) * unit;
  for (std::uint64_t at = p.begin, end = p.begin + p.bytes.size(), next; at < end; at = next) {
    next = std::min(end, at / step * step + step);
    const auto part = p.bytes.subspan(at - p.begin, next - at);
    if (!there) make.make(at, part);
    proofs_.piece(p.tensor, at, part);
  }
  if (source.size() <= 4 * p.bytes.size()) old_.release(source);
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
  for (const auto& p : parts) piece(p, there);
  const std::uint64_t sum = there ? *known : hash64(bytes);
  if (!there) {
    disk.write(begin, buffer, bytes.size());
    journal.add(file.key, job.window, sum);
  }
  for (const auto& p : parts) {
    if (!proofs_.window_done(p.tensor)) continue;
    Making& made = tensors_[p.tensor];
    made.maker.reset();
    if (made.output->source) old_.release(made.output->source->span());
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
  progress_.what = parts.empty() ? file.key : tensors_[parts.back().tensor].output->target.name;
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
