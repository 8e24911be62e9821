// SPDX-License-Identifier: MIT
// Another type of a name that is taken.
#pragma once

namespace modelgrow::inline v0 {
enum class Plan { one, two };
struct Plan::Inner {};
struct Plan<int> {};
class Own : public Plan {};
}  // namespace modelgrow::inline v0
