#include "support/every_reader.h"

#include <functional>

#include "engine/error.h"
#include "sessions/csv_export.h"
#include "sessions/npz_export.h"
#include "sessions/perfetto_export.h"
#include "sessions/routing_replay.h"
#include "sessions/session_bookmarks.h"
#include "sessions/session_file.h"
#include "sessions/session_library.h"
#include "sessions/session_replay.h"

namespace mixoscope::test {

namespace {

void attempt(const std::function<void()>& work) {
    try {
        work();
    } catch (const Error&) {  // as it should
    }
}

}  // namespace

void readInEveryWay(const std::filesystem::path& file, const std::filesystem::path& out) {
    attempt([&] {
        SessionReplay replay(file);
        while (replay.readMore(64)) {
        }
        replay.snapshot();
        for (std::int64_t step = 1; step <= replay.index()->count(); step += 5) {
            replay.seek(step);
            replay.snapshot();
        }
        replay.modelAtHand();
    });
    attempt([&] { exportCsv(file, out / "csv"); });
    attempt([&] { exportNpz(file, out / "a.npz"); });
    attempt([&] { exportPerfetto(file, out / "a.json"); });
    attempt([&] { thumbnailOf(file); });
    attempt([&] {
        const SessionReader reader(file);
        sessionTags(reader);
        sessionBookmarks(reader);
    });
    for (const LaneId lane : {0, 1}) attempt([&] { routingOfSession(file, lane); });
}

}  // namespace mixoscope::test
