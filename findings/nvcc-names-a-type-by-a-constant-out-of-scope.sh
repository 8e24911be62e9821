#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# nvcc 13.0.88 (13.1.115 and later no longer): where a function's own constant made the first std::array<unsigned, 4>, nvcc hands g++ that constant
# as the name of the type everywhere else, where it is unknown.
#
# One would guess: std::array<unsigned, 4> in one function of a header means the same, whatever another function calls its 4.
# What happens: with
#     inline unsigned first() { constexpr std::size_t lanes = 4; std::array<unsigned, lanes> a{}; ... }
# before it, nvcc writes the return type of
#     inline std::array<unsigned, 4> second()
# as std::array<unsigned, (lanes)>, and g++ says that "template argument 2 is invalid". A constant of type int does no harm, nor
# does a C array. So two headers that each compile alone may not be included one behind the other in a .cu file.
#
# Seen with nvcc 13.0.88 and g++ 12.2:
#   g++: compiles
#   nvcc: compiles where the constant is an int
#   nvcc: error: template argument 2 is invalid
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
nvcc=${FINDINGS_NVCC:-}  # an nvcc of just this version; without one it is installed for this run
if [ -z "$nvcc" ]; then
  python3 -m venv "$folder/environment"
  "$folder/environment/bin/pip" install --quiet --no-deps nvidia-cuda-nvcc==13.0.88 nvidia-nvvm==13.0.88 \
    nvidia-cuda-crt==13.0.88 'nvidia-cuda-runtime==13.0.*' >&2
  nvcc=$(echo "$folder"/environment/lib/python*/site-packages/nvidia/cu13/bin/nvcc)
fi
cd "$folder"
cat >array.cu <<'END'
#include <array>
#include <cstddef>

inline unsigned first() {
  constexpr CONSTANT lanes = 4;
  std::array<unsigned, lanes> a{};
  return a[0];
}
inline std::array<unsigned, 4> second() { return {1, 2, 3, 4}; }

unsigned both() { return first() + second()[0]; }
END
"$nvcc" --version | grep -o 'V13[.0-9]*'
g++ -std=c++20 -x c++ -DCONSTANT=std::size_t -c array.cu -o g.o && echo "g++: compiles"
"$nvcc" -std=c++20 -DCONSTANT=int -c array.cu -o int.o && echo "nvcc: compiles where the constant is an int"
if "$nvcc" -std=c++20 -DCONSTANT=std::size_t -c array.cu -o size.o 2>said; then
  echo "changed: nvcc compiles where the constant is a std::size_t"
  exit 1
fi
grep -q 'template argument 2 is invalid' said
echo "nvcc: error: template argument 2 is invalid"
