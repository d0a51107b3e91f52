#include "engine/safetensors.h"

#include <gtest/gtest.h>

#include <functional>

#include "engine/error.h"
#include "support/safetensors_writer.h"

namespace mixoscope::test {
namespace {

SafetensorsWriter twoTensors() {
    SafetensorsWriter writer;
    writer.add("a", kernels::DataType::kF32, {2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6});
    writer.add("b", kernels::DataType::kBF16, {4}, std::vector<float>{7, 8, 9, 10});
    return writer;
}

std::string messageOf(const std::function<void()>& action) {
    try {
        action();
    } catch (const Error& error) {
        return error.what();
    }
    return "no Error was thrown";
}

std::string parseMessage(std::span<const std::byte> bytes) {
    return messageOf([bytes] { parseSafetensors(bytes, "model.safetensors"); });
}

void expectMessage(const std::string& message, std::initializer_list<const char*> parts) {
    for (const char* part : parts)
        EXPECT_NE(message.find(part), std::string::npos) << part << " is not in: " << message;
}

TEST(Safetensors, ReadsNamesTypesShapesAndData) {
    SafetensorsWriter writer = twoTensors();
    writer.header()["__metadata__"] = {{"format", "pt"}};
    const std::vector<std::byte> bytes = writer.bytes();
    const std::vector<TensorView> tensors = parseSafetensors(bytes, "f");
    ASSERT_EQ(tensors.size(), 2U);
    EXPECT_EQ(tensors[0].name, "a");
    EXPECT_EQ(tensors[0].type, "F32");
    EXPECT_EQ(tensors[0].shape, (std::vector<std::int64_t>{2, 3}));
    EXPECT_EQ(tensors[0].data.data(), bytes.data() + bytes.size() - 32);
    EXPECT_EQ(tensors[0].data.size(), 24U);
    EXPECT_EQ(tensors[1].type, "BF16");
    EXPECT_EQ(tensors[1].data.size(), 8U);
}

TEST(Safetensors, ReadsScalarsAndEmptyTensors) {
    SafetensorsWriter writer;
    writer.add("empty", kernels::DataType::kF32, {0, 5}, {});
    writer.add("scalar", kernels::DataType::kF32, {}, std::vector<float>{3});
    const std::vector<std::byte> bytes = writer.bytes();
    const std::vector<TensorView> tensors = parseSafetensors(bytes, "f");
    ASSERT_EQ(tensors.size(), 2U);
    EXPECT_EQ(tensors[0].name, "empty");
    EXPECT_TRUE(tensors[0].data.empty());
    EXPECT_EQ(tensors[1].data.size(), 4U);
    // An empty tensor lies where the next one begins, whatever their names.
    SafetensorsWriter other;
    other.add("z", kernels::DataType::kF32, {0}, {});
    other.add("a", kernels::DataType::kF32, {1}, std::vector<float>{3});
    EXPECT_EQ(parseMessage(other.bytes()), "no Error was thrown");
}

TEST(Safetensors, RefusesEveryTruncation) {
    const std::vector<std::byte> bytes = twoTensors().bytes();
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        const std::string message = parseMessage(std::span(bytes).first(size));
        expectMessage(message, {"model.safetensors"});
    }
    EXPECT_EQ(parseMessage(bytes), "no Error was thrown");
}

TEST(Safetensors, RefusesAnOversizedHeader) {
    std::vector<std::byte> bytes = twoTensors().bytes();
    for (std::size_t index = 0; index < 8; ++index) {
        std::vector<std::byte> changed = bytes;
        changed[index] = std::byte{0xFF};
        expectMessage(parseMessage(changed), {"header"});
    }
    // One that lies in the file, too: reading it would take many times its size in memory.
    const std::string header = "{}" + std::string(std::size_t{32} * 1024 * 1024, ' ');
    expectMessage(parseMessage(safetensorsBytes(header, {})), {"header", "too large", "33554432", "33554434"});
}

/// Messages about the header of two tensors after a change to it.
std::string messageAfter(const std::function<void(nlohmann::ordered_json&)>& change) {
    SafetensorsWriter writer = twoTensors();
    change(writer.header());
    const std::vector<std::byte> bytes = writer.bytes();
    return parseMessage(bytes);
}

using Json = nlohmann::ordered_json;

TEST(Safetensors, RefusesRangesThatOverlapLeaveHolesOrReachBeyondTheFile) {
    expectMessage(messageAfter([](Json& header) {
                      header["b"]["data_offsets"] = {20, 28};
                  }),
                  {"tensor b", "data_offsets", "overlaps", "24", "20"});
    expectMessage(messageAfter([](Json& header) {
                      header["b"]["data_offsets"] = {0, 8};
                  }),
                  {"data_offsets", "overlaps"});
    expectMessage(messageAfter([](Json& header) {
                      header["b"]["shape"] = {3};
                      header["b"]["data_offsets"] = {26, 32};
                  }),
                  {"tensor b", "belong to none"});
    expectMessage(messageAfter([](Json& header) {
                      header["b"]["shape"] = {3};
                      header["b"]["data_offsets"] = {24, 30};
                  }),
                  {"end of the file", "30", "32"});
    expectMessage(messageAfter([](Json& header) {
                      header["b"]["data_offsets"] = {26, 34};
                  }),
                  {"tensor b", "ends before this tensor", "34"});
    expectMessage(messageAfter([](Json& header) {
                      header["b"]["data_offsets"] = {32, 24};
                  }),
                  {"tensor b", "data_offsets", "(32, 24)"});
    expectMessage(messageAfter([](Json& header) { header["b"]["data_offsets"] = {-8, 0}; }), {"tensor b", "-8"});
    expectMessage(messageAfter([](Json& header) { header["b"]["data_offsets"] = {24}; }), {"tensor b", "data_offsets"});
    expectMessage(messageAfter([](Json& header) {
                      header["b"]["data_offsets"] = {24, 32, 40};
                  }),
                  {"tensor b", "data_offsets", "its begin and its end", "(24, 32, 40)"});
}

TEST(Safetensors, RefusesSwappedRanges) {
    expectMessage(messageAfter([](Json& header) {
                      header["a"]["data_offsets"] = {24, 32};
                      header["b"]["data_offsets"] = {0, 24};
                  }),
                  {"data_offsets", "does not fit the shape"});
}

TEST(Safetensors, RefusesShapesThatDoNotFitOrOverflow) {
    expectMessage(messageAfter([](Json& header) {
                      header["a"]["shape"] = {2, 4};
                  }),
                  {"tensor a", "(2, 4)", "32 bytes", "24"});
    expectMessage(messageAfter([](Json& header) {
                      header["a"]["shape"] = {4294967296, 4294967296};
                  }),
                  {"tensor a", "shape", "counted"});
    expectMessage(messageAfter([](Json& header) {
                      header["a"]["shape"] = {std::int64_t{1} << 58, 64};
                  }),
                  {"tensor a", "shape"});
    expectMessage(messageAfter([](Json& header) {
                      header["a"]["shape"] = {1 << 30, 1 << 30};
                  }),
                  {"tensor a", "shape", "counted"});
    expectMessage(messageAfter([](Json& header) { header["a"]["shape"] = {-2, -3}; }), {"tensor a", "shape", "-2"});
    expectMessage(messageAfter([](Json& header) { header["a"]["shape"] = {2.0, 3.0}; }), {"tensor a", "shape"});
    expectMessage(messageAfter([](Json& header) { header["a"]["shape"] = "2,3"; }), {"tensor a", "shape"});
    expectMessage(messageAfter([](Json& header) { header["a"]["shape"] = {1, 1, 1, 1, 1, 1, 1, 2, 3}; }),
                  {"tensor a", "dimensions"});
}

TEST(Safetensors, RefusesMissingFieldsAndUnknownTypes) {
    for (const char* field : {"dtype", "shape", "data_offsets"}) {
        expectMessage(messageAfter([field](Json& header) { header["a"].erase(field); }),
                      {"tensor a", field, "missing"});
    }
    expectMessage(messageAfter([](Json& header) { header["a"]["dtype"] = "F31"; }), {"tensor a", "dtype", "F31"});
    expectMessage(messageAfter([](Json& header) { header["a"]["dtype"] = 5; }), {"tensor a", "dtype"});
    expectMessage(messageAfter([](Json& header) { header["a"] = 5; }), {"tensor a"});
}

TEST(Safetensors, RefusesADuplicateName) {
    const std::string header = R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                               R"("a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})";
    const std::vector<std::byte> data(2);
    const std::vector<std::byte> bytes = safetensorsBytes(header, data);
    expectMessage(parseMessage(bytes), {"header", "twice", "\"a\""});
}

TEST(Safetensors, RefusesHeadersThatAreNoJsonObject) {
    for (const std::string header : {"", "   ", "[]", "5", "nul", "{", "{\"a\":", "{}x", "\xFF\xFE", "{\"\xFF\":1}"}) {
        const std::vector<std::byte> bytes = safetensorsBytes(header, {});
        expectMessage(parseMessage(bytes), {"model.safetensors", "header"});
    }
    const std::string deep = std::string(100000, '[') + std::string(100000, ']');
    const std::vector<std::byte> bytes = safetensorsBytes("{\"a\":" + deep + "}", {});
    expectMessage(parseMessage(bytes), {"nested"});
}

std::string indexMessage(const std::string& text) {
    return messageOf([&text] { parseShardIndex(std::as_bytes(std::span(text)), "index.json"); });
}

TEST(ShardIndex, ReadsEntriesAndFiles) {
    const std::string text = R"({"metadata":{"total_size":8},"weight_map":{"x":"b.safetensors","y":"a.safetensors",)"
                             R"("z":"b.safetensors"}})";
    const ShardIndex index = parseShardIndex(std::as_bytes(std::span(text)), "index.json");
    ASSERT_EQ(index.entries.size(), 3U);
    EXPECT_EQ(index.files(), (std::vector<std::string>{"a.safetensors", "b.safetensors"}));
}

TEST(ShardIndex, RefusesNamesThatLeaveTheDirectory) {
    for (const char* name :
         {"../b.safetensors", "/etc/b.safetensors", "sub/b.safetensors", "..\\\\b.safetensors", ".safetensors",
          ".hidden.safetensors", "b.bin", "model-00001-of-00002.bin", "", "b\\u0000.safetensors"}) {
        const std::string text = std::string(R"({"weight_map":{"x":")") + name + R"("}})";
        expectMessage(indexMessage(text), {"index.json", "weight_map", "field x"});
    }
    expectMessage(indexMessage(R"({"weight_map":{"x":7}})"), {"field x"});
    const std::string longest = std::string(243, 'a') + ".safetensors";  // what file systems can hold
    EXPECT_EQ(indexMessage(R"({"weight_map":{"x":")" + longest + R"("}})"), "no Error was thrown");
    expectMessage(indexMessage(R"({"weight_map":{"x":"a)" + longest + R"("}})"), {"field x"});
}

TEST(ShardIndex, RefusesAMissingOrEmptyMap) {
    expectMessage(indexMessage("{}"), {"weight_map", "missing"});
    expectMessage(indexMessage(R"({"weight_map":{}})"), {"weight_map"});
    expectMessage(indexMessage(R"({"weight_map":[1]})"), {"weight_map"});
    expectMessage(indexMessage(R"({"weight_map")"), {"index.json", "JSON"});
}

}  // namespace
}  // namespace mixoscope::test
