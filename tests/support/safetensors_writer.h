// Writes safetensors files, well-formed or (through the header's JSON) as broken as a test wants them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/types.h"

namespace mixoscope::test {

class SafetensorsWriter {
public:
    /// Adds a tensor; its values are rounded to the type.
    void add(const std::string& name, kernels::DataType type, const std::vector<std::int64_t>& shape,
             std::span<const float> values);

    nlohmann::ordered_json& header() { return m_header; }
    std::vector<std::byte>& data() { return m_data; }
    /// The whole file.
    std::vector<std::byte> bytes() const;

private:
    nlohmann::ordered_json m_header = nlohmann::ordered_json::object();
    std::vector<std::byte> m_data;
};

/// A file of a header's text and data, with the header's true length before it.
std::vector<std::byte> safetensorsBytes(std::string_view header, std::span<const std::byte> data);

void writeFile(const std::filesystem::path& path, std::span<const std::byte> bytes);
void writeFile(const std::filesystem::path& path, std::string_view text);

}  // namespace mixoscope::test
