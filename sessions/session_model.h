// A model as the sessions recorded from it describe it.
#pragma once

#include "engine/model.h"
#include "sessions/session_file.h"

namespace mixoscope {

/// What a session says about the model; the shape of the traces is up to whoever records. Needs no weights.
SessionModel sessionModelOf(const Model& model);

}  // namespace mixoscope
