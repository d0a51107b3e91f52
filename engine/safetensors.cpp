#include "engine/safetensors.h"

#include <algorithm>
#include <array>
#include <limits>
#include <set>

#include "engine/error.h"
#include "engine/json_text.h"

namespace mixoscope {

namespace {

constexpr std::size_t kLengthBytes = 8;                        // little-endian length of the header, before it
constexpr std::uint64_t kMostHeaderBytes = 32U * 1024 * 1024;  // the largest published model has a header of some 5 MB
constexpr std::size_t kMostDimensions = 8;
constexpr std::int64_t kMostElements = std::numeric_limits<std::int64_t>::max() / 16;

struct ElementType {
    std::string_view name;
    std::int64_t bytes;
};
// https://github.com/huggingface/safetensors, type Dtype; those narrower than a byte are left out
constexpr std::array kElementTypes = {
    ElementType{"F64", 8},  ElementType{"F32", 4},     ElementType{"F16", 2},     ElementType{"BF16", 2},
    ElementType{"I64", 8},  ElementType{"I32", 4},     ElementType{"I16", 2},     ElementType{"I8", 1},
    ElementType{"U64", 8},  ElementType{"U32", 4},     ElementType{"U16", 2},     ElementType{"U8", 1},
    ElementType{"BOOL", 1}, ElementType{"F8_E4M3", 1}, ElementType{"F8_E5M2", 1}, ElementType{"F8_E8M0", 1},
    ElementType{"C64", 8},
};

std::string cut(std::string_view name) {
    constexpr std::size_t kLongest = 120;
    return name.size() <= kLongest ? std::string(name) : std::string(name.substr(0, kLongest)) + "…";
}

std::int64_t elementBytes(const std::string& type, const JsonFields& fields) {
    const auto found = std::find_if(kElementTypes.begin(), kElementTypes.end(),
                                    [&type](const ElementType& known) { return known.name == type; });
    if (found != kElementTypes.end()) return found->bytes;
    throw Error({.what = "This element type is not known", .where = fields.at("dtype"), .found = cut(type)});
}

std::int64_t elementCount(std::span<const std::int64_t> shape, const JsonFields& fields) {
    std::int64_t count = 1;
    bool too_large = false;
    for (const std::int64_t size : shape) too_large |= __builtin_mul_overflow(count, size, &count);
    if (too_large || count > kMostElements) {
        throw Error({.what = "This shape has more elements than can be counted",
                     .where = fields.at("shape"),
                     .found = describeShape(shape)});
    }
    return count;
}

struct Range {
    std::int64_t begin;
    std::int64_t end;
};

Range dataRange(const JsonFields& fields, std::int64_t data_bytes) {
    const std::vector<std::int64_t> offsets =
        fields.integers("data_offsets", 0, std::numeric_limits<std::int64_t>::max());
    if (offsets.size() != 2 || offsets[0] > offsets[1]) {
        throw Error({.what = "This is not the range of a tensor's data",
                     .where = fields.at("data_offsets"),
                     .expected = "its begin and its end",
                     .found = describeShape(offsets)});
    }
    if (offsets[1] > data_bytes) {
        throw Error({.what = "The file ends before this tensor does",
                     .where = fields.at("data_offsets"),
                     .expected = "an end of at most " + std::to_string(data_bytes),
                     .found = std::to_string(offsets[1]),
                     .advice = "The file may be cut off: download it again"});
    }
    return {offsets[0], offsets[1]};
}

TensorView parseTensor(const std::string& name, const nlohmann::json& entry, std::span<const std::byte> data,
                       std::string_view file_name) {
    const JsonFields fields(entry, std::string(file_name) + ", tensor " + cut(name));
    TensorView tensor;
    tensor.name = name;
    for (const std::string_view required : {"dtype", "shape", "data_offsets"}) {
        if (!fields.has(required)) throw Error({.what = "This field is missing", .where = fields.at(required)});
    }
    tensor.type = *fields.optionalText("dtype");
    tensor.shape = fields.integers("shape", 0, kMostElements);
    if (tensor.shape.size() > kMostDimensions) {
        throw Error({.what = "This tensor has too many dimensions",
                     .where = fields.at("shape"),
                     .expected = "at most " + std::to_string(kMostDimensions),
                     .found = std::to_string(tensor.shape.size())});
    }
    const std::int64_t bytes = elementCount(tensor.shape, fields) * elementBytes(tensor.type, fields);
    const Range range = dataRange(fields, static_cast<std::int64_t>(data.size()));
    if (range.end - range.begin != bytes) {
        throw Error(
            {.what = "The data range does not fit the shape " + describeShape(tensor.shape) + " in " + tensor.type,
             .where = fields.at("data_offsets"),
             .expected = std::to_string(bytes) + " bytes",
             .found = std::to_string(range.end - range.begin)});
    }
    tensor.data = data.subspan(static_cast<std::size_t>(range.begin), static_cast<std::size_t>(bytes));
    return tensor;
}

std::span<const std::byte> headerOf(std::span<const std::byte> file, std::string_view file_name) {
    const std::string where = std::string(file_name) + ", header";
    if (file.size() < kLengthBytes) {
        throw Error({.what = "The file is too short for a safetensors file",
                     .where = where,
                     .expected = "at least " + std::to_string(kLengthBytes) + " bytes",
                     .found = std::to_string(file.size())});
    }
    std::uint64_t length = 0;
    for (std::size_t index = 0; index < kLengthBytes; ++index) {
        length |= static_cast<std::uint64_t>(file[index]) << (8 * index);
    }
    const std::uint64_t rest = file.size() - kLengthBytes;
    if (length > rest || length > kMostHeaderBytes) {
        throw Error({.what = length > rest ? "The file ends before its header does" : "The header is too large",
                     .where = where,
                     .expected = "at most " + std::to_string(std::min(rest, kMostHeaderBytes)) + " bytes",
                     .found = std::to_string(length),
                     .advice = "This may be no safetensors file, or be cut off: download it again"});
    }
    return file.subspan(kLengthBytes, static_cast<std::size_t>(length));
}

/// The tensors, sorted by their data, must cover it exactly.
void checkCoverage(std::span<const TensorView> tensors, std::span<const std::byte> data, std::string_view file_name) {
    std::size_t covered = 0;
    for (const TensorView& tensor : tensors) {
        const std::size_t begin = static_cast<std::size_t>(tensor.data.data() - data.data());
        if (begin != covered) {
            throw Error({.what = begin < covered ? "The data of this tensor overlaps that of the one before it"
                                                 : "There are bytes before this tensor that belong to none",
                         .where = std::string(file_name) + ", tensor " + cut(tensor.name) + ", field data_offsets",
                         .expected = "a begin of " + std::to_string(covered),
                         .found = std::to_string(begin)});
        }
        covered += tensor.data.size();
    }
    if (covered != data.size()) {
        throw Error({.what = "There are bytes at the end of the file that belong to no tensor",
                     .where = std::string(file_name),
                     .expected = std::to_string(covered) + " bytes of data",
                     .found = std::to_string(data.size())});
    }
}

/// A shard is named by a plain file name: nothing that leads out of the model's directory.
bool isPlainFileName(const std::string& name) {
    constexpr std::string_view kSuffix = ".safetensors";
    return name.size() > kSuffix.size() && name.size() <= 255 && name.front() != '.' &&
           name.compare(name.size() - kSuffix.size(), kSuffix.size(), kSuffix) == 0 &&
           name.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos;
}

}  // namespace

std::string describeShape(std::span<const std::int64_t> shape) {
    std::string text = "(";
    for (std::size_t index = 0; index < shape.size() && index < 2 * kMostDimensions; ++index) {
        if (index > 0) text += ", ";
        text += std::to_string(shape[index]);
    }
    return text + (shape.size() > 2 * kMostDimensions ? ", …)" : ")");
}

std::vector<TensorView> parseSafetensors(std::span<const std::byte> file, std::string_view file_name) {
    const std::span<const std::byte> header = headerOf(file, file_name);
    const std::span<const std::byte> data = file.subspan(kLengthBytes + header.size());
    const std::string where = std::string(file_name) + ", header";
    const nlohmann::json root = parseJsonText(header, where, kDownloadAgain);
    if (!root.is_object()) {
        throw Error({.what = "The header is not a JSON object", .where = where, .found = describeJson(root)});
    }
    std::vector<TensorView> tensors;
    for (const auto& [name, entry] : root.items()) {
        if (name == "__metadata__") continue;
        tensors.push_back(parseTensor(name, entry, data, file_name));
    }
    std::sort(tensors.begin(), tensors.end(), [](const TensorView& a, const TensorView& b) {
        return a.data.data() != b.data.data() ? a.data.data() < b.data.data() : a.data.size() < b.data.size();
    });
    checkCoverage(tensors, data, file_name);
    return tensors;
}

std::vector<std::string> ShardIndex::files() const {
    std::set<std::string> names;
    for (const Entry& entry : entries) names.insert(entry.file);
    return {names.begin(), names.end()};
}

ShardIndex parseShardIndex(std::span<const std::byte> json, std::string_view file_name) {
    const nlohmann::json root = parseJsonText(json, file_name, kDownloadAgain);
    const JsonFields fields(root, std::string(file_name));
    const nlohmann::json* map = fields.find("weight_map");
    if (map == nullptr) throw Error({.what = "This field is missing", .where = fields.at("weight_map")});
    const JsonFields entries(*map, fields.at("weight_map"));
    ShardIndex index;
    for (const auto& [tensor, file] : map->items()) {
        if (!file.is_string() || !isPlainFileName(file.get_ref<const std::string&>())) {
            throw Error({.what = "This is not the name of a shard",
                         .where = entries.at(cut(tensor)),
                         .expected = "a file name such as model-00001-of-00002.safetensors, without a directory",
                         .found = describeJson(file)});
        }
        index.entries.push_back({tensor, file.get<std::string>()});
    }
    if (index.entries.empty()) {
        throw Error({.what = "The index names no tensor", .where = fields.at("weight_map")});
    }
    return index;
}

}  // namespace mixoscope
