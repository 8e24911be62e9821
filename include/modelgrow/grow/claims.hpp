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
#include <modelgrow/grow/silent.hpp>
#include <modelgrow/grow/verbs.hpp>

namespace modelgrow::inline v0::detail {

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

/// How often each old unit is copied; throws plan_error for a map that is none. Of a ladder of frequencies (spread),
/// the units between may have no share.
inline std::vector<std::int64_t> copies_of(const SpaceMap& m, Copies kind = Copies::any) {
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
    if (!(m.split[j] > 0 || (kind == Copies::spread && m.split[j] == 0)) || m.split[j] > 1)
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
  const auto copies = copies_of(m, spec.rules.copies);
  const std::int64_t times = m.new_size() / m.old_size;
  const auto everywhere = [&](auto&& holds) {
    bool all = m.new_size() % m.old_size == 0;
    for (std::int64_t j = 0; all && j < m.new_size(); ++j) all = holds(j);
    return all;
  };
  const auto beside = [&](std::int64_t j) { return m.from[std::size_t(j)] == j / times; };
  if (!by_copies(spec.rules.copies))
    return Claims{.function = approximate(spec.rules.because), .trajectory = approximate(spec.rules.because)};
  if (spec.rules.copies == Copies::spread) {
    const std::string why = "unit j of " + quote(m.space) + " has to become unit " + std::to_string(times) +
                            " j with the whole weight, because " + spec.rules.because;
    if (!everywhere([&](std::int64_t j) { return beside(j) && m.split[std::size_t(j)] == (j % times == 0 ? 1 : 0); }))
      return Claims{.function = approximate(why), .trajectory = approximate(why)};
    if (noise.on())
      throw plan_error("noise cannot be added to the frequencies of " + quote(m.space) + "; leave it out");
    Claims claims;
    claims.function.reason = "old frequencies keep their weights, new ones start at zero";
    if (times > 1)
      claims.trajectory = approximate("the new frequencies of " + quote(m.space) + " learn from the first step");
    return claims;
  }
  if (spec.rules.interleaved && !everywhere(beside)) {
    const std::string why = "copies of " + quote(m.space) + " have to stand beside their unit, because " +
                            (spec.rules.because.empty() ? "vectors of it are laid end to end" : spec.rules.because);
    return Claims{.function = approximate(why), .trajectory = approximate(why)};
  }
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

/// The claims about growing one space by silent units; throws plan_error for a map that is none.
inline Claims claims_of_silent(const SpaceMap& m, const SpaceSpec& spec, const Schema& schema, const Noise& noise) {
  const auto bad = [&](const std::string& what) { throw plan_error("remap of space " + quote(m.space) + ": " + what); };
  if (m.split.size() != m.from.size() || m.silent.size() != m.from.size())
    bad("there are " + std::to_string(m.from.size()) + " units, " + std::to_string(m.split.size()) + " splits and " +
        std::to_string(m.silent.size()) + " flags of silence");
  if (noise.on()) bad("silent units share no weights, so there is nothing to add noise to; leave it out");
  std::vector<std::int64_t> kept(std::size_t(m.old_size), 0);
  for (std::size_t j = 0; j < m.from.size(); ++j) {
    if (m.from[j] < 0 || m.from[j] >= m.old_size)
      bad("unit " + std::to_string(j) + " is as unit " + std::to_string(m.from[j]) + " of " +
          std::to_string(m.old_size));
    if (m.split[j] != 1) bad("unit " + std::to_string(j) + " has a split; beside silent units each is whole");
    if (!m.silent[j]) ++kept[std::size_t(m.from[j])];
  }
  for (std::size_t i = 0; i < kept.size(); ++i)
    if (kept[i] != 1) bad("unit " + std::to_string(i) + " is there " + std::to_string(kept[i]) + " times; expected 1");
  Claims claims{.function = {.reason = "the new units of " + quote(m.space) + " start silent"},
                .trajectory = approximate("the new units of " + quote(m.space) + " learn from the first step")};
  if (m.silence == Silence::unread)
    claims.function.reason = "the new units of " + quote(m.space) +
                             " are read by weights of zero, whatever they hold, or given out as zeros";
  if (!spec.rules.rms_only && spec.rules.copies != Copies::any && spec.rules.copies != Copies::channels &&
      !(spec.rules.copies == Copies::in_heads && m.silence == Silence::in_heads)) {
    claims.function = approximate("units of " + quote(m.space) + " that are zero are felt, because " +
                                  (spec.rules.because.empty() ? "a norm runs over them" : spec.rules.because));
    return claims;
  }
  for (const auto& g : schema.grafts)
    if (spec.rules.rms_only && m.silence == Silence::unwritten && !g.tensors.empty() && g.replaces.empty())
      claims.function = approximate("the graft '" + g.name + "' takes the mean of all units of " + quote(m.space));
  const bool known =
      std::any_of(schema.epsilons.begin(), schema.epsilons.end(), [&](const Epsilon& e) { return e.space == m.space; });
  if (claims.function.exactness == Exactness::exact && spec.rules.rms_only && !known)
    claims.function =
        Certificate{.exactness = Exactness::exact_if,
                    .reason = "the epsilon of the norms over " + quote(m.space) + " becomes " +
                              std::to_string(m.old_size) + "/" + std::to_string(m.new_size()) + " of what it was"};
  return claims;
}

/// The claims about growing one space by interpolation; throws plan_error for a map that is none.
inline Claims claims_of_blend(const SpaceMap& m, const Schema& schema, const Noise& noise) {
  const auto bad = [&](const std::string& what) { throw plan_error("remap of space " + quote(m.space) + ": " + what); };
  if (m.from.size() != m.blend.size() || m.from.size() != m.split.size())
    bad("there are " + std::to_string(m.from.size()) + " units, " + std::to_string(m.split.size()) + " splits and " +
        std::to_string(m.blend.size()) + " blends");
  if (noise.on() || any_silent(m)) bad("interpolated units are neither noisy nor silent");
  for (std::size_t j = 0; j < m.from.size(); ++j) {
    double sum = 0;
    auto units = m.blend[j];
    units.push_back(Blend{.unit = m.from[j], .weight = 0});
    for (const auto& p : units) {
      if (p.unit < 0 || p.unit >= m.old_size)
        bad("unit " + std::to_string(j) + " blends unit " + std::to_string(p.unit) + " of " +
            std::to_string(m.old_size));
      sum += p.weight;
    }
    if (!(std::abs(sum - 1) <= 1e-9) || m.split[j] != 1)
      bad("the parts of unit " + std::to_string(j) + " add up to " + std::to_string(sum) + "; expected 1");
  }
  for (const auto& p : schema.parameters)
    for (const auto& a : p.info.axes)
      if (a.extent.mentions(m.space) && a.role == Role::in)
        bad("axis " + to_string(a.extent) + " of " + quote(p.name) +
            " is no row of a table, which could be interpolated");
  const std::string why = "the positions of " + quote(m.space) + " are interpolated";
  return Claims{.function = approximate(why), .trajectory = approximate(why)};
}

/// A parameter that only shifts its branch, so that its zero start blocks nothing.
inline bool is_bias(const ParamSpec& p) {
  return p.name.ends_with("bias") || (p.info.axes.size() == 1 && p.info.axes[0].role == Role::out);
}

/// A branch: its name, and the block that it lies in (empty outside of blocks).
struct Branch {
  std::string name, block;
  auto operator<=>(const Branch&) const = default;
};
/// The branch of a parameter, or of gates in it that name one.
inline Branch branch_of(const ParamSpec& p, const std::vector<StackSpec>& stacks, const std::string& named = {}) {
  const std::string& own = named.empty() ? p.info.stream.branch : named;
  for (const auto& s : stacks)
    if (const auto b = block_name(p.name, s.name))
      return {.name = own.empty() ? first_part(b->rest) : own, .block = s.name + "." + std::to_string(b->block)};
  return {.name = own.empty() ? first_part(p.name) : own, .block = {}};
}
/// Calls f(branch) for every branch that a parameter closes.
template <class F>
void for_each_closed(const ParamSpec& p, const std::vector<StackSpec>& stacks, F&& f) {
  if (!closes_branch(p.info.purpose)) return;
  for (const auto& g : p.info.stream.gates) f(branch_of(p, stacks, g.branch));
  if (p.info.stream.gates.empty()) f(branch_of(p, stacks));
}

/// The claims about new parameters. Every branch that they bring has exactly one kind of factor that is zero: what
/// closes it, in every block that it has a part in (growth-maths: two zero factors in a row never get a gradient).
/// Throws plan_error for a dead branch.
inline Claims claims_of(const std::vector<ParamSpec>& added, const std::vector<StackSpec>& stacks) {
  std::map<Branch, std::int64_t> closers;          // by branch and block
  std::map<std::string, std::int64_t> everywhere;  // by branch
  std::int64_t all = 0;
  Claims claims;
  for (const auto& p : added) {
    const bool zero = p.info.init.kind == Init::Kind::zeros;
    if (closes_branch(p.info.purpose)) {
      if (!zero) claims.function = approximate(quote(p.name) + " closes a new branch but does not start at zero");
      for_each_closed(p, stacks, [&](const Branch& b) { closers[b] += zero, everywhere[b.name] += zero; });
      all += zero;
    } else if (zero && p.info.purpose == Purpose::weight && !is_bias(p)) {
      throw plan_error("the new parameter " + quote(p.name) +
                       " starts at zero although it does not close its branch: together with the closing parameter "
                       "no gradient would ever reach either; initialise it with random numbers or ones");
    }
  }
  for (const auto& p : added) {
    if (!is_trained(p.info.purpose) || claims.function.exactness != Exactness::exact) continue;
    const Branch b = branch_of(p, stacks);
    const auto closed = b.block.empty() ? everywhere[b.name] : closers[b];
    if (closed == 0)
      claims.function = approximate("nothing closes the branch " + quote(b.name) + " of the new parameter " +
                                    quote(p.name) + (b.block.empty() ? "" : " in " + b.block));
  }
  if (claims.function.exactness == Exactness::exact)
    claims.function = all > 0
                          ? Certificate{.reason = std::to_string(all) + " closing parameters start at zero"}
                          : Certificate{.exactness = Exactness::exact_if, .reason = "nothing old reads the buffers"};
  return claims;
}

}  // namespace modelgrow::inline v0::detail
