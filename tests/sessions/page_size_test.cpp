// Pages of session files: as large as the rows of a model need them, and the sum for it is what SQLite does.
#include "sessions/page_size.h"

#include <gtest/gtest.h>

#include "sessions/session_writer.h"
#include "sessions/trace_blob.h"
#include "support/recorded_session.h"
#include "support/temporary_directory.h"

namespace mixoscope {
namespace {

/// Bytes of file over bytes of packed routing, in rows of this shape.
double fileOverPacked(const TraceShape& shape, std::int64_t rows) {
    const test::TemporaryDirectory directory;
    const std::filesystem::path file = directory / "a.mixo";
    test::KeepingSink kept;
    test::SyntheticEngine engine(shape, 7, kept);
    engine.row(0, {}, {});
    StepTrace trace = kept.records.front().row.view();
    SessionWriter writer(file, test::syntheticModel(shape), test::syntheticBytes);
    const auto empty = static_cast<double>(std::filesystem::file_size(file));
    for (std::int64_t row = 0; row < rows; ++row) {
        trace.serial = trace.step = row;
        trace.token.position = static_cast<std::int32_t>(row);
        writer.addRow(trace);
    }
    writer.finish();
    return (static_cast<double>(std::filesystem::file_size(file)) - empty) /
           static_cast<double>(rows * static_cast<std::int64_t>(routingBytes(shape)));
}

TEST(PageSize, LargeModelsTakeLittleMoreThanTheirPackedRouting) {
    EXPECT_LE(fileOverPacked({94, 8, 128, false}, 600), 1.1);
    EXPECT_LE(fileOverPacked({94, 8, 128, true}, 100), 1.1);
    EXPECT_LE(fileOverPacked({48, 8, 128, false}, 1000), 1.1);
    EXPECT_LE(fileOverPacked({48, 8, 128, true}, 200), 1.1);
}

TEST(PageSize, SmallRowsStayInSmallPages) {
    EXPECT_EQ(pageBytesFor(100), kSmallestPageBytes);
    EXPECT_EQ(pageBytesFor(300), kSmallestPageBytes);
    for (std::size_t bytes = 1; bytes < 300'000; bytes += 97) {
        const std::size_t page = pageBytesFor(bytes);
        EXPECT_LE(page, kLargestPageBytes);
        EXPECT_LE(fileBytesOfRow(bytes, page), fileBytesOfRow(bytes, kSmallestPageBytes));
    }
}

}  // namespace
}  // namespace mixoscope
