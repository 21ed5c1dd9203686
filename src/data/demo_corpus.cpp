#include "hat/data/demo_corpus.h"

#include <algorithm>

#include "data/demo_grammar.h"
#include "hat/base/error.h"
#include "hat/base/stop.h"
#include "hat/base/strings.h"

namespace hat::data {

SentencePair DemoSentences::next() {
  // The grammar has billions of sentences; so many repetitions in a row mean it is used up.
  constexpr int kAttempts = 10'000;
  for (int i = 0; i < kAttempts; ++i) {
    SentencePair pair = demo_sentence(rng_);
    if (seen_.insert(hash64(pair.source)).second) return pair;
  }
  fail(ErrorKind::kConfig, str("the demo grammar has no more than ", seen_.size(), " sentences"),
       "Ask for fewer pairs.");
}

DemoSizes write_demo_corpus(const fs::path& folder, const DemoSizes& sizes, uint64_t seed) {
  HAT_CHECK(sizes.train >= 1 && sizes.valid >= 0 && sizes.test >= 0, ErrorKind::kUsage,
            "a demo corpus needs at least one pair");
  constexpr int64_t kMostPairs = 50'000'000;
  HAT_CHECK(sizes.train <= kMostPairs, ErrorKind::kUsage,
            str("a demo corpus has at most ", with_commas(kMostPairs), " pairs, ",
                with_commas(static_cast<uint64_t>(sizes.train)), " were asked for"));
  const int64_t held_out = std::clamp<int64_t>(sizes.train / 20, 20, 500);
  const DemoSizes chosen{sizes.train, sizes.valid > 0 ? sizes.valid : held_out,
                         sizes.test > 0 ? sizes.test : held_out};
  ensure_directory(folder);
  DemoSentences sentences(seed);
  const auto write = [&](const char* name, int64_t count) {
    AtomicFile source(folder / str(name, ".de"));
    AtomicFile target(folder / str(name, ".en"));
    for (int64_t i = 0; i < count; ++i) {
      if (i % 1024 == 0) throw_if_stopped();
      const SentencePair pair = sentences.next();
      source.write(pair.source + "\n");
      target.write(pair.target + "\n");
    }
    source.commit();
    target.commit();
  };
  // Held-out sentences first, so that they are the same whatever the size of train.
  write("valid", chosen.valid);
  write("test", chosen.test);
  write("train", chosen.train);
  return chosen;
}

}  // namespace hat::data
