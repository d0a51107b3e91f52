// HumanEval (Chen et al., arXiv 2107.03374): how a problem is asked in a chat, and what of the answer its own evaluator
// (github.com/openai/human-eval) is given. No generated code is run here.
#pragma once

#include <string>
#include <string_view>

namespace mixoscope {

struct HumanEvalProblem {
    std::string task_id;
    std::string prompt;  // imports, other functions, and the head of the function with its description
    std::string entry_point;
};

/// The user's message.
std::string humanEvalQuestion(const HumanEvalProblem& problem);

/// The text that the evaluator puts behind the prompt. Of an answer with fenced blocks that is the code of the one that
/// defines the function, else of the first; without a fence it is the answer itself, up to what stands unindented
/// behind an indented body. A repeated prompt is left out; a function that is written anew follows the prompt's as it
/// is, since in Python the later definition counts; anything else is the body, indented where it is not.
std::string humanEvalCompletion(const HumanEvalProblem& problem, std::string_view answer);

/// A line of the file that the evaluator reads, with its end: {"task_id", "completion"}.
std::string humanEvalSample(const HumanEvalProblem& problem, std::string_view answer);

}  // namespace mixoscope
