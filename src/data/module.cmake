# The tokenizer is trained by the SentencePiece library; its tests compare with the library too.
target_link_libraries(hat_data PRIVATE hat::sentencepiece)
