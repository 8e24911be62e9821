// SPDX-License-Identifier: MIT
// The definitions of plan_print.hpp.
#pragma once
#include <algorithm>
#include <sstream>

#include <modelgrow/checkpoint/safetensors.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/grow/claims.hpp>
#include <modelgrow/grow/plan_print.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INLINE std::uint64_t total_bytes(const Schema& s) {
  std::uint64_t n = 0;
  for (const auto& p : s.parameters) n += byte_size(p.dtype, p.shape()).value_or(0);
  return n;
}

namespace detail {

MODELGROW_INLINE std::string grouped(std::uint64_t n) {
  const std::string digits = std::to_string(n);
  std::string text;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

MODELGROW_INLINE std::string human_bytes(std::uint64_t n) {
  char text[32];
  if (n < 1000) return std::to_string(n) + " B";
  double x = double(n);
  const char* unit = "";
  for (const char* u : {"kB", "MB", "GB", "TB"}) {
    if (x < 1000) break;
    x /= 1000;
    unit = u;
  }
  std::snprintf(text, sizeof text, "%.3g %s", x, unit);
  return text;
}

/// One row for all blocks of a stack in which the same is done to a parameter.
struct PrintRow {
  std::string stack, rest, what;
  std::vector<std::int64_t> blocks;
  std::string name() const { return stack.empty() ? rest : stack + ".{" + ranges(blocks) + "}." + rest; }
};

inline std::vector<PrintRow> rows_of(const Plan& plan) {
  std::vector<PrintRow> rows;
  std::map<std::string, std::size_t> index;
  for (const auto& r : plan.recipes()) {
    PrintRow row{.stack = {}, .rest = r.name, .what = to_string(r), .blocks = {}};
    for (const auto& s : plan.schema().stacks)
      if (const auto b = block_name(r.name, s.name)) {
        row.stack = s.name;
        row.rest = b->rest;
        row.blocks = {b->block};
        if (const auto from = block_name(r.source, s.name); from && row.what.starts_with("copy of "))
          row.what = (r.fresh ? "copy of another block" : "moved") + row.what.substr(8 + r.source.size());
      }
    const Shape old = r.source.empty() ? r.shape : r.stored();
    row.what = (old == r.shape ? to_string(r.shape) : to_string(old) + " -> " + to_string(r.shape)) + "  " + row.what;
    const auto [it, fresh] = index.emplace(row.stack + "|" + row.rest + "|" + row.what, rows.size());
    if (fresh)
      rows.push_back(std::move(row));
    else
      rows[it->second].blocks.push_back(row.blocks.at(0));
  }
  return rows;
}

/// Its new units are copies, not silent or blended.
inline bool is_of_copies(const SpaceMap& m) { return !any_silent(m) && m.blend.empty(); }

}  // namespace detail

MODELGROW_INLINE std::ostream& operator<<(std::ostream& os, const Plan& plan) {
  os << "plan for family " << plan.source().family << ", " << plan.steps().size() << " steps\n";
  for (std::size_t i = 0; i < plan.steps().size();) {
    const Step& s = plan.steps()[i];
    std::size_t n = 1;
    Certificate function = s.function, trajectory = s.trajectory;
    while (i + n < plan.steps().size() && plan.steps()[i + n].call == s.call &&
           plan.steps()[i + n].verb.index() == s.verb.index()) {
      function = combine(function, plan.steps()[i + n].function);
      trajectory = combine(trajectory, plan.steps()[i + n].trajectory);
      ++n;
    }
    os << "  " << (s.by.empty() ? "(verb)" : s.by) << ": " << s.what;
    if (n > 1) os << ", and " << n - 1 << " more like it";
    os << "\n    function   " << to_string(function) << "\n    trajectory " << to_string(trajectory) << "\n";
    if (const auto* remap = std::get_if<Remap>(&s.verb)) {
      os << "    note       the norm of the whole gradient changes, so choose the clipping threshold anew\n";
      if (!remap->noise.on() && std::any_of(remap->maps.begin(), remap->maps.end(), detail::is_of_copies))
        os << "    note       copies of a unit with equal splits stay equal in training; noise_db = 20 lets them "
              "part\n";
    }
    i += n;
  }
  const auto before = plan.source().trained_elements(), after = plan.schema().trained_elements();
  char factor[32];
  std::snprintf(factor, sizeof factor, " (x%.3g)", double(after) / double(std::max<std::int64_t>(1, before)));
  os << "  parameters " << detail::grouped(std::uint64_t(before)) << " -> " << detail::grouped(std::uint64_t(after))
     << factor << "\n  bytes      " << detail::human_bytes(total_bytes(plan.source())) << " -> "
     << detail::human_bytes(total_bytes(plan.schema())) << "\n";
  const auto rows = detail::rows_of(plan);
  std::size_t width = 0;
  for (const auto& r : rows) width = std::max(width, r.name().size());
  for (const auto& r : rows) os << "  " << r.name() << std::string(width + 2 - r.name().size(), ' ') << r.what << "\n";
  return os;
}

MODELGROW_INLINE std::string to_string(const Plan& plan) {
  std::ostringstream text;
  text << plan;
  return text.str();
}

}  // namespace modelgrow::inline v0
