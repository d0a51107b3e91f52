#include "support/recomputed.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "support/paths.h"

namespace mixoscope::test {

namespace {

std::string quoted(const std::string& text) {
    return "'" + text + "'";
}

std::string contentOf(const std::filesystem::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

bool canRecompute() {
    return std::system("/usr/bin/python3 -c 'import numpy' 2>/dev/null") == 0;
}

std::map<std::string, int> recompute(const std::filesystem::path& session, const std::vector<WrittenTable>& tables,
                                     const std::filesystem::path& directory) {
    const std::filesystem::path script = goldenDirectory().parent_path() / "support" / "recompute.py";
    std::string command = "/usr/bin/python3 -B " + quoted(script.string()) + " " + quoted(session.string());
    for (const WrittenTable& table : tables) command += " " + quoted(table.kind + "=" + table.file.string());
    const std::filesystem::path out = directory / "recomputed.json";
    const std::filesystem::path errors = directory / "recomputed.err";
    command += " > " + quoted(out.string()) + " 2> " + quoted(errors.string());
    if (std::system(command.c_str()) != 0) {
        ADD_FAILURE() << contentOf(errors);
        return {};
    }
    const auto report = nlohmann::json::parse(contentOf(out));
    for (const auto& difference : report["differences"]) ADD_FAILURE() << difference.get<std::string>();
    EXPECT_EQ(report["count"], 0);
    return report["checked"].get<std::map<std::string, int>>();
}

}  // namespace mixoscope::test
