// `mixoscope bench`: the shape of its report; its figures are not judged here.
#include <gtest/gtest.h>

#include "app/run_program_test.h"

namespace mixoscope {
namespace {

using nlohmann::json;
using test::ProgramResult;
using test::runProgramWith;

ProgramResult bench(std::vector<std::string> more) {
    more.insert(more.begin(), {"bench", "--model", "random:tiny", "--prompt", "8", "--decode", "6", "--threads", "1"});
    return runProgramWith(more);
}

TEST(BenchCommand, ReportsSpeedBandwidthAndTheCostOfProbes) {
    const ProgramResult result = bench({"--json"});
    ASSERT_EQ(result.status, 0) << result.err;
    const json report = result.json();
    EXPECT_EQ(report["lanes"], 1);
    EXPECT_EQ(report["prompt_tokens"], 8);
    EXPECT_EQ(report["decode_tokens"], 6);
    EXPECT_GT(report["bytes_per_token"].get<double>(), 0.0);
    EXPECT_GT(report["read_bandwidth_gb_per_s"].get<double>(), 0.0);
    for (const char* side : {"off", "on"}) {
        const json& figures = report["probes"][side];
        const double rate = figures["decode_tokens_per_s"];
        EXPECT_GT(rate, 0.0);
        EXPECT_GT(figures["prefill_tokens_per_s"].get<double>(), 0.0);
        EXPECT_NEAR(figures["decode_ms_per_step"].get<double>() * rate, 1000.0, 1e-6);
        EXPECT_NEAR(figures["decode_gb_per_s"].get<double>(), rate * report["bytes_per_token"].get<double>() / 1e9,
                    1e-9);
    }
    EXPECT_GT(report["probes"]["on"]["sink_share"].get<double>(), 0.0);
    EXPECT_NEAR(report["probes_ratio"].get<double>(),
                report["probes"]["off"]["decode_tokens_per_s"].get<double>() /
                    report["probes"]["on"]["decode_tokens_per_s"].get<double>(),
                1e-9);
}

TEST(BenchCommand, OneSideAndSeveralLanes) {
    const json off = bench({"--json", "--probes", "off"}).json();
    EXPECT_TRUE(off["probes"].contains("off"));
    EXPECT_FALSE(off["probes"].contains("on"));
    EXPECT_FALSE(off.contains("probes_ratio"));
    const json lanes = bench({"--json", "--probes", "on", "--lanes", "3"}).json();
    EXPECT_EQ(lanes["lanes"], 3);
    const json& beside = lanes["probes"]["on"];
    EXPECT_GT(beside["decode_ms_per_step_of_one_lane"].get<double>(), 0.0);
    EXPECT_NEAR(beside["lanes_ratio"].get<double>(),
                beside["decode_ms_per_step"].get<double>() / beside["decode_ms_per_step_of_one_lane"].get<double>(),
                1e-9);
    EXPECT_NEAR(beside["decode_tokens_per_s"].get<double>() * beside["decode_ms_per_step"].get<double>(), 3000.0, 1e-6);
    EXPECT_FALSE(off["probes"]["off"].contains("lanes_ratio"));
    EXPECT_FALSE(lanes["probes"]["on"].contains("decode_gb_per_s"));  // lanes share what is read
}

TEST(BenchCommand, SaysWhatFurtherLanesCost) {
    const ProgramResult result = bench({"--probes", "off", "--lanes", "2"});
    EXPECT_NE(result.out.find("x that of one lane"), std::string::npos) << result.out;
}

TEST(BenchCommand, SaysItInWordsToo) {
    const ProgramResult result = bench({});
    ASSERT_EQ(result.status, 0) << result.err;
    for (const char* part :
         {"Read bandwidth", "Probes off", "Probes on", "tokens/s", "% of the bandwidth", "on / off"}) {
        EXPECT_NE(result.out.find(part), std::string::npos) << part << "\n" << result.out;
    }
}

}  // namespace
}  // namespace mixoscope
