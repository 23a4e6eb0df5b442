// What the reader and the writer of safetensors files agree on.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/dtype.h"

namespace graft::weights {

constexpr uint64_t kMaxHeader = 100'000'000;  // bytes, the reference's own limit
constexpr std::string_view kHashKey = "graft.sha256";

// "F32" <-> DType::f32. Nothing for a type that the engine lacks.
std::optional<DType> safetensors_dtype(std::string_view name);
std::string_view safetensors_name(DType dtype);

}  // namespace graft::weights
