// Routing policies: one row's router distribution → experts and weights. A policy is written as text, the same in
// window, command line and session file:
//
//   policy = part { "+" part }            part = name [ ":" key=value { "," key=value } ]
//
// A part either chooses experts (model, top-k, top-p …) or edits the choice (ban, force, bias, prune). Every part may
// be restricted by `layers`, `phase`, `tokens` and `positions`; where several choosing parts apply the first one
// decides, where none does the checkpoint's own rule. All edits that apply act together. So "8 experts while thinking,
// 4 else" is
//
//   top-k:k=8,phase=thinking+top-k:k=4
//
// Lists are numbers and ranges separated by "/" (layers=0-11/20, experts=3-5/17), choices likewise
// (phase=prompt/thinking). A value with one of , + " in it, such as a file's path, is put in double quotes; a quote in
// it is written twice.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/config.h"
#include "engine/policy_scope.h"
#include "engine/routing_rule.h"

namespace mixoscope {

class Model;

enum class ParameterType : std::uint8_t {
    kInteger,
    kNumber,
    kBoolean,
    kText,
    kChoice,   // one of `choices`
    kChoices,  // several of `choices`, separated by "/"
    kList,     // numbers and ranges from minimum to maximum: 3-5/17
    kFile,     // path of a file
};

/// One parameter, as the window and the command line describe it.
struct ParameterSpec {
    std::string key;
    ParameterType type = ParameterType::kInteger;
    double minimum = 0.0;
    double maximum = 0.0;
    std::string default_value;  // empty: it must be given
    std::string help;
    std::vector<std::string> choices = {};
    std::string also = {};      // a word that is valid besides: "inf", "all", "none", "auto"
    bool always_shown = false;  // part of the normal form also where it has its default, because that is the model's
    bool scope = false;         // one of the restrictions that every part takes
};

enum class PolicyRole : std::uint8_t { kChooses, kEdits };

struct PolicySpec {
    std::string name;
    std::string help;
    std::vector<ParameterSpec> parameters;
    PolicyRole role = PolicyRole::kChooses;
    std::string source = {};  // paper or project that the rule comes from
    std::string cost = {};    // what it costs or saves
    bool causal = true;       // at its defaults a token's experts never depend on later tokens (policy_view.h)
    std::string view = {};    // what it looks at besides the row, at its defaults: "" nothing, "step", "history"
    bool calibrated = false;  // it can use, or needs, a calibration file
};

struct ChoosingPart {
    std::shared_ptr<const ChoosingRule> rule;
    PolicyScope scope;
};

struct EditPart {
    std::shared_ptr<const EditRule> rule;
    PolicyScope scope;
};

/// A calibration file that a policy uses, with the model that it was made for.
struct CalibrationUse {
    std::string file;
    std::string model_name;
    std::string model_hash;
};

/// A whole policy; immutable, shared by whoever runs it. What it keeps for a lane is in LaneRouting.
class RoutingPolicy {
public:
    /// `choosing` covers every layer and token. Throws Error, naming `text`, when the edits leave some token without
    /// any expert or force one that they take away.
    RoutingPolicy(std::string text, const ModelConfig& config, std::vector<ChoosingPart> choosing,
                  std::vector<EditPart> edits, std::vector<CalibrationUse> calibrations = {});

    /// The policy's text in its normal form; parsePolicy(text()) gives an equal policy.
    const std::string& text() const { return m_text; }
    /// Largest number of selections that a row can get in a layer.
    int maxSlots() const { return m_max_slots; }
    const std::vector<ChoosingPart>& choosing() const { return m_choosing; }
    const std::vector<EditPart>& edits() const { return m_edits; }
    const std::vector<CalibrationUse>& calibrations() const { return m_calibrations; }
    bool removesExperts() const { return m_removes; }

    /// Whether a token's routing depends on its phase or kind.
    bool dependsOnTokenClass() const;
    /// Whether it depends on the other rows of the lane in the same step, so on how a prompt is cut into chunks.
    bool dependsOnStep() const;
    /// Whether it depends on the lane's earlier rows.
    bool dependsOnHistory() const;

private:
    void checkEdits(const ModelConfig& config) const;
    void checkEditsAt(const ModelConfig& config, int layer, int token_class, std::int64_t position) const;

    std::string m_text;
    std::vector<ChoosingPart> m_choosing;
    std::vector<EditPart> m_edits;
    std::vector<CalibrationUse> m_calibrations;
    int m_max_slots = 0;
    bool m_removes = false;
};

/// A part of a policy's text as it is written: only the values that are there, without quotes, whether they fit or not.
struct PolicyPart {
    struct Value {
        std::string key;
        std::string text;

        bool operator==(const Value&) const = default;
    };
    std::string name;
    std::vector<Value> values;

    bool operator==(const PolicyPart&) const = default;
};

/// The parts of a text, which says nothing of names, keys and values yet. Throws Error where the grammar is not kept.
std::vector<PolicyPart> splitPolicy(std::string_view text);
/// The text of these parts, with quotes where the grammar needs them: splitPolicy(joinPolicy(p)) == p.
std::string joinPolicy(const std::vector<PolicyPart>& parts);

/// Policies that exist, for the model given (ranges depend on it).
std::vector<PolicySpec> policySpecs(const ModelConfig& config);

/// Throws Error naming the key when the text is no policy of this model.
std::shared_ptr<const RoutingPolicy> parsePolicy(std::string_view text, const ModelConfig& config);

/// The same, and each calibration file that the policy uses must have been made for this very model; an Error names
/// both models' hashes.
std::shared_ptr<const RoutingPolicy> parsePolicy(std::string_view text, const Model& model);
/// The same of a model that is not at hand but known by its name and modelHash().
std::shared_ptr<const RoutingPolicy> parsePolicy(std::string_view text, const ModelConfig& config,
                                                 std::string_view model_name, std::string_view model_hash);

/// The policy, in its normal form, under which one that lacks its calibration is to be measured: without the parts that
/// a calibration is for and that do not name one. Throws Error as parsePolicy does.
std::string measuringPolicy(std::string_view text, const ModelConfig& config);

}  // namespace mixoscope
