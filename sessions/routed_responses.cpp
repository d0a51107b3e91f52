#include "sessions/routed_responses.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string_view>

#include "engine/error.h"
#include "engine/json_text.h"
#include "engine/mapped_file.h"
#include "sessions/base64.h"
#include "sessions/npy_reader.h"

namespace mixoscope {

namespace {

using nlohmann::json;

constexpr std::size_t kMostFileBytes = std::size_t{1} << 30;
constexpr std::size_t kMostValueBytes = std::size_t{256} << 20;  // of one JSON value, which takes several times that

[[noreturn]] void fail(std::string where, std::string what, std::string expected, std::string found,
                       std::string advice = {}) {
    throw Error({.what = std::move(what),
                 .where = std::move(where),
                 .expected = std::move(expected),
                 .found = std::move(found),
                 .advice = std::move(advice)});
}

// --- expert ids
// --------------------------------------------------------------------------------------------------------

/// Nested lists (tokens, layers, experts) as an array.
IntegerArray arrayOfLists(const json& lists, const std::string& where) {
    IntegerArray array{.shape = {static_cast<std::int64_t>(lists.size()), 0, 0}, .values = {}};
    const auto listAt = [&](const json& list, std::size_t level, const std::string& place) {
        if (!list.is_array()) fail(where + place, "This is no list", "a list", describeJson(list));
        std::int64_t& length = array.shape[level];
        if (length == 0) length = static_cast<std::int64_t>(list.size());
        if (list.empty() || static_cast<std::int64_t>(list.size()) != length)
            fail(where + place, "The lists differ in length", std::to_string(length), std::to_string(list.size()));
    };
    for (std::size_t token = 0; token < lists.size(); ++token) {
        const std::string place = "[" + std::to_string(token) + "]";
        listAt(lists[token], 1, place);
        for (std::size_t layer = 0; layer < lists[token].size(); ++layer) {
            const json& ids = lists[token][layer];
            listAt(ids, 2, place + "[" + std::to_string(layer) + "]");
            for (const json& id : ids) {
                // What is beyond any model is refused with its place, with all other wrong ids.
                constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
                if (!id.is_number_integer())
                    fail(where + place + "[" + std::to_string(layer) + "]", "This is no expert id", "a whole number",
                         describeJson(id));
                const auto value =
                    id.is_number_unsigned() && id.get<std::uint64_t>() > static_cast<std::uint64_t>(kMost)
                        ? kMost
                        : std::clamp<std::int64_t>(id.get<std::int64_t>(), -kMost, kMost);
                array.values.push_back(static_cast<std::int32_t>(value));
            }
        }
    }
    return array;
}

/// vLLM's form of an array: base64 of .npy since version 0.22, lists before.
IntegerArray arrayOf(const json& value, const std::string& where) {
    if (value.is_array()) return arrayOfLists(value, where);
    if (!value.is_string())
        fail(where, "This is no array of expert ids", "base64 of a .npy file, or lists of lists of lists",
             describeJson(value));
    return readNpy(decodeBase64(value.get_ref<const std::string&>(), where), where);
}

/// SGLang's: the values alone, of as many layers and experts per token as the model has.
IntegerArray arrayOfInt32(const json& value, std::int64_t rows, const ModelConfig& config, const std::string& where) {
    if (!value.is_string())
        fail(where, "This is no array of expert ids", "base64 of int32 values", describeJson(value));
    const std::vector<std::byte> bytes = decodeBase64(value.get_ref<const std::string&>(), where);
    IntegerArray array{.shape = {rows, config.num_hidden_layers, config.num_experts_per_tok}, .values = {}};
    const auto expected = static_cast<std::size_t>(rows * config.num_hidden_layers * config.num_experts_per_tok);
    if (bytes.size() != expected * sizeof(std::int32_t))
        fail(where, "The array does not fit the tokens and the model",
             std::to_string(rows) + " tokens × " + std::to_string(config.num_hidden_layers) + " layers × " +
                 std::to_string(config.num_experts_per_tok) + " experts of 4 bytes, " +
                 std::to_string(expected * sizeof(std::int32_t)) + " bytes",
             std::to_string(bytes.size()) + " bytes");
    array.values.resize(expected);
    if (expected > 0) std::memcpy(array.values.data(), bytes.data(), bytes.size());
    return array;
}

/// Checks an array's rows and appends those of the MoE layers to `ids`.
class ExpertRows {
public:
    ExpertRows(const ModelConfig& config, std::string where) : m_config(config), m_where(std::move(where)) {}

    void append(const IntegerArray& array, std::vector<std::int16_t>& ids) const {
        const std::vector<std::int64_t> layers = columnsOf(array);
        const auto k = static_cast<std::size_t>(m_config.num_experts_per_tok);
        const auto stride = static_cast<std::size_t>(array.shape[1]) * k;
        for (std::size_t row = 0; row < static_cast<std::size_t>(array.shape[0]); ++row) {
            for (const std::int64_t layer : layers) {
                const auto chosen =
                    std::span(array.values).subspan(row * stride + static_cast<std::size_t>(layer) * k, k);
                check(chosen, row, layer);
                for (const std::int32_t id : chosen) ids.push_back(static_cast<std::int16_t>(id));
            }
        }
    }

private:
    /// Where the MoE layers are in the array, which may hold a column for each dense layer too.
    std::vector<std::int64_t> columnsOf(const IntegerArray& array) const {
        const std::int64_t moe = m_config.moeLayerCount();
        const bool fits = array.shape.size() == 3 && array.shape[2] == m_config.num_experts_per_tok &&
                          (array.shape[1] == moe || array.shape[1] == m_config.num_hidden_layers);
        if (!fits) {
            std::string found;
            for (const std::int64_t length : array.shape)
                found += (found.empty() ? "" : " × ") + std::to_string(length);
            fail(m_where, "The array has another shape than the model",
                 "tokens × " + std::to_string(moe) + " layers × " + std::to_string(m_config.num_experts_per_tok) +
                     " experts",
                 found.empty() ? "no dimension" : found, "Name the model that was served with --model");
        }
        std::vector<std::int64_t> columns;
        for (std::int64_t layer = 0; layer < array.shape[1]; ++layer) {
            if (array.shape[1] == moe || m_config.isMoeLayer(layer)) columns.push_back(layer);
        }
        return columns;
    }

    void check(std::span<const std::int32_t> chosen, std::size_t row, std::int64_t layer) const {
        if (std::ranges::all_of(chosen, [](std::int32_t id) { return id == -1; })) return;  // not recorded
        const auto failHere = [&](std::string what, std::string expected, std::string found) {
            fail(m_where + ", token " + std::to_string(row) + ", layer " + std::to_string(layer), std::move(what),
                 std::move(expected), std::move(found));
        };
        for (std::size_t slot = 0; slot < chosen.size(); ++slot) {
            if (chosen[slot] < 0 || chosen[slot] >= m_config.num_experts)
                failHere("An expert id is outside the model", "0 to " + std::to_string(m_config.num_experts - 1),
                         std::to_string(chosen[slot]));
            if (std::ranges::find(chosen.first(slot), chosen[slot]) !=
                chosen.begin() + static_cast<std::ptrdiff_t>(slot))
                failHere("An expert is chosen twice", "different experts", std::to_string(chosen[slot]));
        }
    }

    const ModelConfig& m_config;
    std::string m_where;
};

// --- one response
// ------------------------------------------------------------------------------------------------------

/// The object's value at the key; null if it is not there, or null itself.
const json* valueAt(const json* object, const char* key) {
    if (object == nullptr || !object->is_object()) return nullptr;
    const auto found = object->find(key);
    return found == object->end() || found->is_null() ? nullptr : &*found;
}

/// A value with its place in the file.
struct Field {
    const json* value = nullptr;
    std::string where;
};

/// A response, or one of its choices, as far as it is read.
class Sequence {
public:
    Sequence(const json& response, const json& choice, std::string where, const ModelConfig& config)
        : m_response(response), m_choice(choice), m_where(std::move(where)), m_config(config) {}

    RoutedResponse read() const {
        const json* meta = valueAt(&m_choice, "meta_info");
        const bool sglang = valueAt(meta, "routed_experts") != nullptr;
        RoutedResponse read;
        read.engine = sglang ? "SGLang" : "vLLM";
        read.prompt = promptIds(meta);
        read.generated = generatedIds(meta);
        if (sglang) {
            readSglang(*meta, read);
        } else {
            readVllm(read);
        }
        read.stop_reason = stopReason(meta);
        return read;
    }

private:
    Field field(const json* object, const char* key, const char* prefix = "") const {
        return {valueAt(object, key), m_where + ", field " + prefix + key};
    }

    std::vector<TokenId> promptIds(const json* meta) const {
        for (const auto* object : {&m_choice, &m_response}) {
            for (const char* key : {"prompt_token_ids", "input_ids"}) {
                if (const Field ids = field(object, key); ids.value != nullptr) return idsOf(ids, false);
            }
        }
        if (const Field ids = field(meta, "input_token_logprobs", "meta_info."); ids.value != nullptr)
            return wholePrompt(idsOf(ids, true), meta, ids.where);
        fail(m_where, "The token ids of the prompt are missing",
             "prompt_token_ids, input_ids or meta_info.input_token_logprobs", "none of them",
             "Ask the server for them: vLLM by return_token_ids, SGLang by return_logprob with logprob_start_len 0");
    }

    /// SGLang gives log-probabilities from logprob_start_len on.
    std::vector<TokenId> wholePrompt(std::vector<TokenId> ids, const json* meta, const std::string& where) const {
        const json* tokens = valueAt(meta, "prompt_tokens");
        if (tokens != nullptr && *tokens != ids.size())
            fail(where, "The token ids are not the whole prompt", describeJson(*tokens) + " tokens",
                 std::to_string(ids.size()), "Ask the server with logprob_start_len 0");
        return ids;
    }

    std::vector<TokenId> generatedIds(const json* meta) const {
        for (const char* key : {"token_ids", "output_ids"}) {
            if (const Field ids = field(&m_choice, key); ids.value != nullptr) return idsOf(ids, false);
        }
        if (const Field ids = field(meta, "output_token_logprobs", "meta_info."); ids.value != nullptr)
            return idsOf(ids, true);
        fail(m_where, "The token ids of the text are missing",
             "token_ids, output_ids or meta_info.output_token_logprobs", "none of them",
             "Ask the server for them: vLLM by return_token_ids, SGLang by return_logprob");
    }

    /// Token ids; `in_tuples`: each is the second of a list [log-probability, id, …].
    std::vector<TokenId> idsOf(const Field& list, bool in_tuples) const {
        if (!list.value->is_array())
            fail(list.where, "This is no list of token ids", "a list", describeJson(*list.value));
        std::vector<TokenId> ids;
        for (const json& entry : *list.value) {
            const json* id = &entry;
            if (in_tuples) id = entry.is_array() && entry.size() > 1 ? &entry[1] : nullptr;
            const bool fits = id != nullptr && id->is_number_integer() && *id >= 0 && *id < m_config.vocab_size;
            if (!fits)
                fail(list.where + ", item " + std::to_string(ids.size() + 1), "This is no token id of the model",
                     "a whole number from 0 to " + std::to_string(m_config.vocab_size - 1),
                     describeJson(id == nullptr ? entry : *id));
            ids.push_back(id->get<TokenId>());
        }
        return ids;
    }

    void readSglang(const json& meta, RoutedResponse& read) const {
        const Field routed = field(&meta, "routed_experts", "meta_info.");
        read.rows = tokensFed(read);
        const ExpertRows rows(m_config, routed.where);
        rows.append(arrayOfInt32(*routed.value, read.rows, m_config, routed.where), read.expert_ids);
    }

    void readVllm(RoutedResponse& read) const {
        const Field prompt = field(&m_response, "prompt_routed_experts");
        const Field routed = field(&m_choice, "routed_experts");
        if (routed.value == nullptr)
            fail(routed.where, "The response does not tell which experts its tokens were sent to", "expert ids",
                 "nothing", "Start the server with --enable-return-routed-experts");
        const IntegerArray array = arrayOf(*routed.value, routed.where);
        const auto generated = std::ssize(read.generated);
        if (prompt.value == nullptr) {
            read.rows = tokensFed(read);
            checkRows(array, read.rows, read.rows, routed.where);
        } else {
            const IntegerArray before = arrayOf(*prompt.value, prompt.where);
            checkRows(before, std::ssize(read.prompt), std::ssize(read.prompt), prompt.where);
            ExpertRows(m_config, prompt.where).append(before, read.expert_ids);
            checkRows(array, std::max<std::int64_t>(generated - 1, 0), generated, routed.where);
            read.rows = std::ssize(read.prompt) + (array.shape.empty() ? 0 : array.shape[0]);
            if (array.values.empty()) return;
        }
        ExpertRows(m_config, routed.where).append(array, read.expert_ids);
    }

    /// The last token is never fed to the model.
    std::int64_t tokensFed(const RoutedResponse& read) const {
        const std::int64_t tokens = std::ssize(read.prompt) + std::ssize(read.generated);
        if (read.prompt.empty() || tokens < 2)
            fail(m_where, "The sequence is too short", "a prompt and a generated token",
                 std::to_string(read.prompt.size()) + " and " + std::to_string(read.generated.size()) + " tokens");
        return tokens - 1;
    }

    static void checkRows(const IntegerArray& array, std::int64_t least, std::int64_t most, const std::string& where) {
        const std::int64_t rows = array.shape.empty() ? 0 : array.shape[0];
        if (rows >= least && rows <= most) return;
        fail(where, "The array does not fit the tokens",
             (least == most ? std::string() : std::to_string(least) + " or ") + std::to_string(most) + " tokens",
             std::to_string(rows),
             "Where only the end was asked for (routed_experts_prompt_start), ask for all tokens");
    }

    StopReason stopReason(const json* meta) const {
        const json* reason = valueAt(&m_choice, "finish_reason");
        if (reason == nullptr) reason = valueAt(meta, "finish_reason");
        if (const json* type = valueAt(reason, "type"); type != nullptr) reason = type;
        if (reason == nullptr) return StopReason::kNone;
        if (*reason == "stop") return StopReason::kEndOfTurn;
        return *reason == "length" ? StopReason::kMaxTokens : StopReason::kNone;
    }

    const json& m_response;
    const json& m_choice;
    std::string m_where;
    const ModelConfig& m_config;
};

// --- the file
// ----------------------------------------------------------------------------------------------------------

class ResponseFile {
public:
    ResponseFile(const std::filesystem::path& file, const ModelConfig& config,
                 const std::function<void(const RoutedResponse&)>& visit)
        : m_name(file.string()), m_config(config), m_visit(visit) {}

    void read(std::string_view text) {
        const std::string_view first = firstLine(text);
        if (first.empty()) fail(m_name, "The file is empty", "a response as JSON", "no text");
        // A value that ends with its line is one of JSON lines; any other goes on to the end of the file.
        if (json::accept(first)) {
            readLines(text);
        } else {
            readValue(text, m_name);
        }
    }

private:
    static std::string_view firstLine(std::string_view text) {
        text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
        return text.substr(0, text.find('\n'));
    }

    void readLines(std::string_view text) {
        for (std::int64_t number = 1; !text.empty(); ++number) {
            const std::size_t end = text.find('\n');
            const std::string_view line = text.substr(0, end);
            text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
            if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
            readValue(line, m_name + ", line " + std::to_string(number));
        }
    }

    void readValue(std::string_view text, const std::string& where) {
        if (text.size() > kMostValueBytes)
            fail(where, "The JSON is too large", "at most " + std::to_string(kMostValueBytes) + " bytes",
                 std::to_string(text.size()), "Store each response on a line of its own");
        const json value = parseJsonText(std::as_bytes(std::span(text)), where);
        if (!value.is_array()) return readResponse(value, where);
        for (std::size_t i = 0; i < value.size(); ++i)
            readResponse(value[i], where + ", response " + std::to_string(i + 1));
    }

    void readResponse(const json& response, const std::string& where) {
        if (!response.is_object()) fail(where, "This is no response", "an object", describeJson(response));
        for (const char* key : {"choices", "outputs"}) {
            const json* list = valueAt(&response, key);
            if (list == nullptr) continue;
            if (!list->is_array() || list->empty())
                fail(where + ", field " + key, "There are no choices", "a list of objects", describeJson(*list));
            for (std::size_t i = 0; i < list->size(); ++i)
                m_visit(Sequence(response, (*list)[i], where + ", " + key + "[" + std::to_string(i) + "]", m_config)
                            .read());
            return;
        }
        m_visit(Sequence(response, response, where, m_config).read());
    }

    const std::string m_name;
    const ModelConfig& m_config;
    const std::function<void(const RoutedResponse&)>& m_visit;
};

}  // namespace

void readRoutedResponses(const std::filesystem::path& file, const ModelConfig& config,
                         const std::function<void(const RoutedResponse&)>& visit) {
    const std::vector<std::byte> bytes = readSmallFile(file, kMostFileBytes);
    ResponseFile(file, config, visit).read({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

}  // namespace mixoscope
