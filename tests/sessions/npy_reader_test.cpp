// Arrays as NumPy writes them, and base64: what is right is read, everything else refused with its reason.
#include "sessions/npy_reader.h"

#include <gtest/gtest.h>

#include "engine/error.h"
#include "sessions/base64.h"
#include "support/routed_response.h"

namespace mixoscope {
namespace {

using test::npyBytes;
using test::npyHeader;

std::string refusal(const std::string& bytes) {
    try {
        readNpy(std::as_bytes(std::span(bytes)), "r.json, field routed_experts");
    } catch (const Error& error) {
        EXPECT_EQ(error.parts().where, "r.json, field routed_experts");
        return error.what();
    }
    return {};
}

IntegerArray read(const std::string& bytes) {
    return readNpy(std::as_bytes(std::span(bytes)), "r.json");
}

TEST(NpyReader, readsEveryIntegerType) {
    const std::vector<std::int64_t> shape = {2, 3};
    const std::vector<std::int32_t> small = {0, 1, 2, 3, 100, 127};
    EXPECT_EQ(read(npyBytes<std::uint8_t>("|u1", shape, {0, 1, 2, 3, 100, 255})).values[5], 255);
    EXPECT_EQ(read(npyBytes<std::int8_t>("|i1", shape, {0, 1, 2, 3, 100, -1})).values[5], -1);
    EXPECT_EQ(read(npyBytes<std::uint16_t>("<u2", shape, {0, 1, 2, 3, 100, 65535})).values[5], 65535);
    EXPECT_EQ(read(npyBytes<std::int16_t>("<i2", shape, {0, 1, 2, 3, 100, -2})).values[5], -2);
    EXPECT_EQ(read(npyBytes<std::uint32_t>("<u4", shape, {0, 1, 2, 3, 100, 127})).values, small);
    EXPECT_EQ(read(npyBytes<std::int32_t>("<i4", shape, {0, 1, 2, 3, 100, 127})).values, small);
    EXPECT_EQ(read(npyBytes<std::uint64_t>("<u8", shape, {0, 1, 2, 3, 100, 127})).values, small);
    EXPECT_EQ(read(npyBytes<std::int64_t>("<i8", shape, {0, 1, 2, 3, 100, 127})).values, small);
}

TEST(NpyReader, readsEveryVersionAndShape) {
    for (const char version : {'\1', '\2', '\3'}) {
        const IntegerArray array = read(npyHeader("<i2", "(2, 1, 1)", false, version) + std::string("\5\0\6\0", 4));
        EXPECT_EQ(array.shape, (std::vector<std::int64_t>{2, 1, 1}));
        EXPECT_EQ(array.values, (std::vector<std::int32_t>{5, 6}));
    }
    EXPECT_EQ(read(npyHeader("|u1", "(3,)") + "abc").shape, (std::vector<std::int64_t>{3}));
    EXPECT_EQ(read(npyHeader("|u1", "()") + "a").values, (std::vector<std::int32_t>{'a'}));
    EXPECT_TRUE(read(npyHeader("|u1", "(0, 4, 2)")).values.empty());
}

TEST(NpyReader, refusesWhatItCannotRead) {
    const std::string whole = npyBytes<std::int16_t>("<i2", {2, 3}, {1, 2, 3, 4, 5, 6});
    const std::tuple<const char*, std::string, const char*> cases[] = {
        {"nothing", "", "no NumPy array"},
        {"another file", "PK\3\4 a zip archive", "no NumPy array"},
        {"version", npyHeader("<i2", "(1,)", false, '\4') + "ab", "no NumPy array"},
        {"header cut", whole.substr(0, 30), "header is cut short"},
        {"length cut", whole.substr(0, 9), "header is cut short"},
        {"data cut", whole.substr(0, whole.size() - 1), "expected 2 × 3 values of 2 bytes; found 11 bytes"},
        {"data too long", whole + "x", "expected 2 × 3 values of 2 bytes; found 13 bytes"},
        {"floats", npyBytes<float>("<f4", {1}, {1.0F}), "found \"<f4\""},
        {"big-endian", npyBytes<std::int16_t>(">i2", {1}, {1}), "found \">i2\""},
        {"objects", npyHeader("|O", "(1,)") + "12345678", "found \"|O\""},
        {"a structure", npyHeader("", "(1,)").replace(npyHeader("", "(1,)").find("''"), 2, "[]"),
         "names no plain type"},
        {"Fortran order", npyHeader("<i2", "(2, 3)", true) + std::string(12, '\0'), "Fortran order"},
        {"huge", npyHeader("<i2", "(4294967296, 4294967296, 4294967296)") + "ab", "found 2 bytes"},
        {"huge length", npyHeader("<i2", "(99999999999999999999,)") + "ab", "names no shape"},
        {"negative", npyHeader("<i2", "(-1,)") + "ab", "names no shape"},
        {"no tuple", npyHeader("<i2", "2") + "ab", "names no shape"},
        {"many dimensions", npyHeader("<i2", "(1, 1, 1, 1, 1, 1, 1, 1, 1)") + "ab", "names no shape"},
        {"a value", npyBytes<std::int64_t>("<i8", {1}, {std::int64_t{1} << 40}), "found 1099511627776"},
    };
    for (const auto& [name, bytes, message] : cases)
        EXPECT_NE(refusal(bytes).find(message), std::string::npos) << name << ": " << refusal(bytes);
}

TEST(Base64, decodesEveryLengthAndRefusesTheRest) {
    for (const char* text : {"", "f", "fo", "foo", "foob", "fooba", "foobar", "\xFB\xFF\xFE"}) {
        const std::vector<std::byte> bytes = decodeBase64(test::base64Of(text), "r.json");
        EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()), text);
    }
    for (const auto& [text, message] : {std::pair{"Zm9vY", "cut short"},
                                        {"Zm9!", "another character at 4"},
                                        {"Zm9v Zm8", "another character at 5"},
                                        {"Zm==Zm9v", "another character at 3"},
                                        {"====", "another character at 1"},
                                        {"Zm9-", "another character at 4"}}) {
        try {
            decodeBase64(text, "r.json, field routed_experts");
            ADD_FAILURE() << text;
        } catch (const Error& error) {
            EXPECT_NE(std::string(error.what()).find(message), std::string::npos) << error.what();
            EXPECT_EQ(error.parts().where, "r.json, field routed_experts");
        }
    }
}

}  // namespace
}  // namespace mixoscope
