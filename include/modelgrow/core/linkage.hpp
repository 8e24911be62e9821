// SPDX-License-Identifier: MIT
// Where definitions stand: in every program that includes them, or once in the library modelgrow::compiled.
#pragma once

/// Begins every definition of an x_inl.hpp. The target modelgrow::compiled sets MODELGROW_COMPILED for all who link it.
#if defined(MODELGROW_COMPILED)
#define MODELGROW_INLINE
#else
#define MODELGROW_INLINE inline
#endif
