// The text form of policies (its grammar: routing_policy.h) → a policy, checked against the descriptions in policies/.
#include <algorithm>
#include <array>
#include <tuple>

#include "engine/error.h"
#include "engine/model.h"
#include "engine/model_hash.h"
#include "engine/policies/policy_kind.h"
#include "engine/policy_parameter.h"
#include "engine/policy_table.inc"
#include "engine/policy_view.h"
#include "engine/routing_policy.h"

namespace mixoscope {

namespace {

constexpr std::array<const char*, kPhaseCount> kPhaseWords = {"prompt", "thinking", "answer"};
constexpr std::array<const char*, kTokenKindCount> kTokenKindWords = {"ordinary", "tag", "injected"};

constexpr std::size_t kLongestText = 4096;  // bounds the work that a text can ask for

std::string inQuotes(std::string_view text) {
    return "\"" + std::string(text) + "\"";
}

std::string where(std::string_view text) {
    return "routing policy " + inQuotes(text);
}

template <typename List, typename Name>
std::string joinedNames(const List& list, Name name) {
    std::string text;
    for (const auto& item : list) text += (text.empty() ? "" : ", ") + std::string(name(item));
    return text;
}

/// Splits at `separator` outside of double quotes.
std::vector<std::string_view> splitOutsideQuotes(std::string_view text, char separator) {
    std::vector<std::string_view> pieces;
    bool in_quotes = false;
    std::size_t first = 0;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] == '"') in_quotes = !in_quotes;
        if (text[at] != separator || in_quotes) continue;
        pieces.push_back(text.substr(first, at - first));
        first = at + 1;
    }
    pieces.push_back(text.substr(first));
    return pieces;
}

/// The largest position that a part can name.
double lastPosition(const ModelConfig& config) {
    constexpr std::int64_t kMost = 1 << 24;  // bounds the room that a list needs
    return static_cast<double>(std::clamp<std::int64_t>(config.max_position_embeddings, 1, kMost) - 1);
}

/// What every part takes.
std::vector<ParameterSpec> scopeParameters(const ModelConfig& config) {
    return {
        {.key = "layers",
         .type = ParameterType::kList,
         .minimum = 0.0,
         .maximum = static_cast<double>(config.num_hidden_layers - 1),
         .default_value = "all",
         .help = "Layers in which this part acts, numbered as in the model",
         .also = "all",
         .scope = true},
        {.key = "phase",
         .type = ParameterType::kChoices,
         .default_value = "all",
         .help = "Phases of a turn in which this part acts",
         .choices = {kPhaseWords.begin(), kPhaseWords.end()},
         .also = "all",
         .scope = true},
        {.key = "tokens",
         .type = ParameterType::kChoices,
         .default_value = "all",
         .help =
             "Kinds of tokens on which this part acts: <think> and </think> of a turn are tags, the early-stop text "
             "is injected",
         .choices = {kTokenKindWords.begin(), kTokenKindWords.end()},
         .also = "all",
         .scope = true},
        {.key = "positions",
         .type = ParameterType::kList,
         .minimum = 0.0,
         .maximum = lastPosition(config),
         .default_value = "all",
         .help = "Positions of the lane's tokens at which this part acts, 0 the first of the prompt",
         .also = "all",
         .scope = true}};
}

PolicySpec fullSpec(const PolicyKind& kind, const ModelConfig& config) {
    PolicySpec spec = kind.spec(config);
    if (config.num_experts == 0) {
        if (spec.name == "model") spec.parameters.clear();
        return spec;
    }
    for (ParameterSpec& parameter : scopeParameters(config)) spec.parameters.push_back(std::move(parameter));
    return spec;
}

/// One key=value of a part, checked and added to the arguments.
void addArgument(std::string_view text, std::string_view piece, const PolicySpec& spec, PolicyArguments& arguments) {
    const auto expected_keys = [&] {
        if (spec.parameters.empty()) return std::string("no parameters");
        return "one of the keys " + joinedNames(spec.parameters, [](const ParameterSpec& p) { return p.key; });
    };
    const std::size_t equals = piece.find('=');
    if (equals == std::string_view::npos) {
        throw Error({.what = "a parameter is written key=value",
                     .where = where(text),
                     .expected = expected_keys(),
                     .found = inQuotes(piece)});
    }
    const std::string key(piece.substr(0, equals));
    const auto parameter = std::ranges::find(spec.parameters, key, &ParameterSpec::key);
    if (parameter == spec.parameters.end()) {
        throw Error({.what = spec.name + " has no parameter of that name",
                     .where = where(text),
                     .expected = expected_keys(),
                     .found = inQuotes(key)});
    }
    if (arguments.has(key)) {
        throw Error(
            {.what = "a parameter is given twice", .where = where(text), .expected = "", .found = inQuotes(key)});
    }
    const std::string_view value = piece.substr(equals + 1);
    const auto plain = withoutQuotes(value);
    const auto normal = plain ? normalValue(*parameter, *plain) : std::nullopt;
    if (!normal) {
        throw Error({.what = "the value does not fit",
                     .where = where(text) + ", " + key,
                     .expected = expectedValue(*parameter),
                     .found = inQuotes(value)});
    }
    arguments.set(key, *normal);
}

/// What a part says, with defaults filled in.
struct ParsedPart {
    PolicyKind kind;
    PolicySpec spec;
    PolicyArguments arguments;

    std::string text() const {
        std::string written;
        for (const ParameterSpec& parameter : spec.parameters) {
            const std::string& value = arguments.text(parameter.key);
            if (value == parameter.default_value && !parameter.always_shown) continue;
            written += (written.empty() ? ":" : ",") + parameter.key + "=" + withQuotes(value);
        }
        return spec.name + written;
    }
};

ParsedPart parsePart(std::string_view text, std::string_view part, const ModelConfig& config) {
    const std::size_t colon = part.find(':');
    const std::string name(part.substr(0, colon));
    for (const PolicyKind& kind : policies::table()) {
        ParsedPart parsed{.kind = kind, .spec = fullSpec(kind, config), .arguments = {}};
        if (parsed.spec.name != name) continue;
        if (config.num_experts == 0 && name != "model") break;
        if (colon != std::string_view::npos) {
            for (const std::string_view piece : splitOutsideQuotes(part.substr(colon + 1), ','))
                addArgument(text, piece, parsed.spec, parsed.arguments);
        }
        for (const ParameterSpec& parameter : parsed.spec.parameters) {
            if (parsed.arguments.has(parameter.key)) continue;
            if (parameter.default_value.empty()) {
                throw Error({.what = name + " needs this parameter",
                             .where = where(text) + ", " + parameter.key,
                             .expected = expectedValue(parameter),
                             .found = "nothing"});
            }
            parsed.arguments.set(parameter.key, parameter.default_value);
        }
        return parsed;
    }
    const std::vector<PolicySpec> known = policySpecs(config);
    if (config.num_experts == 0) {
        throw Error({.what = "this model has no experts to choose",
                     .where = where(text),
                     .expected = inQuotes("model"),
                     .found = inQuotes(text)});
    }
    throw Error({.what = "there is no such policy",
                 .where = where(text),
                 .expected = "one of " + joinedNames(known, [](const PolicySpec& spec) { return spec.name; }),
                 .found = inQuotes(name)});
}

std::uint8_t wordBits(std::string_view value, std::span<const char* const> words) {
    std::uint8_t bits = 0;
    for (std::size_t index = 0; index < words.size(); ++index) {
        const std::vector<std::string_view> named = splitAt(value, '/');
        if (value == "all" || std::ranges::find(named, std::string_view(words[index])) != named.end())
            bits = static_cast<std::uint8_t>(bits | 1U << index);
    }
    return bits;
}

/// Of a list of positions in its normal form; "all" leaves nothing.
std::vector<PositionRange> rangesOf(const std::string& list, const ModelConfig& config) {
    std::vector<PositionRange> ranges;
    if (list == "all") return ranges;
    const auto members = *parsedList(list, 0.0, lastPosition(config));
    for (std::size_t position = 0; position < members.size(); ++position) {
        if (!members[position]) continue;
        const auto at = static_cast<std::int64_t>(position);
        if (ranges.empty() || ranges.back().last + 1 < at) ranges.push_back({.first = at, .last = at});
        ranges.back().last = at;
    }
    return ranges;
}

PolicyScope scopeOf(const PolicyArguments& arguments, std::string_view text, const ModelConfig& config) {
    std::vector<bool> layers;
    const std::string& list = arguments.text("layers");
    if (list != "all") {
        const auto named = parsedList(list, 0.0, static_cast<double>(config.num_hidden_layers - 1));
        for (const std::int32_t layer : config.moeLayers()) layers.push_back((*named)[static_cast<std::size_t>(layer)]);
        if (std::ranges::count(layers, true) == 0) {
            throw Error({.what = "none of these layers has experts to choose",
                         .where = where(text) + ", layers",
                         .expected = "",
                         .found = inQuotes(list)});
        }
    }
    return PolicyScope(std::move(layers), wordBits(arguments.text("phase"), kPhaseWords),
                       wordBits(arguments.text("tokens"), kTokenKindWords),
                       rangesOf(arguments.text("positions"), config));
}

/// Which tokens of which layers the parts so far decide.
class Coverage {
public:
    explicit Coverage(std::size_t layers) : m_tokens(layers, 0) {}
    /// False if nothing was left for the part to decide.
    bool add(const PolicyScope& scope) {
        bool acts = false;
        for (std::size_t layer = 0; layer < m_tokens.size(); ++layer) {
            if (!scope.coversLayer(static_cast<int>(layer))) continue;
            acts = acts || (scope.tokens() & ~m_tokens[layer]) != 0;
            if (!scope.coversAllPositions()) continue;
            m_tokens[layer] = static_cast<std::uint16_t>(m_tokens[layer] | scope.tokens());
        }
        return acts;
    }
    bool complete() const {
        return std::ranges::all_of(m_tokens, [](std::uint16_t t) { return t == PolicyScope::kAllTokens; });
    }

private:
    std::vector<std::uint16_t> m_tokens;  // (MoE layers) bits as in PolicyScope::tokens, decided at all positions
};

/// Loads the file of a part that names one.
void loadCalibration(ParsedPart& part, const ModelConfig& config, std::vector<CalibrationUse>& uses) {
    for (const ParameterSpec& parameter : part.spec.parameters) {
        if (parameter.type != ParameterType::kFile || parameter.key != "calibration") continue;
        const std::string& file = part.arguments.text(parameter.key);
        if (file == parameter.also) continue;
        auto calibration = rememberedCalibration(file);
        checkCalibration(*calibration, config, file);
        uses.push_back({.file = file, .model_name = calibration->model_name, .model_hash = calibration->model_hash});
        part.arguments.calibration = std::move(calibration);
    }
}

void requireCalibrationsOf(const RoutingPolicy& policy, std::string_view text, std::string_view model_name,
                           std::string_view model_hash) {
    for (const CalibrationUse& use : policy.calibrations()) {
        if (use.model_hash == model_hash) continue;
        throw Error({.what = "this calibration was made with another model",
                     .where = where(text) + ", " + use.file,
                     .expected = "model " + std::string(model_hash) + " (" + std::string(model_name) + ")",
                     .found = "model " + use.model_hash + " (" + use.model_name + ")",
                     .advice = "Make one for this model with mixoscope calibrate"});
    }
}

/// Makes a rule; what its factory complains about is said of this text.
template <typename Factory>
auto makeRule(const Factory& factory, const ParsedPart& part, std::string_view text, const ModelConfig& config) {
    try {
        return factory(part.arguments, config);
    } catch (const Error& error) {
        ErrorParts parts = error.parts();
        parts.where = where(text) + (parts.where.empty() ? "" : ", " + parts.where);
        throw Error(std::move(parts));
    }
}

/// As PolicySpec has it.
const char* viewName(RuleView view) {
    return view == RuleView::kStep ? "step" : view == RuleView::kHistory ? "history" : "";
}

PolicyKind kindNamed(std::string_view name, const ModelConfig& config) {
    const std::vector<PolicyKind> kinds = policies::table();
    return *std::ranges::find_if(kinds, [&](const PolicyKind& kind) { return kind.spec(config).name == name; });
}

}  // namespace

std::vector<PolicyPart> splitPolicy(std::string_view text) {
    std::vector<PolicyPart> parts;
    for (const std::string_view written : splitOutsideQuotes(text, '+')) {
        const std::size_t colon = written.find(':');
        PolicyPart& part = parts.emplace_back();
        part.name = written.substr(0, colon);
        if (colon == std::string_view::npos) continue;
        for (const std::string_view piece : splitOutsideQuotes(written.substr(colon + 1), ',')) {
            const std::size_t equals = piece.find('=');
            const auto value =
                equals == std::string_view::npos ? std::nullopt : withoutQuotes(piece.substr(equals + 1));
            if (!value) {
                throw Error({.what = "a parameter is written key=value",
                             .where = where(text),
                             .expected = "key=value, with quotes around the whole value or none",
                             .found = inQuotes(piece)});
            }
            part.values.push_back({.key = std::string(piece.substr(0, equals)), .text = *value});
        }
    }
    return parts;
}

std::string joinPolicy(const std::vector<PolicyPart>& parts) {
    std::string text;
    for (const PolicyPart& part : parts) {
        text += (&part == parts.data() ? "" : "+") + part.name;
        char separator = ':';
        for (const PolicyPart::Value& value : part.values) {
            text += separator + value.key + "=" + withQuotes(value.text);
            separator = ',';
        }
    }
    return text;
}

RuleView viewOf(const PolicyPart& part, const ModelConfig& config) {
    return parsePolicy(joinPolicy({part}), config)->choosing().front().rule->view();
}

std::vector<PolicySpec> policySpecs(const ModelConfig& config) {
    std::vector<PolicySpec> specs;
    for (const PolicyKind& kind : policies::table()) {
        PolicySpec spec = fullSpec(kind, config);
        // Without experts there is nothing to choose: only the checkpoint's own rule is left.
        if (config.num_experts == 0 && spec.name != "model") continue;
        if (spec.role == PolicyRole::kChooses) {
            const RuleView view = viewOf({.name = spec.name, .values = {}}, config);
            spec.causal = isCausal(view);
            spec.view = viewName(view);
        }
        specs.push_back(std::move(spec));
    }
    const auto order = [](const PolicySpec& spec) {
        return std::tuple(spec.role == PolicyRole::kEdits, spec.name != "model", spec.name != "top-k", spec.name);
    };
    std::ranges::sort(specs, {}, order);
    return specs;
}

std::shared_ptr<const RoutingPolicy> parsePolicy(std::string_view text, const ModelConfig& config) {
    if (text.size() > kLongestText) {
        throw Error({.what = "the text is too long",
                     .where = "routing policy",
                     .expected = "at most " + std::to_string(kLongestText) + " bytes",
                     .found = std::to_string(text.size())});
    }
    std::vector<ChoosingPart> choosing;
    std::vector<EditPart> edits;
    std::vector<CalibrationUse> calibrations;
    Coverage coverage(static_cast<std::size_t>(config.moeLayerCount()));
    std::string normal;
    for (const std::string_view piece : splitOutsideQuotes(text, '+')) {
        ParsedPart part = parsePart(text, piece, config);
        normal += (normal.empty() ? "" : "+") + part.text();
        loadCalibration(part, config, calibrations);
        const PolicyScope scope = config.num_experts > 0 ? scopeOf(part.arguments, text, config) : PolicyScope();
        if (part.kind.edit != nullptr) {
            edits.push_back({.rule = makeRule(part.kind.edit, part, text, config), .scope = scope});
            continue;
        }
        if (!coverage.add(scope) && !choosing.empty()) {
            throw Error({.what = "this part never acts, because those before it decide everywhere",
                         .where = where(text),
                         .expected = "",
                         .found = inQuotes(piece)});
        }
        choosing.push_back({.rule = makeRule(part.kind.choosing, part, text, config), .scope = scope});
    }
    if (choosing.empty() || !coverage.complete())
        choosing.push_back({.rule = kindNamed("model", config).choosing({}, config), .scope = PolicyScope()});
    return std::make_shared<RoutingPolicy>(std::move(normal), config, std::move(choosing), std::move(edits),
                                           std::move(calibrations));
}

std::shared_ptr<const RoutingPolicy> parsePolicy(std::string_view text, const ModelConfig& config,
                                                 std::string_view model_name, std::string_view model_hash) {
    auto policy = parsePolicy(text, config);
    requireCalibrationsOf(*policy, text, model_name, model_hash);
    return policy;
}

std::shared_ptr<const RoutingPolicy> parsePolicy(std::string_view text, const Model& model) {
    auto policy = parsePolicy(text, model.config);
    if (!policy->calibrations().empty()) requireCalibrationsOf(*policy, text, model.name, rememberedModelHash(model));
    return policy;
}

std::string measuringPolicy(std::string_view text, const ModelConfig& config) {
    std::string kept;
    for (const std::string_view piece : splitOutsideQuotes(text, '+')) {
        const ParsedPart part = parsePart(text, piece, config);
        // What a person has set by hand needs no measurement.
        const auto by_hand = [&](const char* key, const char* standard) {
            return part.arguments.has(key) && part.arguments.text(key) != standard;
        };
        const bool waits = part.spec.calibrated && !by_hand("calibration", "none") && !by_hand("experts", "none") &&
                           !by_hand("beta", "auto") && !by_hand("scale", "auto");
        if (!waits) {
            kept += (kept.empty() ? "" : "+") + part.text();
        } else if (part.kind.choosing != nullptr) {
            makeRule(part.kind.choosing, part, text, config);  // what does not fit together shows before it is measured
        }
    }
    return parsePolicy(kept.empty() ? "model" : kept, config)->text();
}

}  // namespace mixoscope
