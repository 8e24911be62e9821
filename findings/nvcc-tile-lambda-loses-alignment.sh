#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# CUDA Tile C++ of nvcc 13.5.37: a lambda that captures a view by reference loads it a value at a time, 16 bytes else.
#
# One would guess: what assume_aligned says of an address holds for a view of it wherever the view goes, since all of a program of
# tiles is inlined. What happens: loaded where it was made, by a function that has it as its argument, or by a lambda that captures it by
# value, a tile of 64 x 64 floats is 8 loads of 16 bytes a thread; by a lambda that captures it by reference, 33 loads of 4 bytes.
# For sm_90 the compiler's remarks (-Xtileiras --remarks=all) say why: "base pointer not 16-byte aligned". Nothing warns.
#
# Seen with nvcc and tileiras 13.5.37, for sm_80:
#   where it was made: 8 loads of 16 bytes, 0 of 4
#   by a function: 8 loads of 16 bytes, 0 of 4
#   by a lambda, [&]: 0 loads of 16 bytes, 33 of 4
#   by a lambda, [=]: 8 loads of 16 bytes, 0 of 4
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/environment"
"$folder/environment/bin/pip" install --quiet --no-deps nvidia-cuda-nvcc==13.5.37 nvidia-nvvm==13.5.37 nvidia-cuda-crt==13.5.37 \
  nvidia-cuda-tileiras==13.5.37 nvidia-cuda-runtime==13.5.37 nvidia-cuda-cuobjdump==13.5.37 nvidia-cuda-nvdisasm==13.5.37 >&2
bin=$(echo "$folder"/environment/lib/python*/site-packages/nvidia/cu13/bin)
PATH=$bin:$PATH
cd "$folder"
cat >program <<'END'
#include <cuda_tile.h>
namespace ct = cuda::tiles;
using namespace ct::literals;

template <class View>
__tile__ auto load(View view, int i) {
  return view.load_masked(i, 0);
}
__tile_global__ void copy(const float* from, float* to, int rows) {
  using Rows = ct::extents<int, ct::dynamic_extent, 64>;
  ct::partition_view source{ct::tensor_span{ct::assume_aligned(from, 16_ic), Rows{rows}}, ct::shape<64, 64>{}};
  ct::partition_view target{ct::tensor_span{ct::assume_aligned(to, 16_ic), Rows{rows}}, ct::shape<64, 64>{}};
  const int i = ct::bid().x;
  target.store_masked(LOAD, i, 0);
}
END
loads() { # how, the expression
  sed "s/LOAD/${2/&/\\&}/" program >copy.cu
  nvcc -std=c++20 --enable-tile -arch=sm_80 --tilecubin -o copy.cubin copy.cu
  cuobjdump -sass copy.cubin >code
  wide=$(grep -cE 'LDG[.]E[.]128 ' code || true) narrow=$(grep -cE 'LDG[.]E R' code || true)
  echo "$1: $wide loads of 16 bytes, $narrow of 4"
}
expect() { # loads of 16 bytes, of 4
  if [ "$wide $narrow" != "$1 $2" ]; then echo "changed: expected $1 and $2" && exit 1; fi
}
nvcc --version | grep -o 'V13[.0-9]*'
loads "where it was made" 'source.load_masked(i, 0)'
expect 8 0
loads "by a function" 'load(source, i)'
expect 8 0
loads "by a lambda, [&]" '([&] { return source.load_masked(i, 0); }())'
expect 0 33
loads "by a lambda, [=]" '([=] { return source.load_masked(i, 0); }())'
expect 8 0
