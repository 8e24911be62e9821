// SPDX-License-Identifier: MIT
// What a distributed checkpoint holds: the weights, sets of tensors with the same names (averages), optimizers, and the
// rest, which is written again as it is.
#pragma once
#include <modelgrow/checkpoint/dcp_optimizer.hpp>
#include <modelgrow/checkpoint/dcp_writer.hpp>

namespace modelgrow::inline v0 {

/// Keys that lead to each: "model", "app/model", or none.
struct DcpContents {
  std::string weights;
  std::vector<std::string> averages = {}, optimizers = {};
  std::vector<DcpEntry> others = {};
};

/// `weights` are the keys of the weights where there are several sets; empty: the only one, or "model". Throws
/// format_error: no weights, or several.
DcpContents dcp_contents(const DcpFolder& folder, const std::string& weights = {});

/// How the state behind these keys lies there.
DcpLayout dcp_layout(const DcpFolder& folder, const std::string& optimizer);

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/checkpoint/dcp_contents_inl.hpp>
#endif
