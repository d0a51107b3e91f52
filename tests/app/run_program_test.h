// Runs the program in this process, with captured streams.
#pragma once

#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "app/arguments.h"

namespace mixoscope::test {

struct ProgramResult {
    int status = -1;
    std::string out;
    std::string err;

    std::vector<std::string> lines() const {
        std::istringstream stream(out);
        std::vector<std::string> found;
        for (std::string line; std::getline(stream, line);) found.push_back(line);
        return found;
    }
    nlohmann::json json() const { return nlohmann::json::parse(out); }
    std::vector<nlohmann::json> jsonLines() const {
        std::vector<nlohmann::json> found;
        for (const std::string& line : lines()) found.push_back(nlohmann::json::parse(line));
        return found;
    }
};

/// `input` is the standard input.
inline ProgramResult runProgramWith(const std::vector<std::string>& arguments, const std::string& input = "") {
    std::vector<const char*> argv = {"mixoscope"};
    for (const std::string& argument : arguments) argv.push_back(argument.c_str());
    std::ostringstream out;
    std::ostringstream err;
    std::istringstream in(input);
    std::streambuf* const before = std::cin.rdbuf(in.rdbuf());
    std::cin.clear();
    const int status = runProgram(static_cast<int>(argv.size()), argv.data(), out, err);
    std::cin.rdbuf(before);
    return {.status = status, .out = out.str(), .err = err.str()};
}

/// A message of the program: one line that begins with its name.
inline bool isMessage(const std::string& err) {
    return err.starts_with("mixoscope: ") && err.ends_with("\n") && err.find('\n') == err.size() - 1;
}

}  // namespace mixoscope::test
