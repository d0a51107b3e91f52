// `mixoscope bench`: how fast a model is prefilled and decoded, against the memory's bandwidth, and what the
// probes and further lanes cost. Runs with and without probes, and of several lanes and of one, are interleaved step
// by step, and the bandwidth is measured between the rounds, so that whatever else the machine does meets all of them.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <iomanip>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "app/arguments.h"
#include "app/commands/command.h"
#include "app/commands/model_options.h"
#include "engine/forward.h"
#include "engine/generation.h"
#include "kernels/cpu/bandwidth.h"
#include "probes/aggregates.h"
#include "probes/trace_ring.h"
#include "sessions/probe_thread.h"

namespace mixoscope {

namespace {

constexpr int kRounds = 6;
constexpr std::size_t kRingSlots = 4096;
constexpr std::int64_t kBandwidthBytes = std::int64_t{512} << 20;
constexpr int kBandwidthPasses = 4;

using Clock = std::chrono::steady_clock;

struct BenchOptions {
    ModelOptions model;
    std::int32_t prompt = 64;
    std::int32_t decode = 64;
    std::int32_t lanes = 1;
    std::string policy = "model";
    std::string probes = "both";
    bool json = false;
};

/// The ring and the thread that the workbench has behind a generation.
class Probes {
public:
    Probes(const std::shared_ptr<LoadedModel>& loaded, std::int32_t slots)
        : m_ring(std::make_shared<TraceRing>(traceShapeOf(loaded->model.config, slots, false), kRingSlots)),
          m_thread(m_ring, makeAggregates(loaded), [](std::vector<LaneSnapshot>) {}) {}

    TraceSink& sink() { return *m_ring; }

private:
    std::unique_ptr<Aggregates> makeAggregates(const std::shared_ptr<LoadedModel>& loaded) const {
        return std::make_unique<Aggregates>(
            m_ring->shape(), loaded->model.config.norm_topk_prob,
            [loaded](TokenId id) { return loaded->tokenBytes(id); },
            static_cast<std::int32_t>(loaded->model.config.num_experts_per_tok));
    }
    std::shared_ptr<TraceRing> m_ring;
    ProbeThread m_thread;
};

/// One of the runs that are compared: a generation of some lanes with or without probes, and its times.
class Side {
public:
    Side(const std::shared_ptr<LoadedModel>& loaded, const BenchOptions& options, std::int32_t slots,
         std::int32_t lanes, bool with_probes)
        : m_probes(with_probes ? std::make_unique<Probes>(loaded, slots) : nullptr),
          m_generation(loaded->model, *loaded->backend,
                       {.context_tokens = options.prompt + options.decode + 1, .max_lanes = lanes, .slots = slots},
                       m_probes ? &m_probes->sink() : nullptr) {
        LaneSettings settings;
        settings.policy = options.policy;
        settings.sampling.greedy = true;
        settings.ignore_eos = true;
        settings.max_tokens = options.decode;
        for (std::int32_t lane = 0; lane < lanes; ++lane) m_lanes.push_back(m_generation.addLane(settings));
    }

    /// `prompts`: of as many lanes or more.
    void start(const std::vector<std::vector<TokenId>>& prompts) {
        for (std::size_t lane = 0; lane < m_lanes.size(); ++lane) {
            m_generation.startTurn(m_lanes[lane], prompts[lane], false);
        }
    }
    bool step() {
        const bool prefill = m_generation.status(m_lanes.front()).state == LaneState::kPrefill;
        const Clock::time_point start = Clock::now();
        if (!m_generation.step()) return false;
        const double elapsed = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
        if (prefill) {
            m_prefill_ms += elapsed;
        } else {
            m_decode_ms.push_back(elapsed);
        }
        return true;
    }

    double prefillMilliseconds() const { return m_prefill_ms; }
    double decodeMilliseconds() const {
        double sum = 0.0;
        for (const double step : m_decode_ms) sum += step;
        return sum;
    }
    std::size_t decodeSteps() const { return m_decode_ms.size(); }
    double medianDecodeMilliseconds() const {
        std::vector<double> sorted = m_decode_ms;
        const auto middle = sorted.begin() + std::ssize(sorted) / 2;
        std::ranges::nth_element(sorted, middle);
        return *middle;
    }
    double sinkShare() const {
        const GenerationTimes times = m_generation.times();
        return times.sink_ms / (times.step_ms + times.sink_ms);
    }
    bool probes() const { return m_probes != nullptr; }
    std::size_t lanes() const { return m_lanes.size(); }

private:
    std::unique_ptr<Probes> m_probes;
    Generation m_generation;
    std::vector<LaneId> m_lanes;
    double m_prefill_ms = 0.0;
    std::vector<double> m_decode_ms;
};

/// What decoding is held against: the read bandwidth of the host's memory, or the copy bandwidth of a device's.
class Bandwidth {
public:
    Bandwidth(Processor& processor, int threads) : m_processor(processor) {
        if (!processor.measureCopyBandwidth()) m_of_host.emplace(threads, kBandwidthBytes);
    }
    void measure() {
        if (m_of_host) return m_of_host->measure(kBandwidthPasses);
        const double measured = *m_processor.measureCopyBandwidth();
        m_sum += measured;
        m_best = std::max(m_best, measured);
        ++m_measured;
    }
    double mean() const { return m_of_host ? m_of_host->mean() : m_sum / m_measured; }
    double best() const { return m_of_host ? m_of_host->best() : m_best; }
    /// "read" or "copy", as in the keys of the JSON output.
    std::string kind() const { return m_of_host ? "read" : "copy"; }

private:
    Processor& m_processor;
    std::optional<kernels::ReadBandwidth> m_of_host;
    double m_sum = 0.0;
    double m_best = 0.0;
    int m_measured = 0;
};

/// Ids spread over the vocabulary, other ones for each lane and round, so that no prefix is reused.
std::vector<std::vector<TokenId>> makePrompts(const BenchOptions& options, std::int64_t vocab_size, int round) {
    std::vector<std::vector<TokenId>> prompts(static_cast<std::size_t>(options.lanes));
    for (std::size_t lane = 0; lane < prompts.size(); ++lane) {
        for (std::int32_t position = 0; position < options.prompt; ++position) {
            const std::int64_t mixed =
                position * 7919 + static_cast<std::int64_t>(lane) * 104729 + round * 1299709 + 17;
            prompts[lane].push_back(static_cast<TokenId>(mixed % vocab_size));
        }
    }
    return prompts;
}

void runRound(std::vector<std::unique_ptr<Side>>& sides, const std::vector<std::vector<TokenId>>& prompts) {
    for (const auto& side : sides) side->start(prompts);
    for (bool more = true; more;) {
        more = false;
        for (const auto& side : sides) more = side->step() || more;
        std::ranges::reverse(sides);  // who comes first changes with every step
    }
}

/// `alone`: the run of one lane beside it; null where the side itself has one.
nlohmann::ordered_json sideJson(const Side& side, const Side* alone, const BenchOptions& options,
                                std::int64_t bytes_per_token, const Bandwidth& bandwidth) {
    const double lanes = options.lanes;
    const double prefill_tokens = lanes * options.prompt * kRounds;
    const double decode_tokens = lanes * static_cast<double>(side.decodeSteps());
    const double tokens_per_s = decode_tokens / side.decodeMilliseconds() * 1000.0;
    nlohmann::ordered_json json = {
        {"prefill_tokens_per_s", prefill_tokens / side.prefillMilliseconds() * 1000.0},
        {"decode_tokens_per_s", tokens_per_s},
        {"decode_ms_per_step", side.decodeMilliseconds() / static_cast<double>(side.decodeSteps())},
        {"decode_ms_per_step_median", side.medianDecodeMilliseconds()}};
    if (options.lanes == 1) {  // beside others a lane shares reads with them
        const double achieved = static_cast<double>(bytes_per_token) * tokens_per_s / 1e9;
        json["decode_gb_per_s"] = achieved;
        json["share_of_" + bandwidth.kind() + "_bandwidth"] = achieved / bandwidth.mean();
    }
    if (alone != nullptr) {
        const double alone_ms = alone->decodeMilliseconds() / static_cast<double>(alone->decodeSteps());
        json["decode_ms_per_step_of_one_lane"] = alone_ms;
        json["lanes_ratio"] = json["decode_ms_per_step"].get<double>() / alone_ms;
        json["lanes_ratio_median"] = side.medianDecodeMilliseconds() / alone->medianDecodeMilliseconds();
    }
    if (side.probes()) json["sink_share"] = side.sinkShare();
    return json;
}

nlohmann::ordered_json measure(const BenchOptions& options) {
    const auto loaded = options.model.load();
    const Model& model = loaded->model;
    const int experts = parsePolicy(options.policy, model)->maxSlots();
    const std::int32_t slots = std::max(experts, static_cast<std::int32_t>(model.config.num_experts_per_tok));
    Bandwidth bandwidth(*loaded->backend, options.model.threads);

    std::vector<std::unique_ptr<Side>> sides;
    for (const bool probes : {false, true}) {
        if (options.probes == (probes ? "off" : "on")) continue;
        sides.push_back(std::make_unique<Side>(loaded, options, slots, options.lanes, probes));
        if (options.lanes > 1) sides.push_back(std::make_unique<Side>(loaded, options, slots, 1, probes));
    }
    for (int round = 0; round < kRounds; ++round) {
        bandwidth.measure();
        runRound(sides, makePrompts(options, model.config.vocab_size, round));
    }
    bandwidth.measure();

    const std::int64_t bytes_per_token = model.bytesPerDecodedToken(experts);
    nlohmann::ordered_json json = {{"model", model.name},
                                   {"backend", loaded->backend->name()},
                                   {"policy", options.policy},
                                   {"lanes", options.lanes},
                                   {"prompt_tokens", options.prompt},
                                   {"decode_tokens", options.decode},
                                   {"rounds", kRounds},
                                   {"bytes_per_token", bytes_per_token},
                                   {bandwidth.kind() + "_bandwidth_gb_per_s", bandwidth.mean()},
                                   {bandwidth.kind() + "_bandwidth_best_gb_per_s", bandwidth.best()},
                                   {"probes", nlohmann::ordered_json::object()}};
    const auto find = [&](bool probes, std::int32_t lanes) -> const Side* {
        for (const auto& side : sides) {
            if (side->probes() == probes && side->lanes() == static_cast<std::size_t>(lanes)) return side.get();
        }
        return nullptr;
    };
    const Side* off = find(false, options.lanes);
    const Side* on = find(true, options.lanes);
    for (const Side* side : {off, on}) {
        if (side == nullptr) continue;
        const Side* alone = options.lanes > 1 ? find(side->probes(), 1) : nullptr;
        json["probes"][side->probes() ? "on" : "off"] = sideJson(*side, alone, options, bytes_per_token, bandwidth);
    }
    if (off != nullptr && on != nullptr) {
        json["probes_ratio"] = on->decodeMilliseconds() / off->decodeMilliseconds();
        json["probes_ratio_median"] = on->medianDecodeMilliseconds() / off->medianDecodeMilliseconds();
    }
    return json;
}

void writeText(const nlohmann::ordered_json& json, std::ostream& out) {
    const std::string kind = json.contains("read_bandwidth_gb_per_s") ? "read" : "copy";
    out << std::fixed << std::setprecision(2) << json["model"].get<std::string>() << " on "
        << json["backend"].get<std::string>() << ", " << json["lanes"] << " lane(s), " << json["prompt_tokens"] << " + "
        << json["decode_tokens"] << " tokens, " << json["rounds"] << " rounds\n"
        << "Weights read a token    " << json["bytes_per_token"].get<double>() / 1e6 << " MB\n"
        << (kind == "read" ? "Read bandwidth          " : "Copy bandwidth          ")
        << json[kind + "_bandwidth_gb_per_s"].get<double>() << " GB/s between the rounds, at best "
        << json[kind + "_bandwidth_best_gb_per_s"].get<double>() << '\n';
    for (const auto& [name, side] : json["probes"].items()) {
        out << "Probes " << std::left << std::setw(17) << name << "prefill "
            << side["prefill_tokens_per_s"].get<double>() << " tokens/s, decode "
            << side["decode_tokens_per_s"].get<double>() << " tokens/s";
        if (side.contains("decode_gb_per_s")) {
            out << " = " << side["decode_gb_per_s"].get<double>() << " GB/s, "
                << 100.0 * side["share_of_" + kind + "_bandwidth"].get<double>() << " % of the bandwidth";
        }
        if (side.contains("lanes_ratio")) {
            out << ", a step " << side["lanes_ratio"].get<double>() << " x that of one lane, by medians "
                << side["lanes_ratio_median"].get<double>();
        }
        out << '\n';
    }
    if (json.contains("probes_ratio")) {
        out << std::setprecision(4) << "Probes on / off         " << json["probes_ratio"].get<double>()
            << " in time, by medians " << json["probes_ratio_median"].get<double>() << '\n';
    }
}

}  // namespace

void addBenchCommand(CLI::App& program, CommandAction& action) {
    auto options = std::make_shared<BenchOptions>();
    CLI::App* command =
        program.add_subcommand("bench", "Speed of prefill and decode, and the cost of probes and further lanes");
    options->model.addModel(*command);
    options->model.addBackend(*command);
    command->add_option("--prompt", options->prompt, "Tokens of each prompt")
        ->check(CLI::Range(1, 1 << 20))
        ->capture_default_str();
    command->add_option("--decode", options->decode, "Tokens decoded after it")
        ->check(CLI::Range(2, 1 << 20))
        ->capture_default_str();
    command->add_option("--lanes", options->lanes, "Sequences in one batch")
        ->check(CLI::Range(1, 64))
        ->capture_default_str();
    command->add_option("--policy", options->policy, "Routing policy; mixoscope policies lists them")
        ->capture_default_str();
    command->add_option("--probes", options->probes, "off, on, or both, interleaved in one run")
        ->check(CLI::IsMember({"off", "on", "both"}))
        ->capture_default_str();
    command->add_flag("--json", options->json, "As one JSON object");
    command->callback([options, &action] {
        action = [options](CommandStreams& streams) {
            const nlohmann::ordered_json measured = measure(*options);
            if (options->json) {
                streams.out << measured.dump() << '\n';
            } else {
                writeText(measured, streams.out);
            }
            return kDone;
        };
    });
}

}  // namespace mixoscope
