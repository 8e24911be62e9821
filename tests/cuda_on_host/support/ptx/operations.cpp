// SPDX-License-Identifier: MIT
// Every computation by its full name. One that is not here is refused, so a modifier is never overlooked.
#include "tests/cuda_on_host/support/ptx/operations.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <type_traits>
#include <unordered_map>
#include <utility>

namespace ptx {
namespace {

using Table = std::unordered_map<std::string, Operation>;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using s16 = std::int16_t;
using s32 = std::int32_t;
using s64 = std::int64_t;

template <int bytes>
using Bits = std::conditional_t<bytes == 8, u64,
                                std::conditional_t<bytes == 4, u32, std::conditional_t<bytes == 2, u16, std::uint8_t>>>;

template <class A>
A get(Registers r, const Instruction& i, std::size_t k) {
  return std::bit_cast<A>(Bits<sizeof(A)>(r[i.from[k]]));
}
template <class F, class R, class... A, std::size_t... k>
void apply(R (*)(A...), Registers r, const Instruction& i, std::index_sequence<k...>) {
  const R result = F{}(get<A>(r, i, k)...);
  r[i.to[0]] = std::bit_cast<Bits<sizeof(R)>>(result);
}
template <class R, class... A>
constexpr std::index_sequence_for<A...> positions(R (*)(A...)) {
  return {};
}
/// A lambda on values as a function of registers.
template <class F>
Operation compute(F) {
  return {.compute = [](Registers r, const Instruction& i) { apply<F>(+F{}, r, i, positions(+F{})); },
          .results = 1,
          .operands = int(decltype(positions(+F{}))::size())};
}

template <class A>
void comparisons(Table& t, const std::string& type) {
  t["setp.eq." + type] = compute([](A a, A b) { return a == b; });
  t["setp.ne." + type] = compute([](A a, A b) { return a != b; });
  t["setp.lt." + type] = compute([](A a, A b) { return a < b; });
  t["setp.le." + type] = compute([](A a, A b) { return a <= b; });
  t["setp.gt." + type] = compute([](A a, A b) { return a > b; });
  t["setp.ge." + type] = compute([](A a, A b) { return a >= b; });
}

/// Moves and choices, which do not look at the value.
template <class A>
void moves(Table& t, const std::string& type) {
  t["mov." + type] = compute([](A a) { return a; });
  t["selp." + type] = compute([](A a, A b, bool first) { return first ? a : b; });
}

template <class A>
void bits(Table& t, const std::string& type) {
  moves<A>(t, type);
  t["setp.eq." + type] = compute([](A a, A b) { return a == b; });
  t["setp.ne." + type] = compute([](A a, A b) { return a != b; });
  t["and." + type] = compute([](A a, A b) { return A(a & b); });
  t["or." + type] = compute([](A a, A b) { return A(a | b); });
  t["xor." + type] = compute([](A a, A b) { return A(a ^ b); });
  t["not." + type] = compute([](A a) { return A(a ^ A(-1)); });
  if constexpr (!std::is_same_v<A, bool>)
    t["shl." + type] = compute([](A a, u32 n) { return n < 8 * sizeof(A) ? A(u64(a) << n) : A(0); });
}

/// Overflow wraps around: sums and products are those of unsigned numbers.
template <class A>
void integers(Table& t, const std::string& type) {
  constexpr int width = 8 * sizeof(A);
  moves<A>(t, type);
  comparisons<A>(t, type);
  t["add." + type] = compute([](A a, A b) { return A(u64(a) + u64(b)); });
  t["sub." + type] = compute([](A a, A b) { return A(u64(a) - u64(b)); });
  t["mul.lo." + type] = compute([](A a, A b) { return A(u64(a) * u64(b)); });
  t["mad.lo." + type] = compute([](A a, A b, A c) { return A(u64(a) * u64(b) + u64(c)); });
  t["min." + type] = compute([](A a, A b) { return std::min(a, b); });
  t["max." + type] = compute([](A a, A b) { return std::max(a, b); });
  t["shr." + type] = compute([](A a, u32 n) { return n < u32(width) ? A(a >> n) : A(a < 0 ? -1 : 0); });
  t["div." + type] = compute([](A a, A b) {
    if (b == 0) throw std::domain_error("division by zero");
    return std::is_signed_v<A> && b == A(-1) ? A(0 - u64(a)) : A(a / b);
  });
  t["rem." + type] = compute([](A a, A b) {
    if (b == 0) throw std::domain_error("remainder of a division by zero");
    return std::is_signed_v<A> && b == A(-1) ? A(0) : A(a % b);
  });
  if constexpr (std::is_signed_v<A>) {
    t["neg." + type] = compute([](A a) { return A(0 - u64(a)); });
    t["abs." + type] = compute([](A a) { return a < 0 ? A(0 - u64(a)) : a; });
  }
  if constexpr (width < 64) {
    using Wide = std::conditional_t<std::is_signed_v<A>, std::make_signed_t<Bits<width / 4>>, Bits<width / 4>>;
    t["mul.wide." + type] = compute([](A a, A b) { return Wide(Wide(a) * Wide(b)); });
    t["mad.wide." + type] = compute([](A a, A b, Wide c) { return Wide(u64(Wide(a) * Wide(b)) + u64(c)); });
    t["mul.hi." + type] = compute([](A a, A b) { return A(Wide(Wide(a) * Wide(b)) >> width); });
  } else {
    __extension__ using Wide = std::conditional_t<std::is_signed_v<A>, __int128, unsigned __int128>;
    t["mul.hi." + type] = compute([](A a, A b) { return A(Wide(Wide(a) * Wide(b)) >> width); });
  }
  t["cvt.rn.f32." + type] = compute([](A a) { return float(a); });
  t["cvt.rn.f64." + type] = compute([](A a) { return double(a); });
  t["cvt.u16." + type] = compute([](A a) { return u16(a); });
  t["cvt.u32." + type] = compute([](A a) { return u32(a); });
  t["cvt.s32." + type] = compute([](A a) { return s32(a); });
  t["cvt.u64." + type] = compute([](A a) { return u64(a); });
  t["cvt.s64." + type] = compute([](A a) { return s64(a); });
}

template <class A>
void numbers(Table& t, const std::string& type) {
  moves<A>(t, type);
  comparisons<A>(t, type);
  t["setp.ne." + type] = compute([](A a, A b) { return a < b || a > b; });  // false for NaN, as the others are
  t["setp.neu." + type] = compute([](A a, A b) { return a != b; });         // those ending in u are true for NaN
  t["setp.ltu." + type] = compute([](A a, A b) { return !(a >= b); });
  t["setp.leu." + type] = compute([](A a, A b) { return !(a > b); });
  t["setp.gtu." + type] = compute([](A a, A b) { return !(a <= b); });
  t["setp.geu." + type] = compute([](A a, A b) { return !(a < b); });
  t["setp.nan." + type] = compute([](A a, A b) { return std::isnan(a) || std::isnan(b); });
  t["add." + type] = t["add.rn." + type] = compute([](A a, A b) { return a + b; });
  t["sub." + type] = t["sub.rn." + type] = compute([](A a, A b) { return a - b; });
  t["mul." + type] = t["mul.rn." + type] = compute([](A a, A b) { return a * b; });
  t["div.rn." + type] = compute([](A a, A b) { return a / b; });
  t["fma.rn." + type] = compute([](A a, A b, A c) { return std::fma(a, b, c); });
  t["rcp.rn." + type] = compute([](A a) { return A(1) / a; });
  t["sqrt.rn." + type] = compute([](A a) { return std::sqrt(a); });
  t["neg." + type] = compute([](A a) { return -a; });
  t["abs." + type] = compute([](A a) { return std::abs(a); });
  t["min." + type] = compute([](A a, A b) { return std::fmin(a, b); });
  t["max." + type] = compute([](A a, A b) { return std::fmax(a, b); });
  t["copysign." + type] = compute([](A sign, A a) { return std::copysign(a, sign); });
}

float without_subnormals(float x) { return std::fpclassify(x) == FP_SUBNORMAL ? std::copysign(0.0f, x) : x; }

/// a b + c towards minus infinity. The product is exact in double, the sum is corrected by what its rounding lost.
float multiply_add_down(float a, float b, float c) {
  const double p = double(a) * b, s = p + c, v = s - p, lost = (p - (s - v)) + (c - v);
  const float nearest = float(s);
  const bool above = double(nearest) > s || (double(nearest) == s && lost < 0);
  return above ? std::nextafter(nearest, -std::numeric_limits<float>::infinity()) : nearest;
}

u16 to_bf16(float x) {
  const auto u = std::bit_cast<u32>(x);
  return u16(std::isnan(x) ? 0x7fff : (u + 0x7fff + (u >> 16 & 1)) >> 16);
}

/// The nearest integer, ties to even; the nearest that the type has; 0 for NaN.
template <class I>
I to_integer(float x) {
  if (std::isnan(x)) return 0;
  const double least = double(std::numeric_limits<I>::min()), most = double(std::numeric_limits<I>::max());
  return x <= least ? std::numeric_limits<I>::min() : x >= most ? std::numeric_limits<I>::max() : I(x);
}

/// The low n bits of a, put into b from bit `at` on.
u64 insert(u64 a, u64 b, u32 at, u32 n) {
  if (at >= 64) return b;
  const u64 mask = (n < 64 ? (u64(1) << n) - 1 : ~u64(0)) << at;
  return (b & ~mask) | (a << at & mask);
}

/// What only some types have, and what is only approximate on a GPU.
void others(Table& t) {
  t["fma.rm.f32"] = compute([](float a, float b, float c) { return multiply_add_down(a, b, c); });
  t["rcp.approx.ftz.f32"] = compute([](float a) { return without_subnormals(1 / without_subnormals(a)); });
  t["rsqrt.approx.ftz.f32"] = compute([](float a) { return 1 / std::sqrt(without_subnormals(a)); });
  t["ex2.approx.ftz.f32"] = compute([](float a) { return without_subnormals(std::exp2(without_subnormals(a))); });
  t["lg2.approx.ftz.f32"] = compute([](float a) { return std::log2(without_subnormals(a)); });
  t["cvt.f64.f32"] = compute([](float a) { return double(a); });
  t["cvt.rn.f32.f64"] = compute([](double a) { return float(a); });
  t["cvt.sat.f32.f32"] = compute([](float a) { return a > 0 ? std::min(a, 1.0f) : 0.0f; });
  t["cvt.rni.s32.f32"] = compute([](float a) { return to_integer<s32>(std::nearbyint(a)); });
  t["cvt.rzi.s32.f32"] = compute([](float a) { return to_integer<s32>(std::trunc(a)); });
  t["cvt.rn.bf16.f32"] = compute([](float a) { return to_bf16(a); });
  t["cvt.rn.bf16x2.f32"] = compute([](float high, float low) { return u32(to_bf16(low)) | u32(to_bf16(high)) << 16; });
  t["bfi.b32"] = compute([](u32 a, u32 b, u32 at, u32 n) { return u32(insert(a, b, at, n)); });
  t["bfi.b64"] = compute([](u64 a, u64 b, u32 at, u32 n) { return insert(a, b, at, n); });
  t["prmt.b32"] = compute([](u32 a, u32 b, u32 choice) {
    u32 result = 0;
    for (int byte = 0; byte < 4; ++byte) {
      const u32 c = choice >> (4 * byte) & 15;
      const auto chosen = std::uint8_t((u64(b) << 32 | a) >> (8 * (c & 7)));
      result |= u32(c & 8 ? std::uint8_t(chosen & 0x80 ? 0xff : 0) : chosen) << (8 * byte);
    }
    return result;
  });
  t["mov.b32 join"] = compute([](u16 low, u16 high) { return u32(low) | u32(high) << 16; });
  t["mov.b64 join"] = compute([](u32 low, u32 high) { return u64(low) | u64(high) << 32; });
  t["mov.b32 split"] = {.compute =
                            [](Registers r, const Instruction& i) {
                              const u64 v = r[i.from[0]];
                              r[i.to[0]] = v & 0xffff;
                              r[i.to[1]] = v >> 16 & 0xffff;
                            },
                        .results = 2,
                        .operands = 1};
  t["mov.b64 split"] = {.compute =
                            [](Registers r, const Instruction& i) {
                              const u64 v = r[i.from[0]];
                              r[i.to[0]] = v & 0xffffffff;
                              r[i.to[1]] = v >> 32;
                            },
                        .results = 2,
                        .operands = 1};
  t["cvta.to.global.u64"] = compute([](u64 a) { return a; });
  t["cvta.param.u64"] = compute([](u64 a) { return a + window(Space::parameter); });
  t["cvta.shared.u64"] = compute([](u64 a) { return a + window(Space::shared); });
  t["cvta.local.u64"] = compute([](u64 a) { return a + window(Space::local); });
  t["cvta.to.shared.u64"] = compute([](u64 a) { return a - window(Space::shared); });
  t["cvta.to.local.u64"] = compute([](u64 a) { return a - window(Space::local); });
}

Table every_operation() {
  Table t;
  bits<bool>(t, "pred");
  bits<u16>(t, "b16");
  bits<u32>(t, "b32");
  bits<u64>(t, "b64");
  integers<u16>(t, "u16");
  integers<u32>(t, "u32");
  integers<u64>(t, "u64");
  integers<s16>(t, "s16");
  integers<s32>(t, "s32");
  integers<s64>(t, "s64");
  numbers<float>(t, "f32");
  numbers<double>(t, "f64");
  others(t);
  return t;
}

}  // namespace

const Operation* operation(const std::string& name) {
  static const Table table = every_operation();
  const auto found = table.find(name);
  return found == table.end() ? nullptr : &found->second;
}

}  // namespace ptx
