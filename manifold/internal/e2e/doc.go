// Package e2e holds tests of the whole product: real binaries, real processes, real signals. It has no code of its own.
package e2e
