// SPDX-License-Identifier: MIT
// The families that checkpoints are recognised as: a file's names decide, its config.json gives what shapes cannot.
#pragma once
#include <string>

#include <modelgrow/checkpoint/checkpoint.hpp>
#include <modelgrow/families/all.hpp>

namespace modelgrow::inline v0 {

/// The schema of a checkpoint of a known family: an STDiT with the layers that growth can add, or one of the families
/// that are data. Throws format_error that names the families there are.
Schema schema(const Checkpoint& in);

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/models/families_inl.hpp>
#endif
