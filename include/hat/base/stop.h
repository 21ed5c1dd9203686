#pragma once

namespace hat {

/// From now on SIGINT and SIGTERM set a flag; a second one ends the process at once.
void install_stop_handlers();
bool stop_requested();
/// Throws kInterrupted when a stop was asked for; long loops call it where their state is saved.
void throw_if_stopped();
/// For tests.
void request_stop(bool stop);

}  // namespace hat
