#include "sessions/routing_import.h"

#include <algorithm>
#include <ctime>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "engine/chat_template.h"
#include "engine/lane_requests.h"
#include "engine/thinking_controller.h"
#include "engine/unrecorded.h"
#include "sessions/loaded_model.h"
#include "sessions/record_columns.h"
#include "sessions/routed_responses.h"
#include "sessions/session_model.h"
#include "sessions/session_name.h"
#include "sessions/session_writer.h"

namespace mixoscope {

namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

/// The last user's message of a prompt in Qwen's template; any other prompt as it is.
std::string userText(const std::string& prompt) {
    constexpr std::string_view kUser = "<|im_start|>user\n";
    const std::size_t start = prompt.rfind(kUser);
    if (start == std::string::npos) return prompt;
    const std::size_t begin = start + kUser.size();
    const std::size_t end = prompt.find("<|im_end|>", begin);
    return prompt.substr(begin, end == std::string::npos ? end : end - begin);
}

/// Writes sequences as turns of one conversation, as the engine would tell of them.
class TurnWriter {
public:
    TurnWriter(SessionWriter& session, const Model& model) : m_session(session), m_model(model) {
        const auto layers = static_cast<std::size_t>(model.config.moeLayerCount());
        const auto k = static_cast<std::size_t>(model.config.num_experts_per_tok);
        m_router.resize(layers);
        m_ids_of_row = layers * k;
        m_k = k;
    }

    void write(const RoutedResponse& response) {
        const std::vector<TokenTrace> tokens = tokensOf(response);
        const auto prompt = static_cast<std::int32_t>(response.prompt.size());
        m_session.addMessage(m_turn, static_cast<int>(Role::kUser), userText(textOf(response.prompt)),
                             static_cast<int>(m_thinks ? ThinkingMode::kThink : ThinkingMode::kNoThink));
        addEvent(LaneEventKind::kTurnStarted, 0, 0, prompt);
        for (std::int64_t row = 0; row < response.rows; ++row) {
            const bool of_prompt = row < prompt;
            // The engine's own steps are not told: the prompt is one, and each token after it.
            if (!of_prompt) ++m_step;
            addRow(response, tokens, row, of_prompt ? prompt : 1);
        }
        ++m_step;
        addEvent(LaneEventKind::kFinished, static_cast<std::int32_t>(tokens.size()), m_block_open ? 1 : 0,
                 static_cast<std::int64_t>(response.stop_reason));
        m_session.addMessage(m_turn, static_cast<int>(Role::kAssistant), textOf(response.generated),
                             static_cast<int>(m_thinks ? ThinkingMode::kThink : ThinkingMode::kNoThink));
        ++m_turn;
    }

    std::int64_t unrecorded() const { return m_unrecorded; }
    std::string textOf(std::span<const TokenId> ids) const {
        return m_model.tokenizer ? m_model.tokenizer->decode(ids) : std::string();
    }

private:
    /// Every token with its phase, as the thinking controller tells it of the engine's own.
    std::vector<TokenTrace> tokensOf(const RoutedResponse& response) {
        const ThinkingTokens tags = thinkingTokens(m_model);
        const std::span prompt(response.prompt);
        const std::span<const TokenId> tail = prompt.last(std::min<std::size_t>(prompt.size(), 2));
        // A prompt that ends with the empty block asks for no thinking, one that ends with <think> has begun it.
        m_thinks = !tags.close || std::ranges::find(tail, *tags.close) == tail.end();
        ThinkingController controller(tags, m_thinks);
        if (tags.open) {
            for (auto tag = std::ranges::find(tail, *tags.open); tag != tail.end(); ++tag)
                controller.accept(*tag, false);
        }
        std::vector<TokenTrace> tokens;
        for (const TokenId id : response.prompt) tokens.push_back(tokenAt(tokens.size(), id));
        for (std::size_t i = 0; i < response.generated.size(); ++i) {
            TokenTrace token = tokenAt(tokens.size(), response.generated[i]);
            const bool ends = i + 1 == response.generated.size() &&
                              std::ranges::count(m_model.generation_config.eos_token_ids, token.id) > 0;
            const ThinkingController::Classified classified =
                ends ? ThinkingController::Classified{.phase = controller.phase(), .flags = token_flag::kEndOfTurn}
                     : controller.accept(token.id, false);
            token.phase = classified.phase;
            token.flags = static_cast<std::uint8_t>(classified.flags | token_flag::kSampled);
            token.thinking_tokens = controller.thinkingTokens();
            tokens.push_back(token);
        }
        m_block_open = controller.blockOpen();
        return tokens;
    }

    TokenTrace tokenAt(std::size_t position, TokenId id) const {
        return {.position = static_cast<std::int32_t>(position), .id = id, .turn = m_turn, .budget = kUnknownBudget};
    }

    void addRow(const RoutedResponse& response, const std::vector<TokenTrace>& tokens, std::int64_t row,
                std::int32_t rows_in_step) {
        const auto at = static_cast<std::size_t>(row);
        StepTrace trace;
        trace.serial = m_serial++;
        trace.step = m_step;
        trace.rows_in_step = rows_in_step;
        trace.step_end_us = kNotTimed;
        trace.token = tokens[at];
        if (at + 1 >= response.prompt.size() && at + 1 < tokens.size()) trace.next = tokens[at + 1];
        trace.expert_ids = std::span(response.expert_ids).subspan(at * m_ids_of_row, m_ids_of_row);
        bool all = true;
        for (std::size_t layer = 0; layer < m_router.size(); ++layer) {
            const bool recorded = trace.expert_ids[layer * m_k] >= 0;
            all = all && recorded;
            m_router[layer] = {.entropy = kNaN,
                               .top_probability = kNaN,
                               .last_probability = kNaN,
                               .next_probability = kNaN,
                               .active = static_cast<std::uint16_t>(recorded ? m_k : 0)};
        }
        if (!all) ++m_unrecorded;
        trace.router = m_router;
        m_session.addRow(trace);
    }

    void addEvent(LaneEventKind kind, std::int32_t position, std::int64_t old_value, std::int64_t value) {
        m_session.addEvent({.serial = m_serial++,
                            .step = m_step,
                            .time_us = kNotTimed,
                            .position = position,
                            .kind = kind,
                            .old_value = old_value,
                            .value = value});
    }

    SessionWriter& m_session;
    const Model& m_model;
    std::vector<RouterFacts> m_router;  // (MoE layers)
    std::size_t m_ids_of_row = 0;
    std::size_t m_k = 0;
    std::int64_t m_serial = 0;
    Step m_step = 0;
    std::int32_t m_turn = 0;
    std::int64_t m_unrecorded = 0;
    // Of the sequence under way:
    bool m_thinks = true;
    bool m_block_open = false;
};

SessionModel importedModel(const Model& model) {
    if (model.config.num_experts == 0)
        throw Error({.what = "This model has no experts, so no routing can be its own", .where = model.name});
    SessionModel identity = sessionModelOf(model);
    identity.shape = {.moe_layers = static_cast<std::int32_t>(model.config.moeLayerCount()),
                      .slots = static_cast<std::int32_t>(model.config.num_experts_per_tok),
                      .experts = static_cast<std::int32_t>(model.config.num_experts),
                      .distributions = false};
    return identity;
}

/// The session's file until all of it is there.
class NewSession {
public:
    NewSession(const std::filesystem::path& file, const Model& model)
        : m_file(file), m_writer(std::in_place, file, importedModel(model), [&model](TokenId id) {
              return model.tokenizer ? std::string(model.tokenizer->bytes(id)) : std::string();
          }) {}
    ~NewSession() {
        if (m_complete) return;
        m_writer.reset();
        std::error_code none;
        for (const char* ending : {"", "-wal", "-shm"}) std::filesystem::remove(m_file.string() + ending, none);
    }
    NewSession(const NewSession&) = delete;
    NewSession& operator=(const NewSession&) = delete;

    SessionWriter& writer() { return *m_writer; }
    void finish() {
        m_writer->finish();
        m_complete = true;
    }

private:
    std::filesystem::path m_file;
    std::optional<SessionWriter> m_writer;
    bool m_complete = false;
};

}  // namespace

ImportedRouting importRouting(const std::filesystem::path& responses, const Model& model,
                              const std::filesystem::path& session) {
    NewSession file(session, model);
    SessionWriter& writer = file.writer();
    TurnWriter turns(writer, model);
    ImportedRouting imported;
    std::string title;
    readRoutedResponses(responses, model.config, [&](const RoutedResponse& response) {
        const std::int64_t tokens = std::ssize(response.prompt) + std::ssize(response.generated);
        if (tokens > kMostPositions)
            throw Error({.what = "A sequence is too long for a session",
                         .where = responses.string(),
                         .expected = "at most " + std::to_string(kMostPositions) + " tokens",
                         .found = std::to_string(tokens)});
        turns.write(response);
        if (imported.sequences == 0) title = userText(turns.textOf(response.prompt));
        if (imported.engine.find(response.engine) == std::string::npos)
            imported.engine += (imported.engine.empty() ? "" : ", ") + response.engine;
        ++imported.sequences;
        imported.tokens += tokens;
        imported.rows += response.rows;
    });
    if (imported.sequences == 0) throw Error({.what = "There are no responses", .where = responses.string()});
    imported.rows_unrecorded = turns.unrecorded();
    const std::map<std::string, std::string> metadata = {
        {"title", titleOf(title.empty() ? responses.filename().string() : title)},
        {"created_utc", utcTime(std::time(nullptr))},
        {"backend", imported.engine},
        {"imported_from", imported.engine},
        {"model_description", modelDescription(model.config, {})}};
    for (const auto& [key, value] : metadata) writer.setMetadata(key, value);
    file.finish();
    return imported;
}

}  // namespace mixoscope
