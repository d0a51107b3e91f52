// `mixoscope policies`: the routing policies that there are for a model, as they describe themselves.
#include <nlohmann/json.hpp>
#include <sstream>

#include "app/arguments.h"
#include "app/commands/command.h"
#include "app/commands/model_options.h"
#include "engine/routing_policy.h"

namespace mixoscope {

namespace {

const char* typeName(ParameterType type) {
    switch (type) {
        case ParameterType::kInteger:
            return "integer";
        case ParameterType::kNumber:
            return "number";
        case ParameterType::kBoolean:
            return "boolean";
        case ParameterType::kText:
            return "text";
        case ParameterType::kChoice:
            return "choice";
        case ParameterType::kChoices:
            return "choices";
        case ParameterType::kList:
            return "list";
        case ParameterType::kFile:
            return "file";
    }
    return "?";
}

bool hasRange(const ParameterSpec& parameter) {
    return parameter.type == ParameterType::kInteger || parameter.type == ParameterType::kNumber ||
           parameter.type == ParameterType::kList;
}

nlohmann::ordered_json parameterJson(const ParameterSpec& parameter) {
    nlohmann::ordered_json json = {{"key", parameter.key}, {"type", typeName(parameter.type)}};
    if (hasRange(parameter)) {
        json["minimum"] = parameter.minimum;
        json["maximum"] = parameter.maximum;
    }
    if (!parameter.choices.empty()) json["choices"] = parameter.choices;
    if (!parameter.also.empty()) json["also"] = parameter.also;
    json["default"] = nullptr;  // it must be given
    if (!parameter.default_value.empty()) json["default"] = parameter.default_value;
    json["scope"] = parameter.scope;
    json["help"] = parameter.help;
    return json;
}

nlohmann::ordered_json policyJson(const PolicySpec& spec) {
    nlohmann::ordered_json json = {{"name", spec.name},
                                   {"role", spec.role == PolicyRole::kEdits ? "edits" : "chooses"},
                                   {"help", spec.help},
                                   {"source", spec.source},
                                   {"cost", spec.cost},
                                   {"causal", spec.causal},
                                   {"view", spec.view.empty() ? "row" : spec.view},
                                   {"calibrated", spec.calibrated},
                                   {"parameters", nlohmann::ordered_json::array()}};
    for (const ParameterSpec& parameter : spec.parameters) json["parameters"].push_back(parameterJson(parameter));
    return json;
}

std::string shortNumber(double value) {
    std::ostringstream text;
    text << value;
    return text.str();
}

void writeParameter(const ParameterSpec& parameter, std::ostream& out) {
    std::string values;
    if (hasRange(parameter)) values = shortNumber(parameter.minimum) + " to " + shortNumber(parameter.maximum);
    for (const std::string& choice : parameter.choices) values += (values.empty() ? "" : ", ") + choice;
    if (parameter.type == ParameterType::kBoolean) values = "true, false";
    if (parameter.type == ParameterType::kFile) values = "path";
    if (!parameter.also.empty()) values += ", or " + parameter.also;
    const std::string standard =
        parameter.default_value.empty() ? "must be given" : "default " + parameter.default_value;
    out << "    " << parameter.key << " (" << values << "; " << standard << ")  " << parameter.help << '\n';
}

void writeText(const std::vector<PolicySpec>& specs, std::ostream& out) {
    out << "A policy is NAME[:key=value,...], and several joined by +. The first choosing part that covers a token\n"
           "decides, then all edits act; what no part covers gets the checkpoint's own rule.\n";
    for (const PolicySpec& spec : specs) {
        out << '\n' << spec.name << (spec.role == PolicyRole::kEdits ? " (edits)" : "") << '\n';
        out << "    " << spec.help << ".\n    Source: " << spec.source << ". Cost: " << spec.cost << ".\n";
        for (const ParameterSpec& parameter : spec.parameters) {
            if (!parameter.scope) writeParameter(parameter, out);
        }
    }
    out << "\nEvery part\n";
    for (const ParameterSpec& parameter : specs.front().parameters) writeParameter(parameter, out);
}

struct PoliciesOptions {
    ModelOptions model;
    bool json = false;
};

}  // namespace

void addPoliciesCommand(CLI::App& program, CommandAction& action) {
    auto options = std::make_shared<PoliciesOptions>();
    CLI::App* command = program.add_subcommand("policies", "The routing policies for a model, with their parameters");
    options->model.addModel(*command);
    command->add_flag("--json", options->json, "As a JSON array");
    command->callback([options, &action] {
        action = [options](CommandStreams& streams) {
            const std::vector<PolicySpec> specs = policySpecs(options->model.open().config);
            if (options->json) {
                nlohmann::ordered_json json = nlohmann::ordered_json::array();
                for (const PolicySpec& spec : specs) json.push_back(policyJson(spec));
                streams.out << json.dump() << '\n';
            } else {
                writeText(specs, streams.out);
            }
            return kDone;
        };
    });
}

}  // namespace mixoscope
