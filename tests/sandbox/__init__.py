"""Tests of the sandbox: mostly over real sockets, against real child processes."""
