// SPDX-License-Identifier: MIT
// What the verbs of a plan claim about the function and the trajectory, and which of their arguments make no sense.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <modelgrow/grow/blocks.hpp>
#include <modelgrow/grow/verbs.hpp>

namespace modelgrow::inline v0::detail {

inline std::string quote(std::string_view s) { return "'" + std::string(s) + "'"; }

/// "1152 -> 2304".
inline std::string arrow(std::int64_t from, std::int64_t to) {
  return std::to_string(from) + " -> " + std::to_string(to);
}

struct Claims {
  Certificate function, trajectory;
};
inline Certificate approximate(std::string reason) {
  return Certificate{.exactness = Exactness::approximate, .reason = std::move(reason)};
}

/// How often each old unit is copied; throws plan_error for a map that is none.
inline std::vector<std::int64_t> copies_of(const SpaceMap& m) {
  const auto bad = [&](const std::string& what) { throw plan_error("remap of space " + quote(m.space) + ": " + what); };
  if (m.from.empty()) bad("the new size is 0; a space has at least one unit");
  if (m.split.size() != m.from.size())
    bad("there are " + std::to_string(m.from.size()) + " units but " + std::to_string(m.split.size()) + " splits");
  std::vector<std::int64_t> copies(std::size_t(m.old_size), 0);
  std::vector<double> sum(std::size_t(m.old_size), 0.0);
  for (std::size_t j = 0; j < m.from.size(); ++j) {
    if (m.from[j] < 0 || m.from[j] >= m.old_size)
      bad("unit " + std::to_string(j) + " copies unit " + std::to_string(m.from[j]) + " of " +
          std::to_string(m.old_size));
    if (!(m.split[j] > 0) || m.split[j] > 1)
      bad("unit " + std::to_string(j) + " has the split " + std::to_string(m.split[j]) + "; expected 0 < split <= 1");
    ++copies[std::size_t(m.from[j])];
    sum[std::size_t(m.from[j])] += m.split[j];
  }
  for (std::size_t i = 0; i < sum.size(); ++i)
    if (copies[i] > 0 && std::abs(sum[i] - 1) > 1e-12)
      bad("the splits of the " + std::to_string(copies[i]) + " copies of unit " + std::to_string(i) + " add up to " +
          std::to_string(sum[i]) + "; expected 1");
  return copies;
}

/// The claims about growing one space.
inline Claims claims_of(const SpaceMap& m, const SpaceSpec& spec, const Noise& noise) {
  const auto copies = copies_of(m);
  const auto [least, most] = std::minmax_element(copies.begin(), copies.end());
  if (*least == 0)
    return Claims{.function = approximate("units of " + quote(m.space) + " are left out"),
                  .trajectory = approximate("units of " + quote(m.space) + " are left out")};
  const bool normed = spec.rules.copies == Copies::uniform;
  if (normed && *least != *most) {
    const std::string why = "units of " + quote(m.space) + " are copied " + std::to_string(*least) + " to " +
                            std::to_string(*most) + " times, but " + spec.rules.because;
    return Claims{.function = approximate(why), .trajectory = approximate(why)};
  }
  bool dyadic = true, even = true;
  for (std::size_t j = 0; j < m.from.size(); ++j) {
    int exponent;
    dyadic &= std::frexp(m.split[j], &exponent) == 0.5;
    even &= m.split[j] == 1.0 / double(copies[std::size_t(m.from[j])]);
  }
  Claims claims;
  claims.function.reason = noise.on() || !dyadic ? "the parts of every weight add up to it bit for bit"
                                                 : "every weight is divided by powers of two";
  if (!spec.rules.exact_if.empty())
    claims.function = Certificate{.exactness = Exactness::exact_if, .reason = spec.rules.exact_if};
  if (noise.on()) {
    char text[96];
    std::snprintf(text, sizeof text, "noise of %g dB: gradients of copies differ by about %.2g %%", noise.db,
                  100 * std::pow(10.0, -noise.db / 20));
    claims.trajectory = approximate(text);
  } else if (normed && !even) {
    claims.trajectory = approximate("uneven splits of " + quote(m.space) + ", and " + spec.rules.because);
  } else if (!spec.rules.exact_if.empty()) {
    claims.trajectory = claims.function;
  }
  return claims;
}

/// A parameter that only shifts its branch, so that its zero start blocks nothing.
inline bool is_bias(const ParamSpec& p) {
  return p.name.ends_with("bias") || (p.info.axes.size() == 1 && p.info.axes[0].role == Role::out);
}

/// The claims about new parameters. Inside a block, exactly one factor of the new branch must be zero: what closes it
/// (growth-maths: two zero factors in a row never get a gradient). Throws plan_error for a dead branch.
inline Claims claims_of(const std::vector<ParamSpec>& added, const std::vector<StackSpec>& stacks) {
  std::map<std::string, std::int64_t> closers;  // block -> closing parameters
  std::int64_t all = 0;
  const ParamSpec* trained = nullptr;  // the first
  Claims claims;
  for (const auto& p : added) {
    std::string where;
    for (const auto& s : stacks)
      if (const auto b = block_name(p.name, s.name)) where = s.name + "." + std::to_string(b->block);
    auto& here = closers[where];
    const bool zero = p.info.init.kind == Init::Kind::zeros;
    if (!trained && is_trained(p.info.purpose)) trained = &p;
    if (closes_branch(p.info.purpose)) {
      if (zero) {
        ++here;
        ++all;
      } else {
        claims.function = approximate(quote(p.name) + " closes a new branch but does not start at zero");
      }
    } else if (zero && p.info.purpose == Purpose::weight && !is_bias(p)) {
      throw plan_error("the new parameter " + quote(p.name) +
                       " starts at zero although it does not close its branch: together with the closing parameter "
                       "no gradient would ever reach either; initialise it with random numbers or ones");
    }
  }
  const auto nothing_closes = [&](const std::string& what) {
    if (claims.function.exactness == Exactness::exact)
      claims.function = approximate("nothing closes the new parameter" + what);
  };
  for (const auto& [where, n] : closers)
    if (trained && !where.empty() && n == 0) nothing_closes("s of " + where);
  if (trained && all == 0) nothing_closes(" " + quote(trained->name));
  if (claims.function.exactness == Exactness::exact)
    claims.function = all > 0
                          ? Certificate{.reason = std::to_string(all) + " closing parameters start at zero"}
                          : Certificate{.exactness = Exactness::exact_if, .reason = "nothing old reads the buffers"};
  return claims;
}

}  // namespace modelgrow::inline v0::detail
