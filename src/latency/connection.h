#pragma once

#include <memory>
#include <string>
#include <vector>

#include "hat/latency/agent_client.h"
#include "hat/latency/device.h"

namespace hat::latency {

/// The words that start the agent of a local or command device.
std::vector<std::string> agent_command(const Device& device);

/// `ssh` with the options hat always gives: no questions, bounded waiting, a lost peer noticed.
std::vector<std::string> ssh_command(const Device& device);

/// Ends with kIo, saying what went wrong on the way to the device and what to do, from ssh's exit
/// code and what it printed.
[[noreturn]] void fail_connection(const Device& device, int exit_code,
                                  const std::string& error_text, const std::string& what);

/// Makes sure that the device has this version's hat-run, copying it when not; returns the words
/// that start its agent.
std::vector<std::string> prepare_ssh(const Device& device);

}  // namespace hat::latency
