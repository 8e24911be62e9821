// SPDX-License-Identifier: MIT
// What every rank of a group says to all, or to each, as text of any length.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <modelgrow/dist/communicator.hpp>

namespace modelgrow::inline v0 {

namespace detail {
/// Leaves the processor to others, as long as they may need it.
inline void wait_idly(Pending pending) {
  while (!pending.test()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}
template <Device D>
Cuts cuts_of(const Tensor<std::int64_t, D>& sizes) {
  const auto here = to_cpu(sizes);
  return Cuts::of_sizes({here.data(), here.data() + here.size()});
}
template <Device D>
std::vector<std::string> texts_of(const Tensor<std::uint8_t, D>& bytes, const Cuts& cuts) {
  std::vector<std::string> texts;
  for (int r = 0; r < cuts.ranks(); ++r) {
    texts.emplace_back(std::size_t(cuts.size(r)), '\0');
    D::to_host(texts.back().data(), cuts.part(bytes, r).data(), texts.back().size());
  }
  return texts;
}
}  // namespace detail

/// The texts of all ranks, by rank, on every one of them; up to 2 GB together. By way of device D, without using the
/// processor while it waits. Throws communication_error.
template <Device D = Cpu, class C>
requires Communicator<C, D> std::vector<std::string> gather_texts(C& ranks, std::string_view own) {
  const auto n = ranks.size();
  auto sizes = std::vector<std::int64_t>(std::size_t(n), 0);
  sizes[std::size_t(ranks.rank())] = std::int64_t(own.size());
  const auto all_sizes = Tensor<std::int64_t, D>::from(Shape{n}, sizes);
  detail::wait_idly(ranks.all_gather(all_sizes, Cuts::even(n, n)));
  const auto cuts = detail::cuts_of(all_sizes);
  const Tensor<std::uint8_t, D> all(Shape{cuts.total()});
  D::from_host(cuts.part(all, ranks.rank()).data(), own.data(), own.size());
  detail::wait_idly(ranks.all_gather(all, cuts));
  return detail::texts_of(all, cuts);
}

/// What every rank has for this one, by rank, where `to` has what this one has for each; what a rank gives and gets is
/// up to 2 GB. Otherwise as gather_texts.
template <Device D = Cpu, class C>
requires Communicator<C, D> std::vector<std::string> swap_texts(C& ranks, const std::vector<std::string>& to) {
  const auto n = ranks.size();
  std::vector<std::int64_t> sizes;
  for (const auto& text : to) sizes.push_back(std::int64_t(text.size()));
  const auto sent_sizes = Tensor<std::int64_t, D>::from(Shape{n}, sizes);
  const Tensor<std::int64_t, D> got_sizes(Shape{n});
  detail::wait_idly(ranks.all_to_all(sent_sizes, Cuts::even(n, n), got_sizes, Cuts::even(n, n)));
  const auto cuts = Cuts::of_sizes(sizes), of = detail::cuts_of(got_sizes);
  const Tensor<std::uint8_t, D> sent(Shape{cuts.total()}), got(Shape{of.total()});
  for (int r = 0; r < n; ++r)
    D::from_host(cuts.part(sent, r).data(), to[std::size_t(r)].data(), to[std::size_t(r)].size());
  detail::wait_idly(ranks.all_to_all(sent, cuts, got, of));
  return detail::texts_of(got, of);
}

}  // namespace modelgrow::inline v0
