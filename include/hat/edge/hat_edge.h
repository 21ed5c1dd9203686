#ifndef HAT_EDGE_H_
#define HAT_EDGE_H_

/* The device runtime for programs in C and for other languages. Every function may be called from
 * any thread, but one translator by one thread at a time. Nothing throws or ends the process;
 * errors are return values, their text is hat_edge_last_error(). */

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hat_edge_translator hat_edge_translator;

typedef struct {
  int beam;              /* hypotheses kept, 1 to 64 */
  int n_best;            /* translations given back, 1 to beam */
  double length_penalty; /* scores are divided by length to this power */
  int max_length;        /* longest translation in tokens */
  int alignment;         /* not 0: word alignments too */
  int shortlist;         /* not 0: use the model's shortlist, if it has one */
} hat_edge_options;

/* The version of this interface: it changes when programs have to be changed. */
#define HAT_EDGE_API_VERSION 1
int hat_edge_api_version(void);

/* Beam 5, one translation, length penalty 1, 200 tokens, shortlist used. */
hat_edge_options hat_edge_default_options(void);

/* Opens a model file; threads 1 to 256. NULL on error. */
hat_edge_translator* hat_edge_open(const char* path, int threads);

/* Translates one line of UTF-8 text (`options` may be NULL). Returns the number of translations,
 * best first, or -1 on error. They stay valid until the next call with this translator. */
int hat_edge_translate(hat_edge_translator* translator, const char* text,
                       const hat_edge_options* options);

/* The translations of the last call: text, score and alignment ("0-0 1-2", empty unless asked for).
 * NULL and 0 when `index` is out of range. */
const char* hat_edge_text(const hat_edge_translator* translator, int index);
const char* hat_edge_alignment(const hat_edge_translator* translator, int index);
float hat_edge_score(const hat_edge_translator* translator, int index);

/* Sixteen hexadecimal digits naming the model. */
const char* hat_edge_model_id(const hat_edge_translator* translator);

void hat_edge_close(hat_edge_translator* translator);

/* What went wrong in this thread's last failed call; never NULL. */
const char* hat_edge_last_error(void);

#ifdef __cplusplus
}
#endif

#endif /* HAT_EDGE_H_ */
