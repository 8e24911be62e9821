#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# nvcc 13.5.37 (and 13.0.88): a concept that takes the address of a member template is false, for g++ and clang++ it is true.
#
# One would guess: nvcc, which hands host code to g++, agrees with it on what a concept says of a type. What happens: with
#     template <class D> concept WithAddress = requires { &Backend<D>::template norm<float>; };
# nvcc's front end finds WithAddress<int> false, so that a function template <WithAddress D> has "failed deduction"; without the &
# it is true. A header that g++ takes so loses its functions in .cu files, with an error that names no concept.
#
# Seen with nvcc 13.5.37 and g++ 12.2:
#   g++: both are constraints that hold
#   nvcc: without & it holds
#   error: no instance of function template "with_address" matches the argument list
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
nvcc=${FINDINGS_NVCC:-}  # an nvcc of just this version; without one it is installed for this run
if [ -z "$nvcc" ]; then
  python3 -m venv "$folder/environment"
  "$folder/environment/bin/pip" install --quiet --no-deps nvidia-cuda-nvcc==13.5.37 nvidia-nvvm==13.5.37 \
    nvidia-cuda-crt==13.5.37 'nvidia-cuda-runtime==13.5.*' >&2
  nvcc=$(echo "$folder"/environment/lib/python*/site-packages/nvidia/cu13/bin/nvcc)
fi
cd "$folder"
cat >concept.cu <<'END'
template <class D>
struct Backend {
  template <class T>
  static void norm(T*) {}
};
template <class D>
concept WithAddress = requires { &Backend<D>::template norm<float>; };
template <class D>
concept Named = requires { Backend<D>::template norm<float>; };
template <class D>
struct Box {};

template <Named D>
int named(const Box<D>&) { return 1; }
template <WithAddress D>
int with_address(const Box<D>&) { return 1; }

int call() { return named(Box<int>{}); }
#ifdef WITH_ADDRESS
static_assert(WithAddress<int>);
int call_with_address() { return with_address(Box<int>{}); }
#endif
END
"$nvcc" --version | grep -o 'V13[.0-9]*'
g++ -std=c++20 -x c++ -DWITH_ADDRESS -c concept.cu -o g.o && echo "g++: both are constraints that hold"
"$nvcc" -std=c++20 -c concept.cu -o named.o && echo "nvcc: without & it holds"
if "$nvcc" -std=c++20 -DWITH_ADDRESS -c concept.cu -o with_address.o 2>said; then
  echo "changed: with & it holds as well"
  exit 1
fi
grep 'no instance of function template "with_address"' said
