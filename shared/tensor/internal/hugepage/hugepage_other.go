//go:build !linux

package hugepage

// Want does nothing here.
func Want([]byte) {}

// Collapse does nothing here.
func Collapse([]byte) {}
