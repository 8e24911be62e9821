// SPDX-License-Identifier: MIT
// What a growth promises of one tensor that it writes, checked on its bytes in any pieces and order: while they are in
// memory on their way to the disk, or when they are read back.
#pragma once
#include <algorithm>
#include <atomic>
#include <limits>
#include <memory>
#include <string>
#include <utility>

#include <modelgrow/checkpoint/not_finite.hpp>
#include <modelgrow/core/names.hpp>
#include <modelgrow/grow/blocks.hpp>
#include <modelgrow/grow/residual.hpp>

namespace modelgrow::inline v0 {

/// What was found about one tensor of the grown file.
struct TensorCheck {
  std::string name;
  std::string rule;     // "W' E_in = E_out W", "zero", "same bytes", ...
  double residual = 0;  // largest difference, relative to the largest value of the old tensor
};

namespace detail {

/// What all pieces together have shown.
struct Verdict {
  TensorCheck found;
  DType dtype = DType::f32;
  std::optional<NotFinite> not_finite = {};
  double rounding = 0;  // a residual that the sums of this proof make themselves
};

/// Thread-safe. Errors begin with `where`, the file or folder.
class TensorProof {
 public:
  /// `old` is the tensor that the numbers come from; without one they are new.
  TensorProof(std::string where, NamedShape grown, std::string rule, const TensorView* old)
      : where_(std::move(where)), grown_(std::move(grown)), rule_(std::move(rule)), old_(old) {
    numbers_.tensor = grown_.name;
  }
  virtual ~TensorProof() = default;

  /// Where the numbers come from, if anywhere.
  const TensorView* old() const { return old_; }
  /// Bytes that have to be seen together.
  virtual std::uint64_t unit() const { return std::max<std::uint64_t>(1, std::uint64_t(bits(grown_.dtype)) / 8); }
  /// Checks whole units, from the first on. Throws check_error.
  virtual void check(std::int64_t first, std::span<const std::byte> bytes) = 0;
  /// After all units.
  virtual Verdict verdict() const {
    Verdict v{.found = {.name = grown_.name, .rule = rule_, .residual = residual_.relative()}, .dtype = grown_.dtype};
    if (numbers_.count > 0 || !residual_.finite) v.not_finite = old_ ? not_finite(*old_) : std::nullopt;
    if (!v.not_finite && numbers_.count > 0) {
      v.not_finite = numbers_;
      v.not_finite->arisen = true;
    }
    return v;
  }

 protected:
  const NamedShape& grown() const { return grown_; }
  [[noreturn]] void fail(const std::string& what) const {
    throw check_error(where_ + ": tensor '" + grown_.name + "' " + what);
  }
  void count_numbers(std::int64_t first_element, std::span<const std::byte> bytes) {
    const std::lock_guard lock(mutex_);
    add_not_finite(numbers_, grown_.dtype, bytes, first_element);
  }
  void add(const Residual& r) {
    const std::lock_guard lock(mutex_);
    residual_.add(r);
  }

 private:
  std::string where_;
  NamedShape grown_;
  std::string rule_;
  const TensorView* old_;
  std::mutex mutex_;
  NotFinite numbers_;
  Residual residual_;
};

/// Zero, because of something.
class ZeroProof final : public TensorProof {
 public:
  ZeroProof(std::string where, NamedShape grown, std::string because)
      : TensorProof(std::move(where), std::move(grown), "zero", nullptr), because_(std::move(because)) {}
  void check(std::int64_t, std::span<const std::byte> bytes) override {
    if (!all_zero(bytes)) fail("is not zero, but " + because_);
  }

 private:
  std::string because_;
};

/// The bytes of an old tensor.
class CopyProof final : public TensorProof {
 public:
  CopyProof(std::string where, NamedShape grown, const TensorView& old)
      : TensorProof(std::move(where), std::move(grown), "same bytes", &old), old_(old) {
    if (this->grown().dtype != old.dtype || this->grown().shape != old.shape) differs();
  }
  void check(std::int64_t first, std::span<const std::byte> bytes) override {
    if (std::memcmp(bytes.data(), old_.data + unit() * std::uint64_t(first), bytes.size()) != 0) differs();
    count_numbers(first, bytes);
  }

 private:
  [[noreturn]] void differs() const { fail("differs from '" + old_.name + "', of which it should be a copy"); }
  const TensorView& old_;
};

/// Initialised; not all zero unless that is how it starts.
class NewProof final : public TensorProof {
 public:
  NewProof(std::string where, NamedShape grown, bool may_be_zero)
      : TensorProof(std::move(where), std::move(grown), "new", nullptr), zero_(!may_be_zero) {}
  void check(std::int64_t first, std::span<const std::byte> bytes) override {
    if (zero_ && !all_zero(bytes)) zero_ = false;
    count_numbers(first, bytes);
  }
  Verdict verdict() const override {
    if (zero_) fail("is new and zero, as is what closes its branch: no gradient would reach either");
    return TensorProof::verdict();
  }

 private:
  std::atomic<bool> zero_;
};

/// What follows from an old tensor: sums of copies are what there was. Parts add up exactly in their own type; sums are
/// taken in double, which rounds many parts of F64.
class ResidualProof final : public TensorProof {
 public:
  ResidualProof(std::string where, NamedShape grown, std::string rule, const TensorView& old, Comparison comparison)
      : TensorProof(std::move(where), std::move(grown), std::move(rule), &old), comparison_(std::move(comparison)) {}
  std::uint64_t unit() const override { return TensorProof::unit() * std::uint64_t(comparison_.unit()); }
  void check(std::int64_t first, std::span<const std::byte> bytes) override {
    const Residual r = comparison_(first, std::int64_t(bytes.size() / unit()), bytes.data());
    if (!r.finite) count_numbers(first * comparison_.unit(), bytes);
    add(r);
  }
  Verdict verdict() const override {
    Verdict v = TensorProof::verdict();
    const double copies = double(numel(grown().shape)) / double(std::max<std::int64_t>(1, numel(old()->shape)));
    if (v.dtype == DType::f64) v.rounding = std::numeric_limits<double>::epsilon() * (copies + 1);
    return v;
  }

 private:
  Comparison comparison_;
};

/// Rows that are gates are zero; another proof knows of the others.
class GatedProof final : public TensorProof {
 public:
  GatedProof(std::string where, const NamedShape& grown, const std::vector<Rows>& gates,
             std::unique_ptr<TensorProof> others)
      : TensorProof(std::move(where), grown, "", nullptr), others_(std::move(others)) {
    gate_.assign(std::size_t(grown.shape[0]), false);
    for (const auto& g : gates) std::fill(gate_.begin() + g.begin, gate_.begin() + g.end, true);
    row_ = byte_size(grown.dtype, grown.shape).value_or(0) / std::max<std::uint64_t>(1, gate_.size());
  }
  std::uint64_t unit() const override { return std::max<std::uint64_t>(1, row_); }
  void check(std::int64_t first, std::span<const std::byte> bytes) override {
    const auto end = first + std::int64_t(bytes.size() / unit());
    const auto gate = [&](std::int64_t row) { return gate_[std::size_t(row)]; };
    for (std::int64_t row = first, next; row < end; row = next) {
      for (next = row + 1; next < end && gate(next) == gate(row);) ++next;
      const auto rows = bytes.subspan(std::uint64_t(row - first) * row_, std::uint64_t(next - row) * row_);
      if (!gate(row))
        others_->check(row * std::int64_t(row_ / others_->unit()), rows);
      else if (!all_zero(rows))
        open(row, rows);
    }
  }
  Verdict verdict() const override {
    Verdict v = others_->verdict();
    v.found.rule = "gates zero, else " + v.found.rule;
    return v;
  }

 private:
  [[noreturn]] void open(std::int64_t row, std::span<const std::byte> rows) const {
    for (; all_zero(rows.first(row_)); rows = rows.subspan(row_)) ++row;
    fail("is not zero in row " + std::to_string(row) + ", but that is a gate of a new block");
  }
  std::unique_ptr<TensorProof> others_;
  std::vector<bool> gate_;
  std::uint64_t row_ = 0;
};

}  // namespace detail
}  // namespace modelgrow::inline v0
