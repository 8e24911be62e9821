#include <cuda_runtime.h>
#include <Eigen/Core>
#include <modelgrow/backend/cuda.cuh>
#include <modelgrow/grow/write_inl.hpp>
#include <modelgrow/nn/linear.hpp>
#include <modelgrow/train.hpp>
#include <nlohmann/json.hpp>
#include "other.hpp"
