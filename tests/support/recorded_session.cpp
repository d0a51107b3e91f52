#include "support/recorded_session.h"

#include <numeric>

#include "sessions/session_file.h"

namespace mixoscope::test {

SessionModel syntheticModel(const TraceShape& shape) {
    SessionModel model;
    model.name = "synthetic";
    model.directory = "/models/synthetic";
    model.config_json = R"({"num_experts":16})";
    model.files_json = R"([{"path":"model.safetensors","bytes":1234}])";
    model.shape = shape;
    model.moe_layers.resize(static_cast<std::size_t>(shape.moe_layers));
    std::iota(model.moe_layers.begin(), model.moe_layers.end(), 1);
    model.weights_sum_to_one = true;
    model.experts_per_token = shape.slots;
    return model;
}

RecordingOptions syntheticRecording(const std::filesystem::path& file, const TraceShape& shape) {
    RecordingOptions options;
    options.file = file;
    options.model = syntheticModel(shape);
    options.metadata = {{"title", "What is 2 + 3?"}};
    options.token_bytes = syntheticBytes;
    return options;
}

std::vector<Record> replayed(const std::filesystem::path& file) {
    KeepingSink sink;
    SessionReader(file).replay([&](const StepTrace& trace) { sink.onRow(trace); },
                               [&](const LaneEvent& event) { sink.onEvent(event); });
    return std::move(sink.records);
}

std::vector<Record> recordSession(const std::filesystem::path& file, const TraceShape& shape, int turns,
                                  std::uint32_t seed) {
    RingAndKeeper sink(shape, 4096);
    SyntheticEngine engine(shape, seed, sink);
    Recorder recorder(syntheticRecording(file, shape), sink.ring, sink.ring->makeReader());
    for (int turn = 0; turn < turns; ++turn) {
        recorder.addMessage(turn, Role::kUser, "question, \"" + std::to_string(turn) + "\"\nsecond line",
                            ThinkingMode::kThink);
        recorder.addTurnSettings(turn, 0, {});
        engine.play(0, {.kept = turn * 3, .prompt = 12 + turn, .thinking = turn, .answer = 6});
        recorder.addMessage(turn, Role::kAssistant, "answer", ThinkingMode::kThink);
    }
    return std::move(sink.kept.records);
}

}  // namespace mixoscope::test
