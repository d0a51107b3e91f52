// The safetensors format: bytes → named tensors. The bytes may come from anyone; a view is given only for what was
// checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mixoscope {

struct TensorView {
    std::string name;
    std::string type;  // as in the header: "F32", "BF16", …
    std::vector<std::int64_t> shape;
    std::span<const std::byte> data;  // inside the bytes that were parsed
};

/// Tensors of one file, in the order of their data. Throws Error naming file, tensor and field.
/// Checked: the header lies inside the file, is JSON without duplicate names; types are known; the number of elements
/// does not overflow; data ranges match the shapes and cover the rest of the file without hole or overlap.
std::vector<TensorView> parseSafetensors(std::span<const std::byte> file, std::string_view file_name);

/// A shape as people write it: "(4, 16)".
std::string describeShape(std::span<const std::int64_t> shape);

/// What model.safetensors.index.json says: where each tensor lies.
struct ShardIndex {
    struct Entry {
        std::string tensor;
        std::string file;  // a plain name inside the model's directory
    };
    std::vector<Entry> entries;
    std::vector<std::string> files() const;  // ascending, each once
};
ShardIndex parseShardIndex(std::span<const std::byte> json, std::string_view file_name);

}  // namespace mixoscope
