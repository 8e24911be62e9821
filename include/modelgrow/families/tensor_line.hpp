// SPDX-License-Identifier: MIT
// One line of a family text: "out hidden, in ffn; closes", the axes of a tensor and what it is to its block. Read and
// written: grafts are recorded in the same words.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <modelgrow/core/expression.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/core/parameter.hpp>

namespace modelgrow::inline v0 {

/// A tensor, or one in each block, as a family text describes it.
struct TensorLine {
  struct Axis {
    Role role = Role::fixed;
    Expression extent = {};
  };
  using Form = std::vector<Axis>;                                      // the axes of a tensor in one of its shapes
  enum class Blocks { every, not_last, only_last, only_first, none };  // none: a graft took its place
  std::string pattern;
  std::vector<Form> forms;
  Purpose purpose = Purpose::weight;
  Stream stream = {};
  Silencing silencing = {};
  bool optional = false;
  std::string group = {};  // of optional tensors that are there together or not at all
  Blocks blocks = Blocks::every;
};

namespace detail {

/// The lines that a pattern with braces stands for. A bias in `{weight,bias}` has the first axis of its weight.
std::vector<TensorLine> read_lines(const std::string& pattern, std::string_view text, const std::string& where);

/// The line that read_lines reads as these axes, purpose and branch; initialisation is not part of it.
std::string line_of(const ParamInfo& info);

}  // namespace detail

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/families/tensor_line_inl.hpp>
#endif
