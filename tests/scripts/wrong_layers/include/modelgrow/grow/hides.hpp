// SPDX-License-Identifier: MIT
// One name for two ideas.
#pragma once

namespace modelgrow::inline v0 {
struct Plan {};

namespace detail {
class Plan {};
struct Part {};
}  // namespace detail

struct Part;

}  // namespace modelgrow::inline v0
