// `mixoscope calibrate`: measures a model's routing on a set of prompts, for the policies that go by such figures.
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>

#include "app/arguments.h"
#include "app/commands/command.h"
#include "app/commands/model_options.h"
#include "engine/calibrator.h"
#include "engine/error.h"
#include "engine/mapped_file.h"
#include "engine/model_hash.h"

namespace mixoscope {

namespace {

constexpr std::size_t kLargestPromptFile = std::size_t{256} << 20;
constexpr auto kBetweenSaves = std::chrono::seconds(10);

struct CalibrateOptions {
    ModelOptions model;
    std::string policy = "model";
    std::string prompts;
    std::string out;
    std::int64_t tokens = 2048;
    std::int64_t limit = 0;
};

[[noreturn]] void failLine(const std::string& where, const std::string& what, const std::string& found) {
    throw Error({.what = what,
                 .where = where,
                 .expected = R"(an object such as {"prompt": "…", "thinking": "…", "answer": "…"}, {"text": "…"} or )"
                             R"({"ids": [1, 2, 3]})",
                 .found = found});
}

/// A field's text, "" where it is absent.
std::string textOf(const nlohmann::json& line, const char* key, const std::string& where) {
    const auto field = line.find(key);
    if (field == line.end()) return {};
    if (!field->is_string()) failLine(where + ", " + key, "this is no text", field->type_name());
    return field->get<std::string>();
}

/// What is fed of a line: a turn as the chat template has it, with the reference's thinking and answer if it gives
/// them; or a text as it is.
std::string fedText(const nlohmann::json& line, const std::string& where, const Model& model) {
    if (line.contains("text")) return textOf(line, "text", where);
    if (!line.contains("prompt")) failLine(where, "none of the fields is there", "");
    const std::string thinking = textOf(line, "thinking", where);
    const std::string answer = textOf(line, "answer", where);
    const std::vector<Message> messages = {{Role::kUser, textOf(line, "prompt", where)}};
    const bool always = model.thinking_support == ThinkingSupport::kAlways;
    const bool thinks = always || (model.thinking_support == ThinkingSupport::kHybrid &&
                                   resolveThinking(ThinkingMode::kAuto, messages));
    std::string text = renderChat(messages, thinks, model.thinking_support);
    // The template of a model that always thinks has opened the block already.
    if (thinks && !thinking.empty()) text += (always ? "" : "<think>\n") + thinking + "\n</think>\n\n";
    return text + answer;
}

std::vector<TokenId> idsOf(const nlohmann::json& list, const std::string& where, std::int64_t vocab_size) {
    std::vector<TokenId> ids;
    if (!list.is_array()) failLine(where + ", ids", "this is no list", list.type_name());
    for (const nlohmann::json& id : list) {
        if (!id.is_number_integer() || id.get<std::int64_t>() < 0 || id.get<std::int64_t>() >= vocab_size)
            failLine(where + ", ids", "this is no token id of the model", id.dump());
        ids.push_back(id.get<TokenId>());
    }
    return ids;
}

std::vector<TokenId> parseLine(std::string_view text, const std::string& where, const Model& model) {
    const nlohmann::json line = nlohmann::json::parse(text, nullptr, false);
    if (!line.is_object()) failLine(where, "this is no JSON object", std::string(text.substr(0, 40)));
    std::vector<TokenId> ids;
    if (const auto list = line.find("ids"); list != line.end()) {
        ids = idsOf(*list, where, model.config.vocab_size);
    } else if (model.tokenizer) {
        ids = model.tokenizer->encode(fedText(line, where, model));
    } else {
        failLine(where, "this model has no tokenizer, so prompts must be given as ids", "text");
    }
    if (ids.empty()) failLine(where, "the prompt is empty", "no tokens");
    return ids;
}

std::vector<std::vector<TokenId>> readPrompts(std::span<const std::byte> bytes, const std::string& file,
                                              const Model& model) {
    std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    std::vector<std::vector<TokenId>> prompts;
    for (std::int64_t number = 1; !text.empty(); ++number) {
        const std::size_t end = text.find('\n');
        const std::string_view line = text.substr(0, end);
        text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
        if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
        prompts.push_back(parseLine(line, file + ", line " + std::to_string(number), model));
    }
    if (prompts.empty()) failLine(file, "there are no prompts", "");
    return prompts;
}

/// Where the calibration goes on: from the file, if it is one of the same measurement.
Calibration startOf(const Calibration& wanted, const std::string& file) {
    std::error_code error;
    if (!std::filesystem::exists(file, error)) return wanted;
    Calibration found = readCalibration(file);
    const auto same = [&](const char* what, const std::string& expected, const std::string& there) {
        if (expected == there) return;
        throw Error(
            {.what = std::string("the file is a calibration of another ") + what + ", and is never written over",
             .where = file,
             .expected = expected,
             .found = there});
    };
    same("model", wanted.model_hash, found.model_hash);
    same("policy", wanted.policy, found.policy);
    same("prompt file", wanted.prompts_hash, found.prompts_hash);
    return found;
}

class ProgressLine {
public:
    explicit ProgressLine(std::ostream& err) : m_err(err), m_shown(isatty(STDERR_FILENO) == 1) {}
    void show(const Calibration& calibration) {
        if (!m_shown) return;
        m_err << "\r" << calibration.done << " of " << calibration.prompts << " prompts, " << calibration.tokens
              << " tokens" << std::flush;
    }
    void end() {
        if (m_shown) m_err << '\n';
    }

private:
    std::ostream& m_err;
    bool m_shown;
};

int runCalibrate(const CalibrateOptions& options, CommandStreams& streams) {
    const Model model = options.model.open();
    if (model.config.num_experts == 0)
        throw Error({.what = "this model has no experts to calibrate", .where = model.name});
    const auto policy = parsePolicy(measuringPolicy(options.policy, model.config), model);
    const std::vector<std::byte> bytes = readSmallFile(options.prompts, kLargestPromptFile);
    const auto prompts = readPrompts(bytes, options.prompts, model);

    Calibration wanted = emptyCalibration(model.config);
    wanted.model_name = model.name;
    wanted.model_hash = modelHash(model);
    wanted.policy = policy->text();
    wanted.prompts_hash = contentHash(bytes) + "/" + std::to_string(options.tokens);
    wanted.prompts = std::ssize(prompts);
    Calibration start = startOf(wanted, options.out);
    writeCalibration(start, options.out);  // a place that cannot be written to shows now

    const auto backend = options.model.makeBackend();
    const std::int64_t most_tokens = std::min(options.tokens, model.config.max_position_embeddings);
    const std::int64_t last = options.limit > 0 ? std::min(wanted.prompts, start.done + options.limit) : wanted.prompts;
    Calibrator calibrator(model, *backend, policy, most_tokens, std::move(start));
    ProgressLine progress(streams.err);
    auto saved = std::chrono::steady_clock::now();
    while (calibrator.calibration().done < last) {
        calibrator.add(prompts[static_cast<std::size_t>(calibrator.calibration().done)]);
        progress.show(calibrator.calibration());
        if (std::chrono::steady_clock::now() - saved < kBetweenSaves) continue;
        writeCalibration(calibrator.calibration(), options.out);
        saved = std::chrono::steady_clock::now();
    }
    progress.end();
    writeCalibration(calibrator.calibration(), options.out);
    const Calibration& done = calibrator.calibration();
    streams.out << nlohmann::ordered_json{{"out", options.out},         {"model_hash", done.model_hash},
                                          {"policy", done.policy},      {"prompts", done.prompts},
                                          {"prompts_done", done.done},  {"tokens", done.tokens},
                                          {"complete", done.complete()}}
                       .dump()
                << '\n';
    return kDone;
}

}  // namespace

void addCalibrateCommand(CLI::App& program, CommandAction& action) {
    auto options = std::make_shared<CalibrateOptions>();
    CLI::App* command = program.add_subcommand(
        "calibrate", "Measures a model's routing on prompts, for policies with a calibration parameter");
    options->model.addModel(*command);
    options->model.addHostBackend(*command);
    command
        ->add_option("--policy", options->policy,
                     "Routes while it is measured; parts that wait for a calibration are left out")
        ->capture_default_str();
    command
        ->add_option("--prompts", options->prompts,
                     R"(JSON lines: {"prompt", "thinking", "answer"}, {"text"} or {"ids"})")
        ->required();
    command->add_option("--out", options->out, "The calibration; where it is there unfinished, it is gone on with")
        ->required();
    command->add_option("--tokens", options->tokens, "Most tokens of a prompt")
        ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 20))
        ->capture_default_str();
    command->add_option("--limit", options->limit, "Stop after so many prompts, to go on later; 0: all")
        ->check(CLI::Range(std::int64_t{0}, std::int64_t{std::numeric_limits<std::int32_t>::max()}))
        ->capture_default_str();
    command->callback([options, &action] {
        action = [options](CommandStreams& streams) { return runCalibrate(*options, streams); };
    });
}

}  // namespace mixoscope
