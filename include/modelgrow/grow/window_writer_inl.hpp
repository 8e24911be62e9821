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
/// A proof that needs more of a tensor at once waits for the file.
inline constexpr std::uint64_t most_unit = std::uint64_t{32} << 20;
/// Threads that work while others wait for the disk.
inline constexpr int waiting_for_disk = 2;

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
    : plan_(plan), old_(old), promises_(promises) {
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
    for (const auto& t : f.tensors) tensors_.emplace_back().output = by_name.at(t.name);
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
      Tensor& tensor = tensors_[file.first + i];
      const std::uint64_t begin = layout.begin[i], end = layout.begin[i + 1];
      if (begin < end) tensor.left = (end - 1) / window_bytes_ - begin / window_bytes_ + 1;
      if (begin == end) prepare(tensor), finished(tensor);
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

MODELGROW_INLINE std::vector<WindowWriter::Piece> WindowWriter::pieces(const File& file, std::uint64_t begin,
                                                                       std::span<std::byte> bytes) {
  const auto& at = file.layout->begin;
  const std::uint64_t end = begin + bytes.size();
  std::vector<Piece> all;
  auto i = std::size_t(std::upper_bound(at.begin(), at.end(), begin) - at.begin());
  for (i -= i > 0; i + 1 < at.size() && at[i] < end; ++i) {
    const std::uint64_t from = std::max(begin, at[i]), to = std::min(end, at[i + 1]);
    if (from < to)
      all.push_back(Piece{
          .tensor = &tensors_[file.first + i], .begin = from - at[i], .bytes = bytes.subspan(from - begin, to - from)});
  }
  return all;
}

MODELGROW_INLINE DirectFile& WindowWriter::open(File& file) {
  const std::lock_guard lock(file.mutex);
  if (!file.open) file.open = std::make_unique<DirectFile>(file.layout->path, DirectFile::Access::write);
  return *file.open;
}

MODELGROW_INLINE void WindowWriter::prepare(Tensor& tensor) {
  const std::lock_guard lock(tensor.mutex);
  if (tensor.maker) return;
  tensor.proof = promises_.proof(tensor.output->target);
  tensor.whole = tensor.proof && tensor.proof->unit() > most_unit;
  if (tensor.proof && !tensor.whole) tensor.feed = std::make_unique<ProofFeed>(*tensor.proof);
  tensor.maker = std::make_unique<Maker>(plan_, *tensor.output);
}

MODELGROW_INLINE void WindowWriter::finished(Tensor& tensor) {
  if (tensor.proof && !tensor.whole) {
    auto verdict = tensor.proof->verdict();
    const std::lock_guard lock(mutex_);
    verdicts_.push_back(std::move(verdict));
  }
  tensor.feed.reset();
  if (!tensor.whole) tensor.proof.reset();
  tensor.maker.reset();
  if (tensor.output->source) old_.release(tensor.output->source->span());
}

/// `there`: the bytes are made already.
MODELGROW_INLINE void WindowWriter::piece(const Piece& p, bool there) {
  Tensor& tensor = *p.tensor;
  prepare(tensor);
  const auto source = tensor.maker->source(p.begin, p.begin + p.bytes.size());
  old_.prepare(source);
  const std::uint64_t unit = tensor.feed ? tensor.proof->unit() : 8;
  const std::uint64_t step = std::max<std::uint64_t>(1, near_bytes / unit) * unit;
  for (std::uint64_t at = p.begin, end = p.begin + p.bytes.size(), next; at < end; at = next) {
    next = std::min(end, at / step * step + step);
    const auto part = p.bytes.subspan(at - p.begin, next - at);
    if (!there) tensor.maker->make(at, part);
    if (tensor.feed) tensor.feed->piece(at, part);
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
  const auto parts = pieces(file, begin, bytes);
  for (const auto& p : parts) piece(p, there);
  const std::uint64_t sum = there ? *known : hash64(bytes);
  if (!there) {
    disk.write(begin, buffer, bytes.size());
    journal.add(file.key, job.window, sum);
  }
  for (const auto& p : parts) {
    bool last;
    {
      const std::lock_guard lock(p.tensor->mutex);
      last = --p.tensor->left == 0;
    }
    if (last) finished(*p.tensor);
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
  progress_.what = parts.empty() ? file.key : parts.back().tensor->output->target.name;
  ++progress_.done;
  progress_.bytes += bytes.size();
  if (options.progress) options.progress(progress_);
}

MODELGROW_INLINE FileCheck WindowWriter::check(const TensorSet& grown) {
  for (auto& tensor : tensors_) {
    if (!tensor.whole) continue;
    const TensorView* t = grown.find(tensor.output->target.name);
    if (!t) throw check_error(grown.where() + ": tensor '" + tensor.output->target.name + "' is missing");
    prove(*tensor.proof, t->span());
    verdicts_.push_back(tensor.proof->verdict());
    grown.release(t->span());
    tensor.proof.reset();
  }
  return promises_.judge(std::move(verdicts_));
}

MODELGROW_INLINE Checksums WindowWriter::checksums() const {
  Checksums sums{.window_bytes = window_bytes_, .files = {}};
  for (const auto& f : files_)
    sums.files[f.layout->path.filename().string()] = Checksums::File{.bytes = f.layout->bytes(), .windows = f.sums};
  return sums;
}

}  // namespace detail

}  // namespace modelgrow::inline v0
