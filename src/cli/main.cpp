#include "command.h"

int main(int argc, char** argv) { return hat::cli::run_program(argc, argv); }
