// SPDX-License-Identifier: MIT
// Surgery that would need other processes.
#pragma once
#include <modelgrow/dist/communicator.hpp>
