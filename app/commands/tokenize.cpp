// `mixoscope tokenize`: text lines → ids, or ids → text.
#include <iostream>
#include <nlohmann/json.hpp>

#include "app/arguments.h"
#include "app/commands/command.h"
#include "app/commands/model_options.h"
#include "engine/error.h"

namespace mixoscope {

namespace {

struct TokenizeOptions {
    ModelOptions model;
    bool decode = false;
    bool hex = false;
    bool plain = false;
};

[[noreturn]] void badLine(std::int64_t line, const std::string& what, const std::string& expected,
                          const std::string& found) {
    throw Error(
        {.what = what, .where = "standard input, line " + std::to_string(line), .expected = expected, .found = found});
}

std::string fromHex(const std::string& text, std::int64_t line) {
    const auto digit = [&](char c) {
        if (c >= '0' && c <= '9') return c - '0';
        if (c >= 'a' && c <= 'f') return c - 'a' + 10;
        if (c >= 'A' && c <= 'F') return c - 'A' + 10;
        badLine(line, "a character is no hexadecimal digit", "0-9, a-f", std::string("\"") + c + "\"");
    };
    if (text.size() % 2 != 0) {
        badLine(line, "bytes are written as two hexadecimal digits each", "an even number of digits",
                std::to_string(text.size()));
    }
    std::string bytes;
    for (std::size_t index = 0; index < text.size(); index += 2) {
        bytes.push_back(static_cast<char>(digit(text[index]) * 16 + digit(text[index + 1])));
    }
    return bytes;
}

std::string toHex(std::string_view bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    for (const char byte : bytes) {
        text.push_back(kDigits[static_cast<unsigned char>(byte) >> 4U]);
        text.push_back(kDigits[static_cast<unsigned char>(byte) & 15U]);
    }
    return text;
}

std::vector<TokenId> idsOfLine(const std::string& text, std::int64_t line) {
    const nlohmann::json parsed = nlohmann::json::parse(text, nullptr, false);
    if (!parsed.is_array()) badLine(line, "ids are written as a JSON array", "[1, 2, 3]", text.substr(0, 40));
    std::vector<TokenId> ids;
    for (const nlohmann::json& item : parsed) {
        constexpr std::int64_t kLargest = std::numeric_limits<TokenId>::max();
        if (!item.is_number_integer() || item.get<double>() < 0 || item.get<double>() > static_cast<double>(kLargest)) {
            badLine(line, "a token id is a whole number", "0 to " + std::to_string(kLargest), item.dump());
        }
        ids.push_back(item.get<TokenId>());
    }
    return ids;
}

/// JSON holds Unicode only: bytes that are no UTF-8 are shown as U+FFFD.
std::string dump(const nlohmann::json& value) {
    return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

int runTokenize(const TokenizeOptions& options, std::istream& in, CommandStreams& streams) {
    const Model model = options.model.open();
    if (!model.tokenizer) {
        throw Error({.what = "This model has no tokenizer", .where = model.name, .expected = "a file tokenizer.json"});
    }
    const auto special = options.plain ? SpecialTokens::kPlainText : SpecialTokens::kRecognise;
    std::string text;
    for (std::int64_t line = 1; std::getline(in, text); ++line) {
        if (options.decode) {
            const std::string decoded = model.tokenizer->decode(idsOfLine(text, line));
            streams.out << dump(options.hex ? nlohmann::json{{"hex", toHex(decoded)}}
                                            : nlohmann::json{{"text", decoded}});
        } else {
            const std::string input = options.hex ? fromHex(text, line) : text;
            streams.out << dump({{"ids", model.tokenizer->encode(input, special)}});
        }
        streams.out << '\n';
        if (in.rdbuf()->in_avail() <= 0) streams.out.flush();  // answer at once where lines come one by one
    }
    return kDone;
}

}  // namespace

void addTokenizeCommand(CLI::App& program, CommandAction& action) {
    auto options = std::make_shared<TokenizeOptions>();
    CLI::App* command = program.add_subcommand("tokenize", "One line of text in, one JSON line of ids out");
    options->model.addModel(*command);
    command->add_flag("--decode", options->decode, "JSON arrays of ids in, {\"text\":...} out");
    command->add_flag("--hex", options->hex,
                      "Text is written as its bytes in hexadecimal (with --decode: {\"hex\":...} out)");
    command->add_flag("--plain", options->plain, "Special tokens in the text are ordinary text");
    command->callback([options, &action] {
        action = [options](CommandStreams& streams) { return runTokenize(*options, std::cin, streams); };
    });
}

}  // namespace mixoscope
