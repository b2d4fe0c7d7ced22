//go:build !linux

package pool

// yield does nothing where the system call is not known.
func yield() {}
