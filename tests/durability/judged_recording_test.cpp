#include "durability/judged_recording_test.h"

#include <SQLiteCpp/Database.h>

#include <utility>

#include "durability/role_process_test.h"

namespace mixoscope::test {

namespace {

constexpr std::size_t kRingSlots = 1 << 16;
constexpr SyntheticEngine::Turn kTurn{.kept = 0, .prompt = 20, .thinking = 3, .answer = 4};

std::string integrityOf(const std::filesystem::path& file) {
    SQLite::Database database(file.string(), SQLite::OPEN_READONLY);
    return database.execAndGet("PRAGMA integrity_check").getString();
}

}  // namespace

void require(bool met, const std::string& what) {
    if (!met) failRole(what);
}

std::string errorOf(const std::filesystem::path& file, const std::function<void()>& action) {
    try {
        action();
    } catch (const Error& error) {
        const std::string& where = error.parts().where;
        require(where.find((file.parent_path() / file.stem()).string()) != std::string::npos ||
                    where.find((file.parent_path() / ".trash").string()) != std::string::npos,
                std::string("does not name the file: ") + error.what());
        return error.what();
    }
    return {};
}

JudgedRecording::JudgedRecording(std::filesystem::path file, std::uint32_t seed)
    : m_file(std::move(file)),
      m_sink(kShape, kRingSlots),
      m_engine(kShape, seed, m_sink),
      m_recorder(
          std::make_unique<Recorder>(syntheticRecording(m_file, kShape), m_sink.ring, m_sink.ring->makeReader())) {}

bool JudgedRecording::record(int turns) {
    for (int turn = 0; turn < turns; ++turn) {
        m_engine.play(0, kTurn);
        if (!m_recorder->flush()) return false;
        m_acknowledged = m_engine.serial();
    }
    return true;
}

void JudgedRecording::playOn() {
    m_engine.play(0, kTurn);
}

void JudgedRecording::close() {
    m_recorder.reset();
}

void JudgedRecording::requireSaid(const std::string& text) const {
    const std::optional<ErrorParts> error = m_recorder->status().error;
    require(error.has_value(), "the recorder did not fail");
    require(error->where.find(m_file.filename().string()) != std::string::npos,
            "does not name the file: " + error->where);
    require(error->what.find(text) != std::string::npos, "said: " + error->what + "; " + error->found);
}

void JudgedRecording::requireWhole() const {
    const std::string integrity = integrityOf(m_file);
    require(integrity == "ok", integrity);
    const std::vector<Record> found = replayed(m_file);
    const std::vector<Record>& given = m_sink.kept.records;
    require(static_cast<std::int64_t>(found.size()) >= m_acknowledged,
            std::to_string(m_acknowledged) + " records were acknowledged, " + std::to_string(found.size()) +
                " are in the file");
    require(found.size() <= given.size(), "there are records that nobody recorded");
    for (std::size_t i = 0; i < found.size(); ++i)
        require(sameRecord(found[i], given[i]), "record " + std::to_string(i) + " is another");
}

}  // namespace mixoscope::test
