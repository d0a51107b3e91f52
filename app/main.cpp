// The program: the window or a command, by the first word.
#include <iostream>

#include "app/arguments.h"

int main(int argc, char** argv) {
    return mixoscope::runProgram(argc, argv, std::cout, std::cerr);
}
