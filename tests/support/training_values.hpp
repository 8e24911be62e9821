// SPDX-License-Identifier: MIT
// What the packages of trainers read from the files of tests/golden/training_state (values.json): for every tensor its
// type, shape, sum and some elements.
#pragma once
#include <cmath>
#include <cstring>

#include <modelgrow/checkpoint/convert.hpp>
#include <modelgrow/checkpoint/joined_tensor.hpp>
#include <modelgrow/detail/atomic_file.hpp>
#include <modelgrow/detail/json_members.hpp>
#include <tests/support/raw_files.hpp>

namespace modelgrow::testing {

inline const std::filesystem::path training_state =
    std::filesystem::path(MODELGROW_SOURCE_DIR) / "tests/golden/training_state";

/// The tensors of one file or folder.
inline detail::json training_values(const std::string& file) {
  static const auto all = detail::parse_json(detail::read_file(training_state / "values.json"), "values.json");
  REQUIRE(detail::has(all, file));
  return all[file];
}

/// The elements of a tensor, read in small pieces.
inline std::vector<double> numbers_of(const JoinedTensor& tensor) {
  std::vector<std::byte> bytes(std::size_t(tensor.bytes()));
  constexpr std::size_t piece = 7;
  for (std::size_t at = 0; at < bytes.size(); at += piece)
    tensor.read(at, std::span(bytes).subspan(at, std::min(piece, bytes.size() - at)));
  std::vector<double> numbers(std::size_t(numel(tensor.shape())));
  convert(tensor.dtype(), bytes.data(), DType::f64, reinterpret_cast<std::byte*>(numbers.data()),
          std::int64_t(numbers.size()));
  return numbers;
}

/// Whether a tensor is what values.json says.
inline void check_values(const JoinedTensor& tensor, const detail::json& expected) {
  INFO(tensor.name());
  const std::map<std::string, DType> types{{"float32", DType::f32}, {"bfloat16", DType::bf16}};
  CHECK(tensor.dtype() == types.at(expected["dtype"].get<std::string>()));
  CHECK(tensor.shape() == Shape(std::span<const std::int64_t>(expected["shape"].get<std::vector<std::int64_t>>())));
  const auto numbers = numbers_of(tensor);
  double sum = 0, size = 0;
  for (const double x : numbers) {
    sum += x;
    size += std::abs(x);
  }
  CHECK(std::abs(sum - expected["sum"].get<double>()) <= 1e-14 * size);  // added up in another order
  const auto first = expected["first"].get<std::vector<double>>(), last = expected["last"].get<std::vector<double>>();
  REQUIRE(numbers.size() >= std::max(first.size(), last.size()));
  CHECK(std::equal(first.begin(), first.end(), numbers.begin()));
  CHECK(std::equal(last.rbegin(), last.rend(), numbers.rbegin()));
}

/// The one of this name.
inline const JoinedTensor& named(const std::vector<JoinedTensor>& tensors, const std::string& name) {
  for (const auto& t : tensors)
    if (t.name() == name) return t;
  INFO(name);
  REQUIRE(tensors.empty());
  return tensors.at(0);
}

}  // namespace modelgrow::testing
