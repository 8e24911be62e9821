// SPDX-License-Identifier: MIT
// GGML blocks into floats, a block at a time, so that a matrix product can convert one tile while it works on another.
// Layouts: ggml-org/ggml, ggml-common.h and dequantize_row_* of ggml-quants.c.
#pragma once
#include <cstddef>
#include <cstring>
#include <string>

#include <modelgrow/core/dtype.hpp>
#include <modelgrow/core/error.hpp>
#include <modelgrow/core/ggml_type.hpp>

namespace modelgrow::inline v0 {

static_assert(std::endian::native == std::endian::little, "GGML blocks are little-endian and read in place");

// Every product below is exact in float (at most 24 significant bits), so a result is rounded once, whether or not the
// compiler fuses the multiplication with the addition: all machines give the same bits.
namespace detail {

inline float half_at(const std::byte* p) {
  f16 h;
  std::memcpy(&h, p, sizeof h);
  return static_cast<float>(h);
}
inline int byte_at(const std::byte* p, int i) { return std::to_integer<int>(p[i]); }
inline int signed_at(const std::byte* p, int i) { return static_cast<std::int8_t>(p[i]); }

/// One number a block.
template <Element T>
struct PlainBlock {
  static constexpr int elements = 1, bytes = sizeof(T);
  static void decode(const std::byte* block, float* out) {
    T x;
    std::memcpy(&x, block, sizeof x);
    *out = static_cast<float>(x);
  }
};

/// y = d * (q - 8): d, 16 bytes of two 4-bit q; the low halves come first.
struct BlockQ4_0 {
  static constexpr int elements = 32, bytes = 18;
  static void decode(const std::byte* block, float* out) {
    const float d = half_at(block);
    for (int j = 0; j < 16; ++j) {
      const int q = byte_at(block + 2, j);
      out[j] = d * float((q & 15) - 8);
      out[j + 16] = d * float((q >> 4) - 8);
    }
  }
};

/// y = d * q + m.
struct BlockQ4_1 {
  static constexpr int elements = 32, bytes = 20;
  static void decode(const std::byte* block, float* out) {
    const float d = half_at(block), m = half_at(block + 2);
    for (int j = 0; j < 16; ++j) {
      const int q = byte_at(block + 4, j);
      out[j] = d * float(q & 15) + m;
      out[j + 16] = d * float(q >> 4) + m;
    }
  }
};

/// y = d * (q - 16): as Q4_0 with a fifth bit of all 32 elements in four bytes.
struct BlockQ5_0 {
  static constexpr int elements = 32, bytes = 22;
  static void decode(const std::byte* block, float* out) {
    const float d = half_at(block);
    std::uint32_t high;
    std::memcpy(&high, block + 2, 4);
    for (int j = 0; j < 16; ++j) {
      const int q = byte_at(block + 6, j);
      out[j] = d * float(((q & 15) | (int(high >> j & 1) << 4)) - 16);
      out[j + 16] = d * float(((q >> 4) | (int(high >> (j + 16) & 1) << 4)) - 16);
    }
  }
};

/// y = d * q + m with five bits.
struct BlockQ5_1 {
  static constexpr int elements = 32, bytes = 24;
  static void decode(const std::byte* block, float* out) {
    const float d = half_at(block), m = half_at(block + 2);
    std::uint32_t high;
    std::memcpy(&high, block + 4, 4);
    for (int j = 0; j < 16; ++j) {
      const int q = byte_at(block + 8, j);
      out[j] = d * float((q & 15) | (int(high >> j & 1) << 4)) + m;
      out[j + 16] = d * float((q >> 4) | (int(high >> (j + 16) & 1) << 4)) + m;
    }
  }
};

/// y = d * q, q a signed byte.
struct BlockQ8_0 {
  static constexpr int elements = 32, bytes = 34;
  static void decode(const std::byte* block, float* out) {
    const float d = half_at(block);
    for (int j = 0; j < 32; ++j) out[j] = d * float(signed_at(block + 2, j));
  }
};

/// Scale and minimum of sub-block j of 8, six bits each, in 12 bytes: the first four of each lie in the low bits of
/// bytes 0-3 and 4-7, whose upper two bits, with the halves of bytes 8-11, make the other four.
struct ScaleAndMin {
  int scale, min;
  ScaleAndMin(const std::byte* p, int j)
      : scale(j < 4 ? byte_at(p, j) & 63 : (byte_at(p, j + 4) & 15) | (byte_at(p, j - 4) >> 6 << 4)),
        min(j < 4 ? byte_at(p, j + 4) & 63 : (byte_at(p, j + 4) >> 4) | (byte_at(p, j) >> 6 << 4)) {}
};

/// y = d * scale * q - dmin * min in sub-blocks of 32; d, dmin, 12 bytes of ScaleAndMin, 4 x 32 bytes of two q.
struct BlockQ4_K {
  static constexpr int elements = 256, bytes = 144;
  static void decode(const std::byte* block, float* out) {
    const float d = half_at(block), dmin = half_at(block + 2);
    for (int pair = 0; pair < 4; ++pair, out += 64) {
      const std::byte* q = block + 16 + 32 * pair;
      const ScaleAndMin low(block + 4, 2 * pair), high(block + 4, 2 * pair + 1);
      const float d0 = d * float(low.scale), m0 = dmin * float(low.min);
      const float d1 = d * float(high.scale), m1 = dmin * float(high.min);
      for (int j = 0; j < 32; ++j) {
        out[j] = d0 * float(byte_at(q, j) & 15) - m0;
        out[j + 32] = d1 * float(byte_at(q, j) >> 4) - m1;
      }
    }
  }
};

/// As Q4_K with a fifth bit: bit s of byte j of 32 belongs to element j of sub-block s.
struct BlockQ5_K {
  static constexpr int elements = 256, bytes = 176;
  static void decode(const std::byte* block, float* out) {
    const float d = half_at(block), dmin = half_at(block + 2);
    const std::byte* fifth = block + 16;
    for (int pair = 0; pair < 4; ++pair, out += 64) {
      const std::byte* q = block + 48 + 32 * pair;
      const ScaleAndMin low(block + 4, 2 * pair), high(block + 4, 2 * pair + 1);
      const float d0 = d * float(low.scale), m0 = dmin * float(low.min);
      const float d1 = d * float(high.scale), m1 = dmin * float(high.min);
      for (int j = 0; j < 32; ++j) {
        const int bits = byte_at(fifth, j) >> (2 * pair);
        out[j] = d0 * float((byte_at(q, j) & 15) | (bits & 1) << 4) - m0;
        out[j + 32] = d1 * float((byte_at(q, j) >> 4) | (bits >> 1 & 1) << 4) - m1;
      }
    }
  }
};

/// y = d * scale * (q - 32) in sub-blocks of 16; per half of 128: 64 bytes of low bits, 32 of high bits, 8 scales.
struct BlockQ6_K {
  static constexpr int elements = 256, bytes = 210;
  static void decode(const std::byte* block, float* out) {
    const float d = half_at(block + 208);
    for (int half = 0; half < 2; ++half, out += 128) {
      const std::byte *low = block + 64 * half, *high = block + 128 + 32 * half, *scales = block + 192 + 8 * half;
      for (int part = 0; part < 4; ++part) {
        const std::byte* l = low + 32 * (part % 2);
        for (int j = 0; j < 32; ++j) {
          const int q = (byte_at(l, j) >> (part / 2 * 4) & 15) | (byte_at(high, j) >> (2 * part) & 3) << 4;
          out[32 * part + j] = d * float(signed_at(scales, 2 * part + j / 16)) * float(q - 32);
        }
      }
    }
  }
};

}  // namespace detail

/// Calls f with the block layout of a type: static `elements`, `bytes` and decode(const std::byte* block, float* out).
template <class F>
decltype(auto) with_block(GgmlType type, F&& f) {
  switch (type) {
    case GgmlType::f32:
      return f(detail::PlainBlock<float>{});
    case GgmlType::f16:
      return f(detail::PlainBlock<f16>{});
    case GgmlType::bf16:
      return f(detail::PlainBlock<bf16>{});
    case GgmlType::q4_0:
      return f(detail::BlockQ4_0{});
    case GgmlType::q4_1:
      return f(detail::BlockQ4_1{});
    case GgmlType::q5_0:
      return f(detail::BlockQ5_0{});
    case GgmlType::q5_1:
      return f(detail::BlockQ5_1{});
    case GgmlType::q8_0:
      return f(detail::BlockQ8_0{});
    case GgmlType::q4_k:
      return f(detail::BlockQ4_K{});
    case GgmlType::q5_k:
      return f(detail::BlockQ5_K{});
    case GgmlType::q6_k:
      return f(detail::BlockQ6_K{});
  }
  throw format_error("there is no GGML type " + std::to_string(static_cast<std::uint32_t>(type)) +
                     " that this library can turn into floats");
}

/// n elements, which must be whole blocks; `from` need not be aligned.
inline void dequantise(GgmlType type, const std::byte* from, float* to, std::int64_t n) {
  with_block(type, [&]<class Block>(Block) {
    for (std::int64_t i = 0; i < n; i += Block::elements, from += Block::bytes) Block::decode(from, to + i);
  });
}

/// A matrix whose rows are whole blocks, as a linear layer or an embedding table is stored. It does not own `data`.
struct QuantisedMatrix {
  GgmlType type = GgmlType::f32;
  std::int64_t rows = 0, columns = 0;
  const std::byte* data = nullptr;

  std::int64_t row_bytes() const { return columns / info(type).elements * info(type).bytes; }
  const std::byte* row(std::int64_t i) const { return data + i * row_bytes(); }
  /// Row i, or n of its elements from `first` on, both multiples of the block length, into floats.
  void decode_row(std::int64_t i, float* to) const { dequantise(type, row(i), to, columns); }
  void decode_part(std::int64_t i, std::int64_t first, std::int64_t n, float* to) const {
    dequantise(type, row(i) + first / info(type).elements * info(type).bytes, to, n);
  }
};

}  // namespace modelgrow::inline v0
