// SPDX-License-Identifier: MIT
// Where definitions stand: in every program that includes them, or once in the libraries of modelgrow::compiled.
#pragma once

/// Begins every definition of an x_inl.hpp. The target modelgrow::growth sets MODELGROW_COMPILED for all who link it.
#if defined(MODELGROW_COMPILED)
#define MODELGROW_INLINE
#else
#define MODELGROW_INLINE inline
#endif

/// A template for certain types, listed in instances/: compiled by whoever uses it, or once in the library, whose own
/// units for these lists say MODELGROW_INSTANTIATE.
#if !defined(MODELGROW_COMPILED)
#define MODELGROW_INSTANCE(...)
#elif !defined(MODELGROW_INSTANTIATE)
#define MODELGROW_INSTANCE(...) extern template __VA_ARGS__;
#else
#define MODELGROW_INSTANCE(...) template __VA_ARGS__;
#endif
