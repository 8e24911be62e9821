// SPDX-License-Identifier: MIT
// Definitions of tensor_line.hpp.
#pragma once
#include <algorithm>

#include <modelgrow/families/pattern.hpp>
#include <modelgrow/families/tensor_line.hpp>

namespace modelgrow::inline v0 {

namespace detail {

MODELGROW_INLINE TensorLine::Form read_form(std::string_view text, const std::string& where) {
  TensorLine::Form axes;
  int depth = 0;
  std::string one;
  const auto finish = [&] {
    const std::string axis = trimmed(one);
    const auto space = axis.find(' ');
    const std::string role = axis.substr(0, space);
    constexpr std::string_view roles[] = {"out", "in", "each", "fixed"};
    const auto it = std::find(std::begin(roles), std::end(roles), role);
    if (it == std::end(roles) || space == axis.npos)
      throw format_error(where + ": the axis '" + axis + "' is not 'out', 'in', 'each' or 'fixed' and a size");
    axes.push_back(
        {.role = Role(it - std::begin(roles)), .extent = Expression::parse(trimmed(axis.substr(space)), where)});
    one.clear();
  };
  for (char c : text) {
    depth += c == '(' ? 1 : c == ')' ? -1 : 0;
    if (c == ',' && depth == 0)
      finish();
    else
      one += c;
  }
  if (!trimmed(text).empty()) finish();
  return axes;
}

MODELGROW_INLINE void read_mark(const std::string& mark, TensorLine& t, const std::string& where) {
  const auto words = split_at(mark, ' ');
  const auto bad = [&](const std::string& expected) {
    throw format_error(where + ": the mark '" + mark + "' is not understood; expected " + expected);
  };
  const std::string& word = words[0];
  if (word == "closes") {
    t.purpose = Purpose::closes;
    Gates gates;
    std::size_t i = 1;
    for (; i < words.size() && all_digits(words[i]); ++i) gates.chunks.push_back(std::stoll(words[i]));
    if (i < words.size() && (words[i] != "of" || i + 2 != words.size()))
      bad("'closes', 'closes 2 5', 'closes 2 of mlp'");
    if (i < words.size()) gates.branch = words[i + 1];
    if (gates.chunks.empty())
      t.stream.branch = gates.branch;
    else
      t.stream.gates.push_back(std::move(gates));
  } else if (word == "inner") {
    if (words.size() > 2) bad("'inner' or 'inner BRANCH'");
    t.stream.inner = true;
    if (words.size() == 2) t.stream.branch = words[1];
  } else if (word == "gain" && words.size() == 1) {
    t.silencing.gain = true;
  } else if (word == "query" && std::all_of(words.begin() + 1, words.end(), all_digits)) {
    t.silencing.query = true;
    for (std::size_t i = 1; i < words.size(); ++i) t.silencing.queries.push_back(std::stoll(words[i]));
  } else if (word == "shifts" && words.size() > 1 && std::all_of(words.begin() + 1, words.end(), all_digits)) {
    for (std::size_t i = 1; i < words.size(); ++i) t.silencing.shifts.push_back(std::stoll(words[i]));
  } else if (word == "of" && words.size() == 2) {
    t.stream.branch = words[1];
  } else if (word == "buffer" && words.size() == 1) {
    t.purpose = Purpose::buffer;
  } else if (word == "scheduled" && words.size() == 1) {
    t.purpose = Purpose::scheduled;
  } else if (word == "optional" && words.size() <= 2) {
    t.optional = true;
    if (words.size() == 2) t.group = words[1];
  } else if (word == "not_last" && words.size() == 1) {
    t.blocks = TensorLine::Blocks::not_last;
  } else if (word == "only_last" && words.size() == 1) {
    t.blocks = TensorLine::Blocks::only_last;
  } else if (word == "only_first" && words.size() == 1) {
    t.blocks = TensorLine::Blocks::only_first;
  } else {
    bad("closes, inner, of BRANCH, gain, query, shifts 0 3, buffer, scheduled, optional, not_last, only_last or "
        "only_first");
  }
}

MODELGROW_INLINE std::vector<TensorLine> read_lines(const std::string& pattern, std::string_view text,
                                                    const std::string& where) {
  const auto semicolon = text.find(';');
  TensorLine t;
  for (const auto& f : split_at(text.substr(0, semicolon), '|')) t.forms.push_back(read_form(f, where));
  if (semicolon != text.npos)
    for (const auto& mark : split_at(text.substr(semicolon + 1), ',')) read_mark(trimmed(mark), t, where);
  std::vector<TensorLine> lines;
  const bool pair = pattern.find("{weight,bias}") != pattern.npos;
  for (auto& name : expand_braces(pattern, where)) {
    TensorLine one = t;
    one.pattern = name;
    if (pair && name.ends_with("bias")) {
      for (auto& axes : one.forms) {
        if (axes.empty()) throw format_error(where + ": a bias needs the first axis of its weight");
        axes.resize(1);
        if (axes[0].role == Role::out) axes[0].role = Role::each;
      }
      one.stream.inner = false;
    }
    lines.push_back(std::move(one));
  }
  return lines;
}

MODELGROW_INLINE std::string line_of(const ParamInfo& info) {
  std::string text, marks;
  const auto mark = [&](const std::string& m) { marks += (marks.empty() ? "; " : ", ") + m; };
  for (const auto& a : info.axes)
    text += (text.empty() ? "" : ", ") + std::string(name(a.role)) + " " + to_string(a.extent);
  const Stream& s = info.stream;
  for (const auto& g : s.gates) {
    std::string gate = "closes";
    for (auto c : g.chunks) gate += " " + std::to_string(c);
    mark(gate + (g.branch.empty() ? "" : " of " + g.branch));
  }
  if (info.purpose == Purpose::closes && s.gates.empty()) mark("closes");
  if (info.purpose == Purpose::buffer) mark("buffer");
  if (info.purpose == Purpose::scheduled) mark("scheduled");
  if (s.inner) mark("inner");
  if (!s.branch.empty()) mark("of " + s.branch);
  if (info.silencing.gain) mark("gain");
  std::string shifts;
  for (auto c : info.silencing.shifts) shifts += " " + std::to_string(c);
  if (!shifts.empty()) mark("shifts" + shifts);
  std::string queries = "query";
  for (auto c : info.silencing.queries) queries += " " + std::to_string(c);
  if (info.silencing.query) mark(queries);
  return text + marks;
}

}  // namespace detail

}  // namespace modelgrow::inline v0
