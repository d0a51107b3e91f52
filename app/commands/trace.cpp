// `mixoscope trace`: one forward pass over given ids, with all logits, experts and router probabilities, as JSON.
#include <fstream>
#include <nlohmann/json.hpp>

#include "app/arguments.h"
#include "app/commands/command.h"
#include "app/commands/model_options.h"
#include "engine/error.h"
#include "engine/processor.h"

namespace mixoscope {

namespace {

constexpr std::size_t kChunkRows = 128;

struct TraceOptions {
    ModelOptions model;
    std::string ids;
    std::string policy = "model";
    std::string out;
};

/// The arrays of one MoE layer, a row a token.
struct LayerArrays {
    nlohmann::json experts = nlohmann::json::array();
    nlohmann::json weights = nlohmann::json::array();
    nlohmann::json probabilities = nlohmann::json::array();
};

template <typename T>
nlohmann::json slice(std::span<const T> values, std::size_t first, std::size_t count) {
    const std::span<const T> part = values.subspan(first, count);
    return std::vector<T>(part.begin(), part.end());
}

void addRow(RoutingRecord& record, std::int64_t row, std::vector<LayerArrays>& layers) {
    const auto slots = static_cast<std::size_t>(record.shape().slots);
    const auto experts = static_cast<std::size_t>(record.shape().experts);
    for (std::size_t layer = 0; layer < layers.size(); ++layer) {
        // Unused slots come last; what is written has as many entries as experts ran.
        const std::span<const std::int16_t> ids =
            std::span<const std::int16_t>(record.expertIds(row)).subspan(layer * slots, slots);
        const auto used = static_cast<std::size_t>(std::ranges::count_if(ids, [](std::int16_t id) { return id >= 0; }));
        layers[layer].experts.push_back(slice(ids, 0, used));
        layers[layer].weights.push_back(slice(std::span<const float>(record.expertWeights(row)), layer * slots, used));
        layers[layer].probabilities.push_back(
            slice(std::span<const float>(record.distributions(row)), layer * experts, experts));
    }
}

nlohmann::json traceIds(const Model& model, Processor& processor, std::span<const TokenId> ids,
                        std::shared_ptr<const RoutingPolicy> policy) {
    const std::int64_t slots = std::max<std::int64_t>(policy->maxSlots(), 1);
    const auto rows = static_cast<std::int64_t>(std::min(ids.size(), kChunkRows));
    const auto forward =
        processor.makeForwardPass(model, {.rows = rows, .logit_rows = 1, .slots = slots}, kvPagesFor(std::ssize(ids)));
    KvSequence sequence(forward->cache());
    LaneRouting routing(std::move(policy), model.config, rows);
    RoutingRecord record(traceShapeOf(model.config, slots, true), rows);
    std::vector<LayerArrays> layers(static_cast<std::size_t>(record.shape().moe_layers));
    nlohmann::json logits;
    for (std::size_t first = 0; first < ids.size(); first += kChunkRows) {
        const std::size_t count = std::min(ids.size() - first, kChunkRows);
        if (!sequence.extend(static_cast<std::int64_t>(count))) throw std::bad_alloc();
        std::vector<ForwardRow> batch;
        for (std::size_t position = first; position < first + count; ++position) {
            batch.push_back({.token = ids[position],
                             .sequence = {.pages = sequence.pages(), .position = static_cast<std::int64_t>(position)},
                             .routing = &routing,
                             .wants_logits = position + 1 == ids.size()});
        }
        const kernels::RowsIn last = forward->run(batch, &record);
        for (std::int64_t row = 0; row < std::ssize(batch); ++row) addRow(record, row, layers);
        if (last.count > 0) logits = std::vector<float>(last.row(0), last.row(0) + last.columns);
    }
    nlohmann::json traced = {{"logits", std::move(logits)}, {"layers", nlohmann::json::array()}};
    const std::vector<std::int32_t> model_layers = model.config.moeLayers();
    for (std::size_t layer = 0; layer < layers.size(); ++layer) {
        traced["layers"].push_back({{"layer", model_layers[layer]},
                                    {"experts", std::move(layers[layer].experts)},
                                    {"weights", std::move(layers[layer].weights)},
                                    {"probabilities", std::move(layers[layer].probabilities)}});
    }
    return traced;
}

void write(const nlohmann::json& value, const std::string& file_name) {
    std::ofstream file(file_name);
    file << value.dump() << '\n';
    file.close();
    if (!file) throw Error({.what = "The file cannot be written", .where = file_name});
}

int runTrace(const TraceOptions& options, CommandStreams& streams) {
    const Model model = options.model.open();
    const std::vector<TokenId> ids = parseIds(options.ids, "--ids", model.config.vocab_size);
    if (std::ssize(ids) > model.config.max_position_embeddings) {
        throw Error({.what = "These are more tokens than the model's context holds",
                     .where = "--ids",
                     .expected = "at most " + std::to_string(model.config.max_position_embeddings),
                     .found = std::to_string(ids.size())});
    }
    const auto policy = parsePolicy(options.policy, model);
    const auto processor = options.model.processor(model);
    const nlohmann::json traced = traceIds(model, *processor, ids, policy);
    if (options.out.empty()) {
        streams.out << traced.dump() << '\n';
    } else {
        write(traced, options.out);
    }
    return kDone;
}

}  // namespace

void addTraceCommand(CLI::App& program, CommandAction& action) {
    auto options = std::make_shared<TraceOptions>();
    CLI::App* command = program.add_subcommand("trace", "One forward pass over ids, with its routing, as JSON");
    options->model.addModel(*command);
    options->model.addBackend(*command);
    command->add_option("--ids", options->ids, "Token ids, separated by commas")->required();
    command->add_option("--policy", options->policy, "Routing policy; mixoscope policies lists them")
        ->capture_default_str();
    command->add_option("--out", options->out, "Write into this file instead of standard output");
    command->callback(
        [options, &action] { action = [options](CommandStreams& streams) { return runTrace(*options, streams); }; });
}

}  // namespace mixoscope
