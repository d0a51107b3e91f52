// A disk of a few hundred kilobytes fills while a session is created, recorded, closed or changed on it: whatever was
// acknowledged is in the file, the message says that the disk is full, and with room again everything goes on.
#include <gtest/gtest.h>

#include "durability/judged_recording_test.h"
#include "durability/role_process_test.h"
#include "durability/small_disk_test.h"
#include "sessions/csv_export.h"
#include "sessions/experiment_store.h"
#include "sessions/npz_export.h"
#include "sessions/session_bookmarks.h"
#include "sessions/session_file.h"
#include "sessions/session_library.h"
#include "support/temporary_directory.h"

namespace mixoscope {
namespace {

using namespace test;

constexpr std::int64_t kKilobyte = 1024;
constexpr std::int64_t kRoomEnough = 64 * 1024 * kKilobyte;
constexpr int kEndless = 100'000;

/// What may be tried on a full disk; each either succeeds or says why not, and harms nothing.
void changeAndExport(const std::filesystem::path& file, const std::filesystem::path& directory) {
    errorOf(file, [&] { renameSession(file, std::string(20'000, 'x')); });
    errorOf(file, [&] { setSessionTags(file, {std::string(20'000, 'y')}); });
    errorOf(file, [&] { setSessionBookmark(file, {.row = 3, .note = std::string(20'000, 'z')}); });
    require(!errorOf(file, [&] { duplicateSession(file); }).empty(), "a copy found room on a full disk");
    errorOf(file, [&] { compactSession(file); });
    require(!errorOf("tokens.csv", [&] { exportCsv(file, directory / "csv"); }).empty(),
            "CSV found room on a full disk");
    require(!errorOf("a.npz", [&] { exportNpz(file, directory / "a.npz"); }).empty(), "NPZ found room on a full disk");
    require(!std::filesystem::exists(directory / "a.npz"), "half an export is left");
}

int recordUntilDiskIsFull(const std::vector<std::string>& arguments) {
    const std::filesystem::path directory = arguments[0];
    mountSmallDisk(directory, std::stoll(arguments[1]));
    JudgedRecording recording(directory / "a.mixo", static_cast<std::uint32_t>(std::stoul(arguments[2])));
    require(!recording.record(kEndless), "the disk was never full");
    recording.requireSaid("the disk is full");
    recording.playOn();
    recording.requireWhole();
    recording.close();
    recording.requireWhole();

    fillDisk(directory / "ballast");
    recording.requireWhole();
    changeAndExport(recording.file(), directory);
    recording.requireWhole();

    resizeSmallDisk(directory, kRoomEnough);
    compactSession(recording.file());
    renameSession(recording.file(), "with room again");
    recording.requireWhole();
    require(SessionReader(recording.file()).metadata("title") == "with room again", "the title is another");
    JudgedRecording next(directory / "b.mixo", 1);
    require(next.record(20), "a new recording failed");
    next.close();
    next.requireWhole();
    return 0;
}

int closeOnFullDisk(const std::vector<std::string>& arguments) {
    const std::filesystem::path directory = arguments[0];
    mountSmallDisk(directory, 2048 * kKilobyte);
    JudgedRecording recording(directory / "a.mixo", 3);
    require(recording.record(40), "recording failed with room on the disk");
    fillDisk(directory / "ballast");
    recording.close();
    recording.requireWhole();
    std::filesystem::remove(directory / "ballast");
    compactSession(recording.file());
    recording.requireWhole();
    require(!std::filesystem::exists(recording.file().string() + "-wal"), "the log is still beside the file");
    return 0;
}

int createOnFullDisk(const std::vector<std::string>& arguments) {
    const std::filesystem::path directory = arguments[0];
    mountSmallDisk(directory, 1024 * kKilobyte);
    fillDisk(directory / "ballast");
    JudgedRecording recording(directory / "a.mixo", 3);
    require(!recording.record(1), "a session was created on a full disk");
    recording.requireSaid("cannot be created: the disk is full");
    const std::filesystem::path swept = directory / "experiment.mixo";
    const std::string said = errorOf(swept, [&] { ExperimentStore::create(swept, {}, {}); });
    require(said.find("the disk is full") != std::string::npos, "said: " + said);
    for (const auto& entry : std::filesystem::directory_iterator(directory))
        require(entry.path().filename() == "ballast", "left behind: " + entry.path().string());
    return 0;
}

const RoleRegistration kRoles[] = {{"record-until-disk-is-full", recordUntilDiskIsFull},
                                   {"close-on-full-disk", closeOnFullDisk},
                                   {"create-on-full-disk", createOnFullDisk}};

/// Each size ends the recording at another place: in the log, while the log is brought into the file, in a large page.
TEST(FullDisk, EndsTheRecordingWithEverythingAcknowledged) {
    std::uint32_t seed = 0;
    for (const std::int64_t kilobytes : {200, 236, 300, 412, 556, 800, 1200, 2000, 3300, 5000}) {
        SCOPED_TRACE(std::to_string(kilobytes) + " KiB");
        const TemporaryDirectory directory;
        RoleProcess process("record-until-disk-is-full",
                            {directory.path().string(), std::to_string(kilobytes * kKilobyte), std::to_string(++seed)});
        ASSERT_NO_FATAL_FAILURE(process.waitDone());
        if (testing::Test::IsSkipped()) return;
    }
}

TEST(FullDisk, AtTheEndLosesNothing) {
    const TemporaryDirectory directory;
    RoleProcess("close-on-full-disk", {directory.path().string()}).waitDone();
}

TEST(FullDisk, LeavesNoHalfFileOfANewSession) {
    const TemporaryDirectory directory;
    RoleProcess("create-on-full-disk", {directory.path().string()}).waitDone();
}

}  // namespace
}  // namespace mixoscope
