// SPDX-License-Identifier: MIT
// The definitions of joined_tensor.hpp.
#pragma once
#include <algorithm>
#include <cstring>

#include <modelgrow/checkpoint/gather.hpp>
#include <modelgrow/checkpoint/joined_tensor.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/detail/mmap.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// The elements of a box that lie one behind the other in the tensor, run by run.
class Runs {
 public:
  Runs(const Shape& grid, const TensorPart& part, std::uint64_t element) : grid_(grid), part_(part) {
    while (outer_ > 1 && part.shape[outer_ - 1] == grid[outer_ - 1]) --outer_;
    outer_ = std::max(outer_ - 1, 0);  // the axis before the full ones still lies in one piece
    bytes = element;
    for (int a = outer_; a < grid.rank(); ++a) bytes *= std::uint64_t(part.shape[a]);
    for (int a = 0; a < outer_; ++a) count *= std::uint64_t(part.shape[a]);
    element_ = element;
  }
  /// Where run r begins in the tensor.
  std::uint64_t at(std::uint64_t r) const {
    std::uint64_t place = 0, step = element_;
    for (int a = grid_.rank(); a-- > 0;) {
      std::uint64_t index = std::uint64_t(part_.offset[a]);
      if (a < outer_) {
        index += r % std::uint64_t(part_.shape[a]);
        r /= std::uint64_t(part_.shape[a]);
      }
      place += index * step;
      step *= std::uint64_t(grid_[a]);
    }
    return place;
  }
  /// The first run that does not end before `begin`.
  std::uint64_t first(std::uint64_t begin) const {
    std::uint64_t low = 0, high = count;
    while (low < high) {
      const auto middle = low + (high - low) / 2;
      if (at(middle) + bytes <= begin)
        low = middle + 1;
      else
        high = middle;
    }
    return low;
  }
  std::uint64_t count = 1, bytes = 0;

 private:
  const Shape& grid_;
  const TensorPart& part_;
  int outer_ = grid_.rank();
  std::uint64_t element_ = 0;
};

inline std::string to_string(const TensorPart& part) {
  return "at " + modelgrow::to_string(part.offset) + " of size " + modelgrow::to_string(part.shape);
}

inline bool overlap(const TensorPart& a, const TensorPart& b) {
  for (int i = 0; i < a.shape.rank(); ++i)
    if (a.offset[i] + a.shape[i] <= b.offset[i] || b.offset[i] + b.shape[i] <= a.offset[i]) return false;
  return true;
}

}  // namespace detail

MODELGROW_INLINE JoinedTensor::JoinedTensor(NamedShape tensor, Parts kind, std::vector<TensorPart> parts,
                                            const std::string& source)
    : about_(std::move(tensor)),
      grid_(kind == Parts::boxes ? about_.shape : Shape{numel(about_.shape)}),
      parts_(std::move(parts)) {
  std::erase_if(parts_, [](const TensorPart& p) { return numel(p.shape) == 0; });
  std::ranges::sort(parts_, [](const TensorPart& a, const TensorPart& b) {
    return std::ranges::lexicographical_compare(a.offset, b.offset);
  });
  check(source);
}

MODELGROW_INLINE JoinedTensor::JoinedTensor(NamedShape tensor, Make make)
    : about_(std::move(tensor)), grid_(about_.shape), make_(std::move(make)) {}

MODELGROW_INLINE JoinedTensor::JoinedTensor(std::string name, std::shared_ptr<const MappedTensors> file,
                                            const TensorView& view)
    : about_{.name = std::move(name), .dtype = view.dtype, .shape = view.shape}, grid_{numel(view.shape)} {
  if (grid_[0] > 0)
    parts_.push_back({.offset = {0}, .shape = grid_, .data = view.data, .memory = file, .file = std::move(file)});
}

MODELGROW_INLINE JoinedTensor::JoinedTensor(std::string name, double value)
    : about_{.name = std::move(name), .dtype = DType::f64}, grid_{1} {
  auto number = std::make_shared<const double>(value);
  const auto* data = reinterpret_cast<const std::byte*>(number.get());
  parts_.push_back({.offset = {0}, .shape = {1}, .data = data, .memory = std::move(number)});
}

MODELGROW_INLINE void JoinedTensor::check(const std::string& source) const {
  const auto fail = [&](const std::string& what) {
    throw format_error(source + ": tensor '" + name() + "' of shape " + to_string(shape()) + " " + what);
  };
  if (!parts_.empty() && bits(dtype()) % 8)
    fail("has elements of " + std::to_string(bits(dtype())) + " bits; expected whole bytes");
  std::uint64_t elements = 0;
  for (const auto& p : parts_) {
    bool inside = p.offset.rank() == grid_.rank() && p.shape.rank() == grid_.rank();
    for (int a = 0; inside && a < grid_.rank(); ++a)
      inside = p.shape[a] <= grid_[a] && p.offset[a] <= grid_[a] - p.shape[a];
    if (!inside) fail("has a part " + detail::to_string(p) + ", which leaves it; the files are not of one save");
    elements += std::uint64_t(numel(p.shape));
  }
  for (std::size_t i = 0; i < parts_.size(); ++i)
    for (std::size_t j = i + 1; j < parts_.size(); ++j) {
      const auto &a = parts_[i], &b = parts_[j];
      if (grid_.rank() > 0 && b.offset[0] >= a.offset[0] + a.shape[0]) break;
      if (detail::overlap(a, b))
        fail("has overlapping parts, " + detail::to_string(a) + " and " + detail::to_string(b) +
             "; the files are not of one save");
    }
  if (const auto all = std::uint64_t(numel(grid_)); elements != all) {
    std::string list;
    for (const auto& p : parts_)
      if (list.size() < 300) list.append(list.empty() ? ": " : ", ").append(detail::to_string(p));
    fail("has parts with " + std::to_string(elements) + " of its " + std::to_string(all) + " elements" + list +
         "; a file or a part of one is missing: save again, or fetch the rest");
  }
}

MODELGROW_INLINE std::uint64_t JoinedTensor::bytes() const {
  return std::uint64_t(numel(shape())) * std::uint64_t(bits(dtype())) / 8;
}

MODELGROW_INLINE JoinedTensor JoinedTensor::renamed(std::string name) const {
  JoinedTensor other = *this;
  other.about_.name = std::move(name);
  return other;
}

MODELGROW_INLINE void JoinedTensor::read(std::uint64_t begin, std::span<std::byte> out) const {
  if (make_) return make_(begin, out);
  const std::uint64_t end = begin + out.size(), element = std::uint64_t(bits(dtype())) / 8;
  for (const auto& p : parts_) {
    const detail::Runs runs(grid_, p, element);
    const auto first = runs.first(begin), last = runs.first(end);
    const auto stop = std::min(last + 1, runs.count);
    if (first >= stop || runs.at(first) >= end) continue;
    const std::span<const std::byte> touched(p.data + first * runs.bytes, (stop - first) * runs.bytes);
    if (p.file && first + 1 < stop) p.file->prepare(touched);
    for (auto r = first; r < stop && runs.at(r) < end; ++r) {
      const auto place = runs.at(r), from = std::max(begin, place), to = std::min(end, place + runs.bytes);
      const std::span<const std::byte> piece(p.data + r * runs.bytes + (from - place), to - from);
      if (p.file && first + 1 == stop) p.file->prepare(piece);
      std::memcpy(out.data() + (from - begin), piece.data(), piece.size());
    }
    if (p.file) p.file->release(touched);
  }
}

MODELGROW_INLINE std::span<const std::byte> JoinedTensor::piece() const {
  if (bytes() == 0) return {};
  if (parts_.size() != 1 || !parts_[0].file) return {};
  return {parts_[0].data, std::size_t(bytes())};
}

MODELGROW_INLINE MappedTensors joined_file(const std::filesystem::path& source,
                                           const std::vector<JoinedTensor>& tensors) {
  std::vector<TensorView> views;
  std::vector<std::shared_ptr<detail::Mapping>> mappings;
  std::vector<std::size_t> scattered;
  std::uint64_t bytes = 0;
  for (const auto& t : tensors) {
    const auto piece = t.piece();
    views.push_back({.name = t.name(),
                     .dtype = t.dtype(),
                     .shape = t.shape(),
                     .data = piece.data(),
                     .bytes = std::size_t(t.bytes())});
    if (piece.empty() && t.bytes() > 0) {
      scattered.push_back(views.size() - 1);
      bytes += t.bytes();
    } else if (!piece.empty()) {
      for (const auto& m : t.parts()[0].file->mappings())
        if (std::ranges::find(mappings, m) == mappings.end()) mappings.push_back(m);
    }
  }
  if (!scattered.empty() || mappings.empty()) {
    detail::Gathered gathered(source, bytes);
    std::vector<std::byte> buffer(std::size_t(std::min<std::uint64_t>(bytes, std::uint64_t{4} << 20)));
    for (const auto i : scattered)
      gathered.add(tensors[i].bytes(), [&](const auto& sink) {
        for (std::uint64_t at = 0; at < tensors[i].bytes(); at += buffer.size()) {
          const auto n = std::min<std::uint64_t>(buffer.size(), tensors[i].bytes() - at);
          tensors[i].read(at, std::span(buffer).first(std::size_t(n)));
          sink(std::span<const std::byte>(buffer).first(std::size_t(n)));
        }
      });
    mappings.push_back(gathered.map());
    const std::byte* at = mappings.back()->bytes().data();
    for (const auto i : scattered) views[i].data = std::exchange(at, at + views[i].bytes);
  }
  return {source, {}, std::move(views), std::move(mappings)};
}

}  // namespace modelgrow::inline v0
