// SPDX-License-Identifier: MIT
// The definitions of report.hpp.
#pragma once
#include <sys/resource.h>

#include <modelgrow/core/linkage.hpp>
#include <modelgrow/detail/json_members.hpp>
#include <modelgrow/grow/report.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INLINE std::uint64_t peak_rss() {
  rusage usage{};
  return ::getrusage(RUSAGE_SELF, &usage) == 0 ? std::uint64_t(usage.ru_maxrss) * 1024 : 0;
}

MODELGROW_INLINE Report report_of(const Plan& plan) {
  return Report{.family = plan.source().family,
                .certificate = plan.certificate(),
                .trajectory = plan.trajectory(),
                .parameters_before = plan.source().trained_elements(),
                .parameters_after = plan.schema().trained_elements(),
                .tensors = {},
                .passed_through = {},
                .files = {},
                .notes = {},
                .worst = {},
                .seconds = {}};
}

MODELGROW_INLINE std::string trajectory_text(const Certificate& trajectory, bool optimizer_moved) {
  return optimizer_moved ? to_string(trajectory) : "begins anew: no optimizer state was moved";
}

MODELGROW_INLINE std::ostream& operator<<(std::ostream& os, const Report& r) {
  char line[160];
  const auto put = [&](const char* format, auto... values) {
    std::snprintf(line, sizeof line, format, values...);
    os << line;
  };
  os << "grown " << r.family << ": parameters " << detail::grouped(std::uint64_t(r.parameters_before)) << " -> "
     << detail::grouped(std::uint64_t(r.parameters_after)) << ", weights " << detail::human_bytes(r.bytes_before)
     << " -> " << detail::human_bytes(r.bytes_after) << "\n  function   " << to_string(r.certificate)
     << "\n  trajectory " << trajectory_text(r.trajectory, r.optimizer_moved) << "\n";
  put("  check: %zu tensors, largest residual %.3g", r.checked, r.max_residual);
  if (r.max_residual > 0) os << " (" << r.worst << ")";
  os << (r.read_back ? "; read back as promised" : "; not read back: nothing reads this family");
  if (!r.upstream_cannot.empty()) os << "\n  upstream   cannot load it: " << r.upstream_cannot;
  const auto memory = detail::human_bytes(r.peak_private_bytes > 0 ? r.peak_private_bytes : r.peak_rss_bytes);
  put("\n  seconds: plan %.2f, write and check %.2f, read back %.2f; memory %s\n", r.seconds.plan, r.seconds.write,
      r.seconds.check, memory.c_str());
  if (!r.files.empty()) os << "  files:";
  for (const auto& f : r.files) os << " " << f;
  if (!r.files.empty()) os << "\n";
  if (!r.grown_along.empty()) os << "  grown along by the same plan:";
  for (const auto& f : r.grown_along) os << " " << f;
  if (!r.grown_along.empty()) os << "\n";
  for (const auto& n : r.not_finite) os << "  not finite: " << n << "\n";
  if (!r.passed_through.empty()) {
    os << "  copied through, unknown to the family:";
    for (const auto& n : r.passed_through) os << " " << n;
    os << "\n";
  }
  for (const auto& n : r.notes) os << "  note: " << n << "\n";
  return os;
}

MODELGROW_INLINE std::string to_json(const Report& r) {
  using detail::object_of;
  auto j = object_of(
      {{"family", r.family},
       {"certificate", to_string(r.certificate)},
       {"trajectory", trajectory_text(r.trajectory, r.optimizer_moved)},
       {"parameters", object_of({{"base", r.parameters_before}, {"grown", r.parameters_after}})},
       {"bytes", object_of({{"base", r.bytes_before}, {"grown", r.bytes_after}})},
       {"file_check", object_of({{"max_residual", r.max_residual}, {"worst", r.worst}, {"tensors", r.checked}})},
       {"read_back", r.read_back},
       {"upstream", r.upstream_cannot.empty() ? "loads" : "cannot, because " + r.upstream_cannot},
       {"seconds", object_of({{"plan", r.seconds.plan}, {"write", r.seconds.write}, {"check", r.seconds.check}})},
       {"peak_rss_mb", double(r.peak_rss_bytes) / 1e6},
       {"peak_private_mb", double(r.peak_private_bytes) / 1e6},
       {"files", r.files},
       {"grown_along", r.grown_along},
       {"not_finite", r.not_finite},
       {"passed_through", r.passed_through},
       {"notes", r.notes},
       {"tensors", detail::json::array()}});
  const auto list = [](const Shape& s) { return std::vector<std::int64_t>(s.begin(), s.end()); };
  for (const auto& t : r.tensors)
    j["tensors"].push_back(object_of({{"name", t.name},
                                      {"before", list(t.before)},
                                      {"after", list(t.after)},
                                      {"recipe", t.recipe},
                                      {"bytes", t.bytes},
                                      {"rule", t.rule},
                                      {"residual", t.residual}}));
  return j.dump(2) + "\n";
}

}  // namespace modelgrow::inline v0
