// SPDX-License-Identifier: MIT
// The CPU backend (float, double): one base per kernel family, vectorised by Eigen, threads by OpenMP.
#pragma once
#include <modelgrow/backend/cpu/attention.hpp>
#include <modelgrow/backend/cpu/elementwise.hpp>
#include <modelgrow/backend/cpu/language.hpp>
#include <modelgrow/backend/cpu/linear.hpp>
#include <modelgrow/backend/cpu/modulate.hpp>
#include <modelgrow/backend/cpu/norm.hpp>
#include <modelgrow/backend/cpu/optimizer.hpp>
#include <modelgrow/backend/cpu/packed_attention.hpp>
#include <modelgrow/backend/cpu/patches.hpp>
#include <modelgrow/backend/cpu/quantised.hpp>
#include <modelgrow/backend/cpu/temporal_conv.hpp>
#include <modelgrow/backend/cpu/text.hpp>

namespace modelgrow::inline v0 {

template <>
struct Backend<Cpu> : cpu::Linear,
                      cpu::Elementwise,
                      cpu::Norm,
                      cpu::Modulate,
                      cpu::Attention,
                      cpu::TemporalConv,
                      cpu::Patches,
                      cpu::Text,
                      cpu::Optimizer,
                      cpu::Quantised,
                      cpu::Language,
                      cpu::PackedAttention {};

}  // namespace modelgrow::inline v0
