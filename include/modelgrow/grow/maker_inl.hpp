// SPDX-License-Identifier: MIT
// The definitions of maker.hpp.
#pragma once
#include <modelgrow/grow/fill.hpp>
#include <modelgrow/grow/kernel.hpp>
#include <modelgrow/grow/maker.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// What makes the elements of one recipe.
template <Element T>
class RecipeMaker {
 public:
  RecipeMaker(Recipe r, const Output& o)
      : recipe_(std::move(r)),
        of_(o.of),
        kernel_(recipe_, o.of),
        fresh_(recipe_.init, shape_of(recipe_.source_axes), recipe_.seed, recipe_.init_key),
        stored_(o.source ? o.source->data : nullptr),
        donor_(o.donor ? o.donor->data : nullptr) {
    if (recipe_.filling && of_ == Of::weights)
      filled_ = filled<T>(*recipe_.filling, shape_of(recipe_.source_axes), *o.source, *o.weight);
  }
  void operator()(std::int64_t begin, std::int64_t end, T* to) const {
    kernel_.run(Source<T>{.data = filled_.empty() ? stored_ : filled_.data(), .fresh = &fresh_}, begin, end, to);
    if (of_ != Of::weights) return;
    const std::int64_t rows = recipe_.shape.rank() > 0 ? std::max<std::int64_t>(1, recipe_.shape[0]) : 1,
                       row = numel(recipe_.shape) / rows;
    const auto for_each = [&](const std::vector<Rows>& some, auto&& f) {  // of the elements
      for (const auto& r : some) {
        const std::int64_t from = std::max(begin, r.begin * row), last = std::min(end, r.end * row);
        if (from < last) f(from, last);
      }
    };
    if (donor_)
      for_each(recipe_.donated, [&](std::int64_t from, std::int64_t last) {
        kernel_.run(Source<T>{.data = donor_}, from, last, to + (from - begin));
      });
    for_each(recipe_.gates,
             [&](std::int64_t from, std::int64_t last) { std::fill(to + (from - begin), to + (last - begin), T(0)); });
  }
  /// The elements of the source that some of the target are made from.
  Rows reads(std::int64_t begin, std::int64_t end) const {
    return filled_.empty() ? kernel_.reads(begin, end) : Rows{};
  }

 private:
  Recipe recipe_;
  Of of_;
  Kernel kernel_;
  Fresh fresh_;
  const std::byte *stored_, *donor_;
  std::vector<std::byte> filled_;
};

template <Element T>
void Maker::follow(Recipe recipe, const Output& output) {
  const auto maker = std::make_shared<const RecipeMaker<T>>(std::move(recipe), output);
  const auto element = [](std::uint64_t byte) { return std::int64_t(byte / sizeof(T)); };
  make_ = [=](std::uint64_t begin, std::span<std::byte> to) {
    (*maker)(element(begin), element(begin + to.size()), reinterpret_cast<T*>(to.data()));
  };
  reads_ = [=](std::uint64_t begin, std::uint64_t end) {
    const auto r = maker->reads(element(begin), element(end));
    return Rows{.begin = r.begin * std::int64_t(sizeof(T)), .end = r.end * std::int64_t(sizeof(T))};
  };
}

MODELGROW_INLINE Maker::Maker(const Plan& plan, const Output& output)
    : bytes_(byte_size(output.target.dtype, output.target.shape).value()) {
  prepare(plan, output);
}

MODELGROW_INLINE void Maker::prepare(const Plan& plan, const Output& o) {
  const auto copy = [&](std::span<const std::byte> all) {
    make_ = [all](std::uint64_t begin, std::span<std::byte> to) {
      if (!to.empty()) std::memcpy(to.data(), all.data() + begin, to.size());
    };
  };
  const auto copy_source = [&] {
    source_ = o.source->span();
    copy(source_);
    reads_ = [](std::uint64_t begin, std::uint64_t end) {
      return Rows{.begin = std::int64_t(begin), .end = std::int64_t(end)};
    };
  };
  const auto zeros = [&] {
    make_ = [](std::uint64_t, std::span<std::byte> to) { std::fill(to.begin(), to.end(), std::byte{0}); };
  };
  switch (o.kind) {
    case Output::Kind::copied:
      return copy_source();
    case Output::Kind::values:
      return copy(o.values);
    case Output::Kind::zeros:
      return zeros();
    case Output::Kind::recipe:
      break;
  }
  Recipe r = plan.recipe(std::size_t(o.parameter));
  if (o.mean_over >= 0) r = mean_over(std::move(r), std::size_t(o.mean_over));
  if (r.zeros(o.of)) return zeros();
  if (r.copies_bytes(o.of)) return copy_source();
  if (o.source) source_ = o.source->span();
  switch (o.target.dtype) {
    case DType::f64:
      return follow<double>(std::move(r), o);
    case DType::f32:
      return follow<float>(std::move(r), o);
    case DType::f16:
      return follow<f16>(std::move(r), o);
    case DType::bf16:
      return follow<bf16>(std::move(r), o);
    default:
      throw format_error("tensor '" + o.target.name + "' of type " + std::string(name(o.target.dtype)) +
                         " cannot grow");
  }
}

MODELGROW_INLINE std::span<const std::byte> Maker::source(std::uint64_t begin, std::uint64_t end) const {
  if (!reads_ || source_.empty()) return {};
  const auto r = reads_(begin, end);
  return source_.subspan(std::size_t(r.begin), std::size_t(r.end - r.begin));
}

}  // namespace detail

}  // namespace modelgrow::inline v0
