// Opening model directories: what is read, and one clear error for everything that can be wrong with the files.
#include "engine/model.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cmath>
#include <functional>
#include <limits>

#include "engine/error.h"
#include "engine/generation.h"
#include "engine/weights.h"
#include "support/forward_runner.h"
#include "support/temporary_directory.h"
#include "support/tiny_model.h"

namespace mixoscope::test {
namespace {

using kernels::DataType;
using nlohmann::json;

std::string openMessage(const std::filesystem::path& directory) {
    try {
        openModelDirectory(directory);
    } catch (const Error& error) {
        return error.what();
    }
    return "no Error was thrown";
}

void expectMessage(const std::string& message, std::initializer_list<const char*> parts) {
    for (const char* part : parts)
        EXPECT_NE(message.find(part), std::string::npos) << part << " is not in: " << message;
}

/// A tiny checkpoint on disk, to be damaged.
class ModelFiles : public testing::Test {
protected:
    void SetUp() override { writeTinyModel(path()); }
    const std::filesystem::path& path() const { return m_directory.path(); }
    std::filesystem::path file(const std::string& name) const { return m_directory / name; }
    std::string message() const { return openMessage(path()); }

    void writeConfig(const json& changes) {
        json config = tinyConfig();
        config.update(changes);
        writeFile(file("config.json"), config.dump());
    }
    void writeTensors(const SafetensorsWriter& writer) { writeFile(file("model.safetensors"), writer.bytes()); }

    /// Overwrites one value of a tensor of an F32 checkpoint.
    void poison(const std::string& tensor, std::size_t index, float value) {
        SafetensorsWriter writer = tinyTensors();
        const std::size_t begin = writer.header()[tensor]["data_offsets"][0].get<std::size_t>();
        std::memcpy(writer.data().data() + begin + index * sizeof value, &value, sizeof value);
        writeTensors(writer);
    }

    /// Splits the checkpoint into two shards with an index.
    json writeShards() {
        const SafetensorsWriter whole = tinyTensors();
        SafetensorsWriter shards[2];
        json map = json::object();
        SafetensorsWriter source = whole;
        int next = 0;
        for (const auto& [name, entry] : source.header().items()) {
            const std::size_t begin = entry["data_offsets"][0].get<std::size_t>();
            const std::size_t end = entry["data_offsets"][1].get<std::size_t>();
            std::vector<float> values((end - begin) / sizeof(float));
            std::memcpy(values.data(), source.data().data() + begin, end - begin);
            shards[next].add(name, DataType::kF32, entry["shape"].get<std::vector<std::int64_t>>(), values);
            map[name] = next == 0 ? "model-00001-of-00002.safetensors" : "model-00002-of-00002.safetensors";
            next = 1 - next;
        }
        std::filesystem::remove(file("model.safetensors"));
        writeFile(file("model-00001-of-00002.safetensors"), shards[0].bytes());
        writeFile(file("model-00002-of-00002.safetensors"), shards[1].bytes());
        const json index = {{"metadata", {{"total_size", whole.bytes().size()}}}, {"weight_map", map}};
        writeIndex(index);
        return index;
    }
    void writeIndex(const json& index) { writeFile(file("model.safetensors.index.json"), index.dump()); }

private:
    TemporaryDirectory m_directory;
};

std::vector<float> logitsOf(const Model& model) {
    const std::unique_ptr<kernels::Backend> backend = kernels::makeReferenceBackend();
    ForwardRunner runner(model, *backend, 16, 16);
    runner.feed(std::vector<TokenId>{10, 200, 3, 3, 77}, 16);
    return runner.fed().logits.back();
}

TEST_F(ModelFiles, OpenAndTellWhatTheyHold) {
    std::vector<std::string> lines;
    const Model model = openModelDirectory(path(), [&lines](std::string_view line) { lines.emplace_back(line); });
    EXPECT_EQ(model.name, path().filename().string());
    EXPECT_EQ(openModelDirectory(path().string() + "/").name, model.name);
    EXPECT_EQ(model.config.num_experts, 8);
    EXPECT_EQ(model.generation_config.eos_token_ids, (std::vector<TokenId>{kTinyEnd, kTinyEndOfText}));
    ASSERT_TRUE(model.tokenizer.has_value());
    EXPECT_EQ(model.tokenizer->find("</think>"), kTinyThinkClose);
    EXPECT_EQ(model.thinking_support, ThinkingSupport::kHybrid);
    ASSERT_EQ(model.files.size(), 1U);
    EXPECT_EQ(model.files[0].bytes, static_cast<std::int64_t>(std::filesystem::file_size(file("model.safetensors"))));
    EXPECT_GE(lines.size(), 3U);
}

TEST_F(ModelFiles, AreCountedInParametersAndBytes) {
    const Model model = openModelDirectory(path());
    const std::int64_t attention = 32 * 32 + 2 * 16 * 32 + 32 * 32;
    const std::int64_t expert = 3 * 16 * 32;
    const std::int64_t layer = attention + 2 * 8 + 2 * 32 + 8 * 32 + 8 * expert;
    EXPECT_EQ(model.parameterCount(), 304 * 32 + 3 * layer + 32);
    EXPECT_EQ(model.activeParameterCount(), model.parameterCount() - 3 * 6 * expert);
    EXPECT_EQ(model.bytesPerDecodedToken(2), 4 * (32 + 304 * 32 + 3 * (attention + 8 * 32 + 2 * expert)));
}

TEST_F(ModelFiles, GiveTheSameLogitsInOneFileShardedAndFused) {
    const std::vector<float> expected = logitsOf(openModelDirectory(path()));
    writeShards();
    const Model sharded = openModelDirectory(path());
    EXPECT_EQ(sharded.files.size(), 2U);
    EXPECT_EQ(logitsOf(sharded), expected);
}

TEST_F(ModelFiles, MayLieAtOddAddresses) {
    const std::vector<float> expected = logitsOf(openModelDirectory(path()));
    const SafetensorsWriter writer = tinyTensors();
    SafetensorsWriter copy = writer;
    std::string header = copy.header().dump();
    while (header.size() % 8 != 1) header += ' ';
    writeFile(file("model.safetensors"), safetensorsBytes(header, copy.data()));
    EXPECT_EQ(logitsOf(openModelDirectory(path())), expected);
}

TEST_F(ModelFiles, MayHoldTensorsThatAreNotUsed) {
    SafetensorsWriter writer = tinyTensors();
    writer.add("model.layers.0.self_attn.rotary_emb.inv_freq", DataType::kF32, {4}, std::vector<float>(4));
    writeTensors(writer);
    std::string last;
    openModelDirectory(path(), [&last](std::string_view line) { last = line; });
    EXPECT_EQ(last, "1 tensors are not used by this architecture");
}

TEST_F(ModelFiles, OutliveTheirDirectory) {
    const Model model = openModelDirectory(path());
    const std::vector<float> expected = logitsOf(model);
    std::filesystem::remove_all(path());
    EXPECT_NO_THROW(model.checkFiles());
    EXPECT_EQ(logitsOf(model), expected);
}

TEST_F(ModelFiles, ThatAreCutShortWhileOpenAreNoticed) {
    const Model model = openModelDirectory(path());
    EXPECT_NO_THROW(model.checkFiles());
    const std::unique_ptr<kernels::Backend> backend = kernels::makeReferenceBackend();
    Generation generation(model, *backend, {.context_tokens = 64}, nullptr);
    const LaneId lane = generation.addLane({});
    std::filesystem::resize_file(file("model.safetensors"), 100);
    try {
        generation.startTurn(lane, std::vector<TokenId>{1, 2, 3}, true);
        FAIL();
    } catch (const Error& error) {
        expectMessage(error.what(), {"model.safetensors", "cut short"});
    }
}

TEST_F(ModelFiles, MayLackATokenizerAndSamplingDefaults) {
    std::filesystem::remove(file("tokenizer.json"));
    std::filesystem::remove(file("tokenizer_config.json"));
    std::filesystem::remove(file("generation_config.json"));
    const Model model = openModelDirectory(path());
    EXPECT_FALSE(model.tokenizer.has_value());
    EXPECT_EQ(model.generation_config.eos_token_ids, std::vector<TokenId>{kTinyEnd});  // from config.json
}

TEST_F(ModelFiles, ReadTheChatTemplateFromEitherPlace) {
    writeFile(file("tokenizer_config.json"), R"({"chat_template": "plain"})");
    EXPECT_EQ(openModelDirectory(path()).thinking_support, ThinkingSupport::kNever);
    writeFile(
        file("tokenizer_config.json"),
        R"({"chat_template": [{"name":"other","template":"x"},{"name":"default","template":"enable_thinking"}]})");
    EXPECT_EQ(openModelDirectory(path()).thinking_support, ThinkingSupport::kHybrid);
    writeFile(file("chat_template.jinja"), "plain");
    EXPECT_EQ(openModelDirectory(path()).thinking_support, ThinkingSupport::kNever);
}

TEST_F(ModelFiles, AbsentFilesAreNamed) {
    expectMessage(openMessage(file("nowhere")), {"nowhere", "no such model"});
    expectMessage(openMessage(file("config.json")), {"config.json", "not a model directory"});
    std::filesystem::remove(file("model.safetensors"));
    expectMessage(message(), {"no weights", "model.safetensors.index.json"});
    std::filesystem::remove(file("config.json"));
    expectMessage(message(), {"config.json", "no model"});
}

TEST_F(ModelFiles, ThatAreNotRegularFilesAreRefusedWithoutWaiting) {
    std::filesystem::remove(file("model.safetensors"));
    std::filesystem::create_directory(file("model.safetensors"));
    expectMessage(message(), {"model.safetensors", "not a regular file"});
    std::filesystem::remove(file("model.safetensors"));
    ASSERT_EQ(mkfifo(file("model.safetensors").c_str(), 0600), 0);
    expectMessage(message(), {"model.safetensors", "not a regular file"});
    std::filesystem::remove(file("config.json"));
    ASSERT_EQ(mkfifo(file("config.json").c_str(), 0600), 0);
    expectMessage(message(), {"config.json", "not a regular file"});
}

TEST_F(ModelFiles, EmptyOrMalformedJsonIsNamed) {
    for (const char* name : {"config.json", "generation_config.json", "tokenizer_config.json", "tokenizer.json"}) {
        for (const char* text : {"", "{", "[1]", "\xFF"}) {
            writeTinyModel(path());
            writeFile(file(name), text);
            expectMessage(message(), {name});
        }
    }
}

TEST_F(ModelFiles, OversizedJsonIsRefused) {
    std::filesystem::resize_file(file("config.json"), 17 << 20);
    expectMessage(message(), {"config.json", "too large"});
}

TEST_F(ModelFiles, EndTokensBeyondTheVocabularyAreRefused) {
    writeFile(file("generation_config.json"), R"({"eos_token_id": [5, 304]})");
    expectMessage(message(), {"generation_config.json", "eos_token_id", "304"});
    std::filesystem::remove(file("generation_config.json"));
    writeConfig({{"eos_token_id", 9999}});
    expectMessage(message(), {"config.json", "eos_token_id", "9999"});
}

TEST_F(ModelFiles, ATokenizerLargerThanTheVocabularyIsRefused) {
    writeTinyModel(path(), {.vocabulary = 200, .tokenizer = true});
    writeFile(file("generation_config.json"), "{}");
    writeConfig({{"vocab_size", 200}, {"eos_token_id", 0}});
    expectMessage(message(), {"tokenizer.json, model.vocab[", "expected 0 to 199; found 2"});
}

TEST_F(ModelFiles, TruncatedWeightsAreRefused) {
    const auto size = std::filesystem::file_size(file("model.safetensors"));
    for (const auto kept : {std::uintmax_t{0}, std::uintmax_t{7}, std::uintmax_t{100}, size / 2, size - 1}) {
        writeTinyModel(path());
        std::filesystem::resize_file(file("model.safetensors"), kept);
        expectMessage(message(), {"model.safetensors"});
    }
}

TEST_F(ModelFiles, ShapesThatDisagreeWithTheConfigAreRefused) {
    writeConfig({{"hidden_size", 64}});
    expectMessage(message(), {"model.safetensors, tensor model.embed_tokens.weight", "config.json",
                              "expected (304, 64)", "found (304, 32)"});
    writeConfig({{"num_key_value_heads", 1}});
    expectMessage(message(), {"k_proj", "(8, 32)", "(16, 32)"});
    writeConfig({{"moe_intermediate_size", 8}});
    expectMessage(message(), {"mlp.experts.0.gate_proj.weight"});
    writeConfig({{"num_experts", 4}});
    expectMessage(message(), {"mlp.gate.weight", "(4, 32)", "(8, 32)"});
}

TEST_F(ModelFiles, HugeFiguresInTheConfigAllocateNothing) {
    writeConfig({{"vocab_size", 1 << 24}, {"hidden_size", 1 << 20}, {"num_hidden_layers", 4096}});
    expectMessage(message(), {"model.embed_tokens.weight"});
    writeConfig({{"num_hidden_layers", 4096}, {"num_experts", 8}});
    expectMessage(message(), {"model.layers.3.input_layernorm.weight", "missing"});
}

TEST_F(ModelFiles, MissingTensorsAreNamed) {
    for (const char* name : {"model.embed_tokens.weight", "model.norm.weight", "model.layers.1.mlp.gate.weight",
                             "model.layers.2.mlp.experts.7.up_proj.weight", "model.layers.0.self_attn.q_norm.weight"}) {
        SafetensorsWriter renamed = tinyTensors();
        auto entry = renamed.header()[name];
        renamed.header().erase(name);
        renamed.header()["something.else"] = entry;
        writeTensors(renamed);
        expectMessage(message(), {name, "missing"});
    }
    writeTinyModel(path());
    writeConfig({{"tie_word_embeddings", false}});
    expectMessage(message(), {"lm_head.weight", "missing"});
}

TEST_F(ModelFiles, OtherElementTypesAreRefused) {
    SafetensorsWriter writer = tinyTensors();
    writer.header()["model.norm.weight"]["dtype"] = "I32";
    writeTensors(writer);
    expectMessage(message(), {"model.norm.weight", "F32, F16 or BF16", "I32"});
}

TEST_F(ModelFiles, WeightsThatAreNoFiniteNumbersAreRefused) {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const float infinity = std::numeric_limits<float>::infinity();
    for (const char* name : {"model.norm.weight", "model.layers.1.mlp.experts.5.down_proj.weight",
                             "model.layers.2.mlp.gate.weight", "model.embed_tokens.weight"}) {
        for (const float value : {nan, infinity, -infinity}) {
            poison(name, 13, value);
            expectMessage(message(), {"model.safetensors", name, "no finite number"});
        }
    }
    poison("model.norm.weight", 13, std::numeric_limits<float>::max());
    EXPECT_EQ(message(), "no Error was thrown");
}

TEST(ModelTypes, NanIsFoundInEveryElementType) {
    for (const DataType type : {DataType::kF32, DataType::kF16, DataType::kBF16}) {
        const TemporaryDirectory directory;
        writeTinyModel(directory.path(), {.type = type});
        EXPECT_EQ(openMessage(directory.path()), "no Error was thrown");
        SafetensorsWriter writer = tinyTensors({.type = type});
        const std::size_t end = writer.header()["model.norm.weight"]["data_offsets"][1].get<std::size_t>();
        writer.data()[end - 1] = std::byte{0x7F};  // the last element's upper byte: all exponent bits …
        writer.data()[end - 2] = std::byte{0xFF};  // … with the next one
        writeFile(directory / "model.safetensors", writer.bytes());
        expectMessage(openMessage(directory.path()), {"model.norm.weight", "no finite number"});
    }
}

TEST(ModelTypes, InfinityIsFoundInEveryElementType) {
    for (const DataType type : {DataType::kF32, DataType::kF16, DataType::kBF16}) {
        const TemporaryDirectory directory;
        writeTinyModel(directory.path(), {.type = type});
        SafetensorsWriter writer = tinyTensors({.type = type});
        const auto size = static_cast<std::size_t>(kernels::bytesPerElement(type));
        const std::size_t end = writer.header()["model.norm.weight"]["data_offsets"][1].get<std::size_t>();
        std::fill(writer.data().begin() + static_cast<std::ptrdiff_t>(end - size),
                  writer.data().begin() + static_cast<std::ptrdiff_t>(end), std::byte{0});
        writer.data()[end - 1] = type == DataType::kF16 ? std::byte{0x7C} : std::byte{0x7F};
        writer.data()[end - 2] = type == DataType::kF16 ? std::byte{0x00} : std::byte{0x80};
        writeFile(directory / "model.safetensors", writer.bytes());
        expectMessage(openMessage(directory.path()), {"model.norm.weight", "no finite number"});
    }
}

TEST(ModelTypes, ADenseModelReadsAllOfItsLayersForEachToken) {
    const Model model = openTinyModel({.experts = 0});
    std::int64_t bytes = model.weights.lm_head.bytes() + 4 * 32;
    for (const LayerWeights& layer : model.weights.layers) {
        const kernels::ExpertMatrices& mlp = layer.experts.front();
        bytes += layer.q_proj.bytes() + layer.k_proj.bytes() + layer.v_proj.bytes() + layer.o_proj.bytes() +
                 mlp.gate.bytes() + mlp.up.bytes() + mlp.down.bytes();
    }
    EXPECT_EQ(model.bytesPerDecodedToken(0), bytes);
    EXPECT_EQ(model.activeParameterCount(), model.parameterCount());
}

TEST(ModelTypes, FusedExpertsAreRead) {
    const Model fused = openTinyModel({.fused_experts = true});
    const kernels::ExpertMatrices& expert = fused.weights.layers[1].experts[5];
    EXPECT_EQ(expert.up.row(0), expert.gate.row(15) + 32 * 4);
    EXPECT_EQ(fused.weights.layers[1].experts[6].gate.row(0), expert.up.row(15) + 32 * 4);
    EXPECT_EQ(expert.down.rows, 32);
    EXPECT_EQ(expert.down.columns, 16);
    for (const float logit : logitsOf(fused)) ASSERT_TRUE(std::isfinite(logit));
}

TEST_F(ModelFiles, ShardsThatDisagreeWithTheIndexAreRefused) {
    json index = writeShards();
    index["weight_map"]["model.norm.weight"] = "../outside.safetensors";
    writeIndex(index);
    expectMessage(message(), {"model.safetensors.index.json", "weight_map", "model.norm.weight"});

    index = writeShards();
    index["weight_map"]["model.norm.weight"] = "model-00003-of-00002.safetensors";
    writeIndex(index);
    expectMessage(message(), {"model.safetensors.index.json", "shard is missing", "model-00003-of-00002.safetensors"});

    index = writeShards();
    json& place = index["weight_map"]["model.norm.weight"];
    place = place == "model-00001-of-00002.safetensors" ? "model-00002-of-00002.safetensors"
                                                        : "model-00001-of-00002.safetensors";
    writeIndex(index);
    expectMessage(message(), {"model.safetensors.index.json", "model.norm.weight", "not in the shard"});

    index = writeShards();
    index["weight_map"]["no.such.tensor"] = "model-00001-of-00002.safetensors";
    writeIndex(index);
    expectMessage(message(), {"no.such.tensor", "no such tensor"});

    writeShards();
    std::filesystem::copy_file(file("model-00001-of-00002.safetensors"), file("model-00002-of-00002.safetensors"),
                               std::filesystem::copy_options::overwrite_existing);
    EXPECT_NE(message(), "no Error was thrown");
}

TEST_F(ModelFiles, ATensorInTwoShardsIsRefused) {
    writeShards();
    writeFile(file("model-00001-of-00002.safetensors"), tinyTensors().bytes());
    SafetensorsWriter second;
    second.add("extra", DataType::kF32, {1}, std::vector<float>{1});
    second.add("model.norm.weight", DataType::kF32, {1}, std::vector<float>{1});
    writeFile(file("model-00002-of-00002.safetensors"), second.bytes());
    writeIndex(
        {{"weight_map",
          {{"model.norm.weight", "model-00001-of-00002.safetensors"}, {"extra", "model-00002-of-00002.safetensors"}}}});
    expectMessage(message(), {"appears in two files", "model-00002-of-00002.safetensors", "model.norm.weight"});
}

TEST(LoadWeights, OfALargeCheckpointOneRowOfEachMatrixIsLookedAt) {
    const SafetensorsWriter tensors = tinyTensors();
    const auto load = [&tensors](std::size_t row, FiniteCheck check) {
        SafetensorsWriter writer = tensors;
        const std::size_t begin = writer.header()["model.embed_tokens.weight"]["data_offsets"][0].get<std::size_t>();
        const float nan = std::numeric_limits<float>::quiet_NaN();
        std::memcpy(writer.data().data() + begin + row * 32 * sizeof nan, &nan, sizeof nan);
        const std::vector<std::byte> bytes = writer.bytes();
        std::vector<NamedTensor> named;
        for (TensorView& view : parseSafetensors(bytes, "model.safetensors"))
            named.push_back({std::move(view), "model.safetensors"});
        const std::string config = tinyConfig().dump();
        loadWeights(parseModelConfig(std::as_bytes(std::span(config)), "config.json"), std::move(named), check);
    };
    EXPECT_THROW(load(152, FiniteCheck::kOneRow), Error);  // the one in the middle of 304
    EXPECT_NO_THROW(load(0, FiniteCheck::kOneRow));
    EXPECT_THROW(load(0, FiniteCheck::kEveryValue), Error);
}

TEST(OpenModel, UnderstandsItsThreeSpellings) {
    const TemporaryDirectory resources;
    const TemporaryDirectory directory;
    writeTinyModel(directory.path());
    EXPECT_EQ(openModel("demo", directory.path()).name, "demo");
    const std::filesystem::path relative = resources.path() / "demo-top1";
    std::filesystem::create_directory(relative);
    writeTinyModel(relative);
    EXPECT_EQ(openModel("demo-top1", resources.path() / "demo").name, "demo-top1");
    EXPECT_THROW(openModel("demo-top1", directory.path() / "demo"), Error);
    EXPECT_EQ(openModel("random:tiny", directory.path()).name, "random:tiny");
    EXPECT_EQ(openModel(directory.path().string(), "nowhere").config.num_experts, 8);
    EXPECT_THROW(openModel("random:unknown", directory.path()), Error);
    try {
        openModel("", directory.path());
        FAIL();
    } catch (const Error& error) {
        expectMessage(error.what(), {"No model is named",
                                     "demo, demo-top1, demo-any, random:NAME[:TYPE] or a directory", "an empty text"});
    }
    EXPECT_THROW(openModel("no/such/place", directory.path()), Error);
}

}  // namespace
}  // namespace mixoscope::test
