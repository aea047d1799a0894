#pragma once
// For the server alone: what is freed is wiped. TLS and the network keep what clients send, values among it, in buffers
// of their own, and free them as they are (BoringSSL's SSLBuffer::Clear, NIO's ByteBuffer when it grows). Linked into a
// program, these take the place of the C library's free(3) and realloc(3) for everything in it.

// Whether they do.
_Bool wiping_free_is_in_place(void);
