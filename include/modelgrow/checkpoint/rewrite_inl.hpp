// SPDX-License-Identifier: MIT
// The definitions of rewrite.hpp.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstring>
#include <unordered_map>

#include <modelgrow/checkpoint/convert.hpp>
#include <modelgrow/checkpoint/rewrite.hpp>
#include <modelgrow/checkpoint/shards.hpp>
#include <modelgrow/checkpoint/torch_file.hpp>
#include <modelgrow/checkpoint/torch_writer.hpp>
#include <modelgrow/core/linkage.hpp>

namespace modelgrow::inline v0 {

namespace detail {

inline bool has_arithmetic(DType t) {
  return t == DType::f64 || t == DType::f32 || t == DType::f16 || t == DType::bf16;
}

/// Whether every finite number of one type is finite in the other.
inline bool has_range_of(DType to, DType from) {
  if (to == from || to == DType::f64) return true;
  if (to == DType::f32) return from != DType::f64;
  return to == DType::bf16 && from == DType::f16;
}

/// Throws format_error for a number that the new type does not hold; `first` is the index of the first one.
inline void check_range(const TensorView& tensor, std::span<const std::byte> from, DType type,
                        std::span<const std::byte> to, std::int64_t first) {
  if (has_range_of(type, tensor.dtype)) return;
  with_element(tensor.dtype, [&]<class From>(From x) {
    with_element(type, [&]<class To>(To y) {
      for (std::size_t i = 0; i < to.size() / sizeof y; ++i) {
        std::memcpy(&x, from.data() + i * sizeof x, sizeof x);
        std::memcpy(&y, to.data() + i * sizeof y, sizeof y);
        const auto old = element_cast<double>(x);
        if (std::isfinite(old) && !std::isfinite(element_cast<double>(y)))
          throw format_error("tensor '" + tensor.name + "': element " + std::to_string(first + std::int64_t(i)) +
                             " is " + std::to_string(old) + ", and " + std::string(name(type)) +
                             " does not hold it; take a type of a larger range, such as BF16 or F32");
      }
    });
  });
}

/// A checkpoint on its way into other files: what its tensors become, and their bytes piece by piece.
class Rewriting {
 public:
  Rewriting(const Checkpoint& in, const Rewrite& how) : in_(in), how_(how) {
    if (how.dtype && !has_arithmetic(*how.dtype))
      throw option_error("tensors cannot be written as " + std::string(name(*how.dtype)) +
                         "; F64, F32, F16 and BF16 can be had");
    for (const auto& t : in.tensors()) {
      NamedShape as{.name = how.rename ? how.rename(t.name) : t.name, .dtype = t.dtype, .shape = t.shape};
      if (how.dtype && has_arithmetic(t.dtype))
        as.dtype = *how.dtype;
      else if (how.dtype)
        done_.kept.push_back(t.name);
      const auto [it, first] = from_.emplace(as.name, &t);
      if (!first)
        throw format_error(in.path().string() + ": '" + it->second->name + "' and '" + t.name + "' would both be '" +
                           as.name + "'; give them different names");
      done_.bytes += byte_size(as.dtype, as.shape).value_or(0);
      tensors_.push_back(std::move(as));
    }
    done_.tensors = std::int64_t(tensors_.size());
  }

  const std::vector<NamedShape>& tensors() const { return tensors_; }

  /// Calls sink with the bytes of one tensor, as it is to be written.
  template <class Sink>
  void pass(const NamedShape& to, Sink&& sink) {
    const TensorView& from = *from_.at(to.name);
    const std::size_t size = from.dtype == to.dtype ? 1 : std::size_t(bits(from.dtype) / 8);
    const std::size_t piece = (std::size_t{8} << 20) / size * size;
    for (std::size_t at = 0; at < from.bytes; at += piece) {
      const std::span part(from.data + at, std::min(piece, from.bytes - at));
      in_.prepare(part);
      if (from.dtype == to.dtype) {
        sink(part);
      } else {
        const auto n = part.size() / size;
        converted_.resize(n * std::size_t(bits(to.dtype) / 8));
        convert(from.dtype, part.data(), to.dtype, converted_.data(), std::int64_t(n));
        check_range(from, part, to.dtype, converted_, std::int64_t(at / size));
        sink(std::span<const std::byte>(converted_));
      }
      in_.release(part);
      written_ += part.size() / size * (from.dtype == to.dtype ? 1 : std::size_t(bits(to.dtype) / 8));
      report(to.name);
    }
    ++finished_;
    report(to.name);
  }

  Rewritten done(std::filesystem::path path) && {
    done_.path = std::move(path);
    return std::move(done_);
  }

 private:
  void report(const std::string& name) const {
    if (how_.progress)
      how_.progress(
          {.what = name, .done = finished_, .total = done_.tensors, .bytes = written_, .total_bytes = done_.bytes});
  }

  const Checkpoint& in_;
  const Rewrite& how_;
  std::vector<NamedShape> tensors_;
  std::unordered_map<std::string, const TensorView*> from_;  // by the new name
  std::vector<std::byte> converted_;
  std::int64_t finished_ = 0;
  std::uint64_t written_ = 0;
  Rewritten done_;
};

}  // namespace detail

MODELGROW_INLINE Rewritten rewrite(const Checkpoint& in, const std::filesystem::path& out, const Rewrite& how) {
  detail::Rewriting all(in, how);
  if (!is_torch_file(out)) {
    CheckpointWriter writer(out, all.tensors(), in.metadata(),
                            {.shard_bytes = how.shard_bytes, .existing = how.existing});
    for (const auto& t : writer.tensors()) all.pass(t, [&](auto bytes) { writer.write(t.name, bytes); });
    writer.commit();
    return std::move(all).done(writer.path());
  }
  if (how.shard_bytes != UINT64_MAX)
    throw option_error(out.string() + ": shards are written as .safetensors, and a torch file whole");
  TorchWriter writer(out, torch_state_dict(all.tensors()), how.existing);
  for (const auto& t : all.tensors()) all.pass(t, [&](auto bytes) { writer.write(bytes); });
  writer.commit();
  return std::move(all).done(writer.path());
}

}  // namespace modelgrow::inline v0
