#pragma once

// Signals that would end or stop a process while its terminal is without echo. A handler must be C: Swift code is
// not safe inside one.

// From now on, each of them is written as one byte, its number, to `descriptor` instead of being acted on; those that
// are ignored (nohup) stay so. Not for two threads at once.
void linux_catch_terminal_signals(int descriptor);

// Ends that: they do again what they did before.
void linux_release_terminal_signals(void);
