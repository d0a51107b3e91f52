#include "support/safetensors_writer.h"

#include <cstring>
#include <fstream>
#include <stdexcept>

#include "kernels/float_formats.h"

namespace mixoscope::test {

namespace {

const char* typeName(kernels::DataType type) {
    switch (type) {
        case kernels::DataType::kF32:
            return "F32";
        case kernels::DataType::kF16:
            return "F16";
        case kernels::DataType::kBF16:
            return "BF16";
    }
    return "";
}

template <typename T>
void append(std::vector<std::byte>& bytes, T value) {
    const std::size_t begin = bytes.size();
    bytes.resize(begin + sizeof(T));
    std::memcpy(bytes.data() + begin, &value, sizeof(T));
}

}  // namespace

void SafetensorsWriter::add(const std::string& name, kernels::DataType type, const std::vector<std::int64_t>& shape,
                            std::span<const float> values) {
    const std::size_t begin = m_data.size();
    for (const float value : values) {
        switch (type) {
            case kernels::DataType::kF32:
                append(m_data, value);
                break;
            case kernels::DataType::kF16:
                append(m_data, kernels::f16FromFloat(value));
                break;
            case kernels::DataType::kBF16:
                append(m_data, kernels::bf16FromFloat(value));
                break;
        }
    }
    m_header[name] = {{"dtype", typeName(type)}, {"shape", shape}, {"data_offsets", {begin, m_data.size()}}};
}

std::vector<std::byte> SafetensorsWriter::bytes() const {
    std::string header = m_header.dump();
    header.resize((header.size() + 7) / 8 * 8, ' ');  // as the reference implementation pads it, to align the data
    return safetensorsBytes(header, m_data);
}

std::vector<std::byte> safetensorsBytes(std::string_view header, std::span<const std::byte> data) {
    std::vector<std::byte> bytes;
    append(bytes, static_cast<std::uint64_t>(header.size()));
    const auto* text = reinterpret_cast<const std::byte*>(header.data());
    bytes.insert(bytes.end(), text, text + header.size());
    bytes.insert(bytes.end(), data.begin(), data.end());
    return bytes;
}

void writeFile(const std::filesystem::path& path, std::span<const std::byte> bytes) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    if (!file) throw std::runtime_error("cannot write " + path.string());
}

void writeFile(const std::filesystem::path& path, std::string_view text) {
    writeFile(path, std::as_bytes(std::span(text)));
}

}  // namespace mixoscope::test
