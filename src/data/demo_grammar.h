#pragma once

#include "hat/base/rng.h"
#include "hat/data/demo_corpus.h"

namespace hat::data {

/// One random sentence of the demo grammar.
SentencePair demo_sentence(Rng& rng);

}  // namespace hat::data
