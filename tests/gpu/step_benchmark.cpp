// How fast a CUDA device decodes a model of a published shape, with random weights made on the device: by lanes, by the
// way in which a step is launched, with and without traces, and where the time of a step goes. One JSON object on
// standard output.
//   step_benchmark [--model NAME] [--context TOKENS] [--steps N] [--lanes 1,8,32] [--launch together|phases|both]
//                  [--host]   on the host's emulation, to try the program itself
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <sstream>

#include "engine/device_processor.h"
#include "engine/random_model.h"
#include "kernels/float_formats.h"
#include "kernels/host_cuda/host_device.h"
#include "support/forward_runner.h"

namespace mixoscope {
namespace {

using kernels::DataType;
using kernels::Matrix;
using kernels::cuda::StepLaunch;
using kernels::cuda::StepPhase;

struct Options {
    std::string model = "qwen3-30b-a3b";
    std::int64_t context = 1024;
    int steps = 48;
    std::vector<std::int64_t> lanes{1, 8, 32};
    std::string launch = "both";
    bool host = false;
};

Options optionsFrom(int count, char** words) {
    Options options;
    for (int index = 1; index < count; ++index) {
        const std::string word = words[index];
        const auto value = [&]() -> std::string {
            if (index + 1 == count) throw Error({.what = "A value is missing", .where = word});
            return words[++index];
        };
        if (word == "--host") {
            options.host = true;
        } else if (word == "--model") {
            options.model = value();
        } else if (word == "--context") {
            options.context = std::stoll(value());
        } else if (word == "--steps") {
            options.steps = std::stoi(value());
        } else if (word == "--launch") {
            options.launch = value();
        } else if (word == "--lanes") {
            options.lanes.clear();
            std::istringstream list(value());
            for (std::string part; std::getline(list, part, ',');) options.lanes.push_back(std::stoll(part));
        } else {
            throw Error({.what = "There is no such option", .found = word});
        }
    }
    return options;
}

/// Weights of the shape without any values: only their shapes are read.
Weights shapesOf(const ModelConfig& config) {
    static const float nothing = 0.0F;
    const auto matrix = [](std::int64_t rows, std::int64_t columns) {
        return Matrix{&nothing, DataType::kBF16, rows, columns};
    };
    const auto ones = [](std::int64_t count) { return std::vector<float>(static_cast<std::size_t>(count), 1.0F); };
    const std::int64_t hidden = config.hidden_size;
    const std::int64_t queries = config.num_attention_heads * config.head_dim;
    const std::int64_t keys = config.num_key_value_heads * config.head_dim;
    Weights weights;
    weights.embed_tokens = matrix(config.vocab_size, hidden);
    weights.lm_head = weights.embed_tokens;
    if (!config.tie_word_embeddings) weights.lm_head.data = &nothing + 1;  // another matrix
    weights.final_norm = ones(hidden);
    for (std::int64_t index = 0; index < config.num_hidden_layers; ++index) {
        LayerWeights layer;
        layer.input_norm = layer.post_attention_norm = ones(hidden);
        layer.q_norm = layer.k_norm = ones(config.head_dim);
        layer.q_proj = matrix(queries, hidden);
        layer.k_proj = layer.v_proj = matrix(keys, hidden);
        layer.o_proj = matrix(hidden, queries);
        const bool moe = config.isMoeLayer(index);
        if (moe) layer.router = matrix(config.num_experts, hidden);
        const std::int64_t inner = moe ? config.moe_intermediate_size : config.intermediate_size;
        layer.experts.assign(moe ? static_cast<std::size_t>(config.num_experts) : 1,
                             {matrix(inner, hidden), matrix(inner, hidden), matrix(hidden, inner)});
        weights.layers.push_back(std::move(layer));
    }
    return weights;
}

/// Fills matrices from a block of random values on the device, each from another place of it.
class RandomUpload {
public:
    RandomUpload(kernels::cuda::Device& device, std::int64_t hidden_size)
        : m_block(device, kValues * 2, "random values") {
        std::mt19937 random(20250429);
        std::normal_distribution<float> normal(0.0F, 1.0F / std::sqrt(static_cast<float>(hidden_size)));
        std::vector<std::uint16_t> values(static_cast<std::size_t>(kValues));
        for (std::uint16_t& value : values) value = kernels::bf16FromFloat(normal(random));
        requireDevice(device, device.copyToDevice(m_block.data(), values.data(), kValues * 2));
    }
    kernels::cuda::DeviceStatus operator()(kernels::cuda::Device& device, const Matrix& w, std::byte* to,
                                           kernels::cuda::DeviceMatrix& uploaded) {
        const std::int32_t pieces = kernels::cuda::piecesOfRow(w.columns, w.type);
        uploaded = {.data = to,
                    .rows = static_cast<std::int32_t>(w.rows),
                    .columns = static_cast<std::int32_t>(w.columns),
                    .row_pieces = pieces,
                    .type = w.type};
        const std::int64_t bytes = kernels::cuda::deviceBytes(w.rows, w.columns, w.type);
        for (std::int64_t done = 0; done < bytes;) {
            const std::int64_t part = std::min(bytes - done, kValues * 2 - m_next);
            if (auto status = device.copyWithin(to + done, m_block.data() + m_next, part); !status.ok()) return status;
            done += part;
            m_next = m_next + part == kValues * 2 ? 0 : m_next + part;
        }
        m_next = (m_next + 4096 * 37) % (kValues * 2) / 256 * 256;
        return {};
    }

private:
    static constexpr std::int64_t kValues = std::int64_t{16} << 20;
    DeviceMemory m_block;
    std::int64_t m_next = 0;
};

const char* nameOf(StepPhase phase) {
    constexpr const char* kNames[] = {
        "embed",         "query_key_value", "store_key_value", "attention", "attention_output",
        "router_logits", "route",           "gate_up",         "down",      "logits"};
    return kNames[static_cast<std::size_t>(phase)];
}

/// Lanes that decode side by side, their context already in the cache (as zeros: what it holds costs no time).
class Decoding {
public:
    Decoding(kernels::cuda::Device& device, const DeviceWeights& weights, const Model& model, std::int64_t lanes,
             const Options& options, const DeviceStepOptions& step)
        : m_vocabulary(model.config.vocab_size),
          m_forward(device, weights, model, {.rows = lanes, .logit_rows = lanes},
                    lanes * kvPagesFor(options.context + options.steps + 1), step),
          m_routing(test::plainTopK(model.config)),
          m_record(traceShapeOf(model.config, 0, false), lanes) {
        for (std::int64_t lane = 0; lane < lanes; ++lane) {
            m_sequences.emplace_back(m_forward.cache());
            if (!m_sequences.back().extend(options.context)) throw std::bad_alloc();
        }
    }
    /// Milliseconds of one step.
    double step(bool traced) {
        std::vector<ForwardRow> rows;
        for (KvSequence& sequence : m_sequences) {
            const std::int64_t position = sequence.length();
            if (!sequence.extend(1)) throw std::bad_alloc();
            rows.push_back({.token = static_cast<TokenId>((m_token += 7919) % m_vocabulary),
                            .sequence = {sequence.pages(), position},
                            .routing = &m_routing,
                            .wants_logits = true});
        }
        const auto start = std::chrono::steady_clock::now();
        m_forward.run(rows, traced ? &m_record : nullptr);
        return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    }
    /// Experts that the last step's rows have between them, over all layers.
    std::int64_t distinctExperts() {
        std::int64_t count = 0;
        const auto slots = static_cast<std::size_t>(m_record.shape().slots);
        for (std::size_t layer = 0; layer < static_cast<std::size_t>(m_record.shape().moe_layers); ++layer) {
            std::set<std::int16_t> ids;
            for (std::int64_t row = 0; row < std::ssize(m_sequences); ++row) {
                const auto of_row = m_record.expertIds(row).subspan(layer * slots, slots);
                ids.insert(of_row.begin(), of_row.end());
            }
            count += std::ssize(ids);
        }
        return count;
    }
    std::map<std::string, double> phaseMicroseconds() const {
        std::map<std::string, double> times;
        for (const PhaseTime& time : m_forward.phaseTimes())
            times[nameOf(time.phase.phase)] += static_cast<double>(time.ended - time.began) / 1000.0;
        return times;
    }

private:
    std::int64_t m_vocabulary;
    std::int64_t m_token = 17;
    DeviceForwardPass m_forward;
    LaneRouting m_routing;
    RoutingRecord m_record;
    std::vector<KvSequence> m_sequences;
};

double median(std::vector<double> values) {
    std::ranges::sort(values);
    return values[values.size() / 2];
}

/// Bytes that a step must read: what every row needs once, the distinct experts, keys and values.
double bytesOfStep(const Model& model, std::int64_t distinct_experts, std::int64_t lanes, std::int64_t context) {
    const ModelConfig& config = model.config;
    const double expert = config.num_experts > 0
                              ? 3.0 * 2.0 * static_cast<double>(config.moe_intermediate_size * config.hidden_size)
                              : 0.0;
    const double once = static_cast<double>(model.bytesPerDecodedToken(0));
    const double cache = static_cast<double>(lanes * context * config.num_hidden_layers * 2 *
                                             config.num_key_value_heads * config.head_dim * 4);
    return once + expert * static_cast<double>(distinct_experts) + cache;
}

nlohmann::ordered_json measure(kernels::cuda::Device& device, const DeviceWeights& weights, const Model& model,
                               std::int64_t lanes, const Options& options, const DeviceStepOptions& step,
                               double bandwidth) {
    nlohmann::ordered_json json = {{"lanes", lanes},
                                   {"launch", step.launch == StepLaunch::kTogether ? "together" : "phases"},
                                   {"prefetch", step.prefetch}};
    std::vector<double> off;
    std::vector<double> on;
    Decoding decoding(device, weights, model, lanes, options, step);
    for (int warm = 0; warm < 4; ++warm) decoding.step(warm % 2 == 0);
    for (int index = 0; index + 4 < options.steps; ++index)
        (index % 2 == 0 ? on : off).push_back(decoding.step(index % 2 == 0));
    const double bytes = bytesOfStep(model, decoding.distinctExperts(), lanes, options.context);
    const double milliseconds = median(on);
    json["ms_per_step"] = milliseconds;
    json["ms_per_step_without_traces"] = median(off);
    json["probes_ratio"] = milliseconds / median(off);
    json["tokens_per_s"] = 1000.0 * static_cast<double>(lanes) / milliseconds;
    json["bytes_per_step"] = bytes;
    json["gb_per_s"] = bytes / milliseconds / 1e6;
    json["share_of_copy_bandwidth"] = bytes / milliseconds / 1e6 / bandwidth;
    if (step.times) json["phase_us"] = decoding.phaseMicroseconds();
    return json;
}

int run(const Options& options) {
    std::string failure;
    std::unique_ptr<kernels::cuda::Device> device =
        options.host ? kernels::host_cuda::makeHostDevice({}) : kernels::cuda::openCudaDevice(0, failure);
    if (device == nullptr) throw Error({.what = "No CUDA device can be used", .found = failure});
    Model model;
    model.name = "random:" + options.model;
    model.config = randomModelConfig(options.model);
    model.rotary = makeRotaryTable(model.config);
    model.weights = shapesOf(model.config);
    const double bandwidth = measureCopyBandwidth(*device);
    const auto start = std::chrono::steady_clock::now();
    RandomUpload random(*device, model.config.hidden_size);
    const DeviceWeights weights(*device, model.weights, nullptr, std::ref(random));
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    nlohmann::ordered_json json = {{"model", model.name},
                                   {"type", "BF16"},
                                   {"device", device->info().name},
                                   {"context", options.context},
                                   {"weight_bytes", weights.bytes()},
                                   {"fill_s", seconds},
                                   {"copy_bandwidth_gb_per_s", bandwidth},
                                   {"runs", nlohmann::ordered_json::array()}};
    for (const std::int64_t lanes : options.lanes) {
        for (const auto launch : {StepLaunch::kTogether, StepLaunch::kOneByOne}) {
            if (options.launch == "together" && launch != StepLaunch::kTogether) continue;
            if (options.launch == "phases" && launch != StepLaunch::kOneByOne) continue;
            for (const bool prefetch : {true, false}) {
                if (prefetch && launch == StepLaunch::kOneByOne) continue;  // has no grid to wait for
                for (const bool times : {false, true}) {
                    json["runs"].push_back(measure(*device, weights, model, lanes, options,
                                                   {.launch = launch, .prefetch = prefetch, .times = times},
                                                   bandwidth));
                    std::cerr << json["runs"].back().dump() << std::endl;
                }
            }
        }
    }
    std::cout << json.dump() << '\n';
    return 0;
}

}  // namespace
}  // namespace mixoscope

int main(int count, char** words) {
    try {
        return mixoscope::run(mixoscope::optionsFrom(count, words));
    } catch (const std::exception& error) {
        std::cerr << "step_benchmark: " << error.what() << '\n';
        return 1;
    }
}
